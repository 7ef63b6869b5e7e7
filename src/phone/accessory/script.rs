//! Scripts for `rescue keys`: lines of text that say what to do, and the recipes that come with the
//! program. No I/O.
//!
//! ```text
//! # a remark                    say TEXT      shown to the person
//! wake                          check TEXT    shown; waits until the person agrees
//! sleep                         secret TEXT   asks for a PIN or password, types it and Enter
//! press Tab Down*3 Ctrl+Alt+z   type TEXT     types the rest of the line
//! press Home Back Recents       wait 500      milliseconds
//! hold VolumeUp VolumeDown 3500 tap 50 80     percent of width and height
//! swipe 50 80 50 20
//! ```

use std::time::Duration;

use super::action::Action;
use super::hid::{Button, Point};
use super::strokes::{Stroke, type_text};

/// The largest script accepted, in bytes.
pub(crate) const MAX_BYTES: u64 = 64 * 1024;
/// A script's longest pause.
const MAX_WAIT: Duration = Duration::from_secs(600);
/// The most repetitions of one key.
const MAX_TIMES: u32 = 100;

/// A step of a script.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Step {
    /// Show this text to the user.
    Say(String),
    /// Show this text to the user and wait for consent before continuing.
    Check(String),
    /// Ask the user for a secret with this text, type it and press Enter.
    Secret(String),
    /// Perform actions on the phone.
    Do {
        /// The script's line, for messages.
        line: String,
        /// The actions that the line stands for.
        actions: Vec<Action>,
    },
}

/// The error for an invalid line of a script.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("line {line} of the script: {why}")]
pub(crate) struct BadScript {
    /// The line's number, counted from 1.
    pub line: usize,
    /// Why the line is invalid.
    pub why: String,
}

/// Parses a script into its steps.
pub(crate) fn parse(text: &str) -> Result<Vec<Step>, BadScript> {
    let mut steps = Vec::new();
    for (at, line) in text.lines().enumerate() {
        let line = line.trim();
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        steps.push(step(line).map_err(|why| BadScript { line: at + 1, why })?);
    }
    Ok(steps)
}

fn step(line: &str) -> Result<Step, String> {
    let (verb, rest) = line.split_once(char::is_whitespace).unwrap_or((line, ""));
    let rest = rest.trim();
    let words: Vec<_> = rest.split_whitespace().collect();
    let actions = match verb {
        "say" => return Ok(Step::Say(rest.to_owned())),
        "check" => return Ok(Step::Check(rest.to_owned())),
        "secret" => return Ok(Step::Secret(rest.to_owned())),
        "wake" if words.is_empty() => vec![Action::Wake],
        "sleep" if words.is_empty() => vec![Action::Sleep],
        "press" if !words.is_empty() => {
            let pressed: Result<Vec<_>, _> = words.iter().map(|word| pressed(word)).collect();
            pressed?.into_iter().flatten().collect()
        }
        "hold" => vec![held(&words)?],
        "type" if !rest.is_empty() => {
            let strokes = type_text(rest).map_err(|error| error.to_string())?;
            strokes.iter().copied().map(Action::Key).collect()
        }
        "wait" => match words.as_slice() {
            [time] => vec![Action::Wait(milliseconds(time)?)],
            _ => return Err("'wait' needs milliseconds".to_owned()),
        },
        "tap" => vec![Action::Drag(places(&words, 1)?)],
        "swipe" => vec![Action::Drag(places(&words, 2)?)],
        _ => return Err(format!("'{line}' is not a step")),
    };
    Ok(Step::Do {
        line: line.to_owned(),
        actions,
    })
}

fn pressed(word: &str) -> Result<Vec<Action>, String> {
    let (name, times) = match word.rsplit_once('*') {
        Some((name, times)) if !name.is_empty() => {
            let times = times
                .parse()
                .ok()
                .filter(|times| (1..=MAX_TIMES).contains(times));
            let times = times
                .ok_or_else(|| format!("'{word}': a number up to {MAX_TIMES} is needed after *"))?;
            (name, times)
        }
        _ => (word, 1),
    };
    let action = match button(name) {
        Some(button) => Action::button(button),
        None => {
            Action::Key(Stroke::named(name).ok_or_else(|| format!("no key is called '{name}'"))?)
        }
    };
    Ok((0..times).map(|_| action.clone()).collect())
}

fn button(name: &str) -> Option<Button> {
    let found = Button::NAMED
        .iter()
        .find(|(known, _)| known.eq_ignore_ascii_case(name));
    found.map(|(_, button)| *button)
}

fn held(words: &[&str]) -> Result<Action, String> {
    let named = |name: &str| button(name).ok_or_else(|| format!("no button is called '{name}'"));
    match words {
        [one, time] => Ok(Action::Buttons(named(one)?, None, milliseconds(time)?)),
        [one, other, time] => Ok(Action::Buttons(
            named(one)?,
            Some(named(other)?),
            milliseconds(time)?,
        )),
        _ => Err("'hold' needs one or two buttons and milliseconds".to_owned()),
    }
}

fn milliseconds(word: &str) -> Result<Duration, String> {
    let time = word.parse().ok().map(Duration::from_millis);
    time.filter(|time| *time <= MAX_WAIT).ok_or_else(|| {
        format!(
            "'{word}' is not a number of milliseconds up to {}",
            MAX_WAIT.as_millis()
        )
    })
}

fn places(words: &[&str], count: usize) -> Result<Vec<Point>, String> {
    let bad = || "places are pairs of numbers from 0 to 100, in percent".to_owned();
    let numbers: Vec<f64> = words
        .iter()
        .map(|word| {
            let number = word
                .trim_end_matches('%')
                .parse::<f64>()
                .map_err(|_| bad())?;
            (0.0..=100.0)
                .contains(&number)
                .then_some(number / 100.0)
                .ok_or_else(bad)
        })
        .collect::<Result<_, _>>()?;
    let (pairs, rest) = numbers.as_chunks::<2>();
    if pairs.len() != count || !rest.is_empty() {
        return Err(bad());
    }
    Ok(pairs.iter().map(|[x, y]| Point::at(*x, *y)).collect())
}

/// A script that comes with the program.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum Recipe {
    /// Developer options and USB debugging, on Android as Google makes it
    AospDebugging,
    /// The same on Samsung's phones
    SamsungDebugging,
    /// The same on Xiaomi's phones
    XiaomiDebugging,
    /// TalkBack on or off, by both volume keys
    Talkback,
}

impl Recipe {
    /// Returns the script's text.
    pub fn text(self) -> &'static str {
        match self {
            Self::AospDebugging => include_str!("recipes/aosp-debugging.txt"),
            Self::SamsungDebugging => include_str!("recipes/samsung-debugging.txt"),
            Self::XiaomiDebugging => include_str!("recipes/xiaomi-debugging.txt"),
            Self::Talkback => include_str!("recipes/talkback.txt"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::ValueEnum as _;

    #[test]
    fn scripts_are_read_line_by_line() {
        let steps = parse(
            "# opens\n\nwake\npress Tab Down*2 Home\n  type a B \nhold VolumeUp VolumeDown 3500\n\
             wait 20\ntap 50 80%\nswipe 50 80 50 20\nsay Look\ncheck Well?\nsecret The PIN",
        )
        .unwrap();
        let actions: Vec<_> = steps
            .iter()
            .map(|step| match step {
                Step::Do { actions, .. } => actions.as_slice(),
                _ => &[],
            })
            .collect();
        assert_eq!(actions[0], [Action::Wake]);
        let (tab, down) = (Action::Key(Stroke::TAB), Action::Key(Stroke::DOWN));
        let home = Action::button(Button::Home);
        assert_eq!(actions[1], [tab, down.clone(), down, home]);
        assert_eq!(actions[2].len(), 3);
        assert_eq!(actions[5], [Action::Drag(vec![Point::at(0.5, 0.8)])]);
        assert_eq!(
            steps[7..10],
            [
                Step::Say("Look".to_owned()),
                Step::Check("Well?".to_owned()),
                Step::Secret("The PIN".to_owned()),
            ]
        );
    }

    #[test]
    fn senseless_lines_are_named() {
        for (script, line) in [
            ("wake\njump", 2),
            ("press", 1),
            ("press Foo", 1),
            ("press Tab*0", 1),
            ("press Tab*101", 1),
            ("type", 1),
            ("type ä", 1),
            ("wait", 1),
            ("wait x", 1),
            ("wait 600001", 1),
            ("wait -1", 1),
            ("tap 1", 1),
            ("tap 1 101", 1),
            ("tap 1 NaN", 1),
            ("swipe 1 2 3", 1),
            ("hold 5", 1),
            ("hold Tab 5", 1),
            ("wake up", 1),
        ] {
            assert_eq!(parse(script).unwrap_err().line, line, "{script}");
        }
        assert_eq!(parse("press * *").unwrap().len(), 1);
    }

    #[test]
    fn recipes_can_be_read() {
        for recipe in Recipe::value_variants() {
            let steps = parse(recipe.text()).unwrap_or_else(|error| panic!("{recipe:?}: {error}"));
            assert!(steps.iter().any(|step| matches!(step, Step::Do { .. })));
        }
    }
}
