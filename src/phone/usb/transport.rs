//! Presents two bulk endpoints as a stream of bytes, cut into transfers as USB requires.

use std::collections::VecDeque;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::{Buf as _, BytesMut};
use nusb::transfer::{Buffer, Bulk, Completion, In, Out};
use nusb::{Endpoint, Interface};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::framing::{Incoming, Outgoing};

/// Transfers under way to the phone at most.
const MAX_OUT: usize = 16;
/// Transfers under way from the phone at most: a whole payload and the header behind it.
const MAX_IN: usize = 12;
/// Transfers without anything to read that are looked at in one go.
const MAX_STRAYS: usize = 32;
/// The largest transfer from the phone, in bytes: a multiple of every packet size of USB.
const CHUNK: usize = 128 * 1024;

/// The transport over a phone's ADB interface.
pub(in crate::phone) struct UsbTransport {
    input: Endpoint<Bulk, In>,
    output: Endpoint<Bulk, Out>,
    incoming: Incoming,
    outgoing: Outgoing,
    /// The sizes asked for by the transfers under way from the phone.
    asked: VecDeque<usize>,
    /// Buffers to be used again.
    spare: Vec<Buffer>,
    /// Bytes that came and that the reader had no room for.
    ready: BytesMut,
}

impl UsbTransport {
    /// Takes over an interface; returns `None` if it lacks ADB's two endpoints.
    pub(in crate::phone) async fn of(interface: &Interface) -> Option<Self> {
        let descriptor = interface.descriptor()?;
        let is_input = |address: u8| address & 0x80 != 0;
        let find = |input: bool| {
            let mut endpoints = descriptor.endpoints();
            let found = endpoints.find(|endpoint| {
                endpoint.transfer_type() == nusb::descriptors::TransferType::Bulk
                    && is_input(endpoint.address()) == input
                    // Linux passes over one whose packets hold nothing; nusb divides by it.
                    && endpoint.max_packet_size() > 0
            });
            found.map(|endpoint| endpoint.address())
        };
        let mut input = interface.endpoint::<Bulk, In>(find(true)?).ok()?;
        let mut output = interface.endpoint::<Bulk, Out>(find(false)?).ok()?;
        // An endpoint that stalled in a conversation before stays halted until it is told. One that
        // did not takes no harm; adb does the same.
        for cleared in [input.clear_halt().await, output.clear_halt().await] {
            if let Err(error) = cleared {
                tracing::debug!(%error, "an endpoint's halt cannot be cleared");
            }
        }
        Some(Self {
            incoming: Incoming::new(input.max_packet_size()),
            outgoing: Outgoing::new(output.max_packet_size()),
            input,
            output,
            asked: VecDeque::new(),
            spare: Vec::new(),
            ready: BytesMut::new(),
        })
    }

    /// Requests exactly what the phone sends next, and no more.
    fn ask(&mut self) {
        while self.asked.len() < MAX_IN {
            let under_way = self.asked.iter().sum();
            let Some(bytes) = self.incoming.next_transfer(under_way, CHUNK) else {
                return;
            };
            let mut spare = self.spare.iter();
            let mut buffer = match spare.position(|buffer| buffer.capacity() >= bytes) {
                Some(at) => self.spare.swap_remove(at),
                None => self.input.allocate(bytes.max(4096)),
            };
            buffer.clear();
            buffer.set_requested_len(bytes);
            self.input.submit(buffer);
            self.asked.push_back(bytes);
        }
    }

    /// Handles completed transfers to the phone; returns `Ready` when there is room for more.
    fn poll_room(&mut self, cx: &mut Context<'_>, most: usize) -> Poll<io::Result<()>> {
        while self.output.pending() > 0 {
            match self.output.poll_next_complete(cx) {
                Poll::Ready(done) => drop(checked(done)?),
                Poll::Pending if self.output.pending() > most => return Poll::Pending,
                Poll::Pending => break,
            }
        }
        Poll::Ready(Ok(()))
    }
}

fn checked(done: Completion) -> io::Result<Buffer> {
    done.into_result().map_err(io::Error::from)
}

impl AsyncRead for UsbTransport {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        let held = this.ready.len().min(buffer.remaining());
        buffer.put_slice(this.ready.get(..held).unwrap_or_default());
        this.ready.advance(held);
        let (mut strays, mut came) = (0, held);
        while came == 0 {
            // A phone that sends nonsense without end keeps nobody from looking at the clock.
            if strays == MAX_STRAYS {
                cx.waker().wake_by_ref();
                return Poll::Pending;
            }
            strays += 1;
            this.ask();
            if this.asked.is_empty() {
                // The phone announced more than ADB allows, and whoever reads has been told.
                return Poll::Pending;
            }
            let done = ready!(this.input.poll_next_complete(cx));
            this.asked.pop_front();
            let received = checked(done)?;
            let ready = &mut this.ready;
            // Straight to the reader; only what he has no room for is kept.
            this.incoming.take(&received, &mut |bytes| {
                let (now, later) = bytes.split_at(bytes.len().min(buffer.remaining()));
                buffer.put_slice(now);
                ready.extend_from_slice(later);
                came += bytes.len();
            });
            this.spare.push(received);
        }
        // The phone fills the next transfers while these bytes are worked on.
        this.ask();
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for UsbTransport {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        ready!(this.poll_room(cx, MAX_OUT))?;
        this.outgoing.take(bytes);
        while let Some(transfer) = this.outgoing.next_transfer() {
            this.output.submit(transfer.into());
        }
        Poll::Ready(Ok(bytes.len()))
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.get_mut().poll_room(cx, 0)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.poll_flush(cx)
    }
}
