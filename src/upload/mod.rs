//! Uploads: from the rescue folder to any cloud, each file once, with a receipt.
//!
//! In: files of a rescue folder with their SHA-256, and a [`Remote`]. Out: a receipt for each in the catalogue, or
//! the reason why there is none.
//!
//! ```text
//! choose (which, where to) -> queue in the catalogue -> survey -> put (-> create) -> settle -> receipts
//! ```
//!
//! * [`Remote::survey`] asks what is there already: the same file is recorded and not sent, another file under its
//!   name is left alone.
//! * [`Remote::put`] sends one file. The catalogue records *sending* before the first byte leaves, so that after a
//!   crash the path is known to be ours, and *sent* when the service has acknowledged it.
//! * `create` turns sent bytes into items, in batches, if a service requires that.
//! * [`Remote::settle`] asks for many files at once whether the service really has them.
//!
//! `queue` joins these steps, decides about retries and writes the receipts. `source` is a file on its way, with the
//! proof that it is still the verified one.
//!
//! Kinds that hold files by path share `paths`. Other kinds (a photo service with upload tokens and batches, or with
//! checksums) are variants of [`Remote`] with three steps of their own. A failure is a `problem::Problem`, which says
//! what it means for the file and for the run.

pub(crate) mod albums;
mod batch;
mod body;
pub(crate) mod checksum;
pub(crate) mod choose;
pub(crate) mod cloud;
pub(crate) mod connect;
pub(crate) mod copy;
pub(crate) mod folder;
mod gate;
pub(crate) mod google_photos;
mod hidden;
pub(crate) mod http;
pub(crate) mod immich;
pub(crate) mod keyring;
pub(crate) mod limit;
pub(crate) mod oauth;
pub(crate) mod objects;
pub(crate) mod owner;
mod parts;
pub(crate) mod paths;
mod percent;
pub(crate) mod problem;
pub(crate) mod queue;
pub(crate) mod rules;
pub(crate) mod secret;
pub mod settings;
pub(crate) mod sftp;
pub(crate) mod source;
pub(crate) mod webdav;

use std::path::Path;

use tokio::sync::mpsc::UnboundedSender;

use crate::digest::Sha256;
use crate::folder::upload::{Pledged, SMALL_BYTES, Upload, UploadId, UploadReason, UploadRecord};
use crate::names::UploadPath;
use albums::Albums;
use batch::{Batch, Made};
use google_photos::GooglePhotos;
use hidden::Hidden;
use immich::Immich;
use paths::Paths;
use problem::Problem;
use rules::Rules;
use source::Source;

/// The most entries of a folder that are looked at, and the most pages that they may come in.
const MAX_ENTRIES: usize = 5_000_000;
const MAX_PAGES: usize = 50_000;

/// Counts the entries of a listing, so that an endless one neither fills the memory nor runs for ever.
#[derive(Debug, Default)]
pub(crate) struct Counted {
    entries: usize,
    pages: usize,
}

impl Counted {
    /// Counts a page with this many entries.
    pub(crate) fn page(&mut self, entries: usize) -> Result<(), Problem> {
        self.pages += 1;
        self.add(entries)
    }

    /// Counts one more entry of the current page.
    pub(crate) fn entry(&mut self) -> Result<(), Problem> {
        self.add(1)
    }

    fn add(&mut self, entries: usize) -> Result<(), Problem> {
        self.entries += entries;
        match self.entries > MAX_ENTRIES || self.pages > MAX_PAGES {
            true => Err(Problem::too_many_entries()),
            false => Ok(()),
        }
    }
}

/// A filter on the names in a folder: entries with other names are not kept in memory.
pub(crate) type Wanted<'a> = dyn Fn(&str) -> bool + Send + Sync + 'a;

/// What a service reported when it accepted a file.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Acknowledged {
    /// The service's id for the file, or its ETag.
    pub there: Option<String>,
    /// The service's checksum of the file, as `md5:...` or `sha1:...`.
    pub checksum: Option<String>,
}

/// An entry in a folder of a remote.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Found {
    /// The entry's name.
    pub name: String,
    /// The entry's size in bytes; `None` for a folder.
    pub size: Option<u64>,
    /// The entry's ETag.
    pub etag: Option<String>,
    /// A value that may be the MD5 of the content, as 32 hexadecimal digits.
    pub md5: Option<String>,
    /// The service's checksum of the content.
    pub checksum: Option<checksum::Checksum>,
}

/// What a remote already has in place of an upload.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Presence {
    /// Nothing is at the path, so the file has to be sent.
    Absent,
    /// The file is already there.
    Same(Acknowledged),
    /// The file is already there, under another path, because a different file has its name.
    Elsewhere {
        /// The path of the file.
        path: UploadPath,
        /// What the service reports about the file.
        acknowledged: Acknowledged,
    },
    /// A different file has the name, so the file has to be sent to another path.
    Taken {
        /// A path where nothing is.
        free: UploadPath,
    },
    /// The service refuses the file permanently.
    Refused(UploadReason, String),
}

/// The result of verifying that an acknowledged file is on the remote.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Settled {
    /// The file is there in its full size.
    There {
        /// The service's checksum of the file, if it reported one now.
        checksum: Option<String>,
        /// The path of the file, if the service spells it differently.
        path: Option<String>,
        /// How the file was verified.
        proven: Proven,
    },
    /// The file is missing, incomplete or different.
    Wrong(UploadReason, String),
}

impl Settled {
    /// Returns the result for a file that is there, at a path that may be spelt differently.
    fn there(upload: &Upload, path: &str, checksum: Option<String>, proven: Proven) -> Self {
        Self::There {
            checksum,
            path: (path != upload.path.as_str()).then(|| path.to_owned()),
            proven,
        }
    }

    /// Returns the result for a file that is there, with this proof.
    fn there_by(proven: Proven) -> Self {
        Self::There {
            checksum: None,
            path: None,
            proven,
        }
    }
}

/// The proof that a file is on the remote.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Proven {
    /// The file was read back and compared byte by byte.
    Content,
    /// The service computed a checksum that equals this program's.
    Checksum,
    /// The file has the expected size, and the expected mark (such as an ETag) if the service gives one.
    Size,
    /// The service lists the file, but reports neither its size nor a checksum.
    Name,
}

/// How thoroughly receipts are compared with the remote.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Depth {
    /// By listings only.
    Listing,
    /// By content: with a checksum that the service computed, or by reading the file back.
    Content,
}

/// What listings show about a file with a receipt.
#[derive(Debug)]
pub(crate) enum Looked {
    /// The listing decides.
    Settled(Settled),
    /// The listing does not decide: this entry has to be read back.
    Unsure(Found),
}

/// The result of sending a file's bytes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Put {
    /// The file is stored.
    Done(Acknowledged),
    /// The bytes are stored; this token stands for them until an item is created from it.
    Pledged(String),
    /// The bytes have been stored since an earlier run, under this token. Nothing was sent.
    Held(String),
}

/// A destination that is ready to use.
///
/// Secrets known to it are removed from everything that its service reports, because a hostile service, or an error
/// page that shows the request, may repeat them.
#[derive(Debug)]
pub struct Remote {
    kind: RemoteKind,
    hidden: Hidden,
}

/// The kind of a destination.
#[derive(Debug)]
pub enum RemoteKind {
    /// A service that stores files by path.
    Paths(Box<Paths>),
    /// An Immich server.
    Immich(Immich),
    /// Google Photos.
    GooglePhotos(GooglePhotos),
}

impl Remote {
    /// Creates a destination; the secrets in `hidden` are removed from all its reports.
    pub(crate) fn new(kind: RemoteKind, hidden: Hidden) -> Self {
        Self { kind, hidden }
    }

    /// Returns the destination's kind, to configure it.
    pub fn kind_mut(&mut self) -> &mut RemoteKind {
        &mut self.kind
    }

    /// Sets the rescue folder being uploaded. It marks the temporary files on the remote, so that those of other
    /// senders can be told apart.
    pub fn of_folder(&mut self, folder: &Path) {
        match &mut self.kind {
            RemoteKind::Paths(paths) => paths.set_owner(folder),
            RemoteKind::Immich(_) | RemoteKind::GooglePhotos(_) => {}
        }
    }

    /// Returns what the remote already has in place of an upload.
    pub async fn survey(&self, upload: &Upload, source: &Source) -> Result<Presence, Problem> {
        let said = match &self.kind {
            RemoteKind::Paths(paths) => paths.survey(upload, source).await,
            RemoteKind::Immich(immich) => immich.survey(upload, source).await,
            RemoteKind::GooglePhotos(photos) => photos.survey(upload, source).await,
        };
        self.hidden.left_out(said)
    }

    /// Sends a file to its path.
    pub async fn put(&self, upload: &Upload, source: &Source) -> Result<Put, Problem> {
        let said = match &self.kind {
            RemoteKind::Paths(paths) => paths.put(&upload.path, source).await.map(Put::Done),
            RemoteKind::Immich(immich) => immich.put(&upload.path, source).await.map(Put::Done),
            RemoteKind::GooglePhotos(photos) => photos.put(upload, source).await,
        };
        self.hidden.left_out(said)
    }

    /// Returns whether items have to be created from the bytes after they are sent.
    pub fn makes_items(&self) -> bool {
        match &self.kind {
            RemoteKind::Paths(_) | RemoteKind::Immich(_) => false,
            RemoteKind::GooglePhotos(_) => true,
        }
    }

    /// Returns the title of the album that [`Remote::create`] puts a file into, from the file's path below `data/`.
    pub(crate) fn album_of(&self, source: &str) -> Option<String> {
        match &self.kind {
            RemoteKind::Paths(_) | RemoteKind::Immich(_) => None,
            RemoteKind::GooglePhotos(photos) => photos.album_of(source),
        }
    }

    /// Creates items from stored bytes; the results are in the same order.
    pub(crate) async fn create(&self, batch: &Batch) -> Result<Vec<Made>, Problem> {
        let said = match &self.kind {
            RemoteKind::Paths(_) | RemoteKind::Immich(_) => Ok(Vec::new()),
            RemoteKind::GooglePhotos(photos) => photos.create(batch).await,
        };
        self.hidden.left_out(said)
    }

    /// Sets the channel for facts that must be recorded immediately.
    pub(crate) fn note_to(&self, notes: UnboundedSender<UploadRecord>) {
        match &self.kind {
            RemoteKind::Paths(_) | RemoteKind::Immich(_) => {}
            RemoteKind::GooglePhotos(photos) => photos.note_to(notes),
        }
    }

    /// Continues an upload where an earlier run left it, if the same bytes are to be sent.
    pub(crate) fn go_on(&self, id: UploadId, known: Pledged) {
        match &self.kind {
            RemoteKind::Paths(_) | RemoteKind::Immich(_) => {}
            RemoteKind::GooglePhotos(photos) => photos.go_on(id, known),
        }
    }

    /// Verifies that acknowledged files are there, unless the acknowledgement was proof enough. The results are in the
    /// same order.
    pub async fn settle(&self, sent: &[Upload]) -> Result<Vec<Settled>, Problem> {
        let said = match &self.kind {
            RemoteKind::Paths(paths) => paths.settle(sent).await,
            RemoteKind::Immich(immich) => immich.settle(sent).await,
            RemoteKind::GooglePhotos(photos) => Ok(photos.settle(sent)),
        };
        self.hidden.left_out(said)
    }

    /// Checks whether files with a receipt are there; the results are in the same order.
    pub(crate) async fn look(&self, sent: &[Upload], depth: Depth) -> Result<Vec<Looked>, Problem> {
        let said = match &self.kind {
            RemoteKind::Paths(paths) => paths.look(sent, depth).await,
            RemoteKind::Immich(immich) => immich.settle(sent).await.map(all_settled),
            RemoteKind::GooglePhotos(photos) => photos.check(sent).await.map(all_settled),
        };
        self.hidden.left_out(said)
    }

    /// Compares the content of a file found on the remote.
    pub(crate) async fn read_back(
        &self,
        upload: &Upload,
        source: Option<&Source>,
        found: &Found,
    ) -> Result<Settled, Problem> {
        let said = match &self.kind {
            RemoteKind::Paths(paths) => paths.read_back(upload, source, found).await,
            RemoteKind::Immich(_) | RemoteKind::GooglePhotos(_) => {
                Ok(Settled::there_by(Proven::Name))
            }
        };
        self.hidden.left_out(said)
    }

    /// Removes what was on the remote only during the upload. Call it when everything has been sent.
    pub(crate) async fn leave(&self) {
        match &self.kind {
            RemoteKind::Paths(paths) => paths.leave().await,
            RemoteKind::Immich(_) | RemoteKind::GooglePhotos(_) => {}
        }
    }

    /// Returns whether checking all receipts is cheap: listings suffice, and no quota is used.
    pub(crate) fn looks_cheaply(&self) -> bool {
        match &self.kind {
            RemoteKind::Paths(_) | RemoteKind::Immich(_) => true,
            RemoteKind::GooglePhotos(_) => false,
        }
    }

    /// Tests whether the destination works and returns how that was seen.
    pub async fn test(&self) -> Result<String, Problem> {
        let said = match &self.kind {
            RemoteKind::Paths(paths) => paths.test().await,
            RemoteKind::Immich(immich) => immich.test().await,
            RemoteKind::GooglePhotos(photos) => photos.test().await,
        };
        self.hidden.left_out(said)
    }

    /// Returns the service's rules for files.
    pub fn rules(&self) -> &Rules {
        match &self.kind {
            RemoteKind::Paths(paths) => paths.rules(),
            RemoteKind::Immich(immich) => immich.rules(),
            RemoteKind::GooglePhotos(photos) => photos.rules(),
        }
    }

    /// Lets the remote recognise partial files that earlier runs left there from this rescue folder.
    pub(crate) fn come_from(&self, rescue_folder: Sha256) {
        match &self.kind {
            RemoteKind::Paths(paths) => paths.come_from(rescue_folder),
            RemoteKind::Immich(_) | RemoteKind::GooglePhotos(_) => {}
        }
    }

    /// Reserves paths that are meant for other files.
    pub fn reserve(&self, planned: impl IntoIterator<Item = UploadPath>) {
        match &self.kind {
            RemoteKind::Paths(paths) => paths.reserve(planned),
            RemoteKind::Immich(_) | RemoteKind::GooglePhotos(_) => {}
        }
    }

    /// Sets how files are put into albums; fails if this kind of remote has no albums.
    pub fn set_albums(&mut self, albums: Albums) -> Result<(), Problem> {
        match &mut self.kind {
            RemoteKind::Paths(_) if albums == Albums::None => Ok(()),
            RemoteKind::Paths(_) => Err(Problem::Settings {
                words: "this kind of remote has no albums".to_owned(),
            }),
            RemoteKind::Immich(immich) => {
                immich.set_albums(albums);
                Ok(())
            }
            RemoteKind::GooglePhotos(photos) => {
                photos.set_albums(albums);
                Ok(())
            }
        }
    }

    /// Returns whether [`Remote::arrange`] has anything to do.
    pub fn arranges(&self) -> bool {
        match &self.kind {
            RemoteKind::Paths(_) | RemoteKind::GooglePhotos(_) => false,
            RemoteKind::Immich(immich) => immich.arranges(),
        }
    }

    /// Puts the present files into their albums. Repeating it changes nothing.
    pub async fn arrange(&self, there: &[Upload]) -> Result<(), Problem> {
        let said = match &self.kind {
            RemoteKind::Paths(_) | RemoteKind::GooglePhotos(_) => Ok(()),
            RemoteKind::Immich(immich) => immich.arrange(there).await,
        };
        self.hidden.left_out(said)
    }

    /// Returns whether a file must contain a date to be shown on the right day.
    pub fn needs_dates(&self) -> bool {
        match &self.kind {
            RemoteKind::Paths(_) => false,
            // It takes dates beside the file.
            RemoteKind::Immich(_) => false,
            RemoteKind::GooglePhotos(_) => true,
        }
    }

    /// Returns whether files may be sent as modified copies. Services that store files by path get them unchanged.
    pub fn takes_copies(&self) -> bool {
        match &self.kind {
            RemoteKind::Paths(_) => false,
            RemoteKind::Immich(_) | RemoteKind::GooglePhotos(_) => true,
        }
    }

    /// Returns how many uploads should be surveyed at once while `parallel` files are sent at once.
    pub fn surveys_at_once(&self, parallel: usize) -> usize {
        match &self.kind {
            RemoteKind::Paths(_) | RemoteKind::GooglePhotos(_) => parallel,
            // It answers for many in one request.
            RemoteKind::Immich(_) => queue::AHEAD,
        }
    }

    /// Returns how many bytes of memory sending a file takes.
    pub fn memory(&self, size: u64) -> u64 {
        match &self.kind {
            RemoteKind::Paths(paths) => paths.memory(size),
            RemoteKind::Immich(immich) => immich.memory(size),
            RemoteKind::GooglePhotos(_) => size.min(2 * SMALL_BYTES),
        }
    }

    /// Forgets what is known about a path and its folder, because an interrupted request may have changed them.
    pub fn forget(&self, path: &str) {
        match &self.kind {
            RemoteKind::Paths(paths) => paths.forget(path),
            RemoteKind::Immich(_) | RemoteKind::GooglePhotos(_) => {}
        }
    }
}

fn all_settled(settled: Vec<Settled>) -> Vec<Looked> {
    settled.into_iter().map(Looked::Settled).collect()
}

/// Returns the folder of a path; empty for the root.
pub(crate) fn folder_of(path: &str) -> &str {
    path.rsplit_once('/').map_or("", |(folder, _)| folder)
}

/// Returns the last component of a path.
pub(crate) fn name_of(path: &str) -> &str {
    path.rsplit('/').next().unwrap_or_default()
}

/// Returns the MIME type for a file, from the extension of its name.
pub(crate) fn content_type(path: &str) -> &'static str {
    let ending = path.rsplit('.').next().unwrap_or_default();
    match ending.to_ascii_lowercase().as_str() {
        "jpg" | "jpeg" | "jpe" => "image/jpeg",
        "png" => "image/png",
        "gif" => "image/gif",
        "webp" => "image/webp",
        "heic" => "image/heic",
        "heif" => "image/heif",
        "avif" => "image/avif",
        "dng" => "image/x-adobe-dng",
        "mp4" | "m4v" => "video/mp4",
        "mov" => "video/quicktime",
        "3gp" => "video/3gpp",
        "mkv" => "video/x-matroska",
        "webm" => "video/webm",
        "mp3" => "audio/mpeg",
        "m4a" => "audio/mp4",
        "opus" | "ogg" => "audio/ogg",
        "pdf" => "application/pdf",
        "zip" => "application/zip",
        "txt" => "text/plain",
        _ => "application/octet-stream",
    }
}
