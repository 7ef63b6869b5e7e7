//! Which album a file belongs to, for services that know albums.

use super::{folder_of, name_of};

/// How uploaded files are put into albums.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) enum Albums {
    /// No albums.
    #[default]
    None,
    /// One album with this title for all files.
    One(String),
    /// One album for each folder of the phone, with the folder's name as its title.
    PerFolder,
}

impl Albums {
    /// Returns the album of a file, from its path below `data/`, such as `internal/DCIM/Camera/IMG_1.jpg`.
    pub(crate) fn of<'a>(&'a self, source: &'a str) -> Option<&'a str> {
        match self {
            Self::None => None,
            Self::One(name) => Some(name),
            Self::PerFolder => Some(name_of(folder_of(source))).filter(|name| !name.is_empty()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn albums_are_called_after_the_last_folder() {
        let source = "internal/DCIM/Camera/IMG_1.jpg";
        assert_eq!(Albums::PerFolder.of(source), Some("Camera"));
        assert_eq!(Albums::PerFolder.of("IMG_1.jpg"), None);
        assert_eq!(Albums::One("Trip".to_owned()).of(source), Some("Trip"));
        assert_eq!(Albums::None.of(source), None);
    }
}
