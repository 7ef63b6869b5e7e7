//! A terminal with the program on it: what its screen shows, and what is typed.

use std::fs::File;
use std::io::{Read as _, Write as _};
use std::os::fd::OwnedFd;
use std::process::{Child, Command};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
use rustix::termios::{Winsize, tcsetwinsize};

use crate::desk::{HANGS, kill, until};
use crate::support::choices::number_of;

pub(crate) struct Terminal {
    keyboard: File,
    written: Arc<Mutex<Vec<u8>>>,
    columns: u16,
    child: Child,
    /// Ends when the last one who could write to the terminal has ended.
    reading: JoinHandle<()>,
}

/// A new pseudo-terminal: the end that a person sits at, and the one that a program does.
pub(crate) fn both_ends() -> (OwnedFd, File) {
    let master = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY).unwrap();
    grantpt(&master).and_then(|()| unlockpt(&master)).unwrap();
    let name = ptsname(&master, Vec::new()).unwrap();
    let slave = File::options()
        .read(true)
        .write(true)
        .open(name.to_str().unwrap());
    (master, slave.unwrap())
}

impl Terminal {
    /// Starts a command on a terminal of so many columns.
    pub(crate) fn start(mut command: Command, columns: u16) -> Self {
        let (master, slave) = both_ends();
        let size = Winsize {
            ws_row: 30,
            ws_col: columns,
            ws_xpixel: 0,
            ws_ypixel: 0,
        };
        tcsetwinsize(&master, size).unwrap();
        if command.get_envs().all(|(name, _)| name != "TERM") {
            command.env("TERM", "xterm");
        }
        let child = command
            .stdin(slave.try_clone().unwrap())
            .stdout(slave.try_clone().unwrap())
            .stderr(slave)
            .spawn()
            .unwrap();
        let keyboard = File::from(master);
        let (mut screen, written) = (keyboard.try_clone().unwrap(), Arc::default());
        let seen: Arc<Mutex<Vec<u8>>> = Arc::clone(&written);
        let reading = std::thread::spawn(move || {
            let mut bytes = [0; 4096];
            while let Ok(count @ 1..) = screen.read(&mut bytes) {
                seen.lock().unwrap().extend(&bytes[..count]);
            }
        });
        Self {
            keyboard,
            written,
            columns,
            child,
            reading,
        }
    }

    pub(crate) fn type_keys(&mut self, keys: &str) {
        self.keyboard.write_all(keys.as_bytes()).unwrap();
    }

    /// Waits until the screen shows this.
    pub(crate) async fn shows(&self, words: &str) {
        let begin = Instant::now();
        while !self.screen().contains(words) {
            assert!(begin.elapsed() < HANGS, "no {words} in\n{}", self.screen());
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }

    /// Waits until a question stands at the end of the screen.
    pub(crate) async fn shows_question(&self) {
        until("a question", || self.screen().ends_with(": ")).await;
    }

    /// Waits until a question stands at the end of the screen, and takes the choice that has these words.
    pub(crate) async fn choose(&mut self, words: &str) {
        self.shows_question().await;
        let screen = self.screen();
        let number =
            number_of(words, &screen).unwrap_or_else(|| panic!("no choice {words} in\n{screen}"));
        self.type_keys(&format!("{number}\n"));
    }

    pub(crate) fn interrupt(&self) {
        kill(self.child.id(), "INT");
    }

    /// Waits for the end; the exit code, and what the screen shows then.
    pub(crate) async fn end(mut self) -> (i32, String) {
        let mut ended = None;
        until("the end", || {
            ended = self.child.try_wait().unwrap();
            ended.is_some()
        })
        .await;
        until("the last words", || self.reading.is_finished()).await;
        (ended.unwrap().code().unwrap_or(-1), self.screen())
    }

    /// Everything that the program wrote, as it came.
    pub(crate) fn written(&self) -> String {
        String::from_utf8_lossy(&self.written.lock().unwrap()).into_owned()
    }

    /// Everything that stands on the screen, and above it.
    pub(crate) fn screen(&self) -> String {
        let written = self.written.lock().unwrap();
        screen_of(&String::from_utf8_lossy(&written), self.columns.into())
    }
}

/// What a terminal makes of this: as much of its language as the program speaks.
fn screen_of(written: &str, columns: usize) -> String {
    let mut lines = vec![Vec::new()];
    let (mut row, mut column) = (0, 0);
    let mut rest = written.chars();
    while let Some(c) = rest.next() {
        match c {
            '\r' => column = 0,
            '\n' => row += 1,
            '\x1b' => {
                assert_eq!(rest.next(), Some('['), "{written:?}");
                let mut number = String::new();
                let last = loop {
                    match rest.next() {
                        Some(c) if c.is_ascii_digit() || c == ';' || c == '?' => number.push(c),
                        last => break last,
                    }
                };
                match last {
                    Some('A') => row -= number.parse::<usize>().unwrap(),
                    Some('J') => {
                        lines.truncate(row + 1);
                        lines[row].truncate(column);
                    }
                    Some('K') => lines[row].truncate(column),
                    Some('m') | None => {}
                    other => panic!("{other:?} in {written:?}"),
                }
            }
            c => {
                if column == columns {
                    (row, column) = (row + 1, 0);
                }
                lines.resize(lines.len().max(row + 1), Vec::new());
                let line = &mut lines[row];
                line.resize(line.len().max(column + 1), ' ');
                line[column] = c;
                column += 1;
            }
        }
        lines.resize(lines.len().max(row + 1), Vec::new());
    }
    let lines = lines.iter().map(|line| line.iter().collect::<String>());
    lines.collect::<Vec<_>>().join("\n")
}

#[test]
fn screen_is_what_a_terminal_makes_of_what_is_written() {
    let written = "abc\r\ndef\r\x1b[Jgh\x1b[K\r\nijkl\x1b[1A\rx";
    assert_eq!(screen_of(written, 3), "abc\ngh\nxjk\nl");
}
