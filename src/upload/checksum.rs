//! The checksums that services give of a file. Pure.

use std::fmt;

use crate::digest::Hasher;

/// Dropbox hashes blocks of this size, in bytes, and then the hashes.
const DROPBOX_BLOCK_BYTES: usize = 4 * 1024 * 1024;
/// After so many bytes QuickXorHash is back at its first bit: it moves by 11 of 160 bits each time.
const QUICK_XOR_BYTES: usize = 160;

/// A checksum algorithm that a service uses.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ChecksumAlgorithm {
    /// MD5.
    Md5,
    /// SHA-1.
    Sha1,
    /// SHA-256.
    Sha256,
    /// Dropbox's `content_hash`: the SHA-256 of the SHA-256 values of all blocks of 4 MiB.
    Dropbox,
    /// Microsoft's QuickXorHash.
    QuickXor,
}

impl ChecksumAlgorithm {
    /// Returns the algorithm's name in receipts, which must never change.
    pub fn name(self) -> &'static str {
        match self {
            Self::Md5 => "md5",
            Self::Sha1 => "sha1",
            Self::Sha256 => "sha256",
            Self::Dropbox => "dropbox",
            Self::QuickXor => "quickxor",
        }
    }
}

/// A checksum. Its text form is `md5:...`, in lowercase hexadecimal digits.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Checksum {
    /// The algorithm that computed it.
    pub algorithm: ChecksumAlgorithm,
    value: Vec<u8>,
}

impl Checksum {
    /// Parses a checksum in hexadecimal digits; returns `None` if the text is invalid.
    pub fn of_hex(algorithm: ChecksumAlgorithm, text: &str) -> Option<Self> {
        let (pairs, rest) = text.as_bytes().as_chunks::<2>();
        let digit = |byte: u8| char::from(byte).to_digit(16);
        let value: Option<Vec<u8>> = pairs
            .iter()
            .map(|[high, low]| Some((digit(*high)? << 4 | digit(*low)?) as u8))
            .collect();
        Self::of_bytes(algorithm, value.filter(|_| rest.is_empty())?)
    }

    /// Parses a checksum in base64; returns `None` if the text is invalid.
    pub fn of_base64(algorithm: ChecksumAlgorithm, text: &str) -> Option<Self> {
        use base64::Engine as _;
        let value = base64::engine::general_purpose::STANDARD.decode(text);
        Self::of_bytes(algorithm, value.ok()?)
    }

    fn of_bytes(algorithm: ChecksumAlgorithm, value: Vec<u8>) -> Option<Self> {
        let length = match algorithm {
            ChecksumAlgorithm::Md5 => 16,
            ChecksumAlgorithm::Sha1 | ChecksumAlgorithm::QuickXor => 20,
            ChecksumAlgorithm::Sha256 | ChecksumAlgorithm::Dropbox => 32,
        };
        (value.len() == length).then_some(Self { algorithm, value })
    }
}

impl fmt::Display for Checksum {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:", self.algorithm.name())?;
        self.value
            .iter()
            .try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

/// Computes a checksum incrementally.
pub(crate) struct Summer {
    algorithm: ChecksumAlgorithm,
    state: RunningHash,
}

enum RunningHash {
    Md5(md5::Md5),
    Sha1(sha1::Sha1),
    Sha256(Box<Hasher>),
    Dropbox {
        blocks: Box<Hasher>,
        block: Box<Hasher>,
        filled: usize,
    },
    QuickXor {
        columns: Box<[u8; QUICK_XOR_BYTES]>,
        length: u64,
    },
}

impl Summer {
    /// Starts a checksum with no bytes added.
    pub(crate) fn new(algorithm: ChecksumAlgorithm) -> Self {
        let state = match algorithm {
            ChecksumAlgorithm::Md5 => RunningHash::Md5(md5::Md5::default()),
            ChecksumAlgorithm::Sha1 => RunningHash::Sha1(sha1::Sha1::default()),
            ChecksumAlgorithm::Sha256 => RunningHash::Sha256(Box::default()),
            ChecksumAlgorithm::Dropbox => RunningHash::Dropbox {
                blocks: Box::default(),
                block: Box::default(),
                filled: 0,
            },
            ChecksumAlgorithm::QuickXor => RunningHash::QuickXor {
                columns: Box::new([0; QUICK_XOR_BYTES]),
                length: 0,
            },
        };
        Self { algorithm, state }
    }

    /// Adds the next bytes.
    pub(crate) fn update(&mut self, mut bytes: &[u8]) {
        use md5::Digest as _;
        match &mut self.state {
            RunningHash::Md5(hasher) => hasher.update(bytes),
            RunningHash::Sha1(hasher) => hasher.update(bytes),
            RunningHash::Sha256(hasher) => hasher.update(bytes),
            RunningHash::Dropbox {
                blocks,
                block,
                filled,
            } => {
                while !bytes.is_empty() {
                    let room = (DROPBOX_BLOCK_BYTES - *filled).min(bytes.len());
                    let (now, rest) = bytes.split_at(room);
                    block.update(now);
                    *filled += now.len();
                    bytes = rest;
                    if *filled == DROPBOX_BLOCK_BYTES {
                        blocks.update(&std::mem::take(&mut **block).finish().0);
                        *filled = 0;
                    }
                }
            }
            RunningHash::QuickXor { columns, length } => {
                let at = (*length % QUICK_XOR_BYTES as u64) as usize;
                let (head, rest) = bytes.split_at((QUICK_XOR_BYTES - at).min(bytes.len()));
                let tail = columns.iter_mut().skip(at);
                tail.zip(head).for_each(|(column, byte)| *column ^= byte);
                for row in rest.chunks(QUICK_XOR_BYTES) {
                    let pairs = columns.iter_mut().zip(row);
                    pairs.for_each(|(column, byte)| *column ^= byte);
                }
                *length += bytes.len() as u64;
            }
        }
    }

    /// Returns the checksum of all bytes added.
    pub(crate) fn finish(self) -> Checksum {
        use md5::Digest as _;
        let value = match self.state {
            RunningHash::Md5(hasher) => hasher.finalize().to_vec(),
            RunningHash::Sha1(hasher) => hasher.finalize().to_vec(),
            RunningHash::Sha256(hasher) => hasher.finish().0.to_vec(),
            RunningHash::Dropbox {
                mut blocks,
                block,
                filled,
            } => {
                if filled > 0 {
                    blocks.update(&block.finish().0);
                }
                blocks.finish().0.to_vec()
            }
            RunningHash::QuickXor { columns, length } => quick_xor(&columns, length),
        };
        Checksum {
            algorithm: self.algorithm,
            value,
        }
    }
}

/// Each column at its bit of 160, and the length at the end.
fn quick_xor(columns: &[u8; QUICK_XOR_BYTES], length: u64) -> Vec<u8> {
    let mut value = vec![0_u8; 20];
    let mut xor = |at: usize, bits: u8| {
        if let Some(byte) = value.get_mut(at % 20) {
            *byte ^= bits;
        }
    };
    for (nth, column) in columns.iter().enumerate() {
        let bit = nth * 11 % 160;
        let spread = u16::from(*column) << (bit % 8);
        let [low, high] = spread.to_le_bytes();
        xor(bit / 8, low);
        xor(bit / 8 + 1, high);
    }
    for (nth, byte) in length.to_le_bytes().into_iter().enumerate() {
        xor(12 + nth, byte);
    }
    value
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sum(algorithm: ChecksumAlgorithm, bytes: &[u8], step: usize) -> Checksum {
        let mut summer = Summer::new(algorithm);
        bytes.chunks(step).for_each(|piece| summer.update(piece));
        summer.finish()
    }

    fn bytes(count: usize) -> Vec<u8> {
        (0..count).map(|n| (n * n / 7 + n) as u8).collect()
    }

    #[test]
    fn known_values_come_out() {
        let md5 = "md5:900150983cd24fb0d6963f7d28e17f72";
        assert_eq!(sum(ChecksumAlgorithm::Md5, b"abc", 9).to_string(), md5);
        let sha1 = "sha1:a9993e364706816aba3e25717850c26c9cd0d89d";
        assert_eq!(sum(ChecksumAlgorithm::Sha1, b"abc", 9).to_string(), sha1);
        let empty = sum(ChecksumAlgorithm::Dropbox, b"", 9).to_string();
        assert!(empty.starts_with("dropbox:e3b0c44298fc1c14"), "{empty}");
        // By hand from Microsoft's description: 11 bits on for each byte, the length at the end.
        for (bytes, base64) in [
            (&b""[..], "AAAAAAAAAAAAAAAAAAAAAAAAAAA="),
            (&[0x4A], "SgAAAAAAAAAAAAAAAQAAAAAAAAA="),
            (&[0xB5, 0xB4], "taAFAAAAAAAAAAAAAgAAAAAAAAA="),
        ] {
            let expected = Checksum::of_base64(ChecksumAlgorithm::QuickXor, base64).unwrap();
            assert_eq!(sum(ChecksumAlgorithm::QuickXor, bytes, 9), expected);
        }
    }

    /// One bit after the other, as the definition goes.
    fn slow_quick_xor(bytes: &[u8]) -> Checksum {
        let mut bits = [false; 160];
        for (nth, byte) in bytes.iter().enumerate() {
            for bit in 0..8 {
                bits[(nth * 11 + bit) % 160] ^= byte >> bit & 1 == 1;
            }
        }
        let mut value = vec![0; 20];
        for (nth, bit) in bits.into_iter().enumerate() {
            value[nth / 8] |= u8::from(bit) << (nth % 8);
        }
        let length = (bytes.len() as u64).to_le_bytes();
        (0..8).for_each(|nth| value[12 + nth] ^= length[nth]);
        Checksum::of_bytes(ChecksumAlgorithm::QuickXor, value).unwrap()
    }

    #[test]
    fn quick_xor_is_as_defined_and_heeds_no_splits() {
        for count in [1, 19, 20, 159, 160, 161, 1000, 4321] {
            let bytes = bytes(count);
            for step in [1, 7, 160, 163, 5000] {
                let fast = sum(ChecksumAlgorithm::QuickXor, &bytes, step);
                assert_eq!(fast, slow_quick_xor(&bytes), "{count} in steps of {step}");
            }
        }
    }

    #[test]
    fn dropbox_hashes_the_hashes_of_blocks() {
        use crate::digest::Sha256;
        let bytes = bytes(DROPBOX_BLOCK_BYTES + 5);
        let (first, rest) = bytes.split_at(DROPBOX_BLOCK_BYTES);
        let hashes = [Sha256::of(first).0, Sha256::of(rest).0].concat();
        let expected = Sha256::of(&hashes).to_string();
        for step in [1_000_003, DROPBOX_BLOCK_BYTES, 1 << 30] {
            let found = sum(ChecksumAlgorithm::Dropbox, &bytes, step);
            assert_eq!(found.to_string(), format!("dropbox:{expected}"));
        }
    }

    #[test]
    fn what_cannot_be_a_checksum_is_none() {
        assert!(
            Checksum::of_hex(ChecksumAlgorithm::Md5, "900150983cd24fb0d6963f7d28e17f72").is_some()
        );
        for bad in [
            "",
            "90",
            "900150983cd24fb0d6963f7d28e17f7",
            "zz0150983cd24fb0d6963f7d28e17f72",
        ] {
            assert_eq!(Checksum::of_hex(ChecksumAlgorithm::Md5, bad), None, "{bad}");
        }
        assert_eq!(
            Checksum::of_base64(ChecksumAlgorithm::QuickXor, "AAAA"),
            None
        );
    }
}
