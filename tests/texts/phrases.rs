//! Phrases that this project does not use: private idiom, words that hide who does what, and common slips.
//! CONTRIBUTING.md says how to write instead.

/// A phrase, and what to write in its place.
const BANNED: &[(&str, &str)] = &[
    ("makes no sense", "invalid"),
    ("make no sense", "invalid"),
    (" is none", "there is no ..., is not a ..."),
    (" are none", "there are no ..."),
    ("anew", "again"),
    ("be had", "available"),
    ("so many files", "N files"),
    ("so often", "N times"),
    ("go on with", "continue"),
    ("goes on where", "resumes"),
    ("goes on by itself", "resumes by itself"),
    ("it goes on", "it resumes, it continues"),
    ("in vain", "without success"),
    ("how sure", "how certain, proof"),
    ("what was pulled", "the pulled files"),
    ("what was sent", "the sent files"),
    ("what was rescued", "the rescued files"),
    ("what is missing", "the missing files"),
    ("what is here", "the files here"),
    ("taken as known", "accepted"),
    ("wished for", "asked for"),
    ("who presses", "a user who"),
    ("nobody is there", "input is required"),
    ("sends us on", "redirects"),
    ("is another one", "differs"),
    ("utilize", "use"),
    ("in order to", "to"),
];

/// The banned phrases of a text, each with its line.
pub(crate) fn banned_in(text: &str) -> Vec<String> {
    let found = text.lines().flat_map(|line| {
        let lower = line.to_lowercase();
        let mut found: Vec<_> = BANNED
            .iter()
            .filter(|(phrase, _)| lower.contains(phrase))
            .map(|(phrase, instead)| format!("\"{phrase}\" (write: {instead}) in: {line}"))
            .collect();
        if denies_by_no(&lower) {
            found.push(format!("\"is no\" (write: is not a) in: {line}"));
        }
        found
    });
    found.collect()
}

/// "X is no Y", where plain English says "X is not a Y". "There is no Y" and "is no longer" are plain.
fn denies_by_no(line: &str) -> bool {
    line.match_indices(" is no ").any(|(at, phrase)| {
        let before = line.get(..at).unwrap_or_default();
        let behind = line.get(at + phrase.len()..).unwrap_or_default();
        !before.ends_with("there") && !behind.starts_with("longer")
    })
}

#[test]
fn banned_phrases_are_found_in_any_case() {
    assert_eq!(
        banned_in("fine\nWrite it Anew"),
        ["\"anew\" (write: again) in: Write it Anew"]
    );
    assert_eq!(banned_in("'{}' is no path").len(), 1);
    assert!(banned_in("There is no path, and it is no longer needed").is_empty());
}
