//! What moves: one line for the whole and one for the item of the moment on a terminal, a plain
//! line now and then elsewhere, JSON lines for programs.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use indicatif::{MultiProgress, ProgressBar, ProgressDrawTarget, ProgressStyle};
use serde::Serialize;

use super::text::{bytes, count, plain, rate, seconds};
use super::{Style, eprint_line, is_for_json, print_json};
use crate::adb::server::DeviceState;
use crate::event::{Event, Wait};
use crate::guide;

/// Nothing is drawn for work that is done sooner.
const QUIET_START: Duration = Duration::from_millis(250);
/// How often the live lines change.
const DRAW_INTERVAL: Duration = Duration::from_millis(100);
/// How often a plain line tells how far the work is.
const PLAIN_INTERVAL: Duration = Duration::from_secs(10);
/// How often a JSON line does.
const JSON_INTERVAL: Duration = Duration::from_secs(1);
/// How far back the rate looks: long enough to be calm, short enough to be true.
const RATE_WINDOW: Duration = Duration::from_secs(10);

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

pub(super) struct Progress {
    style: Style,
    live: Option<Live>,
    wants_live: bool,
    started: Instant,
    last_line: Instant,
    last_draw: Instant,
    /// Of each phone, by its serial number where there are several.
    totals: BTreeMap<Option<Arc<str>>, Totals>,
    current: String,
    /// What becomes of the bytes, where no phone is at work.
    done: Option<&'static str>,
    /// Nothing is verified by a phone then.
    uploading: bool,
    samples: std::collections::VecDeque<(Instant, u64)>,
}

struct Live {
    bars: MultiProgress,
    whole: ProgressBar,
    item: ProgressBar,
}

impl Progress {
    pub(super) fn new(style: Style, wants_live: bool) -> Self {
        let now = Instant::now();
        Self {
            style,
            live: None,
            wants_live,
            started: now,
            last_line: now,
            last_draw: now,
            totals: BTreeMap::new(),
            current: String::new(),
            done: None,
            uploading: false,
            samples: std::collections::VecDeque::new(),
        }
    }

    /// Takes what happened with a phone, which is named where there are several.
    pub(super) fn event(&mut self, phone: Option<&Arc<str>>, event: &Event) {
        self.add_up(phone, event);
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
        if self.style.quiet {
            return;
        }
        if let Some(line) = self.sentence(event) {
            self.line(&labelled(phone, &line));
        }
        if self.wants_live {
            self.draw();
        } else if self.sum().items > 0 {
            self.progress_line(PLAIN_INTERVAL, |_, words| eprint_line(words));
        }
    }

    /// Prints a line above whatever moves.
    pub(super) fn line(&mut self, line: &str) {
        self.suspended(|| eprint_line(line));
    }

    /// Prints above whatever moves.
    pub(super) fn suspended(&mut self, print: impl FnOnce()) {
        match &self.live {
            Some(live) => live.bars.suspend(print),
            None => print(),
        }
    }

    pub(super) fn end(&mut self) {
        if let Some(live) = self.live.take() {
            live.item.finish_and_clear();
            live.whole.finish_and_clear();
        }
        self.wants_live = false;
        self.totals.clear();
    }

    /// What all phones together come to.
    fn sum(&self) -> Totals {
        let mut sum = Totals::default();
        for totals in self.totals.values() {
            sum.items += totals.items;
            sum.bytes = sum.bytes.saturating_add(totals.bytes);
            sum.pulled_items += totals.pulled_items;
            sum.received_bytes += totals.received_bytes;
            sum.verified_items += totals.verified_items;
            sum.failed_items += totals.failed_items;
            sum.listed_files += totals.listed_files;
        }
        sum
    }

    fn add_up(&mut self, phone: Option<&Arc<str>>, event: &Event) {
        let is_first = self.sum().items == 0;
        let totals = self.totals.entry(phone.cloned()).or_default();
        match event {
            Event::Planned { items, bytes, .. } => {
                (totals.items, totals.bytes) = (*items, *bytes);
                if is_first {
                    self.started = Instant::now();
                    self.samples.clear();
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
                (self.started, self.uploading) = (Instant::now(), true);
                self.samples.clear();
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
        self.started = Instant::now();
        self.samples.clear();
    }

    /// What a person is told about an event that needs words.
    fn sentence(&self, event: &Event) -> Option<String> {
        Some(match event {
            Event::Step { what } => plain(what),
            Event::Waiting {
                what: Wait::Approval,
                seconds,
            } => {
                format!(
                    "Waiting up to {seconds} s for the phone: {}",
                    guide::states::unauthorized.next
                )
            }
            Event::Waiting {
                what: Wait::Phone,
                seconds,
            } => {
                format!("Waiting up to {seconds} s for the phone: plug it in again")
            }
            Event::Waiting {
                what: Wait::Answer,
                seconds,
            } => format!(
                "Waiting up to {seconds} s for the phone to answer: it may be hung; unplug it and plug it in again"
            ),
            Event::Waiting {
                what: Wait::State(state),
                seconds,
            } => {
                let holder = match state {
                    DeviceState::Busy(holder) if !holder.is_empty() => {
                        format!(": {} has it", plain(holder))
                    }
                    _ => String::new(),
                };
                format!(
                    "Waiting up to {seconds} s: the phone is {}{holder}",
                    plain(state.name())
                )
            }
            Event::Waiting {
                what: Wait::Storage,
                seconds,
            } => format!(
                "Waiting up to {seconds} s: the phone was restarted; unlock it, so that its storage opens"
            ),
            Event::Waiting {
                what: Wait::Connection,
                seconds: 0,
            } => "Waiting for connection: it goes on by itself".to_owned(),
            Event::Waiting {
                what: Wait::Connection,
                seconds,
            } => format!("Waiting for connection, up to {seconds} s"),
            Event::Waiting {
                what: Wait::Bucket, ..
            } => "The bucket is not there; it goes on by itself when it is".to_owned(),
            Event::Waiting {
                what: Wait::Service,
                seconds,
            } => format!("The service asks to wait {seconds} s; it goes on by itself"),
            Event::Waiting {
                what: Wait::Quota,
                seconds: wait,
            } => format!(
                "The service's daily quota is used up; it goes on by itself in {}",
                seconds(Duration::from_secs(*wait))
            ),
            Event::UploadPlanned {
                remote,
                items,
                bytes: size,
                done_items,
            } => {
                let done = match done_items {
                    0 => String::new(),
                    done => format!("; {} sent before", count(*done, "file")),
                };
                let to_send = count(*items, "file");
                format!(
                    "{to_send} to send, {}{done}, to {}",
                    bytes(*size),
                    plain(remote)
                )
            }
            Event::UploadRenamed { source, path } => format!(
                "Another file has this name there: {} goes to {}",
                plain(source),
                plain(path)
            ),
            Event::UploadSkipped {
                source, message, ..
            } => format!("Skipped: {} ({})", plain(source), plain(message)),
            Event::UploadFailed {
                source, message, ..
            } => format!("Failed: {} ({})", plain(source), plain(message)),
            Event::Connected {
                serial,
                model,
                android_version,
            } => {
                let version = match android_version.as_str() {
                    "" => String::new(),
                    version => format!(", Android {}", plain(version)),
                };
                let model = match model.trim() {
                    "" => "a phone".into(),
                    model => plain(model),
                };
                format!("Connected to {model} ({}{version})", plain(serial))
            }
            Event::PhoneGone { message } => {
                format!(
                    "The phone is gone ({}). What was pulled is safe.",
                    plain(message)
                )
            }
            Event::Planned {
                folder,
                items,
                bytes: size,
                done_items,
                ..
            } => {
                let done = match done_items {
                    0 => String::new(),
                    done => format!("; {} here already", count(*done, "file")),
                };
                format!(
                    "{} to pull, {}{done}, into {}",
                    count(*items, "file"),
                    bytes(*size),
                    plain(folder)
                )
            }
            Event::SetAside { local, to, why } => {
                format!(
                    "Moved data/{} to {}: {why}",
                    plain(local.as_str()),
                    plain(to)
                )
            }
            Event::Exporting {
                archive,
                items,
                bytes: size,
            } => {
                format!(
                    "{}, {}, into {}",
                    count(*items, "file"),
                    bytes(*size),
                    plain(archive)
                )
            }
            Event::Stranger { path } => {
                format!("Left out: data/{} (no pull put it there)", plain(path))
            }
            Event::LeftOut { path, why, .. } => {
                format!(
                    "Left out: {} ({})",
                    plain(&path.to_string()),
                    plain(&why.sentence())
                )
            }
            // What fails is told once, at the end, with what to do about it.
            _ => return None,
        })
    }

    fn draw(&mut self) {
        if self.started.elapsed() < QUIET_START || self.last_draw.elapsed() < DRAW_INTERVAL {
            return;
        }
        self.last_draw = Instant::now();
        let (words, totals) = (self.words(self.last_draw), self.sum());
        let live = self.live.get_or_insert_with(start_live);
        live.whole.set_length(totals.bytes.max(1));
        live.whole
            .set_position(totals.received_bytes.min(totals.bytes));
        live.whole.set_message(words);
        live.item.set_message(self.current.clone());
    }

    fn progress_line(&mut self, interval: Duration, print: impl FnOnce(&Totals, &str)) {
        if self.last_line.elapsed() >= interval {
            self.last_line = Instant::now();
            let words = self.words(self.last_line);
            print(&self.sum(), &words);
        }
    }

    fn words(&mut self, now: Instant) -> String {
        let totals = self.sum();
        if totals.items == 0 {
            return format!("looking: {}", count(totals.listed_files, "file"));
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
        let (since, before) = match self.samples.front() {
            Some(oldest) if self.samples.len() > 1 => *oldest,
            _ => (self.started, 0),
        };
        let recent = totals.received_bytes.saturating_sub(before);
        let elapsed = now.duration_since(since);
        let left = totals.bytes.saturating_sub(totals.received_bytes);
        let time_left = match recent {
            0 => String::new(),
            recent => {
                let seconds_left = left as f64 * elapsed.as_secs_f64() / recent as f64;
                format!(
                    ", {} left",
                    seconds(Duration::from_secs_f64(seconds_left.min(1e9)))
                )
            }
        };
        let failed = match totals.failed_items {
            0 => String::new(),
            failed => format!(", {failed} failed"),
        };
        if let Some(done) = self.done {
            return format!(
                "{} of {} {done}, {}{time_left}",
                bytes(totals.received_bytes),
                bytes(totals.bytes),
                rate(recent, elapsed),
            );
        }
        let verified = match self.uploading {
            true => String::new(),
            false => format!(", {} verified", totals.verified_items),
        };
        format!(
            "{} of {}, {}{time_left}, {}/{} files{verified}{failed}",
            bytes(totals.received_bytes),
            bytes(totals.bytes),
            rate(recent, elapsed),
            totals.pulled_items,
            totals.items,
        )
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

fn start_live() -> Live {
    let bars = MultiProgress::with_draw_target(ProgressDrawTarget::stderr_with_hz(10));
    let template = |text: &str| {
        ProgressStyle::with_template(text).unwrap_or_else(|_| ProgressStyle::default_bar())
    };
    let whole = bars.add(ProgressBar::new(1));
    whole.set_style(template("{bar:12} {wide_msg}").progress_chars("━╸ "));
    let item = bars.add(ProgressBar::new_spinner());
    item.set_style(template("{spinner} {wide_msg}"));
    // It starts a thread, and panics where there is none.
    if crate::threads::probe().is_ok() {
        item.enable_steady_tick(Duration::from_millis(200));
    }
    Live { bars, whole, item }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rate_is_told_also_where_lines_are_further_apart_than_its_window() {
        let style = Style {
            json: false,
            quiet: true,
            color: false,
        };
        let mut progress = Progress::new(style, false);
        progress.event(
            None,
            &Event::Planned {
                folder: String::new(),
                items: 2,
                bytes: 2_000_000_000,
                done_items: 0,
                done_bytes: 0,
            },
        );
        let mut now = progress.started;
        for _ in 0..3 {
            now += RATE_WINDOW + Duration::from_secs(1);
            progress.event(None, &Event::Received { bytes: 500_000_000 });
            let words = progress.words(now);
            assert!(!words.contains(" 0 B/s"), "{words}");
            assert!(words.contains(" left,"), "{words}");
        }
    }
}
