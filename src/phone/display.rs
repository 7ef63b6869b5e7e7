//! Remote access to the phone's display: pictures of it, and touches and keys for it.
//!
//! Only the phone's own `screencap` and `input` are used; nothing is installed. Source: AOSP
//! `frameworks/base/cmds/screencap`, `frameworks/base/services/.../InputShellCommand.java`.

use std::time::Duration;

use super::Phone;
use super::error::PhoneError;
use crate::adb::shell::quote;

/// The largest screenshot accepted, in bytes: several times the size of a 4K display's.
const MAX_PICTURE: usize = 64 * 1024 * 1024;
/// The most of what a phone says about a touch, in bytes.
const MAX_WORDS: usize = 64 * 1024;
/// How a PNG begins. Source: PNG (third edition), 5.2.
const SIGNATURE: &[u8] = b"\x89PNG\r\n\x1a\n";
/// How a whole PNG ends: its last chunk, `IEND`.
const END: &[u8] = b"\0\0\0\0IEND\xaeB`\x82";
/// How far into the output a picture may begin: phones with two displays print a warning first.
const MAX_PREAMBLE: usize = 4096;
/// The longest text typed at once, in characters.
pub(crate) const MAX_TEXT: usize = 500;

/// An input to the phone's display, or a key. Coordinates are pixels from the top left corner of the picture that
/// [`Phone::screenshot`] returns.
#[derive(Clone, PartialEq, Eq, serde::Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Touch {
    /// A short touch with one finger.
    Tap {
        /// The distance from the left edge.
        x: u16,
        /// The distance from the top edge.
        y: u16,
    },
    /// A finger that moves from one point to another. With equal points it is a long press.
    Swipe {
        /// The start, from the left edge.
        x: u16,
        /// The start, from the top edge.
        y: u16,
        /// The end, from the left edge.
        to_x: u16,
        /// The end, from the top edge.
        to_y: u16,
        /// The duration in milliseconds.
        milliseconds: u16,
    },
    /// Text to type. It may be a secret and is never shown or logged.
    Text(String),
    /// A key to press.
    Key(Key),
}

impl std::fmt::Debug for Touch {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        // What is typed may be a PIN, and where is tapped on a PIN pad is one.
        f.write_str(match self {
            Self::Tap { .. } => "Tap",
            Self::Swipe { .. } => "Swipe",
            Self::Text(_) => "Text",
            Self::Key(_) => "Key",
        })
    }
}

/// A key that may be pressed. None of them can switch the phone off.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Key {
    /// Turns the display on; does nothing if it is on already.
    Wake,
    /// Opens the home screen.
    Home,
    /// Goes back one step.
    Back,
    /// Opens the list of recent apps.
    Recents,
    /// The menu key of old apps; on many lock screens it opens the PIN field.
    Menu,
    /// Enter.
    Enter,
    /// Deletes the character before the cursor.
    Backspace,
    /// Moves to the next field.
    Tab,
    /// Escape.
    Escape,
    /// The up arrow.
    Up,
    /// The down arrow.
    Down,
    /// The left arrow.
    Left,
    /// The right arrow.
    Right,
    /// Volume up.
    VolumeUp,
    /// Volume down.
    VolumeDown,
}

impl Key {
    /// Returns Android's name of the key, as `input keyevent` takes it.
    fn code(self) -> &'static str {
        match self {
            Self::Wake => "KEYCODE_WAKEUP",
            Self::Home => "KEYCODE_HOME",
            Self::Back => "KEYCODE_BACK",
            Self::Recents => "KEYCODE_APP_SWITCH",
            Self::Menu => "KEYCODE_MENU",
            Self::Enter => "KEYCODE_ENTER",
            Self::Backspace => "KEYCODE_DEL",
            Self::Tab => "KEYCODE_TAB",
            Self::Escape => "KEYCODE_ESCAPE",
            Self::Up => "KEYCODE_DPAD_UP",
            Self::Down => "KEYCODE_DPAD_DOWN",
            Self::Left => "KEYCODE_DPAD_LEFT",
            Self::Right => "KEYCODE_DPAD_RIGHT",
            Self::VolumeUp => "KEYCODE_VOLUME_UP",
            Self::VolumeDown => "KEYCODE_VOLUME_DOWN",
        }
    }
}

/// An error while reading the display or sending input to it.
#[derive(Debug, Clone, thiserror::Error)]
pub enum DisplayError {
    /// Communication with the phone failed.
    #[error(transparent)]
    Phone(#[from] PhoneError),
    /// The phone's output is not a picture.
    #[error("the phone gave no picture of its display{}", said(words))]
    NoPicture {
        /// The phone's output; untrusted text.
        words: String,
    },
    /// The phone did not carry out the input.
    #[error("the phone did not take the touch{}", said(words))]
    NotTaken {
        /// The phone's output; untrusted text.
        words: String,
    },
    /// The text contains characters other than ASCII, which the phone's `input` command cannot type.
    #[error("a phone can be sent only letters, digits and signs of a US keyboard")]
    CannotType,
    /// The text is longer than what is typed at once.
    #[error("more than {MAX_TEXT} characters at once")]
    TooLong,
}

fn said(words: &str) -> String {
    match words {
        "" => String::new(),
        words => format!(": {words}"),
    }
}

impl Phone {
    /// Returns what the display shows now, as a PNG. Screens that an app or the system protects appear black.
    pub async fn screenshot(&self) -> Result<Vec<u8>, DisplayError> {
        let output = self
            .run("screencap", b"screencap -p", MAX_PICTURE, self.idle())
            .await?;
        let begin = output
            .stdout
            .windows(SIGNATURE.len())
            .take(MAX_PREAMBLE)
            .position(|bytes| bytes == SIGNATURE);
        match begin.and_then(|begin| output.stdout.get(begin..)) {
            Some(picture) if picture.ends_with(END) => Ok(picture.to_vec()),
            // Half a picture says nothing in words.
            Some(_) => Err(DisplayError::NoPicture {
                words: "it broke off in the middle".to_owned(),
            }),
            None => Err(DisplayError::NoPicture {
                words: brief(&[output.stderr, output.stdout].concat()),
            }),
        }
    }

    /// Sends an input to the display and waits until the phone has carried it out.
    pub async fn touch(&self, touch: &Touch) -> Result<(), DisplayError> {
        for command in commands(touch)? {
            let idle = self.idle() + Duration::from_millis(duration(touch).into());
            let output = self.run_secret("input", &command, MAX_WORDS, idle).await?;
            // `input` complains on either, and old phones tell no exit code.
            let words = [output.stderr, output.stdout].concat();
            if output.exit.unwrap_or(0) != 0 || !words.trim_ascii().is_empty() {
                return Err(DisplayError::NotTaken {
                    words: brief(&words),
                });
            }
        }
        Ok(())
    }
}

fn duration(touch: &Touch) -> u16 {
    match touch {
        Touch::Swipe { milliseconds, .. } => *milliseconds,
        _ => 0,
    }
}

/// Returns the shell commands that carry out the input, in order.
fn commands(touch: &Touch) -> Result<Vec<Vec<u8>>, DisplayError> {
    Ok(match touch {
        Touch::Tap { x, y } => vec![format!("input tap {x} {y}").into_bytes()],
        Touch::Swipe {
            x,
            y,
            to_x,
            to_y,
            milliseconds,
        } => vec![format!("input swipe {x} {y} {to_x} {to_y} {milliseconds}").into_bytes()],
        Touch::Key(key) => vec![format!("input keyevent {}", key.code()).into_bytes()],
        Touch::Text(text) => typed(text)?,
    })
}

/// Splits text for `input text`, which replaces `%s` by a space and knows no other escape: a `%` before an `s` is typed
/// by a command of its own.
fn typed(text: &str) -> Result<Vec<Vec<u8>>, DisplayError> {
    if text.chars().count() > MAX_TEXT {
        return Err(DisplayError::TooLong);
    }
    if !text.bytes().all(|byte| (b' '..=b'~').contains(&byte)) {
        return Err(DisplayError::CannotType);
    }
    let mut words = vec![String::new()];
    let mut rest = text.chars().peekable();
    while let Some(character) = rest.next() {
        let Some(word) = words.last_mut() else { break };
        match character {
            ' ' => word.push_str("%s"),
            '%' if rest.peek() == Some(&'s') => {
                word.push('%');
                words.push(String::new());
            }
            other => word.push(other),
        }
    }
    words.retain(|word| !word.is_empty());
    let command = |word: String| [b"input text ".as_slice(), &quote(word.as_bytes())].concat();
    Ok(words.into_iter().map(command).collect())
}

/// The beginning of what a phone says, on one line.
fn brief(words: &[u8]) -> String {
    let text = String::from_utf8_lossy(words.get(..MAX_WORDS).unwrap_or(words)).into_owned();
    let printable = |c: &char| !c.is_control();
    let one_line = text.split_whitespace().collect::<Vec<_>>().join(" ");
    one_line.chars().filter(printable).take(200).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(text: &str) -> Vec<String> {
        let commands = typed(text).unwrap();
        let line = |command: Vec<u8>| String::from_utf8(command).unwrap();
        commands.into_iter().map(line).collect()
    }

    #[test]
    fn text_reaches_the_phone_as_it_is() {
        assert_eq!(lines("1234"), ["input text '1234'"]);
        assert_eq!(lines("a b"), ["input text 'a%sb'"]);
        assert_eq!(lines("$(reboot);'`|"), ["input text '$(reboot);'\\''`|'"]);
        assert_eq!(
            lines("100%sure"),
            ["input text '100%'", "input text 'sure'"]
        );
        assert_eq!(lines("%%s%"), ["input text '%%'", "input text 's%'"]);
        assert_eq!(lines(""), [""; 0]);
    }

    #[test]
    fn what_no_phone_types_is_refused() {
        for text in ["é", "\n", "\0", "日本"] {
            assert!(matches!(typed(text), Err(DisplayError::CannotType)));
        }
        let long = "x".repeat(MAX_TEXT + 1);
        assert!(matches!(typed(&long), Err(DisplayError::TooLong)));
    }

    #[test]
    fn what_is_typed_or_tapped_is_never_shown() {
        let shown = format!(
            "{:?} {:?}",
            Touch::Text("4711".to_owned()),
            Touch::Tap { x: 4711, y: 1 }
        );
        assert!(!shown.contains("4711"));
    }
}
