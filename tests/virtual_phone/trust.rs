//! Keys and the prompt on the phone.

use std::time::Duration;

use rescue::adb::auth::PublicKey;
use rescue::virtual_phone::Trust;

use crate::desk::{Desk, camera, end, refs, until};

const KEY: &[u8] = include_bytes!("../../fixtures/adbkey.pub");

#[tokio::test]
async fn phone_that_never_allows_ends_the_wait_with_its_own_code() {
    let (mut phone, _) = camera(&[10]);
    phone.trust = Trust::Known {
        keys: Vec::new(),
        approves_after: None,
    };
    let (desk, serving) = (Desk::new(), phone.serve().await.unwrap());
    let ended = desk.pull(&serving, &["--wait", "1"]).await.expect(11);
    assert_eq!(ended.line("waiting")["what"], "approval");
    assert!(
        ended.line("error")["hint"]
            .as_str()
            .unwrap()
            .contains("Allow")
    );
}

#[tokio::test]
async fn phone_that_allows_after_a_while_is_pulled() {
    let (mut phone, expected) = camera(&[10]);
    phone.trust = Trust::Known {
        keys: Vec::new(),
        approves_after: Some(Duration::from_millis(700)),
    };
    let (desk, serving) = (Desk::new(), phone.serve().await.unwrap());
    desk.pull(&serving, &[]).await.expect(0);
    desk.expect_files(&refs(&expected));
}

#[tokio::test]
async fn time_until_somebody_taps_is_not_that_of_the_pull() {
    let (mut phone, _) = camera(&[10]);
    let tapping = Duration::from_millis(1500);
    phone.trust = Trust::Known {
        keys: Vec::new(),
        approves_after: Some(tapping),
    };
    let (desk, serving) = (Desk::new(), phone.serve().await.unwrap());
    let begin = std::time::Instant::now();
    let ended = desk.pull(&serving, &[]).await.expect(0);
    let all = begin.elapsed();
    let pulling = ended.line("summary")["seconds"].as_f64().unwrap();
    // However long each takes: the one is no part of the other.
    assert!(tapping.as_secs_f64() + pulling <= all.as_secs_f64());
}

/// Some tap after a question: the phone remembers the key, and tells the connection that waits nothing.
#[tokio::test]
async fn tap_that_answers_the_question_of_a_connection_that_is_gone_is_enough() {
    let (mut phone, expected) = camera(&[10]);
    phone.trust = Trust::Known {
        keys: Vec::new(),
        approves_after: None,
    };
    let (desk, serving) = (Desk::new(), phone.serve().await.unwrap());
    let waiting = desk.start_pull(&serving, &["--wait", "60"]);
    until("the question", || serving.questions() == 1).await;
    serving.remember(PublicKey::from_line(KEY).unwrap());
    end(waiting).await.expect(0);
    desk.expect_files(&refs(&expected));
    assert_eq!(serving.questions(), 1);
}

#[tokio::test]
async fn waiting_asks_the_phone_once_however_often_it_looks() {
    let (mut phone, _) = camera(&[10]);
    phone.trust = Trust::Known {
        keys: Vec::new(),
        approves_after: None,
    };
    let (desk, serving) = (Desk::new(), phone.serve().await.unwrap());
    let waiting = desk.start_pull(&serving, &["--wait", "8"]);
    until("a look", || serving.connections() >= 3).await;
    end(waiting).await.expect(11);
    assert_eq!(serving.questions(), 1);
}

#[tokio::test]
async fn command_that_only_looks_puts_no_question_on_the_phone() {
    let (mut phone, _) = camera(&[10]);
    phone.trust = Trust::Known {
        keys: Vec::new(),
        approves_after: None,
    };
    let (desk, serving) = (Desk::new(), phone.serve().await.unwrap());
    let address = serving.address().to_string();
    for looks in [
        &["doctor", "--tcp", &address][..],
        &["unlock", "--over", "adb", "--tcp", &address],
        &["--json", "doctor", "--tcp", &address],
    ] {
        desk.run(looks).await.expect(11);
    }
    assert!(serving.connections() >= 3);
    assert_eq!(serving.questions(), 0);
}

#[tokio::test]
async fn known_key_needs_no_tap_whichever_it_is() {
    let known = PublicKey::from_line(KEY).unwrap();
    let (mut phone, expected) = camera(&[10]);
    phone.trust = Trust::Known {
        keys: vec![known],
        approves_after: None,
    };
    let serving = phone.serve().await.unwrap();
    let desk = Desk::new();
    let ended = desk.pull(&serving, &[]).await.expect(0);
    assert!(ended.lines.iter().all(|line| line["type"] != "waiting"));
    desk.expect_files(&refs(&expected));
    // The home's own key is unknown now, the vendor's is not.
    let other = Desk::new();
    let vendor = other.dir.path().join("vendor.adb_key");
    std::fs::rename(other.dir.path().join("home/.android/adbkey"), &vendor).unwrap();
    let key = vendor.to_str().unwrap();
    other.pull(&serving, &["--key", key]).await.expect(0);
}

#[tokio::test]
async fn attempt_at_the_lock_counts_only_where_something_was_typed() {
    let (mut phone, _) = camera(&[10]);
    phone.missing_programs = vec!["input".to_owned()];
    let (desk, serving) = (Desk::new(), phone.serve().await.unwrap());
    std::fs::write(desk.dir.path().join("pin"), "4711").unwrap();
    let address = serving.address().to_string();
    let unlock = [
        "--json",
        "unlock",
        "--over",
        "adb",
        "--tcp",
        &address,
        "--pin-file",
        "pin",
    ];
    for _ in 0..2 {
        let ended = desk.run(&unlock).await.expect(1);
        let told = "the phone does not accept keys through USB debugging";
        assert_eq!(ended.message(), told);
    }
}
