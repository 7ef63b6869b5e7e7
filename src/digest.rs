//! SHA-256 values: computed while bytes arrive, compared with the phone's, written into catalogue and manifest.
//! Beside them XXH3 values, which are much faster and tell whether bytes are unchanged where nobody could have chosen
//! them to collide.

use std::fmt;
use std::str::FromStr;

use sha2::Digest as _;

/// A SHA-256 value (FIPS 180-4), 32 bytes; shown and parsed as 64 lowercase hexadecimal digits.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Sha256(pub [u8; 32]);

impl Sha256 {
    /// Hashes bytes that are all at hand.
    pub fn of(bytes: &[u8]) -> Self {
        let mut hasher = Hasher::default();
        hasher.update(bytes);
        hasher.finish()
    }

    /// Takes exactly 32 bytes, as stored in the catalogue; `None` for any other length.
    pub fn from_slice(bytes: &[u8]) -> Option<Self> {
        bytes.try_into().ok().map(Self)
    }
}

impl fmt::Display for Sha256 {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut text = [0; 64];
        let (pairs, _) = text.as_chunks_mut::<2>();
        for (pair, byte) in pairs.iter_mut().zip(self.0) {
            // A manifest has one for each file: digit by digit through `write!` takes ten times as long.
            *pair = [byte >> 4, byte & 15].map(|digit| match digit {
                0..=9 => b'0' + digit,
                _ => b'a' + digit - 10,
            });
        }
        f.write_str(std::str::from_utf8(&text).map_err(|_| fmt::Error)?)
    }
}

impl fmt::Debug for Sha256 {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl serde::Serialize for Sha256 {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

/// The text is not 64 hexadecimal digits.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("not a SHA-256 value: 64 hexadecimal digits expected")]
pub struct NotSha256;

impl FromStr for Sha256 {
    type Err = NotSha256;

    fn from_str(text: &str) -> Result<Self, NotSha256> {
        let (pairs, rest) = text.as_bytes().as_chunks::<2>();
        if pairs.len() != 32 || !rest.is_empty() {
            return Err(NotSha256);
        }
        let digit = |byte: u8| char::from(byte).to_digit(16).ok_or(NotSha256);
        let mut value = [0; 32];
        for (byte, [high, low]) in value.iter_mut().zip(pairs) {
            *byte = (digit(*high)? << 4 | digit(*low)?) as u8;
        }
        Ok(Self(value))
    }
}

/// Hashes bytes piece by piece; uses the CPU's SHA instructions where it has them.
#[derive(Clone, Default)]
pub struct Hasher(sha2::Sha256);

impl Hasher {
    /// Adds the next bytes.
    pub fn update(&mut self, bytes: &[u8]) {
        self.0.update(bytes);
    }

    /// The value of all bytes added.
    pub fn finish(self) -> Sha256 {
        Sha256(self.0.finalize().into())
    }
}

/// An XXH3 value of 128 bits, the first byte the most significant one, as xxHash's own program
/// prints it.
///
/// Of bytes that changed by accident one in 2^128 has the same value. Whoever wants to can make some
/// that have: it never decides alone about bytes from a phone or a service.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Xxh128(pub [u8; 16]);

impl Xxh128 {
    /// Of bytes that are all at hand.
    pub fn of(bytes: &[u8]) -> Self {
        Self(twox_hash::XxHash3_128::oneshot(bytes).to_be_bytes())
    }

    /// Takes exactly 16 bytes, as stored in the catalogue; `None` for any other length.
    pub fn from_slice(bytes: &[u8]) -> Option<Self> {
        bytes.try_into().ok().map(Self)
    }
}

/// Computes XXH3 piece by piece, about twenty times as fast as SHA-256.
#[derive(Clone, Default)]
pub struct QuickHasher(twox_hash::XxHash3_128);

impl QuickHasher {
    /// Adds the next bytes.
    pub fn update(&mut self, bytes: &[u8]) {
        self.0.write(bytes);
    }

    /// The value of all bytes added.
    pub fn finish(&self) -> Xxh128 {
        Xxh128(self.0.finish_128().to_be_bytes())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_form_round_trips() {
        let value = Sha256::of(b"abc");
        let text = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
        assert_eq!(value.to_string(), text);
        assert_eq!(text.parse(), Ok(value));
        assert_eq!(text.to_uppercase().parse(), Ok(value));
    }

    #[test]
    fn quick_values_are_those_of_xxhash() {
        // `xxh128sum` of the same bytes.
        let mut hasher = QuickHasher::default();
        hasher.update(b"a");
        hasher.update(b"bc");
        let value = u128::from_be_bytes(hasher.finish().0);
        assert_eq!(value, 0x06b0_5ab6_733a_6185_78af_5f94_892f_3950);
        assert_eq!(
            Xxh128::from_slice(&hasher.finish().0),
            Some(hasher.finish())
        );
        assert_eq!(Xxh128::from_slice(&[0; 15]), None);
        // Also of many, whatever pieces they come in.
        let bytes: Vec<u8> = (0..3_000_000_u32).map(|n| (n % 251) as u8).collect();
        let (mut whole, mut pieces) = (QuickHasher::default(), QuickHasher::default());
        whole.update(&bytes);
        bytes.chunks(65_521).for_each(|piece| pieces.update(piece));
        assert_eq!(whole.finish(), pieces.finish());
        assert_eq!(whole.finish(), Xxh128::of(&bytes));
        let value = u128::from_be_bytes(whole.finish().0);
        assert_eq!(value, 0x766f_642e_64b6_3d92_cc1a_5bed_6141_edab);
    }

    #[test]
    fn other_lengths_and_letters_are_refused() {
        for text in ["", "ba", &"g".repeat(64), &"0".repeat(63), &"0".repeat(66)] {
            assert_eq!(text.parse::<Sha256>(), Err(NotSha256), "{text}");
        }
    }
}
