//! The guide on a terminal. Questions are plain lines with numbers, asked through [`Ui::ask`]: a screen reader reads
//! them, a plain console shows them, Ctrl-C ends them, and a question goes away by itself when the phone is there.
//!
//! [`Ui::ask`]: crate::ui::Ui::ask

use std::path::PathBuf;

use super::super::{Context, browser, number_typed};
use super::{GuideFace, StoppableWork};
use crate::desk::live::{LiveDisplay, LivePage};
use crate::error::{Error, Kind};
use crate::guide::journey::{GuideAction, Note, Question};
use crate::halt::Halt;
use crate::ui::terminal::Mode;
use crate::ui::words::journey::{asked, label, lines};

/// A person at the terminal.
pub(super) struct TerminalFace<'a> {
    pub(super) context: Context<'a>,
}

/// What was typed at a question, from 0.
enum TypedAnswer {
    Number(usize),
    Nothing,
    Other,
}

impl GuideFace for TerminalFace<'_> {
    fn tell(&self, notes: &[Note]) {
        let told = notes.iter().flat_map(lines);
        told.for_each(|line| self.context.ui.remark(&line));
    }

    async fn choose(&self, question: &Question) -> Result<usize, Error> {
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

    async fn choose_many(&self, question: &Question) -> Result<Vec<usize>, Error> {
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

    async fn folder(&self) -> Result<Option<PathBuf>, Error> {
        let prompt =
            "Which folder? Type its path, or drag it into this window [Enter alone: back]: ";
        Ok(path_in(&self.line(prompt).await?))
    }

    async fn action(&self, actions: &[GuideAction]) -> Result<usize, Error> {
        let choices: Vec<_> = actions.iter().map(label).collect();
        self.list(&choices);
        let prompt = match choices.len() {
            0 => "Waiting; this continues by itself. ".to_owned(),
            _ => "Waiting; this continues by itself. Or type a number and press Enter: ".to_owned(),
        };
        loop {
            match self.ask(&prompt, choices.len()).await? {
                TypedAnswer::Number(number) => return Ok(number),
                TypedAnswer::Other => self.remark_numbers(choices.len()),
                TypedAnswer::Nothing => {}
            }
        }
    }

    async fn show(&self, display: LiveDisplay) -> Result<(), Error> {
        let refused = |error: std::io::Error| {
            let message = "the page cannot be served on 127.0.0.1";
            Error::new(Kind::System, message).caused_by(error)
        };
        let page = LivePage::bind(0).map_err(refused)?;
        let url = page.url();
        let ui = self.context.ui;
        if browser::has_desktop()
            && let Err(why) = browser::open(url.as_ref())
        {
            ui.remark(&format!("No browser was opened: {why}."));
        }
        ui.remark("The phone's screen is on this page, for a browser on this computer. Do not pass its address on.");
        ui.remark(&url);
        let done = self.line("Press Enter here when you are done with the screen: ");
        tokio::select! {
            served = page.serve(display) => served.map_err(refused),
            done = done => done.map(drop),
        }
    }

    fn forget_typed(&self) {
        self.context.ui.forget_typed();
    }

    /// One of its own: a disk that fails stops the work, and not the guide.
    fn switch(&self, whole: &Halt, _: StoppableWork) -> Halt {
        whole.child()
    }

    /// Nobody stops the pull alone here.
    async fn paused(&self) -> Result<(), Error> {
        Ok(())
    }
}

impl TerminalFace<'_> {
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
        let typed = self.context.unless_stopped(asked).await?.map_err(|error| {
            Error::new(Kind::Usage, "the terminal cannot be read").caused_by(error)
        })?;
        if typed.is_empty() {
            // The end of the input answers no question.
            return Err(Error::stopped()
                .with_hint("run the same command again: it continues where it stopped"));
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
