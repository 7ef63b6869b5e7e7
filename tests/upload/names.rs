//! Servers that spell names in their own way: `é` as two characters, as disks of macOS do, or
//! `a.jpg` and `A.JPG` for one.

use std::fs;

use super::dav::{Dav, Manners};
use super::desk::{Desk, photo};

const NAMES: [&str; 5] = [
    "internal/Fotos für Opa/\u{e9}t\u{e9}.jpg",
    "internal/Fotos für Opa/\u{c5}ngstr\u{f6}m.jpg",
    "internal/Fotos für Opa/plain.jpg",
    "internal/DCIM/\u{d55c}\u{ae00}.jpg",
    "internal/DCIM/ASCII.jpg",
];

fn desk_with(dav: &Dav) -> Desk {
    let desk = Desk::new();
    desk.run(&["remote", "add", "dav", "webdav", &dav.url()])
        .expect(0);
    let files = NAMES.iter().enumerate();
    let files = files.map(|(nth, name)| ((*name).to_owned(), photo(nth, 20_000)));
    desk.rescue(&files.collect::<Vec<_>>());
    desk
}

#[test]
fn server_that_decomposes_names_gets_no_second_copies() {
    let dav = Dav::with(Manners {
        decomposes: true,
        ..Manners::default()
    });
    let desk = desk_with(&dav);
    let ended = desk.upload("dav", &[]).expect(0);
    assert_eq!(ended.line("upload_summary")["sent"], NAMES.len());
    let there = dav.files();
    assert_eq!(there.len(), NAMES.len(), "{:?}", there.keys());
    // It is asked for each in its own spelling, once it is known.
    let ended = desk.upload("dav", &[]).expect(0);
    assert_eq!(ended.line("upload_summary")["sent_again"], 0);
    let checked = desk.upload("dav", &["--check"]).expect(0);
    assert_eq!(checked.line("upload_checked")["read_back"], NAMES.len());
    // The catalogue is lost: they are known again.
    fs::remove_dir_all(desk.path("rescued")).unwrap();
    let again = desk_with(&dav);
    let ended = again.upload("dav", &[]).expect(0);
    let summary = ended.line("upload_summary");
    assert_eq!(summary["already_there"], NAMES.len(), "{}", ended.all);
    assert_eq!(summary["renamed"], 0);
    assert_eq!(dav.files(), there);
    again.upload("dav", &["--check"]).expect(0);
}

/// Another program put them there, on a server that takes every name as it comes.
#[test]
fn names_of_another_unicode_form_are_known_with_their_folders() {
    use unicode_normalization::UnicodeNormalization as _;
    let dav = Dav::with(Manners::default());
    let desk = desk_with(&dav);
    for (name, bytes) in desk.tree("rescued/data") {
        let name: String = name.nfd().collect();
        dav.put(&format!("Google-Pixel-7-LAB1/{name}"), bytes);
    }
    let there = dav.files();
    let ended = desk.upload("dav", &[]).expect(0);
    assert_eq!(ended.line("upload_summary")["already_there"], NAMES.len());
    assert_eq!(dav.files(), there);
    desk.upload("dav", &["--check"]).expect(0);
    // One of them is changed to another picture: that one is sent, and overwrites nothing.
    let path: String = format!("Google-Pixel-7-LAB1/{}", NAMES[0]).nfd().collect();
    dav.put(&path, photo(99, 20_000));
    desk.upload("dav", &["--check"]).expect(3);
    desk.upload("dav", &[]).expect(0);
    assert_eq!(dav.files().len(), there.len() + 1);
    assert!(dav.files()[&path] == photo(99, 20_000));
}

#[test]
fn server_that_folds_case_gets_no_second_copies() {
    let dav = Dav::with(Manners {
        folds_case: true,
        ..Manners::default()
    });
    let desk = desk_with(&dav);
    let (same, other) = (NAMES[4], NAMES[2]);
    let path = |name: &str| format!("Google-Pixel-7-LAB1/{name}");
    let theirs = path(other).replace("plain", "PLAIN");
    dav.put(&path(same).replace("ASCII", "ascii"), photo(4, 20_000));
    dav.put(&theirs, photo(77, 20_000));
    let ended = desk.upload("dav", &[]).expect(0);
    let summary = ended.line("upload_summary");
    assert_eq!(summary["already_there"], 1, "{}", ended.all);
    assert_eq!(summary["renamed"], 1);
    // The five, and the other picture.
    assert_eq!(dav.files().len(), NAMES.len() + 1);
    assert!(dav.files()[&theirs] == photo(77, 20_000));
    desk.upload("dav", &["--check"]).expect(0);
}
