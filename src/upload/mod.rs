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

/// Counts what a listing holds: one that does not end must neither fill the memory nor go on for
/// ever.
#[derive(Debug, Default)]
pub(crate) struct Counted {
    entries: usize,
    pages: usize,
}

impl Counted {
    /// Counts a page of so many entries.
    pub(crate) fn page(&mut self, entries: usize) -> Result<(), Problem> {
        self.pages += 1;
        self.add(entries)
    }

    /// Counts one more entry of a page.
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

/// Whether a name in a folder is of any interest: of a million others nothing is kept.
pub(crate) type Wanted<'a> = dyn Fn(&str) -> bool + Send + Sync + 'a;

/// What a service said when it took a file.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Acknowledged {
    /// Its own id of the file, or its ETag.
    pub there: Option<String>,
    /// Its checksum of the file, as `md5:...` or `sha1:...`.
    pub checksum: Option<String>,
}

/// Something that is in a folder of a remote.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Found {
    /// Its name.
    pub name: String,
    /// Its size in bytes; `None` for a folder.
    pub size: Option<u64>,
    /// Its ETag.
    pub etag: Option<String>,
    /// What may be the MD5 of its content, as 32 hexadecimal digits.
    pub md5: Option<String>,
    /// The service's checksum of its content.
    pub checksum: Option<checksum::Checksum>,
}

/// What a remote has of an upload.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Presence {
    /// Nothing is in its place: send it there.
    Absent,
    /// It is there already.
    Same(Acknowledged),
    /// It is there already, under this other path, for another file has its name.
    Elsewhere {
        /// The path.
        path: UploadPath,
        /// What the service says of it.
        acknowledged: Acknowledged,
    },
    /// Another file has its name: send it to this path instead.
    Taken {
        /// A path where nothing is.
        free: UploadPath,
    },
    /// The service never takes it.
    Refused(UploadReason, String),
}

/// What became of a file that was acknowledged.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Settled {
    /// It is there in its full size.
    There {
        /// The service's checksum, if it told one now.
        checksum: Option<String>,
        /// Its path, where the service spells it otherwise.
        path: Option<String>,
        /// By what that was seen.
        proven: Proven,
    },
    /// It is not, or not all of it.
    Wrong(UploadReason, String),
}

impl Settled {
    /// It is there, at a path that may be spelt otherwise than its own.
    fn there(upload: &Upload, path: &str, checksum: Option<String>, proven: Proven) -> Self {
        Self::There {
            checksum,
            path: (path != upload.path.as_str()).then(|| path.to_owned()),
            proven,
        }
    }

    /// It is there, as far as was asked.
    fn there_by(proven: Proven) -> Self {
        Self::There {
            checksum: None,
            path: None,
            proven,
        }
    }
}

/// By what it was seen that a file is there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Proven {
    /// It was read back, byte by byte.
    Content,
    /// The service computed a checksum, and it is ours.
    Checksum,
    /// It has its size, and the mark that the service gave it, where it gives one.
    Size,
    /// The service lists it, and tells neither size nor checksum.
    Name,
}

/// How closely receipts are compared with what is there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Depth {
    /// With what listings tell.
    Listing,
    /// With the content, by a checksum that the service computed or by reading it back.
    Content,
}

/// What listings tell of a file with a receipt.
#[derive(Debug)]
pub(crate) enum Looked {
    /// Enough.
    Settled(Settled),
    /// Too little: this is to be read back.
    Unsure(Found),
}

/// How far a file got when its bytes were sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Put {
    /// It is there.
    Done(Acknowledged),
    /// Its bytes are, and this stands for them until an item is made of it.
    Pledged(String),
    /// The same since an earlier run: nothing was sent.
    Held(String),
}

/// A destination, ready to work.
///
/// What its service says leaves it only without the secrets that were told to it: a hostile service,
/// or an error page that shows the request, repeats them.
#[derive(Debug)]
pub struct Remote {
    kind: RemoteKind,
    hidden: Hidden,
}

/// What a destination is.
#[derive(Debug)]
pub enum RemoteKind {
    /// A service that holds files by path.
    Paths(Box<Paths>),
    /// An Immich server.
    Immich(Immich),
    /// Google Photos.
    GooglePhotos(GooglePhotos),
}

impl Remote {
    /// A destination of which nothing `hidden` is to be repeated.
    pub(crate) fn new(kind: RemoteKind, hidden: Hidden) -> Self {
        Self { kind, hidden }
    }

    /// What it is, to decide what can be done with it.
    pub fn kind_mut(&mut self) -> &mut RemoteKind {
        &mut self.kind
    }

    /// Says which rescue folder is sent: what is there only for a while is told by it from what others
    /// send to the same place.
    pub fn of_folder(&mut self, folder: &Path) {
        match &mut self.kind {
            RemoteKind::Paths(paths) => paths.set_owner(folder),
            RemoteKind::Immich(_) | RemoteKind::GooglePhotos(_) => {}
        }
    }

    /// What the remote has of an upload.
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

    /// Whether bytes that were sent are no item before one is made of them.
    pub fn makes_items(&self) -> bool {
        match &self.kind {
            RemoteKind::Paths(_) | RemoteKind::Immich(_) => false,
            RemoteKind::GooglePhotos(_) => true,
        }
    }

    /// The album that [`Remote::create`] is to put a file into, by its place below `data/`.
    pub(crate) fn album_of(&self, source: &str) -> Option<String> {
        match &self.kind {
            RemoteKind::Paths(_) | RemoteKind::Immich(_) => None,
            RemoteKind::GooglePhotos(photos) => photos.album_of(source),
        }
    }

    /// Makes items of pledged bytes; answers in the same order.
    pub(crate) async fn create(&self, batch: &Batch) -> Result<Vec<Made>, Problem> {
        let said = match &self.kind {
            RemoteKind::Paths(_) | RemoteKind::Immich(_) => Ok(Vec::new()),
            RemoteKind::GooglePhotos(photos) => photos.create(batch).await,
        };
        self.hidden.left_out(said)
    }

    /// Where to note what has to be recorded at once.
    pub(crate) fn note_to(&self, notes: UnboundedSender<UploadRecord>) {
        match &self.kind {
            RemoteKind::Paths(_) | RemoteKind::Immich(_) => {}
            RemoteKind::GooglePhotos(photos) => photos.note_to(notes),
        }
    }

    /// Goes on with an upload where an earlier run left it, when the same bytes are to be sent.
    pub(crate) fn go_on(&self, id: UploadId, known: Pledged) {
        match &self.kind {
            RemoteKind::Paths(_) | RemoteKind::Immich(_) => {}
            RemoteKind::GooglePhotos(photos) => photos.go_on(id, known),
        }
    }

    /// Asks whether acknowledged files are there, as far as that is not known from the
    /// acknowledgement; answers in the same order.
    pub async fn settle(&self, sent: &[Upload]) -> Result<Vec<Settled>, Problem> {
        let said = match &self.kind {
            RemoteKind::Paths(paths) => paths.settle(sent).await,
            RemoteKind::Immich(immich) => immich.settle(sent).await,
            RemoteKind::GooglePhotos(photos) => Ok(photos.settle(sent)),
        };
        self.hidden.left_out(said)
    }

    /// Asks whether files with a receipt are there; answers in the same order.
    pub(crate) async fn look(&self, sent: &[Upload], depth: Depth) -> Result<Vec<Looked>, Problem> {
        let said = match &self.kind {
            RemoteKind::Paths(paths) => paths.look(sent, depth).await,
            RemoteKind::Immich(immich) => immich.settle(sent).await.map(all_settled),
            RemoteKind::GooglePhotos(photos) => photos.check(sent).await.map(all_settled),
        };
        self.hidden.left_out(said)
    }

    /// Compares the content of a file that was found there.
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

    /// Everything is sent: what was there only for that goes.
    pub(crate) async fn leave(&self) {
        match &self.kind {
            RemoteKind::Paths(paths) => paths.leave().await,
            RemoteKind::Immich(_) | RemoteKind::GooglePhotos(_) => {}
        }
    }

    /// Whether a look at all receipts costs little: listings, and no quota.
    pub(crate) fn looks_cheaply(&self) -> bool {
        match &self.kind {
            RemoteKind::Paths(_) | RemoteKind::Immich(_) => true,
            RemoteKind::GooglePhotos(_) => false,
        }
    }

    /// Tries whether it works, and says how that was seen.
    pub async fn test(&self) -> Result<String, Problem> {
        let said = match &self.kind {
            RemoteKind::Paths(paths) => paths.test().await,
            RemoteKind::Immich(immich) => immich.test().await,
            RemoteKind::GooglePhotos(photos) => photos.test().await,
        };
        self.hidden.left_out(said)
    }

    /// What the service takes.
    pub fn rules(&self) -> &Rules {
        match &self.kind {
            RemoteKind::Paths(paths) => paths.rules(),
            RemoteKind::Immich(immich) => immich.rules(),
            RemoteKind::GooglePhotos(photos) => photos.rules(),
        }
    }

    /// Knows again what earlier runs left of files that come from this rescue folder.
    pub(crate) fn come_from(&self, rescue_folder: Sha256) {
        match &self.kind {
            RemoteKind::Paths(paths) => paths.come_from(rescue_folder),
            RemoteKind::Immich(_) | RemoteKind::GooglePhotos(_) => {}
        }
    }

    /// Notes paths that are meant for other files.
    pub fn reserve(&self, planned: impl IntoIterator<Item = UploadPath>) {
        match &self.kind {
            RemoteKind::Paths(paths) => paths.reserve(planned),
            RemoteKind::Immich(_) | RemoteKind::GooglePhotos(_) => {}
        }
    }

    /// Says what goes into which album.
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

    /// Whether [`Remote::arrange`] has anything to do.
    pub fn arranges(&self) -> bool {
        match &self.kind {
            RemoteKind::Paths(_) | RemoteKind::GooglePhotos(_) => false,
            RemoteKind::Immich(immich) => immich.arranges(),
        }
    }

    /// Puts what is there into its albums; doing so twice changes nothing.
    pub async fn arrange(&self, there: &[Upload]) -> Result<(), Problem> {
        let said = match &self.kind {
            RemoteKind::Paths(_) | RemoteKind::GooglePhotos(_) => Ok(()),
            RemoteKind::Immich(immich) => immich.arrange(there).await,
        };
        self.hidden.left_out(said)
    }

    /// Whether a file needs a date of its own to be shown on the right day.
    pub fn needs_dates(&self) -> bool {
        match &self.kind {
            RemoteKind::Paths(_) => false,
            // It takes dates beside the file.
            RemoteKind::Immich(_) => false,
            RemoteKind::GooglePhotos(_) => true,
        }
    }

    /// Whether files may be sent as copies: what holds files by path keeps them as they are.
    pub fn takes_copies(&self) -> bool {
        match &self.kind {
            RemoteKind::Paths(_) => false,
            RemoteKind::Immich(_) | RemoteKind::GooglePhotos(_) => true,
        }
    }

    /// How many uploads it wants to be asked about at once, when `parallel` are sent at once.
    pub fn surveys_at_once(&self, parallel: usize) -> usize {
        match &self.kind {
            RemoteKind::Paths(_) | RemoteKind::GooglePhotos(_) => parallel,
            // It answers for many in one request.
            RemoteKind::Immich(_) => queue::AHEAD,
        }
    }

    /// The bytes of memory that sending a file takes.
    pub fn memory(&self, size: u64) -> u64 {
        match &self.kind {
            RemoteKind::Paths(paths) => paths.memory(size),
            RemoteKind::Immich(immich) => immich.memory(size),
            RemoteKind::GooglePhotos(_) => size.min(2 * SMALL_BYTES),
        }
    }

    /// Forgets what is known about a path's surroundings: an interrupted request may have changed it.
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

/// The folder of a path; empty for the root.
pub(crate) fn folder_of(path: &str) -> &str {
    path.rsplit_once('/').map_or("", |(folder, _)| folder)
}

/// The last name of a path.
pub(crate) fn name_of(path: &str) -> &str {
    path.rsplit('/').next().unwrap_or_default()
}

/// What a browser should take a file for, by its ending.
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
