//! Peers that break the protocol: each ends the connection or changes nothing.

use super::*;

fn unexpected(result: Result<(), ConnectionError>) -> (AdbCommand, &'static str) {
    match result {
        Err(ConnectionError::Unexpected { command, why }) => (command, why),
        other => panic!("{other:?}"),
    }
}

#[test]
fn phone_that_floods_is_stopped_at_the_window() {
    for acks in Acks::BOTH {
        for length in [1000, 65_536, MAX_PAYLOAD as usize] {
            let mut host = End::connected_host(acks);
            let id = host.opened(acks, 9, 0);
            let piece = pattern(length);
            let mut held = 0;
            let error = loop {
                let write = message(AdbCommand::Wrte, 9, id.0, piece.clone());
                if let Err(error) = host.hear(write) {
                    break error;
                }
                held += data_of(&host.events(), id).len();
                assert!(held <= MAX_UNCONSUMED as usize, "{acks:?}: {held}");
            };
            assert!(matches!(error, ConnectionError::Flood), "{error}");
            assert!(held + length > MAX_UNCONSUMED as usize, "{acks:?}: {held}");
        }
    }
}

#[test]
fn phone_that_floods_with_scraps_is_stopped_by_their_number() {
    for acks in Acks::BOTH {
        let mut host = End::connected_host(acks);
        let id = host.opened(acks, 9, 0);
        for _ in 0..MAX_UNCONSUMED_MESSAGES {
            host.hear(message(AdbCommand::Wrte, 9, id.0, "x")).unwrap();
            // What holds nothing is nothing.
            host.hear(message(AdbCommand::Wrte, 9, id.0, "")).unwrap();
        }
        host.connection.consumed(id, 1);
        host.hear(message(AdbCommand::Wrte, 9, id.0, "x")).unwrap();
        let error = host.hear(message(AdbCommand::Wrte, 9, id.0, "x"));
        assert!(matches!(error, Err(ConnectionError::Flood)), "{acks:?}");
    }
}

#[test]
fn messages_before_the_hello_end_the_connection() {
    for connection in [
        Connection::host(host_config(Features::all())),
        Connection::device(device_config(Features::all())),
    ] {
        let mut end = End::new(connection);
        for command in [
            AdbCommand::Open,
            AdbCommand::Okay,
            AdbCommand::Wrte,
            AdbCommand::Clse,
        ] {
            let result = end.hear(message(command, 1, 1, "x"));
            let why = "the connection is not up yet";
            assert_eq!(unexpected(result), (command, why));
        }
    }
}

#[test]
fn unauthorised_computer_can_open_nothing() {
    let mut device = End::new(Connection::device(DeviceConfig {
        refused: Vec::new(),
        auth: Some((TOKEN, vec![key().public()])),
        ..device_config(Features::all())
    }));
    device
        .hear(hello(VERSION_SKIPS_CHECKSUM, MAX_PAYLOAD, "host::"))
        .unwrap();
    let forged = other_key().sign(&TOKEN).unwrap();
    device
        .hear(message(AdbCommand::Auth, AUTH_SIGNATURE, 0, forged))
        .unwrap();
    device
        .hear(message(AdbCommand::Auth, AUTH_SIGNATURE, 0, "short"))
        .unwrap();
    assert_eq!(device.events(), []);
    let result = device.hear(message(AdbCommand::Open, 1, 0, "shell:\0"));
    assert_eq!(unexpected(result).0, AdbCommand::Open);
}

#[test]
fn second_hello_or_authentication_on_an_open_connection_ends_it() {
    for mut end in [
        End::connected_host(Acks::ByBytes),
        End::connected_device(Acks::ByBytes),
    ] {
        let why = "the connection is up already";
        let result = end.hear(phone_hello(Features::all()));
        assert_eq!(unexpected(result), (AdbCommand::Cnxn, why));
        let result = end.hear(message(AdbCommand::Auth, AUTH_TOKEN, 0, TOKEN.to_vec()));
        assert_eq!(unexpected(result), (AdbCommand::Auth, why));
        assert_eq!(end.said(), []);
        assert_eq!(end.events(), []);
    }
}

#[test]
fn token_of_another_length_or_kind_is_not_signed() {
    for (kind, length) in [
        (AUTH_TOKEN, 0),
        (AUTH_TOKEN, 19),
        (AUTH_TOKEN, 21),
        (AUTH_TOKEN, 256),
        (0, TOKEN_BYTES),
        (AUTH_SIGNATURE, TOKEN_BYTES),
        (AUTH_PUBLIC_KEY, TOKEN_BYTES),
    ] {
        let mut host = End::new(Connection::host(host_config(Features::all())));
        host.said();
        let result = host.hear(message(AdbCommand::Auth, kind, 0, pattern(length)));
        assert_eq!(
            unexpected(result),
            (AdbCommand::Auth, "no token of 20 bytes")
        );
        assert_eq!(host.said(), []);
    }
}

#[test]
fn computer_that_offers_nonsense_as_its_key_is_sent_away() {
    let config = DeviceConfig {
        refused: Vec::new(),
        auth: Some((TOKEN, Vec::new())),
        ..device_config(Features::all())
    };
    for (kind, payload) in [(AUTH_PUBLIC_KEY, "QUJD me@pc\0"), (AUTH_TOKEN, "x")] {
        let mut device = End::new(Connection::device(config.clone()));
        device
            .hear(message(AdbCommand::Auth, kind, 0, payload))
            .unwrap_err();
    }
    let mut trusting = End::new(Connection::device(device_config(Features::all())));
    let result = trusting.hear(message(AdbCommand::Auth, AUTH_SIGNATURE, 0, "x"));
    assert_eq!(unexpected(result), (AdbCommand::Auth, "nobody asked"));
}

#[test]
fn wish_for_tls_is_told_apart() {
    let mut fresh = End::new(Connection::host(host_config(Features::all())));
    for end in [&mut fresh, &mut End::connected_host(Acks::ByBytes)] {
        let result = end.hear(Message::bare(AdbCommand::Stls, 0x0100_0000, 0));
        assert!(matches!(result, Err(ConnectionError::TlsWanted)));
    }
}

#[test]
fn phone_cannot_open_a_stream_on_the_computer() {
    for acks in Acks::BOTH {
        let mut host = End::connected_host(acks);
        for service in ["shell:\0", "tcp:22\0", "", "\0"] {
            host.hear(message(AdbCommand::Open, 77, 100, service))
                .unwrap();
            assert_eq!(host.said(), [Message::bare(AdbCommand::Clse, 0, 77)]);
        }
        assert_eq!(host.events(), []);
        let result = host.hear(message(AdbCommand::Open, 0, 0, "shell:\0"));
        assert_eq!(unexpected(result), (AdbCommand::Open, "stream 0"));
    }
}

#[test]
fn okay_from_another_stream_ends_the_connection() {
    for acks in Acks::BOTH {
        let mut host = End::connected_host(acks);
        let id = host.opened(acks, 9, 0);
        let result = host.hear(message(AdbCommand::Okay, 10, id.0, acks.okay(1)));
        assert_eq!(
            unexpected(result),
            (AdbCommand::Okay, "from another stream")
        );
    }
}

#[test]
fn okay_for_a_stream_that_was_never_opened_does_nothing() {
    for acks in Acks::BOTH {
        let mut host = End::connected_host(acks);
        let id = host.opened(acks, 9, 0);
        for number in [0, id.0 + 1, u32::MAX] {
            host.hear(message(AdbCommand::Okay, 9, number, acks.okay(1)))
                .unwrap();
        }
        assert_eq!(host.events(), []);
        assert_eq!(host.said(), []);
    }
}

#[test]
fn stream_cannot_be_number_0_at_the_peer() {
    let mut host = End::connected_host(Acks::ByMessage);
    let id = host.connection.open(b"sync:");
    let result = host.hear(Message::bare(AdbCommand::Okay, 0, id.0));
    assert_eq!(unexpected(result), (AdbCommand::Okay, "stream 0"));
}

#[test]
fn okay_without_a_whole_count_ends_the_connection_that_counts() {
    for payload in ["", "123", "12345"] {
        let mut host = End::connected_host(Acks::ByBytes);
        let id = host.opened(Acks::ByBytes, 9, 0);
        let result = host.hear(message(AdbCommand::Okay, 9, id.0, payload));
        assert_eq!(unexpected(result), (AdbCommand::Okay, "no count of bytes"));
    }
}

#[test]
fn count_in_an_okay_means_nothing_where_none_was_agreed_on() {
    let mut host = End::connected_host(Acks::ByMessage);
    let id = host.opened(Acks::ByMessage, 9, 0);
    host.hear(message(AdbCommand::Okay, 9, id.0, Acks::ByBytes.okay(-5)))
        .unwrap();
    host.connection.write(id, Bytes::from_static(b"one"));
    host.connection.write(id, Bytes::from_static(b"two"));
    assert_eq!(host.said(), [message(AdbCommand::Wrte, id.0, 9, "one")]);
}

#[test]
fn many_okays_are_worth_no_more_than_one_message() {
    let mut host = End::connected_host(Acks::ByMessage);
    let id = host.opened(Acks::ByMessage, 9, 0);
    for _ in 0..1000 {
        host.hear(Message::bare(AdbCommand::Okay, 9, id.0)).unwrap();
    }
    assert_eq!(host.events(), []);
    for word in ["one", "two"] {
        host.connection
            .write(id, Bytes::from_static(word.as_bytes()));
    }
    assert_eq!(host.said(), [message(AdbCommand::Wrte, id.0, 9, "one")]);
}

#[test]
fn data_before_the_stream_is_open_ends_the_connection() {
    let why = "for a stream that is not open";
    let mut host = End::connected_host(Acks::ByBytes);
    let id = host.connection.open(b"sync:");
    let result = host.hear(message(AdbCommand::Wrte, 9, id.0, "x"));
    assert_eq!(unexpected(result), (AdbCommand::Wrte, why));

    let mut host = End::connected_host(Acks::ByBytes);
    let id = host.opened(Acks::ByBytes, 9, 0);
    let result = host.hear(message(AdbCommand::Wrte, 10, id.0, "x"));
    assert_eq!(unexpected(result), (AdbCommand::Wrte, why));
}

#[test]
fn data_for_a_stream_that_never_was_is_dropped_in_silence() {
    let mut host = End::connected_host(Acks::ByMessage);
    for number in [0, 5, u32::MAX] {
        host.hear(message(AdbCommand::Wrte, 9, number, "x"))
            .unwrap();
    }
    assert_eq!(host.events(), []);
    assert_eq!(host.said(), []);
}

#[test]
fn streams_are_told_apart_by_our_number_when_the_phone_uses_one_twice() {
    let mut host = End::connected_host(Acks::ByMessage);
    let (one, two) = (
        host.opened(Acks::ByMessage, 9, 0),
        host.opened(Acks::ByMessage, 9, 0),
    );
    assert_ne!(one, two);
    host.hear(message(AdbCommand::Wrte, 9, two.0, "x")).unwrap();
    assert_eq!(
        host.events(),
        [ConnectionEvent::Data(two, Bytes::from_static(b"x"))]
    );
    host.hear(Message::bare(AdbCommand::Clse, 9, one.0))
        .unwrap();
    assert_eq!(host.events(), [ConnectionEvent::Closed(one)]);
    let three = host.opened(Acks::ByMessage, 9, 0);
    assert!(three != one && three != two, "a late message could hit it");
}

#[test]
fn numbers_of_streams_start_again_behind_the_last_one_and_skip_those_in_use() {
    let mut host = End::connected_host(Acks::ByMessage);
    let first = host.connection.open(b"sync:");
    host.connection.next_id = u32::MAX;
    let numbers = [(); 3].map(|()| host.connection.open(b"sync:").0);
    assert_eq!(first.0, 1);
    assert_eq!(numbers, [u32::MAX, 2, 3]);
}

#[test]
fn computer_cannot_open_streams_without_end() {
    let mut device = End::connected_device(Acks::ByMessage);
    for number in 1..=2000 {
        device
            .hear(message(AdbCommand::Open, number, 0, "shell:\0"))
            .unwrap();
    }
    let incoming = device.events();
    assert_eq!(incoming.len(), MAX_STREAMS);
    let said = device.said();
    assert_eq!(said.len(), 2000);
    assert!(
        said[..MAX_STREAMS]
            .iter()
            .all(|message| message.command == AdbCommand::Okay)
    );
    assert_eq!(said[1999], Message::bare(AdbCommand::Clse, 0, 2000));

    let ConnectionEvent::Incoming(id, _) = incoming[0] else {
        panic!("{:?}", incoming[0])
    };
    device.connection.close(id);
    device.said();
    device
        .hear(message(AdbCommand::Open, 3000, 0, "shell:\0"))
        .unwrap();
    assert_eq!(device.said()[0].command, AdbCommand::Okay);
}

#[test]
fn window_that_contradicts_the_agreement_is_refused() {
    for (acks, window) in [(Acks::ByBytes, 0), (Acks::ByMessage, RECEIVE_WINDOW)] {
        let mut device = End::connected_device(acks);
        device
            .hear(message(AdbCommand::Open, 5, window, "shell:\0"))
            .unwrap();
        assert_eq!(device.said(), [Message::bare(AdbCommand::Clse, 0, 5)]);
        assert_eq!(device.events(), []);
    }
}

#[test]
fn service_ends_at_its_first_nul_byte() {
    for (payload, service) in [
        ("shell:ls\0", "shell:ls"),
        ("shell:ls\0rm\0", "shell:ls"),
        ("shell:ls", "shell:ls"),
        ("\0", ""),
        ("", ""),
    ] {
        let mut device = End::connected_device(Acks::ByMessage);
        device
            .hear(message(AdbCommand::Open, 5, 0, payload))
            .unwrap();
        let [ConnectionEvent::Incoming(_, name)] = &device.events()[..] else {
            panic!("{payload:?}")
        };
        assert_eq!(name, service);
    }
}
