//! The sentences that a person reads. In: values. Out: lines, with foreign names made harmless.

pub(in crate::ui) mod drawing;
pub(crate) mod journey;

/// What no pull can take.
pub(crate) const APART: &str = "Not part of this: contacts, messages, and what apps keep inside themselves, as WhatsApp keeps its chats.";
/// The end that a pull cannot take back.
const WIPE: &str = "Do not wipe the phone, and do not give it away,";

/// Says what an owner does before the phone may go.
pub(crate) fn look_first() -> String {
    format!(
        "{WIPE} before you have looked at the pictures, and have a second copy on another disk or in a cloud."
    )
}
