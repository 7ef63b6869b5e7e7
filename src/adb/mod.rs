//! The ADB protocol without any I/O: bytes in, events and bytes out.
//!
//! Nothing in here may open a file or a socket, read a clock or start a task; the same code is
//! the PC's end and the phone's end, so that each can be tested against the other in one thread.
//! Every length that a peer sends is checked before it is believed.
//!
//! Source of the formats: AOSP `packages/modules/adb/` (`protocol.txt`, `SYNC.TXT`,
//! `OVERVIEW.TXT`, `docs/dev/delayed_ack.md`, `shell_protocol.h`, `file_sync_protocol.h`).

pub mod auth;
pub mod connection;
pub mod features;
mod input;
pub mod path;
pub mod server;
pub mod shell;
pub mod sync;
pub mod wire;

pub use path::RemotePath;
