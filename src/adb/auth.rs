//! Proof of identity: the key pair of a computer, in adb's formats.
//!
//! A phone sends a 20-byte token; the computer answers with its RSA-2048 signature (PKCS #1 v1.5,
//! the token taking the place of a SHA-1 value). Source: AOSP `adb/daemon/auth.cpp`,
//! `adb/client/auth.cpp`, `libcrypto_utils/android_pubkey.cpp`.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use rsa::pkcs1v15::Pkcs1v15Sign;
use rsa::pkcs8::{DecodePrivateKey as _, EncodePrivateKey as _, LineEnding};
use rsa::rand_core::CryptoRngCore;
use rsa::traits::PublicKeyParts as _;
use rsa::{BigUint, RsaPrivateKey, RsaPublicKey};

/// The length in bytes of the token that a phone sends to be signed.
pub const TOKEN_BYTES: usize = 20;
/// The length in bytes of the RSA modulus: phones accept RSA-2048 keys only.
const MODULUS_BYTES: usize = 256;
const MODULUS_WORDS: u32 = 64;
/// The length in bytes of Android's `RSAPublicKey`: two words, the modulus, R squared and the exponent.
pub(crate) const PUBLIC_KEY_BYTES: usize = 4 + 4 + MODULUS_BYTES + MODULUS_BYTES + 4;

/// A random token that a phone asks the computer to sign.
pub type Token = [u8; TOKEN_BYTES];

/// An error that makes a key unusable.
#[derive(Debug, thiserror::Error)]
pub enum KeyError {
    /// The text is not a private key in PKCS #8 PEM, the format that adb writes.
    #[error("not a private key in PEM form (PKCS #8), as adb writes it")]
    NotPem(#[source] rsa::pkcs8::Error),
    /// The key does not have the size that phones accept.
    #[error("an RSA key of {bits} bits; phones take 2048")]
    WrongSize {
        /// The key's size in bits.
        bits: usize,
    },
    /// Generating the key or signing with it failed.
    #[error("the RSA key cannot be used")]
    Rsa(#[from] rsa::Error),
    /// The text is not a public key in the format that adb sends.
    #[error("not a public key in adb's form")]
    NotPublicKey,
}

/// A computer's private key.
#[derive(Clone)]
pub struct PrivateKey(RsaPrivateKey);

impl PrivateKey {
    /// Generates a new key; takes up to a few seconds.
    pub fn generate(random: &mut impl CryptoRngCore) -> Result<Self, KeyError> {
        Ok(Self(RsaPrivateKey::new(random, MODULUS_BYTES * 8)?))
    }

    /// Parses the content of an `adbkey` file.
    pub fn from_pem(text: &str) -> Result<Self, KeyError> {
        let key = RsaPrivateKey::from_pkcs8_pem(text).map_err(KeyError::NotPem)?;
        match key.size() {
            MODULUS_BYTES => Ok(Self(key)),
            size => Err(KeyError::WrongSize { bits: size * 8 }),
        }
    }

    /// Returns the content of an `adbkey` file for this key.
    pub fn to_pem(&self) -> Result<String, KeyError> {
        let pem = self.0.to_pkcs8_pem(LineEnding::LF);
        pem.map(|text| text.as_str().to_owned())
            .map_err(KeyError::NotPem)
    }

    /// Signs a phone's token and returns the signature.
    pub fn sign(&self, token: &Token) -> Result<Vec<u8>, KeyError> {
        Ok(self.0.sign(Pkcs1v15Sign::new::<sha1::Sha1>(), token)?)
    }

    /// Returns the public half of this key.
    pub fn public(&self) -> PublicKey {
        PublicKey(self.0.to_public_key())
    }
}

impl std::fmt::Debug for PrivateKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("PrivateKey(..)")
    }
}

/// A computer's public key, as a phone keeps it in `adb_keys`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PublicKey(RsaPublicKey);

impl PublicKey {
    /// Returns the line of an `adbkey.pub` file: Android's `RSAPublicKey` in base64, a space, and the comment.
    pub fn to_line(&self, comment: &str) -> String {
        format!("{} {comment}", BASE64.encode(self.to_android()))
    }

    /// Returns the fingerprint that Android's "Allow USB debugging?" dialog shows for the key: the MD5 of Android's
    /// `RSAPublicKey`, written as `0A:1B:...` (AOSP, `AdbDebuggingManager`).
    pub fn fingerprint(&self) -> String {
        use md5::Digest as _;
        let digest = md5::Md5::digest(self.to_android());
        let bytes: Vec<_> = digest.iter().map(|byte| format!("{byte:02X}")).collect();
        bytes.join(":")
    }

    /// Parses a line as written by [`PublicKey::to_line`]. A NUL byte at the end, as sent on the wire, is dropped.
    pub fn from_line(line: &[u8]) -> Result<Self, KeyError> {
        let end = line
            .iter()
            .position(|byte| matches!(byte, b' ' | 0 | b'\n'))
            .unwrap_or(line.len());
        let text = line.get(..end).ok_or(KeyError::NotPublicKey)?;
        let bytes = BASE64.decode(text).map_err(|_| KeyError::NotPublicKey)?;
        let (Some(modulus), Some(exponent)) = (
            bytes
                .get(8..8 + MODULUS_BYTES)
                .filter(|_| bytes.len() == PUBLIC_KEY_BYTES),
            bytes.get(PUBLIC_KEY_BYTES - 4..),
        ) else {
            return Err(KeyError::NotPublicKey);
        };
        let key = RsaPublicKey::new(
            BigUint::from_bytes_le(modulus),
            BigUint::from_bytes_le(exponent),
        );
        Ok(Self(key.map_err(|_| KeyError::NotPublicKey)?))
    }

    /// Returns whether the private half of this key made `signature` from `token`.
    pub fn verifies(&self, token: &Token, signature: &[u8]) -> bool {
        self.0
            .verify(Pkcs1v15Sign::new::<sha1::Sha1>(), token, signature)
            .is_ok()
    }

    /// Returns Android's `RSAPublicKey`: little-endian words prepared for Montgomery arithmetic.
    fn to_android(&self) -> Vec<u8> {
        let modulus = self.0.n();
        let two_to_32 = BigUint::from(1_u64 << 32);
        // -1 / n modulo 2^32; an RSA modulus is odd, so the inverse exists. Newton's iteration
        // doubles the right bits: 3, 6, 12, 24, 48.
        let low = (modulus % &two_to_32).to_bytes_le();
        let low = low
            .iter()
            .rev()
            .fold(0_u32, |word, byte| word << 8 | u32::from(*byte));
        let inverse = (0..5).fold(low, |x, _| {
            x.wrapping_mul(2_u32.wrapping_sub(low.wrapping_mul(x)))
        });
        let r_squared = (BigUint::from(1_u8) << (MODULUS_BYTES * 8 * 2)) % modulus;

        let mut bytes = Vec::with_capacity(PUBLIC_KEY_BYTES);
        bytes.extend_from_slice(&MODULUS_WORDS.to_le_bytes());
        bytes.extend_from_slice(&inverse.wrapping_neg().to_le_bytes());
        for (number, end) in [
            (modulus, 8 + MODULUS_BYTES),
            (&r_squared, 8 + 2 * MODULUS_BYTES),
        ] {
            bytes.extend_from_slice(&number.to_bytes_le());
            bytes.resize(end, 0);
        }
        let exponent = self.0.e().to_bytes_le();
        bytes.extend_from_slice(&exponent);
        bytes.resize(PUBLIC_KEY_BYTES, 0);
        bytes
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    /// Made by `adb keygen` of adb 29.0.6; used nowhere but in tests.
    pub(crate) const ADB_KEY: &str = include_str!("../../fixtures/adbkey");
    pub(crate) const ADB_KEY_PUBLIC: &str = include_str!("../../fixtures/adbkey.pub");

    #[test]
    fn public_key_is_byte_for_byte_what_adb_writes() {
        let key = PrivateKey::from_pem(ADB_KEY).unwrap();
        let comment = ADB_KEY_PUBLIC.trim_end().split_once(' ').unwrap().1;
        assert_eq!(key.public().to_line(comment), ADB_KEY_PUBLIC.trim_end());
        assert_eq!(
            PublicKey::from_line(ADB_KEY_PUBLIC.as_bytes()).unwrap(),
            key.public()
        );
    }

    #[test]
    fn private_key_round_trips_in_adbs_format() {
        let key = PrivateKey::from_pem(ADB_KEY).unwrap();
        assert_eq!(key.to_pem().unwrap(), ADB_KEY);
    }

    #[test]
    fn signature_is_verified_by_the_public_half_only_for_its_token() {
        let key = PrivateKey::from_pem(ADB_KEY).unwrap();
        let signature = key.sign(&[7; TOKEN_BYTES]).unwrap();
        assert_eq!(signature.len(), 256);
        assert!(key.public().verifies(&[7; TOKEN_BYTES], &signature));
        assert!(!key.public().verifies(&[8; TOKEN_BYTES], &signature));
    }

    #[test]
    fn what_is_no_key_is_refused() {
        assert!(matches!(
            PrivateKey::from_pem("hello"),
            Err(KeyError::NotPem(_))
        ));
        for line in [&b""[..], b"QUJD me@pc", b"\xff\xff", &[b'A'; 700]] {
            assert!(PublicKey::from_line(line).is_err(), "{line:?}");
        }
    }
}
