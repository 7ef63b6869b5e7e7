//! The common part of all kinds that hold files by path: listings, taken names, checks.

use std::collections::{HashMap, HashSet};
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;

mod listing;
mod notes;
mod proof;

use self::listing::Listings;
use self::notes::{has_hash, today, with_hash};
use super::owner::{Owner, random_name};
use super::parts::part_of;
use super::problem::Problem;
use super::rules::Rules;
use super::source::Source;
use super::{
    Acknowledged, Depth, ListingVerdict, Presence, Put, Remote, RemoteEntry, Settled, Wanted,
    folder_of, name_of,
};
use crate::digest::Sha256;
use crate::folder::upload::{SMALL_BYTES, Upload, UploadReason};
use crate::names::{UploadPath, folded};

/// A service that stores files by path. Its defaults are those of a service that refuses to overwrite a file.
#[async_trait]
pub(crate) trait Store: std::fmt::Debug + Send + Sync {
    /// Lists the files of a folder, or only the wanted ones; returns an empty list if it does not exist.
    async fn list(&self, folder: &str, wanted: &Wanted<'_>) -> Result<Vec<RemoteEntry>, Problem>;

    /// Sends a file to a path, unless something is already there.
    async fn put(
        &self,
        path: &str,
        source: &Source,
        owner: &Owner,
    ) -> Result<Acknowledged, Problem>;

    /// Reads a file back; returns its size in bytes and its SHA-256. An answer may be endless, so reading stops once it
    /// exceeds `most` bytes; the size is then only a lower bound.
    async fn digest(&self, path: &str, most: u64) -> Result<(u64, Sha256), Problem>;

    /// Removes a file.
    async fn remove(&self, path: &str) -> Result<(), Problem>;

    /// Returns how many bytes of memory sending a file takes.
    fn memory(&self, size: u64) -> u64 {
        size.min(2 * SMALL_BYTES)
    }

    /// Returns whether the service itself refuses to overwrite a file; `folder` is where that may be tested.
    async fn refuses(&self, _folder: &str, _: &Owner) -> Result<bool, Problem> {
        Ok(true)
    }

    /// Writes a tiny file, and overwrites an existing one. Only a service that may not refuse that is asked to.
    async fn note(&self, _path: &str, _text: &'static str) -> Result<(), Problem> {
        Ok(())
    }

    /// Records that a folder exists.
    fn knows_folder(&self, _: &str) {}

    /// Recognises partial files that earlier runs left there from this rescue folder.
    fn come_from(&self, _rescue_folder: Sha256) {}
}

/// A remote that stores files by path.
#[derive(Debug)]
pub(crate) struct Paths {
    store: Box<dyn Store>,
    rules: Rules,
    owner: Owner,
    /// The paths that are meant for other files, case-folded.
    reserved: Mutex<HashSet<String>>,
    listings: Listings,
    /// Whether the service refuses to overwrite a file, as tested.
    refuses: tokio::sync::OnceCell<bool>,
    /// The names of this sender's notes, by folder.
    notes: Mutex<HashMap<String, HashSet<String>>>,
    /// Held while a note is written.
    noting: tokio::sync::Mutex<()>,
    /// The day of this sender's notes.
    day: i64,
}

impl Paths {
    /// Creates the remote from a store and its rules.
    pub(crate) fn boxed(store: impl Store + 'static, rules: Rules) -> Box<dyn Remote> {
        Box::new(Self {
            store: Box::new(store),
            rules,
            owner: Owner::of(None),
            reserved: Mutex::default(),
            listings: Listings::default(),
            refuses: tokio::sync::OnceCell::new(),
            notes: Mutex::default(),
            noting: tokio::sync::Mutex::default(),
            day: today(),
        })
    }

    /// Returns whether the service itself refuses to overwrite a file; `folder` is where that may be tested.
    async fn refuses(&self, folder: &str) -> Result<bool, Problem> {
        let tried = self.refuses.get_or_try_init(|| async {
            let folder = self.spelt_folder(folder).await?;
            self.store.refuses(&folder, &self.owner).await
        });
        tried.await.copied()
    }

    /// Returns what a listing shows about an upload. `None` means that the file has to be sent, but not before a note
    /// announces it.
    async fn survey_listed(
        &self,
        upload: &Upload,
        source: &Source,
    ) -> Result<Option<Presence>, Problem> {
        let folder = folder_of(&upload.path);
        let listed = self.listing(folder).await?;
        let Some(listing) = listed.get() else {
            return Err(Problem::other("the folder was not listed"));
        };
        let part = part_of(&self.owner, &upload.path, source);
        let is_there = async |path: &str| {
            let found = listing.named(name_of(path));
            let is_free = found.is_empty();
            let same = self.same(folder, upload, source, found).await?;
            if same.is_some() && listing.has_part(name_of(&part)) {
                // A killed run left it, and nobody asks for it any more.
                let _ = self.store.remove(&self.spelt(&part).await?).await;
            }
            Ok::<_, Problem>((same, is_free))
        };
        let (same, is_free) = is_there(&upload.path).await?;
        if same.is_some() {
            return Ok(same);
        }
        if !self.refuses(folder).await? && !self.has_noted(folder) {
            return Ok(None);
        }
        let is_safe = !listing.has_others || has_hash(&upload.path, &upload.sha256);
        if is_free && is_safe {
            return Ok(Some(Presence::Absent));
        }
        let hashed = with_hash(&upload.path, &upload.sha256);
        let names = (2..).map(|number| upload.path.numbered(number));
        for free in std::iter::once(hashed.clone()).chain(names) {
            let is_last_way = listing.has_others || free != hashed;
            if is_last_way && !lock(&self.reserved).insert(folded(&free).into_owned()) {
                continue;
            }
            // From an earlier run whose catalogue is gone.
            match is_there(&free).await? {
                (Some(same), _) => return Ok(Some(same)),
                (None, true) if is_last_way => return Ok(Some(Presence::Taken { free })),
                (None, _) => {}
            }
        }
        Err(Problem::other("all names are taken"))
    }

    /// Returns the first of the found entries that is the same file.
    async fn same(
        &self,
        folder: &str,
        upload: &Upload,
        source: &Source,
        found: Vec<RemoteEntry>,
    ) -> Result<Option<Presence>, Problem> {
        for found in found {
            // A name that no path of ours has is not ours.
            let Ok(path) = UploadPath::new(&joined(folder, &found.name)) else {
                continue;
            };
            if let Some(same) = self.compare(&path, upload, source, &found).await? {
                return Ok(Some(match path == upload.path {
                    true => Presence::Same(same),
                    false => Presence::Elsewhere {
                        path,
                        acknowledged: same,
                    },
                }));
            }
        }
        Ok(None)
    }

    /// Returns whether a found entry is the same file: same size and same checksum, as computed by the service if
    /// possible. Otherwise the file is read back, because an equal size proves nothing.
    async fn compare(
        &self,
        path: &str,
        upload: &Upload,
        source: &Source,
        found: &RemoteEntry,
    ) -> Result<Option<Acknowledged>, Problem> {
        if found.size != Some(upload.size) {
            return Ok(None);
        }
        let same = |checksum: String| {
            Some(Acknowledged {
                there: found.etag.clone(),
                checksum: Some(checksum),
            })
        };
        match self.compare_checksums(source, found).await? {
            Some(checksum) => return Ok(same(checksum)),
            None if found.checksum.is_some() => return Ok(None),
            None => {}
        }
        let (size, sha256) = match self
            .store
            .digest(&self.spelt(path).await?, upload.size)
            .await
        {
            // It was there a moment ago.
            Err(Problem::NotFound { .. }) => return Ok(None),
            read => read?,
        };
        let is_same = size == upload.size && sha256 == upload.sha256;
        Ok(is_same.then(|| same(format!("sha256:{sha256}"))).flatten())
    }

    /// Sends a file to a path, unless something is already there.
    async fn send(&self, path: &str, source: &Source) -> Result<Acknowledged, Problem> {
        let spelt = self.spelt(path).await?;
        let done = self.store.put(&spelt, source, &self.owner).await;
        let acknowledged = done.map_err(|problem| match problem {
            // Whatever that was, it is made again, and the file is not to blame.
            Problem::NotFound { what } => Problem::Other {
                words: format!("its folder is gone ({what})"),
                passing: true,
            },
            problem => problem,
        })?;
        let found = RemoteEntry {
            name: name_of(path).to_owned(),
            size: Some(source.size),
            etag: acknowledged.there.clone(),
            ..RemoteEntry::default()
        };
        self.listings.add(folder_of(path), found);
        Ok(acknowledged)
    }
}

#[async_trait]
impl Remote for Paths {
    async fn put(&self, upload: &Upload, source: &Source) -> Result<Put, Problem> {
        self.send(&upload.path, source).await.map(Put::Done)
    }

    async fn settle(&self, sent: &[Upload]) -> Result<Vec<Settled>, Problem> {
        self.settled(sent).await
    }

    async fn look(&self, sent: &[Upload], depth: Depth) -> Result<Vec<ListingVerdict>, Problem> {
        self.looked(sent, depth).await
    }

    async fn read_back(
        &self,
        upload: &Upload,
        source: Option<&Source>,
        found: &RemoteEntry,
    ) -> Result<Settled, Problem> {
        self.compared(upload, source, found).await
    }

    async fn leave(&self) {
        self.remove_notes().await;
    }

    fn of_folder(&mut self, folder: &Path) {
        self.owner = Owner::of(Some(folder));
    }

    fn rules(&self) -> &Rules {
        &self.rules
    }

    fn come_from(&self, rescue_folder: Sha256) {
        self.store.come_from(rescue_folder);
    }

    fn reserve(&self, planned: Vec<UploadPath>) {
        let planned = planned.into_iter().map(|path| folded(&path).into_owned());
        lock(&self.reserved).extend(planned);
    }

    async fn survey(&self, upload: &Upload, source: &Source) -> Result<Presence, Problem> {
        if let Some(limit) = self.rules.max_file_bytes.filter(|max| upload.size > *max) {
            let words = format!("this service takes files of up to {limit} bytes");
            return Ok(Presence::Refused(UploadReason::TooLarge, words));
        }
        let folder = folder_of(&upload.path);
        if lock(&self.reserved).insert(folded(&upload.path).into_owned()) {
            // Nobody looked for this name so far.
            self.forget(&upload.path);
        }
        if let Some(presence) = self.survey_listed(upload, source).await? {
            return Ok(presence);
        }
        // It is to be sent: who else sends to this folder has to see that, and is looked for then.
        self.note(folder).await?;
        match self.survey_listed(upload, source).await? {
            Some(presence) => Ok(presence),
            None => Err(Problem::other("this folder accepts no uploads")),
        }
    }

    async fn test(&self) -> Result<String, Problem> {
        use super::limit::Limit;
        use super::source::Origin;
        use crate::event::Events;
        let text = format!("rescue remote test {}\n", std::process::id());
        let file = tempfile_of(text.as_bytes())?;
        let source = Source::new(
            Origin::File(file.0.clone()),
            (text.len() as u64, Sha256::of(text.as_bytes())),
            None,
            Arc::new(Limit::new(None)),
            Events::to(|_| {}),
        );
        let path = format!(".rescue-test-{}.txt", random_name());
        self.send(&path, &source).await?;
        let back = self.store.digest(&path, source.size).await;
        self.store.remove(&path).await?;
        let (size, sha256) = back?;
        if (size, sha256) != (source.size, source.sha256) {
            return Err(Problem::other(
                "the file that came back differs from the one that was sent",
            ));
        }
        Ok(match self.refuses("").await? {
            true => "a tiny file was written and read back".to_owned(),
            // Other runs of ours keep out of the way; other programs cannot know.
            false => {
                "a tiny file was written and read back; this service writes over files without \
                      asking, so no other program may write to the same place at the same time"
                    .to_owned()
            }
        })
    }

    fn memory(&self, size: u64) -> u64 {
        self.store.memory(size)
    }

    fn forget(&self, path: &str) {
        self.listings.forget(folder_of(path));
    }
}

/// Returns the path of a name in a folder.
fn joined(folder: &str, name: &str) -> String {
    match folder {
        "" => name.to_owned(),
        folder => format!("{folder}/{name}"),
    }
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A file in the system's temporary folder, removed when dropped.
struct Temporary(std::path::PathBuf);

impl Drop for Temporary {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.0);
    }
}

fn tempfile_of(bytes: &[u8]) -> Result<Temporary, Problem> {
    use std::io::Write as _;
    let path = std::env::temp_dir().join(format!("rescue-test-{}", random_name()));
    let failed = |e: std::io::Error| super::source::unreadable(&e);
    let mut file = std::fs::File::create_new(&path).map_err(failed)?;
    let temporary = Temporary(path);
    file.write_all(bytes).map_err(failed)?;
    Ok(temporary)
}
