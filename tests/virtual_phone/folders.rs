//! What a rescue folder may be, and how it changes over runs.

use std::fs;
use std::os::unix::fs::MetadataExt as _;

use rescue::adb::RemotePath;
use rescue::digest::Sha256;
use rescue::virtual_phone::VirtualPhone;
use rescue::virtual_phone::fault::ListingFault;

use crate::desk::{
    CAMERA, Desk, Ended, FOREVER, camera, end, files_below, generated, kill, refs, until,
};

#[tokio::test]
async fn folders_that_are_none_are_refused_by_name() {
    let (phone, _) = camera(&[10]);
    let (desk, serving) = (Desk::new(), phone.serve().await.unwrap());
    let path = |name: &str| desk.dir.path().join(name).to_str().unwrap().to_owned();
    fs::create_dir(path("full")).unwrap();
    fs::write(path("full/letter.txt"), "dear").unwrap();
    fs::write(path("file"), "").unwrap();
    for name in ["full", "file"] {
        let ended = desk.pull(&serving, &["-o", &path(name)]).await.expect(1);
        assert!(ended.message().contains(&path(name)), "{}", ended.message());
        assert!(ended.line("error")["hint"].is_string());
    }
    assert_eq!(fs::read_dir(path("full")).unwrap().count(), 1);
}

#[tokio::test]
async fn folder_of_another_phone_or_a_newer_version_is_refused() {
    let (phone, _) = camera(&[10]);
    let (desk, serving) = (Desk::new(), phone.serve().await.unwrap());
    desk.pull(&serving, &[]).await.expect(0);
    let other = VirtualPhone::new("OTHER").serve().await.unwrap();
    let ended = desk.pull(&other, &[]).await.expect(1);
    assert!(ended.message().contains("TEST0001"), "{}", ended.message());
    let catalogue = rusqlite::Connection::open(desk.folder().join("rescue.db")).unwrap();
    catalogue.pragma_update(None, "user_version", 999).unwrap();
    drop(catalogue);
    let ended = desk.pull(&serving, &[]).await.expect(1);
    assert!(
        ended.message().contains("newer rescue"),
        "{}",
        ended.message()
    );
}

#[tokio::test]
async fn photo_changed_on_the_phone_is_kept_beside_the_older_one() {
    let (mut phone, _) = camera(&[1000]);
    let desk = Desk::new();
    desk.pull(&phone.clone().serve().await.unwrap(), &[])
        .await
        .expect(0);
    let edited = generated(1200, 99);
    phone
        .tree
        .add_file(&format!("{CAMERA}/0.jpg"), edited.clone(), 1_700_009_999);
    let serving = phone.serve().await.unwrap();
    let changed = desk.pull(&serving, &[]).await.expect(0);
    let older = (
        "internal/DCIM/Camera/0.jpg",
        generated(1000, 0),
        1_700_000_000,
    );
    desk.expect_files(&[
        older,
        ("internal/DCIM/Camera/0 (2).jpg", edited, 1_700_009_999),
    ]);
    serving.forget_sent();
    let nothing_new = desk.pull(&serving, &[]).await.expect(0);
    assert!(serving.sent_bytes().is_empty());
    // Nothing was recorded in between: what is told is the same.
    let told = |ended: &Ended| {
        let mut summary = ended.line("summary").clone();
        summary.as_object_mut().unwrap().remove("seconds").unwrap();
        summary
    };
    assert_eq!(told(&nothing_new), told(&changed));
    assert_eq!(told(&changed)["superseded"]["bytes"], 1000);
}

#[tokio::test]
async fn photo_deleted_from_the_folder_comes_again() {
    let (phone, expected) = camera(&[1000, 2000]);
    let (desk, serving) = (Desk::new(), phone.serve().await.unwrap());
    desk.pull(&serving, &[]).await.expect(0);
    fs::remove_file(desk.folder().join("data/internal/DCIM/Camera/1.jpg")).unwrap();
    desk.pull(&serving, &[]).await.expect(0);
    desk.expect_files(&refs(&expected));
}

#[tokio::test]
async fn bag_stays_when_nothing_changes_and_is_written_anew_when_it_may_not_hold() {
    let (phone, _) = camera(&[1000, 2000]);
    let (desk, serving) = (Desk::new(), phone.serve().await.unwrap());
    let manifest = desk.folder().join("manifest-sha256.txt");
    let look = || {
        let inode = fs::metadata(&manifest).unwrap().ino();
        (inode, fs::read_to_string(&manifest).unwrap())
    };
    let in_catalogue = |sql: &str| {
        let catalogue = rusqlite::Connection::open(desk.folder().join("rescue.db")).unwrap();
        assert!(catalogue.execute(sql, []).unwrap() > 0, "{sql}");
    };
    desk.pull(&serving, &[]).await.expect(0);
    let first = look();
    desk.pull(&serving, &[]).await.expect(0);
    assert_eq!(look(), first);

    fs::write(&manifest, "altered\n").unwrap();
    desk.pull(&serving, &[]).await.expect(0);
    let second = look();
    assert_eq!(second.1, first.1);
    // Files that agree with each other and not with the catalogue.
    let path = |name: &str| desk.folder().join(name);
    let hash = |name: &str| Sha256::of(&fs::read(path(name)).unwrap()).to_string();
    let tags = fs::read_to_string(path("tagmanifest-sha256.txt")).unwrap();
    for (name, from, to) in [
        ("manifest-sha256.txt", "0.jpg", "2.jpg"),
        ("bag-info.txt", "TEST0001", "TEST0002"),
    ] {
        let before = (hash(name), fs::read_to_string(path(name)).unwrap());
        assert!(before.1.contains(from));
        fs::write(path(name), before.1.replace(from, to)).unwrap();
        let tags = tags.replace(&before.0, &hash(name));
        fs::write(path("tagmanifest-sha256.txt"), tags).unwrap();
        desk.pull(&serving, &[]).await.expect(0);
        assert_eq!(fs::read_to_string(path(name)).unwrap(), before.1);
    }
    // One that cannot be read is no reason to pull nothing.
    fs::remove_file(path("bagit.txt")).unwrap();
    std::os::unix::fs::symlink("bagit.txt", path("bagit.txt")).unwrap();
    desk.pull(&serving, &[]).await.expect(0);
    assert!(path("bagit.txt").symlink_metadata().unwrap().is_file());
    let second = look();
    // A run that was killed may have recorded what its bag does not say.
    in_catalogue("UPDATE run SET ended = NULL, outcome = NULL");
    desk.pull(&serving, &[]).await.expect(0);
    let third = look();
    assert_ne!(third.0, second.0);
    assert_eq!(third.1, first.1);
    // Another version may have written it otherwise.
    in_catalogue("UPDATE run SET tool = 'rescue 0.0.1'");
    desk.pull(&serving, &[]).await.expect(0);
    assert_ne!(look().0, third.0);
    fs::remove_file(desk.folder().join("bag-info.txt")).unwrap();
    desk.pull(&serving, &[]).await.expect(0);
    assert!(desk.folder().join("bag-info.txt").is_file());
}

#[tokio::test]
async fn unverified_run_says_so_and_a_later_one_proves_it() {
    let (phone, expected) = camera(&[1000, 2_000_000]);
    let (desk, serving) = (Desk::new(), phone.serve().await.unwrap());
    let ended = desk.pull(&serving, &["--no-verify"]).await.expect(0);
    let summary = ended.line("summary");
    assert_eq!(
        (&summary["verification"], &summary["pulled"]["files"]),
        (&"off".into(), &2.into())
    );
    serving.forget_sent();
    let verify = || {
        let output = desk.command(&["verify", "rescued"]).output().unwrap();
        String::from_utf8(output.stdout).unwrap()
    };
    let words = verify();
    assert!(!words.contains("intact"), "{words}");
    assert!(
        words.contains("not complete: 2 files not verified"),
        "{words}"
    );
    let ended = desk.pull(&serving, &[]).await.expect(0);
    assert_eq!(ended.line("summary")["verified"]["files"], 2);
    assert!(serving.sent_bytes().is_empty());
    desk.expect_files(&refs(&expected));
    assert!(verify().contains("is intact"));
}

#[tokio::test]
async fn what_verify_sets_aside_is_fetched_anew_and_nothing_is_lost() {
    let (phone, expected) = camera(&[1000, 2000, 3000, 400]);
    let (desk, serving) = (Desk::new(), phone.serve().await.unwrap());
    desk.pull(&serving, &[]).await.expect(0);
    let folder = desk.folder();
    let photo = |index: usize| folder.join(format!("data/internal/DCIM/Camera/{index}.jpg"));
    fs::write(photo(0), vec![b'x'; 1000]).unwrap();
    fs::write(photo(1), b"cut").unwrap();
    fs::remove_file(photo(2)).unwrap();
    std::os::unix::fs::symlink("/etc/hostname", photo(2)).unwrap();
    fs::write(photo(7), b"mine").unwrap();
    let shown = folder.display().to_string();
    let ended = desk.run(&["--json", "status", &shown]).await.expect(3);
    assert_eq!(ended.line("status")["not_in_place"], 2);
    let ended = desk.run(&["--json", "verify", &shown]).await.expect(1);
    let verified = ended.line("verified");
    // Read to their end: the one that is right, and the one with other bytes.
    assert_eq!(verified["files"], 2, "{verified}");
    assert_eq!(verified["rescue_complete"], false);
    let hint = ended.line("error")["hint"].to_string();
    assert!(hint.contains("--set-aside"), "{hint}");
    // What an earlier --set-aside left there is not replaced.
    let aside = folder.join("set-aside/internal/DCIM/Camera");
    fs::create_dir_all(&aside).unwrap();
    fs::write(aside.join("0.jpg"), b"earlier").unwrap();
    let ended = desk
        .run(&["--json", "verify", &shown, "--set-aside"])
        .await
        .expect(1);
    assert_eq!(ended.line("verified")["set_aside"], 4);
    let read = |name: &str| fs::read(aside.join(name)).unwrap();
    assert_eq!(read("0.jpg"), b"earlier");
    assert_eq!(read("0.jpg (2)"), vec![b'x'; 1000]);
    assert_eq!(read("1.jpg"), b"cut");
    assert_eq!(read("7.jpg"), b"mine");
    let link = fs::read_link(aside.join("2.jpg")).unwrap();
    assert_eq!(link, std::path::Path::new("/etc/hostname"));
    desk.pull(&serving, &[]).await.expect(0);
    desk.expect_files(&refs(&expected));
    desk.run(&["--json", "verify", &shown]).await.expect(0);
}

#[tokio::test]
async fn manifest_is_written_anew_without_the_phone_where_all_else_is_right() {
    let (phone, expected) = camera(&[1000, 2000]);
    let desk = Desk::new();
    let serving = phone.clone().serve().await.unwrap();
    desk.pull(&serving, &[]).await.expect(0);
    drop(serving);
    let folder = desk.folder();
    let shown = folder.display().to_string();
    let verify = async |flags: &[&str], code| {
        let arguments = [&["--json", "verify", &shown], flags].concat();
        desk.run(&arguments).await.expect(code)
    };
    let manifest = folder.join("manifest-sha256.txt");
    let first = fs::read_to_string(&manifest).unwrap();
    let spoil = || {
        fs::write(&manifest, "altered\n").unwrap();
        fs::remove_file(folder.join("bag-info.txt")).unwrap();
    };
    spoil();
    // As in a copy that was made without what has a dot in front.
    fs::remove_dir_all(folder.join(".partial")).unwrap();
    let ended = verify(&[], 1).await;
    let hint = ended.line("error")["hint"].to_string();
    assert!(hint.contains("--write-manifest"), "{hint}");
    assert_eq!(ended.line("verified")["manifest_written"], false);
    let ended = verify(&["--write-manifest"], 0).await;
    assert_eq!(ended.line("verified")["manifest_written"], true);
    assert_eq!(fs::read_to_string(&manifest).unwrap(), first);
    verify(&[], 0).await;

    // What is not of this rescue has to go first.
    let mine = folder.join("data/internal/DCIM/Camera/mine.jpg");
    fs::write(&mine, b"mine").unwrap();
    spoil();
    verify(&["--write-manifest"], 1).await;
    assert_eq!(fs::read_to_string(&manifest).unwrap(), "altered\n");
    verify(&["--write-manifest", "--set-aside"], 0).await;
    verify(&[], 0).await;

    // A run that was cut short before it wrote the manifest, of a phone that died then.
    let in_catalogue = |sql: &str| {
        let catalogue = rusqlite::Connection::open(folder.join("rescue.db")).unwrap();
        assert!(catalogue.execute(sql, []).unwrap() > 0, "{sql}");
    };
    let lose = || {
        for name in ["manifest-sha256.txt", "tagmanifest-sha256.txt"] {
            fs::remove_file(folder.join(name)).unwrap();
        }
    };
    in_catalogue("UPDATE run SET ended = NULL, outcome = NULL");
    lose();
    verify(&[], 3).await;
    // What it did not come to record needs the phone.
    in_catalogue("UPDATE entry SET state = 'planned', proof = NULL WHERE local LIKE '%1.jpg'");
    let ended = verify(&["--write-manifest"], 3).await;
    assert_eq!(ended.line("verified")["manifest_written"], false);
    assert!(!manifest.exists());
    in_catalogue("UPDATE entry SET state = 'verified', proof = 'sha256' WHERE local LIKE '%1.jpg'");
    verify(&["--write-manifest"], 0).await;
    assert_eq!(fs::read_to_string(&manifest).unwrap(), first);
    verify(&[], 0).await;
    // From then on it is no excuse.
    lose();
    verify(&[], 1).await;
    verify(&["--write-manifest"], 0).await;

    // A photo that is not what was rescued is not written down as if it were.
    fs::write(folder.join("data/internal/DCIM/Camera/0.jpg"), b"x").unwrap();
    spoil();
    verify(&["--write-manifest"], 1).await;
    verify(&["--write-manifest", "--set-aside"], 1).await;
    assert_eq!(fs::read_to_string(&manifest).unwrap(), "altered\n");
    let serving = phone.serve().await.unwrap();
    desk.pull(&serving, &[]).await.expect(0);
    desk.expect_files(&refs(&expected));
    verify(&[], 0).await;
}

#[tokio::test]
async fn altered_file_is_found_by_verify_and_status_stays_calm() {
    let (phone, _) = camera(&[1000, 2000]);
    let (desk, serving) = (Desk::new(), phone.serve().await.unwrap());
    desk.pull(&serving, &[]).await.expect(0);
    let folder = desk.folder().to_str().unwrap().to_owned();
    desk.run(&["--json", "verify", &folder]).await.expect(0);
    desk.run(&["--json", "status", &folder]).await.expect(0);
    let address = serving.address().to_string();
    let with_phone = desk
        .run(&["--json", "verify", &folder, "--phone", "--tcp", &address])
        .await
        .expect(0);
    assert_eq!(with_phone.line("verified")["phone"]["same"], 2);
    let photo = desk.folder().join("data/internal/DCIM/Camera/0.jpg");
    let mut bytes = fs::read(&photo).unwrap();
    bytes[500] ^= 1;
    fs::write(&photo, bytes).unwrap();
    let ended = desk.run(&["--json", "verify", &folder]).await.expect(1);
    assert_eq!(ended.line("finding")["local"], "internal/DCIM/Camera/0.jpg");
}

#[tokio::test]
async fn verbose_run_tells_what_it_asks_the_phone() {
    let (phone, _) = camera(&[1000]);
    let (desk, serving) = (Desk::new(), phone.serve().await.unwrap());
    let silent = desk.pull(&serving, &[]).await.expect(0);
    assert!(!silent.stderr.contains("DEBUG"), "{}", silent.stderr);
    let ended = desk.pull(&serving, &["-v"]).await.expect(0);
    for told in ["connected", "features", "getprop", "sync:"] {
        assert!(ended.stderr.contains(told), "{told} in {}", ended.stderr);
    }
}

#[tokio::test]
async fn dry_run_makes_nothing() {
    let (phone, _) = camera(&[1000, 2000]);
    let (desk, serving) = (Desk::new(), phone.serve().await.unwrap());
    let ended = desk.pull(&serving, &["--dry-run"]).await.expect(0);
    assert_eq!(ended.line("dry_run")["items"], 2);
    assert!(!desk.folder().exists());
}

#[tokio::test]
async fn demonstration_works_twice() {
    let desk = Desk::new();
    for _ in 0..2 {
        desk.run(&["demo", "shown"]).await.expect(0);
    }
    let photo = "trash/internal/DCIM/Camera/IMG_20240818_234155.jpg";
    let files = files_below(&desk.dir.path().join("shown/data"));
    assert!(files.contains_key(photo), "{files:?}");
    let sent = files_below(&desk.dir.path().join("shown-copy"));
    let of_phone = |path: &String| format!("Rescue-Virtual-Phone-DEMO0001/{path}");
    let wanted: Vec<String> = files.keys().map(of_phone).collect();
    let sent: Vec<String> = sent.into_keys().collect();
    assert_eq!(sent, wanted, "all that is verified is sent, once");
    let archive = std::fs::File::open(desk.dir.path().join("shown.zip")).unwrap();
    let archive = zip::ZipArchive::new(archive).unwrap();
    for path in files.keys() {
        let name = format!("shown/data/{path}");
        assert!(archive.index_for_name(&name).is_some(), "{name}");
    }
}

#[tokio::test]
async fn folder_in_the_place_of_a_file_is_to_be_moved_away() {
    let (phone, _) = camera(&[10]);
    let (desk, serving) = (Desk::new(), phone.serve().await.unwrap());
    desk.pull(&serving, &[]).await.expect(0);
    let manifest = desk.folder().join("manifest-sha256.txt");
    fs::remove_file(&manifest).unwrap();
    fs::create_dir(&manifest).unwrap();
    let ended = desk.pull(&serving, &[]).await.expect(1);
    let hint = ended.line("error")["hint"].as_str().unwrap();
    assert!(hint.contains("move the folder"), "{hint}");
    fs::remove_dir(&manifest).unwrap();
    let lock = desk.folder().join(".rescue.lock");
    fs::remove_file(&lock).unwrap();
    fs::create_dir(&lock).unwrap();
    let ended = desk.run(&["--json", "status", "rescued"]).await.expect(1);
    let hint = ended.line("error")["hint"].as_str().unwrap();
    assert!(hint.contains("move the folder"), "{hint}");
    fs::remove_dir(&lock).unwrap();
    desk.pull(&serving, &[]).await.expect(0);
    desk.expect_sound();
}

#[tokio::test]
async fn demonstration_replaces_no_archive_of_somebody_else() {
    let desk = Desk::new();
    let archive = desk.dir.path().join("photos.zip");
    fs::write(&archive, "mine").unwrap();
    let ended = desk.run(&["--json", "demo", "photos"]).await.expect(2);
    assert!(
        ended.message().contains("photos.zip"),
        "{}",
        ended.message()
    );
    assert_eq!(fs::read_to_string(&archive).unwrap(), "mine");
    assert!(!desk.dir.path().join("photos").exists());
}

#[tokio::test]
async fn note_of_ones_own_is_not_of_this_rescue_and_nothing_is_called_wrong() {
    let (phone, _) = camera(&[1000, 2000]);
    let (desk, serving) = (Desk::new(), phone.serve().await.unwrap());
    desk.pull(&serving, &[]).await.expect(0);
    let folder = desk.folder();
    fs::write(folder.join("data/note.txt"), b"from grandma's phone").unwrap();
    let shown = folder.display().to_string();
    let said = |more: &[&str]| {
        let output = desk.command(&[&["verify", &shown], more].concat()).output();
        let output = output.unwrap();
        let text = [output.stdout, output.stderr].concat();
        (output.status.code(), String::from_utf8(text).unwrap())
    };
    let (code, text) = said(&[]);
    assert_eq!(code, Some(1), "{text}");
    assert!(text.contains("1 file not part of this rescue"), "{text}");
    assert!(
        !text.contains("wrong") && !text.contains("not as it was"),
        "{text}"
    );
    assert!(
        text.contains("--set-aside") && !text.contains("phone attached"),
        "{text}"
    );
    // Beside something that is wrong, both are told.
    fs::write(
        folder.join("data/internal/DCIM/Camera/0.jpg"),
        vec![b'x'; 1000],
    )
    .unwrap();
    let (_, text) = said(&[]);
    assert!(
        text.contains("1 wrong, 1 file not part of this rescue"),
        "{text}"
    );
}

/// With too few open files, no command says of a file that something is wrong with it.
#[tokio::test]
async fn shortage_of_open_files_says_nothing_of_the_files() {
    let (phone, _) = camera(&[1000; 40]);
    let (desk, serving) = (Desk::new(), phone.serve().await.unwrap());
    desk.pull(&serving, &[]).await.expect(0);
    let folder = desk.folder();
    let folder = folder.to_str().unwrap();
    fs::create_dir(desk.dir.path().join("there")).unwrap();
    let add = ["remote", "add", "there", "folder", "there"];
    desk.run(&add).await.expect(0);
    for words in [
        vec!["status", folder],
        vec!["verify", folder],
        vec!["export", folder, "--force", "-o", "short.zip"],
        vec!["upload", folder, "--to", "there"],
    ] {
        let mut refused = 0;
        // With what every system allows, it goes well.
        for limit in (8..32).chain([256]) {
            let program = desk.command(&words);
            let mut limited = std::process::Command::new("bash");
            limited
                .args(["-c", &format!("ulimit -n {limit}; exec \"$@\""), "bash"])
                .arg(program.get_program())
                .args(program.get_args())
                .current_dir(program.get_current_dir().unwrap());
            for (name, value) in program.get_envs() {
                match value {
                    Some(value) => limited.env(name, value),
                    None => limited.env_remove(name),
                };
            }
            let output = limited.output().unwrap();
            let text = [output.stdout, output.stderr].concat();
            let text = String::from_utf8_lossy(&text);
            refused += u64::from(!output.status.success());
            for false_word in [
                "no longer here",
                "something else stands",
                "wrong",
                "Left out",
                "set-aside",
                "Failed",
                "Skipped",
                "refused",
            ] {
                assert!(!text.contains(false_word), "{words:?} {limit}: {text}");
            }
        }
        assert!((1..25).contains(&refused), "{words:?}: {refused}");
    }
}

#[tokio::test]
async fn archive_gets_an_ending_and_what_it_lacks_is_listed_in_it() {
    let (phone, _) = camera(&[1000, 2000]);
    let (desk, serving) = (Desk::new(), phone.serve().await.unwrap());
    desk.pull(&serving, &[]).await.expect(0);
    let folder = desk.folder();
    let export = |more: &[&str]| {
        let command = [&["export", folder.to_str().unwrap()], more].concat();
        let output = desk.command(&command).output().unwrap();
        let text = [output.stdout, output.stderr].concat();
        (output.status.code(), String::from_utf8(text).unwrap())
    };
    let (code, text) = export(&["-o", "photos"]);
    assert_eq!(code, Some(0), "{text}");
    assert!(text.contains("photos.zip"), "{text}");
    assert!(desk.dir.path().join("photos.zip").is_file());
    assert!(!desk.dir.path().join("photos").exists());
    // A date is no ending, and another archive's is a false one.
    for (name, made) in [
        ("Mum's phone 29.11.2026", "Mum's phone 29.11.2026.zip"),
        ("old.7z", "old.7z.zip"),
        ("LOUD.ZIP", "LOUD.ZIP"),
    ] {
        let (code, text) = export(&["-o", name]);
        assert_eq!(code, Some(0), "{text}");
        assert!(text.contains(made), "{text}");
        assert!(desk.dir.path().join(made).is_file(), "{made}");
    }
    for refused in ["/dev/null", ".zip"] {
        let (code, text) = export(&["-o", refused]);
        assert_eq!(code, Some(2), "{text}");
    }
    fs::write(
        folder.join("data/internal/DCIM/Camera/0.jpg"),
        vec![b'x'; 1000],
    )
    .unwrap();
    let (code, text) = export(&["-o", "loud"]);
    assert_eq!(code, Some(3), "{text}");
    let list = "1 file missing from it: its report.html lists them";
    assert!(text.contains(list) && text.contains("0.jpg"), "{text}");
    let (code, text) = export(&["-q", "-o", "quiet"]);
    assert_eq!(code, Some(3), "{text}");
    assert!(text.contains(list) && !text.contains("0.jpg"), "{text}");
}

/// A phone without its photo 1, whose photo 2 is another than before.
fn later_phone() -> VirtualPhone {
    let mut phone = VirtualPhone::new("TEST0001");
    let camera = |name: &str| format!("{CAMERA}/{name}.jpg");
    phone
        .tree
        .add_file(&camera("0"), generated(1000, 0), 1_700_000_000);
    phone
        .tree
        .add_file(&camera("2"), generated(3500, 77), 1_700_009_000);
    phone
}

#[tokio::test]
async fn files_of_a_lost_catalogue_that_the_phone_lacks_now_stay_in_the_rescue() {
    let (phone, _) = camera(&[1000, 2000, 3000, 4000]);
    let desk = Desk::new();
    desk.pull(&phone.clone().serve().await.unwrap(), &[])
        .await
        .expect(0);
    let (folder, manifest) = (desk.folder(), desk.folder().join("manifest-sha256.txt"));
    let before = fs::read_to_string(&manifest).unwrap();
    fs::remove_file(folder.join("rescue.db")).unwrap();
    // Nothing vouches for bytes that the manifest does not know.
    fs::write(folder.join("data/internal/DCIM/Camera/3.jpg"), "altered").unwrap();
    fs::write(folder.join("data/internal/DCIM/Camera/note.txt"), "a note").unwrap();
    let serving = later_phone().serve().await.unwrap();
    let pulled = desk.pull(&serving, &[]).await.expect(3);
    let not_proven = pulled.line("summary")["not_proven"].as_array().unwrap();
    let gone: Vec<_> = not_proven.iter().map(|it| &it["path"]).collect();
    assert_eq!(gone, [&format!("{CAMERA}/1.jpg")]);
    assert_eq!(pulled.line("summary")["superseded"]["files"], 1);
    let after = fs::read_to_string(&manifest).unwrap();
    let lines = |name: &str| {
        let has = |line: &&str| line.ends_with(name);
        let of = |text: &str| {
            text.lines()
                .filter(has)
                .map(str::to_owned)
                .collect::<Vec<_>>()
        };
        (of(&before), of(&after))
    };
    for name in ["Camera/0.jpg", "Camera/1.jpg", "Camera/2.jpg"] {
        let (before, after) = lines(name);
        assert_eq!((before.len(), &before), (1, &after), "{name}");
    }
    for name in ["Camera/3.jpg", "note.txt"] {
        assert!(lines(name).1.is_empty(), "{name}: {after}");
    }
    let kept = fs::read_to_string(folder.join("set-aside/manifest-sha256.txt")).unwrap();
    assert_eq!(kept, before);

    let verified = desk.run(&["--json", "verify", "rescued"]).await;
    let stranger = |name: &str| verified.stderr.contains(name) || verified.all.contains(name);
    assert!(
        stranger("note.txt") && !stranger("Camera/1.jpg"),
        "{}",
        verified.all
    );
    let status = desk.run(&["--json", "status", "rescued"]).await;
    assert_eq!(
        status.line("status")["pulled"]["files"],
        1,
        "{}",
        status.all
    );
    let export = ["export", "rescued", "-o", "out.zip", "--include-unverified"];
    desk.run(&export).await;
    let zip = fs::read(desk.path("out.zip")).unwrap();
    for name in ["Camera/1.jpg", "Camera/2.jpg"] {
        assert!(
            zip.windows(name.len()).any(|it| it == name.as_bytes()),
            "{name}"
        );
    }

    // Back on the phone it is proven like any other, and comes a second time to no place.
    let mut again = later_phone();
    again.tree.add_file(
        &format!("{CAMERA}/1.jpg"),
        generated(2000, 1),
        1_700_000_001,
    );
    let pulled = desk
        .pull(&again.serve().await.unwrap(), &[])
        .await
        .expect(0);
    assert_eq!(pulled.line("summary")["pulled"]["files"], 0);
    assert_eq!(fs::read_to_string(&manifest).unwrap(), after);
}

#[tokio::test]
async fn manifest_of_a_lost_catalogue_outlives_a_pull_that_is_cut_short() {
    let (phone, _) = camera(&[1000, 2000]);
    let desk = Desk::new();
    desk.pull(&phone.clone().serve().await.unwrap(), &[])
        .await
        .expect(0);
    let folder = desk.folder();
    let manifest = folder.join("manifest-sha256.txt");
    let before = fs::read(&manifest).unwrap();
    fs::remove_file(folder.join("rescue.db")).unwrap();
    // The catalogue is made, and the run killed before anything is listed.
    let mut slow = later_phone();
    let folder_of_photos = RemotePath::new(CAMERA.as_bytes()).unwrap();
    slow.faults.listing = Some(ListingFault::Stall(vec![folder_of_photos], 0));
    let serving = slow.serve().await.unwrap();
    let pull = desk.start_pull(&serving, &["--idle-timeout", FOREVER]);
    let catalogue = folder.join("rescue.db");
    until("the catalogue", || {
        let read = rusqlite::Connection::open(&catalogue).ok();
        let runs = read.and_then(|it| {
            let all = "SELECT count(*) FROM run";
            it.query_row(all, [], |row| row.get::<_, i64>(0)).ok()
        });
        runs == Some(1)
    })
    .await;
    kill(pull.id(), "KILL");
    end(pull).await;
    let verified = desk.run(&["verify", "rescued"]).await;
    assert!(
        !verified.all.contains("not part of this rescue"),
        "{}",
        verified.all
    );
    desk.run(&["verify", "rescued", "--write-manifest"]).await;
    assert_eq!(fs::read(&manifest).unwrap(), before);
    let serving = later_phone().serve().await.unwrap();
    desk.pull(&serving, &[]).await.expect(3);
    let after = fs::read_to_string(&manifest).unwrap();
    assert!(after.contains("Camera/1.jpg"), "{after}");
}

#[tokio::test]
async fn hints_about_a_folder_that_cannot_be_used_name_what_helps() {
    let (phone, _) = camera(&[10]);
    let desk = Desk::new();
    desk.pull(&phone.serve().await.unwrap(), &[])
        .await
        .expect(0);
    let hint = |ended: &Ended| ended.line("error")["hint"].as_str().unwrap().to_owned();
    std::os::unix::fs::symlink("nowhere", desk.path("dangling")).unwrap();
    let ended = desk.run(&["--json", "status", "dangling"]).await.expect(1);
    assert!(
        ended.message().contains("dangling leads nowhere"),
        "{}",
        ended.all
    );
    assert!(!hint(&ended).contains("healthy"), "{}", ended.all);

    let age = ["--json", "export", "rescued", "--age", "foo"];
    let ended = desk.run(&age).await.expect(2);
    assert_eq!(ended.count("exporting"), 0, "{}", ended.all);

    let catalogue = desk.folder().join("rescue.db");
    let opened = rusqlite::Connection::open(&catalogue).unwrap();
    opened
        .execute("UPDATE entry SET local = '../x'", [])
        .unwrap();
    drop(opened);
    for command in ["status", "verify"] {
        let ended = desk.run(&["--json", command, "rescued"]).await;
        assert!(
            hint(&ended).contains("move this file away"),
            "{}",
            ended.all
        );
    }

    fs::remove_file(&catalogue).unwrap();
    for has_manifest in [true, false] {
        let ended = desk.run(&["--json", "status", "rescued"]).await.expect(1);
        let names_it = hint(&ended).contains("sha256sum");
        assert_eq!(names_it, has_manifest, "{}", ended.all);
        fs::remove_file(desk.folder().join("manifest-sha256.txt")).ok();
    }
}
