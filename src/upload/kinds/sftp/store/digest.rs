//! The SHA-256 of a file on the server: by its own `sha256sum`, otherwise of the bytes read back.

use std::time::Duration;

use russh::ChannelMsg;
use russh_sftp::client::SftpSession;
use tokio::io::AsyncReadExt as _;

use super::{PIECE_BYTES, Sftp, SftpConnection};
use crate::digest::{Hasher, Sha256};
use crate::upload::kinds::sftp::connection::PATIENCE;
use crate::upload::problem::Problem;

/// The slowest that a server is expected to hash, in bytes a second.
const HASH_RATE: u64 = 10_000_000;

impl Sftp {
    pub(super) async fn digest_over(
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
