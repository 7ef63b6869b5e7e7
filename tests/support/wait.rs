//! Waiting for what a program, a thread or a task does. How long that takes decides nothing: what has not happened
//! after [`HANGS`] never will.

use std::thread;
use std::time::{Duration, Instant};

/// No step of any test takes so long, also on a slow machine.
pub(crate) const HANGS: Duration = Duration::from_secs(240);

/// A patience, in seconds, that outlasts it: what waits for its end hangs.
pub(crate) const FOREVER: &str = "600";

#[track_caller]
pub(crate) fn wait_for(what: &str, mut holds: impl FnMut() -> bool) {
    let begin = Instant::now();
    while !holds() {
        assert!(begin.elapsed() < HANGS, "{what}: it never happened");
        thread::sleep(Duration::from_millis(5));
    }
}

/// The same, where what is waited for runs in tasks of this thread.
pub(crate) async fn until(what: &str, mut holds: impl FnMut() -> bool) {
    let begin = Instant::now();
    while !holds() {
        assert!(begin.elapsed() < HANGS, "{what}: it never happened");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}
