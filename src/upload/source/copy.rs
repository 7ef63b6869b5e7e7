//! The size and SHA-256 of a copy, computed while its original is proven.

use std::fs::File;
use std::io::Read as _;

use super::place::{READ_BYTES, prove, unreadable};
use crate::digest::{Hasher, Sha256};
use crate::media::copy::Part;
use crate::upload::problem::Problem;

/// Computes the size in bytes and the SHA-256 of a copy with these parts, made from a file with this size and SHA-256.
pub(super) fn measure(
    file: File,
    (size, sha256): (u64, Sha256),
    parts: &[Part],
) -> Result<(u64, Sha256), Problem> {
    let mut original = Original {
        file,
        position: 0,
        proof: Hasher::default(),
        buffer: vec![0; READ_BYTES],
    };
    let (mut copy_size, mut copy) = (0, Hasher::default());
    for part in parts {
        match part {
            Part::Bytes(bytes) => {
                copy.update(bytes);
                copy_size += bytes.len() as u64;
            }
            Part::Original { from, to } => {
                original.read(*from, |_| {})?;
                original.read(*to, |bytes| copy.update(bytes))?;
                copy_size += to - from;
            }
        }
    }
    original.read(size, |_| {})?;
    prove(original.proof.finish(), sha256)?;
    Ok((copy_size, copy.finish()))
}

struct Original {
    file: File,
    position: u64,
    proof: Hasher,
    buffer: Vec<u8>,
}

impl Original {
    /// Reads on until a position, and gives `each` what it reads.
    fn read(&mut self, until: u64, mut each: impl FnMut(&[u8])) -> Result<(), Problem> {
        while self.position < until {
            let wanted = (until - self.position).min(READ_BYTES as u64) as usize;
            let bytes = self.buffer.get_mut(..wanted).unwrap_or_default();
            self.file.read_exact(bytes).map_err(|e| unreadable(&e))?;
            self.proof.update(bytes);
            each(bytes);
            self.position += wanted as u64;
        }
        Ok(())
    }
}
