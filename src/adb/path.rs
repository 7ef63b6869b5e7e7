//! Paths on the phone: bytes, never text.

use std::fmt;

/// The longest path that the sync service accepts, in bytes (AOSP `file_sync_service.cpp`).
pub const MAX_PATH_BYTES: usize = 1024;

/// An absolute path on the phone: raw bytes, mostly but not always UTF-8.
///
/// It has 1 to [`MAX_PATH_BYTES`] bytes, starts with `/`, and contains no NUL byte, no empty, `.` or `..` component,
/// and no trailing slash (except for the root itself). A name in a phone's listing therefore cannot lead out of the
/// listed folder.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct RemotePath(Box<[u8]>);

/// The reason why bytes are not a valid [`RemotePath`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum PathError {
    /// The path is not absolute.
    #[error("the path does not start with /")]
    NotAbsolute,
    /// The path is longer than [`MAX_PATH_BYTES`], which the sync service would refuse.
    #[error("the path is longer than {MAX_PATH_BYTES} bytes")]
    TooLong,
    /// The path has an empty, `.` or `..` component, or a NUL byte.
    #[error("a part of the path is empty, '.', '..' or holds a NUL byte or a slash")]
    BadComponent,
}

impl RemotePath {
    /// Checks an absolute path and drops any trailing slashes.
    pub fn new(bytes: &[u8]) -> Result<Self, PathError> {
        let Some(rest) = bytes.strip_prefix(b"/") else {
            return Err(PathError::NotAbsolute);
        };
        let rest = match rest.iter().rposition(|byte| *byte != b'/') {
            Some(last) => rest.get(..=last).unwrap_or_default(),
            None => return Ok(Self(Box::from(*b"/"))),
        };
        if rest.len() + 1 > MAX_PATH_BYTES {
            return Err(PathError::TooLong);
        }
        if !rest.split(|byte| *byte == b'/').all(is_component) {
            return Err(PathError::BadComponent);
        }
        let mut path = Vec::with_capacity(rest.len() + 1);
        path.push(b'/');
        path.extend_from_slice(rest);
        Ok(Self(path.into_boxed_slice()))
    }

    /// Returns the path of an entry of this folder. `name` comes from the phone and is checked.
    pub fn join(&self, name: &[u8]) -> Result<Self, PathError> {
        if !is_component(name) {
            return Err(PathError::BadComponent);
        }
        let separator: &[u8] = if self.is_root() { b"" } else { b"/" };
        let path = [&self.0, separator, name].concat();
        if path.len() > MAX_PATH_BYTES {
            return Err(PathError::TooLong);
        }
        Ok(Self(path.into_boxed_slice()))
    }

    /// Returns the path's raw bytes.
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    /// Returns the last component; empty for the root.
    pub fn name(&self) -> &[u8] {
        self.0
            .rsplit(|byte| *byte == b'/')
            .next()
            .unwrap_or_default()
    }

    /// Returns the folder that contains this path; `None` for the root.
    pub fn parent(&self) -> Option<Self> {
        if self.is_root() {
            return None;
        }
        let cut = self.0.iter().rposition(|byte| *byte == b'/')?;
        Some(Self(Box::from(self.0.get(..cut.max(1))?)))
    }

    /// Returns the components below `folder`, or `None` if this path is not inside it.
    pub fn below<'a>(
        &'a self,
        folder: &Self,
    ) -> Option<impl DoubleEndedIterator<Item = &'a [u8]> + Clone> {
        let rest = self.0.strip_prefix(&*folder.0)?;
        let rest = if folder.is_root() {
            rest
        } else {
            rest.strip_prefix(b"/")?
        };
        (!rest.is_empty()).then(|| rest.split(|byte| *byte == b'/'))
    }

    fn is_root(&self) -> bool {
        *self.0 == *b"/"
    }
}

fn is_component(name: &[u8]) -> bool {
    !matches!(name, b"" | b"." | b"..") && !name.iter().any(|byte| matches!(byte, 0 | b'/'))
}

/// Shows the path as text for messages. Bytes that are not UTF-8 are replaced, so the result must not be sent to the
/// phone.
impl fmt::Display for RemotePath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&String::from_utf8_lossy(&self.0))
    }
}

impl fmt::Debug for RemotePath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "\"{}\"", self.0.escape_ascii())
    }
}

impl serde::Serialize for RemotePath {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn path(text: &str) -> RemotePath {
        RemotePath::new(text.as_bytes()).unwrap()
    }

    #[test]
    fn names_that_climb_out_are_refused() {
        let folder = path("/storage/emulated/0/");
        for name in [&b""[..], b".", b"..", b"a/b", b"../x", b"a\0b", b"/etc"] {
            assert_eq!(folder.join(name), Err(PathError::BadComponent), "{name:?}");
        }
        assert_eq!(
            folder.join(b"...").unwrap(),
            path("/storage/emulated/0/...")
        );
        assert_eq!(path("/").join(b"x").unwrap(), path("/x"));
    }

    #[test]
    fn bytes_that_are_no_path_are_refused() {
        assert_eq!(RemotePath::new(b"DCIM"), Err(PathError::NotAbsolute));
        assert_eq!(RemotePath::new(b"/a//b"), Err(PathError::BadComponent));
        assert_eq!(RemotePath::new(b"/a/../b"), Err(PathError::BadComponent));
        assert_eq!(RemotePath::new(&[b'/'; 2000]), Ok(path("/")));
        let longest = [b"/", [b'x'; 1023].as_slice()].concat();
        assert_eq!(
            RemotePath::new(&longest).map(|p| p.as_bytes().len()),
            Ok(1024)
        );
        assert_eq!(path("/x").join(&[b'x'; 1022]), Err(PathError::TooLong));
    }

    #[test]
    fn parts_of_a_path() {
        let photo = path("/storage/emulated/0/DCIM/a.jpg");
        assert_eq!(photo.name(), b"a.jpg");
        assert_eq!(photo.parent(), Some(path("/storage/emulated/0/DCIM")));
        assert_eq!(path("/x").parent(), Some(path("/")));
        assert_eq!(path("/").parent(), None);
        let below: Vec<_> = photo.below(&path("/storage/emulated/0")).unwrap().collect();
        assert_eq!(below, [b"DCIM".as_slice(), b"a.jpg"]);
        assert!(
            path("/storage/emulated/01")
                .below(&path("/storage/emulated/0"))
                .is_none()
        );
        assert!(photo.below(&photo).is_none());
    }

    proptest! {
        #[test]
        fn whatever_a_phone_calls_an_entry_lies_in_its_folder_or_is_refused(
            folder in "/[ab/]{0,8}",
            name in prop::collection::vec(prop::sample::select(b"./a\0\xff\n".to_vec()), 0..5),
        ) {
            prop_assume!(!folder.contains("//") || folder.bytes().all(|byte| byte == b'/'));
            let folder = path(&folder);
            match folder.join(&name) {
                Ok(entry) => {
                    prop_assert_eq!(entry.parent(), Some(folder.clone()));
                    prop_assert_eq!(entry.name(), &name);
                    prop_assert!(entry.below(&folder).unwrap().eq([name.as_slice()]));
                    prop_assert_eq!(RemotePath::new(entry.as_bytes()), Ok(entry));
                }
                Err(error) => {
                    prop_assert_eq!(error, PathError::BadComponent);
                    let forbidden = name.iter().any(|byte| matches!(byte, 0 | b'/'));
                    prop_assert!(forbidden || matches!(&*name, b"" | b"." | b".."));
                }
            }
        }
    }
}
