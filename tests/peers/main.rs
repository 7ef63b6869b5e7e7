//! `rescue` against programs that nobody here wrote: AOSP's own phone daemons of Android 10 and Android 14, Debian's `adb` and
//! Google's newer one, the BagIt validator of the Library of Congress, `sha256sum`.
//!
//! `bash tests/peers/install` makes what is needed below `target/peers`; without it every test
//! fails and says so; `bench` and `guide` need `bash tests/archive/install` as well. Each test has a
//! [`desk::Desk`] to itself: a home folder, a port for an adb
//! server and as many phones as it likes. Needs root, for the phones' namespaces.
//!
//! ```text
//! cargo test --release --test peers                      all
//! cargo test --test peers -- --exact pull::android_14::NAME     one
//! KEEP_DESK=1 cargo test --test peers -- ...             keep its files in target/peers/desks
//! ```

#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "in a test a panic is the report"
)]

/// Makes a test of each scene for the daemon of Android 10, and one for that of Android 14.
macro_rules! on_both_daemons {
    ($($scene:ident),* $(,)?) => {
        mod android_10 {
            $(#[test] fn $scene() { super::$scene(crate::phone::Age::Android10); })*
        }
        mod android_14 {
            $(#[test] fn $scene() { super::$scene(crate::phone::Age::Android14); })*
        }
    };
}

// What a test stands on.
mod adb;
mod cable;
mod desk;
mod phone;
mod rescue;
mod tmux;
mod tree;
mod troubles;

// The tests, by situation.
mod authorise;
mod bag;
mod bench;
mod choose;
mod few_threads;
mod guide;
mod interrupt;
mod lost_writes;
mod old_phone;
mod places;
mod pull;
#[path = "../support/mod.rs"]
mod support;
mod through_server;
mod wireless;
