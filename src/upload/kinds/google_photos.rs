//! Kind `google-photos`: Google Photos through its Library API.
//!
//! The bytes of each file become an upload token, which the catalogue keeps. Up to fifty tokens become media items in
//! one `batchCreate`, one such call at a time. A token stands for its bytes: if an answer is lost, the same call
//! again creates nothing twice, because Google returns the existing item. So a kill costs no bytes and duplicates
//! nothing.
//!
//! Google reports neither sizes nor checksums. The id of an item is the receipt, and `--check` asks for it.

mod api;
mod bytes;
mod client;
mod takes;

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::{Mutex, OnceLock, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use clap::Args;
use serde::{Deserialize, Serialize};
use tokio::sync::mpsc::UnboundedSender;

use self::api::{BATCH, ItemResult, NewItem, PhotosApi, is_about_room, is_fine};
use self::takes::{HEAD_BYTES, Limits, judge};
use super::{Account, NeededSecret, NewSecret, Person, RemoteKind, RemoteOptions};
use crate::digest::Sha256;
use crate::error::{Error, Kind as ErrorKind};
use crate::folder::upload::{Pledge, Pledged, Upload, UploadId, UploadReason, UploadRecord};
use crate::upload::albums::Albums;
use crate::upload::batch::{Batch, Creation};
use crate::upload::oauth::{Endpoints, Service, Tokens};
use crate::upload::problem::{Advice, Problem, brief};
use crate::upload::rules::Rules;
use crate::upload::source::Source;
use crate::upload::{
    Depth, ListingVerdict, Presence, Proven, Put, Remote, Settled, Wishes, name_of,
};

/// The address of the Google Photos Library API.
const API: &str = "https://photoslibrary.googleapis.com";
/// How long a check waits at most before it asks again for the same items.
const LONGEST_CHECK_WAIT: Duration = Duration::from_secs(30);
/// The longest title of an album.
const MAX_TITLE_CHARS: usize = 500;
const WHEN_SIGNED_OUT: &str = "look at console.cloud.google.com under \"Google Auth Platform\" > \"Audience\": \
     while the project is in \"Testing\", every sign-in ends after 7 days; press \"Publish app\"";

/// Google Photos, with your own client ID (without options: explains how to create one)
#[derive(Debug, Clone, Args)]
#[command(override_usage = "rescue remote add <NAME> google-photos [OPTIONS]")]
pub(crate) struct GooglePhotosOptions {
    /// The client ID (its secret is asked for)
    #[arg(long, value_name = "ID", conflicts_with = "client_file")]
    client_id: Option<String>,
    /// The file that Google offers for download with the client ID (client_secret_....json)
    #[arg(long, value_name = "FILE")]
    client_file: Option<PathBuf>,
}

/// The settings of a Google Photos library.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct GooglePhotosSettings {
    /// The user's own client ID.
    client_id: String,
    /// The service's address, if it is not Google's. For tests; no option sets it.
    address: Option<String>,
    /// The addresses for signing in, if they are not Google's. For tests; no option sets them.
    endpoints: Option<Endpoints>,
}

impl RemoteOptions for GooglePhotosOptions {
    type Settings = GooglePhotosSettings;

    async fn set_up(
        self,
        person: &impl Person,
    ) -> Result<(GooglePhotosSettings, NewSecret), Error> {
        let found = client::client(self.client_id, self.client_file.as_deref(), person);
        let (client_id, secret) = found.await?;
        let settings = GooglePhotosSettings {
            client_id,
            address: None,
            endpoints: None,
        };
        Ok((
            settings,
            secret.map_or(NewSecret::AsUsual, NewSecret::Known),
        ))
    }

    fn check(option: &str, answer: &str) -> Result<(), Error> {
        match option {
            "client_id" => client::checked(answer).map(drop),
            "client_file" => client::from_file(answer.as_ref()).map(drop),
            _ => Ok(()),
        }
    }
}

impl RemoteKind for GooglePhotosSettings {
    fn target(&self) -> String {
        let address = self.address.as_deref().unwrap_or("Google Photos");
        format!("{address} with client ID {}", self.client_id)
    }

    fn needed_secret(&self) -> Option<NeededSecret> {
        Some(NeededSecret::Line("client secret"))
    }

    fn sign_in(&self) -> Option<(Service, &str)> {
        Some((service().at(self.endpoints.as_ref()), &self.client_id))
    }

    fn connect(&self, account: &Account) -> Result<Box<dyn Remote>, Problem> {
        let service = service().at(self.endpoints.as_ref());
        let tokens = account.tokens((service, &self.client_id))?;
        let address = self.address.as_deref().unwrap_or(API);
        Ok(Box::new(GooglePhotos::new(address, tokens)?))
    }
}

/// Returns how to sign in to Google Photos. The permission to read is needed for albums and for `--check`; it covers
/// only what this program uploaded.
fn service() -> Service {
    Service {
        name: "Google Photos",
        authorize_url: "https://accounts.google.com/o/oauth2/v2/auth".to_owned(),
        token_url: "https://oauth2.googleapis.com/token".to_owned(),
        scopes: vec![
            "https://www.googleapis.com/auth/photoslibrary.appendonly",
            "https://www.googleapis.com/auth/photoslibrary.readonly.appcreateddata",
        ],
        all_scopes: true,
        // A refresh token comes only when asked for in this way.
        extra: &[("access_type", "offline"), ("prompt", "consent")],
        redirect_host: "127.0.0.1",
        redirect_port: 0,
        when_signed_out: WHEN_SIGNED_OUT,
    }
}

/// One user's Google Photos library.
#[derive(Debug)]
struct GooglePhotos {
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
    fn new(address: &str, tokens: Tokens) -> Result<Self, Problem> {
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

    /// Asks for created items; the answers are in the same order.
    async fn check(&self, sent: &[Upload]) -> Result<Vec<Settled>, Problem> {
        let mut settled = Vec::with_capacity(sent.len());
        for group in sent.chunks(BATCH) {
            let ids: Vec<&str> = group
                .iter()
                .filter_map(|upload| upload.there.as_deref())
                .collect();
            let mut results = match ids.is_empty() {
                true => Vec::new(),
                false => self.ask_for(&ids).await?,
            }
            .into_iter();
            for upload in group {
                if upload.there.is_none() {
                    settled.push(Settled::Wrong(
                        UploadReason::Missing,
                        "Google Photos gave no id for it".to_owned(),
                    ));
                    continue;
                }
                settled.extend(results.next());
            }
        }
        Ok(settled)
    }

    /// Asks for some items, and repeats the request after a temporary failure. Returns one answer for each, in the same
    /// order.
    async fn ask_for(&self, ids: &[&str]) -> Result<Vec<Settled>, Problem> {
        let mut wait = Duration::from_millis(500);
        loop {
            let results = self.api.batch_get(ids).await;
            let problem = match results.and_then(|results| all_checked(ids, results)) {
                Ok(settled) => return Ok(settled),
                Err(problem) => problem,
            };
            let after = match problem.advice() {
                Advice::WaitForConnection
                | Advice::Again
                | Advice::LaterOrNever
                | Advice::Later(None) => wait,
                Advice::Later(Some(after)) => after,
                _ => return Err(problem),
            };
            if wait > LONGEST_CHECK_WAIT {
                return Err(problem);
            }
            tokio::time::sleep(after.min(LONGEST_CHECK_WAIT)).await;
            wait *= 2;
        }
    }

    fn note(&self, record: UploadRecord) {
        if let Some(notes) = self.notes.get() {
            // Nobody listens any more when the run has ended.
            let _ = notes.send(record);
        }
    }

    fn given(&self) -> std::sync::MutexGuard<'_, HashMap<UploadId, GivenPledge>> {
        self.given.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[async_trait]
impl Remote for GooglePhotos {
    fn set_albums(&mut self, albums: Albums) -> Result<(), Problem> {
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

fn all_checked(ids: &[&str], results: Vec<ItemResult>) -> Result<Vec<Settled>, Problem> {
    if results.len() != ids.len() {
        return Err(no_clear_answer(""));
    }
    let each = ids.iter().zip(results);
    each.map(|(id, result)| checked(id, result)).collect()
}

/// Returns what the answer for one item says. Only an explicit "not there" counts as missing, because a missing file is
/// sent again.
fn checked(id: &str, result: ItemResult) -> Result<Settled, Problem> {
    let ItemResult {
        status, media_item, ..
    } = result;
    match (status.code, media_item) {
        (0, Some(item)) if item.id == id => Ok(Settled::there_by(Proven::Name)),
        // An id that is none, is no more, or is not ours to see.
        (3 | 5 | 7, _) => Ok(Settled::Wrong(
            UploadReason::Missing,
            format!("Google Photos does not have it: {}", brief(&status.message)),
        )),
        _ => Err(no_clear_answer(&status.message)),
    }
}

fn no_clear_answer(message: &str) -> Problem {
    let said = match brief(message) {
        empty if empty.is_empty() => String::new(),
        message => format!(" ({message})"),
    };
    Problem::Other {
        words: format!("Google Photos did not say of each item whether it is there{said}"),
        passing: true,
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
