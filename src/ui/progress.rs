//! The progress: live lines on a terminal, a plain line now and then elsewhere, JSON lines for programs.

mod live;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use serde::Serialize;

use self::live::{Countdown, LiveLines, Shown};
use super::face::{Face, FaceProgress, Tone};
use super::output::{eprint_line, print_json};
use super::sentence::{awaited, cause, sentence};
use super::text::{bytes, count, plain, rate, seconds};
use super::words::drawing::DrawingWords;
use super::{Style, is_for_json};
use crate::event::{Event, Wait};
use crate::guide::drawing::Drawing;

/// Nothing is drawn for work that is done sooner.
const QUIET_START: Duration = Duration::from_millis(250);
/// How often the live lines change.
const DRAW_INTERVAL: Duration = Duration::from_millis(100);
/// How often a plain line is printed.
const PLAIN_INTERVAL: Duration = Duration::from_secs(10);
/// How often a JSON line is printed.
const JSON_INTERVAL: Duration = Duration::from_secs(1);
/// How far back the rate looks: long enough to be calm, short enough to be true.
const RATE_WINDOW: Duration = Duration::from_secs(10);
/// Files that are named of those with one cause.
const TOLD_FILES: u64 = 10;

/// How far the work is.
#[derive(Debug, Clone, Copy, Default, Serialize)]
struct Totals {
    items: u64,
    bytes: u64,
    pulled_items: u64,
    received_bytes: u64,
    verified_items: u64,
    failed_items: u64,
    listed_files: u64,
}

/// How the progress is shown to a person.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum ProgressForm {
    /// As lines that change.
    Live,
    /// As a line now and then.
    Plain,
}

pub(super) struct Progress {
    style: Style,
    live: Option<LiveLines>,
    form: ProgressForm,
    /// What the person looks at instead of the terminal.
    face: Option<Arc<dyn Face>>,
    /// Whether a question stands on the terminal.
    pub(super) is_asking: bool,
    started: Instant,
    last_line: Instant,
    last_draw: Instant,
    /// Of each phone, by its serial number where there are several.
    totals: BTreeMap<Option<Arc<str>>, Totals>,
    /// What each of them waits for.
    waits: BTreeMap<Option<Arc<str>>, (Wait, Countdown)>,
    current: String,
    /// What becomes of the bytes, where no phone is at work.
    done: Option<&'static str>,
    /// Nothing is verified by a phone then.
    uploading: bool,
    /// Files left out or not sent, by verdict and cause.
    causes: BTreeMap<(&'static str, String), u64>,
    /// The bytes that had arrived at some moments, the oldest first.
    samples: std::collections::VecDeque<(Instant, u64)>,
}

impl Progress {
    pub(super) fn new(style: Style, form: ProgressForm) -> Self {
        let now = Instant::now();
        Self {
            style,
            live: None,
            form,
            face: None,
            is_asking: false,
            started: now,
            last_line: now,
            last_draw: now,
            totals: BTreeMap::new(),
            waits: BTreeMap::new(),
            current: String::new(),
            done: None,
            uploading: false,
            causes: BTreeMap::new(),
            samples: std::collections::VecDeque::new(),
        }
    }

    pub(super) fn on_face(style: Style, face: Arc<dyn Face>) -> Self {
        Self {
            face: Some(face),
            ..Self::new(style, ProgressForm::Live)
        }
    }

    /// Takes an event of a phone, which is named where there are several.
    pub(super) fn event(&mut self, phone: Option<&Arc<str>>, event: &Event) {
        self.add_up(phone, event);
        if let Some(face) = &self.face {
            face.event(event);
        }
        if self.style.json {
            if is_for_json(event) {
                print_json(phone, event);
            }
            self.progress_line(JSON_INTERVAL, |totals, _| {
                let line = JsonProgress {
                    r#type: "progress",
                    totals,
                };
                print_json(None, &line);
            });
            return;
        }
        if self.style.quiet && !matches!(event, Event::UploadFailed { .. }) {
            return;
        }
        if let Some(line) = sentence(event)
            && self.is_told(event)
        {
            // What came before it went away stays.
            let is_safe = matches!(event, Event::PhoneGone { .. }) && self.sum().pulled_items > 0;
            let safe = if is_safe {
                "; the files pulled so far are safe"
            } else {
                ""
            };
            self.line(&labelled(phone, &format!("{line}{safe}")));
        }
        if self.style.quiet {
            return;
        }
        self.note_wait(phone, event);
        if self.form == ProgressForm::Live {
            self.draw(event);
        } else if self.sum().items > 0 {
            self.progress_line(PLAIN_INTERVAL, |_, parts| eprint_line(&parts.join(", ")));
        }
    }

    /// Prints a line above the live lines.
    pub(super) fn line(&mut self, line: &str) {
        match &self.face {
            Some(face) => face.tell(&plain(line), Tone::Plain),
            None => self.suspended(|| eprint_line(line)),
        }
    }

    /// Prints above the live lines.
    pub(super) fn suspended(&mut self, print: impl FnOnce()) {
        match &self.live {
            Some(live) => live.suspended(print),
            None => print(),
        }
    }

    /// Ends this work: the live lines are removed, and other work begins at nothing.
    pub(super) fn end(&mut self) {
        self.pause();
        self.tell_causes();
        self.totals.clear();
        self.waits.clear();
    }

    /// Removes the live lines; the next event of work draws them again.
    pub(super) fn pause(&mut self) {
        if let Some(face) = &self.face {
            face.progress(None);
        }
        if let Some(live) = self.live.take() {
            live.end();
        }
    }

    /// What all phones together come to.
    fn sum(&self) -> Totals {
        let mut sum = Totals::default();
        for totals in self.totals.values() {
            // A file that is pulled again because its bytes were wrong came twice, and is one file.
            let pulled = totals.pulled_items.min(totals.items);
            sum.items += totals.items;
            sum.bytes = sum.bytes.saturating_add(totals.bytes);
            sum.pulled_items += pulled;
            sum.received_bytes += totals.received_bytes;
            sum.verified_items += totals.verified_items.min(pulled);
            sum.failed_items += totals.failed_items;
            sum.listed_files += totals.listed_files;
        }
        sum
    }

    fn add_up(&mut self, phone: Option<&Arc<str>>, event: &Event) {
        let is_first = self.sum().items == 0;
        let totals = self.totals.entry(phone.cloned()).or_default();
        match event {
            // Files that an earlier run left unproven are verified in this one: they are here, and count as such.
            Event::Planned {
                items,
                bytes,
                unproven_items,
                ..
            } => {
                *totals = Totals {
                    items: items + unproven_items,
                    bytes: *bytes,
                    pulled_items: *unproven_items,
                    listed_files: totals.listed_files,
                    ..Totals::default()
                };
                if is_first {
                    self.begin_measuring();
                }
            }
            Event::Exporting { items, bytes, .. } => self.begin("written", *items, *bytes),
            Event::Checking { items, bytes } => self.begin("checked", *items, *bytes),
            Event::Pulling { path, .. } => self.current = plain(&path.to_string()),
            Event::Received { bytes } | Event::Checked { bytes } | Event::Packing { bytes } => {
                totals.received_bytes += bytes;
            }
            Event::Discarded { bytes } => {
                totals.received_bytes = totals.received_bytes.saturating_sub(*bytes);
            }
            Event::UploadPlanned { items, bytes, .. } => {
                (totals.items, totals.bytes) = (*items, *bytes);
                self.uploading = true;
                self.begin_measuring();
            }
            Event::Uploaded { source, .. } | Event::AlreadyThere { source, .. } => {
                totals.pulled_items += 1;
                self.current = plain(source);
            }
            Event::UploadSkipped { .. } | Event::UploadFailed { .. } => totals.failed_items += 1,
            Event::Pulled { .. } => totals.pulled_items += 1,
            Event::Verified { .. } => totals.verified_items += 1,
            Event::Failed { .. } | Event::Damaged { .. } => totals.failed_items += 1,
            Event::Listed { files } => totals.listed_files = *files,
            _ => {}
        }
    }

    /// Work on this computer alone begins: `done` says what becomes of its bytes.
    fn begin(&mut self, done: &'static str, items: u64, bytes: u64) {
        let totals = Totals {
            items,
            bytes,
            ..Totals::default()
        };
        self.totals = BTreeMap::from([(None, totals)]);
        self.done = Some(done);
        self.begin_measuring();
    }

    /// Begins the rate here: what was before, such as a wait, does not count.
    fn begin_measuring(&mut self) {
        self.started = Instant::now();
        self.samples = [(self.started, self.sum().received_bytes)].into();
    }

    /// Begins and ends the countdown of a wait.
    fn note_wait(&mut self, phone: Option<&Arc<str>>, event: &Event) {
        let phone = phone.cloned();
        match event {
            Event::Waiting { what, seconds, .. } => {
                let label = labelled(phone.as_ref(), &format!("Waiting {}", awaited(what)));
                let countdown = Countdown::new(label, Instant::now(), *seconds);
                self.waits.insert(phone, (what.clone(), countdown));
            }
            // What else is under way may still report.
            Event::PhoneGone { .. } | Event::Finding(_) => {}
            _ if self.waits.remove(&phone).is_some() && self.waits.is_empty() => {
                self.begin_measuring();
            }
            _ => {}
        }
    }

    /// Draws the live lines after an event; a wait is shown at once.
    fn draw(&mut self, event: &Event) {
        let is_early =
            self.started.elapsed() < QUIET_START || self.last_draw.elapsed() < DRAW_INTERVAL;
        let sum = self.sum();
        let has_work = sum.items > 0 || sum.listed_files > 0 || !self.waits.is_empty();
        if self.is_asking || !has_work || (is_early && !matches!(event, Event::Waiting { .. })) {
            return;
        }
        self.last_draw = Instant::now();
        let parts = self.parts(self.last_draw);
        if let Some(face) = &self.face {
            let waits = self.waits.values();
            let drawing = waits.clone().find_map(|(what, _)| drawing_of(what));
            let waits = waits.map(|(_, wait)| wait.label().to_owned());
            face.progress(Some(FaceProgress {
                fraction: (sum.items > 0).then(|| fraction(&sum)),
                parts,
                item: self.current.clone(),
                waits: waits.collect(),
                drawing,
            }));
            return;
        }
        let shown = Shown {
            fraction: fraction(&sum),
            parts,
            item: self.current.clone(),
            waits: self.waits.values().map(|(_, wait)| wait.clone()).collect(),
        };
        self.live.get_or_insert_with(LiveLines::start).show(shown);
    }

    fn progress_line(&mut self, interval: Duration, print: impl FnOnce(&Totals, &[String])) {
        if self.last_line.elapsed() >= interval {
            self.last_line = Instant::now();
            let parts = self.parts(self.last_line);
            print(&self.sum(), &parts);
        }
    }

    /// The state of the work, part by part; a part is never broken.
    fn parts(&mut self, now: Instant) -> Vec<String> {
        let totals = self.sum();
        if totals.items == 0 {
            return match totals.listed_files {
                0 => Vec::new(),
                files => vec![format!("looking: {}", count(files, "file"))],
            };
        }
        self.samples.push_back((now, totals.received_bytes));
        // One that is older stays, to compare with: plain lines are further apart than the window.
        while self
            .samples
            .get(1)
            .is_some_and(|(at, _)| now.duration_since(*at) > RATE_WINDOW)
        {
            self.samples.pop_front();
        }
        let (since, before) = self.samples.front().copied().unwrap_or((now, 0));
        let recent = totals.received_bytes.saturating_sub(before);
        let elapsed = now.duration_since(since);
        let percent = (fraction(&totals) * 100.0).floor();
        let mut parts = vec![format!("{percent}%")];
        if totals.bytes > 0 {
            let of = format!(
                "{} of {}",
                bytes(totals.received_bytes),
                bytes(totals.bytes)
            );
            parts.push(match self.done {
                Some(done) => format!("{of} {done}"),
                None => of,
            });
        }
        // Nothing moves while everything waits.
        if self.waits.is_empty() || self.waits.len() < self.totals.len() {
            let left = totals.bytes.saturating_sub(totals.received_bytes);
            // Behind the last byte the phone still computes hashes, or a service has still to answer.
            if left == 0 {
                parts.extend(self.last_step(&totals));
            } else {
                parts.push(rate(recent, elapsed));
            }
            if left > 0 && recent > 0 {
                let seconds_left = left as f64 * elapsed.as_secs_f64() / recent as f64;
                let left = Duration::from_secs_f64(seconds_left.min(1e9));
                parts.push(format!("{} left", seconds(left)));
            }
        }
        if self.done.is_none() {
            parts.push(format!("{}/{} files", totals.pulled_items, totals.items));
            if !self.uploading {
                parts.push(format!("{} verified", totals.verified_items));
            }
            if totals.failed_items > 0 {
                parts.push(format!("{} failed", totals.failed_items));
            }
        }
        parts
    }
}

impl Progress {
    /// What is still done when all bytes are there.
    fn last_step(&self, totals: &Totals) -> Option<String> {
        let is_pull = self.done.is_none() && !self.uploading;
        let is_open = totals.verified_items + totals.failed_items < totals.items;
        (is_pull && is_open).then(|| "comparing hashes".to_owned())
    }

    /// Whether an event has a line of its own: of one cause, the first files have, and the others are counted.
    fn is_told(&mut self, event: &Event) -> bool {
        let Some(cause) = cause(event) else {
            return true;
        };
        let files = self.causes.entry(cause).or_default();
        *files += 1;
        *files <= TOLD_FILES
    }

    /// Prints how many more files met the same causes.
    fn tell_causes(&mut self) {
        for ((verdict, cause), files) in std::mem::take(&mut self.causes) {
            if files > TOLD_FILES {
                let more = count(files - TOLD_FILES, "more file");
                self.line(&format!("{verdict}: {more} ({})", plain(&cause)));
            }
        }
    }
}

/// What a person can do while a phone is away.
fn drawing_of(what: &Wait) -> Option<DrawingWords> {
    let drawing = match what {
        Wait::Phone | Wait::Answer => Drawing::Replug,
        Wait::Address(_) => Drawing::Network,
        Wait::Approval => Drawing::Allow,
        Wait::Storage => Drawing::Pin,
        Wait::State(_) | Wait::Connection | Wait::Bucket | Wait::Service | Wait::Quota => {
            return None;
        }
    };
    Some(DrawingWords::of(drawing))
}

fn fraction(totals: &Totals) -> f64 {
    match totals.bytes {
        0 => 1.0,
        bytes => totals.received_bytes.min(bytes) as f64 / bytes as f64,
    }
}

/// A line about one of several phones.
pub(super) fn labelled(phone: Option<&Arc<str>>, line: &str) -> String {
    match phone {
        Some(phone) if !line.is_empty() => format!("{}: {line}", plain(phone)),
        _ => line.to_owned(),
    }
}

#[derive(Serialize)]
struct JsonProgress<'a> {
    r#type: &'static str,
    #[serde(flatten)]
    totals: &'a Totals,
}

#[cfg(test)]
mod tests;
