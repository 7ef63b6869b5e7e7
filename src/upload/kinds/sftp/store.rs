//! The folder on an SSH server that files are sent to.

mod digest;
mod part;

use std::collections::HashSet;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use russh_sftp::client::error::Error as SftpError;
use russh_sftp::client::{RawSftpSession, SftpSession};
use russh_sftp::protocol::{File, FileAttributes, StatusCode};

use super::Login;
use super::connection::{SftpConnection, connect};
use crate::digest::Sha256;
use crate::upload::owner::Owner;
use crate::upload::parts::PartNames;
use crate::upload::paths::Store;
use crate::upload::problem::{Problem, brief};
use crate::upload::source::Source;
use crate::upload::{Acknowledged, Counted, RemoteEntry, Wanted, folder_of};

/// The pieces that a large file is read in, in bytes.
const PIECE_BYTES: usize = 512 * 1024;

/// An SFTP server.
#[derive(Debug)]
pub(super) struct Sftp {
    login: Login,
    /// The folder for the files, which may be relative to the user's home folder.
    root: String,
    connected: tokio::sync::Mutex<Option<Arc<SftpConnection>>>,
    made: Mutex<HashSet<String>>,
    parts: PartNames,
}

impl Sftp {
    pub(super) fn new(login: Login) -> Self {
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

    fn made(&self) -> MutexGuard<'_, HashSet<String>> {
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

/// The path of a name in a folder.
fn below(folder: &str, name: &str) -> String {
    match folder {
        "" => name.to_owned(),
        folder => format!("{folder}/{name}"),
    }
}
