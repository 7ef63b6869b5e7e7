//! A large file as the body of one request, piece by piece.

use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use tokio::sync::mpsc;

use super::http::Http;
use super::problem::Problem;
use super::source::Source;

/// The pieces that a file is sent in, in bytes.
const PIECE_BYTES: usize = 512 * 1024;

/// Sends a request with a file from an offset on. The request is cut off before its end when the
/// file is not what was verified, so that no server takes it for whole.
pub(super) async fn send(
    http: &Http,
    request: reqwest::RequestBuilder,
    source: &Source,
    offset: u64,
) -> Result<reqwest::Response, Problem> {
    let (sender, receiver) = mpsc::channel(1);
    let mut pieces = source.pieces(PIECE_BYTES, offset);
    let sending = http.answer(request.body(reqwest::Body::wrap_stream(Body { receiver })));
    let reading = async {
        loop {
            match pieces.next().await {
                Ok(Some(piece)) => {
                    if sender.send(Ok(piece)).await.is_err() {
                        // The request ended early; its answer says why.
                        return None;
                    }
                }
                Ok(None) => {
                    drop(sender);
                    return None;
                }
                Err(problem) => {
                    let _ = sender.send(Err(problem.clone())).await;
                    return Some(problem);
                }
            }
        }
    };
    let (answer, problem) = tokio::join!(sending, reading);
    match problem {
        Some(problem) => Err(problem),
        None => answer,
    }
}

/// A request's body, piece by piece.
struct Body {
    receiver: mpsc::Receiver<Result<Bytes, Problem>>,
}

impl futures_core::Stream for Body {
    type Item = Result<Bytes, Problem>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.receiver.poll_recv(cx)
    }
}
