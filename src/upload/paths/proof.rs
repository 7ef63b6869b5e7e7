//! Checks whether acknowledged files are there: by a listing, and by their content if that is not enough.

use std::collections::{HashMap, HashSet};

use super::notes::NoteName;
use super::{Paths, joined};
use crate::folder::upload::{Upload, UploadReason};
use crate::names::folded;
use crate::upload::checksum::ChecksumAlgorithm;
use crate::upload::problem::Problem;
use crate::upload::source::Source;
use crate::upload::{Depth, ListingVerdict, Proven, RemoteEntry, Settled, folder_of, name_of};

impl Paths {
    /// See [`settle`](crate::upload::Remote::settle).
    pub(super) async fn settled(&self, sent: &[Upload]) -> Result<Vec<Settled>, Problem> {
        let looked = self.looked(sent, Depth::Listing).await?;
        let mut settled = Vec::with_capacity(sent.len());
        for (upload, looked) in sent.iter().zip(looked) {
            settled.push(match looked {
                ListingVerdict::Settled(settled) => settled,
                ListingVerdict::Unsure(found) => self.compared(upload, None, &found).await?,
            });
        }
        Ok(settled)
    }

    /// Compares listings with receipts; the results are in the same order.
    pub(super) async fn looked(
        &self,
        sent: &[Upload],
        depth: Depth,
    ) -> Result<Vec<ListingVerdict>, Problem> {
        if sent.is_empty() {
            // A service that is not to be reached has nothing to say of them either.
            self.list("", &|_| false).await?;
        }
        let mut names: HashMap<&str, HashSet<String>> = HashMap::new();
        for upload in sent {
            let name = folded(name_of(&upload.path)).into_owned();
            names
                .entry(folder_of(&upload.path))
                .or_default()
                .insert(name);
        }
        let mut listings: HashMap<&str, HashMap<String, Vec<RemoteEntry>>> = HashMap::new();
        for (folder, names) in names {
            let is_one =
                |name: &str| names.contains(folded(name).as_ref()) || NoteName::of(name).is_some();
            let mut by_name: HashMap<String, Vec<RemoteEntry>> = HashMap::new();
            for found in self.list(folder, &is_one).await? {
                if let Some(note) = NoteName::of(&found.name) {
                    self.is_of_others(folder, &note);
                    continue;
                }
                let name = folded(&found.name).into_owned();
                by_name.entry(name).or_default().push(found);
            }
            listings.insert(folder, by_name);
        }
        let looked = sent.iter().map(|upload| {
            let listing = listings.get(folder_of(&upload.path));
            let name = folded(name_of(&upload.path));
            let found = listing.and_then(|listing| listing.get(name.as_ref()));
            judged(upload, found.map_or(&[], Vec::as_slice), depth)
        });
        Ok(looked.collect())
    }

    /// Compares the content of a file found on the remote: by the service's checksum if the local file can be read for
    /// that, otherwise byte by byte.
    pub(super) async fn compared(
        &self,
        upload: &Upload,
        source: Option<&Source>,
        found: &RemoteEntry,
    ) -> Result<Settled, Problem> {
        let path = joined(folder_of(&upload.path), &found.name);
        if let Some(source) = source {
            // The file here may have changed, or be gone: what is there is compared all the same.
            let same = self.compare_checksums(source, found).await.ok().flatten();
            if let Some(checksum) = same {
                return Ok(Settled::there(
                    upload,
                    &path,
                    Some(checksum),
                    Proven::Checksum,
                ));
            }
        }
        let spelt = self.spelt(&path).await?;
        let (size, sha256) = match self.store.digest(&spelt, upload.size).await {
            Ok(digest) => digest,
            Err(Problem::NotFound { .. }) => return Ok(missing()),
            Err(problem) => return Err(problem),
        };
        if (size, sha256) != (upload.size, upload.sha256) {
            return Ok(Settled::Wrong(
                UploadReason::Other,
                format!("the service has different bytes (sha256:{sha256})"),
            ));
        }
        let checksum = found.checksum.as_ref().map(ToString::to_string);
        Ok(Settled::there(upload, &path, checksum, Proven::Content))
    }

    /// Returns the service's checksum of a file, if it equals this program's.
    pub(super) async fn compare_checksums(
        &self,
        source: &Source,
        found: &RemoteEntry,
    ) -> Result<Option<String>, Problem> {
        if let Some(there) = &found.checksum {
            let ours = source.checksum(there.algorithm).await?;
            return Ok((ours == *there).then(|| there.to_string()));
        }
        if let Some(md5) = &found.md5
            && *md5 == source.md5().await?
        {
            return Ok(Some(format!("md5:{md5}")));
        }
        Ok(None)
    }
}

fn missing() -> Settled {
    let words = "the service does not have it".to_owned();
    Settled::Wrong(UploadReason::Missing, words)
}

/// What a listing says of an upload, in which these have its name or one like it.
fn judged(upload: &Upload, found: &[RemoteEntry], depth: Depth) -> ListingVerdict {
    let name = name_of(&upload.path);
    // Drive takes several files of one name: the one that was acknowledged, if it is there.
    let is_named = |it: &&RemoteEntry| it.name == name;
    let is_acknowledged = |it: &&RemoteEntry| it.etag.is_some() && it.etag == upload.there;
    let exact = found.iter().filter(is_named).find(is_acknowledged);
    let exact = exact.or_else(|| found.iter().find(is_named));
    let Some(found) = exact else {
        // In another spelling: the service's own, or another file.
        let same_size = found.iter().find(|it| it.size == Some(upload.size));
        return same_size.map_or(ListingVerdict::Settled(missing()), |it| {
            ListingVerdict::Unsure(it.clone())
        });
    };
    if found.size != Some(upload.size) {
        let has = found.size.unwrap_or_default();
        return ListingVerdict::Settled(Settled::Wrong(
            UploadReason::SizeDiffers,
            format!("the service has {has} of its {} bytes", upload.size),
        ));
    }
    let there = |checksum, proven| {
        ListingVerdict::Settled(Settled::there(upload, &upload.path, checksum, proven))
    };
    if let Some(checksum) = &found.checksum {
        let told = checksum.to_string();
        let expected = match checksum.algorithm {
            ChecksumAlgorithm::Sha256 => Some(format!("sha256:{}", upload.sha256)),
            _ => upload.checksum.clone(),
        };
        // A receipt may hold another kind of checksum, which says nothing here.
        let of_one_kind = expected.filter(|it| kind_of(it) == kind_of(&told));
        return match of_one_kind {
            Some(expected) if expected == told => there(Some(told), Proven::Checksum),
            Some(_) => ListingVerdict::Settled(Settled::Wrong(
                UploadReason::Other,
                format!("the service has different bytes ({told})"),
            )),
            None if depth == Depth::Listing => there(Some(told), Proven::Size),
            None => ListingVerdict::Unsure(found.clone()),
        };
    }
    let md5 = found.md5.as_ref().map(|md5| format!("md5:{md5}"));
    let of_one_kind = upload.checksum.as_ref().filter(|it| kind_of(it) == "md5");
    let is_other_sum = matches!((&md5, of_one_kind), (Some(md5), Some(known)) if md5 != known);
    let is_other_tag = matches!((&found.etag, &upload.there), (Some(tag), Some(known)) if bare(tag) != bare(known));
    match depth {
        Depth::Content => ListingVerdict::Unsure(found.clone()),
        Depth::Listing if is_other_sum || is_other_tag => ListingVerdict::Unsure(found.clone()),
        Depth::Listing => there(md5, Proven::Size),
    }
}

fn kind_of(checksum: &str) -> &str {
    checksum.split(':').next().unwrap_or_default()
}

/// An ETag without quotes, and without the remark that it is weak.
fn bare(etag: &str) -> &str {
    let etag = etag.trim();
    etag.strip_prefix("W/").unwrap_or(etag).trim_matches('"')
}
