use super::*;

#[test]
fn phone_may_send_a_last_whole_message_past_its_window() {
    let mut host = End::connected_host(Acks::ByBytes);
    let id = host.opened(Acks::ByBytes, 9, 0);
    // adbd sends while a single byte of the window is left, and then a whole message.
    let whole = pattern(MAX_PAYLOAD as usize);
    let almost = RECEIVE_WINDOW as usize - 1;
    let mut sent = 0;
    while sent < almost {
        let piece = whole.slice(..(almost - sent).min(whole.len()));
        sent += piece.len();
        host.hear(message(AdbCommand::Wrte, 9, id.0, piece))
            .unwrap();
    }
    host.hear(message(AdbCommand::Wrte, 9, id.0, whole.clone()))
        .unwrap();
    assert_eq!(data_of(&host.events(), id).len(), almost + whole.len());
    let error = host
        .hear(message(AdbCommand::Wrte, 9, id.0, "xy"))
        .unwrap_err();
    assert!(matches!(error, ConnectionError::Flood));
}

/// The lengths of the data messages among these.
fn data_lengths(said: &[Message]) -> Vec<usize> {
    said.iter()
        .filter(|message| message.command == AdbCommand::Wrte)
        .map(|message| message.payload.len())
        .collect()
}

#[test]
fn data_crosses_both_ways_whole() {
    for acks in Acks::BOTH {
        for max_payload in [MIN_PAYLOAD, 256 * 1024, MAX_PAYLOAD] {
            let mut pair = Pair::connected_with(acks, max_payload);
            let (ours, theirs) = pair.open(b"sync:");
            let (up, down) = (pattern(300_001), pattern(7 * 1024 * 1024 + 5));
            for piece in up.chunks(10_000) {
                let piece = Bytes::copy_from_slice(piece);
                pair.host.connection.write(ours, piece);
            }
            pair.device.connection.write(theirs, down.clone());
            let (mut up_read, mut down_read) = (BytesMut::new(), BytesMut::new());
            while up_read.len() < up.len() || down_read.len() < down.len() {
                pair.pump();
                let before = up_read.len() + down_read.len();
                for (end, id, read) in [
                    (&mut pair.device, theirs, &mut up_read),
                    (&mut pair.host, ours, &mut down_read),
                ] {
                    let data = data_of(&end.events(), id);
                    end.connection.consumed(id, data.len());
                    read.extend_from_slice(&data);
                }
                let after = up_read.len() + down_read.len();
                assert!(after > before, "{acks:?} {max_payload}: stuck");
            }
            assert!(up_read == up && down_read == down);
            for said in [pair.host.said(), pair.device.said()] {
                let lengths = data_lengths(&said);
                let largest = lengths.iter().max().copied().unwrap_or(0);
                assert!(largest <= max_payload as usize, "{largest}");
            }
        }
    }
}

#[test]
fn reader_that_does_not_read_stops_the_writer_until_it_does() {
    for acks in Acks::BOTH {
        let mut pair = Pair::connected(acks);
        let (ours, theirs) = pair.open(b"sync:");
        let long = pattern(2 * MAX_UNCONSUMED as usize + 1);
        pair.host.connection.write(ours, long.clone());
        pair.device.connection.write(theirs, long.clone());
        pair.pump();
        let mut read = [(); 2].map(|()| BytesMut::new());
        for round in 0.. {
            let ends = [(&mut pair.host, ours), (&mut pair.device, theirs)];
            let mut waiting = 0;
            for ((end, id), read) in ends.into_iter().zip(&mut read) {
                waiting += end.connection.queued_bytes(id);
                let data = data_of(&end.events(), id);
                let whole_window = (RECEIVE_WINDOW..=MAX_UNCONSUMED).contains(&(data.len() as u32));
                assert!(whole_window || round > 1, "{acks:?}: {}", data.len());
                read.extend_from_slice(&data);
                end.connection.consumed(id, data.len());
            }
            if waiting == 0 && pair.host.output().is_empty() {
                break;
            }
            pair.pump();
        }
        assert!(read.iter().all(|read| *read == long), "{acks:?}");
    }
}

#[test]
fn reader_far_behind_still_lets_one_stream_after_another_pass() {
    for acks in Acks::BOTH {
        let mut pair = Pair::connected(acks);
        let (slow, slow_theirs) = pair.open(b"sync:");
        let (quick, quick_theirs) = pair.open(b"shell:");
        pair.device
            .connection
            .write(slow_theirs, pattern(2 * MAX_UNCONSUMED as usize));
        pair.pump();
        let unread = data_of(&pair.host.events(), slow).len();
        pair.device.connection.write(quick_theirs, pattern(100_000));
        pair.pump();
        let events = pair.host.events();
        assert_eq!(data_of(&events, quick), pattern(100_000));
        assert_eq!(data_of(&events, slow), "", "{unread} bytes are unread");
    }
}

#[test]
fn many_streams_at_once_keep_their_data_apart() {
    for acks in Acks::BOTH {
        let mut pair = Pair::connected(acks);
        let streams: Vec<_> = (0..500).map(|_| pair.open(b"sync:")).collect();
        // A piece of each in turn, so that every stream is in the middle of something.
        for piece in 0..3 {
            for (number, (ours, theirs)) in streams.iter().enumerate() {
                let text = format!("{number}:{piece};");
                pair.host.connection.write(*ours, text.clone().into());
                pair.device.connection.write(*theirs, text.into());
            }
        }
        pair.pump();
        let ends = [pair.host.events(), pair.device.events()];
        for (number, (ours, theirs)) in streams.into_iter().enumerate() {
            let expected = format!("{number}:0;{number}:1;{number}:2;");
            assert_eq!(data_of(&ends[0], ours), expected);
            assert_eq!(data_of(&ends[1], theirs), expected);
        }
    }
}

#[test]
fn acknowledgements_by_bytes_are_few_and_add_up() {
    let mut host = End::connected_host(Acks::ByBytes);
    let id = host.opened(Acks::ByBytes, 9, 0);
    // The reader is always one message behind, so that it never has read everything.
    let piece = pattern(1024);
    let mut acked = 0;
    let mut okays = 0;
    host.hear(message(AdbCommand::Wrte, 9, id.0, piece.clone()))
        .unwrap();
    for _ in 0..4096 {
        host.hear(message(AdbCommand::Wrte, 9, id.0, piece.clone()))
            .unwrap();
        host.connection.consumed(id, piece.len());
        for okay in host.said() {
            assert_eq!(
                (okay.command, okay.arg0, okay.arg1),
                (AdbCommand::Okay, id.0, 9)
            );
            acked += u32::from_le_bytes(okay.payload[..].try_into().unwrap());
            okays += 1;
        }
    }
    assert_eq!((acked, okays), (RECEIVE_WINDOW, 8));
    host.connection.consumed(id, piece.len());
    let okay = host.said().pop().unwrap();
    assert_eq!(okay.payload, 1024_u32.to_le_bytes().as_slice());
}

#[test]
fn messages_are_acknowledged_one_by_one_before_they_are_read() {
    let mut host = End::connected_host(Acks::ByMessage);
    let id = host.opened(Acks::ByMessage, 9, 0);
    for _ in 0..3 {
        host.hear(message(AdbCommand::Wrte, 9, id.0, "photo"))
            .unwrap();
        assert_eq!(host.said(), [Message::bare(AdbCommand::Okay, id.0, 9)]);
    }
    host.connection.consumed(id, 15);
    assert_eq!(host.said(), [], "each was acknowledged already");
}

#[test]
fn reader_that_took_more_than_came_acknowledges_what_came() {
    let mut host = End::connected_host(Acks::ByBytes);
    let id = host.opened(Acks::ByBytes, 9, 0);
    host.hear(message(AdbCommand::Wrte, 9, id.0, "photo"))
        .unwrap();
    host.connection.consumed(id, usize::MAX);
    assert_eq!(host.said()[0].payload, 5_u32.to_le_bytes().as_slice());
    host.connection.consumed(id, usize::MAX);
    host.connection.consumed(id, 0);
    assert_eq!(host.said(), []);
}

#[test]
fn writer_without_delayed_acks_sends_one_message_for_each_acknowledgement() {
    let mut host = End::connected_host(Acks::ByMessage);
    let id = host.opened(Acks::ByMessage, 9, 0);
    let long = pattern(2 * MAX_PAYLOAD as usize + 1);
    host.connection.write(id, long.clone());
    let largest = MAX_PAYLOAD as usize;
    assert_eq!(data_lengths(&host.said()), [largest]);
    assert_eq!(host.connection.queued_bytes(id), largest + 1);
    for (left, event) in [(largest, None), (1, Some(ConnectionEvent::Drained(id)))] {
        assert_eq!(host.events(), []);
        host.hear(Message::bare(AdbCommand::Okay, 9, id.0)).unwrap();
        assert_eq!(data_lengths(&host.said()), [left]);
        assert_eq!(host.events(), event.into_iter().collect::<Vec<_>>());
    }
    host.hear(Message::bare(AdbCommand::Okay, 9, id.0)).unwrap();
    assert_eq!(host.events(), [], "drained is told once");
}

#[test]
fn writer_with_delayed_acks_sends_while_it_has_credit() {
    let mut host = End::connected_host(Acks::ByBytes);
    let okay = |bytes| Acks::ByBytes.okay(bytes);
    let id = host.opened(Acks::ByBytes, 9, 3);
    host.connection.write(id, Bytes::from_static(b"abcdefgh"));
    host.connection.write(id, Bytes::from_static(b"ijkl"));
    assert_eq!(data_lengths(&host.said()), [8], "a whole message for 3");
    // 3 - 8 + 4: still below nothing; one more is still not enough, two are.
    for (acked, lengths) in [(4, &[][..]), (1, &[]), (1, &[4])] {
        host.hear(message(AdbCommand::Okay, 9, id.0, okay(acked)))
            .unwrap();
        assert_eq!(data_lengths(&host.said()), lengths);
    }
}

#[test]
fn negative_acknowledgement_takes_credit_away_and_the_next_gives_it_back() {
    let mut host = End::connected_host(Acks::ByBytes);
    let okay = |bytes| Acks::ByBytes.okay(bytes);
    let id = host.opened(Acks::ByBytes, 9, 100);
    host.hear(message(AdbCommand::Okay, 9, id.0, okay(-100)))
        .unwrap();
    host.connection.write(id, Bytes::from_static(b"photo"));
    assert_eq!(host.said(), []);
    for _ in 0..3 {
        host.hear(message(AdbCommand::Okay, 9, id.0, okay(i32::MIN)))
            .unwrap();
    }
    for _ in 0..3 {
        assert_eq!(host.said(), []);
        host.hear(message(AdbCommand::Okay, 9, id.0, okay(i32::MAX)))
            .unwrap();
    }
    // 3 less than nothing now.
    host.hear(message(AdbCommand::Okay, 9, id.0, okay(3)))
        .unwrap();
    assert_eq!(host.said(), []);
    host.hear(message(AdbCommand::Okay, 9, id.0, okay(1)))
        .unwrap();
    assert_eq!(data_lengths(&host.said()), [5]);
}

#[test]
fn small_writes_that_waited_leave_together() {
    let mut host = End::connected_host(Acks::ByMessage);
    let id = host.connection.open(b"sync:");
    host.said();
    let written = pattern(3000 * 700);
    for piece in written.chunks(700) {
        host.connection.write(id, Bytes::copy_from_slice(piece));
    }
    host.connection.write(id, Bytes::new());
    let mut lengths = Vec::new();
    let mut left = BytesMut::new();
    while left.len() < written.len() {
        host.hear(Message::bare(AdbCommand::Okay, 9, id.0)).unwrap();
        for write in host.said() {
            left.extend_from_slice(&write.payload);
            lengths.push(write.payload.len());
        }
    }
    assert_eq!(lengths, [1497 * 700, 1497 * 700, 6 * 700]);
    assert_eq!(left, written);
    assert_eq!(
        host.events(),
        [ConnectionEvent::Opened(id), ConnectionEvent::Drained(id)]
    );
}

#[test]
fn empty_data_is_acknowledged_and_not_told() {
    let mut host = End::connected_host(Acks::ByMessage);
    let id = host.opened(Acks::ByMessage, 9, 0);
    host.hear(Message::bare(AdbCommand::Wrte, 9, id.0)).unwrap();
    assert_eq!(host.said(), [Message::bare(AdbCommand::Okay, id.0, 9)]);
    assert_eq!(host.events(), []);
}

#[test]
fn small_data_holds_no_large_buffer_in_memory() {
    let mut host = End::connected_host(Acks::ByBytes);
    let small = host.opened(Acks::ByBytes, 9, 0);
    let large = host.opened(Acks::ByBytes, 10, 0);
    let mut held = Vec::new();
    for _ in 0..16 {
        // As a transport does it: many messages in one buffer.
        let mut bytes = encode(
            &message(AdbCommand::Wrte, 9, small.0, "x"),
            ChecksumMode::Skipped,
        );
        let photo = message(AdbCommand::Wrte, 10, large.0, pattern(MAX_PAYLOAD as usize));
        bytes.extend_from_slice(&encode(&photo, ChecksumMode::Skipped));
        host.connection.receive(&mut bytes).unwrap();
        for event in host.events() {
            match event {
                ConnectionEvent::Data(id, data) if id == small => held.push(data),
                ConnectionEvent::Data(id, data) => host.connection.consumed(id, data.len()),
                event => panic!("{event:?}"),
            }
        }
    }
    let capacity = |data: Bytes| data.try_into_mut().unwrap().capacity();
    let total: usize = held.into_iter().map(capacity).sum();
    assert!(total < MAX_PAYLOAD as usize, "{total}");
}

#[test]
fn output_leaves_in_order_whatever_its_size() {
    let mut host = End::connected_host(Acks::ByBytes);
    let id = host.opened(Acks::ByBytes, 9, i32::MAX);
    let sizes = [1, 4096, 4097, 20, 100_000, 4095, MAX_PAYLOAD as usize, 1];
    for size in sizes {
        host.connection.write(id, pattern(size));
    }
    host.connection.close(id);
    let said = host.said();
    assert_eq!(data_lengths(&said), sizes);
    assert!(
        said.iter()
            .zip(sizes)
            .all(|(write, size)| write.payload == pattern(size))
    );
    assert_eq!(said.last().unwrap().command, AdbCommand::Clse);
}
