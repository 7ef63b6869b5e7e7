//! What the page shows of one case: the one state behind every open page. Bounded, however long the work takes.

use std::collections::{BTreeMap, VecDeque};
use std::path::PathBuf;
use std::sync::Arc;

use serde::{Deserialize, Deserializer, Serialize};
use serde_json::Value;
use tokio::sync::{Notify, oneshot};
use zeroize::Zeroizing;

use super::label::CaseLabel;
use super::live::LiveDisplay;
use crate::adb::RemotePath;
use crate::error::Error;
use crate::event::Event;
use crate::folder::JobLabel;
use crate::halt::Halt;
use crate::media::kind::MediaKind;
use crate::names::LocalPath;
use crate::ui::face::{FaceAnswer, FaceProgress, FaceQuestion, Tone, WantedAnswer};
use crate::ui::plain;
use crate::ui::words::journey::NoteWords;

/// Lines of one turn that are kept.
const MOST_LINES: usize = 300;
/// Characters of a line that are shown.
const MOST_CHARACTERS: usize = 4000;
/// Blocks of earlier turns that are kept.
const MOST_BEFORE: usize = 200;
/// Pictures that are shown as they are proven.
const MOST_PROVEN: usize = 12;
/// Files that may be on the disk before their proof comes.
const MOST_UNPROVEN: usize = 256;

/// Something told.
#[derive(Debug, Serialize)]
#[serde(untagged)]
enum Told {
    Note(NoteWords),
    Line {
        kind: &'static str,
        tone: Tone,
        line: String,
    },
}

/// A picture that is proven.
#[derive(Debug, Clone, Serialize)]
struct ProvenPicture {
    number: u64,
    name: String,
    #[serde(skip)]
    local: LocalPath,
}

/// Something of the state that streams send by itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum StatePart {
    Before,
    Now,
    Question,
    Progress,
    Proven,
    Shelf,
    Phone,
    Label,
    Screen,
}

const PARTS: [(StatePart, &str); 9] = [
    (StatePart::Before, "before"),
    (StatePart::Now, "now"),
    (StatePart::Question, "question"),
    (StatePart::Progress, "progress"),
    (StatePart::Proven, "proven"),
    (StatePart::Shelf, "shelf"),
    (StatePart::Phone, "phone"),
    (StatePart::Label, "label"),
    (StatePart::Screen, "screen"),
];

/// A question that is not answered yet.
#[derive(Debug)]
pub(super) struct OpenQuestion {
    pub(super) number: u64,
    question: FaceQuestion,
    answer: oneshot::Sender<FaceAnswer>,
}

/// An answer, as the page sends it. A flat one: serde copies what it has to sort.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct SentAnswer {
    question: u64,
    number: Option<usize>,
    numbers: Option<Vec<usize>>,
    #[serde(default, deserialize_with = "zeroized")]
    text: Option<Zeroizing<String>>,
}

fn zeroized<'de, D: Deserializer<'de>>(from: D) -> Result<Option<Zeroizing<String>>, D::Error> {
    Ok(Option::<String>::deserialize(from)?.map(Zeroizing::new))
}

/// Why an answer is not taken.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum RefusedAnswer {
    /// The question is gone, or another one.
    Gone,
    /// It does not answer this question.
    Unfit,
}

/// The state of a case.
#[derive(Debug, Default)]
pub(super) struct CaseState {
    before: VecDeque<Told>,
    now: VecDeque<Told>,
    question: Option<OpenQuestion>,
    /// Questions up to now.
    questions: u64,
    progress: Option<FaceProgress>,
    /// What stops the work that is under way, and what the page calls that.
    pause: Option<(Halt, &'static str)>,
    /// The rescue folder of the pull, and its pictures.
    folder: Option<PathBuf>,
    unproven: VecDeque<(RemotePath, LocalPath)>,
    proven: VecDeque<ProvenPicture>,
    proven_files: u64,
    /// Pictures that were ever shown.
    pictures: u64,
    shelf: Option<String>,
    /// What chooses the phone, and what it is called, once one is seen.
    phone: Option<(String, String)>,
    label: CaseLabel,
    /// What ends the case.
    end: Option<Halt>,
    /// The phone's display, while it is shown.
    display: Option<Arc<LiveDisplay>>,
    /// Counts changes; when each part changed last.
    clock: u64,
    changed: BTreeMap<StatePart, u64>,
}

impl CaseState {
    fn touch(&mut self, part: StatePart) {
        // A stream that got everything before the first change has seen the time 1.
        self.clock = self.clock.max(1) + 1;
        self.changed.insert(part, self.clock);
    }

    /// Counts the changes.
    pub(super) fn time(&self) -> u64 {
        self.clock
    }

    /// What changed since a stream sent last, which `seen` counts, as one line of JSON.
    pub(super) fn news(&self, seen: &mut u64) -> Option<Value> {
        let mut news = serde_json::Map::new();
        for (part, name) in PARTS {
            let changed = self.changed.get(&part);
            let is_new = changed.map_or(*seen == 0, |changed| changed > seen);
            if is_new {
                news.insert(name.to_owned(), self.value(part));
            }
        }
        *seen = self.clock.max(1);
        (!news.is_empty()).then(|| news.into())
    }

    fn value(&self, part: StatePart) -> Value {
        #[derive(Serialize)]
        struct AskedPart<'a> {
            number: u64,
            #[serde(flatten)]
            question: &'a FaceQuestion,
        }
        #[derive(Serialize)]
        struct WorkPart<'a> {
            #[serde(flatten)]
            progress: &'a FaceProgress,
            /// What the button says that stops it; nothing where it cannot be stopped, or is already.
            stop: Option<&'static str>,
        }
        #[derive(Serialize)]
        struct ProvenPart<'a> {
            files: u64,
            pictures: &'a VecDeque<ProvenPicture>,
        }
        #[derive(Serialize)]
        struct LabelPart<'a> {
            #[serde(flatten)]
            label: &'a CaseLabel,
            /// Whose it is.
            phone: Option<&'a String>,
        }
        let value = match part {
            StatePart::Before => serde_json::to_value(&self.before),
            StatePart::Now => serde_json::to_value(&self.now),
            StatePart::Question => {
                serde_json::to_value(self.question.as_ref().map(|open| AskedPart {
                    number: open.number,
                    question: &open.question,
                }))
            }
            StatePart::Progress => {
                let pause = self.pause.as_ref().filter(|(pause, _)| !pause.is_set());
                let stop = pause.map(|(_, label)| *label);
                let progress = self.progress.as_ref();
                serde_json::to_value(progress.map(|progress| WorkPart { progress, stop }))
            }
            StatePart::Proven => serde_json::to_value(ProvenPart {
                files: self.proven_files,
                pictures: &self.proven,
            }),
            StatePart::Shelf => serde_json::to_value(&self.shelf),
            StatePart::Phone => serde_json::to_value(self.phone.as_ref().map(|(_, title)| title)),
            StatePart::Label => serde_json::to_value(LabelPart {
                label: &self.label,
                phone: self.phone.as_ref().map(|(name, _)| name),
            }),
            StatePart::Screen => serde_json::to_value(self.display.is_some()),
        };
        // Nothing of it can fail; a page without a part still shows the others.
        value.unwrap_or_default()
    }

    /// Begins a turn of the guide. What was told before moves up, unless the turn says nothing, or a trouble was told
    /// last: nobody has read that yet.
    pub(super) fn turn(&mut self, notes: Vec<NoteWords>) {
        if !notes.is_empty() {
            let is_trouble = |told: &Told| matches!(told, Told::Note(NoteWords::Trouble { .. }));
            match self.now.back().is_some_and(is_trouble) {
                true => self.touch(StatePart::Now),
                false => self.move_up(|_| false),
            }
            self.now.extend(notes.into_iter().map(Told::Note));
        }
    }

    /// Adds to what was told last, unless it stands there.
    pub(super) fn add(&mut self, note: NoteWords) {
        let is_there = |told: &Told| matches!(told, Told::Note(known) if *known == note);
        if !self.now.iter().any(is_there) {
            self.now.push_back(Told::Note(note));
            self.touch(StatePart::Now);
        }
    }

    /// Begins work that this switch stops. What is safe stays in sight.
    pub(super) fn begin_work(&mut self, pause: Halt, label: &'static str) {
        self.move_up(|told| matches!(told, Told::Note(NoteWords::Holdings(_))));
        self.offer_pause(Some((pause, label)));
    }

    /// Moves the notes to the earlier ones, except for those that stay.
    fn move_up(&mut self, stays: fn(&Told) -> bool) {
        let (now, earlier): (_, VecDeque<_>) = self.now.drain(..).partition(stays);
        self.now = now;
        self.before.extend(earlier);
        let older = self.before.len().saturating_sub(MOST_BEFORE);
        self.before.drain(..older);
        self.touch(StatePart::Before);
        self.touch(StatePart::Now);
    }

    pub(super) fn tell(&mut self, line: &str, tone: Tone) {
        if line.trim().is_empty() {
            return;
        }
        if self.now.len() >= MOST_LINES {
            self.now.pop_front();
        }
        self.now.push_back(Told::Line {
            kind: "line",
            tone,
            line: line.chars().take(MOST_CHARACTERS).collect(),
        });
        self.touch(StatePart::Now);
    }

    pub(super) fn progress(&mut self, progress: Option<FaceProgress>) {
        if self.progress != progress {
            self.progress = progress;
            self.touch(StatePart::Progress);
        }
    }

    pub(super) fn offer_pause(&mut self, pause: Option<(Halt, &'static str)>) {
        self.pause = pause;
        self.touch(StatePart::Progress);
    }

    /// Stops the work that can be stopped; whether there was any.
    pub(super) fn pause(&mut self) -> bool {
        let Some((pause, _)) = &self.pause else {
            return false;
        };
        pause.stop(Error::stopped());
        self.touch(StatePart::Progress);
        true
    }

    /// Hears an event of the work.
    pub(super) fn hear(&mut self, event: &Event) {
        match event {
            Event::Planned {
                folder, done_items, ..
            } => {
                let folder = PathBuf::from(folder);
                if self.folder.as_ref() != Some(&folder) {
                    self.proven.clear();
                }
                self.folder = Some(folder);
                self.unproven.clear();
                // A pull that resumes counts what the one before proved.
                self.proven_files = *done_items;
            }
            Event::Pulled { path, local, .. } => {
                if MediaKind::of_name(local.name().as_bytes()) == MediaKind::Photo {
                    self.unproven.push_back((path.clone(), local.clone()));
                    let older = self.unproven.len().saturating_sub(MOST_UNPROVEN);
                    self.unproven.drain(..older);
                }
                return;
            }
            Event::Verified { path, .. } => {
                self.proven_files += 1;
                let at = self.unproven.iter().position(|(known, _)| known == path);
                if let Some((_, local)) = at.and_then(|at| self.unproven.remove(at)) {
                    self.pictures += 1;
                    self.proven.push_back(ProvenPicture {
                        number: self.pictures,
                        name: plain(local.name()),
                        local,
                    });
                    let older = self.proven.len().saturating_sub(MOST_PROVEN);
                    self.proven.drain(..older);
                }
            }
            _ => return,
        }
        self.touch(StatePart::Proven);
    }

    /// The place of a picture that is shown as proven: its rescue folder, and its path below `data/`.
    pub(super) fn picture(&self, number: u64) -> Option<(PathBuf, LocalPath)> {
        let mut proven = self.proven.iter();
        let found = proven.find(|picture| picture.number == number)?;
        Some((self.folder.clone()?, found.local.clone()))
    }

    pub(super) fn show_shelf(&mut self, url: String) {
        self.shelf = Some(url);
        self.touch(StatePart::Shelf);
    }

    /// The phone is this one: what chooses it, and what it is called. What was typed about another phone goes.
    pub(super) fn name_phone(&mut self, phone: Option<(String, String)>) {
        if self.phone == phone {
            return;
        }
        let before = self.phone.as_ref().map(|(name, _)| name);
        if before.is_some() && before != phone.as_ref().map(|(name, _)| name) {
            self.label.forget();
        }
        self.phone = phone;
        self.touch(StatePart::Phone);
        self.touch(StatePart::Label);
    }

    /// The case is ended by this switch.
    pub(super) fn ended_by(&mut self, end: Halt) {
        self.end = Some(end);
    }

    /// Ends the case, unless work is under way; whether it does.
    pub(super) fn give_up(&self) -> bool {
        let end = self.end.as_ref().filter(|_| self.pause.is_none());
        end.inspect(|end| end.stop(Error::stopped())).is_some()
    }

    /// Whether the case is being ended.
    pub(super) fn is_ending(&self) -> bool {
        self.end.as_ref().is_some_and(Halt::is_set)
    }

    /// Takes the label that somebody typed.
    pub(super) fn type_label(&mut self, text: JobLabel) {
        self.label.take(text);
        self.touch(StatePart::Label);
    }

    /// The folder has this label, which is shown unless another one was typed.
    pub(super) fn read_label(&mut self, text: JobLabel) {
        self.label.read(text);
        self.touch(StatePart::Label);
    }

    /// The typed label, for the pull that begins: the folder has it then.
    pub(super) fn label_for_pull(&mut self) -> Option<JobLabel> {
        self.label.for_pull()
    }

    /// The typed label that nobody tried to write yet, and the folder.
    pub(super) fn new_label(&mut self) -> Option<(PathBuf, JobLabel)> {
        let folder = self.folder.clone()?;
        Some((folder, self.label.take_new()?))
    }

    /// The typed label that the folder does not have, and the folder.
    pub(super) fn unwritten_label(&self) -> Option<(PathBuf, JobLabel)> {
        let folder = self.folder.clone()?;
        Some((folder, self.label.unwritten()?))
    }

    /// Tells when a label is typed.
    pub(super) fn label_typed(&self) -> Arc<Notify> {
        self.label.typed()
    }

    /// Shows the phone's display, or no longer.
    pub(super) fn show_display(&mut self, display: Option<Arc<LiveDisplay>>) {
        self.display = display;
        self.touch(StatePart::Screen);
    }

    /// The phone's display, while it is shown.
    pub(super) fn display(&self) -> Option<Arc<LiveDisplay>> {
        self.display.clone()
    }

    /// Begins again, for another phone. Questions and pictures keep counting: an old page answers no new question.
    pub(super) fn begin_again(&mut self) {
        let old = std::mem::take(self);
        (self.questions, self.pictures, self.clock) = (old.questions, old.pictures, old.clock);
        (self.label, self.end) = (old.label, old.end);
        self.label.forget();
        for (part, _) in PARTS {
            self.touch(part);
        }
    }

    /// Opens a question, in place of one that is open; its number.
    pub(super) fn ask(
        &mut self,
        question: FaceQuestion,
        answer: oneshot::Sender<FaceAnswer>,
    ) -> u64 {
        self.questions += 1;
        self.question = Some(OpenQuestion {
            number: self.questions,
            question,
            answer,
        });
        self.touch(StatePart::Question);
        self.questions
    }

    pub(super) fn question(&self) -> Option<&OpenQuestion> {
        self.question.as_ref()
    }

    pub(super) fn take_back(&mut self) {
        self.question = None;
        self.touch(StatePart::Question);
    }

    /// Takes an answer of a page.
    pub(super) fn answer(&mut self, sent: SentAnswer) -> Result<(), RefusedAnswer> {
        let is_it = |open: &mut OpenQuestion| open.number == sent.question;
        let Some(open) = self.question.take_if(is_it) else {
            return Err(RefusedAnswer::Gone);
        };
        match fitting(&open.question.wanted, sent) {
            Some((answer, repeated)) => {
                if let Some(repeated) = repeated {
                    self.tell(&repeated, Tone::Answer);
                }
                self.touch(StatePart::Question);
                // Whoever asked may have gone in this moment.
                let _ = open.answer.send(answer);
                Ok(())
            }
            None => {
                self.question = Some(open);
                Err(RefusedAnswer::Unfit)
            }
        }
    }
}

/// The answer, where it answers this; and its words, where they may be shown.
fn fitting(wanted: &WantedAnswer, sent: SentAnswer) -> Option<(FaceAnswer, Option<String>)> {
    let SentAnswer {
        number,
        numbers,
        text,
        ..
    } = sent;
    match (wanted, number, numbers, text) {
        (
            WantedAnswer::One { choices, .. } | WantedAnswer::Wait { choices },
            Some(number),
            None,
            None,
        ) => {
            let words = choices.get(number)?.clone();
            Some((FaceAnswer::Number(number), Some(words)))
        }
        (WantedAnswer::Many { choices }, None, Some(numbers), None) => {
            let words = numbers.iter().map(|number| choices.get(*number).cloned());
            let words = words.collect::<Option<Vec<_>>>()?.join("; ");
            Some((FaceAnswer::Numbers(numbers), Some(words)))
        }
        (WantedAnswer::Line | WantedAnswer::Folder, None, None, Some(line)) => {
            let words = plain(&line);
            Some((FaceAnswer::Line(line), Some(words)))
        }
        (WantedAnswer::Secret, None, None, Some(line)) => Some((FaceAnswer::Line(line), None)),
        (WantedAnswer::Line | WantedAnswer::Secret | WantedAnswer::Folder, None, None, None) => {
            Some((FaceAnswer::Nothing, None))
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests;
