//! The terminal of Unix.

use std::io;
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;
use rustix::termios::{
    InputModes, LocalModes, OptionalActions, QueueSelector, SpecialCodeIndex, Termios, tcflush,
    tcgetattr, tcsetattr,
};
use zeroize::Zeroizing;

use super::{MAX_SECRET, Mode};

/// How often to look for something typed.
const LOOK_INTERVAL: Duration = Duration::from_millis(15);

/// How the terminal behaves.
#[derive(Debug)]
pub(in crate::ui) struct TerminalSettings(Termios);

impl TerminalSettings {
    /// How it behaves now.
    pub(in crate::ui) fn now() -> io::Result<Self> {
        Ok(Self(tcgetattr(io::stdin())?))
    }

    /// Has it behave so.
    pub(in crate::ui) fn apply(&self) -> io::Result<()> {
        Ok(tcsetattr(io::stdin(), OptionalActions::Now, &self.0)?)
    }

    /// These, changed for a mode.
    pub(super) fn during(&self, mode: Mode) -> io::Result<Self> {
        let mut during = self.0.clone();
        match mode {
            Mode::Lines => {}
            Mode::Hidden => {
                during.local_modes.remove(LocalModes::ECHO);
                during.local_modes.insert(LocalModes::ECHONL);
                // Stopped here, the program would come back to a terminal that shows what is typed; and
                // one that quits leaves it without an echo.
                during.special_codes[SpecialCodeIndex::VSUSP] = 0;
                during.special_codes[SpecialCodeIndex::VQUIT] = 0;
            }
            Mode::Keys => {
                during
                    .local_modes
                    .remove(LocalModes::ECHO | LocalModes::ICANON | LocalModes::IEXTEN);
                // Enter is Enter, and Ctrl-S is a key.
                during
                    .input_modes
                    .remove(InputModes::ICRNL | InputModes::IXON);
                // A stopped program would leave the terminal like this.
                during.special_codes[SpecialCodeIndex::VSUSP] = 0;
                during.special_codes[SpecialCodeIndex::VQUIT] = 0;
            }
        }
        Ok(Self(during))
    }
}

/// Every terminal does that is used today, but for those that say that they take nothing but text.
pub(super) fn takes_colors() -> bool {
    std::env::var_os("TERM").is_none_or(|terminal| terminal != "dumb")
}

/// Some of what was typed; nothing at the end of the input. Nothing is lost where the future is
/// dropped.
pub(super) async fn read(buffer: &mut [u8]) -> io::Result<usize> {
    loop {
        // A blocking read would keep Ctrl-C from being seen, and a thread in it would take what
        // is meant for the next question.
        let stdin = io::stdin();
        let mut asked = [PollFd::new(&stdin, PollFlags::IN)];
        match poll(&mut asked, Some(&Timespec::default())) {
            Ok(0) | Err(Errno::INTR) => tokio::time::sleep(LOOK_INTERVAL).await,
            Ok(_) => return Ok(rustix::io::read(&stdin, buffer)?),
            Err(error) => return Err(error.into()),
        }
    }
}

/// A whole line with its end.
pub(super) async fn line(_mode: Mode) -> io::Result<Zeroizing<Vec<u8>>> {
    // At once in its size: what grows leaves copies behind.
    let mut line = Zeroizing::new(Vec::with_capacity(MAX_SECRET));
    let mut byte = Zeroizing::new([0_u8; 1]);
    while line.len() < MAX_SECRET && read(&mut *byte).await? == 1 {
        line.extend_from_slice(&*byte);
        if *byte == *b"\n" {
            break;
        }
    }
    Ok(line)
}

/// Throws away what was typed and not read.
pub(super) fn forget_typed() {
    // Harmless where the input is no terminal.
    let _ = tcflush(io::stdin(), QueueSelector::IFlush);
}

/// Some of the standard input, without a buffer between.
pub(super) fn read_stdin(buffer: &mut [u8]) -> io::Result<usize> {
    Ok(rustix::io::read(io::stdin(), buffer)?)
}
