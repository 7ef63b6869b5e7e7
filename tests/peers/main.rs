//! `rescue` against programs that nobody here wrote: AOSP's own phone daemon, Debian's `adb` and
//! Google's newer one, the BagIt validator of the Library of Congress, `sha256sum`.
//!
//! `bash tests/peers/install` makes what is needed below `target/peers`; without it every test
//! fails and says so. Each test has a [`desk::Desk`] to itself: a home folder, a port for an adb
//! server and as many phones as it likes. Needs root, for the phones' namespaces.
//!
//! ```text
//! cargo test --release --test peers                      all
//! cargo test --test peers -- --exact old_phone::NAME     one
//! KEEP_DESK=1 cargo test --test peers -- ...             keep its files in target/peers/desks
//! ```

#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "in a test a panic is the report"
)]

// What a test stands on.
mod adb;
mod cable;
mod desk;
mod phone;
mod ports;
mod rescue;
mod tree;

// The tests, by situation.
mod authorise;
mod bag;
mod choose;
mod few_threads;
mod interrupt;
mod lost_writes;
mod old_phone;
mod places;
mod pull;
mod through_server;
