//! Whose phone it is: what a shop says once stands in the folder, its report and its archives.

use std::fs;
use std::io::Read as _;
use std::path::Path;

use rescue::virtual_phone::Serving;

use crate::desk::{Desk, camera};

/// What a page, a line or a file must not have of a label: markup, and what steers.
const HOSTILE: [&str; 4] = ["<img", "<script", "\u{1b}", "\u{202e}"];

async fn served() -> Serving {
    camera(&[100, 200]).0.serve().await.unwrap()
}

fn text(path: &Path) -> String {
    fs::read_to_string(path).unwrap()
}

/// What `bag-info.txt` says behind the lines that each bag has.
fn bag_info(desk: &Desk) -> Vec<String> {
    let info = text(&desk.folder().join("bag-info.txt"));
    info.lines().skip(5).map(str::to_owned).collect()
}

#[tokio::test]
async fn label_stays_until_another_pull_says_otherwise() {
    let (desk, serving) = (Desk::new(), served().await);
    let label = ["--customer", "Ada Lovelace", "--note", "job 7\nfront glass"];
    desk.pull(&serving, &label).await.expect(0);
    let report = || text(&desk.folder().join("report.html"));
    let expected = [
        "Contact-Name: Ada Lovelace",
        "Internal-Sender-Description: job 7 front glass",
    ];
    for more in [&[][..], &["--no-verify"]] {
        assert_eq!(bag_info(&desk), expected);
        assert!(report().contains(">Ada Lovelace</td>"));
        assert!(report().contains(">job 7<br>front glass</td>"));
        let status = desk.run(&["--json", "status", "rescued"]).await.expect(0);
        let job = &status.line("status")["job"];
        assert_eq!(job["customer"], "Ada Lovelace");
        assert_eq!(job["note"], "job 7\nfront glass");
        // Said once.
        desk.pull(&serving, more).await.expect(0);
    }
    let shown = desk.run(&["status", "rescued"]).await.expect(0).all;
    for line in ["Customer: Ada Lovelace", "Note: job 7", "Note: front glass"] {
        assert!(shown.lines().any(|it| it == line), "{shown}");
    }

    // The rest is as it was, and shows the change all the same.
    desk.pull(&serving, &["--note", ""]).await.expect(0);
    assert_eq!(bag_info(&desk), expected[..1]);
    assert!(report().contains("Ada Lovelace") && !report().contains("front glass"));
    let other = ["--customer", "Grace"];
    desk.pull(&serving, &other).await.expect(0);
    assert_eq!(bag_info(&desk), ["Contact-Name: Grace"]);
    desk.pull(&serving, &["--customer", "  "]).await.expect(0);
    assert_eq!(bag_info(&desk), [""; 0]);
    assert!(!report().contains("Grace") && !report().contains("Customer"));
    desk.run(&["verify", "rescued"]).await.expect(0);
    desk.expect_sound();
}

#[tokio::test]
async fn hostile_label_is_text_everywhere_and_the_bag_is_valid() {
    let (desk, serving) = (Desk::new(), served().await);
    let customer = "<img src=x onerror=alert(1)>\r\nPayload-Oxum: 9.9\u{202e}\u{1b}[2J";
    let note = "a\u{1b}[2J\nEverything is proven\r\n</td><script>alert(1)</script>\u{2028}\u{85}z";
    let label = ["--customer", customer, "--note", note];
    desk.pull(&serving, &label).await.expect(0);
    let info = text(&desk.folder().join("bag-info.txt"));
    assert_eq!(info.lines().count(), 7, "{info}");
    assert_eq!(info.matches("\nPayload-Oxum: ").count(), 1, "{info}");
    let status = desk.run(&["status", "rescued"]).await.expect(0).all;
    assert!(!status.lines().any(|line| line == "Everything is proven"));
    desk.run(&["export", "rescued", "-o", "handed.zip"])
        .await
        .expect(0);
    let mut zip = zip::ZipArchive::new(fs::File::open(desk.path("handed.zip")).unwrap()).unwrap();
    let mut packed = |name: &str| {
        let mut text = String::new();
        let mut file = zip.by_name(&format!("handed/{name}")).unwrap();
        file.read_to_string(&mut text).unwrap();
        text
    };
    let (report, json, packed_info) = (
        packed("report.html"),
        packed("report.json"),
        packed("bag-info.txt"),
    );
    let lines = |info: &str| {
        let lines = info.lines().map(str::to_owned);
        lines
            .filter(|it| !it.starts_with("Bagging"))
            .collect::<Vec<_>>()
    };
    assert_eq!(lines(&packed_info), lines(&info));
    let json: serde_json::Value = serde_json::from_str(&json).unwrap();
    assert_eq!(
        json["job"]["customer"],
        "<img src=x onerror=alert(1)> Payload-Oxum: 9.9  [2J"
    );
    let folders = text(&desk.folder().join("report.html"));
    for page in [&report, &folders] {
        assert!(
            page.contains("&lt;img src=x onerror=alert(1)&gt;"),
            "{page}"
        );
        assert!(page.contains("<br>Everything is proven<br>&lt;/td&gt;&lt;script&gt;"));
        assert!(HOSTILE.iter().all(|it| !page.contains(it)), "{page}");
    }
    for text in [&info, &status] {
        assert!(!text.contains('\u{1b}') && !text.contains('\u{202e}'));
    }
    desk.run(&["verify", "rescued"]).await.expect(0);
    desk.expect_sound();
}

#[tokio::test]
async fn label_is_refused_where_it_would_be_cut_or_is_not_of_one_phone() {
    let (desk, serving) = (Desk::new(), served().await);
    let long = "x".repeat(201);
    for (label, why) in [
        (&["--customer", &long][..], "201 characters"),
        (&["--customer", "Ada", "--all-phones"], "--all-phones"),
        (&["--note", "x", "--dry-run"], "--dry-run"),
    ] {
        let ended = desk.pull(&serving, label).await.expect(2);
        assert!(ended.all.contains(why), "{}", ended.all);
    }
    assert!(!desk.folder().exists());
    // A pull that finds nothing leaves the folder as it was.
    desk.pull(&serving, &["--customer", "Ada"]).await.expect(0);
    let nothing = ["--include", "**/nothing", "--customer", "Grace"];
    desk.pull(&serving, &nothing).await.expect(1);
    let status = desk.run(&["--json", "status", "rescued"]).await.expect(0);
    assert_eq!(status.line("status")["job"]["customer"], "Ada");
}
