//! The real program sends rescue folders to a folder and to a WebDAV server that fails on demand.
//! Needs nothing outside this project; `tests/remotes` does the same with real servers.

#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a test fails by a panic"
)]

mod bounds;
mod by_date;
mod check;
mod clouds;
mod contrary;
mod dav;
mod desk;
mod dropbox;
mod echo;
mod edit;
mod faults;
mod folder;
#[path = "../remotes/gate.rs"]
#[allow(dead_code, reason = "tests/remotes holds both directions of a relay")]
mod gate;
mod google;
mod hostile;
mod immich;
mod inputs;
mod library;
mod names;
mod onedrive;
#[path = "../remotes/pair.rs"]
mod pair;
mod photos;
mod pictures;
mod secrets;
mod show;
mod stand;
mod strangers;
#[path = "../support/mod.rs"]
mod support;
mod trust;
mod two_people;
mod watch;
