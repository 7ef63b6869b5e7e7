//! The guided run's sentences for a page in the browser: there, a choice is a button and not a number, and nobody types
//! a command.

use serde::Serialize;

use super::super::super::face::{FaceQuestion, WantedAnswer};
use super::super::super::text::plain;
use super::super::drawing::DrawingWords;
use super::contents::{self, ContentsWords};
use super::holdings::{self, HoldingsWords};
use super::{UNPACK, asked, does, lines, owned, stopped};
use crate::guide::drawing::Drawing;
use crate::guide::journey::{GuideAction, Note, Question, Sighting};

/// What to tell, in the form that a page shows it in.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub(crate) enum NoteWords {
    /// Some sentences.
    Lines { lines: Vec<String> },
    /// What the person can do now.
    Advice {
        lines: Vec<String>,
        /// What a drawing beside it shows.
        drawing: Option<DrawingWords>,
    },
    /// Something failed.
    Trouble { lines: Vec<String> },
    /// What the phone holds.
    Contents(ContentsWords),
    /// What is here, and how sure that is.
    Holdings(HoldingsWords),
}

/// What to tell on a page.
pub(crate) fn on_page(note: &Note) -> NoteWords {
    let lines = match note {
        Note::Contents(contents) => return NoteWords::Contents(contents::words(contents)),
        // The last words are the verdict once more.
        Note::Arrived(holdings) | Note::Farewell(holdings) => {
            return NoteWords::Holdings(holdings::words(holdings));
        }
        Note::Advice(counsel) => {
            return NoteWords::Advice {
                lines: told(lines(note)),
                drawing: Drawing::of(counsel).map(DrawingWords::of),
            };
        }
        Note::Trouble(_) | Note::Interrupted(_) => {
            return NoteWords::Trouble {
                lines: told(lines(note)),
            };
        }
        Note::Welcome => owned(&[
            "This leads you step by step. The phone is only read: nothing on it is changed or deleted.",
            "Keep the phone charged, and do not restart it.",
            "You may close this page: the work continues, and the page finds it again. Ctrl-C in the window where you started `rescue desk` ends it. Nothing is lost: the next start continues where it stopped.",
        ]),
        Note::Pictures(_) => owned(&[
            "To look at the pictures, use the button \"Look at the pictures\".",
            UNPACK,
        ]),
        Note::Stopped(copied) => stopped(*copied, "the next start"),
        Note::SafePlaces
        | Note::Alternatives(_)
        | Note::Ready(_)
        | Note::Aside(_)
        | Note::Listing
        | Note::NothingLeft
        | Note::SecondCopy
        | Note::Resumes(_) => told(lines(note)),
    };
    NoteWords::Lines { lines }
}

/// The lines without the empty ones that separate them on a terminal.
fn told(lines: Vec<String>) -> Vec<String> {
    lines.into_iter().filter(|line| !line.is_empty()).collect()
}

/// A question with one answer, for a page.
pub(crate) fn asked_on_page(question: &Question) -> FaceQuestion {
    let (text, choices) = worded(question);
    // A button that stands out is pressed: what the person knows is not for the page to guess.
    let usual = match question {
        Question::Doubt(_) | Question::Phone(_) => None,
        _ => Some(question.usual()),
    };
    FaceQuestion {
        text,
        wanted: WantedAnswer::One { choices, usual },
    }
}

/// A question with any number of answers, for a page.
pub(crate) fn asked_for_many_on_page(question: &Question) -> FaceQuestion {
    let (text, choices) = worded(question);
    FaceQuestion {
        text,
        wanted: WantedAnswer::Many { choices },
    }
}

/// What can be done while the guide waits, for a page.
pub(crate) fn offered_on_page(actions: &[GuideAction]) -> FaceQuestion {
    let can_help = actions.iter().any(|action| *action != GuideAction::More);
    FaceQuestion {
        text: match can_help {
            true => "This continues by itself when the phone is ready. This computer can help:",
            false => "Waiting; this continues by itself.",
        }
        .to_owned(),
        wanted: WantedAnswer::Wait {
            choices: actions.iter().map(does).collect(),
        },
    }
}

/// A question about a folder, for a page.
pub(crate) fn asked_for_folder_on_page() -> FaceQuestion {
    FaceQuestion {
        text: "Which folder?".to_owned(),
        wanted: WantedAnswer::Folder,
    }
}

/// A question of the desk itself, for a page.
pub(crate) fn asked_about_desk(doubt: DeskDoubt) -> FaceQuestion {
    let (text, choices): (_, &[&str]) = match doubt {
        DeskDoubt::Paused => ("Paused. Nothing is lost.", &["Continue", "Stop here"]),
        DeskDoubt::Over => (
            "What now?",
            &[
                "Rescue another phone, or continue with this one",
                "End rescue",
            ],
        ),
        DeskDoubt::OverOfMany => (
            "What now?",
            &["Close this phone's card", "Use this card for another phone"],
        ),
        DeskDoubt::Screen => (
            "You can use the phone here.",
            &["I am done with the screen"],
        ),
    };
    FaceQuestion {
        text: text.to_owned(),
        wanted: WantedAnswer::One {
            choices: owned(choices),
            // Whether there is another phone is not for the page to guess.
            usual: (doubt != DeskDoubt::Over).then_some(0),
        },
    }
}

/// What a page calls a phone: its model and the name that chooses it, as far as they are known.
pub(crate) fn phone_on_page(seen: &Sighting) -> Option<String> {
    let name = seen.phone.as_deref().map(plain);
    let model = seen.model.as_deref().filter(|model| !model.is_empty());
    match (model.map(plain), name) {
        (Some(model), Some(name)) => Some(format!("{model} ({name})")),
        (model, name) => model.or(name),
    }
}

/// What only a page asks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum DeskDoubt {
    /// The person stopped the pull: when does it continue?
    Paused,
    /// The rescue is over: is there another phone?
    Over,
    /// The same, while other phones are still being rescued.
    OverOfMany,
    /// The phone's display is shown: until when?
    Screen,
}

fn worded(question: &Question) -> (String, Vec<String>) {
    match question {
        Question::Then(actions) => {
            let (text, _) = asked(question);
            (text, actions.iter().map(does).collect())
        }
        _ => asked(question),
    }
}
