//! The pictures of the rescue folders, for the browser: each folder's own page, and the files that the page refers to.
//!
//! In: the number of a case, and a path below its folder. Out: the file, whole or in part. The way to it is walked name by name, and no symbolic
//! link is followed. On a port and below a secret of its own: what the folder's page does cannot reach the desk, and a
//! file from the phone is never run.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, Read as _, Seek as _, SeekFrom};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Method, Request, StatusCode, header};
use hyper::body::Incoming;
use percent_encoding::percent_decode_str;
use tokio::sync::mpsc;

use super::body::PageBody;
use super::server::{LocalPages, PageResponse, not_found, on_thread, text, typed, with_policy};
use crate::folder::reader::FolderReader;

/// Bytes that are read at once.
const PIECE: usize = 256 * 1024;
/// Pieces that wait for the browser.
const PIECES: usize = 2;

/// The folder's own page runs its own script, and loads from here alone.
const POLICY_OF_PAGE: &str = "default-src 'none'; script-src 'self' 'unsafe-inline'; style-src 'unsafe-inline'; \
     img-src 'self' data:; media-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";
/// A file from the phone runs nothing.
const POLICY_OF_FILE: &str = "default-src 'none'; style-src 'unsafe-inline'; img-src 'self'; media-src 'self'; \
     base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

/// The folder of each case that is shown; cheap to clone.
#[derive(Debug, Clone, Default)]
pub(super) struct Shelf(Arc<Mutex<BTreeMap<u64, PathBuf>>>);

impl Shelf {
    pub(super) fn set(&self, case: u64, folder: &Path) {
        self.lock().insert(case, folder.to_owned());
    }

    pub(super) fn clear(&self, case: u64) {
        self.lock().remove(&case);
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<u64, PathBuf>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Answers requests for files of the folders.
pub(super) struct ShelfRequests(pub(super) Shelf);

impl LocalPages for ShelfRequests {
    const WRONG_ADDRESS: &'static str =
        "wrong address: open the pictures from the page of `rescue desk`";

    async fn answer(&self, path: &str, request: Request<Incoming>) -> PageResponse {
        if request.method() != Method::GET {
            return not_found();
        }
        let Some((case, path)) = super::case_in(path) else {
            return not_found();
        };
        let folder = self.0.lock().get(&case).cloned();
        let (Some(folder), Some(names)) = (folder, names_in(path)) else {
            return not_found();
        };
        let Some(kind) = kind_of(&names) else {
            return not_found();
        };
        let opened = on_thread(move || {
            let names: Vec<&str> = names.iter().map(String::as_str).collect();
            let Some(file) = open_below(&folder, &names) else {
                return Ok(None);
            };
            let size = file.metadata()?.len();
            Ok(Some((file, size)))
        });
        match opened.await {
            Ok(Some((file, size))) => sent_file(file, size, kind, request.headers()),
            _ => not_found(),
        }
    }
}

/// Opens a regular file of a rescue folder; `None` for whatever is none.
pub(super) fn open_below(folder: &Path, names: &[&str]) -> Option<File> {
    FolderReader::at(folder).open(names).ok().flatten()
}

/// The names of a request's path; `None` where one of them is not a name.
fn names_in(path: &str) -> Option<Vec<String>> {
    let decoded = path.split('/').map(|name| {
        let name = percent_decode_str(name).decode_utf8().ok()?;
        let is_name = !matches!(&*name, "" | "." | "..") && !name.contains(['/', '\\', '\0']);
        // Behind it Windows has streams of a file.
        let is_name = is_name && !(cfg!(windows) && name.contains(':'));
        is_name.then(|| name.into_owned())
    });
    decoded.collect()
}

/// How a file is sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct ShelfKind {
    content_type: &'static str,
    policy: &'static str,
    /// Whether a browser shows it, or saves it.
    is_shown: bool,
}

/// `None` for what is not for the browser.
fn kind_of(names: &[String]) -> Option<ShelfKind> {
    let kind = |content_type, policy, is_shown| {
        Some(ShelfKind {
            content_type,
            policy,
            is_shown,
        })
    };
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    match names.as_slice() {
        ["index.html" | "report.html"] => kind("text/html; charset=utf-8", POLICY_OF_PAGE, true),
        ["manifest-sha256.txt"] => kind("text/plain; charset=utf-8", POLICY_OF_FILE, true),
        ["album", name] if name.ends_with(".js") => {
            kind("text/javascript; charset=utf-8", POLICY_OF_FILE, true)
        }
        ["data", .., name] => match shown_type(name) {
            Some(content_type) => kind(content_type, POLICY_OF_FILE, true),
            None => kind("application/octet-stream", POLICY_OF_FILE, false),
        },
        _ => None,
    }
}

/// The type of a file that a browser shows and that runs nothing.
fn shown_type(name: &str) -> Option<&'static str> {
    let (_, ending) = name.rsplit_once('.')?;
    Some(match ending.to_ascii_lowercase().as_str() {
        "jpg" | "jpeg" | "jpe" | "jfif" => "image/jpeg",
        "png" | "apng" => "image/png",
        "gif" => "image/gif",
        "webp" => "image/webp",
        "avif" => "image/avif",
        "bmp" => "image/bmp",
        "ico" => "image/x-icon",
        "svg" => "image/svg+xml",
        "heic" => "image/heic",
        "mp4" | "m4v" => "video/mp4",
        "mov" => "video/quicktime",
        "webm" => "video/webm",
        "3gp" => "video/3gpp",
        "mp3" => "audio/mpeg",
        "m4a" => "audio/mp4",
        "aac" => "audio/aac",
        "ogg" | "oga" | "opus" => "audio/ogg",
        "wav" => "audio/wav",
        "txt" => "text/plain; charset=utf-8",
        _ => return None,
    })
}

/// Sends a file, or the part of it that the browser wants.
fn sent_file(file: File, size: u64, kind: ShelfKind, headers: &HeaderMap) -> PageResponse {
    let wanted = headers.get(header::RANGE).and_then(|it| it.to_str().ok());
    let range = wanted.map(|wanted| range_of(wanted, size));
    let (status, from, to) = match range {
        None | Some(Range::Whole) => (StatusCode::OK, 0, size),
        Some(Range::Part(from, to)) => (StatusCode::PARTIAL_CONTENT, from, to),
        Some(Range::Outside) => {
            let mut answer = text(StatusCode::RANGE_NOT_SATISFIABLE, "");
            set(
                &mut answer,
                header::CONTENT_RANGE,
                &format!("bytes */{size}"),
            );
            return answer;
        }
    };
    let (sender, receiver) = mpsc::channel(PIECES);
    tokio::task::spawn_blocking(move || {
        if let Err(error) = read_into(file, from, to, &sender) {
            // The browser sees that the rest does not come.
            let _ = sender.blocking_send(Err(error));
        }
    });
    let mut answer = with_policy(typed(kind.content_type, Bytes::new()), kind.policy);
    *answer.status_mut() = status;
    *answer.body_mut() = PageBody::pieces(receiver, Some(to.saturating_sub(from)));
    set(&mut answer, header::ACCEPT_RANGES, "bytes");
    if status == StatusCode::PARTIAL_CONTENT {
        let range = format!("bytes {from}-{}/{size}", to.saturating_sub(1));
        set(&mut answer, header::CONTENT_RANGE, &range);
    }
    if !kind.is_shown {
        set(&mut answer, header::CONTENT_DISPOSITION, "attachment");
    }
    answer
}

fn set(answer: &mut PageResponse, name: header::HeaderName, value: &str) {
    if let Ok(value) = HeaderValue::from_str(value) {
        answer.headers_mut().insert(name, value);
    }
}

/// Reads a part of a file, until the browser has enough.
fn read_into(
    mut file: File,
    from: u64,
    to: u64,
    sender: &mpsc::Sender<io::Result<Bytes>>,
) -> io::Result<()> {
    file.seek(SeekFrom::Start(from))?;
    let mut left = to.saturating_sub(from);
    while left > 0 {
        let most = usize::try_from(left).unwrap_or(PIECE).min(PIECE);
        let mut piece = vec![0; most];
        let count = file.read(&mut piece)?;
        if count == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        piece.truncate(count);
        left -= count as u64;
        if sender.blocking_send(Ok(piece.into())).is_err() {
            return Ok(());
        }
    }
    Ok(())
}

/// The part of a file that is wanted.
#[derive(Debug, PartialEq, Eq)]
enum Range {
    /// All of it: nothing else can be understood.
    Whole,
    /// From this byte up to this one, which is no part of it.
    Part(u64, u64),
    /// Nothing that the file has.
    Outside,
}

/// Reads `bytes=FROM-TO`, `bytes=FROM-` and `bytes=-COUNT` (RFC 9110, section 14.1.2).
fn range_of(wanted: &str, size: u64) -> Range {
    let parts = wanted
        .strip_prefix("bytes=")
        .and_then(|it| it.split_once('-'));
    let (from, to) = match parts {
        Some(("", count)) => match count.parse::<u64>() {
            Ok(count) => (size.saturating_sub(count), size),
            Err(_) => return Range::Whole,
        },
        Some((from, "")) => match from.parse() {
            Ok(from) => (from, size),
            Err(_) => return Range::Whole,
        },
        Some((from, to)) => match (from.parse::<u64>(), to.parse::<u64>()) {
            (Ok(from), Ok(to)) if from <= to => (from, to.saturating_add(1).min(size)),
            _ => return Range::Whole,
        },
        None => return Range::Whole,
    };
    match from < to {
        true => Range::Part(from, to),
        false => Range::Outside,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn path_that_leads_elsewhere_has_no_names() {
        assert_eq!(
            names_in("data/a%20b.jpg"),
            Some(vec!["data".into(), "a b.jpg".into()])
        );
        for path in [
            "",
            "data/",
            "data/../rescue.db",
            "data/%2e%2e/rescue.db",
            "data/a%2f..%2f..",
            "data/a%5cb",
            "data/%00",
            "data/%ff",
        ] {
            assert_eq!(names_in(path), None, "{path}");
        }
    }

    #[test]
    fn only_what_the_page_refers_to_is_sent_and_a_phones_page_is_not_shown() {
        let kind = |path| kind_of(&names_in(path).unwrap());
        for path in [
            "rescue.db",
            "bag-info.txt",
            ".partial/a",
            "album/a/b.js",
            "album/a.html",
            "data",
        ] {
            assert_eq!(kind(path), None, "{path}");
        }
        assert!(kind("index.html").unwrap().is_shown);
        assert_eq!(kind("data/a.JPG").unwrap().content_type, "image/jpeg");
        for path in [
            "data/index.html",
            "data/a.js",
            "data/a.xhtml",
            "data/a",
            "data/a.pdf",
        ] {
            let kind = kind(path).unwrap();
            assert!(!kind.is_shown, "{path}");
            assert_eq!(kind.content_type, "application/octet-stream", "{path}");
        }
    }

    #[test]
    fn parts_of_a_file_are_read_as_browsers_ask_for_them() {
        assert_eq!(range_of("bytes=0-", 10), Range::Part(0, 10));
        assert_eq!(range_of("bytes=2-5", 10), Range::Part(2, 6));
        assert_eq!(range_of("bytes=2-500", 10), Range::Part(2, 10));
        assert_eq!(range_of("bytes=-3", 10), Range::Part(7, 10));
        assert_eq!(range_of("bytes=10-", 10), Range::Outside);
        for odd in ["bytes=5-2", "bytes=a-b", "items=0-1", "bytes=0-1,3-4"] {
            assert_eq!(range_of(odd, 10), Range::Whole, "{odd}");
        }
    }
}
