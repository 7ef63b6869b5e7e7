//! The sentences in a Rust source: its string literals that are words for people.

/// The literals of a source that hold at least two words, each in a line of its own. Left out are
/// comments, attributes but `#[error(...)]`, and everything from the tests on.
pub(crate) fn sentences(source: &str) -> Vec<String> {
    let mut found = Vec::new();
    let bytes = source.as_bytes();
    let mut at = 0;
    while at < bytes.len() {
        let rest = &source[at..];
        if rest.starts_with("//") {
            at += rest.find('\n').unwrap_or(rest.len());
        } else if rest.starts_with("#[cfg(test)]\nmod tests {") {
            break;
        } else if is_attribute_for_the_compiler(rest) {
            at += length_of_attribute(rest);
        } else if let Some(length) = length_of_char(rest) {
            at += length;
        } else if let Some((literal, length)) = literal(rest) {
            let literal = literal.trim();
            if is_for_people(literal) {
                found.push(literal.to_owned());
            }
            at += length;
        } else {
            at += rest.chars().next().map_or(1, char::len_utf8);
        }
    }
    found
}

fn is_attribute_for_the_compiler(rest: &str) -> bool {
    (rest.starts_with("#[") || rest.starts_with("#![")) && !rest.starts_with("#[error(")
}

fn length_of_attribute(rest: &str) -> usize {
    let (mut depth, mut at) = (0, 0);
    while at < rest.len() {
        let here = &rest[at..];
        if let Some((_, length)) = literal(here) {
            at += length;
            continue;
        }
        match here.as_bytes().first() {
            Some(b'[') => depth += 1,
            Some(b']') if depth == 1 => return at + 1,
            Some(b']') => depth -= 1,
            _ => {}
        }
        at += here.chars().next().map_or(1, char::len_utf8);
    }
    at
}

/// `'x'`, `'"'`, `'\n'`, but not a lifetime.
fn length_of_char(rest: &str) -> Option<usize> {
    let inner = rest.strip_prefix('\'')?;
    let length = match inner.strip_prefix('\\') {
        Some(escaped) => 1 + escaped.get(1..)?.find('\'')? + 1,
        None => inner.chars().next()?.len_utf8(),
    };
    inner.get(length..)?.starts_with('\'').then_some(length + 2)
}

/// A string literal at the beginning of this, as it reads, and its length in the source. Those of bytes
/// are for machines, and empty.
fn literal(rest: &str) -> Option<(String, usize)> {
    let is_bytes = rest.starts_with("b\"") || rest.starts_with("br\"") || rest.starts_with("br#");
    let begin = rest.strip_prefix('b').filter(|_| is_bytes).unwrap_or(rest);
    let skipped = rest.len() - begin.len();
    let (text, length) = match begin.strip_prefix('r') {
        Some(raw) if raw.starts_with(['"', '#']) => {
            let hashes = raw.len() - raw.trim_start_matches('#').len();
            let inner = raw.get(hashes..)?.strip_prefix('"')?;
            let end = format!("\"{}", "#".repeat(hashes));
            let length = inner.find(&end)?;
            (
                inner.get(..length)?.to_owned(),
                1 + hashes + 1 + length + end.len(),
            )
        }
        _ => escaped(begin)?,
    };
    let text = if is_bytes { String::new() } else { text };
    Some((text, skipped + length))
}

fn escaped(begin: &str) -> Option<(String, usize)> {
    let inner = begin.strip_prefix('"')?;
    let (mut text, mut letters) = (String::new(), inner.char_indices().peekable());
    while let Some((at, letter)) = letters.next() {
        match letter {
            '"' => return Some((text, at + 2)),
            '\\' => match letters.next()?.1 {
                // A line that goes on in the next one.
                '\n' => while letters.next_if(|(_, c)| c.is_whitespace()).is_some() {},
                'n' => text.push_str("\\n"),
                other => text.push(other),
            },
            '\n' => text.push_str("\\n"),
            letter => text.push(letter),
        }
    }
    None
}

/// Words with which literals for a database begin.
const OF_SQL: &[&str] = &[
    "SELECT", "INSERT", "UPDATE", "DELETE", "PRAGMA", "CREATE", "DROP",
];

/// Whether a literal holds two words of a language: not a name, a path, a command for a phone or a format.
fn is_for_people(literal: &str) -> bool {
    let begin = literal.trim_start_matches("\\n").trim_start();
    if OF_SQL.iter().any(|word| begin.starts_with(word)) {
        return false;
    }
    let words = literal.split(' ').filter(|word| {
        let bare = word.trim_matches(|c: char| c.is_ascii_punctuation());
        bare.len() > 1 && bare.chars().all(|c| c.is_alphabetic() || "'-".contains(c))
    });
    words.count() >= 2
}

#[test]
fn sentences_are_found_and_nothing_else() {
    let source = r##"
        // "a comment with words"
        #[expect(reason = "words for the compiler ]")]
        #[error("the phone {serial} is gone")]
        const QUOTE: char = '"';
        fn f<'a>(x: &'a str) { g("one two \
            three"); h("name"); i(r#"raw "words" here"#); j(b"bytes and words"); k("SELECT words FROM those"); }
        #[cfg(test)]
mod tests { k("not these words") }
    "##
    .replace("        #[cfg(test)]", "#[cfg(test)]");
    assert_eq!(
        sentences(&source),
        [
            "the phone {serial} is gone",
            "one two three",
            "raw \"words\" here"
        ]
    );
}
