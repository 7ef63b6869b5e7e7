//! What goes wrong with a virtual phone, and how often.

use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;

use crate::adb::RemotePath;

/// What goes wrong when a file is sent, listed or hashed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Fault {
    /// The request fails with these words, and the stream is closed.
    Refuse(String),
    /// Nothing more comes after so many bytes of the file.
    Stall(u64),
    /// The cable is pulled after so many bytes of the file.
    Cut(u64),
    /// The stream ends after so many bytes of the file, with no word.
    EndStream(u64),
    /// After so many bytes of the file its storage fails.
    ReadError(u64),
    /// The bit at this byte is flipped on its way.
    FlipBit(u64),
    /// So many bytes more are sent than the file has.
    SendMore(u64),
    /// So many bytes fewer are sent than the file has.
    SendLess(u64),
    /// The file is listed, but gone when it is asked for.
    Vanish,
    /// The file is listed with this size.
    ListedSize(u64),
    /// These bytes come in place of the file's next piece.
    Nonsense(Bytes),
    /// The phone computes a wrong hash.
    WrongHash,
}

/// What goes wrong before anything else.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Hello {
    /// The phone accepts the connection and says nothing.
    Silence,
    /// The phone hangs up.
    HangUp,
    /// The phone says this.
    Nonsense(Bytes),
}

/// What goes wrong with listings.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Listing {
    /// This folder lists these names, too.
    Names(RemotePath, Vec<Bytes>),
    /// Every folder holds a folder.
    EndlessDepth,
}

/// All that goes wrong.
#[derive(Debug, Clone, Default)]
pub struct Faults {
    rules: Arc<Mutex<Vec<Rule>>>,
    hello: Arc<Mutex<Option<(Hello, u32)>>>,
    /// What goes wrong with listings.
    pub listing: Option<Listing>,
}

#[derive(Debug, Clone)]
struct Rule {
    /// `None` for every file.
    path: Option<RemotePath>,
    fault: Fault,
    times_left: u32,
}

impl Faults {
    /// Adds a fault of one file, or of every file, that strikes so many times.
    pub fn add(&self, path: Option<&str>, fault: Fault, times: u32) {
        let path = path.and_then(|path| RemotePath::new(path.as_bytes()).ok());
        self.rules().push(Rule {
            path,
            fault,
            times_left: times,
        });
    }

    /// Makes so many connections go wrong at once.
    pub fn set_hello(&self, hello: Hello, times: u32) {
        *self.hello.lock().unwrap_or_else(PoisonError::into_inner) = Some((hello, times));
    }

    pub(super) fn hello(&self) -> Option<Hello> {
        let mut hello = self.hello.lock().unwrap_or_else(PoisonError::into_inner);
        let (what, times) = hello.as_mut().filter(|(_, times)| *times > 0)?;
        *times -= 1;
        Some(what.clone())
    }

    /// What goes wrong with sending this file now; counts it.
    pub(super) fn strike(&self, path: &RemotePath) -> Option<Fault> {
        self.find(path, |fault| {
            !matches!(fault, Fault::ListedSize(_) | Fault::WrongHash)
        })
    }

    /// Whether a wrong hash of this file is told now; counts it.
    pub(super) fn has_wrong_hash(&self, path: &RemotePath) -> bool {
        self.find(path, |fault| *fault == Fault::WrongHash)
            .is_some()
    }

    /// The size with which this file is listed.
    pub(super) fn listed_size(&self, path: &RemotePath) -> Option<u64> {
        match self.find(path, |fault| matches!(fault, Fault::ListedSize(_)))? {
            Fault::ListedSize(size) => Some(size),
            _ => None,
        }
    }

    fn find(&self, path: &RemotePath, is_wanted: impl Fn(&Fault) -> bool) -> Option<Fault> {
        let mut rules = self.rules();
        let rule = rules.iter_mut().find(|rule| {
            rule.times_left > 0
                && rule.path.as_ref().is_none_or(|own| own == path)
                && is_wanted(&rule.fault)
        })?;
        rule.times_left -= 1;
        Some(rule.fault.clone())
    }

    fn rules(&self) -> std::sync::MutexGuard<'_, Vec<Rule>> {
        self.rules.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
