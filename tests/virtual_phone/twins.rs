//! Whose a folder is: a serial number does not tell, and a phone is known again all the same.

use std::path::{Path, PathBuf};

use rescue::virtual_phone::fault::Fault;
use rescue::virtual_phone::{Serving, VirtualPhone};

use crate::desk::{CAMERA, Desk, Ended, end, files_below, generated, until};

const CLONE: &str = "0123456789ABCDEF";
const ANDROID_ID: &str = "settings get secure android_id";

/// A phone of a cheap kind, with photos of one owner.
fn of_owner(owner: u64) -> VirtualPhone {
    let mut phone = VirtualPhone::new(CLONE);
    phone.set_property("ro.build.fingerprint", "vendor/x/x:13/A/1:user/keys");
    for index in 0..20 {
        let path = format!("{CAMERA}/IMG_{index:04}.jpg");
        let content = generated(2000 + owner * 10 + index, owner * 1000 + index);
        let mtime = 1_700_000_000 + (owner * 100_000 + index) as i64;
        phone.tree.add_file(&path, content, mtime);
    }
    phone
}

/// Pulls without naming a folder.
async fn pull(desk: &Desk, phone: &Serving, more: &[&str]) -> Ended {
    let address = phone.address().to_string();
    let first = ["--json", "pull", "--tcp", &address, "--idle-timeout", "5"];
    desk.run(&[&first, more].concat()).await
}

fn folder_of(desk: &Desk, ended: &Ended) -> PathBuf {
    let folder = ended.line("planned")["folder"].as_str().unwrap();
    desk.dir.path().join(folder)
}

fn photos(folder: &Path) -> usize {
    files_below(&folder.join("data")).len()
}

#[tokio::test]
async fn phones_with_one_serial_number_get_folders_of_their_own_and_find_them_again() {
    for serial in [CLONE, ""] {
        let desk = Desk::new();
        let mut folders = Vec::new();
        for owner in [1, 2, 3, 1, 2, 3] {
            let mut phone = of_owner(owner);
            phone.set_property("ro.serialno", serial);
            let serving = phone.serve().await.unwrap();
            let ended = pull(&desk, &serving, &[]).await.expect(0);
            let folder = folder_of(&desk, &ended);
            assert_eq!(photos(&folder), 20, "{folder:?}");
            folders.push((folder, ended.line("planned")["items"].clone()));
        }
        for (first, second) in [(0, 3), (1, 4), (2, 5)] {
            assert_eq!(folders[first].0, folders[second].0);
            assert_eq!(
                (&folders[first].1, &folders[second].1),
                (&20.into(), &0.into())
            );
        }
        assert_ne!(folders[0].0, folders[1].0);
        assert_ne!(folders[1].0, folders[2].0);
        assert_ne!(folders[0].0, folders[2].0);
    }
}

#[tokio::test]
async fn named_folder_of_a_twin_is_refused_with_a_choice_and_left_as_it_is() {
    let desk = Desk::new();
    let first = of_owner(1).serve().await.unwrap();
    desk.pull(&first, &[]).await.expect(0);
    let status = |desk: &Desk| std::fs::read(desk.folder().join("manifest-sha256.txt")).unwrap();
    let before = status(&desk);
    let mut other_model = of_owner(2);
    other_model.set_property("ro.product.model", "Other");
    for (phone, word) in [(of_owner(2), "looked for"), (other_model, "model")] {
        let second = phone.serve().await.unwrap();
        for more in [&[][..], &["--dry-run"]] {
            let ended = desk.pull(&second, more).await.expect(1);
            let message = ended.message();
            assert!(
                message.contains("another phone") && message.contains(word),
                "{message}"
            );
            let hint = ended.line("error")["hint"].as_str().unwrap();
            assert!(hint.contains("--same-phone"), "{hint}");
        }
        assert!(second.sent_bytes().is_empty());
        let folder = desk.folder();
        let address = second.address().to_string();
        let folder = folder.to_str().unwrap();
        let verify = ["--json", "verify", folder, "--phone", "--tcp", &address];
        let verified = desk.run(&verify);
        let message = verified.await.expect(1).message();
        assert!(message.contains("another phone"), "{message}");
    }
    assert_eq!(status(&desk), before);
    // Somebody who knows better: the phone was wiped.
    let wiped = of_owner(2).serve().await.unwrap();
    desk.pull(&wiped, &["--same-phone"]).await.expect(0);
    assert_eq!(photos(&desk.folder()), 40);
    // What the option does not cover is not answered with the option.
    let mut other = of_owner(3);
    other.set_property("ro.serialno", "OTHER");
    let other = other.serve().await.unwrap();
    let ended = desk.pull(&other, &["--same-phone"]).await.expect(1);
    let hint = ended.line("error")["hint"].as_str().unwrap();
    assert!(hint.contains("the same serial number"), "{hint}");
}

#[tokio::test]
async fn phone_is_known_again_after_an_update_and_after_its_owner_tidied_up() {
    let desk = Desk::new();
    let with_id = |mut phone: VirtualPhone, id: &str| {
        phone
            .prints
            .push((ANDROID_ID.to_owned(), format!("{id}\n")));
        phone
    };
    let first = with_id(of_owner(1), "a1b2c3d4e5f60718")
        .serve()
        .await
        .unwrap();
    let folder = folder_of(&desk, &pull(&desk, &first, &[]).await.expect(0));
    // An update of the system, and no way to read the Android ID any more.
    let mut updated = of_owner(1);
    updated.set_property("ro.build.fingerprint", "vendor/x/x:14/B/2:user/keys");
    updated.set_property("ro.build.version.release", "15");
    let updated = updated.serve().await.unwrap();
    let ended = pull(&desk, &updated, &[]).await.expect(0);
    assert_eq!(
        (folder_of(&desk, &ended), &ended.line("planned")["items"]),
        (folder.clone(), &0.into())
    );
    // All photos are gone from it, and there are new ones.
    let emptied = with_id(of_owner(7), "a1b2c3d4e5f60718")
        .serve()
        .await
        .unwrap();
    let ended = pull(&desk, &emptied, &[]).await.expect(0);
    assert_eq!(folder_of(&desk, &ended), folder);
    assert_eq!(photos(&folder), 40);
    // One that has the files of the first, as after a move to a new phone, is another.
    let mut moved = with_id(of_owner(1), "ffffffffffffffff");
    moved.set_property("ro.build.fingerprint", "vendor/x/x:15/C/3:user/keys");
    let moved = moved.serve().await.unwrap();
    let ended = pull(&desk, &moved, &[]).await.expect(0);
    assert_ne!(folder_of(&desk, &ended), folder);
    // And one whose files only look the same: their bytes are others.
    let mut same_sizes = of_owner(1);
    for index in 0..20 {
        let (size, seed) = (2010 + index, 9000 + index);
        let mtime = 1_700_000_000 + (100_000 + index) as i64;
        let path = format!("{CAMERA}/IMG_{index:04}.jpg");
        same_sizes
            .tree
            .add_file(&path, generated(size, seed), mtime);
    }
    same_sizes.set_property("ro.product.device", "y");
    same_sizes.set_property("ro.build.fingerprint", "vendor/y/y:15/C/3:user/keys");
    let same_sizes = same_sizes.serve().await.unwrap();
    let ended = pull(&desk, &same_sizes, &[]).await.expect(0);
    assert_ne!(folder_of(&desk, &ended), folder);
    assert_eq!(ended.line("planned")["items"], 20);
}

#[tokio::test]
async fn next_days_pull_goes_on_in_a_complete_folder_and_begins_a_new_one_on_wish() {
    let desk = Desk::new();
    let phone = of_owner(1).serve().await.unwrap();
    let folder = folder_of(&desk, &pull(&desk, &phone, &[]).await.expect(0));
    let name = folder.file_name().unwrap().to_str().unwrap().to_owned();
    let (start, _) = name.split_at(name.len() - "2026-11-23".len());
    for day in ["2019-01-02", "2019-01-03"] {
        let older = desk.dir.path().join(format!("{start}{day}"));
        let folder = older.with_file_name(match day {
            "2019-01-02" => name.clone(),
            _ => format!("{start}2019-01-02"),
        });
        std::fs::rename(folder, &older).unwrap();
        phone.forget_sent();
        let ended = pull(&desk, &phone, &[]).await.expect(0);
        assert_eq!(folder_of(&desk, &ended), older);
        assert_eq!(ended.line("planned")["done_items"], 20);
        assert!(phone.sent_bytes().is_empty());
    }
    for number in ["", "-2"] {
        let ended = pull(&desk, &phone, &["--new-folder"]).await.expect(0);
        let new = folder_of(&desk, &ended);
        assert_eq!(new, folder.with_file_name(format!("{name}{number}")));
        assert_eq!(photos(&new), 20);
    }
    // From now on that is the latest.
    let ended = pull(&desk, &phone, &[]).await.expect(0);
    assert_eq!(
        folder_of(&desk, &ended),
        folder.with_file_name(format!("{name}-2"))
    );
}

#[tokio::test]
async fn twin_on_the_cable_of_a_phone_that_went_away_is_not_pulled() {
    let desk = Desk::new();
    let mut phone = of_owner(1);
    phone.faults.add(None, Fault::Cut(100), u32::MAX);
    let big = format!("{CAMERA}/big.jpg");
    phone
        .tree
        .add_file(&big, generated(3_000_000, 1), 1_600_000_000);
    let serving = phone.serve().await.unwrap();
    let relay = Relay::start(serving.address()).await;
    let mut command = desk.command(&["--json", "pull", "--idle-timeout", "2", "--wait", "30"]);
    command
        .arg("--tcp")
        .arg(relay.address.to_string())
        .arg("-o")
        .arg(desk.folder());
    let twin = of_owner(2).serve().await.unwrap();
    relay.swap_after_first(twin.address());
    let child = command.spawn().unwrap();
    until("the twin", || twin.connections() > 0).await;
    let ended = end(child).await.expect(1);
    assert!(
        ended.message().contains("another phone"),
        "{}",
        ended.message()
    );
    assert!(twin.sent_bytes().is_empty());
}

/// A socket behind which one phone is first, and then another.
struct Relay {
    address: std::net::SocketAddr,
    next: std::sync::Arc<std::sync::Mutex<Option<std::net::SocketAddr>>>,
}

impl Relay {
    async fn start(first: std::net::SocketAddr) -> Self {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let next = std::sync::Arc::new(std::sync::Mutex::new(None));
        let later = std::sync::Arc::clone(&next);
        tokio::spawn(async move {
            let mut target = first;
            while let Ok((mut near, _)) = listener.accept().await {
                let mut far = tokio::net::TcpStream::connect(target).await.unwrap();
                tokio::spawn(async move {
                    let _ = tokio::io::copy_bidirectional(&mut near, &mut far).await;
                });
                target = later.lock().unwrap().unwrap_or(target);
            }
        });
        Self { address, next }
    }

    fn swap_after_first(&self, second: std::net::SocketAddr) {
        *self.next.lock().unwrap() = Some(second);
    }
}
