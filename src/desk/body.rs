//! The body of a response: at once, or piece by piece.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context as Polling, Poll};

use bytes::Bytes;
use hyper::body::{Body as HttpBody, Frame, SizeHint};
use tokio::sync::mpsc;

/// The body of a response.
#[derive(Debug)]
pub(crate) struct PageBody {
    source: BodySource,
    /// Counts its request until it is sent.
    _pending: Option<PendingRequest>,
}

#[derive(Debug)]
enum BodySource {
    Whole(Option<Bytes>),
    Pieces {
        pieces: mpsc::Receiver<io::Result<Bytes>>,
        /// How many bytes are still to come, where that is known.
        left: Option<u64>,
    },
}

impl PageBody {
    pub(super) fn whole(bytes: Bytes) -> Self {
        Self {
            source: BodySource::Whole(Some(bytes).filter(|bytes| !bytes.is_empty())),
            _pending: None,
        }
    }

    /// A body that ends with its sender, and has this length where one is known.
    pub(super) fn pieces(pieces: mpsc::Receiver<io::Result<Bytes>>, length: Option<u64>) -> Self {
        Self {
            source: BodySource::Pieces {
                pieces,
                left: length,
            },
            _pending: None,
        }
    }

    /// The same, which counts as asked for until it is sent.
    pub(super) fn counted(self, pending: PendingRequest) -> Self {
        Self {
            _pending: Some(pending),
            ..self
        }
    }
}

impl HttpBody for PageBody {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        polling: &mut Polling<'_>,
    ) -> Poll<Option<io::Result<Frame<Bytes>>>> {
        match &mut self.source {
            BodySource::Whole(bytes) => Poll::Ready(bytes.take().map(Frame::data).map(Ok)),
            BodySource::Pieces { pieces, left } => pieces.poll_recv(polling).map(|piece| {
                piece.map(|piece| {
                    let piece = piece?;
                    if let Some(left) = left {
                        *left = left.saturating_sub(piece.len() as u64);
                    }
                    Ok(Frame::data(piece))
                })
            }),
        }
    }

    fn is_end_stream(&self) -> bool {
        matches!(self.source, BodySource::Whole(None))
    }

    fn size_hint(&self) -> SizeHint {
        match &self.source {
            BodySource::Whole(bytes) => {
                SizeHint::with_exact(bytes.as_ref().map_or(0, |bytes| bytes.len() as u64))
            }
            BodySource::Pieces {
                left: Some(left), ..
            } => SizeHint::with_exact(*left),
            BodySource::Pieces { left: None, .. } => SizeHint::default(),
        }
    }
}

/// A request that is answered now.
#[derive(Debug)]
pub(super) struct PendingRequest(Arc<AtomicUsize>);

impl PendingRequest {
    pub(super) fn new(requests: &Arc<AtomicUsize>) -> Self {
        requests.fetch_add(1, Ordering::Relaxed);
        Self(Arc::clone(requests))
    }
}

impl Drop for PendingRequest {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}
