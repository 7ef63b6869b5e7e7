//! The terminal where there is no termios: questions are asked as std and rpassword do, and keys cannot be
//! read as they are pressed, for which the console of Windows wants calls of its own.

use std::io::{self, ErrorKind, Read as _};
use std::sync::{Mutex, MutexGuard, PoisonError};

use tokio::sync::oneshot;
use winapi_util::{HandleRef, console};
use zeroize::Zeroizing;

use super::Mode;
use crate::threads;

/// How the console behaves. A question with a hidden answer changes it (rpassword), and Ctrl-C at that question
/// would leave it without an echo.
#[derive(Debug, Clone, Copy)]
pub(in crate::ui) struct TerminalSettings(u32);

impl TerminalSettings {
    /// How it behaves now.
    pub(in crate::ui) fn now() -> io::Result<Self> {
        Ok(Self(console::mode(HandleRef::stdin())?))
    }

    /// Has it behave so.
    pub(in crate::ui) fn apply(&self) -> io::Result<()> {
        console::set_mode(HandleRef::stdin(), self.0)
    }

    /// These, changed for a mode.
    pub(super) fn during(&self, mode: Mode) -> io::Result<Self> {
        match mode {
            Mode::Lines | Mode::Hidden => Ok(*self),
            Mode::Keys => Err(no_keys()),
        }
    }
}

/// From Windows 10 on, once it is told.
pub(super) fn takes_colors() -> bool {
    /// ENABLE_VIRTUAL_TERMINAL_PROCESSING.
    const SEQUENCES: u32 = 4;
    let handle = HandleRef::stderr;
    console::mode(handle()).is_ok_and(|mode| console::set_mode(handle(), mode | SEQUENCES).is_ok())
}

fn no_keys() -> io::Error {
    let why = "this system's terminal does not report single keys; use --script or --recipe";
    io::Error::new(ErrorKind::Unsupported, why)
}

/// Keys as they come, which there are none of.
pub(super) async fn read(_buffer: &mut [u8]) -> io::Result<usize> {
    Err(no_keys())
}

/// A line on its way from a thread that reads it.
type Coming = oneshot::Receiver<io::Result<Zeroizing<Vec<u8>>>>;

/// A line that is read still although its question was dropped: the next question gets it.
static LEFT: Mutex<Option<Coming>> = Mutex::new(None);

/// Leaves a line that has not come to the next question.
struct Awaited(Option<Coming>);

impl Drop for Awaited {
    fn drop(&mut self) {
        if let Some(coming) = self.0.take() {
            *left() = Some(coming);
        }
    }
}

fn left() -> MutexGuard<'static, Option<Coming>> {
    LEFT.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A whole line with its end. Where the future is dropped, a thread waits on for the line, and the program
/// ends without it.
pub(super) async fn line(mode: Mode) -> io::Result<Zeroizing<Vec<u8>>> {
    let before = match mode {
        Mode::Lines => left().take(),
        // What is read by then is shown.
        Mode::Hidden | Mode::Keys => None,
    };
    let coming = match before {
        Some(coming) => coming,
        None => read_line(mode)?,
    };
    let mut awaited = Awaited(Some(coming));
    let Some(coming) = awaited.0.as_mut() else {
        return Err(ErrorKind::UnexpectedEof.into());
    };
    let line = coming.await;
    awaited.0 = None;
    line.unwrap_or_else(|_| Err(ErrorKind::UnexpectedEof.into()))
}

/// Has a thread read a line.
fn read_line(mode: Mode) -> io::Result<Coming> {
    let (sender, receiver) = oneshot::channel();
    threads::spawn(move || {
        let line = match mode {
            Mode::Hidden => rpassword::read_password().map(|line| line + "\n"),
            Mode::Lines | Mode::Keys => one_line(),
        };
        let _ = sender.send(line.map(|line| Zeroizing::new(line.into_bytes())));
    })
    .map_err(io::Error::other)?;
    Ok(receiver)
}

fn one_line() -> io::Result<String> {
    let mut line = String::new();
    io::stdin().read_line(&mut line).map(|_| line)
}

/// Nothing here throws away what was typed and not read.
pub(super) fn forget_typed() {}

/// Some of the standard input, through std's buffer.
pub(super) fn read_stdin(buffer: &mut [u8]) -> io::Result<usize> {
    io::stdin().lock().read(buffer)
}
