//! Joins the steps of one export: check the room; for each archive write files, bag, report and album, sync and read
//! back; at the end give the names.

use std::collections::HashMap;
use std::fs::File;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use super::archive::{Archive, ArchiveTarget, FinishedArchive, Held, Protection};
use super::pieces::{Piece, Pieces};
use super::plan::{ExportPlan, LeftOut, Why};
use super::prepare::{PieceContent, PieceQueue, Preparation, PreparedPiece};
use super::rows::{self, ArchiveFiles, Rows};
use super::spill::{Mark, Spill};
use super::{
    ExportError, ExportOutcome, ExportRequest, Packed, Place, Seconds, Share, age, album, bag,
    check, report, split,
};
use crate::digest::Sha256;
use crate::event::{Event, Events};
use crate::folder::{Folder, disk};
use crate::media::look::Look;
use crate::media::taken::month_folder;
use crate::names::{LocalPath, Names};

/// Writes, verifies and names the archives of a plan: one archive, or several if a size limit is set.
pub fn pack(
    folder: &Folder,
    mut plan: ExportPlan,
    request: &ExportRequest<'_>,
    events: &Events,
) -> Result<ExportOutcome, ExportError> {
    if let Protection::Age(recipients) = &request.protection {
        age::check_recipients(recipients)?;
    }
    let parts = match request.split {
        Some(limit) => split::parts(folder, &mut plan, request, limit)?,
        None => std::iter::once(0..plan.pieces.len()).collect(),
    };
    let of = parts.len();
    let places: Vec<Place> = (1..=of)
        .map(|number| request.place.of_share(Share { number, of }))
        .collect();
    for place in &places {
        place.look(folder, request.earlier)?;
    }
    tell_left_out(&plan, events);
    request.refuse_losses(&plan.left_out)?;
    if plan.pieces.is_empty() {
        return Err(ExportRequest::nothing(&plan.left_out));
    }
    check_room(&plan, request, &parts, &places)?;
    let mut run = ExportRun {
        folder,
        request,
        events,
        pieces: &plan.pieces,
        left_out: plan.left_out,
        not_chosen: plan.not_chosen,
        strangers: plan.strangers,
        packed: HashMap::new(),
        names: Spill::new(request.place.parent())?,
    };
    let mut done = Vec::new();
    let mut unnamed = Unnamed::default();
    for (index, (place, pieces)) in places.iter().zip(parts).enumerate() {
        let number = index + 1;
        let part = place.begin()?;
        events.emit(Event::Exporting {
            archive: place.path().display().to_string(),
            items: pieces.len() as u64,
            bytes: plan.pieces.bytes(pieces.clone()),
        });
        unnamed.parts.push(place.part());
        if unnamed.lock.is_none() {
            unnamed.lock = part.try_clone().ok();
        }
        done.push(run.pack_one(place, part, pieces, Share { number, of })?);
    }
    // The last first: where it is pulled up short, the first part is the one that is not there.
    for place in places.iter().rev() {
        place.name(&place.part(), request.earlier)?;
        unnamed.parts.pop();
    }
    // Comes last: a run that is stopped leaves the folder as it was, which is no worse without it.
    if request.album_in_folder
        && let Err(error) = album::write_to_folder(folder, album::ReceivedFiles::default())
    {
        tracing::warn!(%error, "no album in the rescue folder");
    }
    Ok(ExportOutcome {
        packed: done,
        left_out: run.left_out,
        strangers: run.strangers.len(),
    })
}

/// Tells what does not go into any archive, also where it is the reason that there is none.
fn tell_left_out(plan: &ExportPlan, events: &Events) {
    plan.left_out.iter().for_each(|it| tell(events, it));
    for path in &plan.strangers {
        let path = path.clone();
        events.emit(Event::Stranger { path });
    }
}

/// Checks that the disk has room for all archives, and can hold a file as large as the largest.
fn check_room(
    plan: &ExportPlan,
    request: &ExportRequest<'_>,
    parts: &[Range<usize>],
    places: &[Place],
) -> Result<(), ExportError> {
    let sizes = parts
        .iter()
        .map(|part| split::least_bytes(plan, part.clone()));
    let sizes = sizes.collect::<Result<Vec<u64>, _>>()?;
    // What an interrupted export left goes away when its place is taken.
    let left: u64 = places.iter().map(Place::left_bytes).sum();
    let needed_bytes = sizes.iter().copied().fold(0, u64::saturating_add);
    request.place.room_for(needed_bytes.saturating_sub(left))?;
    let largest = sizes.into_iter().max().unwrap_or_default();
    request.place.takes_file_of(largest)
}

/// Archives that are still under their temporary names. They are removed unless they get their final names.
#[derive(Default)]
struct Unnamed {
    parts: Vec<PathBuf>,
    /// The lock on the first archive only: there may be too many archives to keep all of them open.
    lock: Option<File>,
}

impl Drop for Unnamed {
    fn drop(&mut self) {
        for part in &self.parts {
            // Nothing that looks finished is left either way.
            let _ = disk::remove_file(part);
        }
    }
}

/// What all archives of an export have in common.
struct ExportRun<'a> {
    folder: &'a Folder,
    request: &'a ExportRequest<'a>,
    events: &'a Events,
    pieces: &'a Pieces,
    left_out: Vec<LeftOut>,
    not_chosen: u64,
    strangers: Vec<String>,
    /// What is in the archive, by the beginning of its hash; only by date, each only once.
    packed: HashMap<u64, PackedPiece>,
    /// The paths in the archive that differ from those in the rescue folder.
    names: Spill,
}

/// A piece in the archive, and where its path is.
#[derive(Debug, Clone, Copy)]
struct PackedPiece {
    piece: usize,
    name: Mark,
}

/// The beginning of a hash.
fn beginning(sha256: &Sha256) -> u64 {
    let bytes = sha256.0.first_chunk();
    bytes.map_or(0, |bytes| u64::from_le_bytes(*bytes))
}

impl ExportRun<'_> {
    fn pack_one(
        &mut self,
        place: &Place,
        file: File,
        pieces: Range<usize>,
        share: Share,
    ) -> Result<Packed, ExportError> {
        let part = place.part();
        let now = self.request.now.timestamp();
        match &self.request.protection {
            Protection::Age(recipients) => {
                let archive = Archive::encrypted(file, &part, place.base(), recipients, now)?;
                self.fill(archive, place, pieces, share)
            }
            protection => {
                let archive = Archive::create(file, &part, place.base(), protection, now)?;
                self.fill(archive, place, pieces, share)
            }
        }
    }

    fn fill<T: ArchiveTarget>(
        &mut self,
        mut archive: Archive<'_, T>,
        place: &Place,
        pieces: Range<usize>,
        share: Share,
    ) -> Result<Packed, ExportError> {
        let part = place.part();
        let began = Instant::now();
        let written = self.write(&mut archive, place, pieces, share);
        let rows = match written {
            Ok(rows) => rows,
            Err(error) => {
                archive.abandon();
                return Err(error);
            }
        };
        let file = archive.finish()?;
        let write = began.elapsed();
        file.sync()?;
        let sync = began.elapsed() - write;
        if self.request.split.is_some_and(|limit| file.length >= limit) {
            let what = format!("it has {} bytes, more than asked for", file.length);
            return Err(ExportError::wrong(&part, what));
        }
        let listed = self.listed(&rows);
        self.check(&part, place, &file, listed)?;
        let (files, bytes) = (listed.rows().len() as u64, listed.bytes());
        Ok(Packed {
            path: place.path().to_owned(),
            archive_bytes: file.length,
            files,
            bytes,
            write_seconds: Seconds(write),
            sync_seconds: Seconds(sync),
            check_seconds: Seconds(Duration::saturating_sub(began.elapsed(), write + sync)),
        })
    }

    fn write<T: ArchiveTarget>(
        &mut self,
        archive: &mut Archive<'_, T>,
        place: &Place,
        pieces: Range<usize>,
        share: Share,
    ) -> Result<Rows, ExportError> {
        let mut rows = Rows::new(Spill::new(place.parent())?);
        self.write_files(archive, &mut rows, pieces)?;
        let listed = self.listed(&rows);
        let catalogue = self.folder.catalogue();
        let phone = catalogue.identity()?;
        let label = catalogue.job()?;
        let origin = (&phone, &label);
        let manifest = bag::add(archive, origin, share, self.request.now, listed)?;
        let facts = report::ReportFacts {
            phone: &phone,
            label: &label,
            summary: &catalogue.summary()?,
            runs: &catalogue.runs()?,
            now: self.request.now,
            left_out: &self.left_out,
            not_chosen: self.not_chosen,
            strangers: &self.strangers,
            surveyed: &catalogue.survey()?,
            manifest,
        };
        report::write(archive, self.folder, listed, &facts)?;
        self.request.go_on()?;
        let facts = album::AlbumFacts {
            phone: &phone,
            left_out: &self.left_out,
        };
        album::write(archive, listed, &facts)?;
        self.request.go_on()?;
        bag::add_tag_manifest(archive)?;
        Ok(rows)
    }

    fn listed<'b>(&'b self, rows: &'b Rows) -> ArchiveFiles<'b> {
        ArchiveFiles {
            pieces: self.pieces,
            rows,
            names: &self.names,
        }
    }

    fn write_files<T: ArchiveTarget>(
        &mut self,
        archive: &mut Archive<'_, T>,
        rows: &mut Rows,
        pieces: Range<usize>,
    ) -> Result<(), ExportError> {
        let shared = PieceQueue::new(self.pieces, pieces, self.folder.data_reader());
        let mut names = Names::new();
        std::thread::scope(|scope| {
            let mut preparation = Preparation::start(scope, &shared)?;
            while let Some(prepared) = preparation.next()? {
                self.request.go_on()?;
                let PreparedPiece {
                    index,
                    piece,
                    content,
                    look,
                } = prepared;
                let name = self.request.by_date.then_some((index, &mut names));
                let buffer = match self.write_file(archive, name, &piece, content, &look)? {
                    Written::Left(why, buffer) => {
                        self.leave_out(&piece, why)?;
                        buffer
                    }
                    Written::Packed(name, buffer) => {
                        rows.push((index, piece.size), name, look)?;
                        self.events.emit(Event::Packed {
                            local: piece.local.clone(),
                            size: piece.size,
                        });
                        buffer
                    }
                };
                preparation.done(&piece, buffer);
            }
            Ok(())
        })
    }

    fn write_file<T: ArchiveTarget>(
        &mut self,
        archive: &mut Archive<'_, T>,
        dated: Option<(usize, &mut Names)>,
        piece: &Piece,
        content: Result<PieceContent, Why>,
        look: &Look,
    ) -> Result<Written, ExportError> {
        let (events, request) = (self.events, self.request);
        let content = match content {
            Ok(content) => content,
            Err(why) => {
                events.emit(Event::Packing { bytes: piece.size });
                return Ok(Written::Left(why, None));
            }
        };
        let dated = match dated {
            Some((index, names)) => match self.same_as(piece)? {
                Some(same) => {
                    events.emit(Event::Packing { bytes: piece.size });
                    return Ok(Written::Left(Why::SameAs(same), None));
                }
                None => Some((index, dated_name(names, piece, look))),
            },
            None => None,
        };
        let path = dated.as_ref().map_or(&piece.local, |(_, name)| name);
        let buffer = match content {
            PieceContent::Whole(bytes) => {
                archive.add_whole(piece, path, &bytes)?;
                events.emit(Event::Packing { bytes: piece.size });
                Some(bytes)
            }
            PieceContent::Open(file) => {
                let why = archive.add_large(piece, path, file, &mut |bytes| {
                    events.emit(Event::Packing { bytes });
                    request.go_on()
                })?;
                if let Some(why) = why {
                    return Ok(Written::Left(why, None));
                }
                None
            }
        };
        let name = match dated {
            Some((index, name)) => {
                let name = self.names.push(name.as_str().as_bytes())?;
                let packed = PackedPiece { piece: index, name };
                self.packed.insert(beginning(&piece.sha256), packed);
                Some(name)
            }
            None => None,
        };
        Ok(Written::Packed(name, buffer))
    }

    /// Where the same bytes are in the archive already.
    fn same_as(&self, piece: &Piece) -> Result<Option<LocalPath>, ExportError> {
        let Some(packed) = self.packed.get(&beginning(&piece.sha256)) else {
            return Ok(None);
        };
        let same = self.pieces.get(packed.piece)?;
        Ok(match same.is_some_and(|same| same.sha256 == piece.sha256) {
            true => Some(rows::path(&self.names, packed.name)?),
            false => None,
        })
    }

    fn leave_out(&mut self, piece: &Piece, why: Why) -> Result<(), ExportError> {
        let left_out = LeftOut::of(self.folder, piece, why)?;
        tell(self.events, &left_out);
        self.left_out.push(left_out);
        self.request.refuse_losses(&self.left_out)
    }

    fn check(
        &self,
        part: &Path,
        place: &Place,
        file: &FinishedArchive,
        listed: ArchiveFiles<'_>,
    ) -> Result<(), ExportError> {
        let mut on_bytes = |bytes| {
            self.events.emit(Event::Checked { bytes });
            self.request.go_on()
        };
        let count = listed.rows().len() + file.tags.len();
        let tag_bytes: u64 = file.tags.iter().map(|held| held.size).sum();
        self.events.emit(Event::Checking {
            items: count as u64,
            bytes: listed.bytes().saturating_add(tag_bytes),
        });
        let payload = listed.files().map(|file| Ok(Held::of(&file?)));
        let held = payload.chain(file.tags.iter().cloned().map(Ok));
        match &file.lock {
            None => {
                let protection = &self.request.protection;
                check::check(part, place.base(), count, held, protection, &mut on_bytes)
            }
            Some(lock) => age::check(part, lock, &mut on_bytes),
        }
    }
}

/// What became of a file, and its buffer.
enum Written {
    /// It is in the archive, under another name than in the rescue folder where one is given.
    Packed(Option<Mark>, Option<Vec<u8>>),
    /// It is not.
    Left(Why, Option<Vec<u8>>),
}

/// A name in the folder of the month.
fn dated_name(names: &mut Names, piece: &Piece, look: &Look) -> LocalPath {
    let month = month_folder(look.taken);
    names.allocate(&month, [piece.local.name().as_bytes()])
}

fn tell(events: &Events, left_out: &LeftOut) {
    events.emit(Event::LeftOut {
        path: left_out.path.clone(),
        local: left_out.local.clone(),
        why: left_out.why.clone(),
    });
}
