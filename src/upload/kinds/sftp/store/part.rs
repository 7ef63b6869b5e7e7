//! A file on its way: written under a name of its own, and named when it is complete.

use russh_sftp::client::SftpSession;
use russh_sftp::client::fs::File as RemoteFile;
use russh_sftp::protocol::{FileAttributes, OpenFlags};
use tokio::io::{AsyncSeekExt as _, AsyncWriteExt as _};

use super::{PIECE_BYTES, Sftp, SftpConnection, below};
use crate::upload::Acknowledged;
use crate::upload::problem::Problem;
use crate::upload::source::Source;

/// A disk with less room than this has none, in bytes.
const ROOM: u64 = 1024 * 1024;
/// What may not have reached the server's disk in order, in bytes.
const UNSURE_BYTES: u64 = 8 * 1024 * 1024;

/// A file that is being written, under a name of its own.
pub(super) struct SftpPart {
    pub(super) name: String,
    file: RemoteFile,
    pub(super) offset: u64,
}

impl Sftp {
    /// A new part, where nothing bears its name.
    pub(super) async fn fresh(
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
    pub(super) async fn resumable(
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

    pub(super) async fn write_small(
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

    pub(super) async fn write_pieces(
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
    pub(super) async fn prove(
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
    pub(super) async fn name(
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
    pub(super) fn vanished(&self, problem: Problem) -> Problem {
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
    pub(super) async fn finish(
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
}
