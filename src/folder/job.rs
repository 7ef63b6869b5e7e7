//! The label of a rescue: whose phone it is, and a note. A person typed both, or a page did, or a folder from elsewhere
//! brings them.
//!
//! Control characters become blanks, and are not refused: they come with pasted text (a tab, a line end), and nobody
//! finds a character that does not show. So do those that turn the direction of the text behind them. What joins or
//! separates letters, as Persian and emoji need it, stays; whoever shows the label escapes it like a phone's words.

/// The most characters of a customer's name.
pub(crate) const MAX_CUSTOMER: usize = 200;
/// The most characters of a note, line breaks included.
pub(crate) const MAX_NOTE: usize = 2000;

/// A text that is too long for a label.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{what} has {found} characters; the most are {most}")]
pub struct LabelTooLong {
    what: &'static str,
    found: usize,
    most: usize,
}

/// Whose phone was rescued, and a note about the job; each empty where nobody said it.
#[derive(Debug, Clone, Default, PartialEq, Eq, serde::Serialize)]
pub struct JobLabel {
    customer: String,
    note: String,
}

impl JobLabel {
    /// Makes a label of what somebody typed: the customer on one line, the note on any number.
    pub fn new(customer: &str, note: &str) -> Result<Self, LabelTooLong> {
        Ok(Self {
            customer: customer_of(customer)?,
            note: note_of(note)?,
        })
    }

    /// Returns the label with other texts where they are given; an empty one removes what was there.
    pub fn with(&self, customer: Option<&str>, note: Option<&str>) -> Result<Self, LabelTooLong> {
        let (customer, note) = (
            customer.unwrap_or(&self.customer),
            note.unwrap_or(&self.note),
        );
        Self::new(customer, note)
    }

    /// The customer's name, on one line.
    pub fn customer(&self) -> &str {
        &self.customer
    }

    /// The note; its lines end with `\n`, the last one with nothing.
    pub fn note(&self) -> &str {
        &self.note
    }
}

/// Reads a customer's name.
pub(crate) fn customer_of(typed: &str) -> Result<String, LabelTooLong> {
    let text = cleaned(typed).replace('\n', " ");
    bounded("the customer's name", text.trim(), MAX_CUSTOMER)
}

/// Reads a note.
pub(crate) fn note_of(typed: &str) -> Result<String, LabelTooLong> {
    let text = cleaned(typed);
    let lines: Vec<_> = text.lines().map(str::trim_end).collect();
    bounded("the note", lines.join("\n").trim(), MAX_NOTE)
}

fn bounded(what: &'static str, text: &str, most: usize) -> Result<String, LabelTooLong> {
    match text.chars().count() {
        found if found > most => Err(LabelTooLong { what, found, most }),
        _ => Ok(text.to_owned()),
    }
}

/// Text whose only control characters are line breaks.
fn cleaned(typed: &str) -> String {
    let typed = typed.replace("\r\n", "\n");
    let clean = |c: char| match c {
        '\n' | '\r' | '\u{85}' | '\u{2028}' | '\u{2029}' => '\n',
        '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' => ' ',
        c if c.is_control() => ' ',
        c => c,
    };
    typed.chars().map(clean).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_lose_what_steers_and_keep_what_shows() {
        let label = JobLabel::new(
            " Ada\tLovelace\r\n\u{202e}<b>\u{1b}[2J ",
            "\n job 7 \r\nfront\u{2028}glass\u{0}broken\r\n\r\n",
        );
        let label = label.unwrap();
        assert_eq!(label.customer(), "Ada Lovelace  <b> [2J");
        assert_eq!(label.note(), "job 7\nfront\nglass broken");
        // Persian needs the non-joiner, a family the joiner.
        let names = "نمی\u{200c}دانم 👩\u{200d}👧";
        assert_eq!(JobLabel::new(names, "").unwrap().customer(), names);
        // What is kept is what would be kept again.
        let again = JobLabel::new(label.customer(), label.note());
        assert_eq!(again.unwrap(), label);
    }

    #[test]
    fn length_is_counted_in_characters() {
        let (name, note) = ("ö".repeat(MAX_CUSTOMER), "→\n".repeat(MAX_NOTE / 2));
        let label = JobLabel::new(&name, &note).unwrap();
        assert_eq!(label.customer(), name);
        let error = label.with(Some(&format!("{name}x")), None).unwrap_err();
        assert_eq!(
            error.to_string(),
            "the customer's name has 201 characters; the most are 200"
        );
        assert!(label.with(None, Some(&format!("{note}ab"))).is_err());
    }

    #[test]
    fn text_that_is_not_given_stays_and_an_empty_one_goes() {
        let label = JobLabel::new("Ada", "job 7").unwrap();
        let other = label.with(None, Some("")).unwrap();
        assert_eq!(other, JobLabel::new("Ada", "").unwrap());
        assert_eq!(label.with(None, None).unwrap(), label);
    }
}
