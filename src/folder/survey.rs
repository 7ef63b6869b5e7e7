//! The types for what a listing of the phone skipped, and what it could not read.

use serde::Serializer;

use super::entry::Reason;

/// A group of what was left on the phone, or a place of it.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct Surveyed {
    /// What it is.
    pub kind: SurveyKind,
    /// Where it is on the phone, or its ending; the phone's own bytes, untrusted.
    #[serde(serialize_with = "as_text")]
    pub place: Box<[u8]>,
    /// How many files, or folders where the kind says so.
    pub items: u64,
    /// Their bytes; 0 of folders.
    pub bytes: u64,
    /// Why it was not looked at.
    #[serde(flatten)]
    pub reason: Option<Reason>,
}

impl Surveyed {
    /// The place as text, with what is not UTF-8 replaced.
    pub fn place_as_text(&self) -> String {
        String::from_utf8_lossy(&self.place).into_owned()
    }
}

fn as_text<S: Serializer>(place: &[u8], serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(&String::from_utf8_lossy(place))
}

/// What kind of place or group it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, serde::Serialize)]
#[serde(rename_all = "snake_case")]
pub enum SurveyKind {
    /// A place that was looked at, with all files in it, wanted or not.
    LookedAt,
    /// A place that should have been looked at and could not be.
    Unreadable,
    /// Folders of apps that Android keeps from every shell.
    Private,
    /// Storage of another user of the phone, which Android keeps from this one's shell.
    OtherUser,
    /// A place for a card or stick without one in it.
    NotMounted,
    /// Folders of caches and thumbnails, which are left by choice.
    Caches,
    /// Files outside the known folders that are not photos, videos or sound, by their ending.
    Ending,
    /// Files that the person's own choice leaves.
    Choice,
    /// Links, devices and pipes.
    NotFiles,
}

impl SurveyKind {
    /// Whether nobody knows what is there: with such a place no run has looked at everything.
    pub fn is_unknown(self) -> bool {
        matches!(self, Self::Unreadable | Self::Private | Self::OtherUser)
    }

    /// All kinds.
    pub const ALL: [Self; 9] = [
        Self::LookedAt,
        Self::Unreadable,
        Self::Private,
        Self::OtherUser,
        Self::NotMounted,
        Self::Caches,
        Self::Ending,
        Self::Choice,
        Self::NotFiles,
    ];

    /// What it is, in words.
    pub fn words(self) -> &'static str {
        match self {
            Self::LookedAt => "looked at",
            Self::Unreadable => "not looked at: could not be read",
            Self::Private => "not looked at: folders of apps, which Android keeps to them",
            Self::OtherUser => {
                "not looked at: another user's storage, which Android keeps to that user"
            }
            Self::NotMounted => "without a card or stick",
            Self::Caches => "left: folders of thumbnails and caches",
            Self::Ending => "left: no photos, videos or sound, outside the known folders",
            Self::Choice => "left by choice of kinds, times or patterns",
            Self::NotFiles => "left: links and devices",
        }
    }

    /// The text in the catalogue; must never change.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::LookedAt => "looked_at",
            Self::Unreadable => "unreadable",
            Self::Private => "private",
            Self::OtherUser => "other_user",
            Self::NotMounted => "not_mounted",
            Self::Caches => "caches",
            Self::Ending => "ending",
            Self::Choice => "choice",
            Self::NotFiles => "not_files",
        }
    }
}
