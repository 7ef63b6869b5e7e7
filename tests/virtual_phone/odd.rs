//! Odd outputs, environments and options: the program says what is wrong with them.

use std::ffi::OsStr;
use std::fs::{self, File};
use std::os::unix::ffi::OsStrExt as _;
use std::process::{Command, Output, Stdio};

use rescue::virtual_phone::fault::Fault;

use crate::desk::{CAMERA, Desk, camera, kill, until};

fn output(command: &mut Command) -> (i32, String, String) {
    let Output {
        status,
        stdout,
        stderr,
    } = command.output().unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    (status.code().unwrap_or(-1), text(stdout), text(stderr))
}

#[tokio::test]
async fn output_that_cannot_be_written_is_named_and_a_reader_that_left_is_not() {
    let (phone, _) = camera(&[1000]);
    let (desk, serving) = (Desk::new(), phone.serve().await.unwrap());
    desk.pull(&serving, &[]).await.expect(0);
    fs::create_dir(desk.dir.path().join("disk")).unwrap();
    let add = ["remote", "add", "disk", "folder", "disk"];
    desk.run(&add).await.expect(0);
    let commands: [&[&str]; 8] = [
        &["--help"],
        &["--version"],
        &["remote", "list"],
        &["--json", "remote", "list"],
        &["status", "rescued"],
        &["--json", "verify", "rescued"],
        &["keys", "--recipe", "talkback", "--show"],
        &["generate", "man"],
    ];
    for arguments in commands {
        let mut command = desk.command(arguments);
        command.stdout(File::options().write(true).open("/dev/full").unwrap());
        let (code, _, stderr) = output(&mut command);
        assert_eq!(code, 1, "{arguments:?}: {stderr}");
        let said = "error: standard output cannot be written";
        assert_eq!(
            stderr.matches("error").count(),
            2,
            "{arguments:?}: {stderr}"
        );
        assert!(stderr.contains(said), "{arguments:?}: {stderr}");
        assert!(!stderr.contains("pulled files"), "{arguments:?}: {stderr}");
        let (reader, writer) = std::io::pipe().unwrap();
        drop(reader);
        let mut command = desk.command(arguments);
        command.stdout(Stdio::from(writer));
        let (code, _, stderr) = output(&mut command);
        assert_eq!((code, stderr.as_str()), (0, ""), "{arguments:?}");
    }
}

#[tokio::test]
async fn time_that_ends_before_it_begins_is_refused() {
    let desk = Desk::new();
    let days = ["--since", "2026-06-02", "--until", "2026-06-01"];
    for command in [
        &["--json", "export", "rescued"][..],
        &["--json", "upload", "rescued", "--to", "disk"],
        &["--json", "upload", "rescued", "--to", "disk", "--watch"],
    ] {
        let ended = desk.run(&[command, &days].concat()).await.expect(2);
        let said = "--since 2026-06-02 is later than --until 2026-06-01";
        assert!(ended.message().contains(said), "{}", ended.message());
    }
}

#[test]
fn variables_that_cannot_be_used_are_named() {
    let desk = Desk::new();
    fs::write(desk.dir.path().join("file"), "").unwrap();
    let file = desk.dir.path().join("file");
    let no_text = OsStr::from_bytes(b"a\xff");
    let (devices, list, add): (&[&str], &[&str], &[&str]) = (
        &["devices"],
        &["remote", "list"],
        &[
            "remote",
            "add",
            "x",
            "immich",
            "http://127.0.0.1:1",
            "--no-test",
        ],
    );
    for (arguments, name, value) in [
        (devices, "ANDROID_ADB_SERVER_PORT", OsStr::new("abc")),
        (devices, "ANDROID_ADB_SERVER_PORT", OsStr::new("70000")),
        (devices, "ANDROID_ADB_SERVER_PORT", no_text),
        (
            devices,
            "ADB_SERVER_SOCKET",
            OsStr::new("localfilesystem:/x"),
        ),
        (devices, "ADB_SERVER_SOCKET", OsStr::new("tcp:localhost:")),
        (devices, "ANDROID_ADB_SERVER_ADDRESS", OsStr::new("a:b:c")),
        (list, "HOME", OsStr::new("home")),
        (list, "HOME", OsStr::new("")),
        (list, "HOME", file.as_os_str()),
        (add, "RESCUE_REMOTE_SECRET", no_text),
    ] {
        let (code, _, stderr) = output(desk.command(arguments).env(name, value));
        assert_eq!(code, 2, "{name} {value:?}: {stderr}");
        assert!(stderr.contains(name), "{name} {value:?}: {stderr}");
        let shown = value.to_string_lossy();
        let is_shown = name == "RESCUE_REMOTE_SECRET" || stderr.contains(&*shown);
        assert!(is_shown, "{name} {value:?}: {stderr}");
    }
    let (code, _, stderr) = output(desk.command(list).env("RESCUE_LOG", "=="));
    assert_eq!(code, 0, "{stderr}");
    assert!(stderr.contains("RESCUE_LOG is not used"), "{stderr}");
}

#[tokio::test(flavor = "multi_thread")]
async fn quiet_commands_print_nothing_but_faults_and_lists() {
    let (phone, _) = camera(&[1000, 2000]);
    let (desk, serving) = (Desk::new(), phone.clone().serve().await.unwrap());
    let address = serving.address().to_string();
    fs::create_dir(desk.dir.path().join("disk")).unwrap();
    for arguments in [
        &["pull", "--tcp", &address, "-o", "rescued"][..],
        &["verify", "rescued"],
        &["export", "rescued"],
        &["remote", "add", "disk", "folder", "disk"],
        &["remote", "test", "disk"],
        &["upload", "rescued", "--to", "disk"],
        &["upload", "rescued", "--to", "disk"],
        &["upload", "rescued", "--to", "disk", "--check"],
    ] {
        let (code, stdout, stderr) = output(desk.command(arguments).arg("-q"));
        let said = (code, stdout.as_str(), stderr.as_str());
        assert_eq!(said, (0, "", ""), "{arguments:?}");
    }
    for arguments in [&["status", "rescued"][..], &["remote", "list"]] {
        let (_, stdout, _) = output(desk.command(arguments).arg("-q"));
        assert!(!stdout.is_empty(), "{arguments:?}");
    }
    let path = format!("{CAMERA}/1.jpg");
    let refuse = Fault::Refuse("Permission denied".to_owned());
    phone.faults.add(Some(&path), refuse, u32::MAX);
    let serving = phone.serve().await.unwrap();
    let address = serving.address().to_string();
    let pull = ["pull", "-q", "--tcp", &address, "-o", "second"];
    let (code, stdout, stderr) = output(&mut desk.command(&pull));
    assert_eq!((code, stderr.as_str()), (3, ""), "{stdout}");
    assert!(stdout.contains("1.jpg: "), "{stdout}");
    assert!(
        !stdout.contains("Next:") && !stdout.starts_with('\n'),
        "{stdout}"
    );
    // What failed is told in a quiet upload as well.
    fs::write(
        desk.dir
            .path()
            .join("rescued/data/internal/DCIM/Camera/0.jpg"),
        "x",
    )
    .unwrap();
    fs::create_dir(desk.dir.path().join("other")).unwrap();
    desk.run(&["remote", "add", "other", "folder", "other"])
        .await
        .expect(0);
    let upload = ["upload", "-q", "rescued", "--to", "other", "--tries", "1"];
    let (code, stdout, stderr) = output(&mut desk.command(&upload));
    assert_eq!(code, 3, "{stdout}{stderr}");
    assert!(
        stderr.contains("Failed: ") && stderr.contains("0.jpg"),
        "{stderr}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn hints_name_only_what_the_command_has() {
    let (phone, _) = camera(&[1000]);
    let (desk, serving) = (Desk::new(), phone.serve().await.unwrap());
    desk.pull(&serving, &[]).await.expect(0);
    fs::create_dir(desk.dir.path().join("full")).unwrap();
    fs::write(desk.dir.path().join("full/letter.txt"), "dear").unwrap();
    for arguments in [
        &["demo", "rescued"][..],
        &["demo", "full"],
        &["open", "full"],
        &["open", "/dev/null"],
        &["demo", "/proc/demo"],
        &["status", "full"],
        &["verify", "full"],
        &["upload", "full", "--to", "x"],
    ] {
        let (code, _, stderr) = output(&mut desk.command(arguments));
        assert_ne!(code, 0, "{arguments:?}");
        for other in [
            " -o",
            "--same-phone",
            "pull into",
            "or a new folder",
            "healthy",
        ] {
            assert!(!stderr.contains(other), "{arguments:?}: {stderr}");
        }
    }
    let (code, _, stderr) = output(&mut desk.command(&["keys", "--show"]));
    assert_eq!(code, 2, "{stderr}");
    assert!(stderr.contains("--recipe"), "{stderr}");
    for arguments in [&["screen"][..], &["verify", "rescued", "--phone"]] {
        let mut command = desk.command(arguments);
        let (code, _, stderr) = output(command.env("ANDROID_ADB_SERVER_PORT", "1"));
        assert_eq!(code, 10, "{stderr}");
        assert!(!stderr.contains("pull from"), "{stderr}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn failed_command_of_on_done_is_told_in_words() {
    let (phone, _) = camera(&[1000]);
    let (desk, serving) = (Desk::new(), phone.serve().await.unwrap());
    let address = serving.address().to_string();
    let pull = ["pull", "--tcp", &address, "-o", "rescued", "--on-done"];
    for more in [&[][..], &["-q"], &["--json"]] {
        let mut command = desk.command(&pull);
        let (code, _, stderr) = output(command.arg("exit 7").args(more));
        assert_eq!(code, 0, "{stderr}");
        let told = "warning: the command of --on-done ended with exit code 7; \
                    the pull and its files are not affected. It was: exit 7\n";
        assert!(stderr.ends_with(told), "{stderr}");
        assert!(!stderr.contains("ERROR"), "{stderr}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn second_stop_ends_the_command_of_on_done_with_the_program() {
    let (phone, _) = camera(&[1000]);
    let (desk, serving) = (Desk::new(), phone.serve().await.unwrap());
    let address = serving.address().to_string();
    let stubborn = "trap '' INT TERM; echo $$ > new; mv new pid; while :; do sleep 1; done";
    let pull = [
        "pull",
        "--tcp",
        &address,
        "-o",
        "rescued",
        "--on-done",
        stubborn,
    ];
    let mut child = desk.command(&pull).stdout(Stdio::null()).spawn().unwrap();
    let noted = desk.dir.path().join("pid");
    until("the command", || noted.exists()).await;
    let id = fs::read_to_string(noted).unwrap();
    // Those that come at once are one.
    until("the end", || {
        kill(child.id(), "INT");
        child.try_wait().unwrap().is_some()
    })
    .await;
    until("the command's end", || {
        let asked = Command::new("kill").args(["-0", id.trim()]).output();
        !asked.unwrap().status.success()
    })
    .await;
}
