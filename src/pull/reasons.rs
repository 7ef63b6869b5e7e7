//! Why the phone does not give something, from its own words and numbers.

use std::time::Duration;

use crate::folder::{Reason, ReasonCode};
use crate::phone::PhoneError;

/// Returns the reason for a failed sync request, from the phone's message.
pub(super) fn reason_of_fail(message: &[u8]) -> Reason {
    let message =
        String::from_utf8_lossy(message.get(..message.len().min(300)).unwrap_or_default());
    let has = |words: &str| message.to_lowercase().contains(words);
    let code = if has("permission denied") || has("operation not permitted") {
        ReasonCode::PermissionDenied
    } else if has("no such file") {
        ReasonCode::Vanished
    } else if has("i/o error") || has("input/output error") {
        ReasonCode::PhoneIo
    } else if has("is a directory") || has("not a regular") {
        ReasonCode::NotAFile
    } else {
        ReasonCode::Refused
    };
    Reason {
        code,
        message: message.into_owned(),
    }
}

/// Returns the reason for a Linux error number.
pub(super) fn reason_of_errno(errno: u32) -> Reason {
    let (code, message) = match errno {
        2 => (ReasonCode::Vanished, "no such file"),
        5 => (ReasonCode::PhoneIo, "I/O error"),
        1 | 13 => (ReasonCode::PermissionDenied, "permission denied"),
        _ => (ReasonCode::Other, "refused"),
    };
    Reason {
        code,
        message: format!("{message} (error {errno})"),
    }
}

/// Returns the reason for a file that a lost connection interrupted.
pub(super) fn gone(error: &PhoneError) -> Reason {
    Reason::new(ReasonCode::PhoneGone, error.to_string())
}

/// Returns the reason for a file whose stream ended before the file did.
pub(super) fn broken_off() -> Reason {
    Reason::new(
        ReasonCode::PhoneIo,
        "the phone ended the stream in the middle of the file",
    )
}

/// Returns the reason for a file of which nothing arrived for this long.
pub(super) fn silent(after: Duration) -> Reason {
    Reason::new(
        ReasonCode::PhoneIo,
        format!("nothing came for {} seconds", after.as_secs()),
    )
}

/// Returns the reason for a file in whose bytes the phone broke the protocol.
pub(super) fn nonsense(error: &dyn std::error::Error) -> Reason {
    Reason::new(ReasonCode::PhoneIo, error.to_string())
}

/// Returns the reason for a file of which more or fewer bytes arrived than it has.
pub(super) fn other_size() -> Reason {
    Reason::new(
        ReasonCode::ChangedWhileRead,
        "its size differs from the listed one",
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reasons_are_read_from_the_phones_words() {
        let code = |words: &str| reason_of_fail(words.as_bytes()).code;
        assert_eq!(
            code("open failed: Permission denied"),
            ReasonCode::PermissionDenied
        );
        assert_eq!(
            code("failed to open file '/x': No such file or directory"),
            ReasonCode::Vanished
        );
        assert_eq!(code("read failed: I/O error"), ReasonCode::PhoneIo);
        assert_eq!(code("dreaming"), ReasonCode::Refused);
        assert!(reason_of_fail(&[0xff; 100_000]).message.len() < 2000);
    }
}
