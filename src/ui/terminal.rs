//! Reads the user's keyboard: hidden lines, and single keys. The terminal is restored, whatever happens.

use std::collections::VecDeque;
use std::io::{self, IsTerminal as _, Write as _};
use std::sync::{Mutex, PoisonError};

use zeroize::Zeroizing;

// Only Unix has termios; other consoles are asked through std and rpassword.
#[cfg(not(unix))]
mod console;
#[cfg(unix)]
mod termios;

#[cfg(not(unix))]
use console as system;
#[cfg(unix)]
use termios as system;

pub(super) use system::TerminalSettings;

/// What the terminal was before. Beside the guard, so that a program that ends at once restores it.
static BEFORE: Mutex<Option<(TerminalSettings, Mode)>> = Mutex::new(None);

/// No line that a terminal takes is longer, in bytes, and no secret.
const MAX_SECRET: usize = 4096;

/// How the terminal behaves meanwhile.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// Lines, shown.
    Lines,
    /// Lines that are not shown.
    Hidden,
    /// Keys and the mouse, as they come; Ctrl-C still interrupts.
    Keys,
}

/// Puts the terminal back as it was; harmless when it was never changed.
pub fn restore() {
    let before = BEFORE.lock().unwrap_or_else(PoisonError::into_inner).take();
    if let Some((before, mode)) = before {
        if mode == Mode::Keys {
            let mut err = io::stderr().lock();
            let _ = write!(err, "{MOUSE_OFF}").and_then(|()| err.flush());
        }
        let _ = before.apply();
    }
}

/// Has a panic give the terminal back before it is told of: unwinding does so, too, but a panic
/// within a panic ends the program at once.
pub fn restore_on_panic() {
    let tell = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |panic| {
        restore();
        tell(panic);
    }));
}

/// Every movement, and places as numbers (xterm's 1003 and 1006).
const MOUSE_ON: &str = "\x1b[?1003h\x1b[?1006h";
const MOUSE_OFF: &str = "\x1b[?1006l\x1b[?1003l";

/// Whether the terminal takes colours; that of Windows has to be told that they come.
pub fn takes_colors() -> bool {
    system::takes_colors()
}

/// Whether a person is there to ask.
pub fn is_there() -> bool {
    io::stdin().is_terminal() && io::stderr().is_terminal()
}

/// Throws away what was typed before the next question is shown; on Windows, it stays.
pub(super) fn forget_typed() {
    system::forget_typed();
}

/// The terminal while it is read from; dropping it gives it back.
#[derive(Debug)]
pub struct Terminal(Mode);

impl Terminal {
    /// Takes the terminal, which has to be one.
    pub fn take(mode: Mode) -> io::Result<Self> {
        let before = TerminalSettings::now()?;
        let during = before.during(mode)?;
        *BEFORE.lock().unwrap_or_else(PoisonError::into_inner) = Some((before, mode));
        let taken = Self(mode);
        during.apply()?;
        if mode == Mode::Keys {
            let mut err = io::stderr().lock();
            write!(err, "{MOUSE_ON}").and_then(|()| err.flush())?;
        }
        Ok(taken)
    }

    /// Some of what was typed; nothing at the end of the input. Nothing is lost where the future is
    /// dropped.
    pub async fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        system::read(buffer).await
    }

    /// A whole line with its end.
    pub async fn line(&mut self) -> io::Result<Zeroizing<Vec<u8>>> {
        system::line(self.0).await
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        restore();
    }
}

/// The first line of the standard input that is no terminal, or of a file.
pub fn first_line(mut from: impl io::Read) -> io::Result<Zeroizing<Vec<u8>>> {
    let mut line = Zeroizing::new(Vec::with_capacity(MAX_SECRET));
    let mut byte = Zeroizing::new([0_u8; 1]);
    while line.len() < MAX_SECRET && from.read(&mut *byte)? == 1 {
        line.extend_from_slice(&*byte);
        if *byte == *b"\n" {
            break;
        }
    }
    Ok(line)
}

/// The first line of the standard input, without a buffer that keeps it where the system lets read so.
pub fn first_line_of_stdin() -> io::Result<Zeroizing<Vec<u8>>> {
    struct Unbuffered;
    impl io::Read for Unbuffered {
        fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
            system::read_stdin(buffer)
        }
    }
    first_line(Unbuffered)
}

/// What a person pressed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Press {
    /// A character, or a control character as its letter with Ctrl.
    Char(char),
    /// A letter with Ctrl held.
    Control(char),
    /// A key with a name: `Up`, `F5`, `Enter`...
    Named(&'static str),
    /// The mouse is at a cell, with a button as xterm numbers it.
    Mouse {
        /// Button and what it does: 0 to 2 pressed, 32 and more moving, 64 and 65 the wheel.
        button: u16,
        /// From the left, from 1.
        column: u16,
        /// From the top, from 1.
        row: u16,
        /// Whether the button was let go.
        released: bool,
    },
}

/// Reads presses out of a terminal's bytes.
#[derive(Debug, Default)]
pub struct Presses {
    bytes: VecDeque<u8>,
}

/// No key's sequence is longer.
const MAX_SEQUENCE: usize = 32;

impl Presses {
    /// Takes what one read gave. A terminal sends a key's bytes together, so that an Escape at the
    /// end of them is the key itself.
    pub fn feed(&mut self, bytes: &[u8]) -> Vec<Press> {
        self.bytes.extend(bytes);
        let mut presses = Vec::new();
        while !self.bytes.is_empty() {
            let held = self.bytes.make_contiguous();
            match first(held) {
                Read::Press(press, length) => {
                    presses.push(press);
                    self.bytes.drain(..length);
                }
                Read::Nothing(length) => drop(self.bytes.drain(..length)),
                Read::More if held.len() < MAX_SEQUENCE => break,
                Read::More => self.bytes.clear(),
            }
        }
        presses
    }
}

enum Read {
    Press(Press, usize),
    Nothing(usize),
    More,
}

fn first(bytes: &[u8]) -> Read {
    let named = |name, length| Read::Press(Press::Named(name), length);
    match bytes {
        [0x1b] => named("Escape", 1),
        [0x1b, b'[', ..] => sequence(bytes),
        [0x1b, b'O', last, ..] => match key_of_letter(*last) {
            Some(name) => named(name, 3),
            None => Read::Nothing(3),
        },
        [0x1b, b'O'] => Read::More,
        // Alt and a key: the Escape is taken alone.
        [0x1b, ..] => named("Escape", 1),
        [b'\r' | b'\n', ..] => named("Enter", 1),
        [b'\t', ..] => named("Tab", 1),
        [0x7f | 0x08, ..] => named("Backspace", 1),
        [control @ 1..=0x1a, ..] => Read::Press(Press::Control(char::from(control - 1 + b'a')), 1),
        [0..=0x1f, ..] => Read::Nothing(1),
        _ => character(bytes),
    }
}

fn character(bytes: &[u8]) -> Read {
    let length = match bytes.first() {
        Some(0xc0..=0xdf) => 2,
        Some(0xe0..=0xef) => 3,
        Some(0xf0..) => 4,
        _ => 1,
    };
    let Some(own) = bytes.get(..length) else {
        return Read::More;
    };
    match std::str::from_utf8(own)
        .ok()
        .and_then(|text| text.chars().next())
    {
        Some(c) => Read::Press(Press::Char(c), length),
        None => Read::Nothing(1),
    }
}

/// `ESC [`, numbers, and a letter or `~`.
fn sequence(bytes: &[u8]) -> Read {
    let rest = bytes.get(2..).unwrap_or_default();
    let Some(end) = rest.iter().position(|byte| (0x40..=0x7e).contains(byte)) else {
        return Read::More;
    };
    let (length, last) = (end + 3, rest.get(end).copied().unwrap_or_default());
    let text = rest.get(..end).unwrap_or_default();
    let text = std::str::from_utf8(text).unwrap_or_default();
    if let (Some(text), b'M' | b'm') = (text.strip_prefix('<'), last) {
        let mut numbers = text.split(';').map(str::parse::<u16>);
        let press = match (numbers.next(), numbers.next(), numbers.next()) {
            (Some(Ok(button)), Some(Ok(column)), Some(Ok(row))) => Press::Mouse {
                button,
                column,
                row,
                released: last == b'm',
            },
            _ => return Read::Nothing(length),
        };
        return Read::Press(press, length);
    }
    let name = match last {
        b'~' => key_of_number(text.split(';').next().unwrap_or_default()),
        b'Z' => Some("Shift+Tab"),
        letter => key_of_letter(letter),
    };
    match name {
        Some(name) => Read::Press(Press::Named(name), length),
        None => Read::Nothing(length),
    }
}

fn key_of_letter(letter: u8) -> Option<&'static str> {
    Some(match letter {
        b'A' => "Up",
        b'B' => "Down",
        b'C' => "Right",
        b'D' => "Left",
        b'F' => "End",
        b'H' => "PageStart",
        b'P' => "F1",
        b'Q' => "F2",
        b'R' => "F3",
        b'S' => "F4",
        _ => return None,
    })
}

fn key_of_number(number: &str) -> Option<&'static str> {
    Some(match number {
        "1" | "7" => "PageStart",
        "3" => "Delete",
        "4" | "8" => "End",
        "5" => "PageUp",
        "6" => "PageDown",
        "11" => "F1",
        "12" => "F2",
        "13" => "F3",
        "14" => "F4",
        "15" => "F5",
        "17" => "F6",
        "18" => "F7",
        "19" => "F8",
        "20" => "F9",
        "21" => "F10",
        "23" => "F11",
        "24" => "F12",
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_read_out_of_a_terminals_bytes() {
        let mut presses = Presses::default();
        assert_eq!(
            presses.feed(b"aZ\x1b[A\x1bOP\x1b[15~\x1b[1;5C\t\r\x7f\x1b[Z"),
            [
                Press::Char('a'),
                Press::Char('Z'),
                Press::Named("Up"),
                Press::Named("F1"),
                Press::Named("F5"),
                Press::Named("Right"),
                Press::Named("Tab"),
                Press::Named("Enter"),
                Press::Named("Backspace"),
                Press::Named("Shift+Tab"),
            ]
        );
        assert_eq!(presses.feed(b"\x1b"), [Press::Named("Escape")]);
        assert_eq!(presses.feed(b"\x01"), [Press::Control('a')]);
        let mouse = Press::Mouse {
            button: 35,
            column: 12,
            row: 300,
            released: false,
        };
        assert_eq!(presses.feed(b"\x1b[<35;12;300M"), [mouse]);
        assert_eq!(presses.feed("ä".as_bytes()), [Press::Char('ä')]);
    }

    #[test]
    fn pieces_are_put_together_and_nonsense_is_passed_over() {
        let mut presses = Presses::default();
        assert_eq!(presses.feed(b"\x1b["), []);
        assert_eq!(presses.feed(b"1"), []);
        assert_eq!(presses.feed(b"7~"), [Press::Named("F6")]);
        assert_eq!(
            presses.feed(b"\xff\x00\x1b[999z\x1b[<1;2Mx"),
            [Press::Char('x')]
        );
        assert_eq!(
            presses.feed(&[b"\x1b[".as_slice(), &[b'1'; 100]].concat()),
            []
        );
        assert_eq!(presses.feed(b"y"), [Press::Char('y')]);
    }

    #[test]
    fn a_secret_is_read_up_to_its_line_end_and_no_further() {
        let mut input = b"4711\nrest".as_slice();
        assert_eq!(&*first_line(&mut input).unwrap(), b"4711\n");
        assert_eq!(input, b"rest");
        assert_eq!(first_line(std::io::repeat(b'x')).unwrap().len(), MAX_SECRET);
    }

    /// Set in the program that this test starts: at a terminal, what it does there.
    #[cfg(unix)]
    const AT_TERMINAL: &str = "RESCUE_TEST_AT_TERMINAL";
    #[cfg(unix)]
    const THIS_TEST: &str = "ui::terminal::tests::a_panic_gives_the_terminal_back";

    #[cfg(unix)]
    #[test]
    fn a_panic_gives_the_terminal_back() {
        use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
        use rustix::termios::tcgetattr;
        use std::process::{Command, Stdio};
        if let Ok(case) = std::env::var(AT_TERMINAL) {
            panic_at_terminal(&case);
        }
        for case in ["keys", "hidden", "joined", "twice"] {
            let master = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY).unwrap();
            grantpt(&master).and_then(|()| unlockpt(&master)).unwrap();
            let name = ptsname(&master, Vec::new()).unwrap();
            let mut options = std::fs::File::options();
            let slave = options.read(true).write(true).open(name.to_str().unwrap());
            let slave = slave.unwrap();
            let before = format!("{:?}", tcgetattr(&slave).unwrap());
            let ended = Command::new(std::env::current_exe().unwrap())
                .args(["--exact", THIS_TEST, "--nocapture", "--test-threads=1"])
                .env(AT_TERMINAL, case)
                .stdin(slave.try_clone().unwrap())
                .stdout(Stdio::null())
                .output()
                .unwrap();
            let told = String::from_utf8_lossy(&ended.stderr).into_owned();
            assert!(!ended.status.success(), "{case}: {told}");
            assert!(told.contains("was changed"), "{case}: {told}");
            assert!(told.contains("panicked at"), "{case}: {told}");
            let after = format!("{:?}", tcgetattr(&slave).unwrap());
            assert_eq!(after, before, "{case}");
            let mouse = told.contains(MOUSE_ON);
            assert_eq!(
                told.matches(MOUSE_OFF).count(),
                usize::from(mouse),
                "{case}"
            );
            drop(master);
        }
    }

    /// Takes the terminal and falls over.
    #[cfg(unix)]
    fn panic_at_terminal(case: &str) -> ! {
        /// Falls over once more while the first panic unwinds, which no guard survives.
        struct Again;
        impl Drop for Again {
            fn drop(&mut self) {
                panic!("the second one");
            }
        }
        restore_on_panic();
        let before = format!("{:?}", TerminalSettings::now().unwrap());
        let mode = match case {
            "hidden" => Mode::Hidden,
            _ => Mode::Keys,
        };
        let taken = Terminal::take(mode).unwrap();
        assert_ne!(format!("{:?}", TerminalSettings::now().unwrap()), before);
        eprintln!("was changed");
        let again = (case == "twice").then_some(Again);
        if case == "joined" {
            let fell = std::thread::spawn(|| panic!("in another thread"));
            std::panic::resume_unwind(fell.join().unwrap_err());
        }
        // The one dropped first is the one made last.
        let _held = (&taken, &again);
        panic!("the first one");
    }
}
