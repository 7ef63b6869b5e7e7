//! The report and the album in an archive.

use super::*;

#[test]
fn report_and_album_tell_of_everything() {
    let (room, mut folder) = fresh();
    let thumb = crate::media::look::tests::jpeg(16, 12);
    let photo = crate::media::look::tests::with_exif(
        &crate::media::look::tests::jpeg(640, 480),
        "2024:08:18 09:30:01",
        6,
        &thumb,
    );
    rescue(
        &mut folder,
        &[
            ("internal/DCIM/a.jpg", &photo),
            ("internal/DCIM/b.heic", b"no picture"),
            (
                "internal/DCIM/</script><b>.mp4"
                    .replace(['<', '>', '/'], "_")
                    .as_str(),
                b"no video",
            ),
        ],
    );
    pull(
        &mut folder,
        &[("internal/unconfirmed '&\u{1F3D6}.jpg", b"?")],
    );
    let place = place(&room, "x.zip");
    let outcome = export(&folder, &place, &Wish::default()).unwrap();
    let held = unpacked(place.path());
    let text = |name: &str| String::from_utf8(held[&format!("x/{name}")].clone()).unwrap();

    let report: serde_json::Value = serde_json::from_str(&text("report.json")).unwrap();
    assert_eq!(report["phone"]["serial"], "0123456789ABCDEF");
    assert_eq!(report["files"], 3);
    assert_eq!(report["here"].as_array().unwrap().len(), 3);
    let a = &report["here"][0];
    assert_eq!(a["path"], "internal/DCIM/a.jpg");
    assert_eq!(a["phone_path"], "/storage/internal/DCIM/a.jpg");
    assert_eq!(a["sha256"], Sha256::of(&photo).to_string());
    assert_eq!(a["taken"]["at"], "2024-08-18T09:30:01");
    assert_eq!(a["state"]["verified"], "sha256");
    assert_eq!(report["not_here"][0]["why"], "not_verified");
    let manifest = Sha256::of(&held["x/manifest-sha256.txt"]).to_string();
    assert_eq!(report["manifest_sha256"], manifest);
    let page = text("report.html");
    assert!(
        page.contains(&manifest) && page.contains("Pixel 7"),
        "{page}"
    );
    assert!(
        page.contains("unconfirmed &#39;&amp;\u{1F3D6}.jpg"),
        "{page}"
    );
    assert_eq!(outcome.left_out.len(), 1);

    let list = text("album/list-0.js");
    let (head, lines) = list
        .strip_prefix("albumList(")
        .and_then(|list| list.split_once(",[\n"))
        .unwrap();
    let head: serde_json::Value = serde_json::from_str(head).unwrap();
    assert_eq!(head["missingCount"], 1);
    assert_eq!(head["phone"], "Google Pixel 7");
    assert_eq!(head["report"], true);
    assert_eq!(head["folders"][0], "internal/DCIM/");
    let first = lines.lines().next().unwrap().trim_end_matches(',');
    let first: serde_json::Value = serde_json::from_str(first).unwrap();
    let sum = Sha256::of(&photo).to_string();
    let expected = serde_json::json!([
        0,
        "a.jpg",
        photo.len(),
        "20240818093001",
        0,
        6,
        0,
        0,
        0,
        sum
    ]);
    assert_eq!(first, expected);
    let part = text("album/p0.js");
    let part = part.strip_prefix("albumPart(0,").unwrap();
    let entries: serde_json::Value =
        serde_json::from_str(part.strip_suffix(");\n").unwrap()).unwrap();
    use base64::Engine as _;
    let decoded = base64::engine::general_purpose::STANDARD
        .decode(entries[0][0].as_str().unwrap())
        .unwrap();
    assert_eq!((decoded, entries.as_array().unwrap().len()), (thumb, 1));
    assert!(text("index.html").contains("<script src=\"album/list-0.js\">"));
}

#[test]
fn report_of_a_choice_counts_what_was_not_chosen() {
    let (room, mut folder) = fresh();
    rescue(
        &mut folder,
        &[("internal/DCIM/a.jpg", b"a"), ("internal/DCIM/b.jpg", b"b")],
    );
    pull(&mut folder, &[("internal/DCIM/c.jpg", b"c")]);
    let place = place(&room, "x.zip");
    let wish = Wish::default();
    let wish = wish.with_globs(&["**/a.jpg".to_owned()], &[]).unwrap();
    export(&folder, &place, &wish).unwrap();
    let held = unpacked(place.path());
    let text = |name: &str| String::from_utf8(held[&format!("x/{name}")].clone()).unwrap();
    let report: serde_json::Value = serde_json::from_str(&text("report.json")).unwrap();
    assert_eq!(report["not_chosen"], 2);
    let page = text("report.html");
    assert!(
        page.contains("2 files were not chosen: this archive holds only a choice"),
        "{page}"
    );
}
