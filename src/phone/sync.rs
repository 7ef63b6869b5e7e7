//! A sync stream of a phone: requests are sent ahead, answers come in order, and silence is detected.

use std::time::Duration;

use bytes::BytesMut;
use tokio::time::Instant;

use super::error::PhoneError;
use super::stream::ByteStream;
use crate::adb::RemotePath;
use crate::adb::sync::{Operation, SyncAnswer, SyncClient};

/// A stream to the sync service. Requests are collected until [`SyncStream::flush`] sends them together.
#[derive(Debug)]
pub struct SyncStream {
    stream: ByteStream,
    client: SyncClient,
    requests: BytesMut,
    idle: Duration,
}

impl SyncStream {
    pub(super) fn new(stream: ByteStream, idle: Duration) -> Self {
        Self {
            stream,
            client: SyncClient::default(),
            requests: BytesMut::new(),
            idle,
        }
    }

    /// Adds a request to those that the next flush sends.
    pub fn request(&mut self, operation: Operation, path: &RemotePath) {
        self.client.request(operation, path, &mut self.requests);
    }

    /// Returns how many requests have not been answered completely.
    pub fn outstanding(&self) -> usize {
        self.client.outstanding()
    }

    /// Sends the collected requests.
    pub async fn flush(&mut self) -> Result<(), PhoneError> {
        if self.requests.is_empty() {
            return Ok(());
        }
        let bytes = self.requests.split().freeze();
        match tokio::time::timeout(self.idle, self.stream.send(bytes)).await {
            // A daemon that closed the stream after a failure is heard of in `next`.
            Ok(Ok(()) | Err(_)) => Ok(()),
            Err(_) => Err(PhoneError::Idle {
                doing: "sending requests",
                after: self.idle,
            }),
        }
    }

    /// Returns the next answer, or `None` once the phone has closed the stream.
    pub async fn next(&mut self) -> Result<Option<SyncAnswer>, PhoneError> {
        // From here on, not from the last bytes: a phone may send without end and answer nothing.
        let deadline = Instant::now() + self.idle;
        loop {
            if let Some(answer) = self.client.poll()? {
                return Ok(Some(answer));
            }
            match tokio::time::timeout_at(deadline, self.stream.receive()).await {
                Ok(Ok(Some(bytes))) => self.client.feed(bytes),
                Ok(Ok(None)) => return Ok(None),
                Ok(Err(lost)) => return Err(PhoneError::Lost(lost)),
                Err(_) => {
                    return Err(PhoneError::Idle {
                        doing: "waiting for files",
                        after: self.idle,
                    });
                }
            }
        }
    }
}
