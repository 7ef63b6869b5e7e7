//! Questions at a terminal: who stops the program there has it end at once, and the terminal as it was.

use std::fs::File;
use std::io::Read as _;
use std::process::Stdio;
use std::sync::{Arc, Mutex};

use rustix::termios::tcgetattr;

use crate::desk::{Desk, end, kill, until};
use crate::terminal::both_ends;

#[tokio::test]
async fn stopped_at_a_question_it_ends_at_once_and_the_terminal_is_as_it_was() {
    let dav = ["remote", "add", "x", "webdav", "https://127.0.0.1:9/"];
    let questions: [(&str, &[&str]); 3] = [
        ("password: ", &[&dav[..], &["--user", "ada"]].concat()),
        ("client ID: ", &["remote", "add", "x", "google-photos"]),
        ("[y/N] ", &["doctor", "--install-udev-rules"]),
    ];
    for (question, arguments) in questions {
        for signal in ["INT", "TERM"] {
            let desk = Desk::new();
            let (master, slave) = both_ends();
            let before = format!("{:?}", tcgetattr(&slave).unwrap());
            let child = desk
                .command(arguments)
                .stdin(slave.try_clone().unwrap())
                .stdout(Stdio::null())
                .stderr(slave.try_clone().unwrap())
                .spawn()
                .unwrap();
            let shown = Arc::new(Mutex::new(String::new()));
            let (mut screen, seen) = (File::from(master), Arc::clone(&shown));
            std::thread::spawn(move || {
                let mut bytes = [0; 4096];
                while let Ok(count @ 1..) = screen.read(&mut bytes) {
                    let text = String::from_utf8_lossy(&bytes[..count]);
                    seen.lock().unwrap().push_str(&text);
                }
            });
            until(question, || shown.lock().unwrap().contains(question)).await;
            kill(child.id(), signal);
            let ended = end(child).await;
            let shown = shown.lock().unwrap().clone();
            assert_eq!(ended.code, 130, "{question} {signal}: {shown}");
            let after = format!("{:?}", tcgetattr(&slave).unwrap());
            assert_eq!(after, before, "{question} {signal}");
        }
    }
}
