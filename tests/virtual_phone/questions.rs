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
    terminal.shows("make it first").await;
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
async fn remote_is_edited_by_answers_and_enter_keeps_what_is_there() {
    let desk = Desk::new();
    let settings = || {
        let path = desk.path("home/.config/rescue/remotes.toml");
        std::fs::read_to_string(path).unwrap()
    };
    let dav = ["remote", "add", "nas", "webdav", "https://127.0.0.1:9/dav"];
    let more = ["--user", "ada", "--no-test"];
    let mut command = desk.command(&[&dav[..], &more].concat());
    command.env("RESCUE_REMOTE_SECRET", "PLANTED-first");
    end(command.spawn().unwrap()).await.expect(0);
    let before = settings();
    let url = "(Enter keeps https://127.0.0.1:9/dav): ";
    let user = ", - removes it): ";
    let password = "password (Enter keeps the present one): ";
    // What is answered, and what the settings hold then.
    for (answers, told, holds, lacks) in [
        (["", "", ""], "stays as it is", "PLANTED-first", ""),
        (
            ["", "bob", ""],
            "https://127.0.0.1:9/dav as bob",
            "PLANTED-first",
            "ada",
        ),
        (["", "ada", ""], "It pointed to", "PLANTED-first", "bob"),
        (
            ["", "", "PLANTED-second"],
            "nas points to",
            "PLANTED-second",
            "first",
        ),
    ] {
        let command = desk.command(&["remote", "edit", "nas", "--no-test"]);
        let mut terminal = Terminal::start(command, 200);
        for (question, answer) in [url, user, password].into_iter().zip(answers) {
            terminal.shows(question).await;
            terminal.type_keys(&format!("{answer}\n"));
        }
        let (code, screen) = terminal.end().await;
        assert_eq!(code, 0, "{screen}");
        assert!(
            screen.contains(told) && !screen.contains("PLANTED"),
            "{screen}"
        );
        let now = settings();
        assert!(now.contains(holds), "{now}");
        assert!(lacks.is_empty() || !now.contains(lacks), "{now}");
        if answers == ["", "", ""] {
            assert_eq!(now, before);
        }
    }
    // A bad answer is asked for again; without a user, no password is asked for, and none stays.
    let mut terminal = Terminal::start(desk.command(&["remote", "edit", "nas", "--no-test"]), 200);
    terminal.shows(url).await;
    terminal.type_keys("nas\n");
    terminal.shows("'nas' is not a valid address").await;
    terminal.type_keys("\n");
    terminal.shows(user).await;
    terminal.type_keys("-\n");
    let (code, screen) = terminal.end().await;
    assert_eq!(code, 0, "{screen}");
    let now = settings();
    assert!(!now.contains("PLANTED") && !now.contains("user"), "{now}");
    let mut terminal = Terminal::start(desk.command(&["remote", "edit", "nas"]), 200);
    terminal.shows_question().await;
    terminal.type_keys("\u{4}");
    let (code, screen) = terminal.end().await;
    assert!(
        code == 130 && screen.contains("nothing was saved"),
        "{screen}"
    );
    assert_eq!(settings(), now);
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
        assert!(screen.contains("nothing was saved"), "{screen}");
        desk.run(&["--json", "remote", "test", "nas"])
            .await
            .expect(2);
    }
}

#[tokio::test]
async fn invalid_value_for_any_kind_is_named_with_an_example() {
    let desk = Desk::new();
    let s3 = ["s3", "photos", "--access-key-id", "AKIA"];
    let b2 = ["b2", "--endpoint", "s3.us-west-004.backblazeb2.com"];
    let with = |kind: &[&'static str], more: &[&'static str]| [kind, more].concat();
    for (given, message, example) in [
        (
            vec!["gopher", "--path", "x"],
            "'gopher' is not a kind of remote",
            "sftp ada@nas.local",
        ),
        (
            vec!["immich", "cloud"],
            "'cloud' is not a valid address",
            "https://cloud.example",
        ),
        (
            vec!["webdav", "http://my nas/"],
            "'http://my nas/' is not a valid address",
            "https://cloud",
        ),
        (
            vec!["webdav", "https://nas:70000"],
            "'https://nas:70000' is not a valid address",
            "https://",
        ),
        (
            vec!["webdav", "https://nas/", "--user", "ada:x"],
            "'ada:...' is not a valid user name: it contains a colon",
            "as in ada",
        ),
        (
            with(&s3, &["--endpoint", "nas:9000"]),
            "'nas:9000' is not a valid address",
            "https://",
        ),
        (
            with(&s3, &["--region", "us west"]),
            "'us west' is not a valid region",
            "as in",
        ),
        (
            vec!["s3", "photos/2026", "--access-key-id", "x"],
            "'photos/2026' is not a valid bucket",
            "as in",
        ),
        (
            vec!["s3", "photos", "--access-key-id", ""],
            "'' is not a valid access key ID",
            "as in",
        ),
        (
            with(&b2, &["--key-id", "0 4", "b"]),
            "'0 4' is not a valid keyID",
            "as in",
        ),
        (
            vec!["b2", "--endpoint", "a b", "--key-id", "4", "b"],
            "'https://a b' is not a valid",
            "https://",
        ),
        (
            vec!["gcs", "my photos"],
            "'my photos' is not a valid bucket",
            "as in",
        ),
        (
            vec!["azure", "--account", "a b", "c"],
            "'a b' is not a valid storage account",
            "as in",
        ),
        (
            vec!["azure", "--account", "a", "c d"],
            "'c d' is not a valid container",
            "as in",
        ),
        (
            vec!["dropbox", "--client-id", "a b"],
            "'a b' is not a valid client ID",
            "as in",
        ),
        (
            vec!["onedrive", "--client-id", ""],
            "'' is not a valid client ID",
            "as in",
        ),
        (
            vec!["google-drive", "--client-id", "a b"],
            "'a b' is not a valid client ID",
            "as in",
        ),
        (
            vec!["google-photos", "--client-id", "abc"],
            "'abc' is not a client ID",
            "123-abc.apps",
        ),
        (
            vec!["sftp", "nas"],
            "'nas' is not an SSH address: the user",
            "ada@nas.local",
        ),
        (
            vec!["sftp", "ada@nas:70000"],
            "the port is not a number from 1 to 65535",
            "ada@nas.local",
        ),
        (
            vec!["sftp", "ada@my nas"],
            "'ada@my nas' is not an SSH address: the host",
            "ada@nas.local",
        ),
        (
            vec!["sftp", "ada:pw@nas"],
            "'ada:...@nas' is not an SSH address",
            "ada@nas.local",
        ),
    ] {
        let add = [&["--json", "remote", "add", "x"][..], &given].concat();
        let ended = desk.run(&add).await.expect(2);
        let error = ended.line("error");
        assert!(ended.message().contains(message), "{error}");
        assert!(error["hint"].as_str().unwrap().contains(example), "{error}");
    }
}

#[tokio::test]
async fn key_of_a_service_account_is_asked_for_by_its_file() {
    let desk = Desk::new();
    let file = desk.dir.path().join("key.json");
    std::fs::write(&file, "no key").unwrap();
    let mut terminal = Terminal::start(desk.command(&["remote", "add", "x", "gcs"]), 200);
    terminal.shows("The bucket; must exist").await;
    terminal.shows_question().await;
    terminal.type_keys("my photos\n");
    terminal.shows("'my photos' is not a valid bucket").await;
    terminal.type_keys("photos\n");
    terminal
        .shows("The JSON file with the service account's key: ")
        .await;
    terminal.type_keys("nowhere.json\n");
    terminal
        .shows("cannot read the secret from nowhere.json")
        .await;
    terminal.type_keys("key.json\n");
    terminal.shows("'key.json' is not a JSON file").await;
    std::fs::write(&file, "{}").unwrap();
    terminal.type_keys("key.json\n");
    let (ended, screen) = terminal.end().await;
    assert_eq!(ended, 2, "{screen}");
    assert!(
        screen.contains("is not the JSON file of a service account's key"),
        "{screen}"
    );
}
