//! The browser of this computer.

use std::ffi::OsStr;
use std::process::{Child, Command, Stdio};

use crate::threads;

/// Starts what the system has for pages, without a shell. What it starts may last as long as the browser.
///
/// # Errors
///
/// Why it cannot be started, as the end of a sentence.
pub(super) fn start(page: &OsStr) -> Result<Child, String> {
    let (program, words): (_, &[&str]) = if cfg!(windows) {
        // `start` is a word of the shell, which would read a link's `&` as one, too.
        ("rundll32.exe", &["url.dll,FileProtocolHandler"])
    } else if cfg!(target_os = "macos") {
        ("open", &[])
    } else {
        ("xdg-open", &[])
    };
    // Without a desktop it would show the page in this very terminal, where a browser for one is installed.
    if !has_desktop() {
        return Err("this session has no desktop".to_owned());
    }
    Command::new(program)
        .args(words)
        .arg(page)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .map_err(|error| format!("{program}: {error}"))
}

/// Starts it, and leaves it to itself.
///
/// # Errors
///
/// As [`start`].
pub(super) fn open(page: &OsStr) -> Result<(), String> {
    let mut child = start(page)?;
    // It ends soon, and somebody has to take note.
    let _ = threads::spawn(move || child.wait());
    Ok(())
}

/// Whether this session has a desktop, where a browser has a window of its own.
pub(super) fn has_desktop() -> bool {
    let is_set = |name| std::env::var_os(name).is_some_and(|value| !value.is_empty());
    let mut names = ["DISPLAY", "WAYLAND_DISPLAY", "BROWSER"].into_iter();
    cfg!(windows) || cfg!(target_os = "macos") || names.any(is_set)
}
