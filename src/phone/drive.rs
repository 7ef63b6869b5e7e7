//! The one loop that joins [`Connection`], a transport and the tasks that use its streams.
//!
//! In: a transport's bytes and the tasks' wishes. Out: [`LinkEvent`]s and `ByteStream`s. Reading and writing run side
//! by side, so that two ends with much to send cannot block each other.

use std::collections::HashMap;
use std::sync::Arc;

use bytes::{Bytes, BytesMut};
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::sync::{Semaphore, mpsc, oneshot};

use super::buffers::Buffers;
use super::error::{LinkError, LinkFailure};
use super::stream::{ByteStream, LinkWish, SEND_BUFFER};
use crate::adb::auth::PublicKey;
use crate::adb::connection::{Banner, Connection, ConnectionEvent, StreamId};

/// Output that a peer may leave unread before it counts as hostile, in bytes.
const MAX_UNREAD_OUTPUT: usize = 64 * 1024 * 1024;

/// An event on a link that does not belong to one of its streams.
#[derive(Debug)]
pub enum LinkEvent {
    /// The handshake is complete.
    Connected(Banner),
    /// The phone is asking its user whether to allow this computer.
    AwaitingApproval,
    /// The phone knows none of the keys, and its user was not asked.
    NotKnown,
    /// Device end: an unknown computer offers its key; [`Link::approve`] accepts it.
    KeyOffered(PublicKey),
    /// Device end: the computer opened a stream to a service.
    Incoming(ByteStream, Bytes),
}

/// A handle to a connection that a background task drives. Clones are cheap. The task ends when all clones and streams
/// are dropped.
#[derive(Debug, Clone)]
pub struct Link {
    wishes: mpsc::UnboundedSender<LinkWish>,
    failure: LinkFailure,
}

impl Link {
    /// Starts the task that drives the connection on the current runtime.
    pub fn start<T>(
        connection: Connection,
        transport: T,
    ) -> (Self, mpsc::UnboundedReceiver<LinkEvent>)
    where
        T: AsyncRead + AsyncWrite + Send + 'static,
    {
        let (wishes, inbox) = mpsc::unbounded_channel();
        let (events, event_receiver) = mpsc::unbounded_channel();
        let failure = LinkFailure::default();
        let link = Self {
            wishes: wishes.clone(),
            failure: Arc::clone(&failure),
        };
        let streams = Streams {
            open: HashMap::new(),
            opening: HashMap::new(),
            wishes: wishes.downgrade(),
            failure: Arc::clone(&failure),
        };
        tokio::spawn(async move {
            let mut driven = Loop {
                connection,
                streams,
                events,
            };
            if let Err(error) = driven.run(transport, inbox).await {
                tracing::debug!(%error, "link ended");
                // The streams are dropped after this, so that their readers see why.
                let _ = failure.set(Arc::new(error));
            }
            drop(driven);
        });
        (link, event_receiver)
    }

    /// Opens a stream to a service. Returns `Ok(None)` if the phone refuses it.
    pub async fn open(&self, service: &[u8]) -> Result<Option<ByteStream>, Arc<LinkError>> {
        let (reply, answer) = oneshot::channel();
        // A wish that comes back holds the other end of `answer`, which would wait for it for ever.
        if self
            .wishes
            .send(LinkWish::Open(service.to_vec(), reply))
            .is_err()
        {
            return Err(self.failure());
        }
        answer.await.map_err(|_| self.failure())
    }

    /// Ends the link, even if other clones exist, and releases the transport.
    pub async fn end(&self) {
        let _ = self.wishes.send(LinkWish::End);
        self.wishes.closed().await;
    }

    /// Device end: accepts the key that the computer offered.
    pub fn approve(&self) {
        let _ = self.wishes.send(LinkWish::Approve);
    }

    /// Returns why the link ended.
    pub fn failure(&self) -> Arc<LinkError> {
        self.failure
            .get()
            .map_or_else(|| Arc::new(LinkError::Closed), Arc::clone)
    }
}

struct OpenStream {
    data: mpsc::UnboundedSender<Bytes>,
    send_permits: Arc<Semaphore>,
    /// Permits to give back once the peer has taken what was written.
    unreturned: usize,
}

impl Drop for OpenStream {
    fn drop(&mut self) {
        self.send_permits.close();
    }
}

struct Streams {
    open: HashMap<StreamId, OpenStream>,
    opening: HashMap<StreamId, oneshot::Sender<Option<ByteStream>>>,
    wishes: mpsc::WeakUnboundedSender<LinkWish>,
    failure: LinkFailure,
}

impl Streams {
    fn add(&mut self, id: StreamId) -> Option<ByteStream> {
        let (data, receiver) = mpsc::unbounded_channel();
        let send_permits = Arc::new(Semaphore::new(SEND_BUFFER));
        let wishes = self.wishes.upgrade()?;
        let stream = ByteStream::of_link(
            id,
            receiver,
            wishes,
            Arc::clone(&send_permits),
            Arc::clone(&self.failure),
        );
        self.open.insert(
            id,
            OpenStream {
                data,
                send_permits,
                unreturned: 0,
            },
        );
        Some(stream)
    }
}

struct Loop {
    connection: Connection,
    streams: Streams,
    events: mpsc::UnboundedSender<LinkEvent>,
}

impl Loop {
    async fn run<T>(
        &mut self,
        transport: T,
        mut inbox: mpsc::UnboundedReceiver<LinkWish>,
    ) -> Result<(), LinkError>
    where
        T: AsyncRead + AsyncWrite,
    {
        let (mut reader, mut writer) = tokio::io::split(transport);
        let mut input = BytesMut::new();
        let mut buffers = Buffers::default();
        let mut output = OutgoingBytes::default();
        loop {
            self.dispatch_events();
            output.fill(&mut self.connection)?;
            let missing = self.connection.missing_bytes(input.len());
            buffers.make_room(&mut input, missing);
            tokio::select! {
                read = reader.read_buf(&mut input) => {
                    if read.map_err(LinkError::Io)? == 0 {
                        return Err(LinkError::Closed);
                    }
                    self.connection.receive(&mut input).map_err(LinkError::Protocol)?;
                }
                written = writer.write_buf(&mut output.current), if !output.current.is_empty() => {
                    if written.map_err(LinkError::Io)? == 0 {
                        return Err(LinkError::Closed);
                    }
                }
                wish = inbox.recv() => {
                    let mut next = wish.unwrap_or(LinkWish::End);
                    loop {
                        if let LinkWish::End = next {
                            return Ok(());
                        }
                        self.grant(next);
                        // What else is wished for now leaves in the same write.
                        let Ok(wish) = inbox.try_recv() else { break };
                        next = wish;
                    }
                }
            }
        }
    }

    fn grant(&mut self, wish: LinkWish) {
        match wish {
            LinkWish::Open(service, reply) => {
                let id = self.connection.open(&service);
                self.streams.opening.insert(id, reply);
            }
            LinkWish::Write(id, data) => {
                if let Some(stream) = self.streams.open.get_mut(&id) {
                    stream.unreturned += data.len().min(SEND_BUFFER);
                    self.connection.write(id, data);
                }
            }
            LinkWish::Consumed(id, bytes) => self.connection.consumed(id, bytes),
            LinkWish::Close(id) => {
                self.streams.open.remove(&id);
                self.connection.close(id);
            }
            LinkWish::Approve => self.connection.approve(),
            // The loop is over.
            LinkWish::End => {}
        }
    }

    fn dispatch_events(&mut self) {
        while let Some(event) = self.connection.poll_event() {
            match event {
                ConnectionEvent::Connected(banner) => self.tell(LinkEvent::Connected(banner)),
                ConnectionEvent::AwaitingApproval => self.tell(LinkEvent::AwaitingApproval),
                ConnectionEvent::NotKnown => self.tell(LinkEvent::NotKnown),
                ConnectionEvent::KeyOffered(key) => self.tell(LinkEvent::KeyOffered(key)),
                ConnectionEvent::Incoming(id, service) => match self.streams.add(id) {
                    Some(stream) => self.tell(LinkEvent::Incoming(stream, service)),
                    None => self.connection.close(id),
                },
                ConnectionEvent::Opened(id) => {
                    if let Some(reply) = self.streams.opening.remove(&id) {
                        let stream = self.streams.add(id);
                        // A stream that nobody waits for any more closes itself when dropped.
                        let _ = reply.send(stream);
                    }
                }
                ConnectionEvent::Data(id, data) => {
                    if let Some(stream) = self.streams.open.get(&id) {
                        let _ = stream.data.send(data);
                    }
                }
                ConnectionEvent::Drained(id) => {
                    if let Some(stream) = self.streams.open.get_mut(&id) {
                        stream
                            .send_permits
                            .add_permits(std::mem::take(&mut stream.unreturned));
                    }
                }
                ConnectionEvent::Closed(id) => {
                    self.streams.open.remove(&id);
                    if let Some(reply) = self.streams.opening.remove(&id) {
                        let _ = reply.send(None);
                    }
                }
            }
        }
    }

    fn tell(&self, event: LinkEvent) {
        // Nobody listens once the link is up and the phone opens nothing.
        let _ = self.events.send(event);
    }
}

/// Bytes on their way out.
#[derive(Default)]
struct OutgoingBytes {
    current: Bytes,
    waiting: std::collections::VecDeque<Bytes>,
    waiting_bytes: usize,
}

impl OutgoingBytes {
    fn fill(&mut self, connection: &mut Connection) -> Result<(), LinkError> {
        while let Some(bytes) = connection.poll_output() {
            self.waiting_bytes += bytes.len();
            self.waiting.push_back(bytes);
        }
        if self.waiting_bytes > MAX_UNREAD_OUTPUT {
            return Err(LinkError::NotReading);
        }
        while self.current.is_empty() {
            let Some(next) = self.waiting.pop_front() else {
                break;
            };
            self.waiting_bytes -= next.len();
            self.current = next;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::adb::connection::{HostConfig, Introduction};
    use crate::adb::features::Features;

    #[tokio::test]
    async fn stream_wished_for_after_the_end_fails_at_once() {
        let (ours, theirs) = tokio::io::duplex(1000);
        let connection = Connection::host(HostConfig {
            introduction: Introduction::OfferKey,
            features: Features::all(),
            keys: Vec::new(),
            name: String::new(),
        });
        let (link, mut events) = Link::start(connection, ours);
        drop(theirs);
        assert!(events.recv().await.is_none());
        for _ in 0..2 {
            let opened = tokio::time::timeout(Duration::from_secs(20), link.open(b"sync:")).await;
            let failure = opened.expect("an answer").unwrap_err();
            assert!(matches!(*failure, LinkError::Closed | LinkError::Io(_)));
        }
    }
}
