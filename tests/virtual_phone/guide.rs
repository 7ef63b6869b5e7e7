//! `rescue` alone on a terminal: the guided run, from the first question to the last.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use rescue::virtual_phone::tree::Tree;
use rescue::virtual_phone::{Serving, Trust, VirtualPhone, camera_roll};

use crate::desk::{Desk, HANGS, camera, end, files_below, generated};
use crate::served::{Shelf, phone, photo};
use crate::terminal::Terminal;

/// The guide for the phone at an address.
fn guide(desk: &Desk, address: &str, more: &[&str]) -> Terminal {
    let mut command = desk.command(&["guide", "--tcp", address, "--idle-timeout", "2"]);
    command.args(more);
    // No server of this computer's is asked.
    command.env("ANDROID_ADB_SERVER_PORT", "1");
    Terminal::start(command, 80)
}

/// Has a phone answer where another did, once that has let go of its port.
pub(crate) async fn back(phone: &VirtualPhone, port: u16) -> Serving {
    let begin = Instant::now();
    loop {
        match phone.clone().serve_at(port).await {
            Ok(serving) => return serving,
            Err(error) => assert!(begin.elapsed() < HANGS, "{error}"),
        }
        tokio::task::yield_now().await;
    }
}

/// The rescue folder, which the guide names itself.
fn folder(desk: &Desk) -> PathBuf {
    let found = std::fs::read_dir(desk.dir.path()).unwrap();
    let mut folders = found.map(|entry| entry.unwrap().path()).filter(|path| {
        let name = path.file_name().unwrap().to_str().unwrap();
        name.starts_with("Virtual-Phone-") && path.is_dir()
    });
    let folder = folders.next().expect("a rescue folder");
    assert!(folders.next().is_none());
    folder
}

fn rescued(desk: &Desk) -> Vec<String> {
    files_below(&folder(desk).join("data"))
        .into_keys()
        .collect()
}

/// A folder on another disk than this one: in memory, or in the system's own place.
pub(crate) fn on_another_disk(here: &Path) -> tempfile::TempDir {
    use std::os::unix::fs::MetadataExt as _;
    let disk_of = |path: &Path| std::fs::metadata(path).map(|found| found.dev()).ok();
    let mut places = ["/dev/shm", "/var/tmp"].iter().map(Path::new);
    let place = places.find(|place| place.is_dir() && disk_of(place) != disk_of(here));
    tempfile::tempdir_in(place.expect("a second disk")).unwrap()
}

#[tokio::test]
async fn phone_that_is_ready_is_rescued_packed_and_copied_with_a_few_answers() {
    let (phone, _) = camera(&[10_000; 3]);
    let serving = phone.serve().await.unwrap();
    let desk = Desk::new();
    let same = desk.dir.path().join("same disk");
    std::fs::create_dir(&same).unwrap();
    let other = on_another_disk(desk.dir.path());
    let disk = other.path().join("a disk");
    std::fs::create_dir(&disk).unwrap();
    let home = desk.path("home");
    std::fs::create_dir_all(&home).unwrap();
    std::os::unix::fs::symlink(&disk, home.join("my disk")).unwrap();
    let mut terminal = guide(&desk, &serving.address().to_string(), &[]);
    terminal.shows("What do you want to take?").await;
    let screen = terminal.screen();
    for words in ["3 photos   30.0 kB", "It fits.", "photos.google.com"] {
        assert!(screen.contains(words), "{words} in\n{screen}");
    }
    terminal.type_keys("\n");
    terminal.shows("What next?").await;
    terminal.shows_question().await;
    let screen = terminal.screen();
    for words in [
        "Safe: everything asked for on the phone is here.",
        "Do not wipe the phone",
        "index.html in a browser",
    ] {
        assert!(screen.contains(words), "{words} in\n{screen}");
    }
    terminal.type_keys("1\n");
    terminal.shows("The zip file holds the same page").await;
    terminal.type_keys("1\n");
    terminal.shows("Which folder?").await;
    terminal.type_keys("nowhere\n");
    terminal.shows("nowhere is not a folder").await;
    terminal.type_keys("'same disk'\n");
    terminal
        .shows("is on the same disk as the rescue folder")
        .await;
    // No place to write to, and what a shell makes of `~`.
    terminal.type_keys("/proc\n");
    terminal.shows("This went wrong: ").await;
    terminal.shows_question().await;
    terminal.type_keys("~/my disk\n");
    terminal
        .shows("rescue remembers this folder as the remote 'disk'")
        .await;
    terminal.shows("disk: Backup complete").await;
    terminal.shows("There is a second copy now").await;
    terminal.shows_question().await;
    terminal.type_keys("\n");
    let (code, screen) = terminal.end().await;
    assert_eq!(code, 0, "{screen}");
    assert_eq!(rescued(&desk), [photo(0), photo(1), photo(2)].concat());
    assert!(folder(&desk).with_extension("zip").is_file());
    assert_eq!(files_below(&disk).len(), 3, "{screen}");

    // Once more, everything is here already, and nothing is asked before the end.
    let mut terminal = guide(&desk, &serving.address().to_string(), &[]);
    terminal.shows("Nothing is new on the phone.").await;
    terminal.shows("What next?").await;
    terminal.shows_question().await;
    let screen = terminal.screen();
    assert!(
        screen.contains("Here already: 3 files, 30.0 kB"),
        "{screen}"
    );
    assert!(screen.contains("Upload it to disk"), "{screen}");
    // What stands where the archive would go may be the person's own.
    let archive = folder(&desk).with_extension("zip");
    std::fs::write(&archive, b"mine").unwrap();
    terminal.type_keys("1\n");
    terminal.shows("(2).zip").await;
    terminal.shows("index.html in a browser").await;
    assert_eq!(std::fs::read(&archive).unwrap(), b"mine");
    terminal.choose("Finish").await;
    let (code, screen) = terminal.end().await;
    assert_eq!(code, 0, "{screen}");
}

#[tokio::test]
async fn phone_that_asks_its_owner_is_rescued_after_a_tap() {
    let (mut phone, _) = camera(&[10_000]);
    phone.trust = Trust::Known {
        keys: Vec::new(),
        approves_after: Some(Duration::from_millis(100)),
    };
    let serving = phone.serve().await.unwrap();
    let desk = Desk::new();
    let mut terminal = guide(&desk, &serving.address().to_string(), &[]);
    for question in [
        "still show a picture?",
        "react to your finger?",
        "pattern or password?",
    ] {
        terminal.shows(question).await;
        // Only the look was taken, which leaves no question on the phone.
        assert_eq!(serving.questions(), 0);
        terminal.type_keys("1\n");
    }
    terminal.shows("What do you want to take?").await;
    assert!(serving.questions() > 0);
    let screen = terminal.screen();
    assert!(screen.contains("tap 'Allow'"), "{screen}");
    assert!(!screen.contains("USB debugging\" ever"), "{screen}");
    terminal.type_keys("\n");
    terminal.shows("Safe: everything").await;
    terminal.choose("Finish").await;
    let (code, screen) = terminal.end().await;
    assert_eq!(code, 0, "{screen}");
    assert_eq!(rescued(&desk), photo(0));
}

#[tokio::test]
async fn phone_that_is_locked_takes_the_pin_from_here_and_is_rescued_when_it_is_open() {
    let (phone, _) = camera(&[10_000]);
    let mut locked = phone.clone();
    locked.set_property("sys.user.0.ce_available", "");
    locked.tree = Tree::default();
    let serving = locked.serve().await.unwrap();
    let address = serving.address();
    let desk = Desk::new();
    let mut terminal = guide(&desk, &address.to_string(), &[]);
    // A picture, but no touch, and the PIN is known.
    for (question, answer) in [
        ("picture?", "1\n"),
        ("finger?", "2\n"),
        ("password?", "1\n"),
    ] {
        terminal.shows(question).await;
        terminal.type_keys(answer);
    }
    terminal.shows("1  Type the PIN on this computer").await;
    terminal.type_keys("1\n");
    terminal.shows("(not shown): ").await;
    terminal.type_keys("4711\n");
    // This phone takes no keys: that is told, and the guide waits on.
    terminal
        .shows("This went wrong: the phone does not accept")
        .await;
    assert!(!terminal.screen().contains("safe."), "nothing is here yet");
    drop(serving);
    let _serving = back(&phone, address.port()).await;
    terminal.shows("What do you want to take?").await;
    terminal.type_keys("1\n");
    terminal.shows("Safe: everything").await;
    terminal.choose("Finish").await;
    let (code, screen) = terminal.end().await;
    assert_eq!(code, 0, "{screen}");
    assert!(!screen.contains("4711"), "{screen}");
    assert!(!screen.contains("--over adb"), "{screen}");
    assert_eq!(rescued(&desk), photo(0));
}

#[tokio::test]
async fn phone_unplugged_in_the_middle_resumes_by_itself_when_it_is_back() {
    let (phone, _) = camera(&[100_000; 20]);
    let mut slow = phone.clone();
    slow.rate = Some(400_000);
    let serving = slow.serve().await.unwrap();
    let address = serving.address();
    let desk = Desk::new();
    let mut terminal = guide(&desk, &address.to_string(), &["--wait", "1"]);
    terminal.shows("What do you want to take?").await;
    terminal.type_keys("1\n");
    terminal.shows("of 2.0 MB").await;
    drop(serving);
    terminal.shows("Interrupted: ").await;
    terminal.shows("Waiting; this continues by itself.").await;
    let screen = terminal.screen();
    assert!(!screen.contains("Safe: "), "{screen}");
    let _serving = back(&phone, address.port()).await;
    terminal.shows("The rescue continues in ").await;
    terminal.shows("What next?").await;
    terminal.shows_question().await;
    terminal.choose("Finish").await;
    let (code, screen) = terminal.end().await;
    assert_eq!(code, 0, "{screen}");
    assert!(screen.contains("Safe: everything"), "{screen}");
    assert_eq!(rescued(&desk).len(), 20);
}

#[tokio::test]
async fn disk_that_goes_away_in_the_middle_leaves_the_question_to_the_person() {
    let (mut phone, _) = camera(&[100_000; 20]);
    phone.rate = Some(400_000);
    let serving = phone.serve().await.unwrap();
    let desk = Desk::new();
    let mut terminal = guide(&desk, &serving.address().to_string(), &[]);
    terminal.shows("What do you want to take?").await;
    terminal.type_keys("1\n");
    terminal.shows("of 2.0 MB").await;
    std::fs::remove_dir_all(folder(&desk)).unwrap();
    terminal.shows("This went wrong: ").await;
    terminal.choose("Stop here").await;
    let (code, screen) = terminal.end().await;
    assert_eq!(code, 3, "{screen}");
    // Nobody knows that any more.
    assert!(!screen.contains("files here are safe"), "{screen}");
}

#[tokio::test]
async fn copy_goes_to_a_disk_that_took_the_place_of_another() {
    let (phone, _) = camera(&[10_000; 2]);
    let serving = phone.serve().await.unwrap();
    let desk = Desk::new();
    let other = on_another_disk(desk.dir.path());
    let disk = other.path().join("disk");
    for remote in ["disk", "disk-2"] {
        // Empty, as a new one is.
        let _ = std::fs::remove_dir_all(&disk);
        std::fs::create_dir(&disk).unwrap();
        let mut terminal = guide(&desk, &serving.address().to_string(), &[]);
        if remote == "disk" {
            terminal.shows("What do you want to take?").await;
            terminal.type_keys("\n");
        }
        terminal.shows("What next?").await;
        terminal.choose("Copy it to another disk").await;
        terminal.shows("Which folder?").await;
        terminal.type_keys(&format!("{}\n", disk.display()));
        terminal
            .shows(&format!("remembers this folder as the remote '{remote}'"))
            .await;
        terminal.shows("There is a second copy now").await;
        terminal.choose("Finish").await;
        let (code, screen) = terminal.end().await;
        assert_eq!(code, 0, "{screen}");
        assert_eq!(files_below(&disk).len(), 2, "{screen}");
    }
}

#[tokio::test]
async fn archive_that_lacks_what_was_here_is_not_done() {
    let (phone, _) = camera(&[10_000; 2]);
    let serving = phone.serve().await.unwrap();
    let desk = Desk::new();
    let mut terminal = guide(&desk, &serving.address().to_string(), &[]);
    terminal.shows("What do you want to take?").await;
    terminal.type_keys("\n");
    terminal.shows("What next?").await;
    terminal.shows_question().await;
    let data = folder(&desk).join("data");
    let photo = files_below(&data).into_keys().next().unwrap();
    std::fs::remove_file(data.join(photo)).unwrap();
    terminal.choose("Make one zip file").await;
    terminal.shows("missing").await;
    terminal.shows_question().await;
    terminal.choose("Make one zip file").await;
    terminal.shows("(2).zip").await;
    terminal.shows_question().await;
    terminal.choose("Finish").await;
    let (_, screen) = terminal.end().await;
    assert!(!screen.contains("The zip file holds"), "{screen}");
}

#[tokio::test]
async fn keys_pressed_while_files_come_answer_no_question() {
    let (phone, _) = camera(&[100_000; 10]);
    let mut slow = phone.clone();
    slow.rate = Some(400_000);
    let serving = slow.serve().await.unwrap();
    let desk = Desk::new();
    let mut terminal = guide(&desk, &serving.address().to_string(), &[]);
    terminal.shows("What do you want to take?").await;
    terminal.type_keys("1\n");
    terminal.shows("of 1.0 MB").await;
    terminal.type_keys("\n1\n2");
    terminal.shows("What next?").await;
    terminal.shows_question().await;
    terminal.choose("Finish").await;
    let (code, screen) = terminal.end().await;
    assert_eq!(code, 0, "{screen}");
    assert!(!folder(&desk).with_extension("zip").exists(), "{screen}");
}

#[tokio::test]
async fn rescue_alone_asks_about_a_phone_that_is_not_there_and_begins_when_it_is() {
    let phone = phone("ONE", 1).await;
    let (shelf, port) = Shelf::of(&phone).serve("127.0.0.1").await;
    let desk = Desk::new();
    let mut command = desk.command(&[]);
    command.env("ANDROID_ADB_SERVER_PORT", port.to_string());
    let mut terminal = Terminal::start(command, 40);
    for question in ["picture?", "finger?", "password?", "this phone?"] {
        terminal.shows(question).await;
        terminal.type_keys("\n");
    }
    terminal.shows("No phone shows on USB yet.").await;
    terminal.shows("press Enter:").await;
    // What else can be tried is a choice of its own.
    terminal.type_keys("1\n");
    terminal.shows("You can also try this:").await;
    *shelf.list.lock().unwrap() = "ONE device transport_id:1\n".to_owned();
    terminal.shows("Good: ").await;
    terminal.shows("What do you want to take?").await;
    terminal.type_keys("\n");
    terminal.shows("What next?").await;
    terminal.shows_question().await;
    terminal.choose("Finish").await;
    let (code, screen) = terminal.end().await;
    assert_eq!(code, 0, "{screen}");
    assert_eq!(rescued(&desk), photo(1));
}

#[tokio::test]
async fn what_cannot_be_read_is_not_called_safe() {
    let serving = camera_roll::phone().serve().await.unwrap();
    let desk = Desk::new();
    let mut terminal = guide(&desk, &serving.address().to_string(), &[]);
    terminal.shows("What do you want to take?").await;
    terminal.type_keys("1\n");
    terminal.shows("What next?").await;
    terminal.shows_question().await;
    let screen = terminal.screen();
    for words in [
        "Not everything is safe yet:",
        "- 1 file: not here",
        "before the rest is here, too",
        "1  Try the missing files again",
    ] {
        assert!(screen.contains(words), "{words} in\n{screen}");
    }
    assert!(!screen.contains("Safe: "), "{screen}");
    terminal.type_keys("1\n");
    // Tried once more in vain, it is no longer what Enter does.
    terminal.shows("5  Try the missing files again").await;
    terminal.choose("Finish").await;
    let (code, screen) = terminal.end().await;
    assert_eq!(code, 3, "{screen}");
}

#[tokio::test]
async fn folders_that_the_person_leaves_stay_on_the_phone_and_are_told() {
    let (mut phone, _) = camera(&[10_000]);
    let paper = "/storage/emulated/0/Download/a.pdf";
    phone
        .tree
        .add_file(paper, generated(1000, 7), 1_700_000_000);
    let serving = phone.serve().await.unwrap();
    let desk = Desk::new();
    let mut terminal = guide(&desk, &serving.address().to_string(), &[]);
    terminal.shows("3  Everything but some folders").await;
    terminal.type_keys("3\n");
    terminal.shows("2  Download: 1 file").await;
    terminal.type_keys("2, 9\n");
    terminal.shows("type a number from 1 to 2").await;
    terminal.type_keys("2\n");
    terminal.shows("What next?").await;
    terminal.shows_question().await;
    let screen = terminal.screen();
    assert!(
        screen.contains("Safe: everything that you chose"),
        "{screen}"
    );
    assert!(
        screen.contains("left on the phone by your choice"),
        "{screen}"
    );
    assert_eq!(rescued(&desk), photo(0));
    // The rest can still be taken.
    terminal.choose("Take the rest").await;
    terminal.shows("Here already: 1 file").await;
    terminal.type_keys("1\n");
    terminal.shows("everything asked for").await;
    terminal.choose("Finish").await;
    let (code, screen) = terminal.end().await;
    assert_eq!(code, 0, "{screen}");
    let both = [photo(0), vec!["internal/Download/a.pdf".to_owned()]].concat();
    assert_eq!(rescued(&desk), both);
}

#[tokio::test]
async fn place_that_takes_nothing_is_changed_for_another_without_starting_over() {
    let (phone, _) = camera(&[10_000]);
    let serving = phone.serve().await.unwrap();
    let desk = Desk::new();
    let disk = desk.dir.path().join("disk");
    std::fs::create_dir(&disk).unwrap();
    let mut terminal = guide(&desk, &serving.address().to_string(), &[]);
    terminal.shows("2  Choose another disk").await;
    terminal.type_keys("2\n");
    terminal.shows("Which folder?").await;
    // Nobody makes a folder there, not even root.
    terminal.type_keys("/proc\n");
    terminal
        .shows("It goes into /proc/Virtual-Phone-TEST0001-")
        .await;
    terminal.type_keys("1\n");
    terminal.shows("This went wrong: ").await;
    terminal.shows("What now?").await;
    terminal.type_keys("2\n");
    terminal.shows("Enter alone: back]: ").await;
    terminal.type_keys("disk\n");
    terminal.shows("/disk/Virtual-Phone-TEST0001-").await;
    terminal.type_keys("1\n");
    terminal.shows("Safe: everything").await;
    terminal.choose("Finish").await;
    let (code, screen) = terminal.end().await;
    assert_eq!(code, 0, "{screen}");
    let files = files_below(&disk).into_keys();
    let photos = files.filter(|name| name.ends_with("/data/internal/DCIM/Camera/0.jpg"));
    assert_eq!(photos.count(), 1, "{screen}");
}

#[tokio::test]
async fn without_a_person_rescue_alone_shows_its_help_and_the_guide_refuses() {
    let desk = Desk::new();
    for arguments in [&[][..], &["-q"], &["--color", "never"]] {
        let ended = end(desk.command(arguments).spawn().unwrap()).await;
        assert_eq!(ended.code, 2, "{arguments:?}");
        assert!(ended.stderr.contains("Usage: rescue"), "{}", ended.stderr);
        assert!(ended.lines.is_empty());
    }
    let ended = end(desk.command(&["--json", "guide"]).spawn().unwrap()).await;
    let message = ended.expect(2).message();
    assert!(message.contains("it needs a terminal"), "{message}");
    // A program reads JSON, and -q wants no words: neither is a person with questions.
    for arguments in [&["-q"][..], &["--json"]] {
        let (code, screen) = Terminal::start(desk.command(arguments), 80).end().await;
        assert_eq!(code, 2, "{screen}");
        assert!(!screen.contains("step by step"), "{screen}");
    }
}

#[tokio::test]
async fn stopped_at_a_question_or_while_it_waits_it_ends_and_says_how_to_resume() {
    let (phone, _) = camera(&[10_000]);
    let serving = phone.serve().await.unwrap();
    let address = serving.address().to_string();
    let desk = Desk::new();
    let terminal = guide(&desk, &address, &[]);
    terminal.shows("Enter alone: 1]: ").await;
    terminal.interrupt();
    let (code, screen) = terminal.end().await;
    assert_eq!(code, 130, "{screen}");
    assert!(screen.contains("safe"), "{screen}");
    // The end of the input is no answer.
    let mut terminal = guide(&desk, &address, &[]);
    terminal.shows("Enter alone: 1]: ").await;
    terminal.type_keys("\x04");
    let (code, screen) = terminal.end().await;
    assert_eq!(code, 130, "{screen}");
    assert!(screen.contains("run the same command again"), "{screen}");
    // Nobody is there: it waits.
    drop(serving);
    let terminal = guide(&desk, &address, &[]);
    terminal.shows("press Enter: ").await;
    terminal.interrupt();
    let (code, screen) = terminal.end().await;
    assert_eq!(code, 130, "{screen}");
}
