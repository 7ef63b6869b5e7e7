//! The album that a pull leaves in the folder.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use rescue::virtual_phone::camera_roll;

use crate::desk::{Desk, camera, end};

/// The page, and the files beside it.
fn album(folder: &Path) -> (String, BTreeSet<String>) {
    let listing = fs::read_dir(folder.join("album")).unwrap();
    let names = listing.map(|found| found.unwrap().file_name().into_string().unwrap());
    let page = fs::read_to_string(folder.join("index.html")).unwrap();
    (page, names.collect())
}

/// The names that the album's list shows.
fn listed(folder: &Path) -> BTreeSet<String> {
    let list = album(folder)
        .1
        .into_iter()
        .find(|name| name.starts_with("list-"));
    let list = fs::read_to_string(folder.join("album").join(list.unwrap())).unwrap();
    let lines = list.lines().filter_map(|line| {
        let line: serde_json::Value = serde_json::from_str(line.trim_end_matches(',')).ok()?;
        Some(line[1].as_str()?.to_owned())
    });
    lines.collect()
}

#[tokio::test]
async fn every_pull_leaves_an_album_of_what_is_here() {
    let (desk, serving) = (Desk::new(), camera_roll::phone().serve().await.unwrap());
    let ended = desk.pull(&serving, &[]).await.expect(3);
    let page = desk.folder().join("index.html").display().to_string();
    assert_eq!(ended.line("summary")["album"], page);
    let names = listed(&desk.folder());
    assert_eq!(names.len(), 30, "{names:?}");
    assert!(
        names.iter().any(|name| name.starts_with("VID_")),
        "{names:?}"
    );
    // Facts of the pictures as they came.
    let (_, files) = album(&desk.folder());
    assert_eq!(files, ["list-0.js", "p0.js"].map(str::to_owned).into());
    let part = fs::read_to_string(desk.folder().join("album/p0.js")).unwrap();
    assert!(part.contains("Rescue Virtual Phone"), "{part}");
    desk.expect_sound();
}

#[tokio::test]
async fn album_is_left_alone_where_nothing_is_new_and_grows_with_the_folder() {
    let (phone, _) = camera(&[100, 200]);
    let (desk, serving) = (Desk::new(), phone.serve().await.unwrap());
    desk.pull(&serving, &["--include", "**/0.jpg"])
        .await
        .expect(0);
    let first = album(&desk.folder());
    desk.pull(&serving, &["--include", "**/0.jpg"])
        .await
        .expect(0);
    assert_eq!(album(&desk.folder()), first);
    desk.pull(&serving, &[]).await.expect(0);
    assert_eq!(
        listed(&desk.folder()),
        ["0.jpg", "1.jpg"].map(str::to_owned).into()
    );
    // One that is lost comes back.
    fs::remove_file(desk.folder().join("index.html")).unwrap();
    desk.pull(&serving, &[]).await.expect(0);
    assert_eq!(listed(&desk.folder()).len(), 2);
}

#[tokio::test]
async fn album_that_cannot_be_written_fails_no_pull() {
    let (phone, _) = camera(&[100]);
    let (desk, serving) = (Desk::new(), phone.serve().await.unwrap());
    desk.pull(&serving, &["--include", "**/nothing"])
        .await
        .expect(1);
    fs::create_dir_all(desk.folder()).unwrap();
    desk.pull(&serving, &[]).await.expect(0);
    fs::remove_file(desk.folder().join("index.html")).unwrap();
    fs::create_dir(desk.folder().join("index.html")).unwrap();
    let ended = desk.pull(&serving, &[]).await.expect(0);
    assert!(
        ended.line("summary")["album"].is_null(),
        "{:?}",
        ended.lines
    );
    let address = serving.address().to_string();
    let mut told = desk.command(&["pull", "--tcp", &address, "-o", "rescued"]);
    let told = tokio::task::spawn_blocking(move || told.output().unwrap())
        .await
        .unwrap();
    let told = String::from_utf8([told.stdout, told.stderr].concat()).unwrap();
    let line = "The page with the pictures (index.html) was not written:";
    assert_eq!(told.matches(line).count(), 1, "{told}");
    desk.expect_sound();
}

/// A program of this name that writes down what it was called with.
#[cfg(unix)]
fn fake(desk: &Desk, name: &str, code: i32) {
    use std::os::unix::fs::PermissionsExt as _;
    let bin = desk.dir.path().join("bin");
    fs::create_dir_all(&bin).unwrap();
    let script = format!(
        "#!/bin/sh\necho \"$1\" > '{}/opened'\nexit {code}\n",
        desk.dir.path().display()
    );
    fs::write(bin.join(name), script).unwrap();
    fs::set_permissions(bin.join(name), fs::Permissions::from_mode(0o755)).unwrap();
}

#[cfg(target_os = "linux")]
#[tokio::test]
async fn open_shows_the_page_or_says_where_it_is() {
    let (phone, _) = camera(&[100]);
    let (desk, serving) = (Desk::new(), phone.serve().await.unwrap());
    let open = async |arguments: &[&str], desktop: bool| {
        let mut command = desk.command(&[&["--json", "open"], arguments].concat());
        command.env("PATH", desk.dir.path().join("bin"));
        if desktop {
            command.env("DISPLAY", ":0");
        }
        end(command.spawn().unwrap()).await
    };
    let ended = open(&[], true).await.expect(1);
    assert_eq!(ended.message(), "there is no rescue folder here");
    desk.pull(&serving, &[]).await.expect(0);
    // Every command that only reads a folder takes the latest one, and names it.
    for command in ["status", "verify"] {
        let ended = end(desk.command(&[command]).spawn().unwrap())
            .await
            .expect(0);
        let told = "The latest rescue folder here is rescued";
        assert!(ended.stderr.contains(told), "{command}: {}", ended.stderr);
        let ended = end(desk
            .command(&["--json", command])
            .current_dir(desk.folder())
            .spawn()
            .unwrap())
        .await;
        assert_eq!(ended.expect(0).lines.last().unwrap()["folder"], ".");
    }
    // A pull from inside makes no other folder there, which would be taken for this one.
    let address = serving.address().to_string();
    let inside = ["--json", "pull", "--tcp", &address];
    let mut inside = desk.command(&inside);
    inside.current_dir(desk.folder());
    let ended = end(inside.spawn().unwrap()).await.expect(0);
    assert_eq!(ended.line("summary")["folder"], ".");
    let page = fs::canonicalize(desk.folder().join("index.html")).unwrap();
    let page = page.display().to_string();
    // No desktop, no program, and one that fails.
    for (desktop, why) in [
        (false, "no desktop"),
        (true, "xdg-open: "),
        (true, "exit status: 3"),
    ] {
        if why.starts_with("exit") {
            fake(&desk, "xdg-open", 3);
        }
        let ended = open(&[], desktop).await.expect(1);
        let error = ended.line("error");
        assert!(error.to_string().contains(why), "{error}");
        assert!(error["hint"].as_str().unwrap().contains(&page), "{error}");
    }
    fake(&desk, "xdg-open", 0);
    // A page that is lost, as in a folder of an older version, is written first.
    fs::remove_file(desk.folder().join("index.html")).unwrap();
    for arguments in [&[][..], &["rescued"]] {
        let ended = open(arguments, true).await.expect(0);
        assert_eq!(ended.line("opened")["page"], page);
        assert_eq!(
            fs::read_to_string(desk.dir.path().join("opened"))
                .unwrap()
                .trim(),
            page
        );
    }
}

#[cfg(unix)]
#[tokio::test]
async fn command_is_run_when_a_pull_has_ended_however_it_ended() {
    let (desk, serving) = (Desk::new(), camera_roll::phone().serve().await.unwrap());
    let command = "echo \"$RESCUE_RESULT $RESCUE_EXIT_CODE $RESCUE_SERIAL $RESCUE_FOLDER\" > told; echo words; exit 9";
    let told = || fs::read_to_string(desk.dir.path().join("told")).unwrap();
    let folder = desk.folder().display().to_string();
    let ended = desk.pull(&serving, &["--on-done", command]).await.expect(3);
    assert_eq!(told(), format!("some_failed 3 DEMO0001 {folder}\n"));
    // Its words are not the program's result, and its failure is said and changes nothing.
    assert!(
        ended.stderr.contains("words") && ended.stderr.contains("ended with exit code 9"),
        "{}",
        ended.stderr
    );
    let one = ["--on-done", command, "--include", "**/packing list.txt"];
    desk.pull(&serving, &one).await.expect(0);
    assert_eq!(told(), format!("done 0 DEMO0001 {folder}\n"));
    let none = ["--on-done", command, "--include", "**/nothing"];
    desk.pull(&serving, &none).await.expect(1);
    assert_eq!(told(), format!("failed 1 DEMO0001 {folder}\n"));
    // No phone, no folder.
    let mut gone = desk.command(&[
        "pull",
        "--tcp",
        "127.0.0.1:1",
        "--wait",
        "0",
        "--on-done",
        command,
    ]);
    let gone = crate::desk::end(gone.spawn().unwrap()).await;
    assert_eq!(told(), format!("failed {}  \n", gone.code));
    // What is wrong before any phone is asked; and a folder that was never made is none.
    for wrong in [["--include", "["], ["--then-upload", "nowhere"]] {
        fs::write(desk.dir.path().join("told"), "").unwrap();
        let words = [&["--on-done", command][..], &wrong].concat();
        desk.pull(&serving, &words).await.expect(2);
        assert_eq!(told(), "failed 2  \n", "{wrong:?}");
    }
    let elsewhere = desk.dir.path().join("elsewhere").display().to_string();
    let address = serving.address().to_string();
    let nothing = [
        "pull",
        "--tcp",
        &address,
        "-o",
        &elsewhere,
        "--include",
        "**/nothing",
        "--on-done",
        command,
    ];
    desk.run(&nothing).await.expect(1);
    assert_eq!(told(), "failed 1 DEMO0001 \n");
}
