//! The live lines: drawn again by a thread of their own, so that they follow the window's width and count
//! down while nothing happens.

use std::fmt::Write as _;
use std::io::{self, Write as _};
use std::sync::mpsc::{self, RecvTimeoutError};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle, TermLike};
use unicode_width::UnicodeWidthStr as _;

use super::super::fold::{end_of_path, folded, size_of};
use super::super::text::whole_seconds;

/// How often they are drawn where no event comes.
const REDRAW_INTERVAL: Duration = Duration::from_millis(200);
/// Columns and rows of a terminal that does not say how many it has.
const USUAL_SIZE: (usize, usize) = (80, 24);
/// The bar is left out where it would be shorter.
const SHORTEST_BAR: usize = 4;
/// The bar does not grow further, so that the eye finds the words.
const LONGEST_BAR: usize = 40;
/// The columns of the percentage, and how far in the lines below it stand.
const INDENT: usize = 5;
/// A terminal with fewer columns is a narrow one.
const NARROW: usize = 30;

/// What the live lines show.
#[derive(Debug, Default)]
pub(super) struct Shown {
    /// How much is done, from 0 to 1.
    pub(super) fraction: f64,
    /// The state of the work, the percentage first.
    pub(super) parts: Vec<String>,
    /// The item of the moment.
    pub(super) item: String,
    /// What is waited for, in place of the item.
    pub(super) waits: Vec<Countdown>,
}

/// A wait with its end, where it has one.
#[derive(Debug, Clone)]
pub(super) struct Countdown {
    label: String,
    since: Instant,
    limit: Option<Duration>,
}

impl Countdown {
    /// Counts down so many seconds; without a limit (0) it counts up.
    pub(super) fn new(label: String, since: Instant, seconds: u64) -> Self {
        let limit = (seconds > 0).then_some(Duration::from_secs(seconds));
        Self {
            label,
            since,
            limit,
        }
    }

    /// What is waited for, without the time.
    pub(super) fn label(&self) -> &str {
        &self.label
    }

    fn line(&self, now: Instant) -> String {
        let elapsed = now.saturating_duration_since(self.since);
        let label = &self.label;
        match self.limit {
            // Rounded up: the first second shows the whole limit.
            Some(limit) => {
                let left = limit.saturating_sub(elapsed) + Duration::from_millis(999);
                format!("{label}: {} left", whole_seconds(left.as_secs()))
            }
            None => format!("{label}: {}", whole_seconds(elapsed.as_secs())),
        }
    }
}

impl Shown {
    /// The lines for a terminal of so many columns. No word is cut; one that does not fit at all is left out.
    fn lines(&self, columns: usize, now: Instant) -> Vec<String> {
        let mut lines = self.state(columns);
        let indent = indent(columns);
        match (self.waits.is_empty(), self.item.is_empty()) {
            (false, _) => lines.extend(self.waits.iter().map(|wait| wait.line(now))),
            (true, false) if columns > indent => {
                let item = end_of_path(&self.item, columns - indent);
                lines.push(format!("{:indent$}{item}", ""));
            }
            _ => {}
        }
        let folded = lines.iter().map(|line| folded(line, columns));
        let folded: Vec<_> = folded.collect();
        let fits = |line: &&str| line.width() <= columns;
        let lines = folded.iter().flat_map(|lines| lines.lines());
        lines.filter(fits).map(str::to_owned).collect()
    }

    /// The percentage, the bar, and the rest: in one line with a bar that takes what is left, or in
    /// several without one.
    fn state(&self, columns: usize) -> Vec<String> {
        let Some((first, rest)) = self.parts.split_first() else {
            return Vec::new();
        };
        if rest.is_empty() {
            return vec![first.clone()];
        }
        let words = rest.join(", ");
        let bar = columns.saturating_sub(INDENT + 2 + words.width());
        if bar >= SHORTEST_BAR {
            let bar = self.bar(bar.min(LONGEST_BAR));
            return vec![format!("{first:>4} {bar}  {words}")];
        }
        let indent = indent(columns);
        let mut lines = vec![format!("{first:>4} ")];
        for (at, part) in rest.iter().enumerate() {
            let comma = if at + 1 < rest.len() { "," } else { "" };
            let part = format!("{part}{comma}");
            let Some(line) = lines.last_mut() else {
                break;
            };
            let blank = usize::from(line.width() > INDENT);
            if line.width() + blank + part.width() > columns && line.width() >= indent {
                lines.push(format!("{:indent$}{part}", ""));
            } else {
                let _ = write!(line, "{:blank$}{part}", "");
            }
        }
        lines
    }

    fn bar(&self, length: usize) -> String {
        let done = (self.fraction.clamp(0.0, 1.0) * length as f64) as usize;
        let head = usize::from(done < length);
        let rest = length - done - head;
        format!("{}{}{:rest$}", "━".repeat(done), "╸".repeat(head), "")
    }
}

/// How far in the lines below the percentage stand; a narrow terminal has no columns to give away.
fn indent(columns: usize) -> usize {
    match columns {
        0..NARROW => 0,
        _ => INDENT,
    }
}

/// The live lines on the terminal of standard error.
pub(super) struct LiveLines {
    screen: Arc<Mutex<Screen>>,
    /// Ends the thread that draws, when it is dropped.
    _until: Option<mpsc::Sender<()>>,
}

struct Screen {
    shown: Shown,
    bar: ProgressBar,
}

impl LiveLines {
    pub(super) fn start() -> Self {
        let target = ProgressDrawTarget::term_like(Box::<Below>::default());
        let bar = ProgressBar::with_draw_target(None, target);
        if let Ok(style) = ProgressStyle::with_template("{msg}") {
            bar.set_style(style);
        }
        let screen = Arc::new(Mutex::new(Screen {
            shown: Shown::default(),
            bar,
        }));
        let drawn = Arc::clone(&screen);
        let (until, ended) = mpsc::channel();
        let redraw = move || {
            while ended.recv_timeout(REDRAW_INTERVAL) == Err(RecvTimeoutError::Timeout) {
                lock(&drawn).draw();
            }
        };
        // Without a thread they change with the events alone.
        let thread = crate::threads::spawn(redraw);
        Self {
            screen,
            _until: thread.is_ok().then_some(until),
        }
    }

    /// Shows this from now on.
    pub(super) fn show(&self, shown: Shown) {
        let mut screen = lock(&self.screen);
        screen.shown = shown;
        screen.draw();
    }

    /// Prints something above the lines.
    pub(super) fn suspended(&self, print: impl FnOnce()) {
        lock(&self.screen).bar.suspend(print);
    }

    /// Removes them.
    pub(super) fn end(self) {
        lock(&self.screen).bar.finish_and_clear();
    }
}

fn lock(screen: &Mutex<Screen>) -> MutexGuard<'_, Screen> {
    screen.lock().unwrap_or_else(PoisonError::into_inner)
}

fn size() -> (usize, usize) {
    size_of(&io::stderr()).unwrap_or(USUAL_SIZE)
}

impl Screen {
    fn draw(&self) {
        if self.bar.is_finished() {
            return;
        }
        let (columns, rows) = size();
        // A full line would make some terminals begin another; a full screen would scroll.
        let mut lines = self.shown.lines(columns.saturating_sub(1), Instant::now());
        lines.truncate(rows.saturating_sub(1).max(1));
        self.bar.set_message(lines.join("\n"));
    }
}

/// The place below all that was printed. Between two drawings the cursor stands at its beginning, and
/// not at its end: so the terminal's own `^C`, or a window that becomes narrower, leaves nothing behind.
#[derive(Debug, Default)]
struct Below(Mutex<Vec<String>>);

impl Below {
    fn lines(&self) -> MutexGuard<'_, Vec<String>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl TermLike for Below {
    fn width(&self) -> u16 {
        u16::try_from(size().0).unwrap_or(u16::MAX)
    }

    fn height(&self) -> u16 {
        u16::try_from(size().1).unwrap_or(u16::MAX)
    }

    // It is there already.
    fn move_cursor_up(&self, _: usize) -> io::Result<()> {
        Ok(())
    }

    fn move_cursor_down(&self, _: usize) -> io::Result<()> {
        Ok(())
    }

    fn move_cursor_right(&self, _: usize) -> io::Result<()> {
        Ok(())
    }

    fn move_cursor_left(&self, _: usize) -> io::Result<()> {
        Ok(())
    }

    fn write_line(&self, text: &str) -> io::Result<()> {
        self.write_str(text)
    }

    fn write_str(&self, text: &str) -> io::Result<()> {
        // The others fill lines up to the window's edge, or begin one.
        if !text.trim().is_empty() {
            self.lines().push(text.to_owned());
        }
        Ok(())
    }

    fn clear_line(&self) -> io::Result<()> {
        Ok(())
    }

    /// In one piece, so that no terminal shows half of it. Each line clears its own rest: to clear all
    /// before would flicker.
    fn flush(&self) -> io::Result<()> {
        let lines = std::mem::take(&mut *self.lines());
        let up = match lines.len() {
            0 | 1 => String::new(),
            count => format!("\x1b[{}A", count - 1),
        };
        let text = format!("\r{}\x1b[J{up}\r", lines.join("\x1b[K\n"));
        let mut err = io::stderr().lock();
        err.write_all(text.as_bytes())?;
        err.flush()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(parts: &[&str]) -> Shown {
        Shown {
            fraction: 0.37,
            parts: parts.iter().map(|part| (*part).to_owned()).collect(),
            item: "/storage/emulated/0/DCIM/Camera/IMG_20260101_120000.jpg".to_owned(),
            waits: Vec::new(),
        }
    }

    const LONG: &[&str] = &[
        "37%",
        "123.4 GB of 333.3 GB",
        "38.2 MB/s",
        "1 h 31 min left",
        "12345/50000 files",
        "12340 verified",
        "17 failed",
    ];

    #[test]
    fn live_lines_fit_every_width_and_cut_no_word() {
        let shown = shown(LONG);
        for columns in 39..200 {
            let lines = shown.lines(columns, Instant::now());
            for line in &lines {
                assert!(line.width() <= columns, "{columns}: {line}");
            }
            for part in LONG {
                assert!(
                    lines.iter().any(|line| line.contains(part)),
                    "{columns}: {part}"
                );
            }
            assert!(lines.last().unwrap().ends_with("IMG_20260101_120000.jpg"));
        }
    }

    #[test]
    fn narrow_lines_fit_and_cut_no_word() {
        let mut shown = shown(LONG);
        shown.item = "/storage/emulated/0/DCIM/a.jpg".to_owned();
        for columns in 0..39 {
            let lines = shown.lines(columns, Instant::now());
            for line in &lines {
                assert!(line.width() <= columns, "{columns}: {line}");
            }
            let words = lines.iter().flat_map(|line| line.split_whitespace());
            for word in words.filter(|word| !word.contains('…')) {
                let word = word.trim_end_matches(',');
                let is_whole = LONG.iter().any(|part| part.split(' ').any(|it| it == word));
                assert!(is_whole || word.ends_with("a.jpg"), "{columns}: {word}");
            }
            let all = lines.join(" ");
            for part in LONG
                .iter()
                .filter(|_| columns >= 19)
                .flat_map(|part| part.split(' '))
            {
                assert!(all.contains(part), "{columns}: {part} in {all}");
            }
        }
        let label = "Waiting for the phone to answer".to_owned();
        shown.waits = vec![Countdown::new(label, Instant::now(), 0)];
        let lines = shown.lines(19, Instant::now());
        let all = lines
            .iter()
            .map(|line| line.trim())
            .collect::<Vec<_>>()
            .join(" ");
        assert!(
            all.ends_with("Waiting for the phone to answer: 0 s"),
            "{all}"
        );
    }

    #[test]
    fn bar_grows_with_the_window() {
        let shown = shown(&["37%", "22.2 MB of 60.0 MB", "2.8 MB/s", "13 s left"]);
        let first = |columns| shown.lines(columns, Instant::now()).remove(0);
        assert_eq!(first(39), " 37% 22.2 MB of 60.0 MB, 2.8 MB/s,");
        assert_eq!(
            first(59),
            " 37% ━━━━╸          22.2 MB of 60.0 MB, 2.8 MB/s, 13 s left"
        );
        let bar = |columns| first(columns).chars().filter(|c| *c == '━').count();
        assert!(bar(79) > bar(59));
        assert_eq!(bar(119), bar(300));
    }

    #[test]
    fn wait_is_counted_down_in_place_of_the_item() {
        let begin = Instant::now();
        let mut shown = shown(&["37%", "22.2 MB of 60.0 MB"]);
        let label = || "Waiting for the phone".to_owned();
        shown.waits = vec![Countdown::new(label(), begin, 120)];
        let last = |shown: &Shown, after| {
            let lines = shown.lines(39, begin + Duration::from_millis(after));
            lines.last().cloned().unwrap()
        };
        assert_eq!(last(&shown, 0), "Waiting for the phone: 2 min left");
        assert_eq!(last(&shown, 77_100), "Waiting for the phone: 43 s left");
        assert_eq!(last(&shown, 500_000), "Waiting for the phone: 0 s left");
        shown.waits = vec![Countdown::new(label(), begin, 0)];
        assert_eq!(last(&shown, 77_100), "Waiting for the phone: 1 min 17 s");
    }
}
