//! The faults of a virtual phone, and how often each occurs.

use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use bytes::Bytes;

use super::tree::{Content, ENOENT, Node, NodeKind};
use super::wire::{After, Break};
use crate::adb::RemotePath;

/// What goes wrong when a file is sent, listed or hashed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Fault {
    /// The request fails with these words, and the stream is closed.
    Refuse(String),
    /// Nothing more comes after so many bytes of the file.
    Stall(u64),
    /// The cable is pulled after so many bytes of the file.
    Cut(u64),
    /// The phone restarts after so many bytes of the file; its storage opens so much later, or never.
    Restart(u64, Option<Duration>),
    /// After so many bytes of the file internal storage hangs: whatever is asked of it is not
    /// answered, until it is mended.
    HangStorage(u64),
    /// The stream ends after so many bytes of the file, with no word.
    EndStream(u64),
    /// After so many bytes of the file its storage fails.
    ReadError(u64),
    /// The storage cannot read these parts of the file, each from a byte up to another, by
    /// whichever way they are asked for, for ever.
    BadBlocks(Vec<(u64, u64)>),
    /// The bit at this byte is flipped on its way.
    FlipBit(u64),
    /// So many bytes more are sent than the file has.
    SendMore(u64),
    /// So many bytes fewer are sent than the file has.
    SendLess(u64),
    /// The file is listed, but gone when it is asked for.
    Vanish,
    /// The file is listed with this size.
    ListedSize(u64),
    /// These bytes come in place of the file's next piece.
    Nonsense(Bytes),
    /// The phone computes a wrong hash.
    WrongHash,
    /// The phone's hash program fails.
    NoHash,
    /// The phone's hash program never ends.
    StallHash,
    /// From when the file is asked for, it is this.
    ChangeBefore(Later),
    /// Once the file was sent as it was, it is this.
    ChangeAfter(Later),
}

/// What a file becomes while it is rescued.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Later {
    /// It is deleted.
    Gone,
    /// A folder takes its place.
    Folder,
    /// The shell may not read it any more.
    Unreadable,
    /// Another file takes its place.
    File {
        /// What it holds.
        content: Content,
        /// Its modification time in seconds since 1970.
        mtime: i64,
    },
}

impl Later {
    pub(super) fn apply(&self, node: &Node) -> Result<Node, u32> {
        match self {
            Self::Gone => Err(ENOENT),
            Self::Folder => Ok(Node::folder()),
            Self::Unreadable => Ok(Node {
                readable: false,
                ..node.clone()
            }),
            Self::File { content, mtime } => Ok(Node {
                kind: NodeKind::File(content.clone()),
                mtime: *mtime,
                readable: true,
            }),
        }
    }
}

/// What goes wrong before anything else.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Hello {
    /// The phone accepts the connection and says nothing.
    Silence,
    /// The phone hangs up.
    HangUp,
    /// The phone says this.
    Nonsense(Bytes),
}

/// What goes wrong with listings.
#[derive(Debug, Clone)]
pub enum ListingFault {
    /// This folder lists these names, too.
    Names(RemotePath, Vec<Bytes>),
    /// This folder lists these names, too, with an error in place of what they are, as one on
    /// storage that fails does.
    Errors(RemotePath, Vec<Bytes>),
    /// Every folder holds a folder.
    EndlessDepth,
    /// This folder holds itself, under the name `again`.
    Loop(RemotePath),
    /// These folders, in any number, never answer when they are listed; after so many entries.
    Stall(Vec<RemotePath>, usize),
    /// This folder answers with these bytes.
    Nonsense(RemotePath, Bytes),
    /// The cable is pulled, so many times, when this folder is listed.
    Cut(RemotePath, Arc<AtomicU32>),
    /// This folder answers nothing, as one does that may not be read.
    Nothing(RemotePath),
    /// This folder lists files of these endings in turn, without end.
    Endless(RemotePath, Vec<String>),
}

/// All that goes wrong.
#[derive(Debug, Clone, Default)]
pub struct Faults {
    rules: Arc<Mutex<Vec<Rule>>>,
    hello: Arc<Mutex<Option<(Hello, u32)>>>,
    wire: Arc<Mutex<Option<(After, Break, u32)>>>,
    storage_opens_at: Arc<Mutex<Option<Instant>>>,
    stats_stall: Arc<AtomicBool>,
    stats_stalled: Arc<AtomicU32>,
    users_refused: Arc<AtomicBool>,
    storage_hangs: Arc<AtomicBool>,
    /// What goes wrong with listings.
    pub listing: Option<ListingFault>,
}

#[derive(Debug, Clone)]
struct Rule {
    /// `None` for every file.
    path: Option<RemotePath>,
    fault: Fault,
    when: When,
    times_left: u32,
}

/// What a file is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum When {
    /// A part of it, of the shell: somebody goes on with what is held of it.
    Resumed,
    /// Anything else.
    Otherwise,
}

impl ListingFault {
    /// Where a path leads on a storage with a loop, and by how many detours.
    pub(super) fn unrolled(&self, path: &RemotePath) -> Option<RemotePath> {
        let Self::Loop(folder) = self else {
            return None;
        };
        let mut below = path.below(folder)?.skip_while(|name| *name == b"again");
        below.try_fold(folder.clone(), |path, name| path.join(name).ok())
    }

    /// Whether the cable is pulled now; counts it.
    pub(super) fn cuts(&self, path: &RemotePath) -> bool {
        let Self::Cut(folder, times) = self else {
            return false;
        };
        let one_fewer = |times: u32| times.checked_sub(1);
        folder == path
            && times
                .fetch_update(Ordering::Relaxed, Ordering::Relaxed, one_fewer)
                .is_ok()
    }
}

impl Faults {
    /// Adds a fault of one file, or of every file, that strikes so many times.
    pub fn add(&self, path: Option<&str>, fault: Fault, times: u32) {
        self.add_rule(path, fault, When::Otherwise, times);
    }

    /// Adds a fault that strikes when the shell sends a file, as when somebody goes on in its
    /// middle. Offsets count from the beginning of the file.
    pub fn add_resumed(&self, path: Option<&str>, fault: Fault, times: u32) {
        self.add_rule(path, fault, When::Resumed, times);
    }

    fn add_rule(&self, path: Option<&str>, fault: Fault, when: When, times: u32) {
        let path = path.and_then(|path| RemotePath::new(path.as_bytes()).ok());
        self.rules().push(Rule {
            path,
            fault,
            when,
            times_left: times,
        });
    }

    /// Makes so many connections go wrong at once.
    pub fn set_hello(&self, hello: Hello, times: u32) {
        *self.hello.lock().unwrap_or_else(PoisonError::into_inner) = Some((hello, times));
    }

    /// Ends all of it, but for what goes wrong with listings.
    pub fn mend(&self) {
        self.rules().clear();
        *self.hello.lock().unwrap_or_else(PoisonError::into_inner) = None;
        *self.wire.lock().unwrap_or_else(PoisonError::into_inner) = None;
        *self.storage() = None;
        self.stats_stall.store(false, Ordering::Relaxed);
        self.storage_hangs.store(false, Ordering::Relaxed);
    }

    /// Breaks the wire of so many connections.
    pub fn break_wire(&self, after: After, how: Break, times: u32) {
        *self.wire.lock().unwrap_or_else(PoisonError::into_inner) = Some((after, how, times));
    }

    /// Closes all storage, as a restart does, until so much time has passed; `None` for ever.
    pub fn close_storage(&self, opens_after: Option<Duration>) {
        let at = opens_after.unwrap_or(Duration::from_secs(u32::MAX.into()));
        *self.storage() = Some(Instant::now() + at);
    }

    /// Lets no question about a file be answered, until it is mended.
    pub fn stall_stats(&self) {
        self.stats_stall.store(true, Ordering::Relaxed);
    }

    /// Refuses other users' storage whatever their numbers, as recent phones do.
    pub fn refuse_users(&self) {
        self.users_refused.store(true, Ordering::Relaxed);
    }

    pub(super) fn are_users_refused(&self) -> bool {
        self.users_refused.load(Ordering::Relaxed)
    }

    /// How many questions about files were not answered so.
    pub fn stalled_stats(&self) -> u32 {
        self.stats_stalled.load(Ordering::Relaxed)
    }

    pub(super) fn do_stats_stall(&self) -> bool {
        let stall = self.stats_stall.load(Ordering::Relaxed);
        self.stats_stalled
            .fetch_add(stall.into(), Ordering::Relaxed);
        stall
    }

    pub(super) fn hang_storage(&self) {
        self.storage_hangs.store(true, Ordering::Relaxed);
    }

    pub(super) fn does_storage_hang(&self) -> bool {
        self.storage_hangs.load(Ordering::Relaxed)
    }

    pub(super) fn is_storage_closed(&self) -> bool {
        self.storage().is_some_and(|opens| Instant::now() < opens)
    }

    fn storage(&self) -> std::sync::MutexGuard<'_, Option<Instant>> {
        let storage = self.storage_opens_at.lock();
        storage.unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn wire(&self) -> Option<(After, Break)> {
        let mut wire = self.wire.lock().unwrap_or_else(PoisonError::into_inner);
        let (after, how, times) = wire.as_mut().filter(|(_, _, times)| *times > 0)?;
        *times -= 1;
        Some((*after, how.clone()))
    }

    pub(super) fn hello(&self) -> Option<Hello> {
        let mut hello = self.hello.lock().unwrap_or_else(PoisonError::into_inner);
        let (what, times) = hello.as_mut().filter(|(_, times)| *times > 0)?;
        *times -= 1;
        Some(what.clone())
    }

    /// What goes wrong with sending this file now; counts it.
    pub(super) fn strike(&self, path: &RemotePath) -> Option<Fault> {
        let elsewhere = |fault: &Fault| {
            matches!(
                fault,
                Fault::ListedSize(_) | Fault::WrongHash | Fault::NoHash | Fault::StallHash
            )
        };
        self.find(path, When::Otherwise, |fault| !elsewhere(fault))
    }

    /// What goes wrong when the shell sends this file now; counts it.
    pub(super) fn strike_resumed(&self, path: &RemotePath) -> Option<Fault> {
        self.find(path, When::Resumed, |_| true)
    }

    /// What goes wrong when this file is hashed now; counts it.
    pub(super) fn strike_hash(&self, path: &RemotePath) -> Option<Fault> {
        let of_hash =
            |fault: &Fault| matches!(fault, Fault::WrongHash | Fault::NoHash | Fault::StallHash);
        self.find(path, When::Otherwise, of_hash)
    }

    /// The size with which this file is listed.
    pub(super) fn listed_size(&self, path: &RemotePath) -> Option<u64> {
        let of_listing = |fault: &Fault| matches!(fault, Fault::ListedSize(_));
        match self.find(path, When::Otherwise, of_listing)? {
            Fault::ListedSize(size) => Some(size),
            _ => None,
        }
    }

    fn find(
        &self,
        path: &RemotePath,
        when: When,
        is_wanted: impl Fn(&Fault) -> bool,
    ) -> Option<Fault> {
        let mut rules = self.rules();
        let rule = rules.iter_mut().find(|rule| {
            rule.times_left > 0
                && (rule.when == when || matches!(rule.fault, Fault::BadBlocks(_)))
                && rule.path.as_ref().is_none_or(|own| own == path)
                && is_wanted(&rule.fault)
        })?;
        if !matches!(rule.fault, Fault::BadBlocks(_)) {
            rule.times_left -= 1;
        }
        Some(rule.fault.clone())
    }

    fn rules(&self) -> std::sync::MutexGuard<'_, Vec<Rule>> {
        self.rules.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
