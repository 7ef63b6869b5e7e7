//! Kind `sftp`: SSH servers, with `russh` and `russh-sftp`.
//!
//! A file is written under a name of its own (`parts`), which is created only if nothing has it, and renamed when it
//! is complete; SFTP's rename refuses a taken name. There is one SSH connection with several SFTP channels.

mod connection;
mod sign_in;

use std::num::NonZeroU16;
use std::path::PathBuf;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use clap::Args;
use russh::ChannelMsg;
use russh::client::Handle;
use russh_sftp::client::error::Error as SftpError;
use russh_sftp::client::fs::File as RemoteFile;
use russh_sftp::client::{RawSftpSession, SftpSession};
use russh_sftp::protocol::{File, FileAttributes, OpenFlags, StatusCode};
use serde::{Deserialize, Serialize};
use tokio::io::{AsyncReadExt as _, AsyncSeekExt as _, AsyncWriteExt as _};
use tokio::sync::watch;

use self::connection::{ClientHandler, connect, is_host_key, is_known, shown_key};
use self::sign_in::check_key_file;
use super::{
    Account, HostKey, NeededSecret, NewSecret, Person, RemoteKind, RemoteOptions, ShownKey, given,
};
use crate::digest::{Hasher, Sha256};
use crate::error::{self, Error};
use crate::upload::owner::Owner;
use crate::upload::parts::PartNames;
use crate::upload::paths::{Paths, Store};
use crate::upload::problem::{Problem, brief};
use crate::upload::rules::Rules;
use crate::upload::secret::Secret;
use crate::upload::source::Source;
use crate::upload::{Acknowledged, Counted, Remote, RemoteEntry, Wanted, folder_of};

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

/// An SSH server
#[derive(Debug, Clone, Args)]
#[command(override_usage = "rescue remote add <NAME> sftp [OPTIONS] <USER@HOST[:PORT]>")]
pub(crate) struct SftpOptions {
    /// Where, as in ada@nas.local or ada@nas.local:2222
    #[arg(value_name = "USER@HOST[:PORT]")]
    address: String,
    /// Folder to upload into, relative to the user's home
    #[arg(long, value_name = "FOLDER", default_value = "")]
    path: String,
    /// Private key file (default: a password, or the keys in ~/.ssh)
    #[arg(long, value_name = "FILE")]
    key_file: Option<PathBuf>,
    /// Use the keys in ~/.ssh, without a password
    #[arg(long, conflicts_with = "key_file")]
    own_keys: bool,
    /// The server's host key, or its fingerprint, as the server's owner tells it (default: the
    /// key that the server shows at the first connection)
    #[arg(long, value_name = "SHA256:...")]
    host_key: Option<String>,
}

/// The settings of an SSH server.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct SftpSettings {
    host: String,
    port: u16,
    user: String,
    /// The folder, relative to the user's home folder.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    path: String,
    /// The file with the private key.
    key_file: Option<PathBuf>,
    /// The server's key as noted or confirmed, or its fingerprint; `None` where it is not known yet.
    host_key: Option<String>,
}

impl RemoteOptions for SftpOptions {
    type Settings = SftpSettings;

    async fn set_up(self, person: &impl Person) -> Result<(SftpSettings, NewSecret), Error> {
        let (user, host, port) = login(&self.address)?;
        let settings = SftpSettings {
            host,
            port,
            user,
            path: self.path.trim_end_matches('/').to_owned(),
            key_file: given::file(self.key_file)?,
            host_key: self.host_key.as_deref().map(server_key).transpose()?,
        };
        if let Some(file) = &settings.key_file {
            check_key_file(file).map_err(|problem| person.failed(problem))?;
        }
        let secret = match self.own_keys {
            true => NewSecret::NotNeeded,
            false => NewSecret::AsUsual,
        };
        Ok((settings, secret))
    }

    fn check(option: &str, answer: &str) -> Result<(), Error> {
        match option {
            "address" => login(answer).map(drop),
            "key_file" => {
                let file = given::absolute(answer.as_ref())?;
                check_key_file(&file).map_err(|why| {
                    Error::new(error::Kind::Usage, why.to_string())
                        .with_hint("give a private key file, as in ~/.ssh/id_ed25519")
                })
            }
            "host_key" => server_key(answer).map(drop),
            _ => Ok(()),
        }
    }
}

#[async_trait]
impl RemoteKind for SftpSettings {
    fn target(&self) -> String {
        let Self {
            user,
            host,
            port,
            path,
            ..
        } = self;
        format!("{user}@{host}:{port} {path}").trim_end().to_owned()
    }

    fn needed_secret(&self) -> Option<NeededSecret> {
        match self.key_file {
            Some(_) => None,
            None => Some(NeededSecret::Line("password")),
        }
    }

    fn connect(&self, account: &Account) -> Result<Box<dyn Remote>, Problem> {
        let login = Login {
            server: self.clone(),
            secret: account.secret.clone(),
        };
        Ok(Paths::boxed(Sftp::new(login), Rules::usual()))
    }

    fn host_key(&self) -> Option<HostKey> {
        Some(match self.host_key {
            Some(_) => HostKey::Noted,
            None if is_known(&self.host, self.port) => HostKey::Listed,
            None => HostKey::Unknown,
        })
    }

    async fn ask_host_key(&self) -> Result<ShownKey, Problem> {
        let (key, fingerprint) = shown_key(self).await?;
        Ok(ShownKey {
            host: self.host.clone(),
            key,
            fingerprint,
        })
    }

    fn set_host_key(&mut self, key: String) {
        self.host_key = Some(key);
    }
}

fn login(text: &str) -> Result<(String, String, u16), Error> {
    let text = text.trim();
    let bad = |why: &str| {
        // Not a password that a person may have put behind the user.
        let shown = match text.rsplit_once('@') {
            Some((user, host)) => match user.split_once(':') {
                Some((user, _)) => format!("{user}:...@{host}"),
                None => text.to_owned(),
            },
            None => text.to_owned(),
        };
        let message = format!("'{shown}' is not an SSH address: {why}");
        Error::new(error::Kind::Usage, message)
            .with_hint("give it as in ada@nas.local or ada@nas.local:2222")
    };
    let no_user = "the user and an @ are missing";
    let (user, rest) = text.rsplit_once('@').ok_or_else(|| bad(no_user))?;
    let (host, port) = match rest.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
        Some((host, rest)) => (host, rest.strip_prefix(':')),
        None => match rest.split_once(':') {
            Some((host, port)) => (host, Some(port)),
            None => (rest, None),
        },
    };
    let port = match port {
        Some(port) => match port.parse::<NonZeroU16>() {
            Ok(port) => port.get(),
            Err(_) => return Err(bad("the port is not a number from 1 to 65535")),
        },
        None => 22,
    };
    let is_invalid = |c: char| c.is_whitespace() || c.is_control() || c == '/';
    match (user, host) {
        ("", _) => Err(bad(no_user)),
        (user, _) if user.contains(':') => Err(bad("it contains a password")),
        (user, _) if user.contains(is_invalid) => Err(bad("the user's name is invalid")),
        (_, host) if host.is_empty() || host.contains(is_invalid) => {
            Err(bad("the host's name is invalid"))
        }
        _ => Ok((user.to_owned(), host.to_owned(), port)),
    }
}

fn server_key(text: &str) -> Result<String, Error> {
    match is_host_key(text) {
        true => Ok(text.trim().to_owned()),
        false => {
            let message = format!("'{text}' is not a host key");
            Err(Error::new(error::Kind::Usage, message).with_hint(
                "give the fingerprint as in SHA256:47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU, or the key as in 'ssh-ed25519 AAAA...'",
            ))
        }
    }
}

/// Who signs in, and where.
#[derive(Debug, Clone)]
struct Login {
    server: SftpSettings,
    /// The user's password, or the passphrase of the private key.
    secret: Option<Secret>,
}

/// An SFTP server.
#[derive(Debug)]
struct Sftp {
    login: Login,
    /// The folder for the files, which may be relative to the user's home folder.
    root: String,
    connected: tokio::sync::Mutex<Option<Arc<SftpConnection>>>,
    made: Mutex<std::collections::HashSet<String>>,
    parts: PartNames,
}

struct SftpConnection {
    ssh: Handle<ClientHandler>,
    channels: Vec<SftpSession>,
    /// The channel for listings, which are read page by page: `SftpSession` copies the whole listing again with each
    /// page, and accepts an endless one. `None` if the server allows only one channel.
    lister: Option<RawSftpSession>,
    next: AtomicUsize,
    hashes: tokio::sync::Semaphore,
    gone: watch::Receiver<bool>,
}

impl std::fmt::Debug for SftpConnection {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Connected(..)")
    }
}

impl SftpConnection {
    fn channel(&self) -> Option<&SftpSession> {
        let next = self.next.fetch_add(1, Ordering::Relaxed);
        self.channels.get(next % self.channels.len().max(1))
    }
}

impl Sftp {
    fn new(login: Login) -> Self {
        Self {
            root: login.server.path.trim_end_matches('/').to_owned(),
            login,
            connected: tokio::sync::Mutex::default(),
            made: Mutex::default(),
            parts: PartNames::default(),
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

    async fn connection(&self) -> Result<Arc<SftpConnection>, Problem> {
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
        work: impl AsyncFnOnce(&SftpConnection, &SftpSession) -> Result<T, Problem>,
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
            host: self.login.server.host.clone(),
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
            true => Problem::Full {
                words: words.clone(),
            },
            false => problem,
        }
    }

    fn made(&self) -> std::sync::MutexGuard<'_, std::collections::HashSet<String>> {
        self.made.lock().unwrap_or_else(PoisonError::into_inner)
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

    /// Makes a folder and those above it. Below the folder of the settings, none of them may be a symbolic
    /// link; that one becomes a link later, the protocol has no way to refuse.
    async fn make_folder(&self, sftp: &SftpSession, folder: &str) -> Result<(), Problem> {
        let full = self.path(folder);
        if full == "." || self.made().contains(&full) {
            return Ok(());
        }
        let (mut at, mut ends) = (0, Vec::new());
        while let Some(slash) = full.get(at..).and_then(|rest| rest.find('/')) {
            at += slash + 1;
            ends.push(at - 1);
        }
        ends.push(full.len());
        for path in ends.into_iter().filter_map(|end| full.get(..end)) {
            if path.is_empty() || self.made().contains(path) {
                continue;
            }
            // An existing folder is a failure like any other.
            let made = sftp.create_dir(path).await;
            let is_ours = path.len() > self.root.len();
            if let Err(error) = made {
                let found = match is_ours {
                    true => sftp.symlink_metadata(path).await,
                    // Links on the way to the remote are its owner's.
                    false => sftp.metadata(path).await,
                };
                match found.map(|found| found.file_type()) {
                    Ok(kind) if kind.is_dir() => {}
                    Ok(kind) if kind.is_symlink() => {
                        return Err(Problem::other(format!(
                            "{path} on the server is a symbolic link, and files are not sent through links; add its target as a remote instead"
                        )));
                    }
                    // Some servers let nobody look at the folders above.
                    Err(_) if !is_ours && path.len() < full.len() => {}
                    _ => {
                        self.made().clear();
                        return Err(self.failed(error));
                    }
                }
            }
            self.made().insert(path.to_owned());
        }
        Ok(())
    }

    /// A new part, where nothing bears its name.
    async fn fresh(
        &self,
        sftp: &SftpSession,
        folder: &str,
        source: &Source,
    ) -> Result<SftpPart, Problem> {
        let name = self.parts.fresh(folder, &source.sha256);
        let flags = OpenFlags::CREATE | OpenFlags::EXCLUDE | OpenFlags::WRITE;
        let full = self.path(&below(folder, &name));
        match sftp.open_with_flags(full, flags).await {
            Ok(file) => Ok(SftpPart {
                name,
                file,
                offset: 0,
            }),
            Err(error) => {
                self.parts.done(folder, &name);
                Err(self.vanished(self.failed(error)))
            }
        }
    }

    /// What is there already of a file. A link that bears its name is not followed, and nothing is written
    /// before the server has on its disk what is there.
    async fn resumable(
        &self,
        sftp: &SftpSession,
        folder: &str,
        source: &Source,
    ) -> Option<SftpPart> {
        let name = self.parts.left_of(folder, &source.sha256)?;
        let full = self.path(&below(folder, &name));
        let opened = async {
            let found = sftp.symlink_metadata(full.as_str()).await.ok()?;
            let size = found.size.filter(|_| found.file_type().is_file())?;
            // A longer one is not ours to go on with: its end would stay.
            let sure = (size <= source.size).then(|| size.saturating_sub(UNSURE_BYTES))?;
            let offset = sure - sure % PIECE_BYTES as u64;
            let opened = sftp.open_with_flags(full.as_str(), OpenFlags::WRITE);
            let file = opened.await.ok().filter(|_| offset > 0)?;
            file.sync_all().await.ok()?;
            Some((file, offset))
        };
        match opened.await {
            Some((file, offset)) => Some(SftpPart { name, file, offset }),
            None => {
                let _ = sftp.remove_file(full).await;
                self.parts.done(folder, &name);
                None
            }
        }
    }

    async fn write_small(
        &self,
        sftp: &SftpSession,
        full: &str,
        part: SftpPart,
        bytes: &[u8],
    ) -> Result<RemoteFile, Problem> {
        let mut file = part.file;
        match file.write_all(bytes).await {
            Ok(()) => Ok(file),
            Err(error) => Err(self.unwritten(sftp, full, error).await),
        }
    }

    async fn write_pieces(
        &self,
        sftp: &SftpSession,
        full: &str,
        part: SftpPart,
        source: &Source,
    ) -> Result<RemoteFile, Problem> {
        let mut file = part.file;
        source.tell(part.offset);
        file.seek(std::io::SeekFrom::Start(part.offset))
            .await
            .map_err(|e| self.io(e))?;
        let mut pieces = source.pieces(PIECE_BYTES, part.offset);
        while let Some(piece) = pieces.next().await? {
            if let Err(error) = file.write_all(&piece).await {
                return Err(self.unwritten(sftp, full, error).await);
            }
        }
        Ok(file)
    }

    /// What an earlier run left was never compared with anything.
    async fn prove(
        &self,
        connection: &SftpConnection,
        sftp: &SftpSession,
        full: &str,
        source: &Source,
    ) -> Result<(), Problem> {
        let (_, sha256) = self
            .digest_over(connection, sftp, full, source.size)
            .await?;
        match sha256 == source.sha256 {
            true => Ok(()),
            false => Err(Problem::Other {
                words: "the part that was there already is damaged".to_owned(),
                passing: true,
            }),
        }
    }

    /// Gives a part its name where nothing has it: SFTP's rename, and not OpenSSH's `posix-rename`, which
    /// replaces what is there.
    async fn name(
        &self,
        sftp: &SftpSession,
        full: &str,
        path: &str,
    ) -> Result<Acknowledged, Problem> {
        let target = self.path(path);
        match sftp.rename(full, target.as_str()).await {
            Ok(()) => Ok(Acknowledged::default()),
            // The protocol has no word for a name that is taken.
            Err(_) if sftp.symlink_metadata(target.as_str()).await.is_ok() => {
                let path = path.to_owned();
                Err(Problem::Taken { path })
            }
            Err(error) => Err(self.vanished(self.failed(error))),
        }
    }

    /// Names of ours that are gone, with their folder or without, are no fault of the file.
    fn vanished(&self, problem: Problem) -> Problem {
        self.made().clear();
        match problem {
            Problem::NotFound { what } => Problem::Other {
                words: format!(
                    "something removed the file or its folder while it was being sent ({what})"
                ),
                passing: true,
            },
            problem => problem,
        }
    }

    /// Gives a written file its date and length, and waits until the server has all of it.
    async fn finish(
        &self,
        sftp: &SftpSession,
        part: &str,
        mut file: RemoteFile,
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

    async fn digest_over(
        &self,
        connection: &SftpConnection,
        sftp: &SftpSession,
        path: &str,
        most: u64,
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
            if count == 0 || size > most {
                return Ok((size, hasher.finish()));
            }
            hasher.update(buffer.get(..count).unwrap_or_default());
            size += count as u64;
        }
    }
}

#[async_trait]
impl Store for Sftp {
    async fn list(&self, folder: &str, wanted: &Wanted<'_>) -> Result<Vec<RemoteEntry>, Problem> {
        let path = self.path(folder);
        let mut found = Vec::new();
        let mut left = Vec::new();
        let listed = self
            .with(async |connection, sftp| {
                let mut note = |name: String, attributes: &FileAttributes| {
                    let is_file = attributes.file_type().is_file();
                    let size = attributes.size.filter(|_| is_file);
                    if self.parts.seen(folder, &name, size) {
                        left.push(name);
                    } else if !matches!(name.as_str(), "." | "..") && wanted(&name) {
                        found.push(RemoteEntry {
                            name,
                            size,
                            ..RemoteEntry::default()
                        });
                    }
                };
                match &connection.lister {
                    Some(lister) => self.list_over(lister, path, &mut note).await?,
                    None => {
                        let entries = sftp.read_dir(path).await.map_err(|e| self.failed(e))?;
                        entries.for_each(|entry| note(entry.file_name(), &entry.metadata()));
                    }
                }
                for name in &left {
                    // Where that fails, it is in nobody's way.
                    let _ = sftp.remove_file(self.path(&below(folder, name))).await;
                }
                Ok(())
            })
            .await;
        match listed {
            Ok(()) => Ok(found),
            Err(Problem::NotFound { .. }) => Ok(Vec::new()),
            Err(problem) => Err(problem),
        }
    }

    async fn put(&self, path: &str, source: &Source, _: &Owner) -> Result<Acknowledged, Problem> {
        self.with(async |connection, sftp| {
            let folder = folder_of(path);
            self.make_folder(sftp, folder).await?;
            let small = match source.is_small() {
                true => Some(source.whole().await?),
                false => None,
            };
            let part = match small {
                Some(_) => None,
                None => self.resumable(sftp, folder, source).await,
            };
            let part = match part {
                Some(part) => part,
                None => self.fresh(sftp, folder, source).await?,
            };
            let (name, offset) = (part.name.clone(), part.offset);
            let full = self.path(&below(folder, &name));
            let written = match small {
                Some(bytes) => self.write_small(sftp, &full, part, &bytes).await,
                None => self.write_pieces(sftp, &full, part, source).await,
            };
            let sent = async {
                let file = written?;
                self.finish(sftp, &full, file, source).await?;
                if offset > 0 {
                    self.prove(connection, sftp, &full, source).await?;
                }
                self.name(sftp, &full, path).await
            };
            let sent = sent.await;
            match &sent {
                Ok(_) => self.parts.done(folder, &name),
                // The connection is gone, or the server does not want more now.
                Err(Problem::Unreachable { .. }) => self.parts.leave(folder, &name),
                Err(_) => {
                    // Of no use to anybody.
                    let _ = sftp.remove_file(full).await;
                    self.parts.done(folder, &name);
                }
            }
            sent
        })
        .await
    }

    async fn digest(&self, path: &str, most: u64) -> Result<(u64, Sha256), Problem> {
        let path = self.path(path);
        self.with(async |connection, sftp| self.digest_over(connection, sftp, &path, most).await)
            .await
    }

    async fn remove(&self, path: &str) -> Result<(), Problem> {
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

    fn come_from(&self, rescue_folder: Sha256) {
        self.parts.come_from(rescue_folder);
    }
}

/// A file that is being written, under a name of its own.
struct SftpPart {
    name: String,
    file: RemoteFile,
    offset: u64,
}

/// The path of a name in a folder.
fn below(folder: &str, name: &str) -> String {
    match folder {
        "" => name.to_owned(),
        folder => format!("{folder}/{name}"),
    }
}

/// Returns the output of the server's own `sha256sum`; `None` if that is unavailable, for example because the user may
/// use only SFTP.
async fn remote_sha256(
    connection: &SftpConnection,
    path: &str,
    size: Option<u64>,
) -> Option<Sha256> {
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ssh_addresses_are_read() {
        let read = |text| login(text).ok();
        let some = |user: &str, host: &str, port| Some((user.to_owned(), host.to_owned(), port));
        assert_eq!(read("ada@nas"), some("ada", "nas", 22));
        assert_eq!(read("ada@nas:2222"), some("ada", "nas", 2222));
        assert_eq!(read("ada@[::1]:22"), some("ada", "::1", 22));
        for bad in ["nas", "@nas", "ada@", "ada@nas:x", "ada:secret@nas"] {
            assert_eq!(read(bad), None, "{bad}");
        }
    }
}
