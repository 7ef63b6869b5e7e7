use super::*;

#[test]
fn stream_closed_before_the_answer_is_closed_at_the_peer_when_it_comes() {
    for acks in Acks::BOTH {
        let mut host = End::connected_host(acks);
        let id = host.connection.open(b"sync:");
        host.said();
        host.connection.close(id);
        assert_eq!(host.said(), [], "the peer's number is not known yet");
        host.hear(message(AdbCommand::Okay, 9, id.0, acks.okay(100)))
            .unwrap();
        assert_eq!(host.said(), [Message::bare(AdbCommand::Clse, id.0, 9)]);
        assert_eq!(host.events(), []);
    }
}

#[test]
fn stream_closed_before_it_is_refused_is_forgotten() {
    let mut host = End::connected_host(Acks::ByBytes);
    let id = host.connection.open(b"sync:");
    host.said();
    host.connection.close(id);
    host.hear(Message::bare(AdbCommand::Clse, 0, id.0)).unwrap();
    host.hear(message(AdbCommand::Okay, 9, id.0, Acks::ByBytes.okay(1)))
        .unwrap();
    assert_eq!(host.said(), []);
    assert_eq!(host.events(), []);
}

#[test]
fn refused_service_is_a_closed_stream() {
    let mut host = End::connected_host(Acks::ByBytes);
    let id = host.connection.open(b"nonsense:");
    host.said();
    host.hear(Message::bare(AdbCommand::Clse, 0, id.0)).unwrap();
    assert_eq!(host.events(), [ConnectionEvent::Closed(id)]);
    host.connection.close(id);
    host.connection.write(id, Bytes::from_static(b"x"));
    host.connection.consumed(id, 1);
    assert_eq!(host.connection.queued_bytes(id), 0);
    assert_eq!(host.said(), []);
}

#[test]
fn what_was_written_leaves_before_the_close() {
    for acks in Acks::BOTH {
        let mut host = End::connected_host(acks);
        let id = host.connection.open(b"sync:");
        host.said();
        host.connection.write(id, Bytes::from_static(b"first"));
        host.connection.write(id, pattern(MAX_PAYLOAD as usize));
        host.connection.close(id);
        host.hear(message(AdbCommand::Okay, 9, id.0, acks.okay(1)))
            .unwrap();
        let said = host.said();
        assert_eq!(said, [message(AdbCommand::Wrte, id.0, 9, "first")]);
        host.hear(message(AdbCommand::Okay, 9, id.0, acks.okay(100)))
            .unwrap();
        let said = host.said();
        assert_eq!(said[0].payload, pattern(MAX_PAYLOAD as usize));
        assert_eq!(said[1..], [Message::bare(AdbCommand::Clse, id.0, 9)]);
        assert_eq!(host.events(), [], "nothing is heard of a stream given up");
    }
}

#[test]
fn peer_that_answers_before_it_reads_cannot_hold_up_a_close() {
    for acks in Acks::BOTH {
        let mut host = End::connected_host(acks);
        let id = host.opened(acks, 9, 1);
        // Unread already when the stream is given up, to the last byte that the peer may send.
        let whole = pattern(MAX_PAYLOAD as usize);
        for _ in 0..5 {
            host.hear(message(AdbCommand::Wrte, 9, id.0, whole.clone()))
                .unwrap();
        }
        host.said();
        host.connection.write(id, Bytes::from_static(b"first"));
        host.connection.write(id, whole.clone());
        host.events();
        host.connection.close(id);
        let mut allowed = acked(&host.said(), acks);
        assert!(allowed > 0, "{acks:?}: the peer waits for ever");
        for _ in 0..50 {
            host.hear(message(AdbCommand::Wrte, 9, id.0, whole.clone()))
                .unwrap();
            allowed += acked(&host.said(), acks);
        }
        let expected = match acks {
            Acks::ByBytes => 55 * whole.len(),
            Acks::ByMessage => 51,
        };
        assert_eq!(allowed, expected, "{acks:?}");
        assert_eq!(host.events(), []);

        host.hear(message(AdbCommand::Okay, 9, id.0, acks.okay(100)))
            .unwrap();
        let said = host.said();
        assert_eq!(
            said.last(),
            Some(&Message::bare(AdbCommand::Clse, id.0, 9)),
            "{acks:?}"
        );
    }
}

/// How much these messages let the peer send.
fn acked(said: &[Message], acks: Acks) -> usize {
    let okays = said
        .iter()
        .filter(|message| message.command == AdbCommand::Okay);
    match acks {
        Acks::ByMessage => okays.count(),
        Acks::ByBytes => okays
            .map(|okay| u32::from_le_bytes(okay.payload[..].try_into().unwrap()) as usize)
            .sum(),
    }
}

#[test]
fn nothing_can_be_written_behind_a_close() {
    let mut host = End::connected_host(Acks::ByMessage);
    let id = host.opened(Acks::ByMessage, 9, 1);
    host.connection.write(id, Bytes::from_static(b"one"));
    host.connection.write(id, Bytes::from_static(b"two"));
    host.connection.close(id);
    host.connection.write(id, Bytes::from_static(b"three"));
    host.said();
    host.hear(Message::bare(AdbCommand::Okay, 9, id.0)).unwrap();
    assert_eq!(
        host.said(),
        [
            message(AdbCommand::Wrte, id.0, 9, "two"),
            Message::bare(AdbCommand::Clse, id.0, 9)
        ]
    );
}

#[test]
fn peer_that_closes_drops_what_waits_for_it() {
    for number in [9, 0] {
        let mut host = End::connected_host(Acks::ByMessage);
        let id = host.opened(Acks::ByMessage, 9, 1);
        for word in ["one", "two"] {
            host.connection
                .write(id, Bytes::from_static(word.as_bytes()));
        }
        host.said();
        host.events();
        assert_eq!(host.connection.queued_bytes(id), 3);
        host.hear(message(AdbCommand::Wrte, 9, id.0, "last words"))
            .unwrap();
        // adb before Android 4.4 closes with the number 0.
        host.hear(Message::bare(AdbCommand::Clse, number, id.0))
            .unwrap();
        let last = ConnectionEvent::Data(id, Bytes::from_static(b"last words"));
        assert_eq!(host.events(), [last, ConnectionEvent::Closed(id)]);
        assert_eq!(host.connection.queued_bytes(id), 0);
        host.said();
        host.hear(Message::bare(AdbCommand::Okay, 9, id.0)).unwrap();
        assert_eq!(host.said(), []);
        assert_eq!(host.events(), []);
    }
}

#[test]
fn peer_may_close_a_stream_that_is_given_up_with_data_waiting() {
    let mut host = End::connected_host(Acks::ByMessage);
    let id = host.opened(Acks::ByMessage, 9, 1);
    host.connection.write(id, Bytes::from_static(b"one"));
    host.connection.write(id, Bytes::from_static(b"two"));
    host.events();
    host.connection.close(id);
    host.hear(Message::bare(AdbCommand::Clse, 9, id.0)).unwrap();
    assert_eq!(host.events(), []);
    assert_eq!(host.connection.queued_bytes(id), 0);
}

#[test]
fn messages_that_cross_a_close_mean_nothing() {
    for acks in Acks::BOTH {
        let mut host = End::connected_host(acks);
        let id = host.opened(acks, 9, 1);
        host.connection.close(id);
        host.connection.close(id);
        assert_eq!(host.said(), [Message::bare(AdbCommand::Clse, id.0, 9)]);
        for late in [
            message(AdbCommand::Wrte, 9, id.0, "photo"),
            message(AdbCommand::Okay, 9, id.0, acks.okay(100)),
            Message::bare(AdbCommand::Clse, 9, id.0),
            Message::bare(AdbCommand::Clse, 0, id.0),
        ] {
            host.hear(late).unwrap();
        }
        assert_eq!(host.said(), []);
        assert_eq!(host.events(), []);
    }
}

#[test]
fn both_ends_close_at_the_same_time() {
    for acks in Acks::BOTH {
        let mut pair = Pair::connected(acks);
        let (ours, theirs) = pair.open(b"sync:");
        pair.host.connection.close(ours);
        pair.device.connection.close(theirs);
        pair.pump();
        assert_eq!(pair.host.events(), []);
        assert_eq!(pair.device.events(), []);
    }
}

#[test]
fn close_of_another_stream_does_nothing() {
    let mut host = End::connected_host(Acks::ByBytes);
    let id = host.opened(Acks::ByBytes, 9, 100);
    host.hear(Message::bare(AdbCommand::Clse, 10, id.0))
        .unwrap();
    host.hear(Message::bare(AdbCommand::Clse, 9, id.0 + 1))
        .unwrap();
    assert_eq!(host.events(), []);
    host.connection.write(id, Bytes::from_static(b"still here"));
    assert_eq!(
        host.said(),
        [message(AdbCommand::Wrte, id.0, 9, "still here")]
    );
}
