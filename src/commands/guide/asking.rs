//! The guide's questions: plain lines with numbers, and what is typed at them.

use std::path::{Path, PathBuf};

use super::{Driver, LOOK_EVERY, lets_in, look};
use crate::cli::PhoneArgs;
use crate::commands::number_typed;
use crate::error::{Error, Kind};
use crate::folder::share_a_disk;
use crate::guide::journey::{GuideAction, Happened, Question, Sight};
use crate::ui::plain;
use crate::ui::terminal::Mode;
use crate::ui::words::journey::{asked, label};

impl Driver<'_> {
    pub(super) async fn choose(&self, question: &Question) -> Result<usize, Error> {
        let (text, choices) = asked(question);
        self.context.ui.remark("");
        self.context.ui.remark(&text);
        self.list(&choices);
        let usual = question.usual();
        let prompt = format!(
            "Type a number and press Enter [Enter alone: {}]: ",
            usual + 1
        );
        loop {
            match self.ask(&prompt, question.choices()).await? {
                TypedAnswer::Number(number) => return Ok(number),
                TypedAnswer::Nothing => return Ok(usual),
                TypedAnswer::Other => self.remark_numbers(question.choices()),
            }
        }
    }

    pub(super) async fn choose_many(&self, question: &Question) -> Result<Vec<usize>, Error> {
        let (text, choices) = asked(question);
        self.context.ui.remark("");
        self.context.ui.remark(&text);
        self.list(&choices);
        let prompt = "Type their numbers, as in 2 3, and press Enter [Enter alone: none]: ";
        loop {
            let line = self.line(prompt).await?;
            let words = line.split(|c: char| c == ',' || c.is_whitespace());
            let words = words.filter(|word| !word.is_empty());
            let numbers = words.map(|word| number_typed(word, question.choices()));
            match numbers.collect() {
                Some(numbers) => return Ok(numbers),
                None => self.remark_numbers(question.choices()),
            }
        }
    }

    /// Asks for a folder that exists, and that is not on the disk of `original`; `None` where the person
    /// has none.
    pub(super) async fn place(&self, original: Option<&Path>) -> Result<Option<PathBuf>, Error> {
        self.context.ui.remark("");
        let prompt =
            "Which folder? Type its path, or drag it into this window [Enter alone: back]: ";
        loop {
            let line = self.line(prompt).await?;
            let Some(path) = path_in(&line) else {
                return Ok(None);
            };
            if original.is_some_and(|it| path.is_dir() && share_a_disk(it, &path)) {
                let shown = plain(&path.display().to_string());
                self.context.ui.remark(&format!(
                    "{shown} is on the same disk as the rescue folder: if that disk fails, both are lost. Name a folder on another disk."
                ));
                continue;
            }
            if path.is_dir() {
                return Ok(Some(std::path::absolute(&path).unwrap_or(path)));
            }
            let shown = plain(&path.display().to_string());
            self.context.ui.remark(&format!(
                "{shown} is not a folder of this computer. Make it first, or name another one."
            ));
        }
    }

    /// Waits until the phones are in other states than they were, or the person chooses.
    pub(super) async fn wait(
        &self,
        phone: &PhoneArgs,
        before: &Sight,
        actions: &[GuideAction],
        asks_owner: bool,
    ) -> Result<Happened, Error> {
        let choices: Vec<_> = actions.iter().map(label).collect();
        self.list(&choices);
        let prompt = match choices.len() {
            0 => "Waiting; this continues by itself. ".to_owned(),
            _ => "Waiting; this continues by itself. Or type a number and press Enter: ".to_owned(),
        };
        let changed = async {
            loop {
                if asks_owner && lets_in(phone).await {
                    return Happened::Allowed;
                }
                tokio::time::sleep(LOOK_EVERY).await;
                let sight = look(phone).await;
                if !sight.is_like(before) {
                    return Happened::Looked(sight);
                }
            }
        };
        let chosen = async {
            loop {
                match self.ask(&prompt, choices.len()).await {
                    Ok(TypedAnswer::Number(number)) => return Ok(number),
                    Ok(TypedAnswer::Other) => self.remark_numbers(choices.len()),
                    Ok(TypedAnswer::Nothing) => {}
                    Err(error) => return Err(error),
                }
            }
        };
        tokio::select! {
            happened = changed => {
                self.context.ui.prompt("\n");
                Ok(happened)
            }
            number = chosen => number.map(Happened::Answered),
        }
    }

    /// Asks on a line of its own, and reads a number of a list.
    async fn ask(&self, prompt: &str, choices: usize) -> Result<TypedAnswer, Error> {
        let line = self.line(prompt).await?;
        Ok(match (line.trim(), number_typed(&line, choices)) {
            ("", _) => TypedAnswer::Nothing,
            (_, Some(number)) => TypedAnswer::Number(number),
            _ => TypedAnswer::Other,
        })
    }

    async fn line(&self, prompt: &str) -> Result<String, Error> {
        let asked = self.context.ui.ask_as_typed(prompt, Mode::Lines);
        let typed = self.unless_stopped(asked).await?.map_err(|error| {
            Error::new(Kind::Usage, "the terminal cannot be read").caused_by(error)
        })?;
        if typed.is_empty() {
            // The end of the input answers no question.
            self.context.ui.prompt("\n");
            let message = "stopped; everything done so far is safe";
            let error = Error::new(Kind::Interrupted, message);
            return Err(
                error.with_hint("run the same command again: it continues where it stopped")
            );
        }
        Ok(String::from_utf8_lossy(&typed).into_owned())
    }

    fn list(&self, choices: &[String]) {
        for (number, choice) in (1..).zip(choices) {
            self.context.ui.remark(&format!("{number:>3}  {choice}"));
        }
    }

    fn remark_numbers(&self, choices: usize) {
        let words = match choices {
            1 => "That is not a choice: type 1.".to_owned(),
            choices => format!("That is not a choice: type a number from 1 to {choices}."),
        };
        self.context.ui.remark(&words);
    }
}

/// What was typed at a question, from 0.
enum TypedAnswer {
    Number(usize),
    Nothing,
    Other,
}

/// A path as a person types it, or as a terminal writes one that is dragged into it.
fn path_in(line: &str) -> Option<PathBuf> {
    let line = line.trim();
    let quoted = |quote: char| line.strip_prefix(quote)?.strip_suffix(quote);
    let path = match quoted('\'').or_else(|| quoted('"')) {
        Some(path) => path.to_owned(),
        None if cfg!(unix) => line.replace("\\ ", " "),
        None => line.to_owned(),
    };
    (!path.is_empty()).then(|| path.into())
}

#[cfg(all(test, unix))]
mod tests {
    use super::*;

    #[test]
    fn dragged_paths_are_read() {
        for line in [
            "/media/My Disk\n",
            "'/media/My Disk' \n",
            "/media/My\\ Disk",
            "\"/media/My Disk\"",
        ] {
            assert_eq!(
                path_in(line),
                Some(PathBuf::from("/media/My Disk")),
                "{line}"
            );
        }
        assert_eq!(path_in(" \n"), None);
    }
}
