//! What the guide asks for beside choices: a folder, and patience.

use std::path::{Path, PathBuf};

use super::{Driver, GuideFace, LOOK_EVERY, lets_in};
use crate::cli::PhoneArgs;
use crate::error::Error;
use crate::folder::share_a_disk;
use crate::guide::journey::{AsksOwner, Happened, Sight};
use crate::guide::states;
use crate::home::typed_path;
use crate::ui::plain;

impl<F: GuideFace> Driver<'_, F> {
    /// Asks for a folder that exists, and that is not on the disk of `original`; `None` where the person
    /// has none.
    pub(super) async fn place(&self, original: Option<&Path>) -> Result<Option<PathBuf>, Error> {
        self.context.ui.remark("");
        loop {
            let Some(path) = self.face.folder().await? else {
                return Ok(None);
            };
            let path = typed_path(path);
            if original.is_some_and(|it| path.is_dir() && share_a_disk(it, &path)) {
                let shown = plain(&path.display().to_string());
                self.context.ui.remark(&format!(
                    "{shown} is on the same disk as the rescue folder: if that disk fails, both are lost. Name a folder on another disk."
                ));
                continue;
            }
            if path.is_dir() {
                return Ok(Some(std::path::absolute(&path).unwrap_or(path)));
            }
            let shown = plain(&path.display().to_string());
            self.context.ui.remark(&format!(
                "{shown} is not a folder of this computer. Make it first, or name another one."
            ));
        }
    }

    /// Waits until the phones are in other states than they were, or the person chooses.
    pub(super) async fn unless_changed(
        &self,
        phone: &PhoneArgs,
        before: &Sight,
        asks_owner: AsksOwner,
        chosen: impl Future<Output = Result<usize, Error>>,
    ) -> Result<Happened, Error> {
        let changed = async {
            loop {
                if asks_owner == AsksOwner::Yes && lets_in(phone).await {
                    // One that lets this computer in for one connection only is not ready at the next look.
                    let sight = self.look(phone).await;
                    return match sight.0.iter().any(|seen| seen.state == states::ready) {
                        true => Happened::Looked(sight),
                        false => Happened::Allowed,
                    };
                }
                tokio::time::sleep(LOOK_EVERY).await;
                let sight = self.look(phone).await;
                if !sight.is_like(before) {
                    return Happened::Looked(sight);
                }
            }
        };
        tokio::select! {
            happened = changed => Ok(happened),
            number = chosen => number.map(Happened::Answered),
        }
    }
}
