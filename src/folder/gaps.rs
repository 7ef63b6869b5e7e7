//! The missing parts of a file that could be read only in part, and the note about them for a person.

use std::fmt::Write as _;
use std::ops::Range;

/// Parts of a file that could not be read, in bytes from its beginning, ascending and apart.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Gaps(Vec<Range<u64>>);

impl Gaps {
    /// Adds a part that does not begin before the last one; joined with it where they meet.
    pub fn push(&mut self, part: Range<u64>) {
        match self.0.last_mut() {
            Some(last) if part.start <= last.end => last.end = last.end.max(part.end),
            _ if part.is_empty() => {}
            _ => self.0.push(part),
        }
    }

    /// The last part.
    pub fn last(&self) -> Option<&Range<u64>> {
        self.0.last()
    }

    /// Lets the last part end here: what comes behind could be read after all.
    pub fn end_last_at(&mut self, end: u64) {
        let Some(last) = self.0.last_mut() else {
            return;
        };
        last.end = last.end.min(end);
        if last.is_empty() {
            self.0.pop();
        }
    }

    /// The missing bytes.
    pub fn bytes(&self) -> u64 {
        self.0.iter().map(|part| part.end - part.start).sum()
    }

    /// The note beside a damaged file: of which file on the phone, how large that is, and every
    /// missing part.
    pub fn note(&self, on_phone: &str, size: u64) -> String {
        // A name with line breaks in it must not write lines of its own.
        let is_plain = |char: &char| !char.is_control();
        let on_phone: String = on_phone
            .chars()
            .map(|char| Some(char).filter(is_plain).unwrap_or('?'))
            .collect();
        let mut note = format!(
            "Beside this note lies what could be read of this file on the phone:\n{on_phone}\n\
             \n\
             missing {} of {size} bytes. They are zeros in the file here:\n",
            self.bytes(),
        );
        for Range { start, end } in &self.0 {
            // Writing to a string does not fail.
            let _ = writeln!(
                note,
                "bytes {start} to {} ({} bytes)",
                end.saturating_sub(1),
                end - start
            );
        }
        note
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_that_meet_are_one_and_the_last_can_shrink() {
        let mut gaps = Gaps::default();
        gaps.push(10..20);
        gaps.push(20..30);
        gaps.push(25..28);
        gaps.push(40..50);
        assert_eq!(gaps.0, [10..30, 40..50]);
        gaps.end_last_at(60);
        gaps.end_last_at(45);
        assert_eq!((gaps.last(), gaps.bytes()), (Some(&(40..45)), 25));
        gaps.end_last_at(40);
        assert_eq!(gaps.0.as_slice(), std::slice::from_ref(&(10..30)));
    }

    #[test]
    fn note_says_what_is_missing_and_no_name_adds_a_line() {
        let mut gaps = Gaps::default();
        gaps.push(4096..8192);
        gaps.push(100_000..100_001);
        let hostile = gaps.note("/sdcard/a\nmissing 0 of 5 bytes", 200_000);
        let lines = hostile.lines().filter(|line| line.starts_with("missing "));
        assert!(lines.eq(["missing 4097 of 200000 bytes. They are zeros in the file here:"]));
        let note = gaps.note("/sdcard/DCIM/a.jpg", 200_000);
        assert!(note.contains("\n/sdcard/DCIM/a.jpg\n"), "{note}");
        assert!(note.contains("bytes 4096 to 8191 (4096 bytes)\nbytes 100000 to 100000 (1 bytes)"));
    }
}
