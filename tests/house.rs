//! The rules of the house (docs/design.md), read from the sources: no circle between files, `adb`
//! without I/O, only `ui` prints, no step that knows a later one, no type name with two meanings, and no
//! prose that decides.
//!
//! A file and those in the folder of its name are one room to each other: a module and what is
//! inside it may name each other, for that is how Rust hides what is inside.

#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "in a test a panic is the report"
)]

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

/// Sources by their module's path: `["pull", "enumerate", "walker"]`.
type House = BTreeMap<Vec<String>, String>;

/// What the steps may not name, in data's order: what comes after them, and who joins them.
const LATER: [(&str, &[&str]); 9] = [
    (
        "adb",
        &[
            "phone", "folder", "media", "pull", "export", "upload", "event", "ui", "commands",
        ],
    ),
    (
        "phone",
        &[
            "folder", "media", "pull", "export", "upload", "event", "ui", "commands",
        ],
    ),
    (
        "folder",
        &[
            "phone", "media", "pull", "export", "upload", "event", "ui", "commands",
        ],
    ),
    (
        "media",
        &[
            "phone", "folder", "pull", "export", "upload", "event", "ui", "commands",
        ],
    ),
    ("pull", &["export", "upload", "ui", "commands"]),
    ("export", &["phone", "pull", "upload", "ui", "commands"]),
    ("upload", &["pull", "export", "ui", "commands"]),
    ("ui", &["pull", "export", "upload", "desk", "commands"]),
    // It shows and asks, and joins nothing.
    ("desk", &["pull", "export", "upload", "commands"]),
];

fn sources() -> House {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let files = walkdir::WalkDir::new(&root)
        .into_iter()
        .map(|found| found.unwrap());
    let files = files.filter(|found| found.path().extension().is_some_and(|it| it == "rs"));
    files
        .map(|found| {
            let below = found.path().strip_prefix(&root).unwrap().with_extension("");
            let names = below.iter().map(|name| name.to_str().unwrap().to_owned());
            let mut module: Vec<String> = names.collect();
            if matches!(module.last().unwrap().as_str(), "mod" | "lib") {
                module.pop();
            }
            let text = fs::read_to_string(found.path()).unwrap();
            (module, without_tests(&text))
        })
        .filter(|(module, _)| !module.iter().any(|name| name == "tests") && *module != ["main"])
        .collect()
}

/// A source without its comments and its tests, which are behind the rest.
fn without_tests(text: &str) -> String {
    let behind = text.match_indices("#[cfg(test)]\n").map(|(at, _)| at);
    let is_of_tests = |at: &usize| {
        text[*at..]
            .lines()
            .nth(1)
            .is_some_and(|it| it.contains("mod tests"))
    };
    let text = &text[..behind.into_iter().find(is_of_tests).unwrap_or(text.len())];
    let code = |line: &str| line.split("//").next().unwrap().to_owned() + "\n";
    text.lines().map(code).collect()
}

/// The paths that a source names, each from the root: `use a::{b, c::d}` is two.
fn named(module: &[String], text: &str) -> Vec<Vec<String>> {
    let mut paths = Vec::new();
    let mut rest = text;
    while let Some(at) = rest.find("::") {
        let (before, behind) = rest.split_at(at);
        let is_of_name = |c: char| c.is_alphanumeric() || c == '_';
        let name = before
            .rfind(|c| !is_of_name(c))
            .map_or(before, |end| &before[end + 1..]);
        // What is before a name that stands at the beginning of a path is no "::".
        let begins = !before[..before.len() - name.len()].ends_with("::");
        rest = &behind[2..];
        if begins && !name.is_empty() {
            let mut whole = vec![name.to_owned()];
            spread(rest, &mut whole, &mut paths);
        }
    }
    paths
        .iter()
        .filter_map(|path| from_root(module, path))
        .collect()
}

/// Follows a path behind its first `::`, into braces too; what was read of the text is returned.
fn spread(text: &str, whole: &mut Vec<String>, paths: &mut Vec<Vec<String>>) -> usize {
    let trimmed = text.trim_start();
    let skipped = text.len() - trimmed.len();
    if let Some(list) = trimmed.strip_prefix('{') {
        let mut at = 0;
        while let Some(next) = list.get(at..) {
            let next = next.trim_start_matches([' ', '\n', ',']);
            at = list.len() - next.len();
            match next.chars().next() {
                None | Some('}') => break,
                _ => at += spread(next, whole, paths).max(1),
            }
        }
        return skipped + at + 2;
    }
    let name: String = trimmed
        .chars()
        .take_while(|c| c.is_alphanumeric() || *c == '_')
        .collect();
    let read = skipped + name.len();
    whole.push(name);
    let behind = text.get(read..).unwrap_or_default();
    let read = match behind.strip_prefix("::") {
        Some(deeper) => read + 2 + spread(deeper, whole, paths),
        None => {
            paths.push(whole.clone());
            read
        }
    };
    whole.pop();
    read
}

/// A path as it reads from the crate's root; nothing for other crates' and for those of types.
fn from_root(module: &[String], path: &[String]) -> Option<Vec<String>> {
    let mut base = module.to_vec();
    let mut path = path;
    match path.first()?.as_str() {
        "crate" => base.clear(),
        "self" => {}
        "super" => {
            while path.get(1).is_some_and(|next| next == "super") {
                base.pop();
                path = &path[1..];
            }
            base.pop();
        }
        _ => return None,
    }
    base.extend(path[1..].iter().cloned());
    Some(base)
}

/// The file that a path leads into: the deepest module on its way.
fn file_of(house: &House, path: &[String]) -> Option<Vec<String>> {
    let lengths = (1..=path.len()).rev();
    lengths
        .map(|length| path[..length].to_vec())
        .find(|module| house.contains_key(module))
}

/// Which file names which others, but for those that it is inside of and that are inside of it.
fn imports(house: &House) -> BTreeMap<&Vec<String>, BTreeSet<Vec<String>>> {
    let of = |module: &Vec<String>, text: &str| {
        let mut text = text.to_owned();
        // A name that is declared here is a path of its own: `mod walker; ... walker::walk()`.
        for inside in house
            .keys()
            .filter(|it| it.len() == module.len() + 1 && it.starts_with(module))
        {
            let name = inside.last().unwrap();
            text = text.replace(&format!("use {name}::"), &format!("use self::{name}::"));
        }
        let others = named(module, &text).into_iter();
        let others = others.filter_map(|path| file_of(house, &reexported(house, path)));
        others
            .filter(|other| !other.starts_with(module) && !module.starts_with(other))
            .collect()
    };
    house
        .iter()
        .map(|(module, text)| (module, of(module, text)))
        .collect()
}

/// Where a name is that a module gives on: `pub use inner::Name`.
fn reexported(house: &House, path: Vec<String>) -> Vec<String> {
    let Some(module) = file_of(house, &path) else {
        return path;
    };
    let Some(name) = path.get(module.len()) else {
        return path;
    };
    for inside in house
        .keys()
        .filter(|it| it.len() == module.len() + 1 && it.starts_with(&module))
    {
        let from = inside.last().unwrap();
        let given = house[&module].split(';').filter(|line| {
            line.contains("use ") && line.contains("pub") && line.contains(&format!("{from}::"))
        });
        let is_word = |line: &str| {
            line.split(|c: char| !c.is_alphanumeric() && c != '_')
                .any(|word| word == name)
        };
        if given.into_iter().any(is_word) {
            return [inside.as_slice(), &path[module.len()..]].concat();
        }
    }
    path
}

/// Files that lead back to themselves.
fn circles(house: &House) -> Vec<String> {
    let imports = imports(house);
    let reaches = |from: &Vec<String>| {
        let mut seen = BTreeSet::new();
        let mut next = vec![from.clone()];
        while let Some(module) = next.pop() {
            for other in imports.get(&module).into_iter().flatten() {
                if seen.insert(other.clone()) {
                    next.push(other.clone());
                }
            }
        }
        seen
    };
    let reached: BTreeMap<_, _> = house
        .keys()
        .map(|module| (module, reaches(module)))
        .collect();
    let back = imports.iter().flat_map(|(module, others)| {
        let others = others
            .iter()
            .filter(|other| reached.get(other).is_some_and(|it| it.contains(*module)));
        others.map(|other| format!("{} -> {}", module.join("/"), other.join("/")))
    });
    back.collect()
}

/// Steps that name a later one, or whoever joins them.
fn names_of_later(house: &House) -> Vec<String> {
    let mut found = Vec::new();
    for (module, others) in imports(house) {
        let later = LATER
            .iter()
            .find(|(room, _)| module.first().is_some_and(|it| it == room));
        let later = later.map_or(&[][..], |(_, later)| later);
        for other in others
            .iter()
            .filter(|other| later.contains(&other[0].as_str()))
        {
            found.push(format!("{} -> {}", module.join("/"), other.join("/")));
        }
    }
    found
}

/// Words that a room may not use.
fn words(house: &House, is_of: impl Fn(&[String]) -> bool, words: &[&str]) -> Vec<String> {
    let mut found = Vec::new();
    for (module, text) in house.iter().filter(|(module, _)| is_of(module)) {
        for word in words.iter().filter(|word| text.contains(*word)) {
            found.push(format!("{}: {word}", module.join("/")));
        }
    }
    found
}

/// What does I/O, waits or looks at a clock.
fn io_in_adb(house: &House) -> Vec<String> {
    let is_adb = |module: &[String]| module.first().is_some_and(|room| room == "adb");
    words(
        house,
        is_adb,
        &[
            "tokio",
            "std::fs",
            "std::net",
            "std::time",
            "std::thread",
            "std::env",
        ],
    )
}

/// What prints; `generate` writes a file's bytes where the person wants them, which is no message.
fn printing_elsewhere(house: &House) -> Vec<String> {
    let is_elsewhere = |module: &[String]| {
        module.first().is_some_and(|room| room != "ui") && module != ["commands", "generate"]
    };
    words(
        house,
        is_elsewhere,
        &["print!(", "println!(", "stdout()", "stderr()", "dbg!("],
    )
}

/// Names of types that are declared more than once. One type with a form for each system is one.
fn names_with_two_meanings(house: &House) -> Vec<String> {
    let mut declared: BTreeMap<&str, Vec<(String, bool)>> = BTreeMap::new();
    for (module, text) in house {
        let depths = 1..=module.len();
        let is_of_one_system = depths.into_iter().any(|depth| {
            let inside = format!("mod {};", module[depth - 1]);
            let above = house.get(&module[..depth - 1]);
            above.is_some_and(|it| is_behind_cfg(it, |line| line.ends_with(&inside)))
        });
        for line in text.lines() {
            if let Some(name) = declared_type(line) {
                let is_form = is_of_one_system || is_behind_cfg(text, |other| other == line);
                let there = (module.join("/"), is_form);
                declared.entry(name).or_default().push(there);
            }
        }
    }
    declared
        .into_iter()
        .filter(|(_, at)| at.len() > 1 && at.iter().any(|(_, is_form)| !is_form))
        .map(|(name, at)| {
            let files: Vec<String> = at.into_iter().map(|(file, _)| file).collect();
            format!("{name}: {}", files.join(", "))
        })
        .collect()
}

/// The type that a line declares; those that belong to a trait or to one of its types are none.
fn declared_type(line: &str) -> Option<&str> {
    let begin = line.trim_start();
    let is_inside = begin.len() < line.len();
    let words = match begin.strip_prefix("pub") {
        Some(rest) if rest.starts_with('(') => rest.split_once(") ")?.1,
        Some(rest) => rest,
        None => begin,
    };
    let (what, rest) = words.trim_start().split_once(' ')?;
    let is_type = match what {
        "struct" | "enum" | "trait" | "union" => true,
        "type" => !is_inside,
        _ => false,
    };
    let end = rest.find(|c: char| !c.is_alphanumeric() && c != '_');
    is_type.then(|| &rest[..end.unwrap_or(rest.len())])
}

/// Whether the attributes of such a line choose it for some systems only.
fn is_behind_cfg(text: &str, is_it: impl Fn(&str) -> bool) -> bool {
    let lines: Vec<&str> = text.lines().map(str::trim_end).collect();
    let found = (0..lines.len()).filter(|&at| is_it(lines[at]));
    found.into_iter().any(|at| {
        let above = lines[..at].iter().rev();
        let mut attributes = above.take_while(|line| line.trim_start().starts_with("#["));
        attributes.any(|line| line.trim_start().starts_with("#[cfg("))
    })
}

/// Sources that read what others wrote: phones, servers, services.
const READERS: [&[&str]; 7] = [
    &["adb"],
    &["media"],
    &["phone"],
    &["upload"],
    &["virtual_phone"],
    // A page of an earlier run.
    &["export", "album"],
    // What an adb server answers.
    &["commands", "connect"],
];

/// What looks for words in a text. Sentences are made last, and decide nothing: a typed value does.
fn prose_that_decides(house: &House) -> Vec<String> {
    const LOOKS: [&str; 13] = [
        "replace(\"",
        "contains(\"",
        "starts_with(\"",
        "ends_with(\"",
        "strip_prefix(\"",
        "strip_suffix(\"",
        "trim_start_matches(\"",
        "trim_end_matches(\"",
        "split_once(\"",
        "find(\"",
        "== \"",
        "!= \"",
        "== &\"",
    ];
    let reads = |module: &[String]| {
        let begins = |room: &&[&str]| {
            module.len() >= room.len() && room.iter().zip(module).all(|(a, b)| a == b)
        };
        READERS.iter().any(begins)
    };
    let mut found = Vec::new();
    for (module, text) in house.iter().filter(|(module, _)| !reads(module)) {
        let looks = LOOKS.iter().flat_map(|look| text.split(look).skip(1));
        let sought = looks.filter_map(|behind| behind.split('"').next());
        // More than one word: a sentence, or a part of it.
        let are_prose = sought.filter(|words| {
            let words = words.split_whitespace();
            words
                .filter(|word| word.contains(char::is_alphabetic))
                .count()
                > 1
        });
        found.extend(are_prose.map(|words| format!("{}: {words}", module.join("/"))));
    }
    found
}

#[test]
fn rules_hold() {
    let house = sources();
    assert!(house.len() > 200, "the sources were not found");
    let all: usize = imports(&house).values().map(BTreeSet::len).sum();
    assert!(all > 500, "imports are not read: {all}");
    assert_eq!(circles(&house), [""; 0], "circles between files");
    assert_eq!(io_in_adb(&house), [""; 0], "adb does I/O");
    assert_eq!(printing_elsewhere(&house), [""; 0], "printing outside ui");
    assert_eq!(names_of_later(&house), [""; 0], "a step knows a later one");
    assert_eq!(prose_that_decides(&house), [""; 0], "prose decides");
    let doubled = names_with_two_meanings(&house);
    assert_eq!(doubled, [""; 0], "a type name means two things");
}

fn house_of(files: &[(&str, &str)]) -> House {
    let module = |path: &str| path.split('/').map(str::to_owned).collect();
    let files = files
        .iter()
        .map(|(path, text)| (module(path), without_tests(text)));
    files.collect()
}

#[test]
fn circle_is_seen() {
    let house = house_of(&[
        ("pull", "mod plan; mod task; pub use task::Task;"),
        ("pull/plan", "use super::{Task, task::{self, Rank}};"),
        ("pull/task", "fn f() { crate::pull::plan::make() }"),
        (
            "pull/writer",
            "use crate::pull::plan::Plan; // use super::task::Task;",
        ),
        (
            "item",
            "#[cfg(test)]\nmod tests { use crate::pull::writer::Writer; }",
        ),
    ]);
    assert_eq!(
        circles(&house),
        ["pull/plan -> pull/task", "pull/task -> pull/plan"]
    );
    // By what a module gives on.
    let house = house_of(&[
        ("pull", "mod plan; mod task; pub use task::Task;"),
        ("pull/plan", "use super::Task;"),
        ("pull/task", "use super::plan::Plan;"),
    ]);
    assert_eq!(circles(&house).len(), 2);
}

#[test]
fn later_step_is_seen() {
    let house = house_of(&[
        (
            "pull/plan",
            "use crate::folder::Entry;\nuse crate::upload::Remote;",
        ),
        ("upload", "pub struct Remote;"),
        ("folder", "pub struct Entry;"),
        ("commands/pull", "use crate::upload::Remote;"),
    ]);
    assert_eq!(names_of_later(&house), ["pull/plan -> upload"]);
}

#[test]
fn io_and_printing_are_seen() {
    let house = house_of(&[
        ("adb/wire", "use std::time::Duration;"),
        (
            "phone/tcp",
            "use std::time::Duration; fn f() { eprintln!(\"no\"); }",
        ),
        ("ui", "fn f() { println!(\"yes\"); }"),
    ]);
    assert_eq!(io_in_adb(&house), ["adb/wire: std::time"]);
    assert_eq!(printing_elsewhere(&house), ["phone/tcp: println!("]);
}

#[test]
fn type_name_with_two_meanings_is_seen() {
    let house = house_of(&[
        (
            "pull/plan",
            "pub(super) struct Plan<'a> {\n}\nimpl Iterator for Plan<'_> {\n    type Item = u8;\n}",
        ),
        (
            "export/plan",
            "pub enum Plan {\n}\n#[cfg(test)]\nmod tests {\n    struct Item;\n}",
        ),
        (
            "item",
            "pub struct Item(u8);\nfn f() {\n    enum Place {}\n}",
        ),
        ("export/place", "pub type Place = String;"),
        // One type, with a form for each system.
        (
            "disk",
            "#[cfg(unix)]\n#[derive(Debug)]\nstruct Held(Fd);\n#[cfg(windows)]\nstruct Held(Handle);",
        ),
        (
            "keyring",
            "#[cfg(windows)]\nmod manager;\n#[cfg(not(windows))]\nmod tool;",
        ),
        ("keyring/manager", "pub(crate) struct Keyring;"),
        ("keyring/tool", "pub(crate) struct Keyring {\n}"),
    ]);
    assert_eq!(
        names_with_two_meanings(&house),
        ["Place: export/place, item", "Plan: export/plan, pull/plan"]
    );
}

#[test]
fn deciding_prose_is_seen() {
    let house = house_of(&[
        (
            "upload/s3",
            "fn f() { said.contains(\"Quota has been exceeded\") }",
        ),
        (
            "ui/words",
            "fn f() { hint.replace(\" with -o\", \"\"); name.replace(\"a\", \"two words\") }",
        ),
        (
            "commands/doctor",
            "fn f() { words == \"the disk is full\" || !state.ends_with(\".txt\") }",
        ),
    ]);
    assert_eq!(
        prose_that_decides(&house),
        ["commands/doctor: the disk is full", "ui/words:  with -o"]
    );
}
