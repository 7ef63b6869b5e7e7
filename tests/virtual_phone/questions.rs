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
async fn remote_is_added_by_answers_alone_and_a_bad_one_is_asked_for_again() {
    let desk = Desk::new();
    std::fs::create_dir(desk.dir.path().join("second disk")).unwrap();
    let taken = ["remote", "add", "taken", "folder", "second disk"];
    desk.run(&taken).await.expect(0);
    let mut terminal = Terminal::start(desk.command(&["remote", "add"]), 400);
    terminal.shows("A short name").await;
    let long = "x".repeat(300);
    for (name, why) in [
        ("", ""),
        ("a/b", "'a/b' cannot be a remote's name"),
        ("a\u{7}b", "'a\\u{7}b' cannot be a remote's name"),
        (&long, "the name has 300 characters"),
        ("taken", "the remote 'taken' already exists"),
        ("folder", "a remote cannot be called 'folder'"),
    ] {
        let asked = |screen: &str| screen.matches("A short name").count();
        let before = asked(&terminal.screen());
        terminal.type_keys(&format!("{name}\n"));
        terminal.shows(why).await;
        until(name, || asked(&terminal.screen()) == before + 1).await;
    }
    assert!(!terminal.screen().contains("What kind"));
    terminal.type_keys("disk\n");
    // A number that none has, then one of the list.
    terminal.shows("A folder on this computer").await;
    // What is typed before a question stands would be shown before it.
    terminal.shows("Its number or its name: ").await;
    terminal.type_keys("99\n");
    terminal.shows("'99' is not on the list").await;
    terminal.type_keys("folder\n");
    terminal.shows("The folder; must exist: ").await;
    terminal.type_keys("missing\n");
    terminal.shows("missing").await;
    terminal.shows("check the path; it must exist").await;
    terminal.type_keys("second disk\n");
    let (ended, screen) = terminal.end().await;
    assert_eq!(ended, 0, "{screen}");
    let listed = desk.run(&["--json", "remote", "list"]).await.expect(0);
    assert_eq!(listed.lines.len(), 2, "{:?}", listed.lines);
    // Where nobody can be asked, the command says what is missing.
    for (arguments, missing) in [
        (
            &["--json", "remote", "add"][..],
            "the remote's name and kind are missing",
        ),
        (
            &["--json", "remote", "add", "nas"],
            "the remote's kind is missing",
        ),
        (
            &["--json", "remote", "add", "folder", "."],
            "the remote's name is missing",
        ),
        (&["--json", "remote", "add", "nas", "webdav"], "<URL>"),
        (
            &["--json", "remote", "add", "nas", "s3", "b"],
            "--access-key-id <ID>",
        ),
    ] {
        let ended = desk.run(arguments).await.expect(2);
        assert!(ended.message().contains(missing), "{}", ended.message());
    }
}

#[tokio::test]
async fn missing_arguments_of_a_remote_are_asked_for_and_no_others() {
    let desk = Desk::new();
    // Without a name, too.
    let s3 = [
        "remote",
        "add",
        "s3",
        "bucket",
        "--region",
        "here",
        "--no-test",
        "--keep-in=file",
    ];
    let mut command = desk.command(&s3);
    command.env("RESCUE_REMOTE_SECRET", "PLANTED");
    let mut terminal = Terminal::start(command, 100);
    terminal.shows("A short name").await;
    terminal.type_keys("cloud\n");
    terminal
        .shows("The access key's id (the secret one is asked for): ")
        .await;
    terminal.type_keys("key\n");
    let (ended, screen) = terminal.end().await;
    assert_eq!(ended, 0, "{screen}");
    assert!(
        !screen.contains("kind of place") && !screen.contains("Folder of"),
        "{screen}"
    );
    let listed = desk.run(&["remote", "list"]).await.expect(0);
    let target = "bucket/ at Amazon S3";
    assert!(
        format!("{:?}", listed.lines).contains(target),
        "{:?}",
        listed.lines
    );
    let settings = desk.dir.path().join("home/.config/rescue/remotes.toml");
    let settings = std::fs::read_to_string(settings).unwrap();
    assert!(
        settings.contains("\"here\"") && settings.contains("\"key\""),
        "{settings}"
    );
}

#[tokio::test]
async fn end_of_input_at_a_question_adds_nothing_and_asks_no_more() {
    for answers in [
        &[][..],
        &["nas"],
        &["nas", "webdav"],
        &["nas", "webdav", "https://127.0.0.1:9/"],
    ] {
        let desk = Desk::new();
        let mut terminal = Terminal::start(desk.command(&["remote", "add"]), 100);
        for answer in answers {
            terminal.shows_question().await;
            terminal.type_keys(&format!("{answer}\n"));
        }
        terminal.shows_question().await;
        terminal.type_keys("\u{4}");
        let (ended, screen) = terminal.end().await;
        assert_eq!(ended, 130, "{screen}");
        assert!(screen.contains("nothing was added"), "{screen}");
        desk.run(&["--json", "remote", "test", "nas"])
            .await
            .expect(2);
    }
}
