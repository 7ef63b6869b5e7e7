//! Kind `sftp`: SSH servers, with `russh` and `russh-sftp`.
//!
//! A file is written under another name and renamed when all of it is there; SFTP's rename gives
//! no name that is taken. One SSH connection, several SFTP channels over it.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use russh::client::{self, Handle};
use russh::keys::ssh_key::HashAlg;
use russh::keys::{PrivateKeyWithHashAlg, PublicKey, load_secret_key};
use russh::{ChannelMsg, Disconnect};
use russh_sftp::client::error::Error as SftpError;
use russh_sftp::client::{RawSftpSession, SftpSession};
use russh_sftp::protocol::{File, FileAttributes, OpenFlags, StatusCode};
use tokio::io::{AsyncReadExt as _, AsyncSeekExt as _, AsyncWriteExt as _};
use tokio::sync::watch;

use super::problem::{Problem, brief};
use super::secret::Secret;
use super::source::Source;
use super::{Acknowledged, Counted, Found, Wanted, folder_of, part_name};
use crate::digest::{Hasher, Sha256};

/// SFTP channels over one connection; sshd allows ten sessions, some are for `sha256sum`.
const CHANNELS: usize = 4;
/// `sha256sum`s on the server at once: a session too many is never answered by some servers.
const HASHES: usize = 3;
/// The slowest that a server is expected to hash, in bytes a second.
const HASH_RATE: u64 = 10_000_000;
/// How long a connection may take to be made, and a server to answer.
const PATIENCE: Duration = Duration::from_secs(30);
/// The pieces that a large file is read in, in bytes.
const PIECE_BYTES: usize = 512 * 1024;
/// A disk with less room than this has none, in bytes.
const ROOM: u64 = 1024 * 1024;
/// What may not have reached the server's disk in order, in bytes.
const UNSURE_BYTES: u64 = 8 * 1024 * 1024;

/// How to reach an SSH server.
#[derive(Debug, Clone)]
pub struct Login {
    /// The host.
    pub host: String,
    /// The port.
    pub port: u16,
    /// The user there.
    pub user: String,
    /// The password, or the passphrase of the key.
    pub secret: Option<Secret>,
    /// The private key.
    pub key_file: Option<PathBuf>,
    /// The server's key as noted when the remote was added, in OpenSSH's form.
    pub host_key: Option<String>,
}

/// An SFTP server.
#[derive(Debug)]
pub struct Sftp {
    login: Login,
    root: String,
    connected: tokio::sync::Mutex<Option<Arc<Connected>>>,
    made: Mutex<std::collections::HashSet<String>>,
}

struct Connected {
    ssh: Handle<Client>,
    channels: Vec<SftpSession>,
    /// For listings, in pages: `SftpSession` copies all of a listing again with each page, and
    /// takes one that does not end. `None` when the server allows one channel only.
    lister: Option<RawSftpSession>,
    next: AtomicUsize,
    hashes: tokio::sync::Semaphore,
    gone: watch::Receiver<bool>,
}

impl std::fmt::Debug for Connected {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Connected(..)")
    }
}

impl Connected {
    fn channel(&self) -> Option<&SftpSession> {
        let next = self.next.fetch_add(1, Ordering::Relaxed);
        self.channels.get(next % self.channels.len().max(1))
    }
}

impl Sftp {
    /// Files go below `root`, which may be relative to the user's home.
    pub fn new(login: Login, root: &str) -> Self {
        Self {
            login,
            root: root.trim_end_matches('/').to_owned(),
            connected: tokio::sync::Mutex::default(),
            made: Mutex::default(),
        }
    }

    fn path(&self, path: &str) -> String {
        match (self.root.as_str(), path) {
            ("", "") => ".".to_owned(),
            ("", path) => path.to_owned(),
            (root, "") => root.to_owned(),
            (root, path) => format!("{root}/{path}"),
        }
    }

    async fn connection(&self) -> Result<Arc<Connected>, Problem> {
        let mut connected = self.connected.lock().await;
        if let Some(connection) = &*connected
            && !*connection.gone.borrow()
            && !connection.ssh.is_closed()
        {
            return Ok(Arc::clone(connection));
        }
        self.made().clear();
        let fresh = Arc::new(connect(&self.login).await?);
        *connected = Some(Arc::clone(&fresh));
        Ok(fresh)
    }

    /// Does something over the connection, for as long as there is one.
    async fn with<T>(
        &self,
        work: impl AsyncFnOnce(&Connected, &SftpSession) -> Result<T, Problem>,
    ) -> Result<T, Problem> {
        let connection = self.connection().await?;
        let mut gone = connection.gone.clone();
        let Some(channel) = connection.channel() else {
            return Err(self.lost("no channel"));
        };
        tokio::select! {
            biased;
            done = work(&connection, channel) => done,
            _ = gone.wait_for(|gone| *gone) => Err(self.lost("the connection was lost")),
        }
    }

    fn lost(&self, words: &str) -> Problem {
        Problem::Unreachable {
            host: self.login.host.clone(),
            words: words.to_owned(),
        }
    }

    fn failed(&self, error: SftpError) -> Problem {
        match error {
            SftpError::Status(status) => {
                let words = brief(&format!("{}: {}", status.status_code, status.error_message));
                match status.status_code {
                    StatusCode::NoSuchFile => Problem::NotFound { what: words },
                    StatusCode::PermissionDenied => Problem::Denied { words },
                    StatusCode::NoConnection | StatusCode::ConnectionLost => self.lost(&words),
                    _ => Problem::other(words),
                }
            }
            other => self.lost(&brief(&other.to_string())),
        }
    }

    fn io(&self, error: std::io::Error) -> Problem {
        match error.get_ref() {
            Some(inner) => match inner.downcast_ref::<SftpError>() {
                Some(inner) => self.failed(inner.clone()),
                // A status, of which russh-sftp keeps the words only.
                None => Problem::other(brief(&error.to_string())),
            },
            None => self.lost(&brief(&error.to_string())),
        }
    }

    /// What a refused write means: the protocol has no word for a disk that is full.
    async fn unwritten(&self, sftp: &SftpSession, part: &str, error: std::io::Error) -> Problem {
        let problem = self.io(error);
        let Problem::Other { words, .. } = &problem else {
            return problem;
        };
        let folder = part.rsplit_once('/').map_or(".", |(folder, _)| folder);
        let room = sftp.fs_info(folder).await.ok().flatten();
        match room.is_some_and(|room| room.blocks_avail.saturating_mul(room.fragment_size) < ROOM) {
            true => {
                // What fits of it helps nobody, and the rest of the room may help somebody.
                let _ = sftp.remove_file(part).await;
                Problem::Full {
                    words: words.clone(),
                }
            }
            false => problem,
        }
    }

    fn made(&self) -> std::sync::MutexGuard<'_, std::collections::HashSet<String>> {
        self.made.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What is in a folder of what is wanted; nothing when there is none.
    pub(crate) async fn list(
        &self,
        folder: &str,
        wanted: &Wanted<'_>,
    ) -> Result<Vec<Found>, Problem> {
        let path = self.path(folder);
        let mut found = Vec::new();
        let listed = self
            .with(async |connection, sftp| {
                let mut note = |name: String, attributes: &FileAttributes| {
                    if !matches!(name.as_str(), "." | "..") && wanted(&name) {
                        let is_file = attributes.file_type().is_file();
                        found.push(Found {
                            name,
                            size: attributes.size.filter(|_| is_file),
                            ..Found::default()
                        });
                    }
                };
                match &connection.lister {
                    Some(lister) => self.list_over(lister, path, &mut note).await,
                    None => {
                        let entries = sftp.read_dir(path).await.map_err(|e| self.failed(e))?;
                        entries.for_each(|entry| note(entry.file_name(), &entry.metadata()));
                        Ok(())
                    }
                }
            })
            .await;
        match listed {
            Ok(()) => Ok(found),
            Err(Problem::NotFound { .. }) => Ok(Vec::new()),
            Err(problem) => Err(problem),
        }
    }

    async fn list_over(
        &self,
        lister: &RawSftpSession,
        path: String,
        note: &mut (dyn FnMut(String, &FileAttributes) + Send),
    ) -> Result<(), Problem> {
        let opened = lister.opendir(path).await.map_err(|e| self.failed(e))?;
        let mut counted = Counted::default();
        let listed = loop {
            match lister.readdir(opened.handle.as_str()).await {
                Ok(page) => {
                    if let Err(problem) = counted.page(page.files.len()) {
                        break Err(problem);
                    }
                    for File {
                        filename, attrs, ..
                    } in page.files
                    {
                        note(filename, &attrs);
                    }
                }
                Err(SftpError::Status(status)) if status.status_code == StatusCode::Eof => {
                    break Ok(());
                }
                Err(error) => break Err(self.failed(error)),
            }
        };
        let _ = lister.close(opened.handle).await;
        listed
    }

    async fn make_folder(&self, sftp: &SftpSession, folder: &str) -> Result<(), Problem> {
        let mut depth = 0;
        let full = self.path(folder);
        let known = self.made().contains(&full);
        if known || full == "." {
            return Ok(());
        }
        while let Some(at) = full.get(depth..).and_then(|rest| rest.find('/')) {
            depth += at + 1;
            let above = full.get(..depth - 1).unwrap_or_default();
            if !above.is_empty() && !self.made().contains(above) {
                // An existing folder is a failure like any other; the last one tells.
                let _ = sftp.create_dir(above).await;
                self.made().insert(above.to_owned());
            }
        }
        if let Err(error) = sftp.create_dir(full.as_str()).await {
            let found = sftp.metadata(full.as_str()).await;
            if !found.is_ok_and(|found| found.file_type().is_dir()) {
                self.made().clear();
                return Err(self.failed(error));
            }
        }
        self.made().insert(full);
        Ok(())
    }

    /// Sends a file to where nothing is.
    pub async fn put(&self, path: &str, source: &Source) -> Result<Acknowledged, Problem> {
        self.with(async |connection, sftp| {
            self.make_folder(sftp, folder_of(path)).await?;
            let target = self.path(path);
            let part = match target.rsplit_once('/') {
                Some((folder, _)) => format!("{folder}/{}", part_name(&source.sha256)),
                None => part_name(&source.sha256),
            };
            let mut offset = 0;
            if source.is_small() {
                let bytes = source.whole().await?;
                let mut file = sftp
                    .create(part.as_str())
                    .await
                    .map_err(|e| self.failed(e))?;
                if let Err(error) = file.write_all(&bytes).await {
                    return Err(self.unwritten(sftp, &part, error).await);
                }
                self.finish(sftp, &part, file, source).await?;
            } else {
                offset = self.resumable(sftp, &part, source.size).await;
                source.tell(offset);
                let flags = OpenFlags::CREATE | OpenFlags::WRITE;
                let mut file = sftp
                    .open_with_flags(part.as_str(), flags)
                    .await
                    .map_err(|e| self.failed(e))?;
                file.seek(std::io::SeekFrom::Start(offset))
                    .await
                    .map_err(|e| self.io(e))?;
                let mut pieces = source.pieces(PIECE_BYTES, offset);
                loop {
                    let piece = match pieces.next().await {
                        Ok(Some(piece)) => piece,
                        Ok(None) => break,
                        Err(problem) => {
                            // Of no use to anybody.
                            let _ = sftp.remove_file(part.as_str()).await;
                            return Err(problem);
                        }
                    };
                    if let Err(error) = file.write_all(&piece).await {
                        return Err(self.unwritten(sftp, &part, error).await);
                    }
                }
                self.finish(sftp, &part, file, source).await?;
            }
            // What an earlier run left was never compared with anything.
            if offset > 0 {
                let (_, sha256) = self.digest_over(connection, sftp, &part).await?;
                if sha256 != source.sha256 {
                    let _ = sftp.remove_file(part.as_str()).await;
                    return Err(Problem::Other {
                        words: "the part that was there already is damaged".to_owned(),
                        passing: true,
                    });
                }
            }
            match sftp.rename(part.as_str(), target.as_str()).await {
                Ok(()) => Ok(Acknowledged::default()),
                Err(error) => {
                    // The protocol has no word for a name that is taken.
                    if sftp.metadata(target.as_str()).await.is_ok() {
                        let path = path.to_owned();
                        return Err(Problem::Taken { path });
                    }
                    self.made().clear();
                    Err(self.failed(error))
                }
            }
        })
        .await
    }

    /// Gives a written file its date and length, and waits until the server has all of it.
    async fn finish(
        &self,
        sftp: &SftpSession,
        part: &str,
        mut file: russh_sftp::client::fs::File,
        source: &Source,
    ) -> Result<(), Problem> {
        if let Err(error) = file.flush().await {
            return Err(self.unwritten(sftp, part, error).await);
        }
        let mtime = source.mtime.and_then(|mtime| u32::try_from(mtime).ok());
        if let Some(mtime) = mtime {
            let mut attributes = FileAttributes::empty();
            (attributes.atime, attributes.mtime) = (Some(mtime), Some(mtime));
            // A server may keep its own dates; the bytes are what counts.
            let _ = file.set_metadata(attributes).await;
        }
        match file.close().await {
            Ok(()) => Ok(()),
            Err(error) => Err(self.unwritten(sftp, part, error).await),
        }
    }

    /// How much of a file is there already.
    async fn resumable(&self, sftp: &SftpSession, part: &str, size: u64) -> u64 {
        let found = sftp.metadata(part).await.ok().and_then(|found| found.size);
        match found {
            // A longer one is not ours to go on with: its end would stay.
            Some(found) if found > size => {
                let _ = sftp.remove_file(part).await;
                0
            }
            Some(found) => {
                let sure = found.saturating_sub(UNSURE_BYTES);
                sure - sure % PIECE_BYTES as u64
            }
            None => 0,
        }
    }

    /// Reads a file back, or lets the server hash it: its size and SHA-256.
    pub async fn digest(&self, path: &str) -> Result<(u64, Sha256), Problem> {
        let path = self.path(path);
        self.with(async |connection, sftp| self.digest_over(connection, sftp, &path).await)
            .await
    }

    async fn digest_over(
        &self,
        connection: &Connected,
        sftp: &SftpSession,
        path: &str,
    ) -> Result<(u64, Sha256), Problem> {
        let found = sftp.metadata(path).await.map_err(|e| self.failed(e))?;
        if let (Some(size), Some(sha256)) = (
            found.size,
            remote_sha256(connection, path, found.size).await,
        ) {
            return Ok((size, sha256));
        }
        let mut file = sftp.open(path).await.map_err(|e| self.failed(e))?;
        let (mut hasher, mut size) = (Hasher::default(), 0);
        let mut buffer = vec![0; PIECE_BYTES];
        loop {
            let count = file.read(&mut buffer).await.map_err(|e| self.io(e))?;
            if count == 0 {
                return Ok((size, hasher.finish()));
            }
            hasher.update(buffer.get(..count).unwrap_or_default());
            size += count as u64;
        }
    }

    /// Removes a file.
    pub async fn remove(&self, path: &str) -> Result<(), Problem> {
        let path = self.path(path);
        self.with(async |_, sftp| match sftp.remove_file(path).await {
            Ok(()) => Ok(()),
            Err(error) => match self.failed(error) {
                Problem::NotFound { .. } => Ok(()),
                problem => Err(problem),
            },
        })
        .await
    }
}

/// What the server's own `sha256sum` says, where there is one: a person may have only SFTP there.
async fn remote_sha256(connection: &Connected, path: &str, size: Option<u64>) -> Option<Sha256> {
    let quoted = path.replace('\'', "'\\''");
    // Never closed.
    let _slot = connection.hashes.acquire().await;
    let opening = connection.ssh.channel_open_session();
    let opened = tokio::time::timeout(PATIENCE, opening).await.ok()?;
    let mut channel = opened.ok()?;
    let ask = async {
        channel
            .exec(true, format!("sha256sum -- '{quoted}'"))
            .await
            .ok()?;
        let mut output = Vec::new();
        loop {
            match channel.wait().await? {
                ChannelMsg::Data { data } if output.len() < 64 * 1024 => {
                    output.extend_from_slice(&data);
                }
                ChannelMsg::ExitStatus { exit_status: 0 } => break,
                ChannelMsg::ExitStatus { .. } | ChannelMsg::Failure | ChannelMsg::Close => {
                    return None;
                }
                _ => {}
            }
        }
        let text = String::from_utf8_lossy(&output);
        // An escaped name begins with a backslash.
        let digits = text.trim_start_matches('\\').get(..64)?;
        digits.parse().ok()
    };
    // A person's shell there may hang while it starts; a large file on a slow disk takes a while.
    let reading = Duration::from_secs(size.unwrap_or_default() / HASH_RATE);
    let answer = tokio::time::timeout(PATIENCE + reading, ask).await;
    let _ = channel.close().await;
    answer.ok()?
}

/// The SSH client's side of decisions.
struct Client {
    host: String,
    port: u16,
    known: Option<PublicKey>,
    seen: Arc<Mutex<Option<PublicKey>>>,
    gone: watch::Sender<bool>,
}

impl Drop for Client {
    fn drop(&mut self) {
        self.gone.send_replace(true);
    }
}

impl client::Handler for Client {
    type Error = russh::Error;

    async fn check_server_key(
        &mut self,
        offered: &russh::keys::PublicKeyOrCertificate,
    ) -> Result<bool, Self::Error> {
        let russh::keys::PublicKeyOrCertificate::PublicKey { key, .. } = offered else {
            return Ok(false);
        };
        *self.seen.lock().unwrap_or_else(PoisonError::into_inner) = Some(key.clone());
        let same = |known: &PublicKey| known.key_data() == key.key_data();
        Ok(match &self.known {
            Some(known) => same(known),
            None => russh::keys::known_hosts::known_host_keys(&self.host, self.port)
                .is_ok_and(|keys| keys.iter().any(|(_, known)| same(known))),
        })
    }
}

/// A server's key, as it offers it: in OpenSSH's form, and its fingerprint.
pub async fn host_key(host: &str, port: u16) -> Result<(String, String), Problem> {
    let login = Login {
        host: host.to_owned(),
        port,
        user: String::new(),
        secret: None,
        key_file: None,
        host_key: None,
    };
    let (seen, _, opened) = open(&login).await;
    let key = seen.lock().unwrap_or_else(PoisonError::into_inner).take();
    match (key, opened) {
        (Some(key), _) => {
            let fingerprint = key.fingerprint(HashAlg::Sha256).to_string();
            let text = key
                .to_openssh()
                .map_err(|e| Problem::other(e.to_string()))?;
            Ok((text, fingerprint))
        }
        (None, Err(problem)) => Err(problem),
        (None, Ok(_)) => Err(Problem::other("the server offers no key")),
    }
}

type Seen = Arc<Mutex<Option<PublicKey>>>;

async fn open(login: &Login) -> (Seen, watch::Receiver<bool>, Result<Handle<Client>, Problem>) {
    let seen = Seen::default();
    let (gone, watching) = watch::channel(false);
    let client = Client {
        host: login.host.clone(),
        port: login.port,
        known: login
            .host_key
            .as_deref()
            .and_then(|text| PublicKey::from_openssh(text).ok()),
        seen: Arc::clone(&seen),
        gone,
    };
    let config = client::Config {
        keepalive_interval: Some(Duration::from_secs(15)),
        nodelay: true,
        ..client::Config::default()
    };
    let address = (login.host.as_str(), login.port);
    let connecting = client::connect(Arc::new(config), address, client);
    let opened = match tokio::time::timeout(PATIENCE, connecting).await {
        Ok(Ok(ssh)) => Ok(ssh),
        Ok(Err(russh::Error::UnknownKey)) => Err(Problem::Untrusted {
            host: login.host.clone(),
            words: "its key is not the one that is known".to_owned(),
        }),
        Ok(Err(error)) => Err(Problem::Unreachable {
            host: login.host.clone(),
            words: brief(&error.to_string()),
        }),
        Err(_) => Err(Problem::Unreachable {
            host: login.host.clone(),
            words: "no answer".to_owned(),
        }),
    };
    (seen, watching, opened)
}

async fn connect(login: &Login) -> Result<Connected, Problem> {
    let (_, gone, opened) = open(login).await;
    let mut ssh = opened?;
    let lost = |error: russh::Error| Problem::Unreachable {
        host: login.host.clone(),
        words: brief(&error.to_string()),
    };
    if !authenticate(&mut ssh, login).await? {
        let _ = ssh.disconnect(Disconnect::ByApplication, "", "en").await;
        return Err(Problem::Denied {
            words: format!("user {} with this key or password", login.user),
        });
    }
    let subsystem = async || {
        let channel = ssh.channel_open_session().await.map_err(lost)?;
        channel
            .request_subsystem(true, "sftp")
            .await
            .map_err(lost)?;
        Ok::<_, Problem>(channel.into_stream())
    };
    let no_sftp = |error: SftpError| Problem::Unreachable {
        host: login.host.clone(),
        words: format!("no SFTP there: {}", brief(&error.to_string())),
    };
    let config = russh_sftp::client::Config {
        max_concurrent_writes: 32,
        max_write_packet_len: 128 * 1024,
        request_timeout_secs: 60,
        ..russh_sftp::client::Config::default()
    };
    let mut channels = Vec::new();
    for _ in 0..CHANNELS {
        let opened = async {
            let stream = subsystem().await?;
            let session = SftpSession::new_with_config(stream, config.clone()).await;
            session.map_err(no_sftp)
        };
        match opened.await {
            Ok(channel) => channels.push(channel),
            // Some servers allow one session only.
            Err(_) if !channels.is_empty() => break,
            Err(problem) => return Err(problem),
        }
    }
    let mut lister = None;
    if channels.len() == CHANNELS {
        let opened = async {
            let session = RawSftpSession::new_with_config(subsystem().await?, config);
            session.init().await.map_err(no_sftp)?;
            Ok::<_, Problem>(session)
        };
        lister = opened.await.ok();
    }
    Ok(Connected {
        ssh,
        channels,
        lister,
        next: AtomicUsize::new(0),
        hashes: tokio::sync::Semaphore::new(HASHES),
        gone,
    })
}

async fn authenticate(ssh: &mut Handle<Client>, login: &Login) -> Result<bool, Problem> {
    let lost = |error: russh::Error| Problem::Unreachable {
        host: login.host.clone(),
        words: brief(&error.to_string()),
    };
    let passphrase = login.secret.as_ref().map(Secret::reveal);
    for file in key_files(login) {
        let key = match load_secret_key(&file, passphrase) {
            Ok(key) => key,
            Err(error) if login.key_file.is_some() => {
                return Err(Problem::Settings {
                    words: format!("the key {}: {}", file.display(), brief(&error.to_string())),
                });
            }
            Err(_) => continue,
        };
        let hash = match key.algorithm().is_rsa() {
            true => ssh.best_supported_rsa_hash().await.map_err(lost)?.flatten(),
            false => None,
        };
        let key = PrivateKeyWithHashAlg::new(Arc::new(key), hash);
        let user = login.user.as_str();
        if ssh
            .authenticate_publickey(user, key)
            .await
            .map_err(lost)?
            .success()
        {
            return Ok(true);
        }
    }
    match passphrase {
        Some(password) if login.key_file.is_none() => Ok(ssh
            .authenticate_password(login.user.as_str(), password)
            .await
            .map_err(lost)?
            .success()),
        _ => Ok(false),
    }
}

/// The key of the settings, or those that OpenSSH would try when there is no password either.
fn key_files(login: &Login) -> Vec<PathBuf> {
    match (&login.key_file, &login.secret) {
        (Some(file), _) => vec![file.clone()],
        (None, Some(_)) => Vec::new(),
        (None, None) => {
            let home = crate::home::folder().unwrap_or_default();
            ["id_ed25519", "id_ecdsa", "id_rsa"]
                .iter()
                .map(|name| home.join(".ssh").join(name))
                .filter(|path: &PathBuf| Path::exists(path))
                .collect()
        }
    }
}
