//! Proves that the bytes read are the verified ones: until then, the last of them does not leave this computer.
//!
//! Bytes whose XXH3 is recorded beside their SHA-256 are proven by it: for a service that takes bytes as fast as this
//! computer reads them, SHA-256 would take longer than everything else. XXH3 detects accidents, and so does this
//! proof: whoever can change the file can change the catalogue as well. If XXH3 differs, SHA-256 decides.

use std::io::Read;

use super::place::{changed, read_through};
use crate::digest::{Hasher, QuickHasher, Sha256, Xxh128};
use crate::upload::problem::Problem;

/// An ongoing verification of a file's bytes.
pub(super) struct Proof {
    verified: Sha256,
    known: Option<Xxh128>,
    quick: QuickHasher,
    /// The SHA-256, computed only if no XXH3 is recorded.
    sha256: Option<Hasher>,
}

impl Proof {
    /// Starts a verification that bytes have this SHA-256; `known` is the recorded XXH3 of the verified bytes.
    pub(super) fn new(verified: Sha256, known: Option<Xxh128>) -> Self {
        Self {
            verified,
            known,
            quick: QuickHasher::default(),
            sha256: match known {
                Some(_) => None,
                None => Some(Hasher::default()),
            },
        }
    }

    /// Adds the next bytes.
    pub(super) fn update(&mut self, bytes: &[u8]) {
        self.quick.update(bytes);
        if let Some(hasher) = &mut self.sha256 {
            hasher.update(bytes);
        }
    }

    /// Checks that all bytes added are the verified ones. Returns their XXH3 if SHA-256 decided that. `reopen` provides
    /// the bytes again from the beginning.
    pub(super) fn finish<R: Read>(
        self,
        reopen: impl FnOnce() -> Result<R, Problem>,
    ) -> Result<Option<Xxh128>, Problem> {
        let quick = self.quick.finish();
        let sha256 = match self.sha256 {
            Some(hasher) => hasher.finish(),
            None if self.known == Some(quick) => return Ok(None),
            None => {
                // The record may be wrong instead of the file.
                let (mut again, mut hasher) = (QuickHasher::default(), Hasher::default());
                read_through(&mut reopen()?, |bytes| {
                    again.update(bytes);
                    hasher.update(bytes);
                })?;
                if again.finish() != quick {
                    return Err(changed("it changes while it is read"));
                }
                hasher.finish()
            }
        };
        prove(sha256, self.verified)?;
        Ok(Some(quick))
    }
}

/// Fails unless the SHA-256 of the bytes read equals that of the verified ones.
pub(super) fn prove(read: Sha256, verified: Sha256) -> Result<(), Problem> {
    match read == verified {
        true => Ok(()),
        false => Err(changed("its SHA-256 differs")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const BYTES: &[u8] = b"what was verified";

    /// The proof of `read`, where the file says `again` the second time.
    fn proof(
        read: &[u8],
        known: Option<Xxh128>,
        again: Option<&[u8]>,
    ) -> Result<Option<Xxh128>, String> {
        let mut proof = Proof::new(Sha256::of(BYTES), known);
        read.chunks(5).for_each(|bytes| proof.update(bytes));
        let reopen = || again.ok_or(Problem::SourceGone);
        proof.finish(reopen).map_err(|problem| problem.to_string())
    }

    #[test]
    fn bytes_that_were_verified_are_proven_and_their_quick_hash_is_learnt_once() {
        let right = Xxh128::of(BYTES);
        assert_eq!(proof(BYTES, None, None), Ok(Some(right)));
        assert_eq!(proof(BYTES, Some(right), None), Ok(None));
        // Where the record is wrong the file is read a second time.
        let wrong = Some(Xxh128([7; 16]));
        assert_eq!(proof(BYTES, wrong, Some(BYTES)), Ok(Some(right)));
    }

    #[test]
    fn other_bytes_are_never_proven() {
        let (other, right) = (b"what was verifieD", Xxh128::of(BYTES));
        let says = |proof: Result<_, String>, words: &str| {
            let problem = proof.unwrap_err();
            assert!(problem.contains(words), "{problem}");
        };
        says(proof(other, None, None), "SHA-256");
        says(proof(other, Some(right), Some(other)), "SHA-256");
        // What left are the bytes of the first time.
        says(proof(other, Some(right), Some(BYTES)), "while it is read");
        let gone = Problem::SourceGone.to_string();
        says(proof(other, Some(right), None), &gone);
    }
}
