//! The wire below the protocol: a transport that is slow, or that breaks after a number of bytes, anywhere in a
//! message.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::{Buf as _, Bytes};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio::time::{Instant, Sleep};

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

/// Bytes that leave at once over a slow wire: little, so that they leave evenly.
const SLOW_PIECE: usize = 4096;
/// What a slow wire may catch up when it was not woken in time.
const LATENESS: Duration = Duration::from_millis(4);

/// A socket that may be slow, and may break.
#[derive(Debug)]
pub(super) struct Wire {
    socket: TcpStream,
    /// `None` for one as fast as this computer.
    slow: Option<Slow>,
    /// `None` for a sound one.
    fault: Option<Broken>,
}

#[derive(Debug)]
struct Slow {
    /// Bytes a second.
    rate: u64,
    free_at: Instant,
    sleep: Pin<Box<Sleep>>,
}

impl Slow {
    /// Waits until the next bytes may leave.
    fn poll_free(&mut self, context: &mut Context<'_>) -> Poll<()> {
        if self.free_at <= Instant::now() {
            return Poll::Ready(());
        }
        self.sleep.as_mut().reset(self.free_at);
        self.sleep.as_mut().poll(context)
    }

    fn count(&mut self, now: Instant, written: usize) {
        let takes = Duration::from_secs_f64(written as f64 / self.rate.max(1) as f64);
        let earliest = now.checked_sub(LATENESS);
        let from = earliest.map_or(self.free_at, |earliest| self.free_at.max(earliest));
        self.free_at = from + takes;
    }
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
    /// A wire that carries `rate` bytes a second to the computer, where it is slow.
    pub(super) fn new(socket: TcpStream, fault: Option<(After, Break)>, rate: Option<u64>) -> Self {
        let slow = rate.map(|rate| Slow {
            rate,
            free_at: Instant::now(),
            sleep: Box::pin(tokio::time::sleep(Duration::ZERO)),
        });
        let fault = fault.map(|(after, how)| Broken {
            after,
            how,
            header: Vec::new(),
            sent_bytes: 0,
        });
        Self {
            socket,
            slow,
            fault,
        }
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
        let Self {
            socket,
            slow,
            fault,
        } = self.get_mut();
        let Some(broken) = fault else {
            let Some(slow) = slow else {
                return Pin::new(socket).poll_write(context, bytes);
            };
            ready!(slow.poll_free(context));
            let piece = bytes.get(..SLOW_PIECE).unwrap_or(bytes);
            let written = ready!(Pin::new(socket).poll_write(context, piece))?;
            slow.count(Instant::now(), written);
            return Poll::Ready(Ok(written));
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
        let mut wire = Wire::new(near.unwrap(), Some((after, how)), None);
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
    async fn slow_wire_takes_as_long_as_its_rate_says() {
        let begun = Instant::now();
        let mut slow = Slow {
            rate: 100_000,
            free_at: begun,
            sleep: Box::pin(tokio::time::sleep(Duration::ZERO)),
        };
        (0..50).for_each(|_| slow.count(begun, 1000));
        assert_eq!(slow.free_at, begun + Duration::from_millis(500));
        // What was not sent in time is not caught up all at once.
        let late = begun + Duration::from_secs(9);
        slow.count(late, 1000);
        assert_eq!(slow.free_at, late - LATENESS + Duration::from_millis(10));
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
