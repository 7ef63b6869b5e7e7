//! Sessions of large files that are under way, kept between runs.
//!
//! What leads to a session is as good as a password for it, so this lies beside the settings,
//! readable by nobody else, and not in the rescue folder, which may be copied anywhere. Losing it
//! costs nothing but time.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};

use serde::{Deserialize, Serialize};

use crate::home;
use crate::upload::secret::Secret;
use crate::upload::source::Source;

/// No service keeps a session for longer, in seconds.
const LIFE: i64 = 7 * 24 * 60 * 60;
/// A larger file of sessions is not ours.
const MAX_FILE_BYTES: u64 = 4 * 1024 * 1024;

/// The upload sessions of one remote, kept in a file so that a later run can continue them.
pub(crate) struct Sessions {
    /// The file; `None` if there is no home folder, in which case sessions last only for this run.
    file: Option<PathBuf>,
    target: String,
    known: Mutex<BTreeMap<String, KeptSession>>,
}

#[derive(Clone, Serialize, Deserialize)]
struct KeptSession {
    leads_to: Secret,
    since: i64,
}

impl std::fmt::Debug for Sessions {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Sessions(..)")
    }
}

impl Sessions {
    /// Creates the sessions of the remote that leads to `target`.
    pub(crate) fn new(file: Option<PathBuf>, target: &str) -> Self {
        let known = file.as_deref().map(read).unwrap_or_default();
        Self {
            file,
            target: target.to_owned(),
            known: Mutex::new(known),
        }
    }

    /// Returns the text that leads to a file's session, if there is one.
    pub(crate) fn find(&self, path: &str, source: &Source) -> Option<String> {
        let known = self.known();
        let session = known.get(&self.key(path, source))?;
        Some(session.leads_to.reveal().to_owned())
    }

    /// Stores the text that leads to a file's session.
    pub(crate) fn keep(&self, path: &str, source: &Source, leads_to: &str) {
        let session = KeptSession {
            leads_to: Secret::new(leads_to),
            since: chrono::Utc::now().timestamp(),
        };
        let mut known = self.known();
        known.insert(self.key(path, source), session);
        self.save(&known);
    }

    /// Forgets a file's session.
    pub(crate) fn forget(&self, path: &str, source: &Source) {
        let mut known = self.known();
        if known.remove(&self.key(path, source)).is_some() {
            self.save(&known);
        }
    }

    fn key(&self, path: &str, source: &Source) -> String {
        format!("{}\n{path}\n{}", self.target, source.sha256)
    }

    fn known(&self) -> MutexGuard<'_, BTreeMap<String, KeptSession>> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn save(&self, known: &BTreeMap<String, KeptSession>) {
        let Some(file) = &self.file else { return };
        let text = serde_json::to_vec(known).map_err(std::io::Error::from);
        if let Err(error) = text.and_then(|text| home::replace_private(file, &text)) {
            tracing::debug!("cannot keep the sessions in {}: {error}", file.display());
        }
    }
}

fn read(file: &Path) -> BTreeMap<String, KeptSession> {
    let text = home::read(file, MAX_FILE_BYTES).unwrap_or_default();
    let mut known: BTreeMap<String, KeptSession> = serde_json::from_str(&text).unwrap_or_default();
    let now = chrono::Utc::now().timestamp();
    known.retain(|_, session| (now - session.since).abs() < LIFE);
    known
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::digest::Sha256;
    use crate::event::Events;
    use crate::upload::limit::Limit;
    use crate::upload::source::Origin;
    use std::fs;
    use std::sync::Arc;

    fn source(bytes: &[u8]) -> Source {
        Source::new(
            Origin::File("x".into()),
            (bytes.len() as u64, Sha256::of(bytes)),
            None,
            Arc::new(Limit::new(None)),
            Events::to(|_| {}),
        )
    }

    #[test]
    fn sessions_come_back_for_the_same_remote_path_and_bytes_only() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("new/sessions.json");
        let sessions = Sessions::new(Some(file.clone()), "a");
        sessions.keep("x.mp4", &source(b"1"), "https://there/1");
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt as _;
            let mode = fs::metadata(&file).unwrap().permissions().mode();
            assert_eq!(mode & 0o777, 0o600);
        }
        assert!(!format!("{sessions:?}").contains("there"));
        let again = Sessions::new(Some(file.clone()), "a");
        let found = again.find("x.mp4", &source(b"1"));
        assert_eq!(found.as_deref(), Some("https://there/1"));
        assert_eq!(again.find("y.mp4", &source(b"1")), None);
        assert_eq!(again.find("x.mp4", &source(b"2")), None);
        let other = Sessions::new(Some(file.clone()), "b");
        assert_eq!(other.find("x.mp4", &source(b"1")), None);
        again.forget("x.mp4", &source(b"1"));
        let last = Sessions::new(Some(file.clone()), "a");
        assert_eq!(last.find("x.mp4", &source(b"1")), None);
        fs::write(&file, "{ damaged").unwrap();
        assert!(Sessions::new(Some(file), "a").known().is_empty());
    }
}
