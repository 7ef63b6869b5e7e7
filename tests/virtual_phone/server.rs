//! adb servers that answer oddly: a phone that leaves between two questions, twins, nonsense.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::time::{Duration, Instant};

use crate::desk::{Desk, Ended, end};

/// Answers each request by what `answer` makes of it and of how many came before; the bytes go out
/// as they are.
fn serve(mut answer: impl FnMut(&str, u32) -> Vec<u8> + Send + 'static) -> u16 {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let port = listener.local_addr().unwrap().port();
    std::thread::spawn(move || {
        for (count, socket) in listener.incoming().enumerate() {
            let Ok(mut socket) = socket else { return };
            if let Some(request) = read_request(&mut socket) {
                let _ = socket.write_all(&answer(&request, count as u32));
            }
        }
    });
    port
}

fn read_request(socket: &mut TcpStream) -> Option<String> {
    let mut length = [0; 4];
    socket.read_exact(&mut length).ok()?;
    let length = usize::from_str_radix(std::str::from_utf8(&length).ok()?, 16).ok()?;
    let mut request = vec![0; length];
    socket.read_exact(&mut request).ok()?;
    String::from_utf8(request).ok()
}

fn okay(text: &str) -> Vec<u8> {
    format!("OKAY{:04x}{text}", text.len()).into_bytes()
}

fn fail(text: &str) -> Vec<u8> {
    format!("FAIL{:04x}{text}", text.len()).into_bytes()
}

async fn pull(port: u16, more: &[&str]) -> Ended {
    let desk = Desk::new();
    let arguments = [&["--json", "pull", "--wait", "2"], more].concat();
    let mut command = desk.command(&arguments);
    command.env("ANDROID_ADB_SERVER_PORT", port.to_string());
    end(command.spawn().unwrap()).await
}

#[tokio::test]
async fn phone_that_leaves_before_it_said_who_it_is_is_waited_for() {
    let port = serve(|request, count| match request {
        "host:devices-l" if count == 0 => okay("LEAVING1 device usb:1-1 model:X transport_id:1\n"),
        "host:devices-l" => okay(""),
        _ => fail("device 'LEAVING1' not found"),
    });
    let began = Instant::now();
    let ended = pull(port, &["-s", "LEAVING1"]).await.expect(10);
    assert_eq!(ended.line("waiting")["what"], "phone");
    assert!(began.elapsed() > Duration::from_secs(1));
}

#[tokio::test]
async fn phone_that_was_never_there_is_waited_for_where_a_time_is_given() {
    let port = serve(|_, _| okay(""));
    let ended = pull(port, &["-s", "NOWHERE1"]).await.expect(10);
    assert_eq!(ended.line("waiting")["what"], "phone");
    let desk = Desk::new();
    let mut command = desk.command(&["--json", "pull", "-s", "NOWHERE1"]);
    command.env("ANDROID_ADB_SERVER_PORT", port.to_string());
    let ended = end(command.spawn().unwrap()).await.expect(10);
    assert!(!ended.lines.iter().any(|line| line["type"] == "waiting"));
}

#[tokio::test]
async fn twins_are_not_told_apart_by_guessing() {
    let twins = "TWIN1 device usb:1-1 transport_id:1\nTWIN1 device usb:1-2 transport_id:2\n";
    let port = serve(move |_, _| okay(twins));
    let ended = pull(port, &["-s", "TWIN1"]).await.expect(2);
    assert!(
        ended.message().contains("more than one"),
        "{}",
        ended.message()
    );
}

#[tokio::test]
async fn phone_that_nobody_allows_is_named_as_such() {
    let port = serve(|_, _| okay("SHY1 unauthorized usb:1-1 transport_id:1\n"));
    let ended = pull(port, &["-s", "SHY1"]).await.expect(11);
    assert_eq!(ended.line("waiting")["what"], "approval");
}

#[tokio::test]
async fn what_is_no_adb_server_is_named_as_such() {
    for nonsense in [
        &b"HTTP/1.1 400 Bad Request\r\n\r\n"[..],
        b"OKAYzzzz",
        b"\xff\xff\xff\xff\xff\xff\xff\xff",
        b"FAILffff",
        b"OKAY0005ab",
        b"",
    ] {
        let port = serve(move |_, _| nonsense.to_vec());
        let ended = pull(port, &["-s", "X"]).await;
        assert!(
            [1, 10].contains(&ended.code),
            "{nonsense:?}: {:#?}",
            ended.lines
        );
        assert!(ended.lines.last().unwrap()["hint"].is_string());
    }
}

#[tokio::test]
async fn words_of_a_server_cannot_steer_a_terminal() {
    let list = "\x1b[2J\x1b]0;evil\x07 device usb:1-1 model:\x1b[31m transport_id:1\n";
    let port = serve(move |_, _| okay(list));
    let desk = Desk::new();
    for arguments in [&["devices"][..], &["-v", "pull", "-s", "X"]] {
        let mut command = desk.command(arguments);
        command.env("ANDROID_ADB_SERVER_PORT", port.to_string());
        let output = command.output().unwrap();
        for text in [output.stdout, output.stderr] {
            assert!(!text.contains(&0x1b), "{}", String::from_utf8_lossy(&text));
        }
    }
}

#[tokio::test]
async fn watching_ends_when_nobody_reads_it_any_more() {
    let port = serve(|_, _| okay("READY1 device usb:1-1 model:X transport_id:1\n"));
    let desk = Desk::new();
    let mut command = desk.command(&["--json", "devices", "--watch"]);
    command.env("ANDROID_ADB_SERVER_PORT", port.to_string());
    let mut child = command.spawn().unwrap();
    let out = child.stdout.take().unwrap();
    let mut first = String::new();
    BufReader::new(out).read_line(&mut first).unwrap();
    assert!(first.contains("READY1"), "{first}");
    let ended = end(child).await.expect(0);
    assert_eq!(ended.stderr, "");
}

/// What `rescue connect` says, with a server that answers its request by `answer` of how many came before.
async fn connect(
    more: &[&str],
    mut answer: impl FnMut(&str, u32) -> Vec<u8> + Send + 'static,
) -> (Ended, u32) {
    let asked = std::sync::Arc::new(std::sync::atomic::AtomicU32::new(0));
    let count = std::sync::Arc::clone(&asked);
    let port = serve(move |request, _| match request {
        "host:devices-l" => okay(""),
        request => answer(
            request,
            count.fetch_add(1, std::sync::atomic::Ordering::SeqCst),
        ),
    });
    let desk = Desk::new();
    let mut command = desk.command(&["--json", "connect"]);
    command
        .args(more)
        .env("ANDROID_ADB_SERVER_PORT", port.to_string());
    let ended = end(command.spawn().unwrap()).await;
    (ended, asked.load(std::sync::atomic::Ordering::SeqCst))
}

#[tokio::test]
async fn wireless_phone_is_tried_three_times_before_it_counts_as_not_paired() {
    let phone = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let address = phone.local_addr().unwrap().to_string();
    let refused = format!("failed to connect to {address}");
    let (words, connected) = (refused.clone(), format!("connected to {address}"));
    let (ended, asked) = connect(&[&address], move |request, count| {
        assert!(request.starts_with("host:connect:127.0.0.1:"), "{request}");
        okay(if count < 2 { &words } else { &connected })
    })
    .await;
    assert_eq!(ended.expect(0).line("connected")["paired"], false);
    assert_eq!(asked, 3);
    let (ended, asked) = connect(&[&address], move |_, _| okay(&refused)).await;
    let ended = ended.expect(10);
    let hint = ended.line("error")["hint"].as_str().unwrap();
    assert!(hint.contains("pair a new phone first"), "{hint}");
    assert_eq!(asked, 3);
}

#[tokio::test]
async fn wrong_code_and_closed_port_are_named_as_such() {
    let taken = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    // Nobody listens at that port of this address.
    let closed = format!("127.0.0.2:{}", taken.local_addr().unwrap().port());
    let wrong = "Failed: Wrong password or connection was dropped.";
    // Newer servers take the request first, and tell later that it failed.
    let late = [b"OKAY".to_vec(), fail(wrong)].concat();
    for told in [okay(wrong), fail(wrong), late] {
        let (ended, _) = connect(&[&closed, "--pair", "123 456"], move |request, _| {
            assert!(
                request.starts_with("host:pair:123456:127.0.0.2:"),
                "{request}"
            );
            told.clone()
        })
        .await;
        let said = format!("{:?}", ended.expect(10).lines);
        assert!(said.contains("the code is wrong"), "{said}");
    }

    for (arguments, words) in [
        (
            &[closed.as_str(), "--pair", "123456"][..],
            "Failed: Unable to start pairing client.",
        ),
        (
            &[closed.as_str()],
            "failed to connect to '127.0.0.2:1': Connection refused",
        ),
    ] {
        let (ended, asked) = connect(arguments, move |_, _| fail(words)).await;
        let ended = ended.expect(10);
        let hint = ended.line("error")["hint"].as_str().unwrap();
        assert!(hint.contains("nothing listens at that port"), "{hint}");
        assert_eq!(asked, 1);
    }
    let (ended, _) = connect(&[&closed, "--pair", "123456"], |_, _| {
        fail("unknown host service")
    })
    .await;
    let said = format!("{:?}", ended.expect(10).lines);
    assert!(said.contains("too old to pair"), "{said}");
}

#[tokio::test]
async fn address_or_code_typed_wrongly_is_named_before_the_server_is_asked() {
    for (arguments, why) in [
        (&["192.168.1.7"][..], "port is missing"),
        (&["192.168.1.7:x"], "not a number"),
        (&["192.168.1:5555"], "neither a name nor an IP address"),
        (&["[fe80::1]"], "port is missing"),
        (&["192.168.1.7:37000", "--pair", "12345"], "six digits"),
        (
            &[
                "192.168.1.7:37000",
                "--pair",
                "\u{661}\u{662}\u{663}\u{664}\u{665}\u{666}",
            ],
            "six digits",
        ),
    ] {
        let (ended, asked) = connect(arguments, |_, _| fail("asked")).await;
        let told = ended.expect(2).message();
        assert!(told.contains(why), "{arguments:?}: {told}");
        assert_eq!(asked, 0, "{arguments:?}");
    }
    // IPv6 goes to the server as it is.
    let (ended, _) = connect(&["[::1]:37000"], |request, _| {
        assert_eq!(request, "host:connect:[::1]:37000");
        okay("already connected to [::1]:37000")
    })
    .await;
    ended.expect(0);
}
