//! The place of a file to be sent, and how it is read.
//!
//! In: a place, and the size that the file had when it was verified. Out: the open file, or a [`Problem`] that says
//! what is wrong with it here.

use std::fs::File;
use std::io::{ErrorKind, Read, Seek as _, SeekFrom};
use std::path::PathBuf;
use std::sync::Arc;

use crate::digest::Sha256;
use crate::folder::reader::FoundOnDisk;
use crate::folder::{DataReader, is_shortage};
use crate::media::copy::Part;
use crate::names::LocalPath;
use crate::upload::problem::Problem;

/// How much is read at once, in bytes: what is read is hashed and sent while the processor still has
/// it at hand.
pub(super) const READ_BYTES: usize = 256 * 1024;

/// The place where a source's bytes are.
#[derive(Debug, Clone)]
pub(crate) enum Origin {
    /// A file below `data/` of a rescue folder.
    Data(DataReader, LocalPath),
    /// A file anywhere on this computer.
    File(PathBuf),
    /// A copy: a file in which some bytes are replaced.
    Copy {
        /// The place of the file.
        of: Box<Origin>,
        original_size: u64,
        /// The parts of the copy.
        parts: Arc<[Part]>,
    },
}

impl Origin {
    /// Returns bytes that identify the file.
    pub(super) fn origin(&self) -> Vec<u8> {
        match self {
            Self::Data(_, local) => local.as_str().as_bytes().to_vec(),
            Self::File(path) => path.as_os_str().as_encoded_bytes().to_vec(),
            Self::Copy { of, .. } => of.origin(),
        }
    }

    /// Opens the file or copy. The file must have this size.
    pub(super) fn open(&self, size: u64) -> Result<OpenSource, Problem> {
        Ok(match self {
            Self::Copy {
                of,
                original_size,
                parts,
            } => OpenSource::Copy {
                file: of.open_original(*original_size)?,
                parts: Arc::clone(parts),
                next: 0,
                done: 0,
            },
            Self::Data(..) | Self::File(_) => OpenSource::File(self.open_original(size)?),
        })
    }

    /// Opens the file itself, even for a copy.
    pub(super) fn open_original(&self, size: u64) -> Result<File, Problem> {
        let file = match self {
            Self::Copy {
                of, original_size, ..
            } => return of.open_original(*original_size),
            Self::Data(reader, local) => match reader.open(local) {
                Ok(FoundOnDisk::File(file)) => file,
                Ok(FoundOnDisk::Nothing) => return Err(Problem::SourceGone),
                Ok(FoundOnDisk::Other) => {
                    return Err(changed("it is a symbolic link, or not a file"));
                }
                Err(error) if error.is_shortage() => {
                    return Err(Problem::Shortage {
                        words: error.to_string(),
                    });
                }
                Err(error) => {
                    return Err(Problem::SourceUnreadable {
                        words: error.to_string(),
                    });
                }
            },
            Self::File(path) => match File::open(path) {
                Ok(file) => file,
                Err(error) if error.kind() == ErrorKind::NotFound => {
                    return Err(Problem::SourceGone);
                }
                Err(error) => return Err(unreadable(&error)),
            },
        };
        let found = file.metadata().map_err(|e| unreadable(&e))?;
        if !found.is_file() || found.len() != size {
            return Err(changed(OTHER_SIZE));
        }
        Ok(file)
    }
}

/// An open file or copy.
pub(super) enum OpenSource {
    File(File),
    Copy {
        file: File,
        parts: Arc<[Part]>,
        /// The index of the current part, and how much of it has been read.
        next: usize,
        done: u64,
    },
}

impl Read for OpenSource {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        let (file, parts, next, done) = match self {
            Self::File(file) => return file.read(buffer),
            Self::Copy {
                file,
                parts,
                next,
                done,
            } => (file, parts, next, done),
        };
        while let Some(part) = parts.get(*next) {
            let count = match part {
                Part::Bytes(bytes) => {
                    let rest = usize::try_from(*done).ok().and_then(|at| bytes.get(at..));
                    let mut rest = rest.unwrap_or_default();
                    rest.read(buffer)?
                }
                Part::Original { from, to } => {
                    let left = (to - from).saturating_sub(*done);
                    if *done == 0 && left > 0 {
                        file.seek(SeekFrom::Start(*from))?;
                    }
                    file.take(left).read(buffer)?
                }
            };
            if count > 0 || buffer.is_empty() {
                *done += count as u64;
                return Ok(count);
            }
            (*next, *done) = (*next + 1, 0);
        }
        Ok(0)
    }
}

/// Fills `bytes`. A file that ends too early has changed since it was verified.
pub(super) fn read_exactly(file: &mut impl Read, bytes: &mut [u8]) -> Result<(), Problem> {
    match file.read_exact(bytes) {
        Ok(()) => Ok(()),
        Err(error) if error.kind() == ErrorKind::UnexpectedEof => Err(changed(OTHER_SIZE)),
        Err(error) => Err(unreadable(&error)),
    }
}

/// Reads to the end and passes each piece to `each`.
pub(super) fn read_through(
    file: &mut impl Read,
    mut each: impl FnMut(&[u8]),
) -> Result<(), Problem> {
    let mut buffer = vec![0; READ_BYTES];
    loop {
        match file.read(&mut buffer).map_err(|e| unreadable(&e))? {
            0 => return Ok(()),
            count => each(buffer.get(..count).unwrap_or_default()),
        }
    }
}

pub(super) const OTHER_SIZE: &str = "its size differs";

pub(super) fn changed(what: &str) -> Problem {
    Problem::SourceChanged {
        what: what.to_owned(),
    }
}

pub(in crate::upload) fn unreadable(error: &std::io::Error) -> Problem {
    let words = error.to_string();
    match is_shortage(error) {
        true => Problem::Shortage { words },
        false => Problem::SourceUnreadable { words },
    }
}

/// Fails unless the SHA-256 of the bytes read equals that of the verified ones.
pub(super) fn prove(read: Sha256, verified: Sha256) -> Result<(), Problem> {
    match read == verified {
        true => Ok(()),
        false => Err(changed("its SHA-256 differs")),
    }
}
