//! Makes the copies of an upload ([`crate::media::copy`]) and proves their files on the way: the SHA-256 of each is
//! compared while its copy is measured.

use tokio::sync::Semaphore;

use super::problem::Problem;
use super::source::{Source, blocking};
use crate::media::copy::{CopyOptions, CopyPlan, MAX_READ_BYTES, Part, plan, shrunk};
use crate::media::smaller;

/// The content to send for a file.
#[derive(Debug)]
pub(crate) enum PreparedCopy {
    /// The file itself. With a reason if a copy was wanted but is not possible.
    Original(Option<String>),
    /// A copy, and a description of what is different in it.
    Copy(Source, String),
}

/// Makes copies. Only one large picture is in memory at a time.
#[derive(Debug)]
pub(crate) struct Copies {
    wish: CopyOptions,
    turn: Semaphore,
}

impl Copies {
    /// Creates the copier with the changes for all files of a run.
    pub(crate) fn new(wish: CopyOptions) -> Self {
        Self {
            wish,
            turn: Semaphore::new(1),
        }
    }

    /// Returns what to send for a file: the file itself or a copy. The name indicates the file's kind, and may contain
    /// its date.
    pub(crate) async fn copy_for_upload(
        &self,
        source: &Source,
        name: &str,
    ) -> Result<PreparedCopy, Problem> {
        let wish = self.wish;
        if wish == CopyOptions::default() {
            return Ok(PreparedCopy::Original(None));
        }
        let mut plan = self.plan(source, name, wish).await?;
        if matches!(plan, CopyPlan::Smaller) {
            // Never closed.
            let _turn = self.turn.acquire().await;
            let original = source.whole_of_large(MAX_READ_BYTES).await?;
            let (text, mtime) = (name.to_owned(), source.mtime.unwrap_or_default());
            plan =
                match blocking(move || shrunk(&original, smaller::MAX_PIXELS, wish, &text, mtime))
                    .await
                {
                    Ok((bytes, what)) => CopyPlan::Parts(vec![Part::Bytes(bytes)], what),
                    Err(why) => {
                        let dates = CopyOptions {
                            smaller: false,
                            ..wish
                        };
                        let plan = self.plan(source, name, dates).await?;
                        plan.and(format!("not made smaller: {why}"))
                    }
                };
        }
        match plan {
            CopyPlan::Parts(parts, what) => {
                Ok(PreparedCopy::Copy(source.copy_of(parts).await?, what))
            }
            CopyPlan::Original(why) => Ok(PreparedCopy::Original(why)),
            CopyPlan::Smaller => Ok(PreparedCopy::Original(None)),
        }
    }

    async fn plan(
        &self,
        source: &Source,
        name: &str,
        wish: CopyOptions,
    ) -> Result<CopyPlan, Problem> {
        let (name, mtime) = (name.to_owned(), source.mtime.unwrap_or_default());
        let size = source.size;
        source
            .look_into(move |file| plan(file, size, wish, &name, mtime))
            .await
    }
}

#[cfg(test)]
mod tests;
