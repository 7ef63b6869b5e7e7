//! The I/O around the protocol: routes to a phone, and its services.
//!
//! In: a route. Out: a [`Phone`] that lists, stats, sends files, hashes and answers commands. It
//! reports facts and errors; advice is [`crate::guide`]'s.

pub(crate) mod accessory;
pub(crate) mod allowed;
mod buffers;
pub(crate) mod connect;
pub(crate) mod discover;
pub(crate) mod display;
pub mod drive;
pub mod error;
pub(crate) mod hash;
pub(crate) mod keys;
pub(crate) mod lock;
pub(crate) mod marks;
pub(crate) mod seen;
pub(crate) mod server;
pub(crate) mod shell;
pub(crate) mod stream;
pub(crate) mod sync;
pub(crate) mod tcp;
pub(crate) mod usb;

pub use error::PhoneError;

use std::sync::atomic::AtomicUsize;
use std::time::Duration;

use crate::adb::RemotePath;
use crate::adb::features::Features;
use crate::adb::shell::quote;
use crate::item::PhoneIdentity;
use connect::Target;
use drive::Link;
use server::ServedPhone;
use shell::{RunningCommand, ShellKind};
use stream::ByteStream;
use sync::SyncStream;

/// More output than any phone's `getprop` prints, in bytes.
const MAX_PROPERTIES: usize = 4 * 1024 * 1024;
/// Longer than any value that Android keeps (`PROP_VALUE_MAX` is 92 bytes, without a bound for `ro.`).
const MAX_VALUE_CHARS: usize = 512;
/// The most bytes of a service's name that `-v` shows.
const MAX_SHOWN: usize = 200;

/// The unit in which `dd` on the phone skips, in bytes.
const READ_BLOCK: u64 = 1024 * 1024;

/// A connected phone that answers.
#[derive(Debug)]
pub struct Phone {
    route: Route,
    serial: String,
    features: Features,
    shell: ShellKind,
    idle: Duration,
    properties: Properties,
    /// The index of the hash program that works on this phone.
    hash_program: AtomicUsize,
}

/// The way in which the phone is reached.
#[derive(Debug)]
enum Route {
    /// No adb server between, over whatever transport.
    Direct {
        link: Link,
        target: Target,
    },
    Server(ServedPhone),
}

impl Phone {
    /// Returns the phone's own serial number, or the route's name for the phone if it reports none.
    pub fn serial(&self) -> &str {
        &self.serial
    }

    /// Returns a target that reaches this same phone again.
    pub fn target(&self) -> Target {
        match &self.route {
            Route::Direct { target, .. } => target.clone(),
            Route::Server(served) => Target::Discovered {
                serial: Some(served.name().to_owned()),
            },
        }
    }

    /// Ends the connection, even if other clones of it exist. Over USB only one connection is possible, so a hanging
    /// one would block the next.
    pub async fn leave(&self) {
        match &self.route {
            Route::Direct { link, .. } => link.end().await,
            // Each stream has a connection of its own.
            Route::Server(_) => {}
        }
    }

    /// Returns the features that both the phone and this program support.
    pub fn features(&self) -> Features {
        self.features
    }

    /// Returns the phone's properties, as read when the connection was made.
    pub fn properties(&self) -> &Properties {
        &self.properties
    }

    /// Returns the phone's identity, as the phone reports it.
    pub fn identity(&self) -> PhoneIdentity {
        let value = |name| self.properties.value(name).unwrap_or_default().to_owned();
        // A phone that tells none is not what its address is called today.
        let is_place = self.serial.contains(':') || self.serial.starts_with('(');
        let is_address = is_place && self.properties.value("ro.serialno").is_none();
        PhoneIdentity {
            serial: match is_address {
                true => String::new(),
                false => self.serial.clone(),
            },
            model: value("ro.product.model"),
            manufacturer: value("ro.product.manufacturer"),
            android_version: value("ro.build.version.release"),
        }
    }

    /// Opens a stream to the sync service.
    pub async fn sync(&self) -> Result<SyncStream, PhoneError> {
        let stream = self.open(crate::adb::sync::SERVICE).await?;
        let stream = stream.ok_or_else(|| PhoneError::ServiceRefused {
            service: "sync:".to_owned(),
        })?;
        Ok(SyncStream::new(stream, self.idle))
    }

    /// Returns how long the phone may be silent while a request is outstanding.
    pub fn idle(&self) -> Duration {
        self.idle
    }

    /// Starts a command that prints a file from a block boundary at or before `offset` (in bytes). Also returns how
    /// many bytes of the output come before `offset`.
    pub async fn read_from(
        &self,
        path: &RemotePath,
        offset: u64,
    ) -> Result<(RunningCommand, usize), PhoneError> {
        self.read_blocks(path, READ_BLOCK, offset, u64::MAX).await
    }

    /// Starts a command that prints up to `most` bytes of a file from `offset` on, in blocks of `block_bytes`. Also
    /// returns how many bytes of the output come before `offset`. The output ends at a block boundary, so it may exceed
    /// `most`.
    pub async fn read_blocks(
        &self,
        path: &RemotePath,
        block_bytes: u64,
        offset: u64,
        most: u64,
    ) -> Result<(RunningCommand, usize), PhoneError> {
        let (skip, before) = (offset / block_bytes, offset % block_bytes);
        let path = quote(path.as_bytes());
        let count = match most.checked_add(before) {
            Some(bytes) => format!(" count={}", bytes.div_ceil(block_bytes)),
            None => String::new(),
        };
        let size = format!(" bs={block_bytes} skip={skip}{count} 2>/dev/null");
        // `if=` and the quoted path are one word.
        let command = [b"dd if=".as_slice(), &path, size.as_bytes()].concat();
        let running = self.start("dd", &command).await?;
        Ok((running, before as usize))
    }

    /// Opens a stream to a service; returns `None` if the phone refuses it.
    async fn open(&self, service: &[u8]) -> Result<Option<ByteStream>, PhoneError> {
        self.open_shown_as(service, service).await
    }

    /// Does the same as [`Phone::open`]; the log (`-v`) shows `shown` in place of the service's name.
    async fn open_shown_as(
        &self,
        service: &[u8],
        shown: &[u8],
    ) -> Result<Option<ByteStream>, PhoneError> {
        let opened = async {
            match &self.route {
                Route::Direct { link, .. } => link.open(service).await.map_err(PhoneError::Lost),
                Route::Server(served) => served.open(service).await,
            }
        };
        let opened = tokio::time::timeout(self.idle, opened).await;
        let opened = opened.unwrap_or(Err(PhoneError::Idle {
            doing: "opening a stream",
            after: self.idle,
        }));
        let outcome = match &opened {
            Ok(Some(_)) => "opened".to_owned(),
            Ok(None) => "refused".to_owned(),
            Err(error) => error.to_string(),
        };
        // Escaped: names from the phone are in it.
        let service = String::from_utf8_lossy(shown.get(..MAX_SHOWN).unwrap_or(shown));
        tracing::debug!(?service, ?outcome, "service");
        opened
    }

    async fn read_properties(&self) -> Result<Properties, PhoneError> {
        let read = self.run("getprop", b"getprop", MAX_PROPERTIES, self.idle);
        // As a whole: it prints a few kilobytes, and a drip never ends.
        let output = tokio::time::timeout(self.idle, read).await;
        let output = output.unwrap_or(Err(PhoneError::Idle {
            doing: "reading its properties",
            after: self.idle,
        }))?;
        Ok(Properties::parse(&output.stdout))
    }
}

/// A phone's system properties, as printed by `getprop`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Properties(std::collections::BTreeMap<String, String>);

impl Properties {
    /// Parses lines of the form `[name]: [value]`. Other lines are skipped, and over-long values are cut off.
    pub fn parse(output: &[u8]) -> Self {
        let text = String::from_utf8_lossy(output);
        let pairs = text.lines().filter_map(|line| {
            let (name, value) = line.trim_end().strip_prefix('[')?.split_once("]: [")?;
            let value = value.strip_suffix(']')?;
            Some((
                name.to_owned(),
                value.chars().take(MAX_VALUE_CHARS).collect(),
            ))
        });
        Self(pairs.collect())
    }

    /// Returns a property's value, or `None` if it is missing or empty.
    pub fn value(&self, name: &str) -> Option<&str> {
        self.0
            .get(name)
            .map(String::as_str)
            .filter(|value| !value.is_empty())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn properties_are_read_and_one_without_end_fills_no_screen() {
        let text = format!(
            "[ro.serialno]: [{}]\n[a]: [b]\nnonsense\n",
            "x".repeat(100_000)
        );
        let properties = Properties::parse(text.as_bytes());
        assert_eq!(properties.value("a"), Some("b"));
        let serial = properties.value("ro.serialno").unwrap();
        assert_eq!(serial, "x".repeat(MAX_VALUE_CHARS));
    }
}
