//! The adb server's language: requests with a length in front, and its list of phones.
//!
//! Source: AOSP `adb/OVERVIEW.TXT`, `adb/SERVICES.TXT`, `adb/transport.cpp`.

mod devices;

use bytes::{Bytes, BytesMut};

pub use devices::{Device, DeviceState, parse_devices};

/// The longest text answer accepted from a server, in bytes: its length field has four hexadecimal digits.
pub const MAX_TEXT: usize = 0xffff;

/// Encodes a request for the server: four hexadecimal digits of length and the service's name. Returns `None` if the
/// name is too long for the length field.
pub fn request(service: &[u8]) -> Option<Vec<u8>> {
    (service.len() <= MAX_TEXT)
        .then(|| [format!("{:04x}", service.len()).as_bytes(), service].concat())
}

/// The status at the start of a server's answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Status {
    /// The server accepted the request.
    Okay,
    /// The server refused the request, for this reason.
    Fail(String),
}

/// The error for bytes that are not an adb server's answer.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("what listens there is no adb server: it answered '{}'", got.escape_ascii())]
pub struct NotAServer {
    /// The first bytes received.
    pub got: Bytes,
}

/// Removes a status from the front of `input`; returns `None` until it is complete.
pub fn parse_status(input: &mut BytesMut) -> Result<Option<Status>, NotAServer> {
    let Some(word) = input.get(..4) else {
        return Ok(None);
    };
    match word {
        b"OKAY" => {
            let _ = input.split_to(4);
            Ok(Some(Status::Okay))
        }
        b"FAIL" => {
            let Some(length) = text_length(input, 4)? else {
                return Ok(None);
            };
            let Some(text) = input.get(8..8 + length) else {
                return Ok(None);
            };
            let text = String::from_utf8_lossy(text).into_owned();
            let _ = input.split_to(8 + length);
            Ok(Some(Status::Fail(text)))
        }
        _ => Err(not_a_server(input)),
    }
}

/// Removes a length-prefixed text from the front of `input`; returns `None` until it is complete.
pub fn parse_text(input: &mut BytesMut) -> Result<Option<String>, NotAServer> {
    let Some(length) = text_length(input, 0)? else {
        return Ok(None);
    };
    let Some(text) = input.get(4..4 + length) else {
        return Ok(None);
    };
    let text = String::from_utf8_lossy(text).into_owned();
    let _ = input.split_to(4 + length);
    Ok(Some(text))
}

/// Removes the text after an `OKAY` status from the front of `input`; returns `None` until it is complete. Newer
/// servers accept a long-running request at first and report its failure in a second status: that is the inner `Err`.
pub fn parse_answer(input: &mut BytesMut) -> Result<Option<Result<String, String>>, NotAServer> {
    // No length begins so.
    if input.starts_with(b"FAIL") {
        let failed = parse_status(input)?;
        return Ok(failed.and_then(|status| match status {
            Status::Fail(why) => Some(Err(why)),
            Status::Okay => None,
        }));
    }
    Ok(parse_text(input)?.map(Ok))
}

fn text_length(input: &BytesMut, at: usize) -> Result<Option<usize>, NotAServer> {
    let Some(digits) = input.get(at..at + 4) else {
        return Ok(None);
    };
    let text = std::str::from_utf8(digits)
        .ok()
        .filter(|text| !text.starts_with('+'));
    let length = text.and_then(|text| usize::from_str_radix(text, 16).ok());
    length.map(Some).ok_or_else(|| not_a_server(input))
}

fn not_a_server(input: &BytesMut) -> NotAServer {
    NotAServer {
        got: Bytes::copy_from_slice(input.get(..input.len().min(16)).unwrap_or_default()),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::fuzz::{Cut, server_answer};

    #[test]
    fn request_has_its_length_in_front() {
        assert_eq!(request(b"host:version").unwrap(), b"000chost:version");
        assert_eq!(request(&[b'x'; 0x10000]), None);
    }

    #[test]
    fn status_waits_until_it_is_whole() {
        let whole = b"FAIL0005hello..";
        for cut in 0..13 {
            let mut input = BytesMut::from(&whole[..cut]);
            assert_eq!(parse_status(&mut input), Ok(None), "{cut}");
        }
        let mut input = BytesMut::from(whole.as_slice());
        assert_eq!(
            parse_status(&mut input),
            Ok(Some(Status::Fail("hello".into())))
        );
        assert_eq!(input, "..");
        assert!(parse_status(&mut BytesMut::from("HTTP/1.1")).is_err());
        assert!(parse_status(&mut BytesMut::from("FAIL+0x1")).is_err());
        assert!(parse_text(&mut BytesMut::from("00zz")).is_err());
    }

    #[test]
    fn answer_is_a_text_or_a_second_status() {
        let mut input = BytesMut::from("0003abcFAIL0002noOKAY");
        assert_eq!(parse_answer(&mut input), Ok(Some(Ok("abc".into()))));
        assert_eq!(parse_answer(&mut input), Ok(Some(Err("no".into()))));
        assert!(parse_answer(&mut input).is_err());
        for cut in 0..10 {
            let mut input = BytesMut::from(&"FAIL0002no"[..cut]);
            assert_eq!(parse_answer(&mut input), Ok(None), "{cut}");
        }
    }

    #[test]
    fn what_is_behind_an_answer_is_left() {
        let mut input = BytesMut::from("OKAY0003abcdef");
        assert_eq!(parse_status(&mut input), Ok(Some(Status::Okay)));
        assert_eq!(parse_text(&mut input), Ok(Some("abc".into())));
        assert_eq!(input, "def");
    }

    #[test]
    fn length_is_four_hexadecimal_digits_and_nothing_else() {
        for digits in [
            "+001",
            "-001",
            " 001",
            "0x01",
            "00 1",
            "\0\0\0\x01",
            "00\u{e9}",
        ] {
            let mut input = BytesMut::from(digits);
            input.extend_from_slice(b"abcd");
            let got = input.clone().freeze();
            assert_eq!(
                parse_text(&mut input),
                Err(NotAServer { got }),
                "{digits:?}"
            );
        }
        let mut input = BytesMut::from("000Aabcdefghij");
        assert_eq!(parse_text(&mut input), Ok(Some("abcdefghij".into())));
    }

    proptest! {
        #[test]
        fn text_comes_out_as_it_went_in_whatever_the_pieces(
            text in "(?s).{0,400}",
            fails in any::<bool>(),
            lengths in prop::collection::vec(any::<u8>(), 1..9),
        ) {
            let counted = request(text.as_bytes()).unwrap();
            let word: &[u8] = if fails { b"FAIL" } else { b"OKAY" };
            let bytes = [word, &counted].concat();
            let expected = if fails {
                (Ok(Some(Status::Fail(text))), Ok(None), BytesMut::new())
            } else {
                (Ok(Some(Status::Okay)), Ok(Some(text)), BytesMut::new())
            };
            for cut in [Cut::Whole, Cut::Bytes, Cut::Lengths(&lengths)] {
                prop_assert_eq!(&server_answer(&cut.pieces(&bytes)), &expected);
            }
        }
    }
}
