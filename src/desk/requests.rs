//! What the page asks of the desk.

use std::fs::File;
use std::io::{self, Read as _, Seek as _, SeekFrom};
use std::time::Duration;

use bytes::Bytes;
use http::{Method, Request, StatusCode};
use hyper::body::Incoming;
use serde::Deserialize;
use tokio::sync::mpsc;

use super::body::PageBody;
use super::cases::SeenNews;
use super::server::{LocalPages, PageFile, PageResponse, not_found, on_thread, sent, text, typed};
use super::shelf::open_below;
use super::state::{CaseState, RefusedAnswer, SentAnswer};
use super::{CasePage, DeskPage, MOST_CASES, drawings, folders, live};
use crate::folder::JobLabel;
use crate::json;
use crate::media::kind::MediaKind;
use crate::media::look::Looker;

/// How often a stream tells news at most.
pub(super) const STREAM_INTERVAL: Duration = Duration::from_millis(100);
/// How often a stream says that it is still there.
const STREAM_PULSE: Duration = Duration::from_secs(15);
/// Messages that a slow page may leave unread.
const UNREAD: usize = 4;
/// A picture up to this size, in bytes, is shown itself where it holds no smaller one.
const MAX_SMALL: u64 = 400_000;

const HTML: PageFile = PageFile::html(include_str!("page/desk.html"));
const SCRIPT: PageFile = PageFile::script(include_str!("page/desk.js"));
const STYLE: PageFile = PageFile::style(include_str!("page/desk.css"));

/// Answers the page's requests.
pub(super) struct DeskRequests(pub(super) DeskPage);

impl LocalPages for DeskRequests {
    const WRONG_ADDRESS: &'static str =
        "wrong address, or one that was used before: open the one that `rescue desk` shows";

    async fn answer(&self, path: &str, request: Request<Incoming>) -> PageResponse {
        match (request.method().clone(), path) {
            (Method::GET, "") => HTML.answer(),
            (Method::GET, "desk.js") => SCRIPT.answer(),
            (Method::GET, "desk.css") => STYLE.answer(),
            (Method::GET, "news") => self.news(),
            (Method::GET, path) if path.starts_with("drawing/") => drawings::answer(path),
            (Method::POST, "another") => self.another(),
            (Method::POST, "folders") => folders_below(request).await,
            (method, path) => {
                if let (&Method::GET, Some(file)) = (&method, live::file(path)) {
                    return file.answer();
                }
                match path.strip_prefix("case/").and_then(super::case_in) {
                    Some((case, path)) => self.of_case(case, &method, path, request).await,
                    None => not_found(),
                }
            }
        }
    }
}

impl DeskRequests {
    async fn of_case(
        &self,
        case: u64,
        method: &Method,
        path: &str,
        request: Request<Incoming>,
    ) -> PageResponse {
        let page = CasePage {
            desk: self.0.clone(),
            number: case,
        };
        match (method, path) {
            (&Method::POST, "answer") => answered(&page, request).await,
            (&Method::POST, "pause") => pause(&page),
            (&Method::POST, "give-up") => give_up(&page),
            (&Method::POST, "label") => labelled(&page, request).await,
            (_, path) => {
                if let (&Method::GET, Some(number)) = (method, path.strip_prefix("proven/")) {
                    return match number.parse() {
                        Ok(number) => picture(&page, number).await,
                        Err(_) => not_found(),
                    };
                }
                let display = page.look(CaseState::display);
                match (path.strip_prefix("live/"), display) {
                    (Some(path), Some(display)) => display.answer(path, request).await,
                    (Some(_), None) => live::not_shown(),
                    (None, _) => not_found(),
                }
            }
        }
    }

    /// Has the desk open a case for another phone.
    fn another(&self) -> PageResponse {
        let refused = |words: &'static str| text(StatusCode::CONFLICT, words);
        let cases = self.0.lock();
        if !cases.takes_more() {
            return refused("this desk was started for one phone alone");
        }
        if cases.count() >= MOST_CASES {
            return refused("there are as many cards as there can be: close one first");
        }
        drop(cases);
        self.0.0.wants_more.notify_one();
        text(StatusCode::OK, "done")
    }

    /// The stream of news, as server-sent events.
    fn news(&self) -> PageResponse {
        let (sender, receiver) = mpsc::channel(UNREAD);
        let page = self.0.clone();
        tokio::spawn(async move {
            let mut changed = page.0.changed.subscribe();
            let mut seen = SeenNews::default();
            loop {
                // Before the look, so that what changes meanwhile is seen the next time.
                changed.mark_unchanged();
                let news = page.lock().news(&mut seen);
                let message = match news.map(|news| json::line(&news)) {
                    Some(Ok(line)) => format!("data: {line}\n\n"),
                    Some(Err(error)) => {
                        tracing::debug!(%error, "no news for a page");
                        continue;
                    }
                    None => ":\n\n".to_owned(),
                };
                // The page is gone, or reads nothing for so long that it gets everything again.
                if sender.send(Ok(Bytes::from(message))).await.is_err() {
                    return;
                }
                tokio::time::sleep(STREAM_INTERVAL).await;
                tokio::select! {
                    _ = changed.changed() => {}
                    () = tokio::time::sleep(STREAM_PULSE) => {}
                    () = sender.closed() => return,
                }
            }
        });
        let mut answer = typed("text/event-stream", Bytes::new());
        *answer.body_mut() = PageBody::pieces(receiver, None);
        answer
    }
}

async fn answered(page: &CasePage, request: Request<Incoming>) -> PageResponse {
    let answer: SentAnswer = match sent(request).await {
        Ok(answer) => answer,
        Err(refused) => return refused,
    };
    let taken = page.change(|state| Some(state.answer(answer)));
    match taken.unwrap_or(Err(RefusedAnswer::Gone)) {
        Ok(()) => text(StatusCode::OK, "done"),
        Err(RefusedAnswer::Gone) => text(
            StatusCode::CONFLICT,
            "this question is answered, or was taken back",
        ),
        Err(RefusedAnswer::Unfit) => {
            text(StatusCode::BAD_REQUEST, "this does not answer the question")
        }
    }
}

fn pause(page: &CasePage) -> PageResponse {
    match page.change(CaseState::pause) {
        true => text(StatusCode::OK, "done"),
        false => text(StatusCode::CONFLICT, "there is nothing to stop"),
    }
}

fn give_up(page: &CasePage) -> PageResponse {
    match page.desk.change(|cases| cases.give_up(page.number)) {
        true => text(StatusCode::OK, "done"),
        false => text(
            StatusCode::CONFLICT,
            "work is under way, or this is the last card: stop it first",
        ),
    }
}

/// Takes whose phone it is.
async fn labelled(page: &CasePage, request: Request<Incoming>) -> PageResponse {
    #[derive(Deserialize)]
    #[serde(deny_unknown_fields)]
    struct TypedLabel {
        customer: String,
        note: String,
    }
    let typed: TypedLabel = match sent(request).await {
        Ok(typed) => typed,
        Err(refused) => return refused,
    };
    match JobLabel::new(&typed.customer, &typed.note) {
        Ok(label) => {
            let is_there = page.change(|state| {
                state.type_label(label);
                true
            });
            match is_there {
                true => text(StatusCode::OK, "done"),
                false => text(StatusCode::CONFLICT, "this phone's card is closed"),
            }
        }
        Err(error) => text(StatusCode::BAD_REQUEST, error.to_string()),
    }
}

async fn folders_below(request: Request<Incoming>) -> PageResponse {
    #[derive(Deserialize)]
    struct FolderWish {
        #[serde(default)]
        path: String,
    }
    let wanted: FolderWish = match sent(request).await {
        Ok(wanted) => wanted,
        Err(refused) => return refused,
    };
    let listed = on_thread(move || Ok(folders::list(&wanted.path))).await;
    match listed.and_then(|listed| json::line(&listed).map_err(io::Error::other)) {
        Ok(line) => typed("application/json", line),
        Err(error) => text(StatusCode::INTERNAL_SERVER_ERROR, error.to_string()),
    }
}

/// A small picture of a proven file.
async fn picture(page: &CasePage, number: u64) -> PageResponse {
    let found = page.look(|state| state.picture(number));
    let Some((folder, local)) = found else {
        return not_found();
    };
    let looked = on_thread(move || {
        let mut names = vec!["data"];
        names.extend(local.components());
        Ok(open_below(&folder, &names).and_then(|file| small(file, local.name())))
    });
    match looked.await {
        Ok(Some((content_type, picture))) => typed(content_type, picture),
        _ => not_found(),
    }
}

/// A small picture that a file holds; the file itself where it is small.
fn small(mut file: File, name: &str) -> Option<(&'static str, Vec<u8>)> {
    let kind = MediaKind::of_name(name.as_bytes());
    let look = Looker::with_found_thumbs().look(kind, name, 0, &mut file);
    if let Some(thumb) = look.thumb {
        return Some(("image/jpeg", thumb));
    }
    if file.metadata().ok()?.len() > MAX_SMALL {
        return None;
    }
    let mut bytes = Vec::new();
    file.seek(SeekFrom::Start(0)).ok()?;
    file.take(MAX_SMALL).read_to_end(&mut bytes).ok()?;
    let content_type = match bytes.get(..4)? {
        [0xff, 0xd8, 0xff, _] => "image/jpeg",
        [0x89, b'P', b'N', b'G'] => "image/png",
        _ => return None,
    };
    Some((content_type, bytes))
}
