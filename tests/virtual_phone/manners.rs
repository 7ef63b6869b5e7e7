//! How the program behaves on a terminal: lines that fit, live lines that leave nothing behind.

use rescue::virtual_phone::{Serving, VirtualPhone};

use crate::desk::{CAMERA, Desk, generated, until};
use crate::terminal::Terminal;

/// Columns of terminals: a narrow window, the usual one, and a wide one.
const WIDTHS: [u16; 3] = [40, 80, 120];

/// A phone whose photos take minutes over its link.
fn slow_phone() -> VirtualPhone {
    let mut phone = VirtualPhone::new("TEST0001");
    phone.rate = Some(1_000_000);
    for index in 0..500 {
        let path = format!("{CAMERA}/IMG_{index:06}.jpg");
        let content = generated(200_000, index);
        phone.tree.add_file(&path, content, 1_700_000_000);
    }
    phone
}

fn pull(desk: &Desk, phone: &Serving, columns: u16) -> Terminal {
    let address = phone.address().to_string();
    let pull = ["pull", "--tcp", &address, "-o", "rescued"];
    Terminal::start(desk.command(&pull), columns)
}

/// No word is broken: each line ends where a word does.
#[track_caller]
fn assert_whole_words(screen: &str, words: &[&str]) {
    let joined = screen.lines().map(str::trim).collect::<Vec<_>>().join(" ");
    for words in words {
        assert!(joined.contains(words), "{words} in\n{screen}");
    }
}

#[tokio::test]
async fn progress_fits_the_window_and_a_stop_leaves_nothing_of_it() {
    for columns in WIDTHS {
        let (desk, phone) = (Desk::new(), slow_phone().serve().await.unwrap());
        let mut terminal = pull(&desk, &phone, columns);
        terminal.shows(" left,").await;
        let live = terminal.screen();
        assert_whole_words(
            &live,
            &["Connected to Rescue Virtual Phone (TEST0001, Android 14)"],
        );
        let parts = [
            "%",
            " of 100.0 MB",
            "B/s",
            " left",
            "/500 files",
            " verified",
        ];
        assert_whole_words(&live, &parts);
        // A terminal shows it where the cursor stands.
        terminal.type_keys("\x03");
        // The next drawing may take it away again before anybody looks.
        until("^C", || terminal.written().contains("^C")).await;
        terminal.interrupt();
        let (code, screen) = terminal.end().await;
        assert_eq!(code, 130, "{screen}");
        for gone in ["%", " left", "^C", "IMG_0"] {
            assert!(!screen.contains(gone), "{columns}: {gone} in\n{screen}");
        }
        let last = "stopped; everything done so far is safe hint: run the same command again: it resumes where it stopped";
        assert_whole_words(&screen, &[last]);
        // Said once.
        assert_eq!(screen.matches("stopped;").count(), 1, "{screen}");
        assert!(!screen.contains("Next:"), "{screen}");
    }
}

/// A terminal that wraps a live line scrolls with every drawing.
#[tokio::test]
async fn progress_scrolls_nothing_on_a_terminal_of_few_columns() {
    for columns in [20, 27, 33] {
        let (desk, phone) = (Desk::new(), slow_phone().serve().await.unwrap());
        let terminal = pull(&desk, &phone, columns);
        terminal.shows("verified").await;
        // Drawn many times.
        terminal.shows(" 3% ").await;
        let live = terminal.screen();
        assert_eq!(live.matches('%').count(), 1, "{columns}:\n{live}");
        for line in live.lines() {
            assert!(line.chars().count() <= columns.into(), "{columns}: {line}");
        }
        assert_whole_words(&live, &["/500 files", " of 100.0 MB"]);
        terminal.interrupt();
        let (code, screen) = terminal.end().await;
        assert_eq!(code, 130, "{screen}");
        assert!(!screen.contains('%'), "{columns}:\n{screen}");
    }
}

#[tokio::test]
async fn terminal_that_takes_nothing_but_text_gets_nothing_else() {
    let (desk, phone) = (Desk::new(), slow_phone().serve().await.unwrap());
    let address = phone.address().to_string();
    let mut command = desk.command(&["pull", "--tcp", &address]);
    command.env("TERM", "dumb");
    let terminal = Terminal::start(command, 80);
    // A plain line of progress.
    terminal.shows(" verified").await;
    let written = terminal.written();
    assert!(!written.contains('\x1b'), "{written:?}");
    terminal.interrupt();
    assert_eq!(terminal.end().await.0, 130);
}

#[tokio::test]
async fn lost_phone_is_waited_for_with_a_countdown_until_it_is_back() {
    for columns in WIDTHS {
        let (desk, phone) = (Desk::new(), slow_phone().serve().await.unwrap());
        let port = phone.address().port();
        let terminal = pull(&desk, &phone, columns);
        terminal.shows("IMG_0").await;
        drop(phone);
        terminal.shows("Waiting for the phone: 1 min").await;
        let waiting = terminal.screen();
        assert!(!waiting.contains("B/s"), "{waiting}");
        let address =
            format!("Waiting up to 2 min for the phone at 127.0.0.1:{port}: check that it is on");
        assert_whole_words(&waiting, &[&address]);
        let again = slow_phone().serve_at(port).await.unwrap();
        terminal.shows("The phone is back after ").await;
        terminal.shows("B/s").await;
        assert!(!terminal.screen().contains("Waiting for the phone:"));
        terminal.interrupt();
        assert_eq!(terminal.end().await.0, 130);
        drop(again);
    }
}

#[tokio::test]
async fn without_a_phone_a_pull_shows_what_the_doctor_does() {
    let desk = Desk::new();
    let mut command = desk.command(&["pull"]);
    command.env("ANDROID_ADB_SERVER_PORT", "1");
    let (code, screen) = Terminal::start(command, 80).end().await;
    assert_eq!(code, 10, "{screen}");
    let state = rescue::guide::states::nothing_on_usb;
    let next = state.next().to_string();
    assert_whole_words(&screen, &[state.meaning, &next, "--wait 600"]);
    assert_eq!(screen.matches(&next).count(), 1, "{screen}");
}

#[tokio::test]
async fn quiet_pull_without_a_phone_points_at_no_list() {
    let desk = Desk::new();
    let mut command = desk.command(&["pull", "-q"]);
    command.env("ANDROID_ADB_SERVER_PORT", "1");
    let (code, screen) = Terminal::start(command, 80).end().await;
    assert_eq!(code, 10, "{screen}");
    assert!(!screen.contains("above"), "{screen}");
    assert!(screen.contains("no phone found"), "{screen}");
}
