//! What all kinds share that hold files by path: listings, names that are taken, checks.

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex, PoisonError};

use super::checksum::Algorithm;
use super::cloud::Cloud;
use super::folder::LocalFolder;
use super::objects::Objects;
use super::problem::Problem;
use super::rules::Rules;
use super::sftp::Sftp;
use super::source::Source;
use super::webdav::WebDavSender;
use super::{Acknowledged, Found, Presence, Settled, Wanted, folder_of, name_of};
use crate::digest::Sha256;
use crate::folder::upload::{SMALL_BYTES, Upload, UploadReason};
use crate::names::{UploadPath, folded};

/// Who holds the files.
#[derive(Debug)]
pub enum Store {
    /// A folder on this computer.
    Folder(LocalFolder),
    /// A WebDAV server.
    WebDav(WebDavSender, Objects),
    /// An SFTP server.
    Sftp(Sftp),
    /// A service that OpenDAL speaks to.
    Objects(Objects),
    /// A service with a tongue of its own.
    Cloud(Cloud),
}

/// A remote that holds files by path.
#[derive(Debug)]
pub struct Paths {
    store: Store,
    rules: Rules,
    /// Paths that are meant for other files, folded.
    reserved: Mutex<HashSet<String>>,
    /// What each folder holds, as listed in this run and with what was sent since.
    listings: Mutex<HashMap<String, Arc<tokio::sync::OnceCell<Listing>>>>,
}

/// By folded name: some services take `a.jpg` and `A.JPG` for one.
type Listing = Mutex<HashMap<String, Found>>;

impl Paths {
    /// A store and what it takes.
    pub fn new(store: Store, rules: Rules) -> Self {
        Self {
            store,
            rules,
            reserved: Mutex::default(),
            listings: Mutex::default(),
        }
    }

    /// What the service takes.
    pub fn rules(&self) -> &Rules {
        &self.rules
    }

    /// See [`super::Remote::come_from`].
    pub(super) fn come_from(&self, rescue_folder: Sha256) {
        match &self.store {
            Store::Folder(folder) => folder.parts().come_from(rescue_folder),
            Store::Sftp(sftp) => sftp.parts().come_from(rescue_folder),
            Store::WebDav(..) | Store::Objects(_) | Store::Cloud(_) => {}
        }
    }

    /// Notes paths that are meant for other files.
    pub fn reserve(&self, planned: impl IntoIterator<Item = UploadPath>) {
        let planned = planned.into_iter().map(|path| folded(&path).into_owned());
        lock(&self.reserved).extend(planned);
    }

    /// See [`super::Remote::survey`].
    pub async fn survey(
        &self,
        upload: &Upload,
        source: &Source,
        ours: bool,
    ) -> Result<Presence, Problem> {
        if let Some(limit) = self.rules.max_file_bytes.filter(|max| upload.size > *max) {
            let words = format!("this service takes files of up to {limit} bytes");
            return Ok(Presence::Refused(UploadReason::TooLarge, words));
        }
        let folder = folder_of(&upload.path);
        if lock(&self.reserved).insert(folded(&upload.path).into_owned()) {
            // Nobody looked for this name so far.
            self.forget(&upload.path);
        }
        let listing = self.listing(folder).await?;
        let Some(found) = look_up(&listing, name_of(&upload.path)) else {
            return Ok(Presence::Absent);
        };
        if found.name == name_of(&upload.path) {
            match self.compare(upload, source, &found).await? {
                Some(same) => return Ok(Presence::Same(same)),
                // A part of ours; elsewhere a name is given only to what is whole.
                None if ours && matches!(self.store, Store::WebDav(..)) => {
                    return Ok(Presence::Absent);
                }
                None => {}
            }
        }
        let mut number = 2;
        let free = loop {
            let free = upload.path.numbered(number);
            number += 1;
            match look_up(&listing, name_of(&free)) {
                None if lock(&self.reserved).insert(folded(&free).into_owned()) => break free,
                None => {}
                // From an earlier run whose catalogue is gone.
                Some(found) if found.name == name_of(&free) => {
                    let there = Upload {
                        path: free.clone(),
                        ..upload.clone()
                    };
                    if let Some(acknowledged) = self.compare(&there, source, &found).await? {
                        let path = free;
                        return Ok(Presence::Elsewhere { path, acknowledged });
                    }
                }
                Some(_) => {}
            }
        };
        Ok(Presence::Taken { free })
    }

    /// Whether what was found is this very file: same size, and same checksum, the service's own
    /// where it has one. Without one, the file is read back: a size alone proves nothing.
    async fn compare(
        &self,
        upload: &Upload,
        source: &Source,
        found: &Found,
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
        if let Some(there) = &found.checksum {
            let ours = source.checksum(there.algorithm).await?;
            return Ok((ours == *there).then(|| same(there.to_string())).flatten());
        }
        if let Some(md5) = &found.md5
            && *md5 == source.md5().await?
        {
            return Ok(same(format!("md5:{md5}")));
        }
        let (size, sha256) = self.digest(&upload.path, upload.size).await?;
        let is_same = size == upload.size && sha256 == upload.sha256;
        Ok(is_same.then(|| same(format!("sha256:{sha256}"))).flatten())
    }

    /// See [`super::Remote::put`].
    pub async fn put(&self, path: &str, source: &Source) -> Result<Acknowledged, Problem> {
        let done = match &self.store {
            Store::Folder(folder) => folder.put(path, source).await,
            Store::WebDav(sender, _) => sender.put(path, source).await,
            Store::Sftp(sftp) => sftp.put(path, source).await,
            Store::Objects(objects) => objects.put(path, source).await,
            Store::Cloud(cloud) => cloud.put(path, source).await,
        };
        let acknowledged = done.map_err(|problem| match problem {
            // Whatever that was, it is made again, and the file is not to blame.
            Problem::NotFound { what } => Problem::Other {
                words: format!("what it goes into is gone ({what})"),
                passing: true,
            },
            problem => problem,
        })?;
        let known = self.listings().get(folder_of(path)).cloned();
        if let Some(listing) = known.as_ref().and_then(|known| known.get()) {
            let found = Found {
                name: name_of(path).to_owned(),
                size: Some(source.size),
                etag: acknowledged.there.clone(),
                ..Found::default()
            };
            lock(listing).insert(folded(&found.name).into_owned(), found);
        }
        Ok(acknowledged)
    }

    /// See [`super::Remote::settle`].
    pub async fn settle(&self, sent: &[Upload]) -> Result<Vec<Settled>, Problem> {
        let mut listings: HashMap<&str, HashMap<String, Found>> = HashMap::new();
        let mut settled = Vec::with_capacity(sent.len());
        for upload in sent {
            let folder = folder_of(&upload.path);
            if !listings.contains_key(folder) {
                let names: HashSet<&str> = sent
                    .iter()
                    .filter(|upload| folder_of(&upload.path) == folder)
                    .map(|upload| name_of(&upload.path))
                    .collect();
                let found = self.list(folder, &|name| names.contains(name)).await?;
                let found = found.into_iter();
                let by_name = found.map(|found| (found.name.clone(), found)).collect();
                listings.insert(folder, by_name);
            }
            let found = listings
                .get(folder)
                .and_then(|listing| listing.get(name_of(&upload.path)));
            settled.push(match found {
                None => Settled::Wrong(
                    UploadReason::Missing,
                    "the service does not have it".to_owned(),
                ),
                Some(found) if found.size != Some(upload.size) => Settled::Wrong(
                    UploadReason::SizeDiffers,
                    format!(
                        "the service has {} of its {} bytes",
                        found.size.unwrap_or_default(),
                        upload.size
                    ),
                ),
                Some(found) => settled_as(upload, found),
            });
        }
        Ok(settled)
    }

    /// See [`super::Remote::test`].
    pub async fn test(&self) -> Result<String, Problem> {
        use super::limit::Limit;
        use super::source::Place;
        use crate::event::Events;
        let text = format!("rescue remote test {}\n", std::process::id());
        let file = tempfile_of(text.as_bytes())?;
        let source = Source::new(
            Place::File(file.0.clone()),
            (text.len() as u64, Sha256::of(text.as_bytes())),
            None,
            Arc::new(Limit::new(None)),
            Events::to(|_| {}),
        );
        let path = format!(".rescue-test-{}.txt", std::process::id());
        self.put(&path, &source).await?;
        let back = self.digest(&path, source.size).await;
        self.remove(&path).await?;
        let (size, sha256) = back?;
        if (size, sha256) != (source.size, source.sha256) {
            return Err(Problem::other("what came back is not what was sent"));
        }
        Ok("a tiny file went there and came back".to_owned())
    }

    /// The bytes of memory that sending a file takes.
    pub fn memory(&self, size: u64) -> u64 {
        match &self.store {
            Store::Objects(_) => Objects::memory(size),
            Store::Cloud(cloud) => cloud.memory(size),
            Store::Folder(_) | Store::WebDav(..) | Store::Sftp(_) => size.min(2 * SMALL_BYTES),
        }
    }

    /// See [`super::Remote::forget`].
    pub fn forget(&self, path: &str) {
        self.listings().remove(folder_of(path));
    }

    /// Reads a file back: its size and SHA-256. Of a file of more than `most` bytes it is not known how many,
    /// for an answer may have no end.
    pub async fn digest(&self, path: &str, most: u64) -> Result<(u64, Sha256), Problem> {
        match &self.store {
            Store::Folder(folder) => folder.digest(path, most).await,
            Store::WebDav(_, objects) | Store::Objects(objects) => objects.digest(path, most).await,
            Store::Sftp(sftp) => sftp.digest(path, most).await,
            Store::Cloud(cloud) => cloud.digest(path, most).await,
        }
    }

    /// Removes a file.
    async fn remove(&self, path: &str) -> Result<(), Problem> {
        match &self.store {
            Store::Folder(folder) => folder.remove(path).await,
            Store::WebDav(_, objects) | Store::Objects(objects) => objects.remove(path).await,
            Store::Sftp(sftp) => sftp.remove(path).await,
            Store::Cloud(cloud) => cloud.remove(path).await,
        }
    }

    async fn list(&self, folder: &str, wanted: &Wanted<'_>) -> Result<Vec<Found>, Problem> {
        let mut found = match &self.store {
            Store::Folder(store) => store.list(folder).await,
            Store::WebDav(_, objects) | Store::Objects(objects) => {
                objects.list(folder, wanted).await
            }
            Store::Sftp(sftp) => sftp.list(folder, wanted).await,
            Store::Cloud(cloud) => cloud.list(folder).await,
        }?;
        found.retain(|found| wanted(&found.name));
        Ok(found)
    }

    /// What a folder holds; asked once, however many wait for it.
    async fn listing(&self, folder: &str) -> Result<Arc<tokio::sync::OnceCell<Listing>>, Problem> {
        let cell = Arc::clone(self.listings().entry(folder.to_owned()).or_default());
        cell.get_or_try_init(|| async {
            let is_planned = |name: &str| {
                let path = match folder {
                    "" => name.to_owned(),
                    folder => format!("{folder}/{name}"),
                };
                // Another name of a file whose own is taken has a number in brackets.
                name.contains(" (") || lock(&self.reserved).contains(folded(&path).as_ref())
            };
            let found = self.list(folder, &is_planned).await?;
            if let (Store::WebDav(sender, _), false) = (&self.store, found.is_empty()) {
                sender.knows_folder(folder);
            }
            let by_name = found
                .into_iter()
                .map(|found| (folded(&found.name).into_owned(), found));
            Ok::<_, Problem>(Mutex::new(by_name.collect()))
        })
        .await?;
        Ok(cell)
    }

    fn listings(
        &self,
    ) -> std::sync::MutexGuard<'_, HashMap<String, Arc<tokio::sync::OnceCell<Listing>>>> {
        lock(&self.listings)
    }
}

/// What a file of the right size is, by the service's checksum and the one of the receipt.
fn settled_as(upload: &Upload, found: &Found) -> Settled {
    let Some(there) = &found.checksum else {
        return Settled::There(found.md5.as_ref().map(|md5| format!("md5:{md5}")));
    };
    let told = there.to_string();
    let name = there.algorithm.name();
    let expected = match there.algorithm {
        Algorithm::Sha256 => Some(format!("sha256:{}", upload.sha256)),
        _ => upload.checksum.clone(),
    };
    // A receipt may hold another kind of checksum, which says nothing here.
    match expected.filter(|known| known.split(':').next() == Some(name)) {
        Some(known) if known != told => Settled::Wrong(
            UploadReason::Other,
            format!("the service has other bytes ({told})"),
        ),
        _ => Settled::There(Some(told)),
    }
}

fn look_up(listing: &tokio::sync::OnceCell<Listing>, name: &str) -> Option<Found> {
    let listing = listing.get()?;
    lock(listing).get(folded(name).as_ref()).cloned()
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
    let path = std::env::temp_dir().join(format!("rescue-test-{}", std::process::id()));
    let failed = |e: std::io::Error| Problem::SourceUnreadable {
        words: e.to_string(),
    };
    let _ = std::fs::remove_file(&path);
    let mut file = std::fs::File::create_new(&path).map_err(failed)?;
    let temporary = Temporary(path);
    file.write_all(bytes).map_err(failed)?;
    Ok(temporary)
}
