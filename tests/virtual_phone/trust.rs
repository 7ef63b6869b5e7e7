//! Keys and the prompt on the phone.

use std::time::Duration;

use rescue::adb::auth::PublicKey;
use rescue::virtual_phone::Trust;

use crate::desk::{Desk, camera, refs};

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
async fn known_key_needs_no_tap_whichever_it_is() {
    let known = PublicKey::from_line(include_bytes!("../../fixtures/adbkey.pub")).unwrap();
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
