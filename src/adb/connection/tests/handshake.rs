use super::*;
use crate::adb::wire::VERSION_MIN;

fn asking(known: Vec<PublicKey>) -> DeviceConfig {
    DeviceConfig {
        refused: Vec::new(),
        auth: Some((TOKEN, known)),
        ..device_config(Features::all())
    }
}

fn with_keys(keys: Vec<PrivateKey>) -> HostConfig {
    HostConfig {
        introduction: Introduction::OfferKey,
        keys,
        ..host_config(Features::all())
    }
}

fn kinds(messages: &[Message]) -> Vec<(AdbCommand, u32)> {
    let kind = |message: &Message| match message.command {
        AdbCommand::Auth => (AdbCommand::Auth, message.arg0),
        command => (command, 0),
    };
    messages.iter().map(kind).collect()
}

#[test]
fn phone_that_asks_for_nothing_lets_the_computer_in() {
    let mut pair = Pair::new(host_config(Features::all()), device_config(Features::all()));
    let [ConnectionEvent::Connected(phone)] = &pair.host.events()[..] else {
        panic!("not connected")
    };
    assert_eq!(phone.state, "device");
    assert_eq!(phone.property("ro.product.model"), Some("Pixel 7a"));
    assert_eq!(phone.property("ro.product.name"), None);
    assert_eq!(phone.features, Features::all());
    let [ConnectionEvent::Connected(computer)] = &pair.device.events()[..] else {
        panic!("not connected")
    };
    assert_eq!(computer.state, "host");
    assert_eq!(kinds(&pair.host.said()), [(AdbCommand::Cnxn, 0)]);
    assert_eq!(kinds(&pair.device.said()), [(AdbCommand::Cnxn, 0)]);
}

#[test]
fn only_what_both_can_do_counts() {
    let ours = Features::parse("shell_v2,ls_v2");
    let theirs = Features::parse("ls_v2,stat_v2,delayed_ack");
    let mut pair = Pair::new(host_config(ours), device_config(theirs));
    for events in [pair.host.events(), pair.device.events()] {
        let [ConnectionEvent::Connected(banner)] = &events[..] else {
            panic!("not connected")
        };
        assert_eq!(banner.features.to_string(), "ls_v2");
    }
}

#[test]
fn computer_with_a_known_key_is_let_in_without_a_question() {
    let mut pair = Pair::new(with_keys(vec![key()]), asking(vec![key().public()]));
    assert!(matches!(
        pair.host.events()[..],
        [ConnectionEvent::Connected(_)]
    ));
    assert!(matches!(
        pair.device.events()[..],
        [ConnectionEvent::Connected(_)]
    ));
    let said = kinds(&pair.host.said());
    assert_eq!(
        said,
        [(AdbCommand::Cnxn, 0), (AdbCommand::Auth, AUTH_SIGNATURE)]
    );
    let said = kinds(&pair.device.said());
    assert_eq!(
        said,
        [(AdbCommand::Auth, AUTH_TOKEN), (AdbCommand::Cnxn, 0)]
    );
}

#[test]
fn keys_are_tried_in_turn() {
    let keys = vec![other_key(), key()];
    let mut pair = Pair::new(with_keys(keys), asking(vec![key().public()]));
    assert!(matches!(
        pair.host.events()[..],
        [ConnectionEvent::Connected(_)]
    ));
    let signature = (AdbCommand::Auth, AUTH_SIGNATURE);
    let said = pair.host.said();
    assert_eq!(kinds(&said), [(AdbCommand::Cnxn, 0), signature, signature]);
    assert_ne!(said[1].payload, said[2].payload);
}

#[test]
fn unknown_computer_offers_its_first_key_and_is_let_in_when_approved() {
    let mut pair = Pair::new(with_keys(vec![key(), other_key()]), asking(Vec::new()));
    assert_eq!(pair.host.events(), [ConnectionEvent::AwaitingApproval]);
    assert_eq!(
        pair.device.events(),
        [ConnectionEvent::KeyOffered(key().public())]
    );
    let said = pair.host.said();
    let signature = (AdbCommand::Auth, AUTH_SIGNATURE);
    let offer = (AdbCommand::Auth, AUTH_PUBLIC_KEY);
    assert_eq!(kinds(&said[1..]), [signature, signature, offer]);
    assert_eq!(said[3].payload, key().public().to_line("me@pc") + "\0");

    pair.device.connection.approve();
    pair.pump();
    assert!(matches!(
        pair.host.events()[..],
        [ConnectionEvent::Connected(_)]
    ));
    assert!(matches!(
        pair.device.events()[..],
        [ConnectionEvent::Connected(_)]
    ));
    pair.open(b"sync:");
}

#[test]
fn computer_that_only_looks_offers_no_key() {
    let quiet = HostConfig {
        introduction: Introduction::SignaturesOnly,
        ..with_keys(vec![key(), other_key()])
    };
    let pair = Pair::new(quiet.clone(), asking(Vec::new()));
    let mut host = pair.host;
    assert_eq!(host.events(), [ConnectionEvent::NotKnown]);
    let signature = (AdbCommand::Auth, AUTH_SIGNATURE);
    assert_eq!(kinds(&host.said()[1..]), [signature, signature]);
    let mut known = Pair::new(quiet, asking(vec![other_key().public()]));
    assert!(matches!(
        known.host.events()[..],
        [ConnectionEvent::Connected(_)]
    ));
}

#[test]
fn approval_before_a_hello_or_twice_does_nothing() {
    let mut device = End::new(Connection::device(asking(Vec::new())));
    device.connection.approve();
    assert_eq!(device.said(), []);
    let banner = "host::features=";
    device
        .hear(hello(VERSION_SKIPS_CHECKSUM, MAX_PAYLOAD, banner))
        .unwrap();
    device.connection.approve();
    device.connection.approve();
    assert_eq!(
        kinds(&device.said()),
        [(AdbCommand::Auth, AUTH_TOKEN), (AdbCommand::Cnxn, 0)]
    );
    assert_eq!(device.events().len(), 1);

    let mut host = End::connected_host(Acks::ByBytes);
    host.connection.approve();
    assert_eq!(host.said(), []);
}

#[test]
fn tokens_after_the_offer_are_silence_and_ask_nobody_twice() {
    let mut host = End::new(Connection::host(with_keys(vec![key()])));
    for _ in 0..100 {
        host.hear(message(AdbCommand::Auth, AUTH_TOKEN, 0, TOKEN.to_vec()))
            .unwrap();
    }
    assert_eq!(host.events(), [ConnectionEvent::AwaitingApproval]);
    assert_eq!(host.said().len(), 3);
}

#[test]
fn computer_without_a_key_waits_all_the_same() {
    let mut pair = Pair::new(with_keys(Vec::new()), asking(Vec::new()));
    assert_eq!(pair.host.events(), [ConnectionEvent::AwaitingApproval]);
    assert_eq!(pair.device.events(), []);
}

#[test]
fn signature_before_the_hello_lets_nobody_in() {
    let mut device = End::new(Connection::device(asking(vec![key().public()])));
    let signature = key().sign(&TOKEN).unwrap();
    device
        .hear(message(AdbCommand::Auth, AUTH_SIGNATURE, 0, signature))
        .unwrap();
    assert_eq!(device.events(), []);
    assert_eq!(device.said(), []);
}

#[test]
fn delayed_acks_are_used_only_when_both_offer_them() {
    for (ours, theirs, expected) in [
        (Acks::ByBytes, Acks::ByBytes, RECEIVE_WINDOW),
        (Acks::ByBytes, Acks::ByMessage, 0),
        (Acks::ByMessage, Acks::ByBytes, 0),
    ] {
        let mut pair = Pair::new(
            host_config(ours.features()),
            device_config(theirs.features()),
        );
        pair.host.connection.open(b"sync:");
        pair.pump();
        let open = pair.host.said().pop().unwrap();
        assert_eq!((open.command, open.arg1), (AdbCommand::Open, expected));
        let okay = pair.device.said().pop().unwrap();
        let bytes = if expected == 0 { 0 } else { 4 };
        assert_eq!(
            (okay.command, okay.payload.len()),
            (AdbCommand::Okay, bytes),
            "{ours:?} {theirs:?}"
        );
    }
}

#[test]
fn checksums_are_sent_until_the_peer_is_known_to_skip_them() {
    let sum = |message: &Message| {
        let bytes = message.payload.iter();
        bytes.map(|byte| u32::from(*byte)).sum::<u32>()
    };
    let sum_field =
        |bytes: &[u8]| u32::from_le_bytes(bytes.get(16..20).unwrap().try_into().unwrap());
    for (version, summed) in [(VERSION_MIN, true), (VERSION_SKIPS_CHECKSUM, false)] {
        let mut host = End::new(Connection::host(host_config(Features::all())));
        let bytes = host.output();
        let said = host.said();
        assert_eq!(sum_field(&bytes), sum(&said[0]));

        let banner = hello(version, 4096, "device::");
        let mut bytes = encode(&banner, ChecksumMode::Sent);
        host.connection.receive(&mut bytes).unwrap();
        host.connection.open(b"sync:");
        let bytes = host.output();
        let expected = if summed { sum(&host.said()[0]) } else { 0 };
        assert_eq!(sum_field(&bytes), expected);
    }
}

#[test]
fn old_phone_without_a_right_checksum_is_not_believed() {
    let mut host = End::new(Connection::host(host_config(Features::all())));
    let mut bytes = encode(&hello(VERSION_MIN, 4096, "device::"), ChecksumMode::Sent);
    host.connection.receive(&mut bytes).unwrap();
    let id = host.connection.open(b"sync:");
    host.hear(Message::bare(AdbCommand::Okay, 9, id.0)).unwrap();
    let write = message(AdbCommand::Wrte, 9, id.0, "photo");
    let mut bytes = encode(&write, ChecksumMode::Sent);
    host.connection.receive(&mut bytes).unwrap();
    assert_eq!(data_of(&host.events(), id), "photo");
    let error = host.hear(write).unwrap_err();
    assert!(matches!(
        error,
        ConnectionError::Wire(WireError::BadChecksum { .. })
    ));
}

#[test]
fn new_phone_may_put_anything_where_the_checksum_was() {
    let mut host = End::connected_host(Acks::ByBytes);
    let id = host.opened(Acks::ByBytes, 9, 0);
    let mut bytes = encode(
        &message(AdbCommand::Wrte, 9, id.0, "photo"),
        ChecksumMode::Skipped,
    );
    bytes[16] = 0xff;
    host.connection.receive(&mut bytes).unwrap();
    assert_eq!(data_of(&host.events(), id), "photo");
}

#[test]
fn announced_payload_sizes_are_brought_into_bounds() {
    for (announced, service_bytes) in [
        (0, 4095),
        (4096, 4095),
        (256 * 1024, 256 * 1024 - 1),
        (u32::MAX, 1024 * 1024 - 1),
    ] {
        let mut host = End::new(Connection::host(host_config(Features::all())));
        assert_eq!(host.connection.max_service_bytes(), 4095);
        host.hear(hello(VERSION_SKIPS_CHECKSUM, announced, "device::"))
            .unwrap();
        assert_eq!(host.connection.max_service_bytes(), service_bytes);
    }
}

#[test]
fn phone_is_never_configured_to_take_less_than_the_protocol_says() {
    let mut pair = Pair::connected_with(Acks::ByBytes, 0);
    assert_eq!(pair.host.connection.max_service_bytes(), 4095);
    let (ours, theirs) = pair.open(b"sync:");
    pair.device.connection.write(theirs, pattern(5000));
    pair.pump();
    assert_eq!(data_of(&pair.host.events(), ours), pattern(5000));
}

#[test]
fn service_that_the_phone_could_not_read_is_refused_here() {
    let mut pair = Pair::connected_with(Acks::ByBytes, MIN_PAYLOAD);
    pair.open(&[b'x'; MIN_PAYLOAD as usize - 1]);
    pair.host.said();
    let id = pair.host.connection.open(&[b'x'; MIN_PAYLOAD as usize]);
    assert_eq!(pair.host.events(), [ConnectionEvent::Closed(id)]);
    assert_eq!(pair.host.said(), []);
    pair.open(b"sync:");
}

#[test]
fn odd_banners_are_read_as_far_as_they_go() {
    let ours = Features::all();
    for (text, state, features) in [
        ("", "", ""),
        ("device", "device", ""),
        ("device::", "device", ""),
        ("recovery::\0", "recovery", ""),
        ("device::features=", "device", ""),
        (
            "device::a=b=c;;x;features=ls_v2,nonsense;",
            "device",
            "ls_v2",
        ),
        ("device::features=ls_v2;features=stat_v2", "device", "ls_v2"),
    ] {
        let banner = Banner::parse(text.as_bytes(), ours);
        assert_eq!(banner.state, state, "{text:?}");
        assert_eq!(banner.features.to_string(), features, "{text:?}");
    }
    // Words for a person, of a phone that would fill the screen.
    let banner = Banner::parse("ä".repeat(500_000).as_bytes(), ours);
    assert_eq!(banner.state, "ä".repeat(MAX_STATE_CHARS));
    let banner = Banner::parse(b"device::a=b=c;;x;d=", ours);
    assert_eq!(banner.property("a"), Some("b=c"));
    assert_eq!(banner.property("d"), Some(""));
    assert_eq!(banner.properties.len(), 2);
    assert_eq!(Banner::parse(b"\xff::", ours).state, "\u{fffd}");
}
