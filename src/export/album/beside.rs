//! Looks into files as a pull brings them, in a thread of its own, while their bytes are in memory still: read again
//! at the end, 50,000 of them would cost a slow disk minutes.

use std::collections::HashMap;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread::JoinHandle;

use super::super::ExportError;
use super::super::rows::{TagFiles as _, failed};
use super::MAX_FILES;
use super::files::{InFolder, next_part};
use super::list::SeenFile;
use super::parts::{self, ENTRIES, EntryPlace};
use crate::event::{Event, Events};
use crate::folder::reader::FoundOnDisk;
use crate::folder::{DataReader, Folder};
use crate::media::kind::MediaKind;
use crate::media::look::{Look, Looker};
use crate::names::LocalPath;
use crate::threads::{self, NoThread};

/// A background task that looks into files while a pull receives them.
#[derive(Debug)]
pub struct Beside {
    sender: Sender<Option<LocalPath>>,
    thread: JoinHandle<ReceivedFiles>,
    stop: Arc<AtomicBool>,
}

/// What becomes of the received files that nobody has looked into yet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Backlog {
    /// They are looked into.
    Finish,
    /// They are left: the run was stopped.
    Leave,
}

/// What is known about the files that a pull received.
#[derive(Debug, Default)]
pub struct ReceivedFiles {
    seen: HashMap<LocalPath, SeenFile>,
    pictures: Option<Pictures>,
}

impl Beside {
    /// Starts looking into files. The small pictures take at most `most_bytes` bytes, because the disk's free space is
    /// needed for the files.
    pub fn start(folder: &Folder, most_bytes: u64) -> Result<Self, NoThread> {
        let (sender, receiver) = channel();
        let stop = Arc::new(AtomicBool::new(false));
        let (root, reader) = (folder.root().to_owned(), folder.data_reader());
        let stopped = Arc::clone(&stop);
        let thread = threads::spawn(move || run(&root, &reader, most_bytes, &receiver, &stopped))?;
        Ok(Self {
            sender,
            thread,
            stop,
        })
    }

    /// Returns events that this task also receives. The newest files must come first: files beyond the number that the
    /// page shows are not looked into.
    pub fn hear(&self, events: &Events) -> Events {
        let (sender, events) = (self.sender.clone(), events.clone());
        let heard = AtomicUsize::new(0);
        Events::to(move |event| {
            if let Event::Pulled { local, .. } = &event
                && matches!(
                    MediaKind::of_name(local.name().as_bytes()),
                    MediaKind::Photo | MediaKind::Video
                )
                && heard.fetch_add(1, Ordering::Relaxed) < MAX_FILES
            {
                // Where it panicked, nobody looks.
                let _ = sender.send(Some(local.clone()));
            }
            events.emit(event);
        })
    }

    /// Ends the task. Returns the results for all received files; without the backlog, those so far.
    pub fn finish(self, backlog: Backlog) -> ReceivedFiles {
        self.stop
            .store(backlog == Backlog::Leave, Ordering::Relaxed);
        let _ = self.sender.send(None);
        self.thread.join().unwrap_or_default()
    }
}

fn run(
    root: &Path,
    reader: &DataReader,
    most_bytes: u64,
    files: &Receiver<Option<LocalPath>>,
    stop: &AtomicBool,
) -> ReceivedFiles {
    let looker = Looker::with_found_thumbs();
    let mut looked = ReceivedFiles::default();
    let mut pictures = Pictures::new(root);
    pictures.limit(most_bytes);
    while let Ok(Some(local)) = files.recv() {
        if stop.load(Ordering::Relaxed) {
            break;
        }
        // The time on the disk is the phone's.
        match look(reader, &looker, &local, 0, &mut pictures) {
            Ok(Some(seen)) => drop(looked.seen.insert(local, seen)),
            Ok(None) => {}
            Err(error) => {
                tracing::debug!(%error, "no small pictures any more");
                break;
            }
        }
    }
    looked.pictures = Some(pictures);
    looked
}

/// Looks into a file; returns `None` if the file is missing.
pub(super) fn look(
    reader: &DataReader,
    looker: &Looker,
    local: &LocalPath,
    mtime: i64,
    pictures: &mut Pictures,
) -> Result<Option<SeenFile>, ExportError> {
    let name = local.name();
    let kind = MediaKind::of_name(name.as_bytes());
    let Ok(FoundOnDisk::File(file)) = reader.open(local) else {
        return Ok(None);
    };
    let look = looker.look(kind, name, mtime, file);
    Ok(Some(SeenFile {
        taken: look.taken.map(|taken| taken.at),
        turn: look.orientation,
        seconds: look.seconds,
        place: pictures.push(&look)?,
        is_looked_at: true,
    }))
}

impl ReceivedFiles {
    /// Returns what is known about a file.
    pub(super) fn of(&self, local: &LocalPath) -> Option<SeenFile> {
        self.seen.get(local).copied()
    }

    pub(super) fn into_pictures(self, root: &Path) -> Pictures {
        self.pictures.unwrap_or_else(|| Pictures::new(root))
    }
}

/// Collects small pictures and writes them in parts of some dozens each.
#[derive(Debug)]
pub(super) struct Pictures {
    root: std::path::PathBuf,
    entries: Vec<String>,
    /// The number of the part being filled; `None` before the first.
    part: Option<u32>,
    left_bytes: u64,
}

impl Pictures {
    fn new(root: &Path) -> Self {
        Self {
            root: root.to_owned(),
            entries: Vec::new(),
            part: None,
            left_bytes: 0,
        }
    }

    /// Limits how many more bytes the pictures may take.
    pub(super) fn limit(&mut self, bytes: u64) {
        self.left_bytes = bytes;
    }

    /// Adds the result of looking into a file. Returns its place in the album, or `None` if there is nothing to show or
    /// no room left.
    pub(super) fn push(&mut self, look: &Look) -> Result<Option<EntryPlace>, ExportError> {
        let Some(entry) = parts::entry(look) else {
            return Ok(None);
        };
        let bytes = entry.len() as u64 + 2;
        if bytes > self.left_bytes {
            return Ok(None);
        }
        self.left_bytes -= bytes;
        let part = match self.part {
            Some(part) => part,
            None => *self.part.insert(next_part(&self.root)),
        };
        // Fewer than fit in a part: see below.
        let place = (part, self.entries.len() as u8);
        self.entries.push(entry);
        if self.entries.len() == ENTRIES {
            self.write(part)?;
            self.part = Some(part.saturating_add(1));
        }
        Ok(Some(place))
    }

    /// Writes the last, incomplete part.
    pub(super) fn end(&mut self) -> Result<(), ExportError> {
        match self.part {
            Some(part) if !self.entries.is_empty() => self.write(part),
            _ => Ok(()),
        }
    }

    fn write(&mut self, part: u32) -> Result<(), ExportError> {
        let (path, entries) = (parts::path(part), &self.entries);
        InFolder::open(&self.root)?.add_tag(&path, &mut |to| {
            parts::write(to, part, entries).map_err(failed(&path))
        })?;
        self.entries.clear();
        Ok(())
    }
}
