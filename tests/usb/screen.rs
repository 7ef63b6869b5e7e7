//! A model of a phone's display: sleep, a lock screen with PIN or pattern and Android's throttling,
//! the question "Allow USB debugging?" as several makers lay it out, and an app that nothing should
//! be typed into. It hears what Linux makes of the keys. Layouts and focus are written from Android's
//! public sources (`AlertController`, `UsbDebuggingActivity`, `KeyguardPinBasedInputView`) and from
//! descriptions of makers' dialogs; no physical phone was seen.

use std::time::{Duration, Instant};

use super::linux_input::Happened;

/// Of `linux/input-event-codes.h`.
const EV_KEY: u16 = 1;
const EV_ABS: u16 = 3;
const ESC: u16 = 1;
const BACKSPACE: u16 = 14;
const TAB: u16 = 15;
const ENTER: u16 = 28;
const SPACE: u16 = 57;
const UP: u16 = 103;
const LEFT: u16 = 105;
const RIGHT: u16 = 106;
const DOWN: u16 = 108;
const SLEEP: u16 = 142;
const WAKEUP: u16 = 143;
const HOME: u16 = 172;
const BTN_TOUCH: u16 = 330;

/// How the question is laid out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Layout {
    /// Android 9 and 10: box, then Cancel and OK; opened after a touch, so without a focus.
    Aosp9,
    /// Android 11 to 13: Cancel and Allow; opened after keys, so with the focus on the box.
    Aosp11,
    /// Android 14 and 15: from the box, Down goes to the button below its middle, "Allow".
    Aosp15,
    /// Samsung: the text can be scrolled and takes the focus first.
    Samsung,
    /// Xiaomi, MIUI: Cancel and OK, only Enter ticks and presses; arrows do not leave the box.
    Xiaomi,
    /// Xiaomi, HyperOS: buttons one below the other, Allow last.
    XiaomiStacked,
    /// Before Android 5: OK and Cancel without a box.
    Old,
    /// Right to left: Allow is on the left.
    Mirrored,
    /// Nothing that is known leads through it.
    Unknown,
}

/// What stands in the question.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Widget {
    Text,
    Box,
    Cancel,
    Allow,
}

use Widget::{Allow, Box as Tick, Cancel, Text};

impl Layout {
    /// Rows from the top, each from the left.
    fn rows(self) -> &'static [&'static [Widget]] {
        match self {
            Self::Aosp9 | Self::Aosp11 | Self::Aosp15 | Self::Xiaomi => {
                &[&[Tick], &[Cancel, Allow]]
            }
            Self::Samsung => &[&[Text], &[Tick], &[Cancel, Allow]],
            Self::XiaomiStacked => &[&[Tick], &[Cancel], &[Allow]],
            Self::Old => &[&[Cancel, Allow]],
            Self::Mirrored => &[&[Tick], &[Allow, Cancel]],
            Self::Unknown => &[&[Text]],
        }
    }

    /// Where the focus is when it opens; without one, the first arrow or Tab shows it.
    fn focus(self) -> Option<(usize, usize)> {
        match self {
            Self::Aosp11 | Self::XiaomiStacked => Some((0, 0)),
            _ => None,
        }
    }
}

/// What opens the lock.
#[derive(Debug, Clone)]
pub(crate) enum Lock {
    None,
    Pin(String),
    Pattern(Vec<u8>),
}

/// What the owner's taps say.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Said {
    Allow { always: bool },
    Deny,
}

#[derive(Debug)]
struct Question {
    focus: Option<(usize, usize)>,
    ticked: bool,
}

pub(crate) struct Screen {
    pub(crate) layout: Layout,
    lock: Lock,
    /// Space at the lock screen shows the field for the PIN; else only a swipe does.
    space_helps: bool,
    awake: bool,
    pub(crate) locked: bool,
    pub(crate) since_boot: bool,
    bouncer: bool,
    field: String,
    /// Wrong tries since the last right one.
    pub(crate) failures: u32,
    /// How long nothing is looked at after each fifth wrong try.
    pub(crate) throttle: Duration,
    throttled_until: Option<Instant>,
    question: Option<Question>,
    place: (i32, i32),
    path: Option<Vec<(i32, i32)>>,
    shift: bool,
    say: std::boxed::Box<dyn FnMut(Said) + Send>,
    changed: std::boxed::Box<dyn FnMut(bool, bool) + Send>,
}

impl Screen {
    pub(crate) fn new(
        layout: Layout,
        lock: Lock,
        space_helps: bool,
        say: impl FnMut(Said) + Send + 'static,
        changed: impl FnMut(bool, bool) + Send + 'static,
    ) -> Self {
        let locked = !matches!(lock, Lock::None);
        let mut own = Self {
            layout,
            lock,
            space_helps,
            awake: false,
            locked,
            since_boot: locked,
            bouncer: false,
            field: String::new(),
            failures: 0,
            throttle: Duration::ZERO,
            throttled_until: None,
            question: None,
            place: (0, 0),
            path: None,
            shift: false,
            say: std::boxed::Box::new(say),
            changed: std::boxed::Box::new(changed),
        };
        (own.changed)(own.locked, own.since_boot);
        own
    }

    /// A key was offered: the phone asks, once it is unlocked.
    pub(crate) fn ask(&mut self) {
        println!("asks");
        self.question = Some(Question {
            focus: self.layout.focus(),
            ticked: false,
        });
    }

    pub(crate) fn happened(&mut self, happened: Happened) {
        if matches!(happened.kind, EV_KEY..=EV_ABS) {
            let Happened { kind, code, value } = happened;
            println!("event {kind} {code} {value}");
        }
        match (happened.kind, happened.code, happened.value) {
            (EV_ABS, 0, x) => self.pen(Some(x), None),
            (EV_ABS, 1, y) => self.pen(None, Some(y)),
            (EV_KEY, BTN_TOUCH, 1) => self.path = Some(vec![self.place]),
            (EV_KEY, BTN_TOUCH, 0) => {
                if let Some(path) = self.path.take() {
                    self.drawn(&path);
                }
            }
            (EV_KEY, 42 | 54, value) => self.shift = value != 0,
            (EV_KEY, code, 1) => self.key(code),
            _ => {}
        }
    }

    fn pen(&mut self, x: Option<i32>, y: Option<i32>) {
        self.place = (x.unwrap_or(self.place.0), y.unwrap_or(self.place.1));
        if let Some(path) = &mut self.path {
            path.push(self.place);
        }
    }

    fn drawn(&mut self, path: &[(i32, i32)]) {
        let (first, last) = (path[0], path[path.len() - 1]);
        if !self.awake || !self.locked {
            return println!("a drag does nothing");
        }
        if !self.bouncer {
            self.bouncer = first.1 - last.1 > 8000;
            return println!("bouncer={}", self.bouncer);
        }
        let Lock::Pattern(wanted) = self.lock.clone() else {
            return;
        };
        // Three by three dots; a place counts for the dot whose middle is nearer than 60 % of the
        // half of a cell, as in LockPatternView.
        let at = |from: i32, to: i32, step: i32| from + (to - from) * step / 2;
        let mut dots = Vec::new();
        for (x, y) in path {
            for dot in 0..9 {
                let (dx, dy) = (x - at(7864, 24903, dot % 3), y - at(17694, 25558, dot / 3));
                let number = dot as u8 + 1;
                if dx.abs() < 2500 && dy.abs() < 1180 && !dots.contains(&number) {
                    dots.push(number);
                }
            }
        }
        println!("a pattern of {} dots", dots.len());
        if dots.len() >= 4 {
            self.tried(dots == wanted);
        }
    }

    fn key(&mut self, code: u16) {
        match code {
            WAKEUP => self.awake = true,
            SLEEP => {
                self.awake = false;
                self.locked = !matches!(self.lock, Lock::None);
                self.bouncer = false;
                self.field.clear();
            }
            _ if !self.awake => println!("a key while asleep is lost"),
            _ if self.locked => self.lock_key(code),
            HOME if self.question.is_none() => {}
            _ if self.question.is_some() => self.question_key(code),
            _ if digit(code).is_some() => println!("TYPED INTO AN APP"),
            _ => {}
        }
        (self.changed)(self.locked, self.since_boot);
    }

    fn lock_key(&mut self, code: u16) {
        if !self.bouncer {
            self.bouncer = code == SPACE && self.space_helps;
            return;
        }
        match code {
            ESC | HOME => {
                self.bouncer = false;
                self.field.clear();
            }
            BACKSPACE => drop(self.field.pop()),
            ENTER => {
                let typed = std::mem::take(&mut self.field);
                // Shorter ones are not even counted.
                if let (Lock::Pin(pin), 4..) = (&self.lock, typed.len()) {
                    let is_right = typed == *pin;
                    self.tried(is_right);
                }
            }
            code => self.field.extend(digit(code)),
        }
    }

    fn tried(&mut self, is_right: bool) {
        if self
            .throttled_until
            .is_some_and(|until| Instant::now() < until)
        {
            return println!("a try while throttled is not looked at");
        }
        if is_right {
            println!("UNLOCKED");
            (self.locked, self.since_boot, self.failures) = (false, false, 0);
        } else {
            self.failures += 1;
            println!("WRONG, {} times", self.failures);
            if self.failures.is_multiple_of(5) {
                self.throttled_until = Some(Instant::now() + self.throttle);
            }
        }
        (self.changed)(self.locked, self.since_boot);
    }

    fn question_key(&mut self, code: u16) {
        let (layout, rows) = (self.layout, self.layout.rows());
        let Some(question) = &mut self.question else {
            return;
        };
        // A dialog that is dismissed says no, so that adbd hears an answer (`onDestroy`).
        if matches!(code, ESC | HOME) {
            return self.answer(Said::Deny);
        }
        let is_arrow = matches!(code, UP | DOWN | LEFT | RIGHT | TAB);
        let Some((row, column)) = question.focus else {
            if is_arrow {
                question.focus = Some((0, 0));
            }
            return;
        };
        let arrows_stay = layout == Layout::Xiaomi && code != TAB;
        if is_arrow && !arrows_stay {
            question.focus = Some(moved(layout, rows, (row, column), code));
            return;
        }
        let presses = match layout {
            Layout::Xiaomi => code == ENTER,
            _ => matches!(code, ENTER | SPACE),
        };
        if !presses {
            return;
        }
        match rows[row][column] {
            Text => {}
            Tick => question.ticked = !question.ticked,
            Cancel => self.answer(Said::Deny),
            Allow => {
                let always = question.ticked;
                self.answer(Said::Allow { always });
            }
        }
    }

    fn answer(&mut self, said: Said) {
        println!("{said:?}");
        self.question = None;
        (self.say)(said);
    }
}

fn moved(
    layout: Layout,
    rows: &[&[Widget]],
    (row, column): (usize, usize),
    code: u16,
) -> (usize, usize) {
    match code {
        UP if row > 0 => (row - 1, 0),
        DOWN if row + 1 < rows.len() => {
            let to = rows[row + 1].len() - 1;
            let nearest = match layout {
                Layout::Aosp15 | Layout::Mirrored => to,
                _ => 0,
            };
            (row + 1, nearest)
        }
        LEFT => (row, column.saturating_sub(1)),
        RIGHT => (row, (column + 1).min(rows[row].len() - 1)),
        TAB => {
            // In the order of reading, which from right to left begins on the right.
            let mut order: Vec<_> = (0..rows.len())
                .flat_map(|row| (0..rows[row].len()).map(move |column| (row, column)))
                .collect();
            if layout == Layout::Mirrored {
                order.sort_by_key(|(row, column)| (*row, usize::MAX - column));
            }
            let own = order.iter().position(|place| *place == (row, column));
            order[(own.unwrap_or(0) + 1) % order.len()]
        }
        _ => (row, column),
    }
}

/// Digits of the row above the letters.
fn digit(code: u16) -> Option<char> {
    match code {
        2..=10 => char::from_digit(u32::from(code) - 1, 10),
        11 => Some('0'),
        _ => None,
    }
}
