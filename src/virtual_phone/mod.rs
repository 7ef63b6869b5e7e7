//! A phone in software: the device side of ADB on the same protocol core, for `rescue demo` and for tests.
//!
//! In: a description (properties, files, faults). Out: an address on loopback where the phone answers. Files may be
//! generated on the fly, so that a phone with hundreds of thousands of files, or with one of many GiB, costs nothing.

pub mod camera_roll;
pub mod fault;
mod sending;
mod service;
mod shell;
pub mod tree;
pub mod wire;

use std::borrow::Cow;
use std::collections::HashMap;
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;

use crate::adb::RemotePath;
use crate::adb::auth::PublicKey;
use crate::adb::connection::{Connection, DeviceConfig};
use crate::adb::features::{Feature, Features};
use crate::adb::wire::MAX_PAYLOAD;
use crate::phone::drive::{Link, LinkEvent};
use fault::{Faults, Hello, Later};
use tree::{LastLink, Node, NodeKind, Tree};
use wire::Wire;

/// The token that the phone wants signed: a fixed one is as good as any for a phone that is none.
const TOKEN: [u8; 20] = *b"rescue virtual phone";

/// How the phone treats computers.
#[derive(Debug, Clone, Default)]
pub enum Trust {
    /// It lets everybody in.
    #[default]
    Everybody,
    /// It lets in who holds one of these keys, and asks its owner about others.
    Known {
        /// The keys it knows.
        keys: Vec<PublicKey>,
        /// After how long its owner taps "Allow"; `None` for never.
        approves_after: Option<Duration>,
    },
}

/// What leads to a phone's shell.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Shells {
    /// All that its features tell of, and `exec:`.
    #[default]
    Raw,
    /// `shell:` alone, which is a terminal.
    Terminal,
}

/// A phone to be; change what is needed and [`VirtualPhone::serve`] it.
#[derive(Debug, Clone)]
pub struct VirtualPhone {
    /// What `getprop` prints, and the banner tells in part.
    pub properties: Vec<(String, String)>,
    /// What it offers.
    pub features: Features,
    /// The largest payload it takes, in bytes.
    pub max_payload: u32,
    /// How many bytes a second it sends over one connection; `None` for as many as it can.
    pub rate: Option<u64>,
    /// How it treats computers.
    pub trust: Trust,
    /// What it calls itself in its banner: `device`, or `recovery`, `sideload`...
    pub state: String,
    /// How its shell is reached.
    pub shells: Shells,
    /// What it prints for whole command lines, before anything else is looked at.
    pub prints: Vec<(String, String)>,
    /// Programs that its shell does not have.
    pub missing_programs: Vec<String>,
    /// Programs that its shell has besides: `busybox`, or the `md5` of Android 4.
    pub further_programs: Vec<String>,
    /// What `screencap` prints; `None` where the display is protected.
    pub screen: Option<bytes::Bytes>,
    /// Its files.
    pub tree: Tree,
    /// What goes wrong.
    pub faults: Faults,
}

impl VirtualPhone {
    /// A phone of about Android 14 with empty internal storage.
    pub fn new(serial: &str) -> Self {
        let properties = [
            ("ro.serialno", serial),
            ("ro.product.manufacturer", "Rescue"),
            ("ro.product.model", "Virtual Phone"),
            ("ro.product.name", "virtual"),
            ("ro.product.device", "virtual"),
            ("ro.build.version.release", "14"),
            ("ro.build.version.sdk", "34"),
            ("ro.crypto.type", "file"),
            ("sys.user.0.ce_available", "true"),
        ];
        let own = |(name, value): (&str, &str)| (name.to_owned(), value.to_owned());
        let mut tree = Tree::default();
        tree.add_folder("/storage/emulated/0");
        tree.add_file("/dev/null", tree::Content::Zeros { size: 0 }, 0);
        Self {
            properties: properties.into_iter().map(own).collect(),
            features: Features::all().without(Feature::DelayedAck),
            max_payload: MAX_PAYLOAD,
            rate: None,
            trust: Trust::Everybody,
            state: "device".to_owned(),
            shells: Shells::Raw,
            prints: Vec::new(),
            missing_programs: Vec::new(),
            further_programs: Vec::new(),
            screen: None,
            tree,
            faults: Faults::default(),
        }
    }

    /// The same phone with only what phones of before Android 7 speak.
    #[must_use]
    pub fn of_old(mut self) -> Self {
        self.features = Features::default();
        self.max_payload = 4096;
        self
    }

    /// The same phone as one of Android 4: a shell in a terminal, and a toolbox that hashes by MD5 alone.
    #[must_use]
    pub fn of_android_4(self) -> Self {
        Self {
            shells: Shells::Terminal,
            missing_programs: ["sha256sum", "sha1sum", "md5sum"]
                .map(str::to_owned)
                .to_vec(),
            further_programs: vec!["md5".to_owned()],
            ..self.of_old()
        }
    }

    /// Sets a property.
    pub fn set_property(&mut self, name: &str, value: &str) {
        self.properties.retain(|(known, _)| known != name);
        self.properties.push((name.to_owned(), value.to_owned()));
    }

    /// Starts to answer on a free port of 127.0.0.1, until the result is dropped. Several
    /// connections may come, one after the other and at once.
    pub async fn serve(self) -> io::Result<Serving> {
        self.serve_at(0).await
    }

    /// The same on a port of its own; 0 is any free one.
    pub async fn serve_at(self, port: u16) -> io::Result<Serving> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, port)).await?;
        let address = listener.local_addr()?;
        let running = Arc::new(RunningPhone {
            phone: self,
            counts: Mutex::default(),
            changed: Mutex::default(),
            remembered: Mutex::default(),
        });
        let shared = Arc::clone(&running);
        let task = tokio::spawn(async move {
            let mut connections = JoinSet::new();
            while let Ok((socket, _)) = listener.accept().await {
                connections.spawn(answer(Arc::clone(&shared), socket));
            }
        });
        Ok(Serving {
            address,
            running,
            task,
        })
    }
}

/// A phone that answers; dropping it ends it and all its connections.
#[derive(Debug)]
pub struct Serving {
    address: SocketAddr,
    running: Arc<RunningPhone>,
    task: tokio::task::JoinHandle<()>,
}

impl Serving {
    /// Where it answers.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// The bytes of files that were sent, by path; also of files sent in part.
    pub fn sent_bytes(&self) -> HashMap<RemotePath, u64> {
        self.running.counts().sent_bytes.clone()
    }

    /// How often each file was asked for, whole or from somewhere in its middle.
    pub fn times_asked(&self) -> HashMap<RemotePath, u32> {
        self.running.counts().times_asked.clone()
    }

    /// How many connections came.
    pub fn connections(&self) -> u32 {
        self.running.counts().connections
    }

    /// How often its owner was asked to allow a computer.
    pub fn questions(&self) -> u32 {
        self.running.counts().questions
    }

    /// Lets the owner of this key in from the next connection on, as a tap on the question of a
    /// connection does that is gone; those that wait hear nothing of it.
    pub fn remember(&self, key: PublicKey) {
        let mut remembered = self.running.remembered.lock();
        remembered
            .as_mut()
            .unwrap_or_else(|poisoned| poisoned.get_mut())
            .push(key);
    }

    /// What `input` was told, in order: its arguments with spaces between.
    pub fn inputs(&self) -> Vec<String> {
        self.running.counts().inputs.clone()
    }

    /// Whether a file that can be read stands at this path now.
    pub fn has_file(&self, path: &str) -> bool {
        let found = RemotePath::new(path.as_bytes());
        let found = found.ok().and_then(|path| {
            let node = self.running.find(&path, LastLink::Itself).ok()?;
            Some(node.readable && matches!(node.kind, NodeKind::File(_)))
        });
        found.unwrap_or(false)
    }

    /// Makes a file something else from now on.
    pub fn change(&self, path: &str, later: &Later) {
        if let Ok(path) = RemotePath::new(path.as_bytes()) {
            self.running.change(&path, later);
        }
    }

    /// Forgets what was counted up to now.
    pub fn forget_sent(&self) {
        *self.running.counts() = Counts::default();
    }
}

impl Drop for Serving {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// What all connections of a phone share.
#[derive(Debug)]
struct RunningPhone {
    phone: VirtualPhone,
    counts: Mutex<Counts>,
    /// What became of files since the phone was switched on.
    changed: Mutex<HashMap<RemotePath, Later>>,
    /// Keys that its owner allowed since then.
    remembered: Mutex<Vec<PublicKey>>,
}

/// What was done for computers.
#[derive(Debug, Default)]
struct Counts {
    sent_bytes: HashMap<RemotePath, u64>,
    times_asked: HashMap<RemotePath, u32>,
    connections: u32,
    inputs: Vec<String>,
    questions: u32,
}

impl RunningPhone {
    /// What stands at a path now, or the error number.
    fn find(&self, path: &RemotePath, last: LastLink) -> Result<Cow<'_, Node>, u32> {
        if self.is_closed(path) {
            return Err(tree::ENOENT);
        }
        if self.phone.faults.are_users_refused() && is_of_another_user(path) {
            return Err(tree::EACCES);
        }
        let listing = self.phone.faults.listing.as_ref();
        let unrolled = listing.and_then(|listing| listing.unrolled(path));
        let path = unrolled.as_ref().unwrap_or(path);
        let node = self.phone.tree.find(path, last)?;
        match self.changed().get(path) {
            Some(later) => later.apply(node).map(Cow::Owned),
            None => Ok(Cow::Borrowed(node)),
        }
    }

    /// Whether a path lies on storage that is not open.
    fn is_closed(&self, path: &RemotePath) -> bool {
        is_internal(path) && self.phone.faults.is_storage_closed()
    }

    /// Whether a path lies on storage that hangs.
    fn hangs(&self, path: &RemotePath) -> bool {
        is_internal(path) && self.phone.faults.does_storage_hang()
    }

    fn change(&self, path: &RemotePath, later: &Later) {
        self.changed().insert(path.clone(), later.clone());
    }

    fn changed(&self) -> std::sync::MutexGuard<'_, HashMap<RemotePath, Later>> {
        self.changed.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn counts(&self) -> std::sync::MutexGuard<'_, Counts> {
        self.counts.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn count_sent(&self, path: &RemotePath, bytes: u64) {
        *self.counts().sent_bytes.entry(path.clone()).or_default() += bytes;
    }

    fn count_asked(&self, path: &RemotePath) {
        *self.counts().times_asked.entry(path.clone()).or_default() += 1;
    }
}

fn is_internal(path: &RemotePath) -> bool {
    let storage = RemotePath::new(b"/storage/emulated");
    storage.is_ok_and(|storage| path.below(&storage).is_some())
}

fn is_of_another_user(path: &RemotePath) -> bool {
    let storage = RemotePath::new(b"/storage/emulated");
    let user = storage
        .ok()
        .and_then(|storage| path.below(&storage)?.next());
    user.is_some_and(|user| user != b"0")
}

/// One connection's means to end it in the middle.
#[derive(Debug, Clone)]
struct Cable(Arc<std::net::TcpStream>);

impl Cable {
    fn pull(&self) {
        let _ = self.0.shutdown(std::net::Shutdown::Both);
    }

    /// Pulls it once what was sent before has had time to leave.
    async fn pull_soon(&self) {
        tokio::time::sleep(Duration::from_millis(50)).await;
        self.pull();
    }
}

async fn answer(running: Arc<RunningPhone>, socket: TcpStream) {
    let Ok((socket, cable)) = split_off_cable(socket) else {
        return;
    };
    running.counts().connections += 1;
    match running.phone.faults.hello() {
        Some(Hello::Silence) => return std::future::pending().await,
        Some(Hello::HangUp) => return cable.pull(),
        Some(Hello::Nonsense(bytes)) => {
            let mut socket = socket;
            let _ = tokio::io::AsyncWriteExt::write_all(&mut socket, &bytes).await;
            return std::future::pending().await;
        }
        None => {}
    }
    let wire = Wire::new(socket, running.phone.faults.wire(), running.phone.rate);
    let (link, mut events) = Link::start(Connection::device(config(&running)), wire);
    let mut services = JoinSet::new();
    while let Some(event) = events.recv().await {
        match event {
            LinkEvent::Incoming(stream, name) => {
                services.spawn(service::serve(
                    Arc::clone(&running),
                    cable.clone(),
                    stream,
                    name,
                ));
            }
            LinkEvent::KeyOffered(_) => {
                running.counts().questions += 1;
                let Trust::Known {
                    approves_after: Some(after),
                    ..
                } = &running.phone.trust
                else {
                    continue;
                };
                let (after, link) = (*after, link.clone());
                services.spawn(async move {
                    tokio::time::sleep(after).await;
                    link.approve();
                });
            }
            LinkEvent::Connected(_) | LinkEvent::AwaitingApproval | LinkEvent::NotKnown => {}
        }
    }
}

fn split_off_cable(socket: TcpStream) -> io::Result<(TcpStream, Cable)> {
    socket.set_nodelay(true)?;
    let socket = socket.into_std()?;
    let cable = Cable(Arc::new(socket.try_clone()?));
    Ok((TcpStream::from_std(socket)?, cable))
}

fn config(running: &RunningPhone) -> DeviceConfig {
    let phone = &running.phone;
    let in_banner = |(name, _): &&(String, String)| name.starts_with("ro.product.");
    let auth = match &phone.trust {
        Trust::Everybody => None,
        Trust::Known { keys, .. } => {
            let remembered = running.remembered.lock();
            let remembered = remembered.unwrap_or_else(PoisonError::into_inner);
            Some((TOKEN, [keys.as_slice(), &remembered].concat()))
        }
    };
    DeviceConfig {
        state: phone.state.clone(),
        properties: phone.properties.iter().filter(in_banner).cloned().collect(),
        features: phone.features,
        max_payload: phone.max_payload,
        refused: match phone.shells {
            Shells::Raw => Vec::new(),
            Shells::Terminal => vec!["exec:".to_owned(), "shell,".to_owned()],
        },
        auth,
    }
}
