//! Google Drive, Dropbox and OneDrive, each played by a strict stand-in: what all do alike.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::time::{Duration, Instant};

use super::desk::{Desk, Ended, FIRST, photo};
use super::dropbox::Dropbox;
use super::google::Google;
use super::onedrive::OneDrive;
use super::stand::{ACCESS, Fault, REFRESH, Reply, SESSION, Service, Stand};
use crate::support::wait::wait_for;

const TOP: &str = "Photos/Google-Pixel-7-LAB1";
const LARGE: &str = "internal/Movies/VID_20240101_000001.mp4";
const LARGE_BYTES: usize = 27_000_000;

macro_rules! suite {
    ($($test:ident,)*) => { suite!(@each google_drive, "google-drive", Google, $($test,)*);
        suite!(@each dropbox, "dropbox", Dropbox, $($test,)*);
        suite!(@each onedrive, "onedrive", OneDrive, $($test,)*); };
    (@each $module:ident, $kind:literal, $service:ident, $($test:ident,)*) => {
        mod $module { $(
            #[test]
            fn $test() {
                super::$test::<super::$service>($kind);
            }
        )* }
    };
}

suite! {
    files_arrive_as_they_are_and_once,
    other_file_is_never_overwritten_and_the_same_not_sent,
    token_that_ends_is_replaced_and_a_sign_in_that_ends_is_said,
    storm_of_errors_passes_and_retry_after_is_respected,
    full_service_stops_the_run,
    answer_that_is_lost_doubles_nothing,
    large_file_goes_on_where_it_was,
    session_that_is_over_is_begun_again,
    damage_on_the_way_is_found_out,
    secrets_appear_nowhere,
}

pub(crate) fn desk_with<S: Service>(kind: &str, stand: &Stand<S>) -> Desk {
    let desk = Desk::new();
    let folder = desk.path("home/.config/rescue");
    fs::create_dir_all(&folder).unwrap();
    let base = stand.base();
    let settings = format!(
        "[remotes.there]\nkind = \"{kind}\"\nclient_id = \"ID\"\npath = \"Photos\"\naddress = \"{base}\"\n\
         secret = '{{\"refresh_token\":\"{REFRESH}\"}}'\n\
         [remotes.there.endpoints]\nauthorize = \"{base}/authorize\"\ntoken = \"{base}/token\"\n"
    );
    fs::write(folder.join("remotes.toml"), settings).unwrap();
    desk
}

#[track_caller]
fn everything_arrived<S: Service>(desk: &Desk, stand: &Stand<S>) {
    let there = stand.files();
    let here = desk.tree("rescued/data");
    assert_eq!(there.len(), here.len(), "{:?}", there.keys());
    for (path, bytes) in &here {
        assert!(there[&format!("{TOP}/{path}")] == *bytes, "{path}");
    }
    stand.nothing_wrong();
}

fn with_a_large_one(photos: usize) -> Vec<(String, Vec<u8>)> {
    let mut files: Vec<_> = (1..=photos)
        .map(|nth| {
            let name = format!("internal/DCIM/Camera/IMG_20240101_{nth:06}.jpg");
            (name, photo(nth, 20_000))
        })
        .collect();
    files.push((LARGE.to_owned(), photo(900, LARGE_BYTES)));
    files
}

fn files_arrive_as_they_are_and_once<S: Service + Default>(kind: &str) {
    let stand = Stand::start(S::default(), |_, _| None);
    let desk = desk_with(kind, &stand);
    desk.run(&["remote", "test", "there"]).expect(0);
    assert!(stand.files().is_empty());
    let mut files = with_a_large_one(5);
    for name in [
        "été #1+2.jpg",
        "日本 🙂.jpg",
        "it's a $x`.jpg",
        "(1) [2]~!@^,.jpg",
    ] {
        let path = format!("internal/DCIM/Camera/{name}");
        files.push((path, photo(name.len(), 50_000)));
    }
    files.push(("internal/DCIM/empty.jpg".to_owned(), Vec::new()));
    files.push((
        "internal/Movies/middle.mp4".to_owned(),
        photo(91, 3_000_000),
    ));
    desk.rescue(&files);
    let ended = desk.upload("there", &[]).expect(0);
    assert_eq!(ended.line("upload_summary")["sent"], files.len());
    everything_arrived(&desk, &stand);
    let again = desk.upload("there", &[]).expect(0);
    assert_eq!(again.line("upload_summary")["sent"], 0);
    let checked = desk.upload("there", &["--check"]).expect(0);
    assert_eq!(checked.line("upload_checked")["there"], files.len());
    // The catalogue is lost: all of it is found again, by its checksums alone.
    fs::remove_dir_all(desk.path("rescued")).unwrap();
    desk.rescue(&files);
    let before = stand.received();
    let again = desk.upload("there", &[]).expect(0);
    assert_eq!(again.line("upload_summary")["already_there"], files.len());
    assert!(stand.received() - before < 100_000);
    assert_eq!(
        stand.count("read"),
        usize::from(kind != "google-drive"),
        "read back"
    );
}

fn other_file_is_never_overwritten_and_the_same_not_sent<S: Service + Default>(kind: &str) {
    let stand = Stand::start(S::default(), |_, _| None);
    let desk = desk_with(kind, &stand);
    desk.rescue_photos(3);
    let path = format!("{TOP}/{FIRST}");
    // As large as ours: only the content tells.
    stand.place(&path, photo(77, 20_000));
    let second = FIRST.replace("000001", "000002");
    stand.place(&format!("{TOP}/{second}"), photo(2, 20_000));
    let ended = desk.upload("there", &[]).expect(0);
    let summary = ended.line("upload_summary");
    assert_eq!(
        (&summary["renamed"], &summary["already_there"]),
        (&1.into(), &1.into())
    );
    let there = stand.files();
    assert!(there[&path] == photo(77, 20_000));
    assert!(there[&path.replace(".jpg", " (2).jpg")] == photo(1, 20_000));
    assert_eq!(there.len(), 4);
    stand.nothing_wrong();
}

fn token_that_ends_is_replaced_and_a_sign_in_that_ends_is_said<S: Service + Default>(kind: &str) {
    let stand = Stand::start(S::default(), |_, nth| (nth == 2).then_some(Fault::Expire));
    let desk = desk_with(kind, &stand);
    desk.rescue(&with_a_large_one(8));
    desk.upload("there", &["--parallel", "2"]).expect(0);
    everything_arrived(&desk, &stand);
    let tokens = stand.tokens();
    assert!((2..=8).contains(&tokens), "{tokens}");
    stand.refuse_sign_in();
    let ended = desk.upload("there", &["--check"]).expect(1);
    assert!(ended.all.contains("rescue remote login"), "{}", ended.all);
}

fn storm_of_errors_passes_and_retry_after_is_respected<S: Service + Default>(kind: &str) {
    let stand = Stand::start(S::default(), |kind, nth| {
        let reply = |status| Some(Fault::Answer(Reply::new(status)));
        match (kind, nth) {
            ("list", 0) => Some(Fault::Answer(Reply::new(429).with("Retry-After", "2"))),
            ("list" | "small" | "begin" | "part", 1) => reply(503),
            ("small" | "begin" | "part", 3) => reply(429),
            ("part", 4) => reply(500),
            _ => None,
        }
    });
    let desk = desk_with(kind, &stand);
    desk.rescue(&with_a_large_one(6));
    let begin = Instant::now();
    desk.upload("there", &[]).expect(0);
    assert!(
        begin.elapsed() >= Duration::from_secs(2),
        "{:?}",
        begin.elapsed()
    );
    everything_arrived(&desk, &stand);
}

fn full_service_stops_the_run<S: Service + Default>(kind: &str) {
    let full = S::default().full();
    let stand = Stand::start(S::default(), move |kind, nth| {
        let ends = matches!((kind, nth), ("small" | "part", 2..));
        ends.then(|| Fault::Answer(full.clone()))
    });
    let desk = desk_with(kind, &stand);
    desk.rescue_photos(8);
    let ended = desk.upload("there", &["--parallel", "1"]).expect(1);
    assert_eq!(ended.line("error")["kind"], "remote_full", "{}", ended.all);
    assert_eq!(stand.files().len(), 2);
    let status = desk.run(&["status", "rescued"]).all;
    assert!(status.contains("6 files waiting"), "{status}");
}

fn answer_that_is_lost_doubles_nothing<S: Service + Default>(kind: &str) {
    let stand = Stand::start(S::default(), |kind, nth| {
        let cut = matches!((kind, nth), ("small" | "part", 1 | 4));
        cut.then_some(Fault::CutBeforeTheAnswer)
    });
    let desk = desk_with(kind, &stand);
    desk.rescue(&with_a_large_one(8));
    desk.upload("there", &["--parallel", "1"]).expect(0);
    // A second one would be one too many in Drive, or have a number in its name.
    everything_arrived(&desk, &stand);
}

fn large_file_goes_on_where_it_was<S: Service + Default>(kind: &str) {
    let stand = Stand::start(S::default(), |_, _| None);
    let desk = desk_with(kind, &stand);
    desk.rescue(&[(LARGE.to_owned(), photo(900, LARGE_BYTES))]);
    let mut child = desk.start(&["upload", "rescued", "--to", "there", "--limit", "9M"]);
    wait_for("parts arrive", || stand.count("part") >= 2);
    child.kill().unwrap();
    child.wait().unwrap();
    assert!(stand.files().is_empty());
    let sessions = desk.path("home/.config/rescue/sessions.json");
    let mode = fs::metadata(&sessions).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    desk.upload("there", &[]).expect(0);
    everything_arrived(&desk, &stand);
    assert_eq!((stand.count("begin"), stand.count("ask")), (1, 1));
    let received = stand.received();
    // The part that was under way may have come twice.
    assert!(received < LARGE_BYTES + 12_000_000, "{received}");
    let kept = fs::read_to_string(&sessions).unwrap();
    assert!(!kept.contains(SESSION), "{kept}");
}

fn session_that_is_over_is_begun_again<S: Service + Default>(kind: &str) {
    let stand = Stand::start(S::default(), |kind, nth| {
        let over = kind == "part" && nth == 1;
        over.then(|| Fault::Answer(Reply::new(503)))
    });
    let desk = desk_with(kind, &stand);
    desk.rescue(&[(LARGE.to_owned(), photo(900, LARGE_BYTES))]);
    let ended = desk.upload("there", &["--tries", "1"]).expect(3);
    assert_eq!(ended.line("upload_failed")["reason"], "busy");
    stand.end_sessions();
    desk.upload("there", &[]).expect(0);
    everything_arrived(&desk, &stand);
    assert_eq!(stand.count("begin"), 2);
}

fn damage_on_the_way_is_found_out<S: Service + Default>(kind: &str) {
    let once = Stand::start(S::default(), |kind, nth| {
        let damaged = matches!((kind, nth), ("part" | "upload", 0));
        damaged.then_some(Fault::Damage)
    });
    let desk = desk_with(kind, &once);
    desk.rescue(&[(LARGE.to_owned(), photo(900, LARGE_BYTES))]);
    desk.upload("there", &[]).expect(0);
    everything_arrived(&desk, &once);
    assert_eq!(once.count("begin"), 2);
    // One that never gets it right.
    let always = Stand::start(S::default(), |kind, _| {
        (kind == "part").then_some(Fault::Damage)
    });
    let desk = desk_with(kind, &always);
    desk.rescue(&[(LARGE.to_owned(), photo(900, 5_000_000))]);
    let ended = desk.upload("there", &["--tries", "2"]).expect(3);
    assert_eq!(ended.line("upload_summary")["failed"], 1);
    assert!(always.files().is_empty(), "what is damaged stays there");
    always.nothing_wrong();
}

fn secrets_appear_nowhere<S: Service + Default>(kind: &str) {
    let stand = Stand::start(S::default(), |kind, nth| match (kind, nth) {
        ("part", 1) => Some(Fault::CutBeforeTheAnswer),
        ("small" | "begin", 0) => Some(Fault::Answer(Reply::new(500))),
        ("list", 1) => Some(Fault::Expire),
        _ => None,
    });
    let desk = desk_with(kind, &stand);
    desk.rescue(&with_a_large_one(3));
    let mut said = String::new();
    let mut note = |ended: Ended| said += &ended.all;
    note(desk.run(&["remote", "list", "-vv"]));
    note(desk.run(&["remote", "test", "there", "-vv", "--json"]));
    note(desk.upload("there", &["-vv", "--tries", "1"]));
    note(desk.run(&["upload", "rescued", "--to", "there", "-vv"]));
    note(desk.run(&["status", "rescued", "--json"]));
    stand.refuse_sign_in();
    note(desk.run(&["upload", "rescued", "--to", "there", "--check", "-vv"]));
    assert!(said.len() > 1000);
    let catalogue = fs::read(desk.path("rescued/rescue.db")).unwrap();
    let catalogue = String::from_utf8_lossy(&catalogue);
    for secret in [REFRESH, ACCESS, SESSION] {
        assert!(!said.contains(secret), "{said}");
        assert!(!catalogue.contains(secret));
    }
}
