//! The commands that the pages name: somebody pastes them, and the program accepts them.

use std::fs;
use std::path::PathBuf;

use clap::error::{ContextKind, ContextValue, ErrorKind};
use rescue::cli::Cli;

use super::pages;

/// What is wrong with the fenced blocks of a page: a block names no language, or somebody who pastes a command
/// would pass an explanation behind it as arguments.
fn unfit_to_paste(page: &str) -> Vec<String> {
    let mut unfit = Vec::new();
    let mut language = None;
    for line in page.lines() {
        if let Some(word) = line.trim_start().strip_prefix("```") {
            language = match language {
                None => Some(word),
                Some(_) => None,
            };
            let known = ["sh", "powershell", "text", "rust"];
            if language.is_some_and(|word| !known.contains(&word)) {
                unfit.push(format!("```{word} is none of {known:?}"));
            }
        } else if language.is_some_and(|word| !["text", "rust"].contains(&word)) {
            unfit.extend(wrong_command(line.trim()));
        }
    }
    unfit
}

/// Why a line of a shell is not one command with its arguments, and perhaps a comment.
fn wrong_command(line: &str) -> Option<String> {
    let (words, has_gap) = shell_words(line);
    if has_gap {
        return Some(format!("no # before the explanation: {line}"));
    }
    let error = refused(words)?;
    let is_wrong = error.exit_code() != 0;
    is_wrong.then(|| format!("{line}: {error}"))
}

/// What the program answers to these words, if they are a command of it that it does not accept.
fn refused(words: Vec<String>) -> Option<clap::Error> {
    let is_rescue = |word: &String| word == "rescue" || word == r".\rescue.exe";
    // `rescue` alone leads through the questions.
    if !words.first().is_some_and(is_rescue) || words.len() == 1 {
        return None;
    }
    let placeholders = [
        ("DATE", "2026-06-01"),
        ("SECONDS", "60"),
        ("CODE", "123456"),
    ];
    let words = words.into_iter().map(|word| {
        let stands_for = placeholders.iter().find(|(name, _)| *name == word);
        stands_for.map_or(word, |(_, value)| (*value).to_owned())
    });
    Cli::of_arguments(words.map(Into::into)).err()
}

/// The commands in the sentences and tables of a page that the program does not accept. A sentence may leave out
/// arguments, as in `rescue verify` or `rescue pull --tcp`.
fn refused_in_sentences(page: &str) -> Vec<String> {
    // Every second part is outside of a fenced block, and in it every second one between backticks.
    let sentences = page.split("```").step_by(2);
    let spans = sentences.flat_map(|text| text.split('`').skip(1).step_by(2));
    let whole = spans.filter(|span| span.starts_with("rescue ") && !span.contains("..."));
    let refused = whole.filter_map(|span| {
        let error = refused(shell_words(&span.replace('\n', " ")).0)?;
        let lacks_value =
            error.get(ContextKind::InvalidValue) == Some(&ContextValue::String(String::new()));
        let is_shortened = lacks_value
            || matches!(
                error.kind(),
                ErrorKind::MissingRequiredArgument
                    | ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand
                    | ErrorKind::DisplayHelp
                    | ErrorKind::DisplayVersion
            );
        (!is_shortened).then(|| format!("{span}: {error}"))
    });
    refused.collect()
}

#[test]
fn the_program_accepts_every_command_of_a_sentence() {
    let of_page = |path: PathBuf| {
        let refused = refused_in_sentences(&fs::read_to_string(&path).unwrap());
        let named = move |it| format!("{}: {it}", path.display());
        refused.into_iter().map(named)
    };
    let refused: Vec<_> = pages().into_iter().flat_map(of_page).collect();
    assert!(refused.is_empty(), "{}", refused.join("\n"));
    let page = "`rescue pull`, `rescue pull --until DATE`\n```sh\nrescue x\n```\n| `rescue upload` | `rescue opne` |";
    let refused = refused_in_sentences(page);
    assert_eq!(refused.len(), 2, "{}", refused.join("\n"));
}

/// The words of the first command of a line up to its comment, and whether several blanks set words apart, as
/// people do before an explanation.
fn shell_words(line: &str) -> (Vec<String>, bool) {
    let mut words = vec![String::new()];
    let mut quote = None;
    let mut blanks = 0;
    let (mut has_gap, mut is_first) = (false, true);
    for letter in line.chars() {
        if quote.is_none() && letter == ' ' {
            blanks += 1;
            continue;
        }
        if quote.is_none() && letter == '#' && blanks > 0 {
            break;
        }
        has_gap |= blanks > 1;
        is_first &= quote.is_some() || !matches!(letter, '|' | '>');
        if is_first && blanks > 0 {
            words.push(String::new());
        }
        blanks = 0;
        match quote {
            Some(mark) if mark == letter => quote = None,
            None if matches!(letter, '\'' | '"') => quote = Some(letter),
            _ if is_first => words.last_mut().unwrap().push(letter),
            _ => {}
        }
    }
    (words, has_gap)
}

#[test]
fn every_command_can_be_pasted() {
    for path in pages() {
        let page = fs::read_to_string(&path).unwrap();
        let unfit = unfit_to_paste(&page);
        assert!(
            unfit.is_empty(),
            "{}:\n{}",
            path.display(),
            unfit.join("\n")
        );
    }
    assert_eq!(
        shell_words("rescue pull --include '**/a  b/**' # | x").0,
        ["rescue", "pull", "--include", "**/a  b/**"]
    );
    for line in [
        "curl https://sh.rustup.rs | sh # unless it is there",
        "rescue pull --include '**/WhatsApp  Images/**'   # the pictures",
        "rescue",
    ] {
        assert_eq!(wrong_command(line), None);
    }
    for line in [
        "cargo install --locked   takes some minutes",
        "curl https://sh.rustup.rs | sh     unless it is there",
        "rescue doctor --install-udev-rules   lets you open the phone",
        "rescue pull again",
        "rescue upload FOLDER --to nas --no-such-option",
        r".\rescue.exe docter",
    ] {
        assert!(wrong_command(line).is_some(), "{line}");
    }
    assert_eq!(unfit_to_paste("```\nrescue pull\n```").len(), 1);
}
