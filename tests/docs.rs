//! README and docs/ say what is so: links resolve, commands can be pasted and are accepted by the program
//! (`tests/docs/commands.rs`), and the contract for scripts is complete.
//! `tests/texts.rs` reads their sentences.

#![expect(clippy::unwrap_used, reason = "in a test a panic is the report")]

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

#[path = "docs/commands.rs"]
mod commands;

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

fn pages() -> Vec<PathBuf> {
    let mut pages: Vec<_> = ["README.md", "CONTRIBUTING.md", "CHANGELOG.md"]
        .iter()
        .map(|name| root().join(name))
        .collect();
    let docs = fs::read_dir(root().join("docs")).unwrap();
    let docs = docs.map(|entry| entry.unwrap().path());
    pages.extend(docs.filter(|path| path.extension().is_some_and(|ending| ending == "md")));
    pages.sort();
    pages
}

/// The anchors of a page's headings, as GitHub makes them.
fn anchors(page: &str) -> BTreeSet<String> {
    let headings = page.lines().filter(|line| line.starts_with('#'));
    let anchor = |line: &str| {
        let text = line.trim_start_matches('#').trim().to_lowercase();
        let kept = text.chars().filter_map(|letter| match letter {
            ' ' => Some('-'),
            letter if letter.is_alphanumeric() || letter == '-' || letter == '_' => Some(letter),
            _ => None,
        });
        kept.collect::<String>()
    };
    headings.map(anchor).collect()
}

/// The targets of a page's links and pictures.
fn links(page: &str) -> Vec<String> {
    let mut links = Vec::new();
    let mut rest = page;
    while let Some((_, behind)) = rest.split_once("](") {
        let (target, behind) = behind.split_once(')').unwrap_or((behind, ""));
        links.push(target.to_owned());
        rest = behind;
    }
    links
}

fn broken_links(path: &Path, page: &str) -> Vec<String> {
    let is_broken = |link: &String| {
        if link.starts_with("https://") {
            return false;
        }
        let (file, anchor) = match link.split_once('#') {
            Some((file, anchor)) => (file, Some(anchor)),
            None => (link.as_str(), None),
        };
        let target = match file {
            "" => path.to_owned(),
            file => path.parent().unwrap().join(file),
        };
        let Some(anchor) = anchor else {
            return !target.exists();
        };
        !fs::read_to_string(&target).is_ok_and(|text| anchors(&text).contains(anchor))
    };
    links(page).into_iter().filter(is_broken).collect()
}

#[test]
fn kind_of_remote_that_a_page_shows_is_the_real_one() {
    let page = fs::read_to_string(root().join("docs/adding-a-remote.md")).unwrap();
    let (_, shown) = page.split_once("```rust\n").unwrap();
    let (shown, _) = shown.split_once("```").unwrap();
    let kind = fs::read_to_string(root().join("src/upload/kinds/azure.rs")).unwrap();
    assert!(
        shown.contains("connect") && kind.ends_with(shown),
        "{shown}"
    );
}

#[test]
fn every_link_resolves() {
    for path in pages() {
        let page = fs::read_to_string(&path).unwrap();
        assert_eq!(
            broken_links(&path, &page),
            Vec::<String>::new(),
            "broken links in {}",
            path.display()
        );
    }
    let readme = root().join("README.md");
    for link in ["docs/nowhere.md", "docs/faq.md#nothing-of-that-name"] {
        let page = format!("see [this]({link})");
        assert_eq!(broken_links(&readme, &page), [link]);
    }
}

/// The `type`s that the program prints and the fields of its events, read from its sources.
fn printed() -> BTreeSet<String> {
    let mut words = BTreeSet::new();
    let events = fs::read_to_string(root().join("src/event.rs")).unwrap();
    let (_, events) = events.split_once("pub enum Event {").unwrap();
    let (events, _) = events.split_once("\n}").unwrap();
    for line in events.lines() {
        let Some(first) = line.trim().chars().next() else {
            continue;
        };
        let indent = line.len() - line.trim_start().len();
        let name: String = line
            .trim()
            .chars()
            .take_while(|letter| letter.is_alphanumeric() || *letter == '_')
            .collect();
        match indent {
            4 if first.is_uppercase() => words.insert(snake_case(&name)),
            8 if line.trim().starts_with(&format!("{name}:")) => words.insert(name),
            _ => false,
        };
    }
    let sources = walkdir::WalkDir::new(root().join("src")).into_iter();
    for source in sources.map(Result::unwrap) {
        if source
            .path()
            .extension()
            .is_none_or(|ending| ending != "rs")
        {
            continue;
        }
        let text = fs::read_to_string(source.path()).unwrap();
        for fields in text.split("r#type: &'static str,").skip(1) {
            let fields = fields.lines().map(str::trim_start).skip(1);
            let fields = fields.take_while(|line| !line.starts_with('}'));
            let fields = fields.filter(|line| !line.starts_with(['/', '#']));
            let fields = fields.filter_map(|line| line.split_once(": "));
            // Without its visibility.
            let names = fields.filter_map(|(name, _)| name.rsplit(' ').next());
            words.extend(names.map(str::to_owned));
        }
        for start in [r#"r#type: ""#, r#""type": ""#, r#"let r#type = ""#] {
            let found = text.split(start).skip(1);
            words.extend(found.filter_map(|rest| rest.split('"').next().map(str::to_owned)));
        }
    }
    words
}

fn snake_case(name: &str) -> String {
    let mut snake = String::new();
    for letter in name.chars() {
        if letter.is_uppercase() && !snake.is_empty() {
            snake.push('_');
        }
        snake.extend(letter.to_lowercase());
    }
    snake
}

#[test]
fn scripting_page_names_every_type_and_field() {
    let page = fs::read_to_string(root().join("docs/scripting.md")).unwrap();
    let words = printed();
    assert!(words.contains("upload_renamed") && words.contains("done_bytes"));
    assert!(words.contains("upload_summary"));
    // Named in the page by what they hold: their fields stand in the line itself.
    let flattened = ["summary", "tally", "totals", "compared", "twin_at"];
    let missing: Vec<_> = words
        .iter()
        .filter(|word| !flattened.contains(&word.as_str()))
        .filter(|word| !page.contains(&format!("`{word}`")))
        .collect();
    assert_eq!(missing, Vec::<&String>::new(), "not in docs/scripting.md");
}

/// The events and the fields of each, read from their source.
fn events() -> Vec<(String, Vec<String>)> {
    let source = fs::read_to_string(root().join("src/event.rs")).unwrap();
    let (_, source) = source.split_once("pub enum Event {").unwrap();
    let (source, _) = source.split_once("\n}").unwrap();
    let mut events: Vec<(String, Vec<String>)> = Vec::new();
    for line in source.lines() {
        let name = line.trim().trim_end_matches([' ', '{', ',']);
        let indent = line.len() - line.trim_start().len();
        if indent == 4 && name.starts_with(char::is_uppercase) {
            let name = name.split('(').next().unwrap();
            events.push((snake_case(name), Vec::new()));
        } else if indent == 8
            && let Some((field, _)) = line.trim().split_once(": ")
            && field
                .chars()
                .all(|letter| letter.is_lowercase() || letter == '_')
        {
            events.last_mut().unwrap().1.push(field.to_owned());
        }
    }
    events
}

/// The fields of events that no row of this page names.
fn unnamed_fields(page: &str) -> Vec<String> {
    let row = |name: &str| {
        let rows = page.lines().filter(|line| line.starts_with('|'));
        let first = |line: &&str| {
            line.split('|')
                .nth(1)
                .unwrap()
                .contains(&format!("`{name}`"))
        };
        rows.filter(first).collect::<Vec<_>>().concat()
    };
    let mut unnamed = Vec::new();
    for (event, fields) in events() {
        let row = row(&event);
        let is_unnamed = |field: &&String| !row.contains(&format!("`{field}`"));
        unnamed.extend(
            fields
                .iter()
                .filter(is_unnamed)
                .map(|it| format!("{event}: {it}")),
        );
        if row.is_empty() {
            unnamed.push(event);
        }
    }
    unnamed
}

#[test]
fn scripting_page_names_the_fields_of_each_event_in_its_row() {
    let page = fs::read_to_string(root().join("docs/scripting.md")).unwrap();
    let known = events();
    let planned = known.iter().find(|(event, _)| event == "planned").unwrap();
    assert!(planned.1.contains(&"unproven_items".to_owned()));
    assert!(known.len() > 30);
    assert_eq!(unnamed_fields(&page), Vec::<String>::new());
    let without = page.replacen("`missing_bytes`", "", 1);
    assert_eq!(unnamed_fields(&without), ["damaged: missing_bytes"]);
}

#[test]
fn scripting_page_names_every_variable() {
    let page = fs::read_to_string(root().join("docs/scripting.md")).unwrap();
    let asks = [
        "var(\"",
        "var_os(\"",
        "variable(\"",
        "named(\"",
        "folder(\"",
        "is_set(\"",
        "VARIABLE: &str = \"",
        "[&str; 2] = [\"",
    ];
    let mut variables = BTreeSet::new();
    for source in walkdir::WalkDir::new(root().join("src"))
        .into_iter()
        .map(Result::unwrap)
    {
        let path = source.path();
        let is_code = path.extension().is_some_and(|ending| ending == "rs");
        if !is_code || path.ends_with("tests.rs") {
            continue;
        }
        let text = fs::read_to_string(path).unwrap();
        let code = text.split("#[cfg(test)]").next().unwrap();
        let words = asks.iter().flat_map(|ask| code.split(ask).skip(1));
        let names = words.filter_map(|rest| rest.split('"').next());
        let is_name = |name: &&str| {
            let fits = |letter: char| letter.is_ascii_uppercase() || letter == '_';
            name.len() > 3 && name.chars().all(fits)
        };
        variables.extend(names.filter(is_name).map(str::to_owned));
    }
    assert!(variables.contains("RESCUE_REMOTE_SECRET") && variables.contains("HOME"));
    let missing = variables
        .iter()
        .filter(|name| !page.contains(&format!("`{name}`")));
    assert_eq!(missing.collect::<Vec<_>>(), Vec::<&String>::new());
}

#[test]
fn every_page_is_reached_from_the_readme() {
    let mut reached = BTreeSet::from([root().join("README.md")]);
    let mut next: Vec<_> = reached.iter().cloned().collect();
    while let Some(path) = next.pop() {
        let page = fs::read_to_string(&path).unwrap();
        for link in links(&page) {
            let file = link.split('#').next().unwrap();
            let Ok(target) = path.parent().unwrap().join(file).canonicalize() else {
                continue;
            };
            let is_page = target.extension().is_some_and(|ending| ending == "md");
            if is_page && reached.insert(target.clone()) {
                next.push(target);
            }
        }
    }
    let pages = pages().into_iter().map(|path| path.canonicalize().unwrap());
    let lonely: Vec<_> = pages.filter(|path| !reached.contains(path)).collect();
    assert_eq!(lonely, Vec::<PathBuf>::new());
}

#[test]
fn scripting_page_names_every_exit_code() {
    let page = fs::read_to_string(root().join("docs/scripting.md")).unwrap();
    let source = fs::read_to_string(root().join("src/error.rs")).unwrap();
    let (_, codes) = source.split_once("fn exit_code").unwrap();
    let (codes, _) = codes.split_once("\n    }\n").unwrap();
    let codes: BTreeSet<u8> = codes
        .split("=> ")
        .skip(1)
        .filter_map(|rest| rest.split([',', ' ', '\n']).next()?.parse().ok())
        .collect();
    assert!(codes.len() > 5, "{codes:?}");
    for code in codes {
        assert!(page.contains(&format!("\n| {code} |")), "{code}");
    }
}
