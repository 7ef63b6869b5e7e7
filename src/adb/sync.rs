//! The sync service: stat, list and receive files, any number of requests ahead of the answers.
//!
//! In: requests, and the bytes of a `sync:` stream. Out: bytes for the stream, and answers in
//! the order of the requests. Both ends. Source: AOSP `adb/SYNC.TXT`,
//! `adb/file_sync_protocol.h`, `adb/daemon/file_sync_service.cpp`.

pub mod answers;
#[cfg(test)]
mod tests;

use std::collections::VecDeque;

use bytes::{Buf as _, BufMut as _, Bytes, BytesMut};

use super::input::Input;
use super::path::{MAX_PATH_BYTES, RemotePath};

/// The name of the sync service.
pub const SERVICE: &[u8] = b"sync:";
/// The most bytes of a file that one `DATA` packet carries.
pub const MAX_DATA: u32 = 64 * 1024;
/// The longest name accepted from a listing, in bytes. Linux allows 255 and a path allows 1,024, but a longer name
/// should be refused alone, not together with its whole folder.
const MAX_NAME: u32 = 64 * 1024;
/// The longest error text kept, in bytes.
const MAX_FAIL: u32 = 64 * 1024;

/// The file type bits of a mode (POSIX `S_IFMT`).
const TYPE_MASK: u32 = 0o170_000;

/// The type of a file, as given by its mode.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FileType {
    /// A regular file.
    Regular,
    /// A folder.
    Folder,
    /// A symbolic link.
    Link,
    /// A device, a socket, a named pipe, or a type that POSIX does not define.
    Other,
}

impl FileType {
    /// Returns the type that the type bits of `mode` name.
    pub fn of_mode(mode: u32) -> Self {
        match mode & TYPE_MASK {
            0o100_000 => Self::Regular,
            0o040_000 => Self::Folder,
            0o120_000 => Self::Link,
            _ => Self::Other,
        }
    }
}

/// A request of the sync service.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Operation {
    /// `STAT`: mode, size modulo 2^32 and modification time of the path itself; all zero if it does not exist.
    Stat1,
    /// `LST2`: like `lstat`, with 64-bit size and error number; does not follow a symbolic link.
    Lstat2,
    /// `STA2`: like `stat`, with 64-bit size and error number; follows symbolic links.
    Stat2,
    /// `LIST`: a folder's entries with 32-bit sizes.
    List1,
    /// `LIS2`: a folder's entries with 64-bit sizes.
    List2,
    /// `RECV`: a file's bytes.
    Receive1,
    /// `RCV2` with no compression: a file's bytes.
    Receive2,
}

impl Operation {
    const ALL: [(Self, [u8; 4]); 7] = [
        (Self::Stat1, *b"STAT"),
        (Self::Lstat2, *b"LST2"),
        (Self::Stat2, *b"STA2"),
        (Self::List1, *b"LIST"),
        (Self::List2, *b"LIS2"),
        (Self::Receive1, *b"RECV"),
        (Self::Receive2, *b"RCV2"),
    ];

    fn id(self) -> [u8; 4] {
        let found = Self::ALL.iter().find(|(operation, _)| *operation == self);
        found.map_or([0; 4], |(_, id)| *id)
    }

    fn from_id(id: [u8; 4]) -> Option<Self> {
        Self::ALL
            .iter()
            .find(|(_, known)| *known == id)
            .map(|(operation, _)| *operation)
    }
}

/// The facts in an answer to a stat request, or about one entry of a listing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Stat {
    /// The phone's `errno` (Linux: 2 missing, 13 permission denied), or 0 for success. Version 1 requests always give 0
    /// here; there a mode of 0 means *missing or refused*.
    pub error: u32,
    /// POSIX mode.
    pub mode: u32,
    /// Size in bytes; modulo 2^32 in v1.
    pub size: u64,
    /// Modification time in seconds since 1970.
    pub mtime: i64,
    /// The device that it is on; 0 in v1.
    pub device: u64,
    /// The inode number on that device, equal for all hard links to a file; 0 in v1.
    pub inode: u64,
}

/// An answer to a request, or a part of one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SyncAnswer {
    /// The answer to a stat request.
    Stat(Stat),
    /// One entry of a folder, with its name as the phone sent it.
    Entry(Stat, Bytes),
    /// The end of a listing.
    ListEnd,
    /// The next bytes of a file, in order; at least one.
    Data(Bytes),
    /// The end of a file.
    ReceiveEnd,
    /// The request failed, with the phone's error message. Most daemons then close the stream, so the requests behind
    /// this one are lost.
    Fail(Bytes),
}

impl SyncAnswer {
    fn ends_request(&self) -> bool {
        match self {
            Self::Stat(_) | Self::ListEnd | Self::ReceiveEnd | Self::Fail(_) => true,
            Self::Entry(..) | Self::Data(_) => false,
        }
    }
}

/// The error for bytes that are not a valid answer or request.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SyncError {
    /// An answer whose id does not belong to the request.
    #[error("sync service: '{}' came as the answer to {request:?}", got.escape_ascii())]
    WrongId {
        /// The request that was waiting for its answer.
        request: Operation,
        /// The four bytes received.
        got: [u8; 4],
    },
    /// A length above the protocol's limit.
    #[error("sync service: {length} bytes announced, at most {limit} allowed")]
    TooLong {
        /// The length announced, in bytes.
        length: u32,
        /// The limit, in bytes.
        limit: u32,
    },
    /// Bytes arrived while no request was outstanding.
    #[error("sync service: an answer without a request")]
    Unasked,
    /// Device end: an unknown request.
    #[error("sync service: unknown request '{}'", id.escape_ascii())]
    UnknownRequest {
        /// The four bytes received.
        id: [u8; 4],
    },
}

/// The client's end of a `sync:` stream: encodes requests and decodes answers.
#[derive(Debug, Default)]
pub struct SyncClient {
    requests: VecDeque<Operation>,
    input: Input,
    /// Bytes still to come of the `DATA` that is being read.
    data_left: u32,
}

impl SyncClient {
    /// Appends a request to `out`. Answers arrive in the order of the requests.
    pub fn request(&mut self, operation: Operation, path: &RemotePath, out: &mut BytesMut) {
        out.extend_from_slice(&operation.id());
        out.put_u32_le(path.as_bytes().len() as u32);
        out.extend_from_slice(path.as_bytes());
        if operation == Operation::Receive2 {
            out.extend_from_slice(&operation.id());
            out.put_u32_le(0);
        }
        self.requests.push_back(operation);
    }

    /// Returns how many requests have not been answered completely.
    pub fn outstanding(&self) -> usize {
        self.requests.len()
    }

    /// Adds bytes received on the stream.
    pub fn feed(&mut self, bytes: Bytes) {
        self.input.push(bytes);
    }

    /// Returns the next answer, or `None` until more bytes arrive.
    pub fn poll(&mut self) -> Result<Option<SyncAnswer>, SyncError> {
        while !self.input.is_empty() {
            let Some(&request) = self.requests.front() else {
                return Err(SyncError::Unasked);
            };
            if self.data_left > 0 {
                let piece = self.input.take_up_to(self.data_left as usize);
                self.data_left -= piece.len() as u32;
                return Ok(Some(SyncAnswer::Data(piece)));
            }
            let Some(answer) = self.parse(request)? else {
                break;
            };
            if answer.ends_request() {
                self.requests.pop_front();
            }
            // A chunk of which nothing has come yet, or that is empty, says nothing.
            if !matches!(&answer, SyncAnswer::Data(piece) if piece.is_empty()) {
                return Ok(Some(answer));
            }
        }
        Ok(None)
    }

    fn parse(&mut self, request: Operation) -> Result<Option<SyncAnswer>, SyncError> {
        let Some(id) = self.input.peek_id() else {
            return Ok(None);
        };
        match (&id, request) {
            (b"FAIL", _) => self.parse_counted(8, 4, MAX_FAIL, |_, text| SyncAnswer::Fail(text)),
            (b"STAT", Operation::Stat1) => Ok(self.input.take(16).map(|mut fields| {
                fields.advance(4);
                SyncAnswer::Stat(stat_v1(&mut fields))
            })),
            (b"STA2", Operation::Stat2) | (b"LST2", Operation::Lstat2) => {
                Ok(self.input.take(72).map(|mut fields| {
                    fields.advance(4);
                    SyncAnswer::Stat(stat_v2(&mut fields))
                }))
            }
            (b"DENT", Operation::List1) => {
                self.parse_counted(20, 16, MAX_NAME, |mut fields, name| {
                    SyncAnswer::Entry(stat_v1(&mut fields), name)
                })
            }
            (b"DNT2", Operation::List2) => {
                self.parse_counted(76, 72, MAX_NAME, |mut fields, name| {
                    SyncAnswer::Entry(stat_v2(&mut fields), name)
                })
            }
            (b"DONE", Operation::List1) => Ok(self.input.take(20).map(|_| SyncAnswer::ListEnd)),
            (b"DONE", Operation::List2) => Ok(self.input.take(76).map(|_| SyncAnswer::ListEnd)),
            (b"DONE", Operation::Receive1 | Operation::Receive2) => {
                Ok(self.input.take(8).map(|_| SyncAnswer::ReceiveEnd))
            }
            (b"DATA", Operation::Receive1 | Operation::Receive2) => self.parse_data(),
            _ => Err(SyncError::WrongId { request, got: id }),
        }
    }

    fn parse_data(&mut self) -> Result<Option<SyncAnswer>, SyncError> {
        let Some(mut header) = self.input.take(8) else {
            return Ok(None);
        };
        header.advance(4);
        let length = header.get_u32_le();
        if length > MAX_DATA {
            return Err(SyncError::TooLong {
                length,
                limit: MAX_DATA,
            });
        }
        let piece = self.input.take_up_to(length as usize);
        self.data_left = length - piece.len() as u32;
        Ok(Some(SyncAnswer::Data(piece)))
    }

    /// Parses `fixed` bytes that hold a count at `count_at`, and as many bytes behind them.
    fn parse_counted(
        &mut self,
        fixed: usize,
        count_at: usize,
        limit: u32,
        make: impl FnOnce(Bytes, Bytes) -> SyncAnswer,
    ) -> Result<Option<SyncAnswer>, SyncError> {
        let Some(mut count) = self.input.peek(fixed) else {
            return Ok(None);
        };
        count.advance(count_at);
        let length = count.get_u32_le();
        if length > limit {
            return Err(SyncError::TooLong { length, limit });
        }
        let Some(mut bytes) = self.input.take(fixed + length as usize) else {
            return Ok(None);
        };
        let text = bytes.split_off(fixed);
        bytes.advance(4);
        Ok(Some(make(bytes, text)))
    }
}

fn stat_v1(fields: &mut Bytes) -> Stat {
    let mode = fields.get_u32_le();
    let size = u64::from(fields.get_u32_le());
    let mtime = i64::from(fields.get_u32_le());
    Stat {
        mode,
        size,
        mtime,
        ..Stat::default()
    }
}

fn stat_v2(fields: &mut Bytes) -> Stat {
    let error = fields.get_u32_le();
    let device = fields.get_u64_le();
    let inode = fields.get_u64_le();
    let mode = fields.get_u32_le();
    // Links, user, group.
    fields.advance(12);
    let size = fields.get_u64_le();
    // Time of last access.
    fields.advance(8);
    let mtime = fields.get_i64_le();
    Stat {
        error,
        mode,
        size,
        mtime,
        device,
        inode,
    }
}

/// The phone's end of a `sync:` stream: decodes requests.
#[derive(Debug, Default)]
pub struct RequestDecoder {
    input: Input,
}

/// A request as the phone's end decodes it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SyncRequest {
    /// An operation on a path, given as raw bytes.
    Path(Operation, Bytes),
    /// The client ends the session.
    Quit,
}

impl RequestDecoder {
    /// Adds bytes received on the stream.
    pub fn feed(&mut self, bytes: Bytes) {
        self.input.push(bytes);
    }

    /// Returns the next request, or `None` until more bytes arrive.
    pub fn poll(&mut self) -> Result<Option<SyncRequest>, SyncError> {
        let Some(mut header) = self.input.peek(8) else {
            return Ok(None);
        };
        let mut id = [0; 4];
        header.copy_to_slice(&mut id);
        let length = header.get_u32_le();
        if id == *b"QUIT" {
            self.input.take(8);
            return Ok(Some(SyncRequest::Quit));
        }
        let Some(operation) = Operation::from_id(id) else {
            return Err(SyncError::UnknownRequest { id });
        };
        if length > MAX_PATH_BYTES as u32 {
            return Err(SyncError::TooLong {
                length,
                limit: MAX_PATH_BYTES as u32,
            });
        }
        let end = 8 + length as usize;
        let setup = if operation == Operation::Receive2 {
            8
        } else {
            0
        };
        let Some(whole) = self.input.take(end + setup) else {
            return Ok(None);
        };
        Ok(Some(SyncRequest::Path(operation, whole.slice(8..end))))
    }
}
