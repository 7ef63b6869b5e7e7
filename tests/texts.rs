//! Every text that a person can meet, as two files to be read from top to bottom: `tests/texts/help.txt`,
//! each command's `--help`, and `tests/texts/messages.txt`, the sentences in the sources. They are
//! compared with the program; `UPDATE_EXPECT=1 cargo test --test texts` accepts a change, which then shows in the
//! review. The same texts and the pages are searched for phrases that this project does not use.

#![expect(clippy::unwrap_used, reason = "in a test a panic is the report")]

use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};

use clap::CommandFactory as _;
use expect_test::expect_file;
use rescue::cli::Cli;

#[path = "texts/literals.rs"]
mod literals;
#[path = "texts/phrases.rs"]
mod phrases;

use literals::sentences;
use phrases::banned_in;

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

/// The help of every command, as a terminal of 100 columns shows it; the options that each has in common
/// with all others stand once.
fn help() -> String {
    let mut text = String::new();
    let mut command = Cli::command().term_width(100);
    command.build();
    let common = command.render_long_help().to_string();
    let (_, common) = common.split_once("\nOutput:\n").unwrap();
    help_of(&mut command, &format!("\nOutput:\n{common}"), &mut text);
    write!(text, "==== of every command\n\nOutput:\n{common}").unwrap();
    text
}

fn help_of(command: &mut clap::Command, common: &str, text: &mut String) {
    if command.is_hide_set() || command.get_name() == "help" {
        return;
    }
    let help = command.render_long_help().to_string();
    let help = help.strip_suffix(common).unwrap_or(&help);
    let name = command.get_bin_name().unwrap_or("rescue").to_owned();
    writeln!(text, "==== {name}\n\n{help}").unwrap();
    for part in command.get_subcommands_mut() {
        help_of(part, common, text);
    }
}

fn messages() -> String {
    let mut text = String::new();
    let mut paths: Vec<_> = walkdir::WalkDir::new(root().join("src"))
        .into_iter()
        .map(|entry| entry.unwrap().into_path())
        .filter(|path| path.extension().is_some_and(|ending| ending == "rs"))
        .filter(|path| is_met_by_people(path))
        .collect();
    paths.sort();
    for path in paths {
        let source = fs::read_to_string(&path).unwrap();
        let found = sentences(&source);
        if found.is_empty() {
            continue;
        }
        let shown = path.strip_prefix(root()).unwrap();
        writeln!(text, "==== {}\n", shown.display()).unwrap();
        for sentence in found {
            writeln!(text, "{sentence}").unwrap();
        }
        text.push('\n');
    }
    text
}

/// Whether a source file holds words for people: the built-in phone's are for programs, and the help has
/// a file of its own.
fn is_met_by_people(path: &Path) -> bool {
    let local = path.strip_prefix(root().join("src")).unwrap();
    let is_test = ["tests", "tests.rs", "failing.rs"]
        .iter()
        .any(|room| local.iter().any(|part| part == *room));
    !is_test
        && !["virtual_phone", "fuzz", "adb", "cli", "cli.rs", "fuzz.rs"]
            .iter()
            .any(|room| local.starts_with(room))
}

#[test]
fn help_reads_as_it_was_read_last() {
    expect_file!["texts/help.txt"].assert_eq(&help());
}

#[test]
fn older_spellings_are_accepted_and_not_shown() {
    let spelled = |option: &str| {
        let words = ["rescue", "upload", "FOLDER", "--to", "nas", option];
        Cli::of_arguments(words.map(Into::into)).map(|cli| format!("{:?}", cli.command))
    };
    assert_eq!(
        spelled("--unverified").unwrap(),
        spelled("--include-unverified").unwrap()
    );
    assert!(!help().contains(" --unverified"));
}

#[test]
fn messages_read_as_they_were_read_last() {
    expect_file!["texts/messages.txt"].assert_eq(&messages());
}

#[test]
fn no_text_has_a_phrase_that_this_project_does_not_use() {
    let pages = ["README.md", "CONTRIBUTING.md", "CHANGELOG.md"];
    let mut paths: Vec<_> = pages.iter().map(|name| root().join(name)).collect();
    let docs = fs::read_dir(root().join("docs")).unwrap();
    let docs = docs.map(|entry| entry.unwrap().path());
    paths.extend(docs.filter(|path| path.extension().is_some_and(|ending| ending == "md")));
    let mut texts: Vec<_> = paths
        .iter()
        .map(|path| {
            (
                path.display().to_string(),
                fs::read_to_string(path).unwrap(),
            )
        })
        .collect();
    texts.push(("the help".to_owned(), help()));
    texts.push(("the messages".to_owned(), messages()));
    let found: Vec<_> = texts
        .iter()
        .flat_map(|(name, text)| {
            banned_in(text)
                .into_iter()
                .map(move |it| format!("{name}: {it}"))
        })
        .collect();
    assert!(found.is_empty(), "{}", found.join("\n"));
}
