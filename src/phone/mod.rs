//! The I/O around the protocol: routes to a phone, and what can be asked of it.
//!
//! In: a route. Out: a [`Phone`] that lists, stats, sends files, hashes and answers commands. It
//! reports facts and errors; advice is [`crate::guide`]'s.

//pub mod connect;
//pub mod discover;
pub mod drive;
pub mod error;
//pub mod hash;
pub mod keys;
pub mod server;
//pub mod shell;
pub mod stream;
//pub mod sync;
//pub mod tcp;

pub use error::PhoneError;
