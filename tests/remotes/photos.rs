//! The stand-in of Google Photos is proven by rclone, which nobody here wrote: rclone takes it for
//! the real one, over TLS and with Google's own host names. The same files sent by us make the same
//! items.

use std::collections::BTreeSet;
use std::fs;
use std::process::Command;
use std::sync::Arc;

use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};

use crate::desk::Desk;
use crate::library::{
    CLIENT_ID, CLIENT_SECRET, Library, REFRESH_TOKEN, everything_is_there_once, jpeg, mp4,
    settle_in,
};

/// A certificate for Google's hosts that only who is told to trusts.
fn certificate(desk: &Desk) -> Arc<rustls::ServerConfig> {
    let hosts = "subjectAltName=DNS:photoslibrary.googleapis.com,DNS:oauth2.googleapis.com";
    let made = Command::new("openssl")
        .current_dir(desk.dir.path())
        .args([
            "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2",
        ])
        .args(["-subj", "/CN=test", "-addext", hosts])
        .args(["-keyout", "key.pem", "-out", "ca.pem"])
        .output()
        .unwrap();
    assert!(made.status.success(), "{made:?}");
    let chain = CertificateDer::pem_file_iter(desk.path("ca.pem")).unwrap();
    let chain = chain.collect::<Result<Vec<_>, _>>().unwrap();
    let key = PrivateKeyDer::from_pem_file(desk.path("key.pem")).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = rustls::ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(chain, key)
        .unwrap();
    Arc::new(config)
}

/// rclone with the stand-in as its proxy, which answers for every host itself. One file at a time:
/// rclone would make items in several calls at once, which Google answers with 429.
fn rclone(desk: &Desk, library: &Library, arguments: &[&str]) -> String {
    let token = format!(
        r#"{{"access_token":"old","token_type":"Bearer","refresh_token":"{REFRESH_TOKEN}","expiry":"2020-01-01T00:00:00Z"}}"#
    );
    let config = format!(
        "[photos]\ntype = google photos\nclient_id = {CLIENT_ID}\nclient_secret = {CLIENT_SECRET}\ntoken = {token}\n"
    );
    fs::write(desk.path("rclone.conf"), config).unwrap();
    let output = Command::new("rclone")
        .args(arguments)
        .args([
            "--config",
            "rclone.conf",
            "--ca-cert",
            "ca.pem",
            "--transfers",
            "1",
            "--retries",
            "1",
            "-v",
        ])
        .env_clear()
        .env("PATH", std::env::var("PATH").unwrap())
        .env("HOME", desk.path("home"))
        .env("HTTPS_PROXY", library.url())
        .current_dir(desk.dir.path())
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "rclone {arguments:?}: {said}");
    String::from_utf8(output.stdout).unwrap()
}

fn items(library: &Library) -> BTreeSet<(String, u64, String)> {
    let items = library.items().into_iter();
    items
        .map(|item| (item.name, item.size, item.sha256.to_string()))
        .collect()
}

#[test]
fn rclone_takes_the_stand_in_for_google_photos_and_makes_the_same_items() {
    let desk = Desk::new();
    let library = Library::start_with(|_| None, Some(certificate(&desk)));
    let mut files: Vec<_> = (0..40)
        .map(|nth| {
            (
                format!("internal/DCIM/Camera/IMG_{nth:04}.jpg"),
                jpeg(nth, 30_000 + nth),
            )
        })
        .collect();
    files.push((
        "internal/DCIM/Camera/a b+c (1) \u{e9}.jpg".to_owned(),
        jpeg(70, 5000),
    ));
    files.push((
        "internal/DCIM/Camera/VID_1.mp4".to_owned(),
        mp4(80, 20_000_000),
    ));
    desk.rescue(&files);
    let camera = "rescued/data/internal/DCIM/Camera";
    rclone(&desk, &library, &["copy", camera, "photos:album/Camera"]);
    everything_is_there_once(&desk, &library);
    let titles: Vec<_> = library.albums().into_values().collect();
    assert_eq!(titles, ["Camera"]);
    let listed = rclone(&desk, &library, &["lsf", "photos:album/Camera"]);
    assert_eq!(listed.lines().count(), files.len(), "{listed}");

    // Ours, to a library of its own.
    let own = Library::start(|_| None);
    settle_in(&desk, &own, true);
    desk.upload("photos", &["--album-per-folder"]).expect(0);
    everything_is_there_once(&desk, &own);
    assert_eq!(items(&own), items(&library));
    assert_eq!(own.albums().into_values().collect::<Vec<_>>(), titles);
    assert!(own.items().iter().all(|item| item.albums.len() == 1));
    // A batch for fifty where rclone needs a call for each.
    assert!(own.totals().0 * 3 < library.totals().0 * 2);
}
