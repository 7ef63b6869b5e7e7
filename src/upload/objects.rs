//! The kinds that use OpenDAL: S3 and compatible services, Azure Blob, Backblaze B2; and the listing side of WebDAV.

use std::path::Path;

use async_trait::async_trait;
use opendal::{EntryMode, HttpTransporter, Metadata, OperationContext, Operator};

use super::http::{Http, host_of};
use super::owner::Owner;
use super::paths::Store;
use super::problem::Problem;
use super::source::Source;
use super::{Acknowledged, Counted, RemoteEntry, Wanted, content_type, folder_of};
use crate::digest::{Hasher, Sha256};
use crate::names::folded;

/// The smallest part of a large file, in bytes: S3 takes none below 5 MiB.
const PART_BYTES: u64 = 8 * 1024 * 1024;
/// What of a part is read at once, in bytes: of what is read ahead, the memory holds some.
const PIECE_BYTES: usize = 1024 * 1024;
/// S3 takes 10,000 parts.
const MAX_PARTS: u64 = 9_000;
/// Parts of one file under way at once.
const PARTS_AT_ONCE: usize = 2;

/// An object storage or other service reached through OpenDAL.
#[derive(Debug)]
pub(crate) struct Objects {
    operator: Operator,
    /// Whether the service refuses to overwrite an object, as known or tested.
    refuses: tokio::sync::OnceCell<bool>,
}

/// Whether a service can refuse to overwrite an object (`If-None-Match: *`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Condition {
    /// The service honours the condition.
    Heeded,
    /// The service does not support the condition, and rejects writes that carry it.
    Unknown,
    /// Unknown; it has to be tested.
    Untried,
}

impl Objects {
    /// Creates the remote from the settings of an OpenDAL service.
    pub(crate) fn new(
        builder: impl opendal::Builder,
        http: &Http,
        condition: Condition,
    ) -> Result<Self, Problem> {
        let operator = Operator::new(builder).map_err(|e| Problem::of_opendal(&e))?;
        let transport = HttpTransporter::new(http.transport());
        let context = OperationContext::new().with_http_transport(transport);
        let refuses = match condition {
            Condition::Heeded => Some(true),
            Condition::Unknown => Some(false),
            Condition::Untried => None,
        };
        Ok(Self {
            operator: operator.with_context(context),
            refuses: tokio::sync::OnceCell::new_with(refuses),
        })
    }

    /// Creates the remote for a bucket of the service at an address.
    pub(crate) fn at(
        address: &str,
        certificates: Option<&Path>,
        bucket: impl opendal::Builder,
        condition: Condition,
    ) -> Result<Self, Problem> {
        let http = Http::without_redirects(&host_of(address), certificates)?;
        Self::new(bucket, &http, condition)
    }

    /// Tests with a tiny object whether the service refuses to overwrite one.
    async fn try_condition(&self, folder: &str, owner: &Owner) -> Result<bool, Problem> {
        let name = format!(".{}.rescue-test", owner.mark());
        let path = match folder {
            "" => name,
            folder => format!("{folder}/{name}"),
        };
        let write = || async {
            let write = self.operator.write_with(&path, "rescue\n");
            let written = write.if_not_exists(true).await;
            written.map_err(|e| Problem::of_opendal(&e))
        };
        match write().await {
            // What a killed run left there is refused as well.
            Ok(_) | Err(Problem::Taken { .. }) => {}
            // Those that do not know it may say so.
            Err(Problem::Other { passing: false, .. }) => return Ok(false),
            Err(problem) => return Err(problem),
        }
        let again = write().await;
        // What stays is tiny, and nobody's.
        let _ = self.operator.delete(&path).await;
        match again {
            Ok(_) => Ok(false),
            Err(Problem::Taken { .. }) => Ok(true),
            Err(problem) => Err(problem),
        }
    }
}

#[async_trait]
impl Store for Objects {
    async fn list(&self, folder: &str, wanted: &Wanted<'_>) -> Result<Vec<RemoteEntry>, Problem> {
        let path = match folder {
            "" => "/".to_owned(),
            folder => format!("{folder}/"),
        };
        let missing = |error: opendal::Error| match Problem::of_opendal(&error) {
            Problem::NotFound { .. } => Ok(Vec::new()),
            problem => Err(problem),
        };
        let mut lister = match self.operator.lister(&path).await {
            Ok(lister) => lister,
            Err(error) => return missing(error),
        };
        let (mut found, mut counted) = (Vec::new(), Counted::default());
        while let Some(entry) = next(&mut lister).await {
            let entry = match entry {
                Ok(entry) => entry,
                Err(error) => return missing(error),
            };
            counted.entry()?;
            if !wanted(entry.name().trim_end_matches('/')) {
                continue;
            }
            // The folder itself, which some services list too.
            if folded(entry.path().trim_matches('/')) == folded(folder.trim_matches('/')) {
                continue;
            }
            let meta = entry.metadata();
            let is_file = meta.mode() == EntryMode::FILE;
            found.push(RemoteEntry {
                name: entry.name().trim_end_matches('/').to_owned(),
                size: is_file.then_some(meta.content_length()),
                etag: meta.etag().map(str::to_owned),
                md5: md5_of(meta),
                checksum: None,
            });
        }
        Ok(found)
    }

    async fn put(
        &self,
        path: &str,
        source: &Source,
        owner: &Owner,
    ) -> Result<Acknowledged, Problem> {
        let only_new = self.refuses(folder_of(path), owner).await?;
        let failed = |e: opendal::Error| Problem::of_opendal(&e);
        let content_type = content_type(path);
        let typed = self.operator.info().capability().write_with_content_type;
        if source.is_small() {
            let bytes = source.whole().await?;
            let mut write = self.operator.write_with(path, bytes);
            if typed {
                write = write.content_type(content_type);
            }
            if only_new {
                write = write.if_not_exists(true);
            }
            return Ok(acknowledged(&write.await.map_err(failed)?));
        }
        let part = part_bytes(source.size);
        let mut writer = self.operator.writer_with(path).chunk(part as usize);
        if self.operator.info().capability().write_can_multi {
            writer = writer.concurrent(PARTS_AT_ONCE);
        }
        if typed {
            writer = writer.content_type(content_type);
        }
        if only_new {
            writer = writer.if_not_exists(true);
        }
        let mut writer = writer.await.map_err(failed)?;
        let mut pieces = source.pieces(PIECE_BYTES, 0);
        let sent = async {
            while let Some(piece) = pieces.next().await? {
                writer.write(piece).await.map_err(failed)?;
            }
            writer.close().await.map_err(failed)
        };
        match sent.await {
            Ok(meta) => Ok(acknowledged(&meta)),
            Err(problem) => {
                // Parts that nobody completes cost money; a service that is gone keeps them.
                let _ = writer.abort().await;
                Err(problem)
            }
        }
    }

    async fn digest(&self, path: &str, most: u64) -> Result<(u64, Sha256), Problem> {
        let failed = |e: opendal::Error| Problem::of_opendal(&e);
        let reader = self.operator.reader(path).await.map_err(failed)?;
        let mut stream = reader.into_stream(..).await.map_err(failed)?;
        let (mut hasher, mut size) = (Hasher::default(), 0);
        while size <= most
            && let Some(piece) = next(&mut stream).await
        {
            for bytes in piece.map_err(failed)? {
                hasher.update(&bytes);
                size += bytes.len() as u64;
            }
        }
        Ok((size, hasher.finish()))
    }

    async fn remove(&self, path: &str) -> Result<(), Problem> {
        self.operator
            .delete(path)
            .await
            .map_err(|e| Problem::of_opendal(&e))
    }

    fn memory(&self, size: u64) -> u64 {
        match size {
            0..=PART_BYTES => size,
            _ => part_bytes(size) * (PARTS_AT_ONCE as u64 + 2),
        }
    }

    async fn refuses(&self, folder: &str, owner: &Owner) -> Result<bool, Problem> {
        let tried = self
            .refuses
            .get_or_try_init(|| self.try_condition(folder, owner));
        tried.await.copied()
    }

    async fn note(&self, path: &str, text: &'static str) -> Result<(), Problem> {
        let written = self.operator.write(path, text).await;
        written.map(drop).map_err(|e| Problem::of_opendal(&e))
    }
}

async fn next<S: futures_core::Stream + Unpin>(stream: &mut S) -> Option<S::Item> {
    std::future::poll_fn(|cx| std::pin::Pin::new(&mut *stream).poll_next(cx)).await
}

fn part_bytes(size: u64) -> u64 {
    const MIB: u64 = 1024 * 1024;
    size.div_ceil(MAX_PARTS)
        .max(PART_BYTES)
        .next_multiple_of(MIB)
}

fn acknowledged(meta: &Metadata) -> Acknowledged {
    let checksum = md5_of(meta).map(|md5| format!("md5:{md5}"));
    Acknowledged {
        there: meta.etag().or(meta.version()).map(str::to_owned),
        checksum,
    }
}

/// Returns the MD5 of the content, as 32 hexadecimal digits. An ETag of that form may be the MD5, but need not be.
fn md5_of(meta: &Metadata) -> Option<String> {
    use base64::Engine as _;
    if let Some(text) = meta.content_md5() {
        if is_md5(text) {
            return Some(text.to_ascii_lowercase());
        }
        let bytes = base64::engine::general_purpose::STANDARD
            .decode(text)
            .ok()?;
        let hex: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
        return is_md5(&hex).then_some(hex);
    }
    let etag = meta.etag()?.trim_matches('"');
    is_md5(etag).then(|| etag.to_ascii_lowercase())
}

fn is_md5(text: &str) -> bool {
    text.len() == 32 && text.bytes().all(|byte| byte.is_ascii_hexdigit())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_fit_the_services_limits() {
        const GIB: u64 = 1024 * 1024 * 1024;
        for size in [PART_BYTES + 1, 2 * GIB, 100 * GIB, 5 * 1024 * GIB] {
            let part = part_bytes(size);
            assert!(
                part >= PART_BYTES && size.div_ceil(part) <= 10_000,
                "{size}"
            );
        }
    }
}
