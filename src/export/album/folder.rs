//! The album of a rescue folder. `index.html` is replaced last and as a whole: whatever stops the program leaves the
//! old page or the new one. Pictures that an earlier album has are kept, so that a pull pays for new files only.

use std::cmp::Reverse;
use std::fs;
use std::io::{Read as _, Write};
use std::path::Path;

use super::super::ExportError;
use super::super::plan::Why;
use super::super::report::page::{FileTally, Lies, Page};
use super::super::report::{self, PAGE_PATH};
use super::super::rows::failed;
use super::beside::{Pictures, ReceivedFiles, look};
use super::files::{InFolder, Syncing, list_number, list_numbers, names};
use super::known::EarlierFiles;
use super::list::{self, AlbumHead, AlbumLine, SeenFile, folder_of};
use super::parts::{self, ALBUM};
use super::{MAX_FILES, MAX_MISSING, PAGE, page};
use crate::digest::Sha256;
use crate::folder::disk::{self, Within};
use crate::folder::manifest::MANIFEST;
use crate::folder::partial::hash_rest;
use crate::folder::{Access, DiskError, Entry, Folder, Reason, ReasonCode, State};
use crate::media::kind::MediaKind;
use crate::media::look::Looker;
use crate::media::taken::Taken;
use crate::names::LocalPath;

/// Files that nobody looked into while they came, because an earlier run was cut short or an older program made the
/// folder: the album looks into so many of them, the newest first. The page shows the others all the same.
const MAX_LATE: usize = 2000;
/// The most bytes of a page.
const MAX_PAGE_BYTES: u64 = 1024 * 1024;
/// Of the free room, the album's small pictures take this share at most.
const SHARE_OF_ROOM: u64 = 20;

/// Returns whether the folder has a page that this version of the program writes.
pub fn is_current(root: &Path) -> bool {
    let found = found_page(root);
    let list = found.as_deref().and_then(page::list_of);
    list.is_some_and(|list| {
        let is_there = fs::symlink_metadata(root.join(list)).is_ok_and(|it| it.len() > 0);
        is_there
            && root.join(PAGE_PATH).is_file()
            && found.as_deref() == Some(page::page(list).as_str())
    })
}

/// Writes the album of a rescue folder: all its files, with what was found in them as they arrived.
///
/// # Errors
///
/// The disk or the catalogue fails. The earlier album is then still in place, and nothing else in the folder has
/// changed.
pub fn write_to_folder(folder: &Folder, looked: ReceivedFiles) -> Result<(), ExportError> {
    if folder.access() != Access::ReadWrite {
        return Ok(());
    }
    let root = folder.root();
    let number = list_numbers(root)
        .max()
        .map_or(0, |last| last.saturating_add(1));
    let ShownFolder {
        head,
        mut rows,
        tally,
        missing,
        not_pulled,
    } = shown(folder, &looked)?;
    let mut pictures = looked.into_pictures(root);
    look_late(folder, &head, &mut rows, &mut pictures)?;
    pictures.end()?;
    rows.sort_by_key(|row| Reverse(row.seen.taken));

    let mut to = InFolder::open(root)?;
    let catalogue = folder.catalogue();
    let report = Page {
        lies: Lies::InFolder,
        phone: &catalogue.identity()?,
        label: &catalogue.job()?,
        now: chrono::Local::now(),
        tally: &tally,
        runs: &catalogue.runs()?,
        missing: &missing,
        not_pulled,
        left_out: &[],
        not_chosen: 0,
        strangers: &[],
        surveyed: &catalogue.survey()?,
        manifest: manifest(root),
    };
    to.put(PAGE_PATH, Syncing::Later, &mut |to| {
        report::page::write(to, &report).map_err(failed(PAGE_PATH))
    })?;
    let list = format!("{ALBUM}/list-{number}.js");
    let write = |to: &mut dyn Write| {
        list::begin(to, &head).map_err(failed(&list))?;
        for row in &rows {
            let line = AlbumLine::new(row.folder, &row.name, &row.sha256, row.size, &row.seen);
            list::line(to, &line).map_err(failed(&list))?;
        }
        list::end(to).map_err(failed(&list))
    };
    // A page must not name a list whose bytes a power cut may still take.
    to.put(&list, Syncing::Now, &mut |to| write(to))?;
    let page = page::page(&list);
    to.put(PAGE, Syncing::Now, &mut |to| {
        to.write_all(page.as_bytes()).map_err(failed(PAGE))
    })?;
    sweep(root, number, &rows);
    Ok(())
}

/// One file of the album.
struct AlbumFile {
    folder: u32,
    name: Box<str>,
    size: u64,
    mtime: i64,
    sha256: Sha256,
    seen: SeenFile,
}

/// What the album and the report show of a folder.
struct ShownFolder {
    head: AlbumHead,
    rows: Vec<AlbumFile>,
    tally: FileTally,
    /// The missing files: path on the phone, size in bytes, and the reason.
    missing: Vec<(String, u64, String)>,
    not_pulled: u64,
}

fn shown(folder: &Folder, looked: &ReceivedFiles) -> Result<ShownFolder, ExportError> {
    let known = known(folder.root());
    let mut head = AlbumHead::new(&folder.catalogue().identity()?);
    head.report = true;
    let (mut rows, mut missing) = (Vec::new(), Vec::new());
    let (mut tally, mut not_pulled) = (FileTally::default(), 0);
    folder.catalogue().for_each(|entry| {
        let is_here = matches!(
            entry.state,
            State::Pulled | State::Verified(_) | State::Superseded
        );
        match entry.sha256.filter(|_| is_here) {
            Some(sha256) => {
                let (local, name) = (&entry.local, entry.local.name());
                let by_name = by_name(name, entry.item.mtime);
                let mut seen = looked
                    .of(local)
                    .or_else(|| known.of(folder_of(local), name, &sha256))
                    .unwrap_or(by_name);
                seen.taken = seen.taken.or(by_name.taken);
                tally.add(name, entry.item.size, entry.state, seen.taken);
                rows.push(AlbumFile {
                    folder: head.add_folder(&entry.local),
                    name: entry.local.name().into(),
                    size: entry.item.size,
                    mtime: entry.item.mtime,
                    sha256,
                    seen,
                });
                if rows.len() == 2 * MAX_FILES {
                    head.older += keep_newest(&mut rows, MAX_FILES);
                }
            }
            None => {
                not_pulled += u64::from(entry.state == State::Planned);
                missing.push(why(entry));
            }
        }
        Ok::<_, ExportError>(())
    })?;
    head.older += keep_newest(&mut rows, MAX_FILES);
    head.missing_count = missing.len() as u64;
    let some = missing.iter().take(MAX_MISSING);
    let some = some.map(|(path, _, why)| (path.clone(), why.clone()));
    head.missing = some.collect();
    Ok(ShownFolder {
        head,
        rows,
        tally,
        missing,
        not_pulled,
    })
}

/// Keeps the newest files, in no order; how many others there were.
fn keep_newest(rows: &mut Vec<AlbumFile>, most: usize) -> u64 {
    let older = rows.len().saturating_sub(most);
    if older > 0 {
        rows.select_nth_unstable_by_key(most, |row| Reverse(row.seen.taken));
        rows.truncate(most);
    }
    older as u64
}

/// The checksum of the folder's manifest, which a pull has just written.
fn manifest(root: &Path) -> Option<Sha256> {
    let path = root.join(MANIFEST);
    let mut file = disk::open_file(&path).ok()??;
    let (hasher, _) = hash_rest(&mut file, &path, |_| {}).ok()?;
    Some(hasher.finish())
}

/// Returns an entry's path on the phone, its size in bytes, and why it is missing.
fn why(entry: Entry) -> (String, u64, String) {
    let reason = entry
        .reason
        .unwrap_or_else(|| Reason::new(ReasonCode::Other, "no reason was recorded"));
    let why = match entry.state {
        State::Damaged => Why::Damaged(reason),
        State::Failed => Why::Failed(reason),
        _ => Why::NotPulled,
    };
    (entry.item.path.to_string(), entry.item.size, why.sentence())
}

fn by_name(name: &str, mtime: i64) -> SeenFile {
    // There is nothing in them to look at.
    let shows_itself = matches!(
        MediaKind::of_name(name.as_bytes()),
        MediaKind::Photo | MediaKind::Video
    );
    SeenFile {
        taken: Taken::of_name_or_mtime(name, mtime).map(|taken| taken.at),
        turn: 1,
        is_looked_at: !shows_itself,
        ..SeenFile::default()
    }
}

/// Looks into files that nobody has looked into.
fn look_late(
    folder: &Folder,
    head: &AlbumHead,
    rows: &mut [AlbumFile],
    pictures: &mut Pictures,
) -> Result<(), ExportError> {
    let mut late: Vec<&mut AlbumFile> =
        rows.iter_mut().filter(|it| !it.seen.is_looked_at).collect();
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

/// What the album that is there knows.
fn known(root: &Path) -> EarlierFiles {
    let page = found_page(root);
    let list = page.as_deref().and_then(page::list_of);
    let list = list.and_then(|list| disk::open_file(&root.join(list)).ok()?);
    list.map(EarlierFiles::read).unwrap_or_default()
}

fn found_page(root: &Path) -> Option<String> {
    let file = disk::open_file(&root.join(PAGE)).ok()??;
    let mut page = String::new();
    file.take(MAX_PAGE_BYTES).read_to_string(&mut page).ok()?;
    Some(page)
}

/// Removes what no page refers to any more. What stays behind harms nobody.
fn sweep(root: &Path, list: u32, rows: &[AlbumFile]) {
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
    // A folder that is open keeps its place on Windows.
    drop(sheet);
    // Stays where somebody put something else into it.
    let _ = fs::remove_dir(root.join("sheet"));
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn newest_files_are_kept_and_the_others_counted() {
        let row = |day: u32| AlbumFile {
            folder: 0,
            name: day.to_string().into(),
            size: 0,
            mtime: 0,
            sha256: Sha256::of(b""),
            seen: SeenFile {
                taken: chrono::NaiveDate::from_ymd_opt(2024, 1, day)
                    .and_then(|day| day.and_hms_opt(0, 0, 0)),
                ..SeenFile::default()
            },
        };
        // The last one has no date.
        let mut rows: Vec<_> = [3, 9, 1, 7, 5, 99].map(row).into();
        assert_eq!(keep_newest(&mut rows, 6), 0);
        assert_eq!(keep_newest(&mut rows, 3), 3);
        let mut names: Vec<_> = rows.iter().map(|row| &*row.name).collect();
        names.sort_unstable();
        assert_eq!(names, ["5", "7", "9"]);
    }
}
