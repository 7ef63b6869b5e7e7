//! Small pictures with their facts, some dozens to a script: `albumPart(3,[["/9j/...",{"iso":"54"}],...])`.

use std::io::{self, Write};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;

use crate::media::look::Look;

/// The folder of the files that the page loads.
pub(super) const ALBUM: &str = "album";
/// The number of entries in one part.
pub(super) const ENTRIES: usize = 48;
/// The largest size of one file's facts, in bytes.
pub(in crate::export) const MAX_FACTS_BYTES: usize = 512;

/// The place of an entry: the number of its part, and its position in it.
pub(super) type EntryPlace = (u32, u8);

/// Returns the entry of a file in a part; `None` if there is nothing to show.
pub(in crate::export) fn entry(look: &Look) -> Option<String> {
    if look.thumb.is_none() && look.facts.is_empty() {
        return None;
    }
    let facts = crate::json::line(&look.facts).ok();
    let facts = facts.filter(|facts| facts.len() <= MAX_FACTS_BYTES);
    let picture = look.thumb.as_ref().map(|bytes| BASE64.encode(bytes));
    Some(format!(
        "[\"{}\",{}]",
        picture.unwrap_or_default(),
        facts.as_deref().unwrap_or("{}")
    ))
}

/// Returns the path of a part.
pub(super) fn path(number: u32) -> String {
    format!("{ALBUM}/p{number}.js")
}

/// Returns the number of a part, from the name of its file.
pub(super) fn number(name: &str) -> Option<u32> {
    name.strip_prefix('p')?.strip_suffix(".js")?.parse().ok()
}

/// Writes a part.
pub(super) fn write(to: &mut dyn Write, number: u32, entries: &[String]) -> io::Result<()> {
    write!(to, "albumPart({number},[")?;
    for (index, entry) in entries.iter().enumerate() {
        write!(to, "{}{entry}", if index == 0 { "" } else { ",\n" })?;
    }
    to.write_all(b"]);\n")
}

/// Assigns places in the parts, in order.
#[derive(Debug, Default)]
pub(super) struct PartName {
    next: (u32, u8),
}

impl PartName {
    pub(super) fn next(&mut self) -> EntryPlace {
        let place = self.next;
        self.next = match usize::from(place.1) + 1 < ENTRIES {
            true => (place.0, place.1 + 1),
            false => (place.0 + 1, 0),
        };
        place
    }
}
