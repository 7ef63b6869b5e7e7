//! A phone of Android 4: its only shell is a terminal, which writes a carriage return before each
//! newline, and its toolbox hashes by MD5 where it hashes at all.

use rescue::virtual_phone::VirtualPhone;
use rescue::virtual_phone::fault::Fault;
use rescue::virtual_phone::tree::Content;

use crate::desk::{CAMERA, Desk, camera, refs};

fn phone(sizes: &[u64]) -> (VirtualPhone, Vec<(String, Content, i64)>) {
    let (phone, expected) = camera(sizes);
    (phone.of_android_4(), expected)
}

#[tokio::test]
async fn phone_of_android_4_gives_everything_and_says_who_it_is() {
    let (mut phone, mut expected) = phone(&[10, 100_000, 3_000_000]);
    // A newline in a name is a newline in the terminal's output too.
    let content = Content::Bytes("x\r\n\r\r\n".into());
    phone
        .tree
        .add_file(&format!("{CAMERA}/a\nb.jpg"), content, 1_700_000_009);
    let (desk, serving) = (Desk::new(), phone.serve().await.unwrap());
    let ended = desk.pull(&serving, &[]).await.expect(0);
    assert_eq!(ended.line("connected")["serial"], "TEST0001");
    let summary = ended.line("summary");
    assert_eq!(summary["verified"]["files"], 4, "{summary}");
    let found = crate::desk::files_below(&desk.folder().join("data"));
    assert_eq!(found.len(), 4);
    expected.truncate(3);
    for (local, content, _) in refs(&expected) {
        let bytes = std::fs::read(&found[local]).unwrap();
        assert!(bytes == crate::desk::read_all(&content), "{local}");
    }
    desk.expect_sound();
}

#[tokio::test]
async fn hash_of_a_busybox_is_used_where_there_is_one_and_none_is_no_failure() {
    for (programs, proof) in [
        (&["busybox"][..], "sha256"),
        (&["md5"], "md5"),
        (&[], "size"),
    ] {
        let (mut phone, expected) = phone(&[10, 100_000]);
        phone.further_programs = programs.iter().map(ToString::to_string).collect();
        if programs == ["busybox"] {
            phone.missing_programs.clear();
            phone.missing_programs.extend(["sha256sum".to_owned()]);
        }
        let (desk, serving) = (Desk::new(), phone.serve().await.unwrap());
        let ended = desk.pull(&serving, &[]).await.expect(0);
        let mut proofs = ended.lines.iter().filter(|line| line["type"] == "verified");
        assert!(
            proofs.all(|line| line["proof"] == proof),
            "{proof}: {:#?}",
            ended.lines
        );
        let by_size = if proof == "size" { 2 } else { 0 };
        assert_eq!(ended.line("summary")["verified_by_size"]["files"], by_size);
        desk.expect_files(&refs(&expected));
    }
}

#[tokio::test]
async fn large_file_goes_on_where_it_was_through_the_terminal() {
    let size = 24_000_000;
    let (phone, expected) = phone(&[size]);
    let path = format!("{CAMERA}/0.jpg");
    phone.faults.add(Some(&path), Fault::Cut(20_000_000), 1);
    let (desk, serving) = (Desk::new(), phone.serve().await.unwrap());
    desk.pull(&serving, &["--wait", "20"]).await.expect(0);
    desk.expect_files(&refs(&expected));
    let sent: u64 = serving.sent_bytes().into_values().sum();
    assert!(sent < size + size / 2, "{sent} bytes for {size}");
}
