//! What is taken and what is left.

use crate::desk::{Desk, camera, files_below, text};

const INTERNAL: &str = "/storage/emulated/0";

#[tokio::test]
async fn options_choose_what_is_taken() {
    let (mut phone, _) = camera(&[]);
    for (path, mtime) in [
        ("DCIM/Camera/old.jpg", 1_600_000_000),
        ("DCIM/Camera/new.jpg", 1_700_000_000),
        ("DCIM/Camera/clip.mp4", 1_700_000_000),
        ("DCIM/.thumbnails/t.jpg", 1_700_000_000),
        ("Documents/letter.txt", 1_700_000_000),
        ("SomeApp/picture.png", 1_700_000_000),
        ("SomeApp/data.bin", 1_700_000_000),
        (
            "Android/media/com.whatsapp/WhatsApp/Media/a.opus",
            1_700_000_000,
        ),
    ] {
        phone
            .tree
            .add_file(&format!("{INTERNAL}/{path}"), text("x"), mtime);
    }
    phone
        .tree
        .add_file("/storage/1A2B-3C4D/DCIM/card.jpg", text("x"), 1_700_000_000);
    phone
        .tree
        .add_file("/data/local/tmp/log.txt", text("x"), 1_700_000_000);
    phone
        .tree
        .add_folder(&format!("{INTERNAL}/Android/data/com.private"));
    phone
        .tree
        .forbid(&format!("{INTERNAL}/Android/data/com.private"));
    let serving = phone.serve().await.unwrap();
    let camera = [
        "internal/DCIM/Camera/clip.mp4",
        "internal/DCIM/Camera/new.jpg",
        "internal/DCIM/Camera/old.jpg",
    ];
    let app = "internal/Android/media/com.whatsapp/WhatsApp/Media/a.opus";
    let (letter, picture, card) = (
        "internal/Documents/letter.txt",
        "internal/SomeApp/picture.png",
        "sd-1A2B-3C4D/DCIM/card.jpg",
    );
    for (options, wanted) in [
        (
            vec![],
            vec![app, camera[0], camera[1], camera[2], letter, picture, card],
        ),
        (vec!["--photos"], vec![camera[1], camera[2], picture, card]),
        (vec!["--videos"], vec![camera[0]]),
        (
            vec!["--photos", "--videos"],
            vec![camera[0], camera[1], camera[2], picture, card],
        ),
        (
            vec!["--photos", "--since", "2021-01-01"],
            vec![camera[1], picture, card],
        ),
        (
            vec!["--include", "DCIM/Camera/*.jpg"],
            vec![camera[1], camera[2]],
        ),
        (
            vec!["--include", "DCIM/**", "--exclude", "**/*.mp4"],
            vec![camera[1], camera[2], card],
        ),
        (
            vec!["--root", "/storage/emulated/0/Documents"],
            vec![letter],
        ),
        (
            vec!["--root", "/data/local"],
            vec!["root/data/local/tmp/log.txt"],
        ),
        (
            vec!["--all"],
            vec![
                app,
                "internal/DCIM/.thumbnails/t.jpg",
                camera[0],
                camera[1],
                camera[2],
                letter,
                "internal/SomeApp/data.bin",
                picture,
                card,
            ],
        ),
    ] {
        let desk = Desk::new();
        desk.pull(&serving, &options).await.expect(0);
        let files = files_below(&desk.folder().join("data"));
        assert_eq!(files.keys().collect::<Vec<_>>(), wanted, "{options:?}");
    }
}

#[tokio::test]
async fn what_makes_no_sense_is_a_usage_error() {
    let (phone, _) = camera(&[10]);
    let (desk, serving) = (Desk::new(), phone.serve().await.unwrap());
    for options in [
        ["--include", "["],
        ["--root", "DCIM"],
        ["--root", "/a/../b"],
        ["--since", "yesterday"],
    ] {
        let ended = desk.pull(&serving, &options).await;
        assert_eq!(ended.code, 2, "{options:?}");
    }
    let some = [
        "--root",
        "/storage/emulated/0/Nowhere",
        "--root",
        "/storage/emulated/0/DCIM",
    ];
    let ended = desk.pull(&serving, &some).await.expect(3);
    assert_eq!(ended.not_here()["/storage/emulated/0/Nowhere"], "vanished");
}

/// By the path on the phone, below its storage, or in the rescue folder.
#[tokio::test]
async fn pattern_means_the_same_to_pull_export_and_upload() {
    let (mut phone, _) = camera(&[1000, 1000]);
    let (trashed, card) = (
        ".trashed-9999999999-gone.jpg",
        "/storage/1A2B-3C4D/DCIM/card.jpg",
    );
    let trashed = format!("{INTERNAL}/DCIM/Camera/{trashed}");
    phone.tree.add_file(&trashed, text("gone"), 1_700_000_000);
    phone.tree.add_file(card, text("card"), 1_700_000_000);
    let serving = phone.serve().await.unwrap();
    let desk = Desk::new();
    desk.pull(&serving, &[]).await.expect(0);
    std::fs::create_dir(desk.dir.path().join("there")).unwrap();
    let add = ["remote", "add", "there", "folder", "there"];
    desk.run(&add).await.expect(0);
    for (pattern, files) in [
        ("/storage/emulated/0/DCIM/**", 3),
        ("DCIM/**", 4),
        ("dcim/camera/*.jpg", 3),
        ("internal/DCIM/**", 2),
        ("sd-1A2B-3C4D/**", 1),
        ("trash/**", 1),
        ("*/DCIM/**", 3),
        ("**/0.jpg", 1),
        ("**/DCIM/**", 4),
    ] {
        let choice = ["--include", pattern];
        let fresh = ["--dry-run", "-o", "fresh", "--include", pattern];
        let pulled = desk.pull(&serving, &fresh).await.expect(0);
        assert_eq!(pulled.line("dry_run")["items"], files, "pull {pattern}");
        let export = ["--json", "export", "rescued", "--force", "-o", "x.zip"];
        let exported = desk.run(&[&export[..], &choice].concat()).await.expect(0);
        assert_eq!(
            exported.line("exported")["files"],
            files,
            "export {pattern}"
        );
        let upload = ["--json", "upload", "rescued", "--to", "there", "--dry-run"];
        let sent = desk.run(&[&upload[..], &choice].concat()).await.expect(0);
        let sent = sent.line("would_upload_summary");
        assert_eq!(sent["items"], files, "upload {pattern}");
    }
}
