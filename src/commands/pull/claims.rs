//! Folders that this process pulls into: with several phones at once, none gets another's.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use crate::error::{Error, Kind};
use crate::item::{Marks, PhoneIdentity};
use crate::phone::marks::UNIT;
use crate::ui::plain;

/// Folders that this process pulls into, and what tells their phones from others.
#[derive(Debug, Default)]
pub(in crate::commands) struct Claims(Mutex<HashMap<PathBuf, Marks>>);

impl Claims {
    /// Takes a folder for a phone; false when a phone that is certainly another has it, in this
    /// process.
    pub(super) fn claim(
        &self,
        path: &Path,
        marks: &Marks,
        phone: &PhoneIdentity,
    ) -> Result<bool, Error> {
        let mut claims = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(other) = claims.get(path) else {
            claims.insert(path.to_owned(), marks.clone());
            return Ok(true);
        };
        let is_other = |name: &&str| {
            let (theirs, ours) = (other.0.get(*name), marks.0.get(*name));
            theirs.is_some() && ours.is_some() && theirs != ours
        };
        if UNIT.iter().any(is_other) {
            return Ok(false);
        }
        let called = match phone.serial.is_empty() {
            true => format!("{} without a serial number", plain(&phone.model)),
            false => format!("{} {}", plain(&phone.model), plain(&phone.serial)),
        };
        let message = format!(
            "a pull from another phone named {called} is under way: it may be this phone over another route, or one with the same serial number"
        );
        Err(Error::new(Kind::PhoneNotReady, message)
            .with_hint("when that has ended, run `rescue pull` for this one alone (with --serial)"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::phone::marks::ANDROID_ID;

    #[test]
    fn twins_get_folders_of_their_own_and_doubt_is_told() {
        let phone = crate::folder::tests::phone();
        let marks = |id: &str| Marks([(ANDROID_ID.to_owned(), id.to_owned())].into());
        let claims = Claims::default();
        let path = Path::new("a");
        assert!(claims.claim(path, &marks("1"), &phone).unwrap());
        assert!(!claims.claim(path, &marks("2"), &phone).unwrap());
        assert!(claims.claim(Path::new("a-2"), &marks("2"), &phone).unwrap());
        for doubtful in [marks("1"), Marks::default()] {
            let error = claims.claim(path, &doubtful, &phone).unwrap_err();
            assert!(error.message.contains(&phone.serial), "{}", error.message);
        }
    }
}
