//! The facts that a phone reports about itself and its files before anything is pulled.

use std::collections::BTreeMap;

use crate::adb::RemotePath;

/// A volume of the phone: internal storage or a removable card.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Volume {
    /// Where it is mounted: `/storage/emulated/0`, `/storage/1A2B-3C4D`.
    pub root: RemotePath,
    /// Its folder below `data/`: `internal`, `sd-1A2B-3C4D`.
    pub label: String,
}

/// A regular file on the phone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Item {
    /// Its absolute path, as raw bytes.
    pub path: RemotePath,
    /// Size in bytes as listed; modulo 2^32 where the phone speaks only sync v1
    /// (see [`Item::size_is_exact`]).
    pub size: u64,
    /// Whether `size` came from a 64-bit field.
    pub size_is_exact: bool,
    /// Modification time in seconds since 1970, UTC.
    pub mtime: i64,
}

/// What else tells one phone from another: properties and settings of it, by their names. A serial
/// number alone does not: repaired boards and cheap phones share theirs.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Marks(pub BTreeMap<String, String>);

/// The phone that a rescue folder belongs to; its own words, untrusted.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct PhoneIdentity {
    /// Its serial number.
    pub serial: String,
    /// Its model, as in `Pixel 7`.
    pub model: String,
    /// Who made it.
    pub manufacturer: String,
    /// Its Android version, as in `14`.
    pub android_version: String,
}
