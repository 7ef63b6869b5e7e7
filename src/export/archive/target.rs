//! What an archive is written to: a file, or a stream that age encrypts.

use std::fs::File;

use zip::ZipWriter;
use zip::write::StreamWriter;

use super::super::ExportError;
use super::super::age::{AgeFile, Lock};
use super::super::directory::Aside;
use super::super::sink::Sink;

/// The destination that an archive is written to.
pub(in super::super) trait ArchiveTarget: std::io::Write + Sized {
    /// Whether written bytes can be taken back.
    const TAKES_BACK: bool;
    /// The type that the `zip` crate writes to.
    type Writer: std::io::Write + std::io::Seek;

    /// Starts a short archive.
    fn zip(to: Aside<Self>) -> ZipWriter<Self::Writer>;

    /// Returns the destination of a short archive.
    fn aside(writer: &Self::Writer) -> &Aside<Self>;

    /// Returns the destination of a finished short archive.
    fn into_aside(writer: Self::Writer) -> Aside<Self>;

    /// Ends the writing. Returns the file, its length in bytes, and the key to read it back if the whole archive is
    /// encrypted.
    fn end(self) -> Result<(File, u64, Option<Lock>), ExportError>;
}

impl ArchiveTarget for Sink {
    const TAKES_BACK: bool = true;
    type Writer = Aside<Self>;

    fn zip(to: Aside<Self>) -> ZipWriter<Self::Writer> {
        ZipWriter::new(to)
    }

    fn aside(writer: &Self::Writer) -> &Aside<Self> {
        writer
    }

    fn into_aside(writer: Self::Writer) -> Aside<Self> {
        writer
    }

    fn end(self) -> Result<(File, u64, Option<Lock>), ExportError> {
        let (file, length) = self.finish()?;
        Ok((file, length, None))
    }
}

impl ArchiveTarget for AgeFile {
    const TAKES_BACK: bool = false;
    type Writer = StreamWriter<Aside<Self>>;

    fn zip(to: Aside<Self>) -> ZipWriter<Self::Writer> {
        ZipWriter::new_stream(to)
    }

    fn aside(writer: &Self::Writer) -> &Aside<Self> {
        writer.get_ref()
    }

    fn into_aside(writer: Self::Writer) -> Aside<Self> {
        writer.into_inner()
    }

    fn end(self) -> Result<(File, u64, Option<Lock>), ExportError> {
        let (file, length, lock) = self.finish()?;
        Ok((file, length, Some(lock)))
    }
}
