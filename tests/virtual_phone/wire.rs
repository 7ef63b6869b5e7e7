//! A wire that breaks wherever it likes, and a phone that falls silent.

use bytes::Bytes;
use rescue::virtual_phone::fault::Fault;
use rescue::virtual_phone::wire::{After, Break};

use crate::desk::{Desk, camera, refs};

const FOR_EVER: u32 = u32::MAX;
const BIG: u64 = 12_000_000;
/// A file so big that what the system holds of it on its way counts for little.
const HUGE: u64 = 36_000_000;
/// More of it than may come twice when it is gone on with, twice: what was on its way is lost, which
/// is more where the machine is busy, up to the buffers of both ends.
const TWICE: u64 = 16_000_000;

/// A message of the protocol that announces more than there can be.
fn endless_message() -> Bytes {
    let ids = [1_u32.to_le_bytes(), 1_u32.to_le_bytes(), [0xff; 4], [0; 4]].concat();
    let magic: Vec<u8> = b"WRTE".iter().map(|byte| byte ^ 0xff).collect();
    [&b"WRTE"[..], &ids, &magic].concat().into()
}

#[tokio::test]
async fn wire_cut_anywhere_is_mended_or_named_and_nothing_is_lost() {
    // In the hello, in `getprop`, in the listing, in a header, in a small file and in a large one;
    // only before the phone has said who it is, nobody waits for it.
    for bytes in [
        10, 60, 300, 700, 1500, 2_500, 5_000, 60_000, 1_000_000, 2_999_999,
    ] {
        let (phone, expected) = camera(&[50_000, 3_000_000, 70_000]);
        phone.faults.break_wire(After::Bytes(bytes), Break::Cut, 1);
        let (desk, serving) = (Desk::new(), phone.serve().await.unwrap());
        let ended = desk.pull(&serving, &[]).await;
        if ended.code != 0 {
            assert!(bytes < 1_000, "{bytes}: {:#?}", ended.lines);
            assert!(
                ended.expect(10).message().contains("no phone answered at"),
                "{bytes}"
            );
            desk.pull(&serving, &[]).await.expect(0);
        }
        desk.expect_files(&refs(&expected));
    }
}

#[tokio::test]
async fn wire_that_is_cut_again_and_again_still_brings_everything() {
    let (phone, expected) = camera(&[50_000, BIG, 70_000, BIG / 2]);
    phone
        .faults
        .break_wire(After::Bytes(2_500_000), Break::Cut, FOR_EVER);
    let (desk, serving) = (Desk::new(), phone.serve().await.unwrap());
    desk.pull(&serving, &[]).await.expect(0);
    assert!(serving.connections() > 6, "{}", serving.connections());
    desk.expect_files(&refs(&expected));
}

#[tokio::test]
async fn nonsense_behind_the_hello_is_named_at_once() {
    for nonsense in [
        Bytes::from_static(b"HTTP/1.1 400 Bad Request\r\n\r\n"),
        endless_message(),
    ] {
        let (phone, _) = camera(&[1000]);
        phone.faults.break_wire(
            After::FirstMessage,
            Break::Nonsense(nonsense.clone()),
            FOR_EVER,
        );
        let (desk, serving) = (Desk::new(), phone.serve().await.unwrap());
        let ended = desk.pull(&serving, &[]).await.expect(1);
        assert_eq!(
            ended.line("error")["kind"],
            "phone_talks_nonsense",
            "{nonsense:?}"
        );
        assert!(!desk.folder().exists());
    }
}

#[tokio::test]
async fn silence_behind_the_hello_is_named_in_time() {
    let (phone, _) = camera(&[1000]);
    phone
        .faults
        .break_wire(After::FirstMessage, Break::Silence, FOR_EVER);
    let (desk, serving) = (Desk::new(), phone.serve().await.unwrap());
    let ended = desk.pull(&serving, &[]).await.expect(1);
    assert!(
        ended.message().contains("stopped answering"),
        "{}",
        ended.message()
    );
}

/// What came of the big file, the first of the phone's.
async fn sent_of_big_file(phone: rescue::virtual_phone::VirtualPhone, size: u64) -> u64 {
    let (desk, serving) = (Desk::new(), phone.serve().await.unwrap());
    desk.pull(&serving, &[]).await.expect(0);
    let (_, expected) = camera(&[size]);
    desk.expect_files(&refs(&expected));
    serving.sent_bytes().into_values().sum()
}

#[tokio::test]
async fn wire_that_falls_silent_in_a_big_file_costs_only_time() {
    let (phone, _) = camera(&[HUGE]);
    phone
        .faults
        .break_wire(After::Bytes(HUGE * 2 / 3), Break::Silence, 1);
    let sent = sent_of_big_file(phone, HUGE).await;
    assert!(sent < HUGE + TWICE, "{sent}");
}

#[tokio::test]
async fn wire_that_falls_silent_again_and_again_still_brings_a_big_file() {
    let (phone, _) = camera(&[BIG]);
    phone
        .faults
        .break_wire(After::Bytes(BIG / 4), Break::Silence, 3);
    sent_of_big_file(phone, BIG).await;
}

#[tokio::test]
async fn resumed_file_that_breaks_off_is_gone_on_with() {
    for fault in [
        Fault::Stall(HUGE * 3 / 4),
        Fault::EndStream(HUGE * 3 / 4),
        Fault::Cut(HUGE * 3 / 4),
    ] {
        let (phone, _) = camera(&[HUGE]);
        phone.faults.add(None, Fault::Cut(HUGE / 2), 1);
        phone.faults.add_resumed(None, fault.clone(), 1);
        let sent = sent_of_big_file(phone, HUGE).await;
        assert!(sent < HUGE + TWICE, "{fault:?}: {sent}");
    }
}

#[tokio::test]
async fn resumed_file_that_cannot_be_read_so_starts_over() {
    let refuse = Fault::Refuse("Permission denied".into());
    for fault in [
        refuse,
        Fault::Stall(0),
        Fault::EndStream(0),
        Fault::ReadError(BIG * 3 / 4),
        Fault::FlipBit(BIG - 1),
    ] {
        let (phone, _) = camera(&[BIG]);
        phone.faults.add(None, Fault::Cut(BIG / 2), 1);
        phone.faults.add_resumed(None, fault, FOR_EVER);
        sent_of_big_file(phone, BIG).await;
    }
}
