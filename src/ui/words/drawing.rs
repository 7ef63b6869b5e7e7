//! What the drawings show, for a person who does not see them.

use serde::Serialize;

use crate::guide::drawing::Drawing;

/// A drawing on a page.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct DrawingWords {
    /// The name of its file, without the ending.
    name: &'static str,
    /// What it shows, for a person who does not see it.
    alt: &'static str,
}

impl DrawingWords {
    pub(in crate::ui) fn of(drawing: Drawing) -> Self {
        let alt = match drawing {
            Drawing::Cable => "The cable's free end goes into a port of the computer.",
            Drawing::Replug => "The cable goes out of the computer, and in again.",
            Drawing::Allow => {
                "The phone asks 'Allow USB debugging?'. The box is ticked, and a finger taps 'Allow'."
            }
            Drawing::Debugging => {
                "The phone's settings: 'Build number' is tapped seven times, then 'USB debugging' is switched on."
            }
            Drawing::Pin => "The locked phone asks for its PIN.",
            Drawing::Keyboard => {
                "The computer's keyboard controls a phone with broken glass over the cable."
            }
            Drawing::Permission => {
                "A padlock on the computer: the obstacle is here, not on the phone."
            }
            Drawing::Driver => "A driver is installed on the computer, with the phone plugged in.",
            Drawing::Twins => "Two phones that look the same: one of them is unplugged.",
            Drawing::Busy => "Another program on the computer is closed.",
            Drawing::Power => {
                "The volume keys at the phone's side, and its power button, which starts it again."
            }
            Drawing::Network => "The computer and the phone are in one wireless network.",
            Drawing::Wait => "An hourglass on the phone: it needs a moment.",
        };
        Self {
            name: drawing.name(),
            alt,
        }
    }
}
