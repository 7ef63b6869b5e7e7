//! The virtual phone's files: a tree in memory whose contents may be made on the fly.

use std::collections::BTreeMap;
use std::io::{Read as _, Seek as _, SeekFrom};
use std::path::PathBuf;

use bytes::Bytes;

use crate::adb::RemotePath;
use crate::adb::sync::Stat;

/// POSIX error numbers.
pub(super) const ENOENT: u32 = 2;
pub(super) const EIO: u32 = 5;
pub(super) const EACCES: u32 = 13;
/// Links followed before giving up, as Linux does.
const MAX_LINKS: u32 = 40;

/// What a file holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Content {
    /// These bytes.
    Bytes(Bytes),
    /// What a file of this computer holds.
    OnDisk {
        /// The file.
        path: PathBuf,
        /// Its size in bytes.
        size: u64,
    },
    /// Bytes that look random, and are the same each time.
    Generated {
        /// How many.
        size: u64,
        /// Which.
        seed: u64,
    },
    /// Zeros.
    Zeros {
        /// How many.
        size: u64,
    },
}

impl Content {
    /// The size in bytes.
    pub fn size(&self) -> u64 {
        match self {
            Self::Bytes(bytes) => bytes.len() as u64,
            Self::OnDisk { size, .. } | Self::Generated { size, .. } | Self::Zeros { size } => {
                *size
            }
        }
    }

    /// Up to `length` bytes from `offset` on; fewer only at the end.
    pub fn read(&self, offset: u64, length: usize) -> Bytes {
        let length = self.size().saturating_sub(offset).min(length as u64) as usize;
        match self {
            // Past the end, where a phone that lies may send from, there is nothing.
            Self::Bytes(_) if length == 0 => Bytes::new(),
            Self::Bytes(bytes) => bytes.slice(offset as usize..offset as usize + length),
            Self::OnDisk { path, .. } => read_disk(path, offset, length).unwrap_or_default(),
            Self::Zeros { .. } => Bytes::from(vec![0; length]),
            Self::Generated { seed, .. } => {
                let first = offset / 8;
                let words = first..=(offset + length as u64) / 8;
                let all: Vec<u8> = words
                    .flat_map(|word| mix(seed ^ mix(word)).to_le_bytes())
                    .collect();
                let skip = (offset % 8) as usize;
                Bytes::from(all).slice(skip..skip + length)
            }
        }
    }
}

fn read_disk(path: &PathBuf, offset: u64, length: usize) -> std::io::Result<Bytes> {
    let mut file = std::fs::File::open(path)?;
    file.seek(SeekFrom::Start(offset))?;
    let mut bytes = vec![0; length];
    file.read_exact(&mut bytes)?;
    Ok(bytes.into())
}

/// The finaliser of SplitMix64: spreads a counter over all bits.
fn mix(word: u64) -> u64 {
    let word = word.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let word = (word ^ (word >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let word = (word ^ (word >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    word ^ (word >> 31)
}

/// A file or folder.
#[derive(Debug, Clone)]
pub struct Node {
    /// What it is.
    pub kind: NodeKind,
    /// Modification time in seconds since 1970.
    pub mtime: i64,
    /// Whether the shell may read it.
    pub readable: bool,
}

/// What a node is.
#[derive(Debug, Clone)]
pub enum NodeKind {
    /// A regular file.
    File(Content),
    /// A folder, with its entries by name.
    Folder(BTreeMap<Box<[u8]>, Node>),
    /// A symbolic link to an absolute path.
    Link(RemotePath),
    /// A named pipe.
    Pipe,
}

impl Node {
    pub(super) fn folder() -> Self {
        Self {
            kind: NodeKind::Folder(BTreeMap::new()),
            mtime: 0,
            readable: true,
        }
    }

    /// What a v2 stat tells.
    pub fn stat(&self) -> Stat {
        let (kind, size) = match &self.kind {
            NodeKind::File(content) => (0o100_000, content.size()),
            NodeKind::Folder(_) => (0o040_000, 4096),
            NodeKind::Link(target) => (0o120_000, target.as_bytes().len() as u64),
            NodeKind::Pipe => (0o010_000, 0),
        };
        let bits = if self.readable { 0o660 } else { 0o600 };
        Stat {
            mode: kind | bits,
            size,
            mtime: self.mtime,
            ..Stat::default()
        }
    }
}

/// A tree of files.
#[derive(Debug, Clone)]
pub struct Tree {
    root: Node,
}

impl Default for Tree {
    fn default() -> Self {
        Self {
            root: Node::folder(),
        }
    }
}

/// What a link at the end of a path stands for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LastLink {
    /// What it leads to.
    Followed,
    /// Itself.
    Itself,
}

impl Tree {
    /// Adds a file, and the folders above it.
    pub fn add_file(&mut self, path: &str, content: Content, mtime: i64) {
        self.add_raw(path.as_bytes(), NodeKind::File(content), mtime);
    }

    /// Adds an empty folder, and those above it.
    pub fn add_folder(&mut self, path: &str) {
        self.add_raw(path.as_bytes(), NodeKind::Folder(BTreeMap::new()), 0);
    }

    /// Adds anything under a path of raw bytes; a path that a phone cannot have is passed over.
    pub fn add_raw(&mut self, path: &[u8], kind: NodeKind, mtime: i64) {
        if let Ok(path) = RemotePath::new(path) {
            let node = self.node_mut(&path);
            let keeps = matches!(
                (&node.kind, &kind),
                (NodeKind::Folder(_), NodeKind::Folder(_))
            );
            if !keeps {
                node.kind = kind;
            }
            node.mtime = mtime;
        }
    }

    /// Takes the shell's right to read a file or folder.
    pub fn forbid(&mut self, path: &str) {
        if let Ok(path) = RemotePath::new(path.as_bytes()) {
            self.node_mut(&path).readable = false;
        }
    }

    /// Adds `count` files of `size` bytes each, a thousand to a folder, with times a minute apart.
    pub fn add_many(&mut self, folder: &str, count: u64, size: u64) {
        for index in 0..count {
            let path = format!("{folder}/{:03}/IMG_{index:06}.jpg", index / 1000);
            let mtime = 1_700_000_000 + index as i64 * 60;
            self.add_file(&path, Content::Generated { size, seed: index }, mtime);
        }
    }

    /// What stands at a path, or the error number; `last` tells what a link at its end is.
    pub fn find(&self, path: &RemotePath, last: LastLink) -> Result<&Node, u32> {
        self.find_counted(path, last, 0)
    }

    fn find_counted(&self, path: &RemotePath, last: LastLink, links: u32) -> Result<&Node, u32> {
        if links > MAX_LINKS {
            return Err(ENOENT);
        }
        let mut node = &self.root;
        let mut parts = path
            .as_bytes()
            .split(|byte| *byte == b'/')
            .filter(|part| !part.is_empty())
            .peekable();
        while let Some(part) = parts.next() {
            let NodeKind::Folder(entries) = &node.kind else {
                return Err(ENOENT);
            };
            if !node.readable {
                return Err(EACCES);
            }
            node = entries.get(part).ok_or(ENOENT)?;
            if let NodeKind::Link(target) = &node.kind
                && (last == LastLink::Followed || parts.peek().is_some())
            {
                node = self.find_counted(target, LastLink::Followed, links + 1)?;
            }
        }
        Ok(node)
    }

    fn node_mut(&mut self, path: &RemotePath) -> &mut Node {
        let mut node = &mut self.root;
        for part in path
            .as_bytes()
            .split(|byte| *byte == b'/')
            .filter(|part| !part.is_empty())
        {
            if !matches!(node.kind, NodeKind::Folder(_)) {
                node.kind = NodeKind::Folder(BTreeMap::new());
            }
            let NodeKind::Folder(entries) = &mut node.kind else {
                unreachable!("made a folder just now")
            };
            node = entries.entry(part.into()).or_insert_with(Node::folder);
        }
        node
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn generated_bytes_are_the_same_read_in_any_pieces() {
        let content = Content::Generated {
            size: 1000,
            seed: 7,
        };
        let whole = content.read(0, 4096);
        assert_eq!(whole.len(), 1000);
        for (offset, length) in [(0, 1), (3, 10), (8, 8), (991, 100), (1000, 5)] {
            let end = (offset + length).min(1000);
            assert_eq!(
                content.read(offset as u64, length),
                whole[offset..end],
                "{offset} {length}"
            );
        }
        assert_ne!(
            whole,
            Content::Generated {
                size: 1000,
                seed: 8
            }
            .read(0, 1000)
        );
    }

    #[test]
    fn links_are_followed_and_loops_end() {
        let mut tree = Tree::default();
        tree.add_file("/a/b", Content::Zeros { size: 3 }, 1);
        let path = |text: &str| RemotePath::new(text.as_bytes()).unwrap();
        tree.add_raw(b"/l", NodeKind::Link(path("/a")), 0);
        tree.add_raw(b"/loop", NodeKind::Link(path("/loop")), 0);
        assert_eq!(
            tree.find(&path("/l/b"), LastLink::Itself)
                .unwrap()
                .stat()
                .size,
            3
        );
        assert!(matches!(
            tree.find(&path("/l"), LastLink::Itself).unwrap().kind,
            NodeKind::Link(_)
        ));
        assert_eq!(
            tree.find(&path("/loop"), LastLink::Followed).unwrap_err(),
            ENOENT
        );
        tree.forbid("/a");
        assert_eq!(
            tree.find(&path("/a/b"), LastLink::Itself).unwrap_err(),
            EACCES
        );
    }
}
