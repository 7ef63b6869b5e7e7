//! A file as the body of one request, piece by piece, with a frame around it where a service wants
//! one: memory stays flat however large the file is.

use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use reqwest::RequestBuilder;
use reqwest::header::CONTENT_LENGTH;
use tokio::sync::mpsc;

use super::http::{Answer, Http};
use super::problem::Problem;
use super::source::Source;

/// The pieces that a file is sent in, in bytes.
const PIECE_BYTES: usize = 256 * 1024;

/// Sends a request whose body is a file from an offset on. If the file is no longer what was verified, the request is
/// cut off before its end, so that no server takes it for complete.
pub(super) async fn send(
    http: &Http,
    request: RequestBuilder,
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

/// The bytes before and after the file in a request's body.
#[derive(Debug, Clone, Default)]
pub(super) struct Envelope {
    pub(super) before: Bytes,
    pub(super) after: Bytes,
}

/// Sends a file in a frame and returns the answer, whatever its status. If the service answers before it has read
/// everything, no more is sent.
pub(super) async fn send_framed(
    http: &Http,
    request: RequestBuilder,
    source: &Source,
    frame: Envelope,
) -> Result<Answer, Problem> {
    let length = source.size + (frame.before.len() + frame.after.len()) as u64;
    let request = request.header(CONTENT_LENGTH, length);
    let (sender, receiver) = mpsc::channel(1);
    let body = reqwest::Body::wrap_stream(Body { receiver });
    let asking = http.ask(request.body(body));
    let reading = feed(source, frame, sender);
    tokio::pin!(asking);
    tokio::select! {
        biased;
        answer = &mut asking => answer,
        fed = reading => match fed {
            Ok(()) => asking.await,
            Err(problem) => Err(problem),
        }
    }
}

type Sender = mpsc::Sender<Result<Bytes, Problem>>;

async fn feed(source: &Source, frame: Envelope, sender: Sender) -> Result<(), Problem> {
    // Where the request ended early, its answer says why.
    if !frame.before.is_empty() && sender.send(Ok(frame.before)).await.is_err() {
        return Ok(());
    }
    let mut pieces = source.pieces(PIECE_BYTES, 0);
    loop {
        match pieces.next().await {
            Ok(Some(piece)) => {
                if sender.send(Ok(piece)).await.is_err() {
                    return Ok(());
                }
            }
            Ok(None) => break,
            Err(problem) => {
                let _ = sender.send(Err(problem.clone())).await;
                return Err(problem);
            }
        }
    }
    if !frame.after.is_empty() {
        let _ = sender.send(Ok(frame.after)).await;
    }
    Ok(())
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
