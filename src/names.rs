//! A phone's raw bytes become safe names on this disk. Pure: nothing here touches a file.
//!
//! What goes in: the components of a path on the phone, any bytes but `/` and NUL. What comes
//! out: a [`LocalPath`] below `data/` that ext4, FAT32, exFAT, NTFS, APFS and HFS+ all take, that
//! reads like the name on the phone, and that no two files share. Nothing is lost: the catalogue
//! keeps the raw bytes beside the local path.
//!
//! | on the phone | on this disk | why |
//! | --- | --- | --- |
//! | a byte that is not UTF-8 | `‛` (U+201B) and two hexadecimal digits | macOS and Windows take only Unicode |
//! | control characters, DEL | their pictures, `␊` (U+2400...) and `␡` | refused by Windows; they play tricks on terminals |
//! | `< > : " / \ \| ? *` | full-width forms, `：` | refused by Windows and FAT |
//! | `%` | `％` | BagIt manifests percent-encode it, `sha256sum -c` does not decode it |
//! | C1 controls, line separators, direction marks, BOM | `�` (U+FFFD) | they disguise a name on a screen |
//! | a dot or space at the end | `．` or `␠` | Windows drops it |
//! | `CON`, `NUL.txt`, `com1`... | `_CON`... | devices on Windows |
//! | more than 255 bytes | cut, with `~` and 8 digits of the raw name's SHA-256 before the extension | the longest name anywhere |
//! | a name that differs from an earlier one only in case, normalisation or invisible characters | ` (2)` before the extension, ` (3)`... | one file on NTFS, exFAT, APFS |
//! | more than 800 bytes in all | the folders become `deep~` and 8 digits of their raw path's SHA-256, in the volume's folder | paths end at 1,024 bytes on macOS |
//!
//! Folders are treated like files, each within its parent: `DCIM` and `dcim` become `DCIM` and
//! `dcim (2)`, and all that lies in the second follows it there. A file and a folder never share
//! a name either.

mod spelling;

use std::collections::HashMap;
use std::fmt;
use std::hash::{BuildHasher as _, RandomState};
use std::str::FromStr;

pub use spelling::spell;
use spelling::{MAX_NAME_BYTES, digest_mark, folded, replacement, shortened, split_extension};

/// The longest [`LocalPath`], in bytes; `PATH_MAX` of macOS.
pub const MAX_LOCAL_BYTES: usize = 1024;

/// The longest path that [`Names`] makes out of folders, which leaves room for the number of a
/// later namesake, for an ending such as `.damaged`, and for the rescue folder's own path.
const MAX_ALLOCATED_BYTES: usize = 800;

/// The room that ` (n)` needs for any `n` that fits a catalogue.
const NUMBER_BYTES: usize = 13;

/// A path below `data/`: UTF-8, components separated by `/`, as in `internal/DCIM/IMG_1.jpg`.
///
/// Every component is a single plain name: not empty, not `.` or `..`, at most 255 bytes, without
/// backslashes, control characters or anything else that [`spell`] replaces. So it cannot leave
/// `data/`, and it stands in a manifest as it is.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct LocalPath(Box<str>);

/// Why a text is no [`LocalPath`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum LocalPathError {
    /// Longer than [`MAX_LOCAL_BYTES`], or a component longer than 255 bytes.
    #[error("the path or a part of it is too long")]
    TooLong,
    /// An empty, `.` or `..` component; also what an absolute path begins with.
    #[error("a part of the path is empty, '.' or '..'")]
    BadComponent,
    /// A character that no local name holds.
    #[error("the path holds the character {0:?}")]
    BadCharacter(char),
}

impl LocalPath {
    /// Checks a path that comes from a catalogue or a manifest, neither of which is trusted.
    pub fn new(text: &str) -> Result<Self, LocalPathError> {
        if text.len() > MAX_LOCAL_BYTES {
            return Err(LocalPathError::TooLong);
        }
        for component in text.split('/') {
            if matches!(component, "" | "." | "..") {
                return Err(LocalPathError::BadComponent);
            }
            if component.len() > MAX_NAME_BYTES {
                return Err(LocalPathError::TooLong);
            }
            if let Some(bad) = component.chars().find(|c| replacement(*c).is_some()) {
                return Err(LocalPathError::BadCharacter(bad));
            }
        }
        Ok(Self(text.into()))
    }

    /// The path as text, relative to `data/`.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The names from the volume's folder down to the file.
    pub fn components(&self) -> impl DoubleEndedIterator<Item = &str> + Clone {
        self.0.split('/')
    }

    /// The last component.
    pub fn name(&self) -> &str {
        self.0.rsplit('/').next().unwrap_or_default()
    }

    /// The folder that holds this; `None` right below `data/`.
    pub fn parent(&self) -> Option<Self> {
        self.0
            .rsplit_once('/')
            .map(|(parent, _)| Self(parent.into()))
    }
}

impl FromStr for LocalPath {
    type Err = LocalPathError;

    fn from_str(text: &str) -> Result<Self, LocalPathError> {
        Self::new(text)
    }
}

impl fmt::Display for LocalPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for LocalPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.0, f)
    }
}

impl serde::Serialize for LocalPath {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.0)
    }
}

/// Hands out local paths, each only once.
///
/// Holds some 20 to 40 bytes per file and one small node per folder, whatever the names' length:
/// names are remembered as keyed 64-bit hashes. Two names whose hashes meet by chance are treated
/// as equal, which costs one of them a needless ` (2)` and nothing else.
pub struct Names {
    folders: Vec<Folder>,
    /// (folder, raw name) -> the local folder that it became.
    known: HashMap<u64, FolderId>,
    /// (folder, folded local name) -> the local folder of this name, or [`FILE`].
    taken: HashMap<u64, FolderId>,
    /// (folder, folded name, kind) -> the number to try next for a namesake; without it, ten
    /// thousand namesakes would count from 2 each.
    numbers: HashMap<u64, u32>,
    hashes: RandomState,
}

/// A local folder: an index into [`Names::folders`].
type FolderId = u32;

const ROOT: FolderId = 0;
/// Stands in [`Names::taken`] for a file.
const FILE: FolderId = FolderId::MAX;

struct Folder {
    parent: FolderId,
    name: Box<str>,
    path_bytes: usize,
}

#[derive(Clone, Copy, PartialEq, Eq, Hash)]
enum Kind {
    File,
    Folder,
}

impl Default for Names {
    fn default() -> Self {
        Self::new()
    }
}

impl Names {
    /// No path is taken yet.
    pub fn new() -> Self {
        Self {
            folders: vec![Folder {
                parent: ROOT,
                name: "".into(),
                path_bytes: 0,
            }],
            known: HashMap::new(),
            taken: HashMap::new(),
            numbers: HashMap::new(),
            hashes: RandomState::new(),
        }
    }

    /// Takes over an entry of the catalogue: its local path is taken, and its folders on the phone
    /// keep the local folders that they have.
    ///
    /// `prefix` and `components` are what [`Names::allocate`] got for it.
    pub fn remember<'a>(
        &mut self,
        prefix: &'a str,
        components: impl IntoIterator<Item = &'a [u8]>,
        local: &LocalPath,
    ) {
        let (raw, prefix_len) = joined(prefix, components);
        let raw_folders = raw.split_last().map_or(&raw[..], |(_, folders)| folders);
        let mut local_folders: Vec<&str> = local.components().collect();
        local_folders.pop();

        let mut folder = ROOT;
        // Which raw folder each local one stands for; all but the `deep~` one stand for the one
        // at the same distance from the file.
        let after_deep = local_folders.len().checked_sub(prefix_len + 1);
        match after_deep {
            _ if raw_folders.len() == local_folders.len() => {
                for (raw, local) in raw_folders.iter().zip(&local_folders) {
                    folder = self.adopt(folder, self.raw_key(folder, raw), local);
                }
            }
            Some(after_deep) if raw_folders.len() > local_folders.len() => {
                let deep_end = raw_folders.len() - after_deep;
                let (above, below) = raw_folders.split_at(deep_end);
                let mut locals = local_folders.iter();
                for (raw, local) in above
                    .iter()
                    .take(prefix_len)
                    .zip(locals.by_ref().take(prefix_len))
                {
                    folder = self.adopt(folder, self.raw_key(folder, raw), local);
                }
                if let Some(local) = locals.next() {
                    folder = self.adopt(folder, self.deep_key(folder, above), local);
                }
                for (raw, local) in below.iter().zip(locals) {
                    folder = self.adopt(folder, self.raw_key(folder, raw), local);
                }
            }
            // Not made by this allocator: nothing is known but that the path is taken.
            _ => return self.occupy(local),
        }
        self.take(folder, local.name());
    }

    /// Takes a path that is in use without belonging to an entry.
    pub fn occupy(&mut self, local: &LocalPath) {
        let folder = self.local_folder(local);
        self.take(folder, local.name());
    }

    /// Gives a file of the phone a path of its own, in `prefix`, the volume's folder.
    ///
    /// A second call with the same arguments gives another path: the entry's next version.
    pub fn allocate<'a>(
        &mut self,
        prefix: &'a str,
        components: impl IntoIterator<Item = &'a [u8]>,
    ) -> LocalPath {
        let (raw, prefix_len) = joined(prefix, components);
        let Some((raw_name, raw_folders)) = raw.split_last() else {
            let name = self.claim(ROOT, spell(b""), b"", Kind::File);
            return self.path(ROOT, &name);
        };
        let mut folder = ROOT;
        for (depth, raw_folder) in raw_folders.iter().enumerate() {
            let above = raw_folders.get(..depth).unwrap_or_default();
            folder = self.folder_in(folder, raw_folder, above, prefix_len);
        }
        let name = spell(raw_name);
        if raw_folders.len() > prefix_len && self.is_too_deep(folder, &name) {
            folder = self.deep_folder(raw_folders, prefix_len);
        }
        let name = self.claim(folder, name, raw_name, Kind::File);
        self.path(folder, &name)
    }

    /// Gives a companion of `local` a path in the same folder: `IMG_1.jpg` with `.damaged` gets
    /// `IMG_1.jpg.damaged`, or the next free one.
    pub fn allocate_beside(&mut self, local: &LocalPath, ending: &str) -> LocalPath {
        let folder = self.local_folder(local);
        let wanted = format!("{}{ending}", local.name());
        let name = spell(wanted.as_bytes());
        let name = self.claim(folder, name, wanted.as_bytes(), Kind::File);
        self.path(folder, &name)
    }

    /// The local folder of `raw` within `parent`; `above` are the raw folders on the way to it.
    fn folder_in(
        &mut self,
        mut parent: FolderId,
        raw: &[u8],
        above: &[&[u8]],
        prefix_len: usize,
    ) -> FolderId {
        if let Some(folder) = self.known.get(&self.raw_key(parent, raw)) {
            return *folder;
        }
        let name = spell(raw);
        if above.len() > prefix_len && self.is_too_deep(parent, &name) {
            parent = self.deep_folder(above, prefix_len);
            if let Some(folder) = self.known.get(&self.raw_key(parent, raw)) {
                return *folder;
            }
        }
        let key = self.raw_key(parent, raw);
        let name = self.claim(parent, name, raw, Kind::Folder);
        self.new_folder(parent, key, name)
    }

    /// The folder that stands for `raw_folders`, whose own path is too long.
    fn deep_folder(&mut self, raw_folders: &[&[u8]], prefix_len: usize) -> FolderId {
        let mut volume = ROOT;
        for (depth, raw) in raw_folders.iter().take(prefix_len).enumerate() {
            let above = raw_folders.get(..depth).unwrap_or_default();
            volume = self.folder_in(volume, raw, above, prefix_len);
        }
        let key = self.deep_key(volume, raw_folders);
        if let Some(folder) = self.known.get(&key) {
            return *folder;
        }
        let raw_path = raw_folders.join(&b'/');
        let name = format!("deep~{}", digest_mark(&raw_path));
        let name = self.claim(volume, name, &raw_path, Kind::Folder);
        self.new_folder(volume, key, name)
    }

    /// Takes `name` in `folder`, or the first free variant of it.
    fn claim(&mut self, folder: FolderId, name: String, raw: &[u8], kind: Kind) -> String {
        if self.take(folder, &name) {
            return name;
        }
        // Shortened by the raw name's digest where the number would not fit: cutting alone could
        // lead many names to one, each of which would count from 2 again.
        let base = shortened(name, raw, MAX_NAME_BYTES - NUMBER_BYTES);
        let counter = self
            .hashes
            .hash_one((folder, folded(&base).as_bytes(), kind));
        let mut number = self.numbers.get(&counter).copied().unwrap_or(2);
        loop {
            let candidate = numbered(&base, number, kind);
            number += 1;
            if self.take(folder, &candidate) {
                self.numbers.insert(counter, number);
                return candidate;
            }
        }
    }

    /// Marks a file's or a new folder's name as taken; false when it is taken already.
    fn take(&mut self, folder: FolderId, name: &str) -> bool {
        let key = self.local_key(folder, name);
        match self.taken.entry(key) {
            std::collections::hash_map::Entry::Occupied(_) => false,
            std::collections::hash_map::Entry::Vacant(free) => {
                free.insert(FILE);
                true
            }
        }
    }

    fn new_folder(&mut self, parent: FolderId, raw_key: u64, name: String) -> FolderId {
        let folder = self.push_folder(parent, &name);
        let local_key = self.local_key(parent, &name);
        self.taken.insert(local_key, folder);
        self.known.insert(raw_key, folder);
        folder
    }

    /// The local folder `name`, which the catalogue knows, as what the raw folder became.
    fn adopt(&mut self, parent: FolderId, raw_key: u64, name: &str) -> FolderId {
        let folder = self.existing_folder(parent, name);
        self.known.entry(raw_key).or_insert(folder);
        folder
    }

    fn existing_folder(&mut self, parent: FolderId, name: &str) -> FolderId {
        let key = self.local_key(parent, name);
        match self.taken.get(&key) {
            Some(folder) if *folder != FILE => *folder,
            _ => {
                let folder = self.push_folder(parent, name);
                self.taken.insert(key, folder);
                folder
            }
        }
    }

    fn local_folder(&mut self, local: &LocalPath) -> FolderId {
        let mut names = local.components();
        names.next_back();
        names.fold(ROOT, |folder, name| self.existing_folder(folder, name))
    }

    fn push_folder(&mut self, parent: FolderId, name: &str) -> FolderId {
        let path_bytes = self.path_bytes(parent) + name.len();
        let folder = FolderId::try_from(self.folders.len()).unwrap_or(ROOT);
        self.folders.push(Folder {
            parent,
            name: name.into(),
            path_bytes,
        });
        folder
    }

    /// The bytes of the folder's path, with the separator after it.
    fn path_bytes(&self, folder: FolderId) -> usize {
        match self.folder(folder) {
            Some(folder) => folder.path_bytes + 1,
            None => 0,
        }
    }

    fn is_too_deep(&self, folder: FolderId, name: &str) -> bool {
        self.path_bytes(folder) + name.len() > MAX_ALLOCATED_BYTES
    }

    fn path(&self, folder: FolderId, name: &str) -> LocalPath {
        let mut names = vec![name];
        let mut next = folder;
        while let Some(folder) = self.folder(next) {
            names.push(&folder.name);
            next = folder.parent;
        }
        names.reverse();
        LocalPath(names.join("/").into())
    }

    /// `None` for `data/` itself.
    fn folder(&self, folder: FolderId) -> Option<&Folder> {
        (folder != ROOT)
            .then(|| self.folders.get(folder as usize))
            .flatten()
    }

    fn raw_key(&self, folder: FolderId, raw: &[u8]) -> u64 {
        self.hashes.hash_one((folder, raw))
    }

    /// Differs from every raw name's key: those hold no list of names.
    fn deep_key(&self, folder: FolderId, raw_folders: &[&[u8]]) -> u64 {
        self.hashes.hash_one((folder, "deep", raw_folders))
    }

    fn local_key(&self, folder: FolderId, name: &str) -> u64 {
        self.hashes.hash_one((folder, folded(name).as_bytes()))
    }
}

/// The raw components from the prefix's first to the file's name, and how many are the prefix's.
fn joined<'a>(
    prefix: &'a str,
    components: impl IntoIterator<Item = &'a [u8]>,
) -> (Vec<&'a [u8]>, usize) {
    let mut raw: Vec<_> = prefix
        .split('/')
        .filter(|part| !part.is_empty())
        .map(str::as_bytes)
        .collect();
    let prefix_len = raw.len();
    raw.extend(components);
    (raw, prefix_len)
}

fn numbered(name: &str, number: u32, kind: Kind) -> String {
    match kind {
        Kind::Folder => format!("{name} ({number})"),
        Kind::File => {
            let (stem, extension) = split_extension(name);
            format!("{stem} ({number}){extension}")
        }
    }
}

#[cfg(test)]
mod tests;
