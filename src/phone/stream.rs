//! A stream of bytes to a service of the phone, by whichever route.

use std::sync::Arc;

use bytes::{Bytes, BytesMut};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::sync::{Semaphore, mpsc, oneshot};

use super::buffers::Buffers;
use super::error::{LinkError, LinkFailure};
use crate::adb::connection::StreamId;

/// The most bytes that a stream's writer may have in transit before it waits.
pub(crate) const SEND_BUFFER: usize = 2 * 1024 * 1024;

/// What the users of a link want of the loop that drives it.
#[derive(Debug)]
pub(super) enum LinkWish {
    Open(Vec<u8>, oneshot::Sender<Option<ByteStream>>),
    Write(StreamId, Bytes),
    Consumed(StreamId, usize),
    Close(StreamId),
    Approve,
    End,
}

/// A stream to a service of the phone. Dropping it closes the stream.
#[derive(Debug)]
pub struct ByteStream(StreamKind);

#[derive(Debug)]
enum StreamKind {
    Link(LinkStream),
    /// Through an adb server every stream has a socket of its own.
    Socket {
        socket: TcpStream,
        input: BytesMut,
        buffers: Buffers,
    },
}

#[derive(Debug)]
struct LinkStream {
    id: StreamId,
    data: mpsc::UnboundedReceiver<Bytes>,
    wishes: mpsc::UnboundedSender<LinkWish>,
    send_permits: Arc<Semaphore>,
    failure: LinkFailure,
}

impl Drop for LinkStream {
    fn drop(&mut self) {
        let _ = self.wishes.send(LinkWish::Close(self.id));
    }
}

impl ByteStream {
    pub(super) fn of_link(
        id: StreamId,
        data: mpsc::UnboundedReceiver<Bytes>,
        wishes: mpsc::UnboundedSender<LinkWish>,
        send_permits: Arc<Semaphore>,
        failure: LinkFailure,
    ) -> Self {
        Self(StreamKind::Link(LinkStream {
            id,
            data,
            wishes,
            send_permits,
            failure,
        }))
    }

    /// Wraps a socket that an adb server has switched to a service. `input` holds the bytes that followed the server's
    /// answer.
    pub(super) fn of_socket(socket: TcpStream, input: BytesMut) -> Self {
        Self(StreamKind::Socket {
            socket,
            input,
            buffers: Buffers::default(),
        })
    }

    /// Returns the next bytes, at least one; `None` once the other side has closed the stream.
    pub async fn receive(&mut self) -> Result<Option<Bytes>, Arc<LinkError>> {
        match &mut self.0 {
            StreamKind::Link(stream) => match stream.data.recv().await {
                Some(bytes) => {
                    let _ = stream
                        .wishes
                        .send(LinkWish::Consumed(stream.id, bytes.len()));
                    Ok(Some(bytes))
                }
                None => match stream.failure.get() {
                    Some(failure) => Err(Arc::clone(failure)),
                    None => Ok(None),
                },
            },
            StreamKind::Socket {
                socket,
                input,
                buffers,
            } => {
                if input.is_empty() {
                    buffers.make_room(input, 0);
                    let read = socket.read_buf(input).await;
                    acknowledge_quickly(socket);
                    match read {
                        Ok(0) => return Ok(None),
                        // adb closes with what was sent unread when a service ends early.
                        Err(error) if error.kind() == std::io::ErrorKind::ConnectionReset => {
                            return Ok(None);
                        }
                        Ok(_) => {}
                        Err(error) => return Err(Arc::new(LinkError::Io(error))),
                    }
                }
                Ok(Some(input.split().freeze()))
            }
        }
    }

    /// Sends bytes; waits while much data is already in transit.
    pub async fn send(&mut self, bytes: Bytes) -> Result<(), Arc<LinkError>> {
        match &mut self.0 {
            StreamKind::Link(stream) => {
                let wanted = bytes.len().min(SEND_BUFFER) as u32;
                match stream.send_permits.acquire_many(wanted).await {
                    Ok(permits) => permits.forget(),
                    Err(_closed) => {
                        let failure = stream.failure.get().map(Arc::clone);
                        return Err(failure.unwrap_or_else(|| Arc::new(LinkError::Closed)));
                    }
                }
                let _ = stream.wishes.send(LinkWish::Write(stream.id, bytes));
                Ok(())
            }
            StreamKind::Socket { socket, .. } => match socket.write_all(&bytes).await {
                Ok(()) => Ok(()),
                Err(error) => Err(Arc::new(LinkError::Io(error))),
            },
        }
    }
}

/// Asks the kernel to acknowledge data immediately: an adb server writes small pieces with Nagle's algorithm on, and
/// would wait 40 ms for each delayed acknowledgement. The kernel forgets the setting, so it is renewed after each read.
pub(super) fn acknowledge_quickly(socket: &TcpStream) {
    #[cfg(target_os = "linux")]
    let _ = rustix::net::sockopt::set_tcp_quickack(socket, true);
    #[cfg(not(target_os = "linux"))]
    let _ = socket;
}
