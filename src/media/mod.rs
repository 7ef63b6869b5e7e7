//! Answers what a file is, whether it is wanted, when it was taken, how it looks and how it is made smaller: the same
//! answers for pull, export and upload.

pub(crate) mod choice;
pub(crate) mod copy;
mod jpeg;
pub(crate) mod kind;
pub(crate) mod look;
mod movie;
mod png;
pub(crate) mod smaller;
pub(crate) mod taken;
mod tiff;

use std::io::{Read, Seek};

/// A file, or bytes, to look into. A type of its own and no parameter, so that the decoders are compiled once.
pub(crate) trait ReadSeek: Read + Seek {}

impl<T: Read + Seek> ReadSeek for T {}
