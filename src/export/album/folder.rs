//! The album of a rescue folder. `index.html` is replaced last and as a whole: whatever stops the program leaves the
//! old page or the new one. Pictures that an earlier album has are kept, so that a pull pays for new files only.

use std::cmp::Reverse;
use std::fs;
use std::io::{BufWriter, Read as _, Write};
use std::path::{Path, PathBuf};

use super::super::ExportError;
use super::super::dates::Taken;
use super::super::look::Looker;
use super::super::plan::Why;
use super::super::rows::{TagFiles, WriteTag, failed};
use super::beside::{Looked, Pictures};
use super::known::{Known, Seen};
use super::list::{self, Head, Line, folder_of};
use super::{ALBUM, MAX_MISSING, PAGE, page, parts};
use crate::digest::Sha256;
use crate::folder::disk::system::held::Bearer;
use crate::folder::disk::{self, Within};
use crate::folder::reader::Found;
use crate::folder::{Access, DataReader, DiskError, Entry, Folder, Reason, ReasonCode, State};
use crate::media::kind::MediaKind;
use crate::names::LocalPath;

/// Files that nobody looked into while they came, because an earlier run was cut short or an older program made the
/// folder: the album looks into so many of them, the newest first. The page shows the others all the same.
const MAX_LATE: usize = 2000;
/// The most bytes of a page.
const MAX_PAGE_BYTES: u64 = 1024 * 1024;
/// Of the free room, the album's small pictures take this share at most.
const SHARE_OF_ROOM: u64 = 20;

/// Whether the page that this program writes is there.
pub fn is_current(root: &Path) -> bool {
    let found = found_page(root);
    let list = found.as_deref().and_then(page::list_of);
    list.is_some_and(|list| {
        let is_there = fs::symlink_metadata(root.join(list)).is_ok_and(|it| it.len() > 0);
        is_there && found.as_deref() == Some(page::page(list).as_str())
    })
}

/// Writes the album of a folder: of all files in it, with what was seen of them as they came.
///
/// # Errors
///
/// The disk or the catalogue fails. The earlier album is there still then, and nothing else of the folder changed.
pub fn write_to_folder(folder: &Folder, looked: Looked) -> Result<(), ExportError> {
    if folder.access() != Access::ReadWrite {
        return Ok(());
    }
    let root = folder.root();
    let number = list_numbers(root)
        .max()
        .map_or(0, |last| last.saturating_add(1));
    let (head, mut rows) = rows(folder, &looked)?;
    let mut pictures = looked.into_pictures(root);
    look_late(folder, &head, &mut rows, &mut pictures)?;
    pictures.end()?;
    rows.sort_by_key(|row| Reverse(row.seen.taken));

    let list = format!("{ALBUM}/list-{number}.js");
    let mut to = InFolder::open(root)?;
    let write = |to: &mut dyn Write| {
        list::begin(to, &head).map_err(failed(&list))?;
        for row in &rows {
            let line = Line::new(row.folder, &row.name, &row.sha256, row.size, &row.seen);
            list::line(to, &line).map_err(failed(&list))?;
        }
        list::end(to).map_err(failed(&list))
    };
    // A page must not name a list whose bytes a power cut may still take.
    to.put(&list, true, &mut |to| write(to))?;
    let page = page::page(&list);
    to.put(PAGE, true, &mut |to| {
        to.write_all(page.as_bytes()).map_err(failed(PAGE))
    })?;
    sweep(root, number, &rows);
    Ok(())
}

/// A file of the album.
struct Row {
    folder: u32,
    name: Box<str>,
    size: u64,
    mtime: i64,
    sha256: Sha256,
    seen: Seen,
}

fn rows(folder: &Folder, looked: &Looked) -> Result<(Head, Vec<Row>), ExportError> {
    let known = known(folder.root());
    let mut head = Head::new(&folder.catalogue().identity()?);
    let mut rows = Vec::new();
    folder.catalogue().for_each(|entry| {
        let is_here = matches!(
            entry.state,
            State::Pulled | State::Verified(_) | State::Superseded
        );
        match entry.sha256.filter(|_| is_here) {
            Some(sha256) => {
                let (local, name) = (&entry.local, entry.local.name());
                let by_name = by_name(name, entry.mtime);
                let mut seen = looked
                    .of(local)
                    .or_else(|| known.of(folder_of(local), name, &sha256))
                    .unwrap_or(by_name);
                seen.taken = seen.taken.or(by_name.taken);
                rows.push(Row {
                    folder: head.add_folder(&entry.local),
                    name: entry.local.name().into(),
                    size: entry.size,
                    mtime: entry.mtime,
                    sha256,
                    seen,
                });
            }
            None => {
                head.missing_count += 1;
                if head.missing.len() < MAX_MISSING {
                    head.missing.push(why(entry));
                }
            }
        }
        Ok::<_, ExportError>(())
    })?;
    Ok((head, rows))
}

/// Path on the phone, and why it is not here.
fn why(entry: Entry) -> (String, String) {
    let reason = entry
        .reason
        .unwrap_or_else(|| Reason::new(ReasonCode::Other, "no reason was recorded"));
    let why = match entry.state {
        State::Damaged => Why::Damaged(reason),
        State::Failed => Why::Failed(reason),
        _ => Why::NotPulled,
    };
    (entry.path.to_string(), why.sentence())
}

fn by_name(name: &str, mtime: i64) -> Seen {
    // There is nothing in them to look at.
    let shows_itself = matches!(
        MediaKind::of_name(name.as_bytes()),
        MediaKind::Photo | MediaKind::Video
    );
    Seen {
        taken: Taken::of_name_or_mtime(name, mtime).map(|taken| taken.at),
        turn: 1,
        is_looked_at: !shows_itself,
        ..Seen::default()
    }
}

/// Looks into files that nobody has looked into.
fn look_late(
    folder: &Folder,
    head: &Head,
    rows: &mut [Row],
    pictures: &mut Pictures,
) -> Result<(), ExportError> {
    let mut late: Vec<&mut Row> = rows.iter_mut().filter(|it| !it.seen.is_looked_at).collect();
    if late.is_empty() {
        return Ok(());
    }
    pictures.limit(folder.free_bytes()? / SHARE_OF_ROOM);
    late.sort_by_key(|row| Reverse(row.seen.taken));
    let (reader, looker) = (folder.data_reader(), Looker::with_found_thumbs());
    for row in late.into_iter().take(MAX_LATE) {
        let above = head.folders.get(row.folder as usize);
        let local = LocalPath::new(&format!("{}{}", above.map_or("", |it| it), row.name));
        if let Ok(local) = local
            && let Some(seen) = look(&reader, &looker, &local, row.mtime, pictures)?
        {
            row.seen = seen;
        }
    }
    Ok(())
}

/// Looks into a file; `None` when it is not there.
pub(super) fn look(
    reader: &DataReader,
    looker: &Looker,
    local: &LocalPath,
    mtime: i64,
    pictures: &mut Pictures,
) -> Result<Option<Seen>, ExportError> {
    let name = local.name();
    let kind = MediaKind::of_name(name.as_bytes());
    let Ok(Found::File(file)) = reader.open(local) else {
        return Ok(None);
    };
    let look = looker.look(kind, name, mtime, file);
    Ok(Some(Seen {
        taken: look.taken.map(|taken| taken.at),
        turn: look.orientation,
        seconds: look.seconds,
        place: pictures.push(&look)?,
        is_looked_at: true,
    }))
}

/// What the album that is there knows.
fn known(root: &Path) -> Known {
    let page = found_page(root);
    let list = page.as_deref().and_then(page::list_of);
    let list = list.and_then(|list| disk::open_file(&root.join(list)).ok()?);
    list.map(Known::read).unwrap_or_default()
}

fn found_page(root: &Path) -> Option<String> {
    let file = disk::open_file(&root.join(PAGE)).ok()??;
    let mut page = String::new();
    file.take(MAX_PAGE_BYTES).read_to_string(&mut page).ok()?;
    Some(page)
}

/// The number of a list, from its path.
pub(super) fn list_number(path: &str) -> Option<u32> {
    let name = path.strip_prefix(ALBUM)?.strip_prefix("/list-")?;
    name.strip_suffix(".js")?.parse().ok()
}

/// The names of the album's files.
fn names(root: &Path) -> impl Iterator<Item = String> {
    let listing = fs::read_dir(root.join(ALBUM)).into_iter().flatten();
    listing.filter_map(|found| found.ok()?.file_name().into_string().ok())
}

fn list_numbers(root: &Path) -> impl Iterator<Item = u32> {
    names(root).filter_map(|name| list_number(&format!("{ALBUM}/{name}")))
}

/// The number for the next part.
pub(super) fn next_part(root: &Path) -> u32 {
    let last = names(root).filter_map(|name| parts::number(&name)).max();
    last.map_or(0, |last| last.saturating_add(1))
}

/// Removes what no page refers to any more. What stays behind harms nobody.
fn sweep(root: &Path, list: u32, rows: &[Row]) {
    let used: std::collections::HashSet<u32> = rows
        .iter()
        .filter_map(|row| row.seen.place.map(|(part, _)| part))
        .collect();
    let sweep = || -> Result<(), DiskError> {
        let folder = Within::root(root)?;
        if let Some(album) = folder.below(ALBUM)? {
            for name in names(root) {
                let is_old_list =
                    list_number(&format!("{ALBUM}/{name}")).is_some_and(|it| it != list);
                let is_old_part = parts::number(&name).is_some_and(|part| !used.contains(&part));
                if is_old_list || is_old_part {
                    album.remove(&name)?;
                }
            }
        }
        sweep_sheet(&folder, root)
    };
    if let Err(error) = sweep() {
        tracing::debug!(%error, "an old file of the album stays");
    }
}

/// Removes what earlier versions of this program wrote in place of the album.
fn sweep_sheet(folder: &Within, root: &Path) -> Result<(), DiskError> {
    let Some(sheet) = folder.below("sheet")? else {
        return Ok(());
    };
    let names = fs::read_dir(root.join("sheet")).into_iter().flatten();
    for name in names.filter_map(|found| found.ok()?.file_name().into_string().ok()) {
        let number = name.strip_prefix('t').and_then(|it| it.strip_suffix(".js"));
        let is_ours = name == "items.js" || number.is_some_and(|it| it.parse::<u32>().is_ok());
        if is_ours {
            sheet.remove(&name)?;
        }
    }
    // Stays where somebody put something else into it.
    let _ = fs::remove_dir(root.join("sheet"));
    Ok(())
}

/// Puts the album's files into a rescue folder, each as a whole.
pub(super) struct InFolder {
    root: PathBuf,
}

/// The name under which a file of the album is written.
const UNDER_WAY: &str = "album";

impl InFolder {
    pub(super) fn open(root: &Path) -> Result<Self, DiskError> {
        Within::root(root)?.made(ALBUM)?;
        let root = root.to_owned();
        Ok(Self { root })
    }

    fn put(&mut self, path: &str, synced: bool, write: WriteTag<'_>) -> Result<(), ExportError> {
        let put = self.try_to_put(path, synced, write);
        if put.is_err() {
            // Where the disk is full, what was written of it is in the way.
            let _ = Within::partial(&self.root).and_then(|partial| partial.remove(UNDER_WAY));
        }
        put
    }

    fn try_to_put(
        &mut self,
        path: &str,
        synced: bool,
        write: WriteTag<'_>,
    ) -> Result<(), ExportError> {
        let (file, place) = disk::create_partial(&self.root, UNDER_WAY)?;
        let mut file = BufWriter::with_capacity(256 * 1024, file);
        write(&mut file)?;
        let file = file.into_inner();
        let file = file.map_err(|e| DiskError::new("write", &place, e.into_error()))?;
        if synced {
            disk::sync_file(&file, &place)?;
        }
        drop(file);
        let (partial, mut folder) = (Within::partial(&self.root)?, Within::root(&self.root)?);
        let mut names = path.split('/');
        let target = names.next_back().unwrap_or_default();
        for name in names {
            folder = folder.existing(name)?;
        }
        if matches!(folder.bearer(target)?, Some(Bearer::Folder)) {
            let error = std::io::ErrorKind::IsADirectory.into();
            return Err(DiskError::new("replace", &folder.at(target), error).into());
        }
        partial.rename_over(UNDER_WAY, &folder, target)?;
        if synced {
            folder.sync()?;
        }
        Ok(())
    }
}

impl TagFiles for InFolder {
    fn add_tag(&mut self, path: &str, write: WriteTag<'_>) -> Result<(), ExportError> {
        self.put(path, false, write)
    }
}
