//! Uploads: from the rescue folder to any cloud, each file once, with a receipt.
//!
//! In: files of a rescue folder with their SHA-256, and a `Remote`. Out: a receipt for each in the catalogue, or
//! the reason why there is none.
//!
//! ```text
//! choose (which, where to) -> queue in the catalogue -> survey -> put (-> create) -> settle -> receipts
//! ```
//!
//! * `Remote::survey` asks what is there already: the same file is recorded and not sent, another file under its
//!   name is left alone.
//! * `Remote::put` sends one file. The catalogue records *sending* before the first byte leaves, so that after a
//!   crash the path is known to be ours, and *sent* when the service has acknowledged it.
//! * `create` turns sent bytes into items, in batches, if a service requires that.
//! * `Remote::settle` asks for many files at once whether the service really has them.
//!
//! `queue` joins these steps, decides about retries and writes the receipts. `source` is a file on its way, with the
//! proof that it is still the verified one.
//!
//! `kinds` has a room for each kind of remote, with all that the program knows of it. Kinds that hold files by path
//! share `paths`; a photo service (with upload tokens and batches, or with checksums) is a `Remote` of its own. A
//! failure is a `problem::Problem`, which says what it means for the file and for the run.

pub(crate) mod account;
pub(crate) mod albums;
mod batch;
mod body;
pub(crate) mod checksum;
pub(crate) mod choose;
pub(crate) mod cloud;
pub(crate) mod connect;
pub(crate) mod copy;
mod gate;
pub(crate) mod given;
mod hidden;
pub(crate) mod http;
pub(crate) mod keyring;
pub(crate) mod kinds;
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
pub(crate) mod source;

use std::path::Path;

use async_trait::async_trait;
use tokio::sync::mpsc::UnboundedSender;

use crate::digest::Sha256;
use crate::error::{Error, Kind};
use crate::folder::upload::{Pledged, SMALL_BYTES, Upload, UploadId, UploadReason, UploadRecord};
use crate::names::UploadPath;
use albums::Albums;
use batch::{Batch, Creation};
use hidden::Hidden;
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
pub struct RemoteEntry {
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
pub(crate) enum ListingVerdict {
    /// The listing decides.
    Settled(Settled),
    /// The listing does not decide: this entry has to be read back.
    Unsure(RemoteEntry),
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

/// A destination that is ready to use. What a kind has no use for does nothing.
#[async_trait]
pub(crate) trait Remote: std::fmt::Debug + Send + Sync {
    /// Returns the service's rules for files.
    fn rules(&self) -> &Rules;

    /// Returns what the remote already has in place of an upload.
    async fn survey(&self, upload: &Upload, source: &Source) -> Result<Presence, Problem>;

    /// Sends a file to its path.
    async fn put(&self, upload: &Upload, source: &Source) -> Result<Put, Problem>;

    /// Verifies that acknowledged files are there, unless the acknowledgement was proof enough. The results are in the
    /// same order.
    async fn settle(&self, sent: &[Upload]) -> Result<Vec<Settled>, Problem>;

    /// Tests whether the destination works and returns how that was seen.
    async fn test(&self) -> Result<String, Problem>;

    /// Checks whether files with a receipt are there; the results are in the same order.
    async fn look(&self, sent: &[Upload], _: Depth) -> Result<Vec<ListingVerdict>, Problem> {
        let settled = self.settle(sent).await?;
        Ok(settled.into_iter().map(ListingVerdict::Settled).collect())
    }

    /// Compares the content of a file found on the remote, which [`Remote::look`] left undecided.
    async fn read_back(
        &self,
        _: &Upload,
        _: Option<&Source>,
        _: &RemoteEntry,
    ) -> Result<Settled, Problem> {
        Ok(Settled::there_by(Proven::Name))
    }

    /// Returns how many bytes of memory sending a file takes.
    fn memory(&self, size: u64) -> u64 {
        size.min(2 * SMALL_BYTES)
    }

    /// Returns how many uploads should be surveyed at once while `parallel` files are sent at once.
    fn surveys_at_once(&self, parallel: usize) -> usize {
        parallel
    }

    /// Returns whether checking all receipts is cheap: listings suffice, and no quota is used.
    fn looks_cheaply(&self) -> bool {
        true
    }

    /// Returns whether a file must contain a date to be shown on the right day.
    fn needs_dates(&self) -> bool {
        false
    }

    /// Returns whether files may be sent as modified copies.
    fn takes_copies(&self) -> bool {
        false
    }

    /// Heeds what a person wishes; refuses what makes no sense here.
    fn heed(&mut self, wishes: &Wishes) -> Result<(), Error> {
        match wishes.limits_of_2018 {
            true => Err(
                Error::new(Kind::Usage, "--limits is for Google Photos only")
                    .with_hint("leave out --limits"),
            ),
            false => Ok(()),
        }
    }

    /// Sets how files are put into albums; fails if this kind of remote has no albums.
    fn set_albums(&mut self, albums: Albums) -> Result<(), Error> {
        match albums {
            Albums::None => Ok(()),
            Albums::One(_) | Albums::PerFolder => {
                Err(Error::new(Kind::Usage, "this kind of remote has no albums")
                    .with_hint("leave out --album and --album-per-folder, or take another remote"))
            }
        }
    }

    /// Sets the rescue folder being uploaded. It marks the temporary files on the remote, so that those of other
    /// senders can be told apart.
    fn of_folder(&mut self, _: &Path) {}

    /// Lets the remote recognise partial files that earlier runs left there from this rescue folder.
    fn come_from(&self, _: Sha256) {}

    /// Reserves paths that are meant for other files.
    fn reserve(&self, _: Vec<UploadPath>) {}

    /// Forgets what is known about a path and its folder, because an interrupted request may have changed them.
    fn forget(&self, _: &str) {}

    /// Removes what was on the remote only during the upload. Call it when everything has been sent.
    async fn leave(&self) {}

    /// Returns whether [`Remote::arrange`] has anything to do.
    fn arranges(&self) -> bool {
        false
    }

    /// Puts the present files into their albums. Repeating it changes nothing.
    async fn arrange(&self, _: &[Upload]) -> Result<(), Problem> {
        Ok(())
    }

    /// Returns whether items have to be created from the bytes after they are sent.
    fn makes_items(&self) -> bool {
        false
    }

    /// Returns the title of the album that [`Remote::create`] puts a file into, from the file's path below `data/`.
    fn album_of(&self, _: &str) -> Option<String> {
        None
    }

    /// Creates items from stored bytes; the results are in the same order.
    async fn create(&self, _: &Batch) -> Result<Vec<Creation>, Problem> {
        Ok(Vec::new())
    }

    /// Sets the channel for facts that must be recorded immediately.
    fn note_to(&self, _: UnboundedSender<UploadRecord>) {}

    /// Continues an upload where an earlier run left it, if the same bytes are to be sent.
    fn go_on(&self, _: UploadId, _: Pledged) {}
}

/// Wishes of a person that not every kind of remote can fulfil.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Wishes {
    /// Files in folders of the person's choice.
    pub(crate) folders: bool,
    /// Archives instead of the rescued files.
    pub(crate) archives: bool,
    /// The size limits that Google Photos had in 2018.
    pub(crate) limits_of_2018: bool,
}

/// A remote behind a mask: the secrets known to it are removed from everything that its service reports, because a
/// hostile service, or an error page that shows the request, may repeat them.
///
/// Every answer of [`Remote`] is asked for here; the rest of it comes from this program, and is reached directly.
#[derive(Debug)]
pub(crate) struct Masked {
    remote: Box<dyn Remote>,
    hidden: Hidden,
}

impl Masked {
    /// Removes the secrets in `hidden` from all reports of a remote.
    pub(crate) fn new(remote: Box<dyn Remote>, hidden: Hidden) -> Self {
        Self { remote, hidden }
    }

    pub(crate) async fn survey(
        &self,
        upload: &Upload,
        source: &Source,
    ) -> Result<Presence, Problem> {
        self.hidden
            .left_out(self.remote.survey(upload, source).await)
    }

    pub(crate) async fn put(&self, upload: &Upload, source: &Source) -> Result<Put, Problem> {
        self.hidden.left_out(self.remote.put(upload, source).await)
    }

    pub(crate) async fn create(&self, batch: &Batch) -> Result<Vec<Creation>, Problem> {
        self.hidden.left_out(self.remote.create(batch).await)
    }

    pub(crate) async fn settle(&self, sent: &[Upload]) -> Result<Vec<Settled>, Problem> {
        self.hidden.left_out(self.remote.settle(sent).await)
    }

    pub(crate) async fn look(
        &self,
        sent: &[Upload],
        depth: Depth,
    ) -> Result<Vec<ListingVerdict>, Problem> {
        self.hidden.left_out(self.remote.look(sent, depth).await)
    }

    pub(crate) async fn read_back(
        &self,
        upload: &Upload,
        source: Option<&Source>,
        found: &RemoteEntry,
    ) -> Result<Settled, Problem> {
        let read = self.remote.read_back(upload, source, found).await;
        self.hidden.left_out(read)
    }

    pub(crate) async fn arrange(&self, there: &[Upload]) -> Result<(), Problem> {
        self.hidden.left_out(self.remote.arrange(there).await)
    }

    pub(crate) async fn test(&self) -> Result<String, Problem> {
        self.hidden.left_out(self.remote.test().await)
    }
}

impl std::ops::Deref for Masked {
    type Target = dyn Remote;

    fn deref(&self) -> &Self::Target {
        &*self.remote
    }
}

impl std::ops::DerefMut for Masked {
    fn deref_mut(&mut self) -> &mut Self::Target {
        &mut *self.remote
    }
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
