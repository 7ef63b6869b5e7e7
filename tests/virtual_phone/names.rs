//! Names that no disk takes, or that want to be somewhere else.

use bytes::Bytes;
use rescue::adb::RemotePath;
use rescue::virtual_phone::fault::ListingFault;
use rescue::virtual_phone::tree::NodeKind;

use crate::desk::{CAMERA, Desk, camera, files_below, generated, read_all, text};

#[tokio::test]
async fn odd_names_all_arrive_each_under_a_name_of_its_own() {
    let (mut phone, _) = camera(&[]);
    let long = [&[b'n'; 250][..], b".jpg"].concat();
    let names: [&[u8]; 16] = [
        b"\xff\xfe.jpg",
        b"new\nline.jpg",
        b"\x1b[2Jescape.jpg",
        b" leading.jpg",
        b"trailing.jpg.",
        b"trailing.jpg ",
        b"CON.jpg",
        b"a:b.jpg",
        b"a\\b.jpg",
        b"100%.jpg",
        b"'quote\".jpg",
        b"TWIN.jpg",
        b"twin.jpg",
        b"Twin.jpg",
        "\u{202e}gpj.exe.jpg".as_bytes(),
        &long,
    ];
    for (index, name) in names.iter().enumerate() {
        let path = [CAMERA.as_bytes(), b"/", name].concat();
        let words = format!("file {index}");
        let content = rescue::virtual_phone::tree::Content::Bytes(words.into());
        phone
            .tree
            .add_raw(&path, NodeKind::File(content), 1_700_000_000);
    }
    let (desk, serving) = (Desk::new(), phone.serve().await.unwrap());
    desk.pull(&serving, &[]).await.expect(0);
    let files = files_below(&desk.folder().join("data"));
    let mut contents: Vec<_> = files
        .values()
        .map(|path| std::fs::read_to_string(path).unwrap())
        .collect();
    contents.sort();
    let mut wanted: Vec<_> = (0..names.len())
        .map(|index| format!("file {index}"))
        .collect();
    wanted.sort();
    assert_eq!(contents, wanted);
    let folded: std::collections::BTreeSet<_> =
        files.keys().map(|local| local.to_lowercase()).collect();
    assert_eq!(folded.len(), names.len(), "{folded:?}");
    for local in files.keys() {
        assert!(
            !local
                .chars()
                .any(|c| c.is_control() || "\\:*?\"<>|%".contains(c)),
            "{local:?}"
        );
    }
    desk.expect_sound();
    serving.forget_sent();
    desk.pull(&serving, &[]).await.expect(0);
    assert!(serving.sent_bytes().is_empty());
    assert_eq!(files_below(&desk.folder().join("data")), files);
}

#[tokio::test]
async fn names_that_climb_out_are_refused_and_listed() {
    let (mut phone, _) = camera(&[]);
    let photo = text("a photo");
    phone
        .tree
        .add_file(&format!("{CAMERA}/a.jpg"), photo.clone(), 1_700_000_000);
    let folder = RemotePath::new(CAMERA.as_bytes()).unwrap();
    let names = [
        "../../../../../../../../tmp/evil.jpg",
        "a/b.jpg",
        "",
        "/etc/passwd",
        "nul\0.jpg",
    ];
    let mut names: Vec<_> = names
        .iter()
        .map(|name| Bytes::from_static(name.as_bytes()))
        .collect();
    names.push(Bytes::from(vec![b'x'; 1000]));
    phone.faults.listing = Some(ListingFault::Names(folder, names));
    let (desk, serving) = (Desk::new(), phone.serve().await.unwrap());
    let ended = desk.pull(&serving, &[]).await.expect(3);
    assert_eq!(
        ended.line("summary")["not_here"].as_array().unwrap().len(),
        6,
        "{:#?}",
        ended.lines
    );
    let files = files_below(&desk.folder().join("data"));
    assert_eq!(
        files.keys().collect::<Vec<_>>(),
        ["internal/DCIM/Camera/a.jpg"]
    );
    assert_eq!(
        std::fs::read(files.values().next().unwrap()).unwrap(),
        read_all(&photo)
    );
    let outside: Vec<_> = std::fs::read_dir(desk.dir.path())
        .unwrap()
        .map(|e| e.unwrap().file_name())
        .collect();
    assert_eq!(outside.len(), 2, "{outside:?}");
}

#[cfg(unix)]
#[tokio::test]
async fn link_in_the_folder_is_not_followed_out_of_it() {
    let (mut phone, _) = camera(&[1000]);
    let beside = "/storage/1A2B-3C4D/a.jpg";
    phone.tree.add_file(beside, generated(10, 1), 1_700_000_000);
    let (desk, serving) = (Desk::new(), phone.serve().await.unwrap());
    let outside = desk.dir.path().join("outside");
    std::fs::create_dir(&outside).unwrap();
    desk.pull(&serving, &["--include", "a.jpg"]).await.expect(0);
    std::os::unix::fs::symlink(&outside, desk.folder().join("data/internal")).unwrap();
    let ended = desk.pull(&serving, &[]).await;
    assert!(ended.code == 1 || ended.code == 3, "{}", ended.code);
    assert_eq!(std::fs::read_dir(&outside).unwrap().count(), 0);
}
