//! What a pull brings goes on to a remote: `pull --then-upload`, and `upload --watch` beside pulls.

use std::fs;
use std::io::{Read as _, Write as _};
use std::net::TcpListener;
use std::process::Child;

use rescue::virtual_phone::fault::Fault;

use crate::desk::{CAMERA, Desk, Ended, camera, end, files_below, kill, refs, until};

const SIZES: [u64; 3] = [50_000, 300_000, 70_000];
const TO_DISK: [&str; 2] = ["--then-upload", "disk"];

async fn add_disk(desk: &Desk) {
    fs::create_dir(desk.dir.path().join("disk")).unwrap();
    let add = ["remote", "add", "disk", "folder", "disk"];
    desk.run(&add).await.expect(0);
}

/// An Immich server that does not answer, under the name `photos`.
async fn add_unreachable(desk: &Desk) {
    add_immich(desk, &TcpListener::bind("127.0.0.1:0").unwrap()).await;
}

async fn add_immich(desk: &Desk, server: &TcpListener) {
    let url = format!("http://{}", server.local_addr().unwrap());
    fs::write(desk.dir.path().join("key"), "some-key").unwrap();
    let add = ["remote", "add", "photos", "immich", &url];
    let mut arguments = add.to_vec();
    arguments.extend(["--secret-file", "key"]);
    desk.run(&arguments).await.expect(0);
}

fn on_disk(desk: &Desk) -> usize {
    files_below(&desk.dir.path().join("disk")).len()
}

fn watch(desk: &Desk, remote: &str, more: &[&str]) -> Child {
    let mut arguments = vec!["--json", "upload", "rescued", "--to", remote, "--watch"];
    arguments.extend(more);
    desk.command(&arguments).spawn().unwrap()
}

async fn interrupted(child: Child) -> Ended {
    kill(child.id(), "INT");
    end(child).await.expect(130)
}

#[tokio::test]
async fn pull_then_upload_does_both() {
    let (phone, expected) = camera(&SIZES);
    let (desk, serving) = (Desk::new(), phone.serve().await.unwrap());
    add_disk(&desk).await;
    let ended = desk.pull(&serving, &TO_DISK).await.expect(0);
    assert_eq!(ended.line("upload_summary")["sent"], 3);
    desk.expect_files(&refs(&expected));
    assert_eq!(on_disk(&desk), 3);
    // Once more: nothing comes and nothing goes.
    let again = desk.pull(&serving, &TO_DISK).await.expect(0);
    assert_eq!(again.line("upload_summary")["sent"], 0);
}

#[tokio::test]
async fn pull_then_upload_with_something_missing_sends_the_rest_and_says_so() {
    let (phone, mut expected) = camera(&SIZES);
    let refused = Fault::Refuse("open failed: Permission denied".into());
    let path = format!("{CAMERA}/1.jpg");
    phone.faults.add(Some(&path), refused, u32::MAX);
    let (desk, serving) = (Desk::new(), phone.serve().await.unwrap());
    add_disk(&desk).await;
    let ended = desk.pull(&serving, &TO_DISK).await.expect(3);
    assert_eq!(ended.line("upload_summary")["sent"], 2);
    expected.remove(1);
    desk.expect_files(&refs(&expected));
    assert_eq!(on_disk(&desk), 2);
}

#[tokio::test]
async fn pull_then_upload_keeps_the_pull_when_the_remote_refuses() {
    let (phone, expected) = camera(&SIZES);
    let (desk, serving) = (Desk::new(), phone.serve().await.unwrap());
    let server = TcpListener::bind("127.0.0.1:0").unwrap();
    add_immich(&desk, &server).await;
    std::thread::spawn(move || {
        for mut stream in server.incoming().flatten() {
            let _ = stream.read(&mut [0; 4096]);
            let _ = stream.write_all(b"HTTP/1.1 401 X\r\nContent-Length: 0\r\n\r\n");
        }
    });
    let to_photos = ["--then-upload", "photos"];
    let ended = desk.pull(&serving, &to_photos).await.expect(1);
    assert_eq!(ended.line("error")["kind"], "remote_denied");
    assert!(ended.line("error")["hint"].is_string());
    assert_eq!(ended.line("summary")["type"], "summary");
    desk.expect_files(&refs(&expected));
    // To another remote, later: nothing is pulled a second time.
    add_disk(&desk).await;
    serving.forget_sent();
    desk.pull(&serving, &TO_DISK).await.expect(0);
    assert!(serving.sent_bytes().is_empty());
    assert_eq!(on_disk(&desk), 3);
}

#[tokio::test]
async fn pull_then_upload_keeps_the_pull_when_the_remote_stays_away() {
    let (phone, expected) = camera(&SIZES);
    let (desk, serving) = (Desk::new(), phone.serve().await.unwrap());
    let server = TcpListener::bind("127.0.0.1:0").unwrap();
    add_immich(&desk, &server).await;
    // From now on nobody listens there.
    drop(server);
    let settings = desk.dir.path().join("home/.config/rescue/remotes.toml");
    let text = fs::read_to_string(&settings).unwrap();
    let header = "[remotes.photos]\n";
    assert!(text.contains(header), "{text}");
    let impatient = text.replace(header, &format!("{header}patience_seconds = 1\n"));
    fs::write(&settings, impatient).unwrap();
    let to_photos = ["--then-upload", "photos"];
    let ended = desk.pull(&serving, &to_photos).await.expect(1);
    let error = ended.line("error");
    assert_eq!(error["kind"], "no_connection");
    assert!(
        error["hint"].as_str().unwrap().contains("--wait"),
        "{error}"
    );
    assert_eq!(ended.line("waiting")["what"], "connection");
    assert_eq!(ended.line("upload_summary")["sent"], 0);
    desk.expect_files(&refs(&expected));
    let status = desk.run(&["--json", "status", "rescued"]).await.expect(0);
    let counts = &status.line("status")["remotes"][0]["counts"];
    assert_eq!(counts[0]["state"], "waiting", "{counts}");
    assert_eq!(counts[0]["files"], 3, "{counts}");
}

#[tokio::test]
async fn ctrl_c_while_the_remote_is_waited_for_keeps_the_pull() {
    let (phone, expected) = camera(&SIZES);
    let (desk, serving) = (Desk::new(), phone.serve().await.unwrap());
    add_unreachable(&desk).await;
    let child = desk.start_pull(&serving, &["--then-upload", "photos"]);
    let manifest = desk.folder().join("manifest-sha256.txt");
    until("the pull", || manifest.exists()).await;
    tokio::time::sleep(std::time::Duration::from_millis(500)).await;
    let ended = interrupted(child).await;
    assert_eq!(ended.line("upload_summary")["sent"], 0);
    desk.expect_files(&refs(&expected));
}

#[tokio::test]
async fn name_of_no_remote_is_told_before_anything_is_pulled() {
    let (phone, _) = camera(&SIZES);
    let (desk, serving) = (Desk::new(), phone.serve().await.unwrap());
    let ended = desk.pull(&serving, &TO_DISK).await.expect(2);
    assert!(ended.message().contains("disk"), "{}", ended.message());
    assert!(!desk.folder().exists());
}

#[tokio::test]
async fn pull_goes_before_an_upload_that_watches_and_waits() {
    let (mut phone, _) = camera(&SIZES);
    let (desk, serving) = (Desk::new(), phone.clone().serve().await.unwrap());
    add_unreachable(&desk).await;
    desk.pull(&serving, &[]).await.expect(0);
    // It holds the folder and waits for a server that never answers.
    let child = watch(&desk, "photos", &[]);
    let sign = desk.folder().join(".rescue.gives-way");
    until("the upload", || sign.exists()).await;
    phone.tree.add_file(
        &format!("{CAMERA}/new.jpg"),
        crate::desk::generated(9000, 7),
        1_700_000_900,
    );
    let serving = phone.serve().await.unwrap();
    desk.pull(&serving, &[]).await.expect(0);
    assert!(
        desk.folder()
            .join("data/internal/DCIM/Camera/new.jpg")
            .exists()
    );
    // It comes back, and others get the folder as well.
    until("the upload after the pull", || sign.exists()).await;
    desk.run(&["status", "rescued"]).await.expect(0);
    until("the upload after that", || sign.exists()).await;
    desk.run(&["verify", "rescued"]).await.expect(0);
    interrupted(child).await;
    assert!(!sign.exists());
    // An upload that does not watch keeps the folder to its end.
    let child = desk
        .command(&["--json", "upload", "rescued", "--to", "photos"])
        .spawn()
        .unwrap();
    // Asked in a process of its own: a lock taken here would live on in whatever another test starts.
    let is_held = || {
        let status = desk.command(&["--json", "status", "rescued"]).output();
        String::from_utf8_lossy(&status.unwrap().stdout).contains("folder_busy")
    };
    until("the other upload", is_held).await;
    let ended = desk.run(&["--json", "status", "rescued"]).await.expect(1);
    assert_eq!(ended.line("error")["kind"], "folder_busy");
    interrupted(child).await;
    // What a kill leaves behind harms nobody.
    fs::write(&sign, "").unwrap();
    desk.pull(&serving, &[]).await.expect(0);
}

#[tokio::test]
async fn watching_upload_sends_each_pull_and_tries_again_what_failed() {
    let (mut phone, _) = camera(&SIZES);
    let desk = Desk::new();
    add_disk(&desk).await;
    // A file stands where a folder is wanted.
    let obstacle = desk.dir.path().join("disk/phone");
    fs::write(&obstacle, "").unwrap();
    let child = watch(&desk, "disk", &["--into", "phone", "--tries", "1"]);
    let serving = phone.clone().serve().await.unwrap();
    desk.pull(&serving, &[]).await.expect(0);
    let failed = || {
        let status = desk.command(&["--json", "status", "rescued"]).output();
        let said = String::from_utf8(status.unwrap().stdout).unwrap();
        said.contains("\"failed\"") || said.contains("\"waiting\"")
    };
    until("the failure", failed).await;
    fs::remove_file(&obstacle).unwrap();
    until("the second try", || on_disk(&desk) == 3).await;
    phone.tree.add_file(
        &format!("{CAMERA}/new.jpg"),
        crate::desk::generated(9000, 7),
        1_700_000_900,
    );
    let serving = phone.serve().await.unwrap();
    desk.pull(&serving, &[]).await.expect(0);
    until("the second pull", || on_disk(&desk) == 4).await;
    interrupted(child).await;
}
