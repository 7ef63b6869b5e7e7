//! A page in the browser in place of a terminal: whatever is said goes there, and whatever is asked is answered there.

use std::pin::Pin;

use serde::Serialize;
use zeroize::Zeroizing;

use super::terminal::Mode;
use super::text::plain;
use super::words::drawing::DrawingWords;
use crate::error::{Error, Kind};
use crate::event::Event;

/// Something that a person looks at instead of a terminal.
pub(crate) trait Face: Send + Sync {
    /// Shows a line.
    fn tell(&self, line: &str, tone: Tone);

    /// Takes an event of the work, which may come from any thread.
    fn event(&self, event: &Event);

    /// Shows how far the work is; `None` ends that.
    fn progress(&self, progress: Option<FaceProgress>);

    /// Asks. A question is taken back where its future is dropped.
    fn ask(&self, question: FaceQuestion) -> FaceAsking<'_>;
}

/// How a line is meant.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Tone {
    /// It informs.
    Plain,
    /// Something is wrong.
    Bad,
    /// It is an address for the browser.
    Link,
    /// It repeats the person's own answer.
    Answer,
}

/// How far the work is.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(crate) struct FaceProgress {
    /// From 0 to 1, where it is known how much there is to do.
    pub(crate) fraction: Option<f64>,
    /// The state of the work, the percentage first.
    pub(crate) parts: Vec<String>,
    /// The item of the moment.
    pub(crate) item: String,
    /// What is waited for.
    pub(crate) waits: Vec<String>,
    /// What the person can do about it.
    pub(crate) drawing: Option<DrawingWords>,
}

/// A question for the person.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct FaceQuestion {
    pub(crate) text: String,
    #[serde(flatten)]
    pub(crate) wanted: WantedAnswer,
}

/// The answer that is wished for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub(crate) enum WantedAnswer {
    /// One of these; the usual one, where one is, is at this place.
    One {
        choices: Vec<String>,
        usual: Option<usize>,
    },
    /// Any number of these.
    Many { choices: Vec<String> },
    /// Nothing, for what is waited for may come by itself; or one of these.
    Wait { choices: Vec<String> },
    /// A line of text.
    Line,
    /// A line that nobody else may see.
    Secret,
    /// A folder of this computer.
    Folder,
}

/// What the person answered.
#[derive(PartialEq, Eq)]
pub(crate) enum FaceAnswer {
    /// A choice, from 0.
    Number(usize),
    /// Choices, from 0.
    Numbers(Vec<usize>),
    /// A line, or the path of a folder.
    Line(Zeroizing<String>),
    /// The person does not want to answer.
    Nothing,
}

/// Tells no line: it may be a secret.
impl std::fmt::Debug for FaceAnswer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Number(number) => write!(f, "Number({number})"),
            Self::Numbers(numbers) => write!(f, "Numbers({numbers:?})"),
            Self::Line(_) => f.write_str("Line(..)"),
            Self::Nothing => f.write_str("Nothing"),
        }
    }
}

/// An answer that is waited for.
pub(crate) type FaceAsking<'a> = Pin<Box<dyn Future<Output = FaceAnswer> + Send + 'a>>;

/// A line for a face; names of a phone in it are made harmless once more.
pub(super) fn tell(face: &dyn Face, line: &str) {
    face.tell(&plain(line), Tone::Plain);
}

/// An error for a face.
pub(super) fn tell_error(face: &dyn Face, error: &Error) {
    let tone = match error.kind {
        Kind::Interrupted => Tone::Plain,
        _ => Tone::Bad,
    };
    face.tell(&plain(&error.message), tone);
    for cause in error.causes() {
        tell(face, &format!("caused by: {cause}"));
    }
    if let Some(hint) = &error.hint {
        tell(face, &format!("hint: {hint}"));
    }
}

/// A terminal's question, for a face.
pub(super) fn asked_on_face(question: &str, mode: Mode) -> FaceQuestion {
    FaceQuestion {
        text: plain(question.trim().trim_end_matches(':')),
        wanted: match mode {
            Mode::Hidden => WantedAnswer::Secret,
            Mode::Lines | Mode::Keys => WantedAnswer::Line,
        },
    }
}

/// The answer as a terminal gives it: with its end, and empty where there is none.
pub(super) fn line_of(answer: FaceAnswer) -> Zeroizing<Vec<u8>> {
    let FaceAnswer::Line(line) = answer else {
        return Zeroizing::default();
    };
    // As long as it is in the end: a vector that grows leaves a copy behind.
    let mut bytes = Zeroizing::new(Vec::with_capacity(line.len() + 1));
    bytes.extend_from_slice(line.as_bytes());
    bytes.push(b'\n');
    bytes
}
