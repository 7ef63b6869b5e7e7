//! Questions at a terminal: who stops the program there has it end at once, and the terminal as it was.

use std::fs::File;
use std::io::Read as _;
use std::process::Stdio;
use std::sync::{Arc, Mutex};

use rustix::termios::tcgetattr;

use crate::desk::{Desk, end, kill, until};
use crate::terminal::{Terminal, both_ends};

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

#[tokio::test]
async fn remote_is_added_by_answers_alone_and_tried_before_it_is_kept() {
    let desk = Desk::new();
    std::fs::create_dir(desk.dir.path().join("second disk")).unwrap();
    for (place, code) in [("missing", 2), ("second disk", 0)] {
        let mut terminal = Terminal::start(desk.command(&["remote", "add"]), 100);
        terminal.shows("A short name").await;
        // Called like a kind, too.
        terminal.type_keys("folder\n");
        // A number that none has, then one of the list.
        terminal.shows("A folder on this computer").await;
        // What is typed before a question stands would be shown before it.
        terminal.shows("Its number or its name: ").await;
        terminal.type_keys("99\n");
        let again = "Its number or its name: 99\nIts number or its name: ";
        terminal.shows(again).await;
        terminal.type_keys("folder\n");
        terminal.shows("The folder; must exist: ").await;
        terminal.type_keys(&format!("{place}\n"));
        let (ended, screen) = terminal.end().await;
        assert_eq!(ended, code, "{screen}");
        let listed = desk.run(&["--json", "remote", "list"]).await.expect(0);
        assert_eq!(
            listed.lines.len(),
            usize::from(code == 0),
            "{:?}",
            listed.lines
        );
    }
    // Where nobody can be asked, the command says what is missing.
    for arguments in [
        &["--json", "remote", "add"][..],
        &["--json", "remote", "add", "nas"],
    ] {
        let ended = desk.run(arguments).await.expect(2);
        assert!(
            ended.message().contains("name and kind are missing"),
            "{}",
            ended.message()
        );
    }
}
