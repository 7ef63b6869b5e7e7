//! Handles a panic in any thread: the command ends, says so, and loses nothing.

use std::path::Path;

use clap::Parser as _;

use crate::cli::Cli;
use crate::folder::disk::{Change, observe, stop_observing};
use crate::folder::tests::temporary;
use crate::ui::{Style, Ui};
use crate::virtual_phone::VirtualPhone;
use crate::virtual_phone::tree::Content;

/// Runs a command as `main` does, in a process of nobody else's making: it must not panic itself.
fn run(words: &[&str]) -> u8 {
    let style = Style {
        json: false,
        quiet: true,
        color: false,
    };
    let words = ["rescue", "-q"].iter().chain(words);
    super::run(Cli::parse_from(words), &Ui::new(style))
}

/// Has the thread panic that makes the first change of a kind below a folder.
fn panic_at(folder: &Path, is_it: fn(&Change) -> bool) {
    let mut is_to_come = true;
    observe(
        folder,
        Box::new(move |change| {
            if is_it(&change) && std::mem::take(&mut is_to_come) {
                std::panic::panic_any("on purpose");
            }
        }),
    );
}

fn is_below_data(path: &Path) -> bool {
    path.components().any(|part| part.as_os_str() == "data")
}

#[test]
fn whichever_thread_panics_the_command_ends_and_the_next_one_completes() {
    let phone = tokio::runtime::Runtime::new().unwrap();
    let mut with_photos = VirtualPhone::new("FAIL");
    for seed in 0..40 {
        let path = format!("/storage/emulated/0/DCIM/{seed}.jpg");
        // Some in one message, some in pieces.
        let size = if seed % 4 == 0 { 600_000 } else { 3_000 };
        with_photos
            .tree
            .add_file(&path, Content::Generated { size, seed }, 1_700_000_000);
    }
    let serving = phone.block_on(with_photos.serve()).unwrap();
    let address = serving.address().to_string();
    let place = temporary();
    let faults: [fn(&Change) -> bool; 4] = [
        // The writers, in the middle of a file and at its beginning.
        |change| matches!(change, Change::Written(path) if path.ends_with(".partial/9")),
        |change| matches!(change, Change::Created(path) if path.ends_with(".partial/17")),
        // The keeper.
        |change| matches!(change, Change::Renamed(_, to) if is_below_data(to)),
        // The folder's opening.
        |change| matches!(change, Change::FolderCreated(_)),
    ];
    for (number, is_it) in faults.into_iter().enumerate() {
        let folder = place.path().join(number.to_string());
        let to = folder.to_str().unwrap();
        panic_at(&folder, is_it);
        assert_eq!(run(&["pull", "--tcp", &address, "-o", to]), 1, "{number}");
        stop_observing(&folder);
        assert_eq!(run(&["pull", "--tcp", &address, "-o", to]), 0, "{number}");
        assert_eq!(run(&["verify", to]), 0, "{number}");
    }
    let (folder, archive) = (place.path().join("0"), place.path().join("photos.zip"));
    let export = [
        "export",
        folder.to_str().unwrap(),
        "-o",
        archive.to_str().unwrap(),
    ];
    panic_at(&archive.with_file_name("photos.zip.rescue-part"), |_| true);
    assert_eq!(run(&export), 1);
    stop_observing(&archive.with_file_name("photos.zip.rescue-part"));
    assert_eq!(run(&export), 0);
}
