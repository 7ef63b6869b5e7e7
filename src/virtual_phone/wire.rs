//! What goes wrong with the wire itself, under the protocol: a transport that breaks after so many
//! bytes, wherever in a message that is.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::{Buf as _, Bytes};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;

/// Bytes of a message's header, and where the length of what follows stands in it.
const HEADER_BYTES: usize = 24;
const LENGTH_AT: usize = 12;

/// When the wire breaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum After {
    /// After so many bytes that the phone sent over one connection.
    Bytes(u64),
    /// After the phone's first message: its hello, where it lets everybody in.
    FirstMessage,
}

/// How the wire breaks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Break {
    /// The cable is pulled.
    Cut,
    /// Nothing more comes, and what is sent is still taken.
    Silence,
    /// These bytes come, then nothing more.
    Nonsense(Bytes),
}

/// A socket that may break.
#[derive(Debug)]
pub(super) struct Wire {
    socket: TcpStream,
    /// `None` for a sound one.
    fault: Option<Broken>,
}

#[derive(Debug)]
struct Broken {
    after: After,
    how: Break,
    /// The beginning of what the phone sent.
    header: Vec<u8>,
    sent_bytes: u64,
}

impl Wire {
    pub(super) fn new(socket: TcpStream, fault: Option<(After, Break)>) -> Self {
        let fault = fault.map(|(after, how)| Broken {
            after,
            how,
            header: Vec::new(),
            sent_bytes: 0,
        });
        Self { socket, fault }
    }
}

impl Broken {
    /// How many bytes may still pass; a first message of unknown length passes byte by byte.
    fn room(&self) -> u64 {
        let end = match self.after {
            After::Bytes(bytes) => bytes,
            After::FirstMessage => match self.header.get(LENGTH_AT..LENGTH_AT + 4) {
                Some(mut length) if self.header.len() == HEADER_BYTES => {
                    HEADER_BYTES as u64 + u64::from(length.get_u32_le())
                }
                _ => HEADER_BYTES as u64,
            },
        };
        end.saturating_sub(self.sent_bytes)
    }

    fn count(&mut self, written: &[u8]) {
        let missing = HEADER_BYTES - self.header.len();
        self.header.extend(written.iter().take(missing));
        self.sent_bytes += written.len() as u64;
    }
}

impl AsyncRead for Wire {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.socket).poll_read(context, buffer)
    }
}

impl AsyncWrite for Wire {
    fn poll_write(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let Self { socket, fault } = self.get_mut();
        let Some(broken) = fault else {
            return Pin::new(socket).poll_write(context, bytes);
        };
        let room = broken.room().min(bytes.len() as u64) as usize;
        if room > 0 {
            let passing = bytes.get(..room).unwrap_or(bytes);
            let written = ready!(Pin::new(socket).poll_write(context, passing))?;
            broken.count(passing.get(..written).unwrap_or(passing));
            return Poll::Ready(Ok(written));
        }
        match &mut broken.how {
            Break::Cut => Poll::Ready(Err(io::ErrorKind::BrokenPipe.into())),
            Break::Nonsense(nonsense) if !nonsense.is_empty() => {
                let written = ready!(Pin::new(socket).poll_write(context, nonsense))?;
                nonsense.advance(written);
                context.waker().wake_by_ref();
                Poll::Pending
            }
            // As if it had left.
            Break::Silence | Break::Nonsense(_) => Poll::Ready(Ok(bytes.len())),
        }
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.socket).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.socket).poll_shutdown(context)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

    /// A message with a payload of ten bytes, and one more.
    fn messages() -> Vec<u8> {
        let mut bytes = vec![7; HEADER_BYTES];
        bytes[LENGTH_AT..LENGTH_AT + 4].copy_from_slice(&10_u32.to_le_bytes());
        bytes.resize(100, 8);
        bytes
    }

    async fn arriving(after: After, how: Break) -> Vec<u8> {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (near, far) = tokio::join!(TcpStream::connect(address), listener.accept());
        let mut wire = Wire::new(near.unwrap(), Some((after, how)));
        let _ = wire.write_all(&messages()).await;
        drop(wire);
        let mut arrived = Vec::new();
        far.unwrap().0.read_to_end(&mut arrived).await.unwrap();
        arrived
    }

    #[tokio::test]
    async fn wire_breaks_after_exactly_so_many_bytes() {
        for bytes in [0, 1, 23, 24, 25, 99] {
            let arrived = arriving(After::Bytes(bytes), Break::Cut).await;
            assert_eq!(arrived, messages()[..bytes as usize], "{bytes}");
        }
    }

    #[tokio::test]
    async fn wire_breaks_behind_the_first_message() {
        let nonsense = Bytes::from_static(b"nonsense");
        let arrived = arriving(After::FirstMessage, Break::Nonsense(nonsense.clone())).await;
        assert_eq!(arrived, [&messages()[..34], &nonsense].concat());
        let arrived = arriving(After::FirstMessage, Break::Silence).await;
        assert_eq!(arrived, messages()[..34]);
    }
}
