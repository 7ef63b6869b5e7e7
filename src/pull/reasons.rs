//! Why the phone does not give something, from its own words and numbers.

use crate::folder::{Reason, ReasonCode};

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
