//! The only room that prints. Standard output is data (results, JSON lines), standard error is
//! everything else. Names that come from a phone are escaped, so that they cannot steer a terminal.

pub(crate) mod face;
mod fold;
mod log;
mod output;
mod progress;
mod sentence;
pub mod terminal;
mod text;
mod typed;
pub(crate) mod words;

use std::io::{IsTerminal as _, Write as _};
use std::sync::{Arc, Mutex, PoisonError};

use serde::Serialize;
use zeroize::Zeroizing;

use crate::error::{Error, Kind};
use crate::event::{Event, Events};
use crate::hint::Hint;
use face::{
    Face, FaceAnswer, FaceQuestion, Tone, WantedAnswer, asked_on_face, line_of, tell, tell_error,
};
pub use log::start_tracing;
use output::{eprint_line, eprint_raw, fitted, output_failure, print_json, print_line, print_raw};
pub use output::{note_output_failure, unwritable};
use progress::{Progress, ProgressForm};
pub use text::{bytes, count, plain, rate, seconds, were};
pub use typed::{typed, typed_word};

/// The style of the output, as decided from the command line and the terminal.
#[derive(Debug, Clone, Copy)]
pub struct Style {
    /// JSON lines on standard output.
    pub json: bool,
    /// Results and errors only.
    pub quiet: bool,
    /// Colours on standard error.
    pub color: bool,
}

/// The output to the user; cheap to clone.
#[derive(Clone)]
pub struct Ui {
    style: Style,
    progress: Arc<Mutex<Progress>>,
    /// The serial number of the phone that is talked of, where there are several.
    phone: Option<Arc<str>>,
    /// What the person looks at instead of the terminal.
    face: Option<Arc<dyn Face>>,
    lead: Lead,
}

/// Who leads from one command to the next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Lead {
    /// The person: each command names the next step.
    Person,
    /// The guide: it takes the next step itself, says at the end what is here, and waits as long as necessary.
    Guide,
}

/// How work ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Went {
    /// As it should.
    Well,
    /// With something that a person has to know.
    Badly,
}

impl Ui {
    /// Prints in a style.
    pub fn new(style: Style) -> Self {
        let is_terminal = std::io::stderr().is_terminal();
        // A console that shows colours moves its cursor, too.
        let form = match is_terminal && terminal::takes_colors() && !style.json && !style.quiet {
            true => ProgressForm::Live,
            false => ProgressForm::Plain,
        };
        Self {
            style,
            progress: Arc::new(Mutex::new(Progress::new(style, form))),
            phone: None,
            face: None,
            lead: Lead::Person,
        }
    }

    /// Speaks on a face, and prints nothing.
    pub(crate) fn on_face(face: Arc<dyn Face>) -> Self {
        let style = Style {
            json: false,
            quiet: false,
            color: false,
        };
        let progress = Progress::on_face(style, Arc::clone(&face));
        Self {
            style,
            progress: Arc::new(Mutex::new(progress)),
            phone: None,
            face: Some(face),
            lead: Lead::Person,
        }
    }

    /// The same output for one of several phones: every line begins with its serial number.
    #[must_use]
    pub fn of_phone(&self, serial: &str) -> Self {
        Self {
            phone: Some(serial.into()),
            ..self.clone()
        }
    }

    /// The same output for commands that the guide runs.
    #[must_use]
    pub(crate) fn led_by_guide(&self) -> Self {
        Self {
            lead: Lead::Guide,
            ..self.clone()
        }
    }

    /// Who leads from this command to the next.
    pub(crate) fn lead(&self) -> Lead {
        self.lead
    }

    /// The step after a command, as a line of its own; the guide takes it by itself.
    pub(crate) fn next_step(&self, step: &str) -> Option<String> {
        (self.lead == Lead::Person).then(|| format!("Next: {step}"))
    }

    /// The receiver of the steps' events.
    pub fn events(&self) -> Events {
        let (progress, phone) = (Arc::clone(&self.progress), self.phone.clone());
        let lead = self.lead;
        Events::to(move |mut event| {
            if let (Lead::Guide, Event::Waiting { what, seconds, .. }) = (lead, &mut event)
                && what.is_for_phone()
            {
                // It waits on when the command's patience is over.
                *seconds = 0;
            }
            lock(&progress).event(phone.as_ref(), &event);
        })
    }

    /// Ends the live display, before a result.
    pub fn end_progress(&self) {
        lock(&self.progress).end();
    }

    /// Prints a result: as one line of JSON, or the lines of text.
    pub fn result(&self, value: &impl Serialize, lines: &[String]) {
        self.print(|| {
            if let Some(face) = &self.face {
                lines
                    .iter()
                    .for_each(|line| tell(&**face, &self.labelled(line)));
            } else if self.style.json {
                print_json(self.phone.as_ref(), value);
            } else {
                lines
                    .iter()
                    .for_each(|line| print_line(&self.labelled(line)));
            }
        });
    }

    /// Prints how work ended: as [`Ui::result`], but in a quiet run only where it did not go well.
    pub fn report(&self, value: &impl Serialize, lines: &[String], went: Went) {
        if self.style.json || !self.style.quiet || went == Went::Badly {
            self.result(value, lines);
        } else if self.phone.is_none() {
            self.end_progress();
        }
    }

    /// Prints; the live display ends before, but goes on where other phones are still at work.
    fn print(&self, print: impl FnOnce()) {
        match self.phone {
            Some(_) => lock(&self.progress).suspended(print),
            None => {
                self.end_progress();
                print();
            }
        }
    }

    fn labelled(&self, line: &str) -> String {
        progress::labelled(self.phone.as_ref(), line)
    }

    /// Prints a line of a list that events tell in JSON.
    pub fn listing(&self, line: &str) {
        match &self.face {
            Some(face) => tell(&**face, &self.labelled(line)),
            None if !self.style.json => print_raw(&plain(&self.labelled(line))),
            None => {}
        }
    }

    /// Prints a result whose lines are files or commands to be copied, as they are.
    pub fn verbatim(&self, value: &impl Serialize, lines: &[String]) {
        self.print(|| match (&self.face, self.style.json) {
            (Some(face), _) => lines.iter().for_each(|line| tell(&**face, line)),
            (None, true) => print_json(self.phone.as_ref(), value),
            (None, false) => lines.iter().for_each(|line| print_raw(&plain(line))),
        });
    }

    /// Asks for a passphrase twice, without showing it.
    pub async fn ask_new_passphrase(&self) -> Result<Zeroizing<String>, Error> {
        let hint = "give it with --passphrase-file FILE, or with --passphrase-file - on the standard input";
        if self.face.is_none() && !std::io::stdin().is_terminal() {
            let message = "a passphrase is required, but standard input is not a terminal";
            return Err(Error::new(Kind::Usage, message).with_hint(hint));
        }
        let unread = |error| {
            Error::new(Kind::Usage, "the passphrase could not be read")
                .caused_by(error)
                .with_hint(hint)
        };
        let ask = |prompt| self.ask(prompt, terminal::Mode::Hidden);
        let passphrase = ask("Passphrase: ").await.map_err(unread)?;
        let again = ask("Repeat it: ").await.map_err(unread)?;
        if passphrase != again {
            let message = "the two passphrases are not the same";
            return Err(Error::new(Kind::Usage, message).with_hint("run the same command again"));
        }
        Ok(passphrase)
    }

    /// Whether somebody may still read the standard output: the system knows of a pipe whose reader went
    /// away before anything is written.
    #[cfg(unix)]
    pub fn has_reader(&self) -> bool {
        use rustix::event::{PollFd, PollFlags, Timespec, poll};
        let (out, now) = (std::io::stdout(), Timespec::default());
        let mut asked = [PollFd::new(&out, PollFlags::empty())];
        let gone = PollFlags::ERR | PollFlags::HUP;
        poll(&mut asked, Some(&now)).is_err()
            || !asked.iter().any(|it| it.revents().intersects(gone))
    }

    /// Elsewhere only a line that is written could tell.
    #[cfg(not(unix))]
    pub fn has_reader(&self) -> bool {
        true
    }

    /// Whether a user sits at a terminal and can be asked.
    pub fn has_person(&self) -> bool {
        !self.style.json && !self.style.quiet && self.phone.is_none() && self.can_ask()
    }

    /// Whether a question can be answered at all, however much is printed.
    pub(crate) fn can_ask(&self) -> bool {
        self.face.is_some() || terminal::is_there()
    }

    /// Whether a question can be answered, where only the standard input matters.
    pub(crate) fn can_ask_for_secret(&self) -> bool {
        self.face.is_some() || std::io::stdin().is_terminal()
    }

    /// Whether the person looks at a page instead of a terminal.
    pub(crate) fn is_on_face(&self) -> bool {
        self.face.is_some()
    }

    /// Whether remarks are printed.
    pub fn is_read_by_person(&self) -> bool {
        !self.style.json && !self.style.quiet
    }

    /// Whether lists and remarks are left out.
    pub fn is_quiet(&self) -> bool {
        self.style.quiet
    }

    /// Where the words of a program go that this one runs: not among its own results.
    pub fn beside_results(&self) -> std::process::Stdio {
        std::io::stderr().into()
    }

    /// Prints a remark for the person; JSON and quiet runs go without.
    pub fn remark(&self, line: &str) {
        if !self.style.json && !self.style.quiet {
            lock(&self.progress).line(line);
        }
    }

    /// Prints that something beside the work failed, whatever else is printed or not.
    pub fn warn(&self, words: &str) {
        let line = self.labelled(&format!("warning: {words}"));
        match &self.face {
            Some(face) => face.tell(&plain(&line), Tone::Bad),
            None => lock(&self.progress).line(&line),
        }
    }

    /// Shows an address to be opened in the browser, where a face makes that easy.
    pub(crate) fn offer_link(&self, link: &str) {
        if let Some(face) = &self.face {
            face.tell(&plain(link), Tone::Link);
        }
    }

    /// The error to end with when results could not be written to the standard output.
    pub fn output_error(&self) -> Option<Error> {
        output_failure().map(unwritable)
    }

    /// Asks the person for something, on the same line.
    pub fn prompt(&self, text: &str) {
        if let Some(face) = &self.face {
            // A line's end closes a question on a terminal.
            text.lines()
                .filter(|line| !line.trim().is_empty())
                .for_each(|line| tell(&**face, line));
            return;
        }
        let mut err = std::io::stderr().lock();
        let width = fold::width_of(&std::io::stderr());
        let lines: Vec<String> = text
            .split('\n')
            .map(|it| fitted(&plain(it), width))
            .collect();
        let _ = write!(err, "{}", lines.join("\n")).and_then(|()| err.flush());
    }

    /// Throws away what was typed until now: it cannot answer a question that comes later.
    pub fn forget_typed(&self) {
        if self.face.is_none() && terminal::is_there() {
            terminal::forget_typed();
        }
    }

    /// Asks the person at the terminal for a line, which comes back without its end; the end of the input
    /// (Ctrl-D) is no line, but the error `UnexpectedEof`. Where this future is dropped, the terminal is
    /// given back and nothing that is typed later is lost.
    pub async fn ask(
        &self,
        question: &str,
        mode: terminal::Mode,
    ) -> std::io::Result<Zeroizing<String>> {
        let line = self.ask_as_typed(question, mode).await?;
        if line.is_empty() {
            return Err(std::io::ErrorKind::UnexpectedEof.into());
        }
        let line = std::str::from_utf8(&line)
            .map_err(|error| std::io::Error::new(std::io::ErrorKind::InvalidData, error))?;
        Ok(Zeroizing::new(
            line.trim_end_matches(['\r', '\n']).to_owned(),
        ))
    }

    /// Asks on a face for one of several choices, from 0, of which one is the usual one; `None` where there is no face
    /// or no answer.
    pub(crate) async fn choose_on_face(
        &self,
        text: &str,
        choices: Vec<String>,
        usual: usize,
    ) -> Option<usize> {
        let question = FaceQuestion {
            text: plain(text),
            wanted: WantedAnswer::One {
                choices,
                usual: Some(usual),
            },
        };
        match self.face.as_ref()?.ask(question).await {
            FaceAnswer::Number(number) => Some(number),
            _ => None,
        }
    }

    /// As [`Ui::ask`], for a line that need not be text; its end stays.
    pub async fn ask_as_typed(
        &self,
        question: &str,
        mode: terminal::Mode,
    ) -> std::io::Result<Zeroizing<Vec<u8>>> {
        if let Some(face) = &self.face {
            return Ok(line_of(face.ask(asked_on_face(question, mode)).await));
        }
        let mut asking = self.asking();
        self.prompt(question);
        let line = terminal::Terminal::take(mode)?.line().await?;
        asking.is_open = !line.ends_with(b"\n");
        Ok(line)
    }

    /// Keeps the live lines off the terminal while a question stands there.
    fn asking(&self) -> Asking<'_> {
        let mut progress = lock(&self.progress);
        progress.pause();
        progress.is_asking = true;
        Asking {
            progress: &self.progress,
            is_open: true,
        }
    }

    /// Prints why the command failed, what caused it, and what to do next.
    pub fn error(&self, error: &Error) {
        self.print(|| match &self.face {
            Some(face) => tell_error(&**face, error),
            None => self.print_error(error),
        });
    }

    fn print_error(&self, error: &Error) {
        let causes = error.causes();
        // Where nothing can be written to the standard output, standard error takes the words.
        if self.style.json && output_failure().is_none() {
            print_json(
                self.phone.as_ref(),
                &JsonError {
                    r#type: "error",
                    kind: error.kind,
                    message: &error.message,
                    causes: &causes,
                    hint: error.hint.as_ref(),
                    exit_code: error.kind.exit_code(),
                },
            );
            // That it could not be written is known only now.
            if output_failure().is_none() {
                return;
            }
        }
        let paint =
            |line: String, name: &str, code: u8| match (self.style.color, line.split_once(name)) {
                (true, Some((before, behind))) => {
                    format!("{before}\x1b[1;{code}m{name}\x1b[0m{behind}")
                }
                _ => line,
            };
        let width = fold::width_of(&std::io::stderr());
        // A stop that was asked for is not an error.
        let message = match error.kind {
            Kind::Interrupted => plain(&error.message),
            _ => format!("error: {}", plain(&error.message)),
        };
        let message = fitted(&self.labelled(&message), width);
        eprint_raw(&match error.kind {
            Kind::Interrupted => message,
            _ => paint(message, "error:", 31),
        });
        for cause in &causes {
            eprint_line(&format!("caused by: {}", plain(cause)));
        }
        if let Some(hint) = &error.hint {
            let hint = fitted(&format!("hint: {}", plain(&hint.to_string())), width);
            eprint_raw(&paint(hint, "hint:", 36));
        }
    }
}

/// A question on the terminal; the live lines come back when it is dropped.
struct Asking<'a> {
    progress: &'a Mutex<Progress>,
    /// Whether the cursor still stands behind the question.
    is_open: bool,
}

impl Drop for Asking<'_> {
    fn drop(&mut self) {
        // Nobody pressed Enter: the question ended by itself, or the input did.
        if self.is_open {
            eprint_raw("");
        }
        lock(self.progress).is_asking = false;
    }
}

#[derive(Serialize)]
struct JsonError<'a> {
    r#type: &'static str,
    kind: Kind,
    message: &'a str,
    causes: &'a [String],
    hint: Option<&'a Hint>,
    exit_code: u8,
}

fn lock<T>(shared: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    shared.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Whether an event is worth a line of JSON; the others are summed up in `progress` lines.
fn is_for_json(event: &Event) -> bool {
    !matches!(
        event,
        Event::Pulling { .. }
            | Event::Received { .. }
            | Event::Discarded { .. }
            | Event::Packing { .. }
            | Event::Checked { .. }
            | Event::Listed { .. }
    )
}
