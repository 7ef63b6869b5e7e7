//! `rescue upload` against servers that nobody here wrote: rclone's and Apache's WebDAV, OpenSSH,
//! and an S3 server; looked at afterwards with rclone, which shares no code with us. Where no such
//! server can be had, a stand-in of ours that a client accepts which we did not write.
//!
//! `bash tests/remotes/install` gets what is needed; without it every test fails and says so. Each
//! test has servers of its own on 127.0.0.1 and ends them by their process ids.
//!
//! ```text
//! cargo test --release --test remotes
//! RESCUE_TEST_LONG=1 cargo test --release --test remotes -- --test-threads=1 kills_on_both_sides
//! ```
//!
//! The second sends 5,000 photos and two videos of 2 GiB to each server that keeps its files on the
//! disk, between kills; it wants 20 GB of disk and 6 GB of memory. Figures go to
//! `target/remotes/figures.txt`.

#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "in a test a panic is the report"
)]

#[path = "../upload/desk.rs"]
mod desk;
#[allow(dead_code, reason = "tests/upload has a gate without a relay")]
mod gate;
mod immich_cli;
mod keyring;
#[path = "../upload/library.rs"]
#[allow(dead_code, reason = "tests/upload makes it fail; here it serves well")]
mod library;
mod memory;
mod pair;
mod photos;
mod relay;
mod server;
mod ssh;
mod suite;
#[path = "../support/mod.rs"]
mod support;
mod two_people;
