//! `rescue` alone, in tmux, leads the five phones of the bench one by one: real daemons behind Debian's adb server. The
//! screens are in `target/peers/screens`. The dead touch needs `bash tests/archive/install` as well.

use std::fs;
use std::path::Path;
use std::thread;

use crate::adb::{AdbServer, AdbVersion};
use crate::cable::Cable;
use crate::desk::{Desk, command, output_of, project, wait_for};
use crate::phone::{Access, Age, Daemon, Tap};
use crate::pull::assert_complete;
use crate::support::display::display;
use crate::tmux::Tmux;
use crate::troubles::{BadCable, Locked, OnBench, PIN, folder_of};

/// A phone that is plugged in.
fn plugged_in<'desk>(
    desk: &'desk Desk,
    daemon: Daemon,
    photos: usize,
) -> (OnBench, AdbServer<'desk>) {
    let on_bench = OnBench::new(desk, daemon, 1, photos, &[]);
    let mut server = desk.adb_server(AdbVersion::Debian);
    server.connect_to(&on_bench.name);
    (on_bench, server)
}

/// Takes everything, and ends the guide: all is here.
#[track_caller]
fn take_everything(desk: &Desk, on_bench: &OnBench, mut tmux: Tmux, name: &str) -> String {
    tmux.choose("Everything (recommended)");
    finish(desk, on_bench, tmux, name)
}

#[track_caller]
fn finish(desk: &Desk, on_bench: &OnBench, mut tmux: Tmux, name: &str) -> String {
    tmux.choose("Finish");
    let (code, screen) = tmux.end(name);
    assert_eq!(code, 0, "{screen}");
    assert!(screen.contains("Safe: everything"), "{screen}");
    assert_complete(&on_bench.phone, &folder_of(desk, 1), &on_bench.unwanted);
    screen
}

/// Answers the questions about the glass and the PIN.
fn answer_doubts(tmux: &mut Tmux, answers: [(&str, &str); 3]) {
    for (question, answer) in answers {
        tmux.shows(question);
        tmux.choose(answer);
    }
}

#[test]
fn phone_that_is_ready_is_rescued_and_packed() {
    let desk = Desk::new();
    let (on_bench, _server) = plugged_in(&desk, Daemon::of(Age::Android14), 6);
    let mut tmux = Tmux::start(&desk, &[]);
    tmux.choose("Everything (recommended)");
    tmux.choose("Make one zip file");
    tmux.shows("index.html in a browser");
    finish(&desk, &on_bench, tmux, "ready");
    assert!(folder_of(&desk, 1).with_extension("zip").is_file());
}

#[test]
fn phone_that_asks_its_owner_is_rescued_after_a_tap() {
    let desk = Desk::new();
    let asks = Daemon::with_access(Age::Android10, Access::Asks);
    let on_bench = OnBench::new(&desk, asks, 1, 6, &[]);
    let mut server = desk.adb_server(AdbVersion::Debian);
    server.adb(&["connect", &on_bench.name]);
    wait_for("the phone's question", || on_bench.phone.asks());
    let mut tmux = Tmux::start(&desk, &[]);
    answer_doubts(
        &mut tmux,
        [
            ("still show a picture", "Yes, at least a part of it"),
            ("react to your finger", "Yes, everywhere"),
            ("know the phone's PIN", "Yes, or it has none"),
        ],
    );
    tmux.shows("Waiting; this continues by itself.");
    on_bench.phone.tap(Tap::Always);
    take_everything(&desk, &on_bench, tmux, "unauthorized");
}

#[test]
fn phone_locked_since_boot_is_rescued_after_its_pin() {
    let desk = Desk::new();
    let (on_bench, _server) = plugged_in(&desk, Daemon::of(Age::Android14), 6);
    let lock = Locked::lock(&on_bench.phone);
    let mut tmux = Tmux::start(&desk, &[]);
    answer_doubts(
        &mut tmux,
        [
            ("still show a picture", "Yes, at least a part of it"),
            ("react to your finger", "No, or only in places"),
            ("know the phone's PIN", "Yes, or it has none"),
        ],
    );
    tmux.choose("Type the PIN on this computer");
    tmux.shows("(not shown)");
    let opening = thread::spawn(move || lock.open_by_pin());
    tmux.type_line(PIN);
    let screen = take_everything(&desk, &on_bench, tmux, "locked");
    assert!(!screen.contains(PIN), "{screen}");
    opening.join().unwrap();
}

#[test]
fn phone_unplugged_three_times_is_rescued_to_the_last_byte() {
    let desk = Desk::new();
    let mut on_bench = OnBench::new(&desk, Daemon::of(Age::Android10), 1, 60, &[]);
    let cable = Cable::new(on_bench.phone.port(), 1_500_000);
    on_bench.name = cable.address();
    let mut server = desk.adb_server(AdbVersion::Debian);
    server.connect_to(&on_bench.name);
    let mut tmux = Tmux::start(&desk, &[]);
    let mut bad = BadCable {
        cable: &cable,
        server: &mut server,
        times: 0,
    };
    tmux.shows("What do you want to take?");
    bad.obey("hold");
    tmux.choose("Everything (recommended)");
    wait_for("the first bytes", || cable.received() > 1_000_000);
    let told = |words: &str| tmux.news().matches(words).count();
    for times in 1..=3 {
        bad.obey("unplug");
        wait_for("a wait for the phone", || {
            told("Waiting for the phone: plug it in; this continues by itself") >= times
        });
        bad.obey("plug");
        wait_for("the phone", || told("The phone is back after") >= times);
    }
    let screen = finish(&desk, &on_bench, tmux, "unplugged");
    assert!(
        screen.contains("the files pulled so far are safe"),
        "{screen}"
    );
}

#[test]
fn phone_whose_touch_is_dead_is_used_on_the_screen_in_a_browser_and_rescued() {
    let desk = Desk::new();
    let (on_bench, _server) = plugged_in(&desk, Daemon::of(Age::Android10), 6);
    fs::write(on_bench.phone.lab("screen.png"), display(1200)).unwrap();
    let mut tmux = Tmux::start(&desk, &[]);
    tmux.choose("First show the phone's screen");
    tmux.shows("when you are done with the screen");
    let news = tmux.news();
    let url = news
        .split_whitespace()
        .find(|word| word.starts_with("http://127.0.0.1:"));
    touch(url.unwrap(), &["270", "300", "Hello phone"]);
    tmux.type_line("");
    take_everything(&desk, &on_bench, tmux, "dead_touch");
    let inputs = fs::read_to_string(on_bench.phone.lab("commands.log")).unwrap();
    assert!(inputs.contains("input tap "), "{inputs}");
    assert!(inputs.contains("input text Hello%sphone"), "{inputs}");
}

/// Touches the phone's screen in Chromium.
fn touch(url: &str, what: &[&str]) {
    let program: &Path = &project().join("tests/browser/touch.py");
    output_of(command("/usr/bin/python3").arg(program).arg(url).args(what));
}
