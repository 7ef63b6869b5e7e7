//! What a pull brings goes on to a remote: `pull --then-upload`, and `upload --watch` beside pulls.

use std::fs;
use std::io::{Read as _, Write as _};
use std::net::TcpListener;
use std::path::PathBuf;
use std::process::Child;

use rescue::virtual_phone::fault::Fault;
use rescue::virtual_phone::tree::Content;
use rescue::virtual_phone::{Serving, VirtualPhone};

use crate::desk::{CAMERA, Desk, Ended, camera, end, files_below, generated, kill, refs, until};

const TO_DISK: [&str; 2] = ["--then-upload", "disk"];
const TO_PHOTOS: [&str; 2] = ["--then-upload", "photos"];

/// A phone with three photos, and a desk where nothing was pulled yet.
struct Scene {
    desk: Desk,
    phone: VirtualPhone,
    serving: Serving,
    /// What the rescue folder has to hold after a pull.
    expected: Vec<(String, Content, i64)>,
}

impl Scene {
    async fn new() -> Self {
        let (phone, expected) = camera(&[50_000, 300_000, 70_000]);
        Self {
            desk: Desk::new(),
            serving: phone.clone().serve().await.unwrap(),
            phone,
            expected,
        }
    }

    /// Sets up a folder as the remote `disk`.
    async fn add_disk(&self) {
        fs::create_dir(self.disk()).unwrap();
        let add = ["remote", "add", "disk", "folder", "disk"];
        self.desk.run(&add).await.expect(0);
    }

    /// Sets up an Immich server as the remote `photos`.
    async fn add_immich(&self, server: &TcpListener) {
        let url = format!("http://{}", server.local_addr().unwrap());
        fs::write(self.desk.dir.path().join("key"), "some-key").unwrap();
        let add = ["remote", "add", "photos", "immich", &url, "--no-test"];
        let mut arguments = add.to_vec();
        arguments.extend(["--secret-file", "key"]);
        self.desk.run(&arguments).await.expect(0);
    }

    /// The same, where nobody listens any more.
    async fn add_unreachable(&self) {
        let server = TcpListener::bind("127.0.0.1:0").unwrap();
        self.add_immich(&server).await;
    }

    /// One photo more is on the phone.
    async fn take_photo(&mut self) {
        let (path, content) = (format!("{CAMERA}/new.jpg"), generated(9000, 7));
        self.phone.tree.add_file(&path, content, 1_700_000_900);
        self.serving = self.phone.clone().serve().await.unwrap();
    }

    async fn pull(&self, more: &[&str]) -> Ended {
        self.desk.pull(&self.serving, more).await
    }

    #[track_caller]
    fn expect_pulled(&self) {
        self.desk.expect_files(&refs(&self.expected));
    }

    fn watch(&self, remote: &str, more: &[&str]) -> Child {
        let mut arguments = vec!["--json", "upload", "rescued", "--to", remote, "--watch"];
        arguments.extend(more);
        self.desk.command(&arguments).spawn().unwrap()
    }

    async fn status(&self) -> Ended {
        self.desk.run(&["--json", "status", "rescued"]).await
    }

    /// What the status says, asked while this thread waits.
    fn status_text(&self) -> String {
        let status = self.desk.command(&["--json", "status", "rescued"]).output();
        String::from_utf8(status.unwrap().stdout).unwrap()
    }

    fn disk(&self) -> PathBuf {
        self.desk.dir.path().join("disk")
    }

    fn on_disk(&self) -> usize {
        files_below(&self.disk()).len()
    }
}

async fn interrupted(child: Child) -> Ended {
    kill(child.id(), "INT");
    end(child).await.expect(130)
}

/// One that watches is to be stopped some day.
async fn stopped(watching: Child) {
    kill(watching.id(), "INT");
    end(watching).await.expect(0);
}

#[tokio::test]
async fn pull_then_upload_does_both() {
    let scene = Scene::new().await;
    scene.add_disk().await;
    let ended = scene.pull(&TO_DISK).await.expect(0);
    assert_eq!(ended.line("upload_summary")["sent"], 3);
    scene.expect_pulled();
    assert_eq!(scene.on_disk(), 3);
    // Once more: nothing comes and nothing goes.
    let again = scene.pull(&TO_DISK).await.expect(0);
    assert_eq!(again.line("upload_summary")["sent"], 0);
}

#[tokio::test]
async fn pull_then_upload_with_something_missing_sends_the_rest_and_says_so() {
    let mut scene = Scene::new().await;
    let refused = Fault::Refuse("open failed: Permission denied".into());
    let path = format!("{CAMERA}/1.jpg");
    scene.phone.faults.add(Some(&path), refused, u32::MAX);
    scene.add_disk().await;
    let ended = scene.pull(&TO_DISK).await.expect(3);
    assert_eq!(ended.line("upload_summary")["sent"], 2);
    scene.expected.remove(1);
    scene.expect_pulled();
    assert_eq!(scene.on_disk(), 2);
}

#[tokio::test]
async fn pull_then_upload_keeps_the_pull_when_the_remote_refuses() {
    let scene = Scene::new().await;
    let server = TcpListener::bind("127.0.0.1:0").unwrap();
    scene.add_immich(&server).await;
    std::thread::spawn(move || {
        for mut stream in server.incoming().flatten() {
            let _ = stream.read(&mut [0; 4096]);
            let _ = stream.write_all(b"HTTP/1.1 401 X\r\nContent-Length: 0\r\n\r\n");
        }
    });
    let ended = scene.pull(&TO_PHOTOS).await.expect(1);
    assert_eq!(ended.line("error")["kind"], "remote_denied");
    assert!(ended.line("error")["hint"].is_string());
    assert_eq!(ended.line("summary")["type"], "summary");
    scene.expect_pulled();
    // To another remote, later: nothing is pulled a second time.
    scene.add_disk().await;
    scene.serving.forget_sent();
    scene.pull(&TO_DISK).await.expect(0);
    assert!(scene.serving.sent_bytes().is_empty());
    assert_eq!(scene.on_disk(), 3);
}

#[tokio::test]
async fn pull_then_upload_keeps_the_pull_when_the_remote_stays_away() {
    let scene = Scene::new().await;
    scene.add_unreachable().await;
    let home = scene.desk.dir.path().join("home");
    let settings = home.join(".config/rescue/remotes.toml");
    let text = fs::read_to_string(&settings).unwrap();
    let header = "[remotes.photos]\n";
    assert!(text.contains(header), "{text}");
    let impatient = text.replace(header, &format!("{header}patience_seconds = 1\n"));
    fs::write(&settings, impatient).unwrap();
    let ended = scene.pull(&TO_PHOTOS).await.expect(1);
    let error = ended.line("error");
    assert_eq!(error["kind"], "no_connection");
    assert!(
        error["hint"].as_str().unwrap().contains("--wait"),
        "{error}"
    );
    let waiting = ended.line("waiting");
    assert_eq!(waiting["what"], "connection");
    assert!(
        waiting["why"].as_str().is_some_and(|why| !why.is_empty()),
        "{waiting}"
    );
    assert_eq!(ended.line("upload_summary")["sent"], 0);
    scene.expect_pulled();
    let status = scene.status().await.expect(0);
    let counts = &status.line("status")["remotes"][0]["counts"];
    assert_eq!(counts[0]["state"], "waiting", "{counts}");
    assert_eq!(counts[0]["files"], 3, "{counts}");
}

#[tokio::test]
async fn ctrl_c_while_the_remote_is_waited_for_keeps_the_pull() {
    let scene = Scene::new().await;
    let server = TcpListener::bind("127.0.0.1:0").unwrap();
    server.set_nonblocking(true).unwrap();
    scene.add_immich(&server).await;
    let child = scene.desk.start_pull(&scene.serving, &TO_PHOTOS);
    // It asks once, is hung up on, and finds nobody from then on.
    until("the upload", || server.accept().is_ok()).await;
    drop(server);
    let ended = interrupted(child).await;
    assert_eq!(ended.line("upload_summary")["sent"], 0);
    scene.expect_pulled();
}

#[tokio::test]
async fn name_of_no_remote_is_told_before_anything_is_pulled() {
    let scene = Scene::new().await;
    let ended = scene.pull(&TO_DISK).await.expect(2);
    assert!(ended.message().contains("disk"), "{}", ended.message());
    assert!(!scene.desk.folder().exists());
}

#[tokio::test]
async fn pull_goes_before_an_upload_that_watches_and_waits() {
    let mut scene = Scene::new().await;
    scene.add_unreachable().await;
    scene.pull(&[]).await.expect(0);
    // It holds the folder and waits for a server that never answers.
    let child = scene.watch("photos", &[]);
    let sign = scene.desk.folder().join(".rescue.gives-way");
    until("the upload", || sign.exists()).await;
    scene.take_photo().await;
    scene.pull(&[]).await.expect(0);
    let new = "data/internal/DCIM/Camera/new.jpg";
    assert!(scene.desk.folder().join(new).exists());
    // It comes back, and others get the folder as well.
    until("the upload after the pull", || sign.exists()).await;
    scene.desk.run(&["status", "rescued"]).await.expect(0);
    until("the upload after that", || sign.exists()).await;
    scene.desk.run(&["verify", "rescued"]).await.expect(0);
    stopped(child).await;
    assert!(!sign.exists());
    // An upload that does not watch keeps the folder to its end.
    let child = scene
        .desk
        .command(&["--json", "upload", "rescued", "--to", "photos"])
        .spawn()
        .unwrap();
    // Asked in a process of its own: a lock taken here would live on in whatever another test starts.
    let is_held = || scene.status_text().contains("\"under_way\":true");
    until("the other upload", is_held).await;
    // Who looks disturbs nobody; who needs the folder as it is has to wait.
    let status = scene.status().await.expect(0);
    assert_eq!(status.line("status")["not_in_place"], 0);
    let verify = ["--json", "verify", "rescued"];
    let ended = scene.desk.run(&verify).await.expect(1);
    assert_eq!(ended.line("error")["kind"], "folder_busy");
    interrupted(child).await;
    // What a kill leaves behind harms nobody.
    fs::write(&sign, "").unwrap();
    scene.pull(&[]).await.expect(0);
}

#[tokio::test]
async fn watching_upload_sends_each_pull_and_tries_again_what_failed() {
    let mut scene = Scene::new().await;
    scene.add_disk().await;
    // A file stands where a folder is wanted.
    let obstacle = scene.disk().join("phone");
    fs::write(&obstacle, "").unwrap();
    let child = scene.watch("disk", &["--into", "phone", "--tries", "1"]);
    scene.pull(&[]).await.expect(0);
    let failed = || {
        let said = scene.status_text();
        said.contains("\"failed\"") || said.contains("\"waiting\"")
    };
    until("the failure", failed).await;
    fs::remove_file(&obstacle).unwrap();
    until("the second try", || scene.on_disk() == 3).await;
    scene.take_photo().await;
    scene.pull(&[]).await.expect(0);
    until("the second pull", || scene.on_disk() == 4).await;
    stopped(child).await;
}

#[tokio::test]
async fn backup_is_complete_only_when_all_of_the_phone_is_there() {
    let scene = Scene::new().await;
    let desk = &scene.desk;
    scene.add_disk().await;
    let upload = ["--json", "upload", "rescued", "--to", "disk"];
    let status = || {
        let output = desk.command(&["status", "rescued"]).output().unwrap();
        String::from_utf8(output.stdout).unwrap()
    };
    scene.pull(&["--no-verify"]).await.expect(0);
    for (more, code, left_out, not_there) in [
        (&[][..], 3, 3, 3),
        (&["--include-unverified", "--include", "**/0.jpg"], 0, 0, 2),
    ] {
        let ended = desk.run(&[&upload[..], more].concat()).await.expect(code);
        assert_eq!(ended.line("upload_summary")["left_out"], left_out);
        assert_eq!(ended.line("upload_summary")["not_there"], not_there);
        let told = status();
        assert!(!told.contains("Backup complete"), "{told}");
        let rest = format!("{not_there} other files of the phone");
        assert!(told.contains(&rest), "{told}");
    }
    scene.pull(&[]).await.expect(0);
    let ended = desk.run(&upload).await.expect(0);
    assert_eq!(ended.line("upload_summary")["not_there"], 0);
    let told = status();
    assert!(told.contains("disk: Backup complete (3 files"), "{told}");
    // An archive says nothing of what is in it.
    fs::create_dir(desk.dir.path().join("other")).unwrap();
    let add = ["remote", "add", "other", "folder", "other"];
    desk.run(&add).await.expect(0);
    let archive = ["--archive", "rescued/bagit.txt"];
    let to_other = ["--json", "upload", "rescued", "--to", "other"];
    let ended = desk.run(&[&to_other[..], &archive].concat()).await;
    assert!(ended.expect(0).line("upload_summary")["not_there"].is_null());
}
