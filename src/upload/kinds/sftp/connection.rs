//! The way to an SSH server: its host key, the connection, and the channels over it.

use std::pin::Pin;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use russh::client::{self, Handle};
use russh::keys::PublicKey;
use russh::keys::ssh_key::{Algorithm, Fingerprint, HashAlg};
use russh::{Channel, ChannelMsg, Preferred};
use russh_sftp::client::error::Error as SftpError;
use russh_sftp::client::{RawSftpSession, SftpSession};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::sync::watch;

use super::sign_in::{lost, sign_in};
use super::{Login, SftpSettings};
use crate::phone::tcp;
use crate::upload::problem::{Problem, brief};

/// SFTP channels over one connection; sshd allows ten sessions, some are for `sha256sum`.
const CHANNELS: usize = 4;
/// `sha256sum`s on the server at once: a session too many is never answered by some servers.
const HASHES: usize = 3;
/// How long a connection may take to be made, and a server to answer.
pub(super) const PATIENCE: Duration = Duration::from_secs(30);
/// The most of a text that a server prints where SFTP should begin, in bytes.
const MAX_CHATTER: usize = 200;

/// A connection with its channels.
pub(super) struct SftpConnection {
    pub(super) ssh: Handle<ClientHandler>,
    channels: Vec<SftpSession>,
    /// The channel for listings, which are read page by page: `SftpSession` copies the whole listing again with each
    /// page, and accepts an endless one. `None` if the server allows only one channel.
    pub(super) lister: Option<RawSftpSession>,
    next: AtomicUsize,
    pub(super) hashes: tokio::sync::Semaphore,
    pub(super) gone: watch::Receiver<bool>,
}

impl std::fmt::Debug for SftpConnection {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Connected(..)")
    }
}

impl SftpConnection {
    pub(super) fn channel(&self) -> Option<&SftpSession> {
        let next = self.next.fetch_add(1, Ordering::Relaxed);
        self.channels.get(next % self.channels.len().max(1))
    }
}

/// The handler for the SSH client's decisions, such as whether to accept a server's key.
pub(super) struct ClientHandler {
    known: Vec<AcceptedKey>,
    seen: PresentedKey,
    gone: watch::Sender<bool>,
}

/// The key that the server presented.
type PresentedKey = Arc<Mutex<Option<PublicKey>>>;

impl Drop for ClientHandler {
    fn drop(&mut self) {
        self.gone.send_replace(true);
    }
}

impl client::Handler for ClientHandler {
    type Error = russh::Error;

    async fn check_server_key(
        &mut self,
        offered: &russh::keys::PublicKeyOrCertificate,
    ) -> Result<bool, Self::Error> {
        let russh::keys::PublicKeyOrCertificate::PublicKey { key, .. } = offered else {
            return Ok(false);
        };
        *self.seen.lock().unwrap_or_else(PoisonError::into_inner) = Some(key.clone());
        Ok(self.known.iter().any(|known| known.is(key)))
    }
}

/// A key that a server may present.
#[derive(Debug, Clone, PartialEq)]
enum AcceptedKey {
    Key(PublicKey),
    /// A key of which only the fingerprint was given.
    Fingerprint(Fingerprint),
}

impl AcceptedKey {
    /// Reads a key in OpenSSH's format, or a fingerprint as OpenSSH shows it.
    fn read(text: &str) -> Option<Self> {
        let text = text.trim();
        match text.starts_with("SHA256:") {
            true => text.parse().ok().map(Self::Fingerprint),
            false => PublicKey::from_openssh(text).ok().map(Self::Key),
        }
    }

    fn is(&self, key: &PublicKey) -> bool {
        match self {
            Self::Key(known) => known.key_data() == key.key_data(),
            Self::Fingerprint(known) => key.fingerprint(HashAlg::Sha256) == *known,
        }
    }
}

/// Returns whether a text is a host key in OpenSSH's format, or the fingerprint of one.
pub(super) fn is_host_key(text: &str) -> bool {
    AcceptedKey::read(text).is_some()
}

/// Returns whether OpenSSH's list of known hosts has a key of this server.
pub(super) fn is_known(host: &str, port: u16) -> bool {
    !listed_keys(host, port).is_empty()
}

/// Returns the key that a server presents, in OpenSSH's format, and its fingerprint.
pub(super) async fn shown_key(server: &SftpSettings) -> Result<(String, String), Problem> {
    let login = Login {
        server: server.clone(),
        secret: None,
    };
    // One that OpenSSH knows already is preferred.
    let (seen, _, opened) = open(&login, known_keys(&login)).await;
    let key = seen.lock().unwrap_or_else(PoisonError::into_inner).take();
    match (key, opened) {
        (Some(key), _) => {
            let text = key
                .to_openssh()
                .map_err(|e| Problem::other(e.to_string()))?;
            Ok((text, fingerprint(&key)))
        }
        (None, Err(problem)) => Err(problem),
        (None, Ok(_)) => Err(Problem::other("the server offers no key")),
    }
}

fn fingerprint(key: &PublicKey) -> String {
    key.fingerprint(HashAlg::Sha256).to_string()
}

/// Returns the acceptable server keys: the one in the settings, or those in OpenSSH's list of known hosts.
fn known_keys(login: &Login) -> Vec<AcceptedKey> {
    match &login.server.host_key {
        Some(text) => AcceptedKey::read(text).into_iter().collect(),
        None => listed_keys(&login.server.host, login.server.port),
    }
}

/// Returns the keys of a server in OpenSSH's list of known hosts.
fn listed_keys(host: &str, port: u16) -> Vec<AcceptedKey> {
    let listed = russh::keys::known_hosts::known_host_keys(host, port);
    let listed = listed.unwrap_or_default().into_iter();
    listed.map(|(_, key)| AcceptedKey::Key(key)).collect()
}

/// Returns the algorithms to offer. A server with keys of several kinds presents the kind that the client prefers.
/// Known kinds are preferred, so that a key the server got later causes no alarm.
fn preferred(known: &[AcceptedKey]) -> Preferred {
    let is_of = |kind: &Algorithm, known: &AcceptedKey| match (kind, known) {
        (_, AcceptedKey::Fingerprint(_)) => false,
        (Algorithm::Rsa { .. }, AcceptedKey::Key(key)) => key.algorithm().is_rsa(),
        (kind, AcceptedKey::Key(key)) => key.algorithm() == *kind,
    };
    let mut kinds = Preferred::DEFAULT.key.into_owned();
    // Stable: otherwise the order stays.
    kinds.sort_by_key(|kind| !known.iter().any(|key| is_of(kind, key)));
    Preferred {
        key: kinds.into(),
        ..Preferred::DEFAULT
    }
}

async fn open(
    login: &Login,
    known: Vec<AcceptedKey>,
) -> (
    PresentedKey,
    watch::Receiver<bool>,
    Result<Handle<ClientHandler>, Problem>,
) {
    let seen = PresentedKey::default();
    let (gone, watching) = watch::channel(false);
    let config = client::Config {
        keepalive_interval: Some(Duration::from_secs(15)),
        preferred: preferred(&known),
        ..client::Config::default()
    };
    let client = ClientHandler {
        known: known.clone(),
        seen: Arc::clone(&seen),
        gone,
    };
    let connecting = async {
        let socket = tcp::connect_to(&login.server.host, login.server.port).await?;
        let _ = socket.set_nodelay(true);
        client::connect_stream(Arc::new(config), socket, client).await
    };
    let opened = match tokio::time::timeout(PATIENCE, connecting).await {
        Ok(Ok(ssh)) => Ok(ssh),
        Ok(Err(russh::Error::UnknownKey)) => {
            let offered = seen.lock().unwrap_or_else(PoisonError::into_inner).clone();
            Err(unknown(login, &known, offered.as_ref()))
        }
        Ok(Err(error)) => Err(lost(login, &error)),
        Err(_) => Err(Problem::Unreachable {
            host: login.server.host.clone(),
            words: "no answer".to_owned(),
        }),
    };
    (seen, watching, opened)
}

/// Returns the problem when the server's key differs from the known ones.
fn unknown(login: &Login, known: &[AcceptedKey], offered: Option<&PublicKey>) -> Problem {
    let shown = |key: &PublicKey| format!("{} {}", key.algorithm(), fingerprint(key));
    let offered = offered.map_or_else(|| "a certificate".to_owned(), shown);
    let words = match known {
        [] => {
            return Problem::HostKeyUnknown {
                host: login.server.host.clone(),
                words: format!("the server shows {offered}"),
            };
        }
        [AcceptedKey::Key(known)] => format!(
            "the known one is {}, the server shows {offered}",
            shown(known)
        ),
        [AcceptedKey::Fingerprint(known)] => {
            format!("the known one is {known}, the server shows {offered}")
        }
        [..] => format!("none of the known ones is {offered}, which the server shows"),
    };
    Problem::HostKey {
        host: login.server.host.clone(),
        words,
    }
}

/// Connects, signs in, and opens the channels.
pub(super) async fn connect(login: &Login) -> Result<SftpConnection, Problem> {
    let (_, gone, opened) = open(login, known_keys(login)).await;
    let mut ssh = opened?;
    sign_in(&mut ssh, login).await?;
    let config = russh_sftp::client::Config {
        max_concurrent_writes: 32,
        max_write_packet_len: 128 * 1024,
        request_timeout_secs: 60,
        ..russh_sftp::client::Config::default()
    };
    let mut channels = Vec::new();
    for _ in 0..CHANNELS {
        let opened = async {
            let (stream, chatter) = subsystem(&ssh, login).await?;
            let session = SftpSession::new_with_config(stream, config.clone()).await;
            session.map_err(|error| no_sftp((&ssh, login), &error, &chatter))
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
            let (stream, chatter) = subsystem(&ssh, login).await?;
            let session = RawSftpSession::new_with_config(stream, config);
            let began = session.init().await;
            began.map_err(|error| no_sftp((&ssh, login), &error, &chatter))?;
            Ok::<_, Problem>(session)
        };
        lister = opened.await.ok();
    }
    Ok(SftpConnection {
        ssh,
        channels,
        lister,
        next: AtomicUsize::new(0),
        hashes: tokio::sync::Semaphore::new(HASHES),
        gone,
    })
}

/// Opens a channel for SFTP. Also returns the place for any text that the server prints instead.
async fn subsystem(
    ssh: &Handle<ClientHandler>,
    login: &Login,
) -> Result<(impl AsyncRead + AsyncWrite + Unpin + use<>, Chatter), Problem> {
    let asking = async {
        let opened = ssh.channel_open_session().await;
        let mut channel = opened.map_err(|e| lost(login, &e))?;
        let asked = channel.request_subsystem(true, "sftp").await;
        asked.map_err(|e| lost(login, &e))?;
        granted(&mut channel, login).await?;
        Ok(channel)
    };
    let channel = match tokio::time::timeout(PATIENCE, asking).await {
        Ok(asked) => asked?,
        Err(_) => {
            return Err(Problem::Unreachable {
                host: login.server.host.clone(),
                words: "no answer to the request for SFTP".to_owned(),
            });
        }
    };
    let chatter = Chatter::default();
    let stream = FirstByte {
        inner: channel.into_stream(),
        is_sftp: false,
        chatter: Arc::clone(&chatter),
    };
    Ok((stream, chatter))
}

/// Waits until the server confirms or refuses SFTP.
async fn granted(channel: &mut Channel<client::Msg>, login: &Login) -> Result<(), Problem> {
    loop {
        match channel.wait().await {
            Some(ChannelMsg::Success) => return Ok(()),
            Some(ChannelMsg::Data { data }) => return Err(chatters(login, &data)),
            Some(ChannelMsg::Failure) => return Err(without_sftp(login, "")),
            Some(ChannelMsg::Close | ChannelMsg::Eof) | None => {
                return Err(without_sftp(login, " (it closed the channel)"));
            }
            Some(_) => {}
        }
    }
}

fn without_sftp(login: &Login, how: &str) -> Problem {
    Problem::NoSftp {
        words: format!(
            "{} has no SFTP for user {}{how}",
            login.server.host, login.server.user
        ),
    }
}

/// The text that a server printed in place of SFTP.
type Chatter = Arc<Mutex<Vec<u8>>>;

fn chatters(login: &Login, text: &[u8]) -> Problem {
    let text = text.get(..MAX_CHATTER).unwrap_or(text);
    Problem::NoSftp {
        words: format!(
            "{} prints text where SFTP should begin: \"{}\"",
            login.server.host,
            brief(&String::from_utf8_lossy(text))
        ),
    }
}

fn no_sftp(
    (ssh, login): (&Handle<ClientHandler>, &Login),
    error: &SftpError,
    chatter: &Chatter,
) -> Problem {
    let text = chatter.lock().unwrap_or_else(PoisonError::into_inner);
    match (text.as_slice(), error) {
        ([], SftpError::Timeout | SftpError::IO(_)) => {}
        ([], _) if !ssh.is_closed() => return without_sftp(login, " (it ended at once)"),
        ([], _) => {}
        (text, _) => return chatters(login, text),
    }
    Problem::Unreachable {
        host: login.server.host.clone(),
        words: format!("no SFTP there: {}", brief(&error.to_string())),
    }
}

/// A stream that ends immediately if it does not begin like SFTP. The first packet is shorter than 16 MiB, so its first
/// byte is zero, and no text begins with that.
struct FirstByte<S> {
    inner: S,
    is_sftp: bool,
    chatter: Chatter,
}

impl<S: AsyncRead + Unpin> AsyncRead for FirstByte<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<std::io::Result<()>> {
        if self.is_sftp {
            return Pin::new(&mut self.inner).poll_read(cx, buffer);
        }
        let mut first = [0; MAX_CHATTER];
        // No more than is wanted: all of it is the first packet's.
        let room = first.len().min(buffer.remaining());
        let mut held = ReadBuf::new(first.get_mut(..room).unwrap_or_default());
        ready!(Pin::new(&mut self.inner).poll_read(cx, &mut held))?;
        match held.filled() {
            [] => {}
            [0, ..] => {
                self.is_sftp = true;
                buffer.put_slice(held.filled());
            }
            text => {
                let mut text = text.to_vec();
                // With what of it is here already, to show it.
                let mut more = [0; MAX_CHATTER];
                let mut held = ReadBuf::new(&mut more);
                if let Poll::Ready(Ok(())) = Pin::new(&mut self.inner).poll_read(cx, &mut held) {
                    text.extend_from_slice(held.filled());
                }
                *self.chatter.lock().unwrap_or_else(PoisonError::into_inner) = text;
                return Poll::Ready(Err(std::io::ErrorKind::InvalidData.into()));
            }
        }
        Poll::Ready(Ok(()))
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for FirstByte<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<std::io::Result<usize>> {
        Pin::new(&mut self.inner).poll_write(cx, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        Pin::new(&mut self.inner).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        Pin::new(&mut self.inner).poll_shutdown(cx)
    }
}
