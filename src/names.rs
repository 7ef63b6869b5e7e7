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
//! | a folder's path of more than 600 bytes | its parents become `deep~` and 8 digits of their raw path's SHA-256, in the volume's folder | paths end at 1,024 bytes on macOS |
//!
//! Folders are treated like files, each within its parent: `DCIM` and `dcim` become `DCIM` and
//! `dcim (2)`, and all that lies in the second follows it there. A file and a folder never share
//! a name either.

mod local_path;
mod spelling;
mod upload_path;

use std::collections::{HashMap, HashSet};
use std::hash::{BuildHasher as _, RandomState};

pub(crate) use local_path::with_slashes;
pub use local_path::{LocalPath, LocalPathError, MAX_LOCAL_BYTES};
pub use spelling::spell;
use spelling::{MAX_NAME_BYTES, shortened};
pub(crate) use spelling::{digest_mark, folded, harmless, split_extension};
pub use upload_path::{UploadPath, UploadPathError};

/// The longest path of a folder as spelt, without the numbers of namesakes: a matter of the raw
/// path alone, so that the same folder comes out the same way in every run. Leaves room for a
/// file's name and for the rescue folder's own path.
const MAX_SPELT_FOLDER_BYTES: usize = 600;

/// The bytes of the name that stands for folders whose path is too long: `deep~0123abcd`.
const DEEP_BYTES: usize = "deep~".len() + 8;

/// The longest path of a folder with those numbers; only malice gets there.
const MAX_FOLDER_BYTES: usize = 700;

/// The room that ` (n)` needs for any `n` that fits a catalogue.
const NUMBER_BYTES: usize = 13;

/// Hands out local paths, each only once.
///
/// Holds some 10 to 20 bytes per file and one small node per folder, whatever the names' length:
/// names are remembered as keyed 64-bit hashes. Two names whose hashes meet by chance are treated
/// as equal, which costs one of them a needless ` (2)` and nothing else.
pub struct Names {
    folders: Vec<NamedFolder>,
    /// (folder, raw name) -> the local folder that it became.
    known: HashMap<u64, FolderId>,
    /// (folder, folded local name) of files, and of folders whose number is not known yet.
    taken: HashSet<u64>,
    /// (folder, folded local name) -> the local folder of this name.
    local: HashMap<u64, FolderId>,
    /// (folder, folded name, kind) -> the number to try next for a namesake; without it, ten
    /// thousand namesakes would count from 2 each.
    numbers: HashMap<u64, u32>,
    hashes: RandomState,
}

/// A local folder: an index into [`Names::folders`].
type FolderId = u32;

const ROOT: FolderId = 0;

struct NamedFolder {
    parent: FolderId,
    name: Box<str>,
    length: Length,
}

/// The bytes of a folder's path, with the separator after it.
#[derive(Clone, Copy, Default)]
struct Length {
    /// As it is.
    real: usize,
    /// As the raw names are spelt, without numbers.
    spelt: usize,
}

impl Length {
    fn of_child(self, name: &str, spelt_bytes: usize) -> Self {
        Self {
            real: self.real + name.len() + 1,
            spelt: self.spelt + spelt_bytes + 1,
        }
    }
}

#[derive(Clone, Copy, PartialEq, Eq, Hash)]
enum EntryKind {
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
            folders: vec![NamedFolder {
                parent: ROOT,
                name: "".into(),
                length: Length::default(),
            }],
            known: HashMap::new(),
            taken: HashSet::new(),
            local: HashMap::new(),
            numbers: HashMap::new(),
            hashes: RandomState::new(),
        }
    }

    /// Makes room for so many files at once, which takes less memory in the end.
    pub fn reserve(&mut self, files: usize) {
        self.taken.reserve(files);
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
                    folder = self.adopt(folder, self.raw_key(folder, raw), local, spell(raw).len());
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
                    folder = self.adopt(folder, self.raw_key(folder, raw), local, spell(raw).len());
                }
                if let Some(local) = locals.next() {
                    folder = self.adopt(folder, self.deep_key(folder, above), local, DEEP_BYTES);
                }
                for (raw, local) in below.iter().zip(locals) {
                    folder = self.adopt(folder, self.raw_key(folder, raw), local, spell(raw).len());
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
            let name = self.claim(ROOT, spell(b""), b"", EntryKind::File);
            return self.path(ROOT, &name);
        };
        let mut folder = ROOT;
        for (depth, raw_folder) in raw_folders.iter().enumerate() {
            let above = raw_folders.get(..depth).unwrap_or_default();
            folder = self.folder_in(folder, raw_folder, above, prefix_len);
        }
        let name = self.claim(folder, spell(raw_name), raw_name, EntryKind::File);
        self.path(folder, &name)
    }

    /// Gives a companion of `local` a path in the same folder: `IMG_1.jpg` with `.damaged` gets
    /// `IMG_1.jpg.damaged`, or the next free one. With no ending, another name for the file itself,
    /// for when something unknown stands at `local`.
    pub fn allocate_beside(&mut self, local: &LocalPath, ending: &str) -> LocalPath {
        let folder = self.local_folder(local);
        let wanted = format!("{}{ending}", local.name());
        let name = spell(wanted.as_bytes());
        let name = self.claim(folder, name, wanted.as_bytes(), EntryKind::File);
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
        let length = self.length(parent).of_child(&name, name.len());
        let is_too_deep = length.spelt > MAX_SPELT_FOLDER_BYTES || length.real > MAX_FOLDER_BYTES;
        // Two folders at least become one, so that `remember` can tell such paths by their depth.
        if is_too_deep && above.len() > prefix_len + 1 {
            parent = self.deep_folder(above, prefix_len);
            if let Some(folder) = self.known.get(&self.raw_key(parent, raw)) {
                return *folder;
            }
        }
        let key = self.raw_key(parent, raw);
        let spelt_bytes = name.len();
        let name = self.claim(parent, name, raw, EntryKind::Folder);
        self.new_folder(parent, key, name, spelt_bytes)
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
        let name = self.claim(volume, name, &raw_path, EntryKind::Folder);
        self.new_folder(volume, key, name, DEEP_BYTES)
    }

    /// Takes `name` in `folder`, or the first free variant of it.
    fn claim(&mut self, folder: FolderId, name: String, raw: &[u8], kind: EntryKind) -> String {
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
        !self.local.contains_key(&key) && self.taken.insert(key)
    }

    fn new_folder(
        &mut self,
        parent: FolderId,
        raw_key: u64,
        name: String,
        spelt_bytes: usize,
    ) -> FolderId {
        let folder = self.push_folder(parent, &name, spelt_bytes);
        let local_key = self.local_key(parent, &name);
        self.local.insert(local_key, folder);
        self.known.insert(raw_key, folder);
        folder
    }

    /// The local folder `name`, which the catalogue knows, as what the raw folder became.
    fn adopt(
        &mut self,
        parent: FolderId,
        raw_key: u64,
        name: &str,
        spelt_bytes: usize,
    ) -> FolderId {
        let id = self.existing_folder(parent, name);
        self.known.entry(raw_key).or_insert(id);
        let length = self.length(parent).of_child(name, spelt_bytes);
        if let Some(folder) = self.folders.get_mut(id as usize) {
            folder.length = length;
        }
        id
    }

    fn existing_folder(&mut self, parent: FolderId, name: &str) -> FolderId {
        let key = self.local_key(parent, name);
        match self.local.get(&key) {
            Some(folder) => *folder,
            None => {
                let folder = self.push_folder(parent, name, name.len());
                self.local.insert(key, folder);
                folder
            }
        }
    }

    fn local_folder(&mut self, local: &LocalPath) -> FolderId {
        let mut names = local.components();
        names.next_back();
        names.fold(ROOT, |folder, name| self.existing_folder(folder, name))
    }

    fn push_folder(&mut self, parent: FolderId, name: &str, spelt_bytes: usize) -> FolderId {
        let length = self.length(parent).of_child(name, spelt_bytes);
        let folder = FolderId::try_from(self.folders.len()).unwrap_or(ROOT);
        self.folders.push(NamedFolder {
            parent,
            name: name.into(),
            length,
        });
        folder
    }

    fn length(&self, folder: FolderId) -> Length {
        self.folder(folder)
            .map_or_else(Length::default, |folder| folder.length)
    }

    fn path(&self, folder: FolderId, name: &str) -> LocalPath {
        let mut names = vec![name];
        let mut next = folder;
        while let Some(folder) = self.folder(next) {
            names.push(&folder.name);
            next = folder.parent;
        }
        names.reverse();
        LocalPath::joined(&names)
    }

    /// `None` for `data/` itself.
    fn folder(&self, folder: FolderId) -> Option<&NamedFolder> {
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

fn numbered(name: &str, number: u32, kind: EntryKind) -> String {
    match kind {
        EntryKind::Folder => format!("{name} ({number})"),
        EntryKind::File => {
            let (stem, extension) = split_extension(name);
            format!("{stem} ({number}){extension}")
        }
    }
}

#[cfg(test)]
mod tests;
