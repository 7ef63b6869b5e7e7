//! One user's library: uploads become tokens, and tokens become items.

mod check;

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError};

use async_trait::async_trait;
use tokio::sync::mpsc::UnboundedSender;

use super::api::{ItemResult, NewItem, PhotosApi, is_about_room, is_fine};
use super::bytes;
use super::takes::{HEAD_BYTES, Limits, judge};
use crate::digest::Sha256;
use crate::error::{Error, Kind as ErrorKind};
use crate::folder::upload::{Pledge, Pledged, Upload, UploadId, UploadReason, UploadRecord};
use crate::upload::albums::Albums;
use crate::upload::batch::{Batch, Creation};
use crate::upload::oauth::Tokens;
use crate::upload::problem::{Problem, brief};
use crate::upload::rules::Rules;
use crate::upload::source::Source;
use crate::upload::{
    Depth, ListingVerdict, Presence, Proven, Put, Remote, Settled, Wishes, name_of,
};

/// The longest title of an album.
const MAX_TITLE_CHARS: usize = 500;

/// One user's Google Photos library.
#[derive(Debug)]
pub(super) struct GooglePhotos {
    api: PhotosApi,
    rules: Rules,
    limits: Limits,
    wish: Albums,
    /// The channel for facts that must be recorded immediately.
    notes: OnceLock<UnboundedSender<UploadRecord>>,
    /// The sessions in progress, and what earlier runs left.
    given: Mutex<HashMap<UploadId, GivenPledge>>,
    /// The albums by title, once they have been requested.
    albums: tokio::sync::Mutex<Option<HashMap<String, String>>>,
}

/// A token or session that Google gave for certain bytes, and valid only for these. A file may be sent unchanged in one
/// run and as a smaller copy in the next; the two must not be mixed.
#[derive(Debug, Clone)]
struct GivenPledge {
    sha256: Sha256,
    pledge: Pledge,
    /// Whether bytes may have been sent to the session.
    is_used: bool,
}

impl GooglePhotos {
    /// Creates the remote for the API at an address.
    pub(super) fn new(address: &str, tokens: Tokens) -> Result<Self, Problem> {
        Ok(Self {
            api: PhotosApi::new(address, tokens)?,
            rules: Rules {
                media_only: true,
                ..Rules::default()
            },
            limits: Limits::NOW,
            wish: Albums::None,
            notes: OnceLock::new(),
            given: Mutex::default(),
            albums: tokio::sync::Mutex::default(),
        })
    }

    async fn send(
        &self,
        upload: &Upload,
        source: &Source,
        session: Option<(String, bool)>,
    ) -> Result<String, Problem> {
        let head = source.head(HEAD_BYTES).await?;
        let taken = judge(name_of(&upload.path), &head, upload.size, &self.limits)
            .map_err(|(_, words)| Problem::other(words))?;
        if source.size <= bytes::MAX_RAW_BYTES {
            return bytes::raw(&self.api, source, taken).await;
        }
        let mut session = session;
        loop {
            let (address, is_used) = match session.take() {
                Some(session) => session,
                None => {
                    let address = bytes::begin(&self.api, source, taken).await?;
                    // Whoever knows it may be able to send to it.
                    self.api.hide(&address);
                    self.note(UploadRecord::Pledged {
                        id: upload.id,
                        sha256: source.sha256,
                        pledge: Pledge::Session(address.clone()),
                    });
                    (address, false)
                }
            };
            // For the next try, when this one fails.
            let used = GivenPledge {
                sha256: source.sha256,
                pledge: Pledge::Session(address.clone()),
                is_used: true,
            };
            self.given().insert(upload.id, used);
            let token = bytes::resume(&self.api, &address, !is_used, source).await?;
            self.given().remove(&upload.id);
            if let Some(token) = token {
                return Ok(token);
            }
        }
    }

    /// Returns the id of an album that this program made, in an earlier run or now.
    async fn album(&self, title: &str) -> Result<String, Problem> {
        let title: String = title
            .chars()
            .filter(|c| !c.is_control())
            .take(MAX_TITLE_CHARS)
            .collect();
        let mut albums = self.albums.lock().await;
        if albums.is_none() {
            // Asked even when this may be the first album: an answer to an earlier request to make
            // it may have been lost.
            let mut found = HashMap::new();
            for (title, id) in self.api.albums().await? {
                found.entry(title).or_insert(id);
            }
            *albums = Some(found);
        }
        if let Some(id) = albums.as_ref().and_then(|albums| albums.get(&title)) {
            return Ok(id.clone());
        }
        match self.api.create_album(&title).await {
            Ok(id) => {
                if let Some(albums) = albums.as_mut() {
                    albums.insert(title, id.clone());
                }
                Ok(id)
            }
            Err(problem) => {
                // It may have been made all the same.
                *albums = None;
                Err(problem)
            }
        }
    }

    fn note(&self, record: UploadRecord) {
        if let Some(notes) = self.notes.get() {
            // Nobody listens any more when the run has ended.
            let _ = notes.send(record);
        }
    }

    fn given(&self) -> MutexGuard<'_, HashMap<UploadId, GivenPledge>> {
        self.given.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[async_trait]
impl Remote for GooglePhotos {
    fn set_albums(&mut self, albums: Albums) -> Result<(), Error> {
        self.wish = albums;
        Ok(())
    }

    fn album_of(&self, source: &str) -> Option<String> {
        self.wish.of(source).map(str::to_owned)
    }

    fn rules(&self) -> &Rules {
        &self.rules
    }

    fn note_to(&self, notes: UnboundedSender<UploadRecord>) {
        // A second run over the same remote would be a mistake of ours; the first one is kept.
        let _ = self.notes.set(notes);
    }

    fn go_on(&self, id: UploadId, known: Pledged) {
        if let Pledge::Session(address) = &known.pledge {
            self.api.hide(address);
        }
        let given = GivenPledge {
            sha256: known.sha256,
            pledge: known.pledge,
            is_used: true,
        };
        self.given().insert(id, given);
    }

    // Sends no request: a file that is already there is recognised by its token.
    async fn survey(&self, upload: &Upload, source: &Source) -> Result<Presence, Problem> {
        let head = source.head(HEAD_BYTES).await?;
        Ok(
            match judge(name_of(&upload.path), &head, upload.size, &self.limits) {
                Ok(_) => Presence::Absent,
                Err((reason, words)) => Presence::Refused(reason, words),
            },
        )
    }

    async fn put(&self, upload: &Upload, source: &Source) -> Result<Put, Problem> {
        let known = self.given().remove(&upload.id);
        let known = known.filter(|given| given.sha256 == source.sha256);
        let session = match known {
            Some(GivenPledge {
                pledge: Pledge::Token(token),
                ..
            }) => {
                source.tell(source.size);
                return Ok(Put::Held(token));
            }
            Some(GivenPledge {
                pledge: Pledge::Session(address),
                is_used,
                ..
            }) => Some((address, is_used)),
            None => None,
        };
        self.send(upload, source, session).await.map(Put::Pledged)
    }

    // At most `BATCH` of them.
    async fn create(&self, batch: &Batch) -> Result<Vec<Creation>, Problem> {
        let album = match &batch.album {
            Some(title) => Some(self.album(title).await?),
            None => None,
        };
        let items: Vec<_> = batch
            .items
            .iter()
            .map(|item| NewItem {
                token: &item.token,
                name: name_of(&item.upload.path),
            })
            .collect();
        let results = match self.api.batch_create(album.as_deref(), &items).await {
            Err(Problem::NotFound { what }) if album.is_some() => {
                // Removed by the person: the next try makes it again.
                self.albums.lock().await.take();
                return Err(Problem::Other {
                    words: format!("the album is gone: {what}"),
                    passing: true,
                });
            }
            results => results?,
        };
        let mut by_token: HashMap<String, ItemResult> = results
            .into_iter()
            .map(|result| (result.upload_token.clone(), result))
            .collect();
        Ok(batch
            .items
            .iter()
            .map(|item| match by_token.remove(&item.token) {
                Some(result) => made_of(result),
                None => Creation::Again("Google Photos did not report on it".to_owned()),
            })
            .collect())
    }

    // Every created item is treated as present; Google reports nothing more at this point.
    async fn settle(&self, sent: &[Upload]) -> Result<Vec<Settled>, Problem> {
        Ok(sent
            .iter()
            .map(|upload| match upload.there {
                Some(_) => Settled::there_by(Proven::Name),
                None => Settled::Wrong(
                    UploadReason::Missing,
                    "Google Photos gave no id for it".to_owned(),
                ),
            })
            .collect())
    }

    // Sends no file, because the API cannot remove one again.
    async fn test(&self) -> Result<String, Problem> {
        self.api.test().await?;
        Ok(
            "the sign-in is accepted (nothing was sent, because nothing can be removed there)"
                .to_owned(),
        )
    }

    async fn look(&self, sent: &[Upload], _: Depth) -> Result<Vec<ListingVerdict>, Problem> {
        let checked = self.check(sent).await?;
        Ok(checked.into_iter().map(ListingVerdict::Settled).collect())
    }

    fn heed(&mut self, wishes: &Wishes) -> Result<(), Error> {
        if wishes.folders {
            return Err(
                Error::new(ErrorKind::Usage, "Google Photos has no folders").with_hint(
                    "leave out --into and --by-date; --album and --album-per-folder make albums",
                ),
            );
        }
        if wishes.archives {
            let message = "Google Photos takes photos and videos, no archives";
            return Err(Error::new(ErrorKind::Usage, message)
                .with_hint("send the archive to a remote of another kind"));
        }
        if wishes.limits_of_2018 {
            self.limits = Limits::OF_2018;
        }
        Ok(())
    }

    fn makes_items(&self) -> bool {
        true
    }

    fn looks_cheaply(&self) -> bool {
        false
    }

    fn needs_dates(&self) -> bool {
        true
    }

    fn takes_copies(&self) -> bool {
        true
    }
}

/// Returns what a result means; its codes are those of `google.rpc.Code`.
fn made_of(result: ItemResult) -> Creation {
    let ItemResult {
        status, media_item, ..
    } = result;
    let id = media_item.map(|item| item.id).filter(|id| is_fine(id));
    let words = brief(&status.message);
    match (status.code, id) {
        // 6: there already, which is as good.
        (0 | 6, Some(id)) => Creation::There(id),
        (0 | 6, None) => Creation::Again("Google Photos gave no id for it".to_owned()),
        (3, _) if words.to_ascii_lowercase().contains("upload token") => {
            Creation::TokenEnded(words)
        }
        (8, _) if is_about_room(&words) => Creation::NoRoom(words),
        // Deadline, exhausted, aborted, internal, unavailable.
        (4 | 8 | 10 | 13 | 14, _) => Creation::Again(words),
        (code, _) => Creation::Refused(format!("refused by Google: {words} (code {code})")),
    }
}
