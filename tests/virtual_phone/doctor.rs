//! What `rescue doctor` tells of a phone that answers, and of an adb server, word for word: the
//! texts are in `tests/virtual_phone/doctor/`. `UPDATE_EXPECT=1 cargo test --test virtual_phone doctor`
//! takes what is told now for what should be told. States of the cable itself are shown by
//! `tests/usb`.

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpListener};
use std::path::Path;

use bytes::Bytes;
use expect_test::expect_file;
use rescue::virtual_phone::fault::Hello;
use rescue::virtual_phone::tree::Tree;
use rescue::virtual_phone::{Serving, Trust, VirtualPhone};

use crate::desk::Desk;

/// Runs the doctor and compares what a person reads with the text of this name.
#[track_caller]
fn assert_reads(name: &str, desk: &Desk, arguments: &[&str], replace: &[(String, &str)]) {
    let mut command = desk.command(&["doctor", "--idle-timeout", "2", "--wait", "1"]);
    command.args(arguments);
    // No server of this computer's is asked.
    command.env("ANDROID_ADB_SERVER_PORT", "1");
    if let Some((address, _)) = replace.iter().find(|(_, word)| *word == "SERVER") {
        command.env("ADB_SERVER_SOCKET", format!("tcp:{address}"));
    }
    let output = command.output().unwrap();
    let mut text = String::from_utf8([output.stdout, output.stderr].concat()).unwrap();
    for (from, to) in replace {
        text = text.replace(from, to);
    }
    text = text.replace(desk.dir.path().to_str().unwrap(), "DESK");
    text.push_str(&format!("exit code {}\n", output.status.code().unwrap()));
    expect_file![format!("doctor/{name}.txt")].assert_eq(&text);
}

async fn assert_phone_reads(name: &'static str, phone: VirtualPhone) {
    let serving: Serving = phone.serve().await.unwrap();
    let address = serving.address().to_string();
    let reading = tokio::task::spawn_blocking(move || {
        let replace = [(address.clone(), "ADDRESS")];
        assert_reads(name, &Desk::new(), &["--tcp", &address], &replace);
    });
    reading.await.unwrap();
    drop(serving);
}

fn phone() -> VirtualPhone {
    VirtualPhone::new("DOCTOR01")
}

fn prints(command: &str, text: &str) -> VirtualPhone {
    let mut phone = phone();
    phone.prints.push((command.to_owned(), text.to_owned()));
    phone
}

async fn assert_key_reads(name: &'static str, spoil: impl FnOnce(&Path) + Send + 'static) {
    // Of a phone that asks for a key: others do without.
    let mut phone = phone();
    phone.trust = Trust::Known {
        keys: Vec::new(),
        approves_after: None,
    };
    let serving: Serving = phone.serve().await.unwrap();
    let address = serving.address().to_string();
    let reading = tokio::task::spawn_blocking(move || {
        let desk = Desk::new();
        spoil(&desk.dir.path().join("home/.android/adbkey"));
        let replace = [(address.clone(), "ADDRESS")];
        assert_reads(name, &desk, &["--tcp", &address], &replace);
    });
    reading.await.unwrap();
    drop(serving);
}

#[tokio::test]
async fn key_file_that_cannot_be_read_is_named() {
    // Root may read what it likes, but no folder.
    assert_key_reads("key_unreadable", |key| {
        std::fs::remove_file(key).unwrap();
        std::fs::create_dir(key).unwrap();
    })
    .await;
}

#[tokio::test]
async fn key_file_without_a_key_is_named() {
    for (name, content) in [
        ("key_damaged", &b"-----BEGIN PRIVATE KEY-----\nMIIE\n"[..]),
        ("key_of_bytes", &[0xff; 2000]),
    ] {
        assert_key_reads(name, move |key| std::fs::write(key, content).unwrap()).await;
    }
}

#[tokio::test]
async fn phone_that_can_be_read_is_ready() {
    assert_phone_reads("ready", phone()).await;
}

#[tokio::test]
async fn locked_phone_that_can_be_read_is_not_to_be_restarted() {
    let trust = "Trust manager state:\n User \"Ada\" (id=0, flags=0x4c13) (current): trusted=0, trustManaged=0, deviceLocked=1, strongAuthRequired=0x0\n";
    assert_phone_reads("screen_locked", prints("dumpsys trust", trust)).await;
}

#[tokio::test]
async fn card_that_the_phone_cannot_read_is_named() {
    let volumes = "public:179,1 unmountable 1A2B-3C4D\n";
    assert_phone_reads("card_unreadable", prints("sm list-volumes public", volumes)).await;
}

#[tokio::test]
async fn low_battery_is_told() {
    let battery = "Current Battery Service state:\n  USB powered: true\n  level: 7\n  scale: 100\n";
    assert_phone_reads("low_battery", prints("dumpsys battery", battery)).await;
}

#[tokio::test]
async fn phone_that_was_not_unlocked_since_it_started_says_so() {
    let mut phone = phone();
    phone.set_property("sys.user.0.ce_available", "");
    phone.tree = Tree::default();
    assert_phone_reads("locked_since_boot", phone).await;
}

#[tokio::test]
async fn phone_without_storage_says_so() {
    let mut phone = phone();
    phone.tree = Tree::default();
    assert_phone_reads("storage_missing", phone).await;
}

#[tokio::test]
async fn phone_that_does_not_know_the_key_names_it() {
    let mut phone = phone();
    phone.trust = Trust::Known {
        keys: Vec::new(),
        approves_after: None,
    };
    assert_phone_reads("unauthorized", phone).await;
}

#[tokio::test]
async fn phone_that_knew_the_key_before_says_when() {
    let mut phone = phone();
    phone.trust = Trust::Known {
        keys: Vec::new(),
        approves_after: None,
    };
    let serving = phone.serve().await.unwrap();
    let address = serving.address().to_string();
    let reading = tokio::task::spawn_blocking(move || {
        let desk = Desk::new();
        let state = desk.dir.path().join("home/.local/state/rescue");
        std::fs::create_dir_all(&state).unwrap();
        std::fs::write(state.join("allowed"), format!("1700000000 {address}\n")).unwrap();
        let replace = [(address.clone(), "ADDRESS")];
        assert_reads("key_expired", &desk, &["--tcp", &address], &replace);
    });
    reading.await.unwrap();
}

#[tokio::test]
async fn phone_that_says_nothing_is_hung() {
    let phone = phone();
    phone.faults.set_hello(Hello::Silence, u32::MAX);
    assert_phone_reads("hung", phone).await;
}

#[tokio::test]
async fn phone_in_another_mode_is_named() {
    for (state, name) in [
        ("recovery", "recovery"),
        ("sideload", "sideload"),
        ("bootloader", "bootloader"),
        ("hibernating", "unknown_state"),
    ] {
        let mut phone = phone();
        phone.state = state.to_owned();
        assert_phone_reads(name, phone).await;
    }
}

#[tokio::test]
async fn what_is_no_phone_is_told() {
    let phone = phone();
    let hello = Hello::Nonsense(Bytes::from_static(b"HTTP/1.1 400 Bad Request\r\n\r\n"));
    phone.faults.set_hello(hello, u32::MAX);
    assert_phone_reads("no_phone", phone).await;
}

/// A server that answers every question with these bytes.
fn server_that_says(answer: Vec<u8>) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    std::thread::spawn(move || {
        for socket in listener.incoming() {
            let Ok(mut socket) = socket else { continue };
            let _ = socket.read(&mut [0; 1000]);
            let _ = socket.write_all(&answer);
        }
    });
    address
}

#[test]
fn server_that_is_none_is_told() {
    let server = server_that_says(b"SSH-2.0-OpenSSH_9.2\r\n".to_vec()).to_string();
    assert_reads("server_trouble", &Desk::new(), &[], &[(server, "SERVER")]);
}

#[test]
fn each_state_that_a_server_reports_has_its_words() {
    for (word, name) in [
        ("offline", "offline"),
        ("connecting", "authorizing"),
        ("authorizing", "authorizing"),
        ("detached", "detached"),
        ("bootloader", "server_bootloader"),
        ("rescue", "server_sideload"),
        ("sideload", "server_sideload"),
        ("recovery", "server_recovery"),
        ("unauthorized", "server_unauthorized"),
        ("molten", "server_unknown_state"),
        (
            "no permissions (missing udev rules? user is in the plugdev group); see [http://developer.android.com/tools/device.html]",
            "server_no_permission",
        ),
    ] {
        let list = format!(
            "SERVERPHONE            {word} usb:1-1 product:lynx model:Pixel_7a device:lynx transport_id:1\n"
        );
        let answer = format!("OKAY{:04x}{list}", list.len()).into_bytes();
        let server = server_that_says(answer).to_string();
        assert_reads(name, &Desk::new(), &[], &[(server, "SERVER")]);
    }
}

/// What the doctor says of an address, with what the system says of it cut out.
#[track_caller]
fn assert_address_reads(name: &str, address: &str, systems_words: &str) {
    let mut replace = vec![(address.to_owned(), "ADDRESS")];
    if !systems_words.is_empty() {
        replace.push((systems_words.to_owned(), "SYSTEM'S WORDS"));
    }
    assert_reads(name, &Desk::new(), &["--tcp", address], &replace);
}

#[test]
fn address_that_is_none_is_named() {
    assert_reads(
        "bad_address",
        &Desk::new(),
        &["--tcp", "http://phone:5555"],
        &[],
    );
    assert_reads("bad_port", &Desk::new(), &["--tcp", "phone:99999"], &[]);
}

#[test]
fn host_that_nobody_knows_is_told_from_one_that_does_not_listen() {
    use std::net::ToSocketAddrs as _;
    // No name server is asked for a name with an empty part.
    let unknown = ("nonsense..invalid", 5555).to_socket_addrs().unwrap_err();
    assert_address_reads("unknown_host", "nonsense..invalid", &unknown.to_string());
    // The port is taken at another address of this computer, so that nobody listens there by chance.
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port();
    assert_address_reads("nothing_listens", &format!("127.0.0.2:{port}"), "");
}

#[tokio::test]
async fn phone_that_wants_encryption_is_told_from_what_is_no_phone() {
    let phone = phone();
    let mut stls = b"STLS\0\0\0\x01".to_vec();
    stls.extend_from_slice(&[0; 12]);
    stls.extend(b"STLS".map(|byte| !byte));
    phone
        .faults
        .set_hello(Hello::Nonsense(stls.into()), u32::MAX);
    assert_phone_reads("wireless", phone).await;
}
