//! The actions on a phone, the HID reports that perform them, and the known ways through a lock screen and through
//! the question "Allow USB debugging?". No I/O.

use std::time::Duration;

use super::hid::{Button, HidReport, InputDevice, Point, Tip};
use super::secret::{Grid, LockSecret};
use super::strokes::{NoKey, Stroke, type_text};

use zeroize::{Zeroize, Zeroizing};

/// How long a key stays pressed.
const PRESSED: Duration = Duration::from_millis(20);
/// How long nothing is pressed after it.
const AFTER: Duration = Duration::from_millis(60);
/// Between two reports of a drag.
const DRAG_STEP: Duration = Duration::from_millis(12);
/// Reports between two places of a drag.
const DRAG_STEPS: u32 = 12;

/// A complete action on the phone: nothing is pressed any more when it ends.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Action {
    /// Press and release one key.
    Key(Stroke),
    /// Hold one or two buttons for this long.
    Buttons(Button, Option<Button>, Duration),
    /// Wakes the phone.
    Wake,
    /// Puts the phone to sleep.
    Sleep,
    /// Put the pen down at the first place, move it through the others and lift it at the last. One place is a tap.
    Drag(Vec<Point>),
    /// Move the mouse while holding `buttons`, then release them.
    Mouse {
        /// The held buttons, as bits: left, right, middle.
        buttons: u8,
        /// Movement to the right.
        x: i8,
        /// Movement downwards.
        y: i8,
        /// Wheel movement away from the user.
        wheel: i8,
    },
    /// Wait for this long without doing anything.
    Wait(Duration),
}

/// Overwrites the parts of the action that may belong to a PIN or pattern.
impl Zeroize for Action {
    fn zeroize(&mut self) {
        match self {
            Self::Key(stroke) => stroke.zeroize(),
            Self::Drag(places) => places.iter_mut().for_each(|place| {
                place.x.zeroize();
                place.y.zeroize();
            }),
            Self::Buttons(..) | Self::Wake | Self::Sleep | Self::Mouse { .. } | Self::Wait(_) => {}
        }
    }
}

impl Action {
    /// Returns a short press of one button.
    pub(crate) fn button(button: Button) -> Self {
        Self::Buttons(button, None, PRESSED)
    }

    /// Returns the device that the action needs; `None` for waiting.
    pub(crate) fn device(&self) -> Option<InputDevice> {
        match self {
            Self::Key(_) => Some(InputDevice::Keyboard),
            Self::Buttons(..) => Some(InputDevice::Consumer),
            Self::Wake | Self::Sleep => Some(InputDevice::System),
            Self::Drag(_) => Some(InputDevice::Touch),
            Self::Mouse { .. } => Some(InputDevice::Mouse),
            Self::Wait(_) => None,
        }
    }

    /// Returns the reports that make up the action, each with the time to wait after it. The last report releases
    /// everything.
    pub(crate) fn reports(&self) -> Vec<(Option<HidReport>, Duration)> {
        let pressed = |report: HidReport, held: Duration| {
            vec![
                (Some(report), held),
                (Some(report.device().released()), AFTER),
            ]
        };
        match self {
            Self::Key(stroke) => pressed(HidReport::key(stroke.modifiers, stroke.usage), PRESSED),
            Self::Buttons(one, other, held) => pressed(HidReport::buttons(*one, *other), *held),
            Self::Wake => pressed(HidReport::wake(), PRESSED),
            Self::Sleep => pressed(HidReport::sleep(), PRESSED),
            Self::Drag(places) => drag(places),
            Self::Mouse {
                buttons,
                x,
                y,
                wheel,
            } => match buttons {
                0 => vec![(Some(HidReport::mouse(0, *x, *y, *wheel)), Duration::ZERO)],
                _ => pressed(HidReport::mouse(*buttons, *x, *y, *wheel), PRESSED),
            },
            Self::Wait(pause) => vec![(None, *pause)],
        }
    }
}

fn drag(places: &[Point]) -> Vec<(Option<HidReport>, Duration)> {
    let (Some(first), Some(last)) = (places.first(), places.last()) else {
        return Vec::new();
    };
    let mut reports = vec![
        (Some(HidReport::pen(*first, Tip::Near)), DRAG_STEP),
        (Some(HidReport::pen(*first, Tip::Down)), PRESSED),
    ];
    for pair in places.windows(2) {
        if let [from, to] = pair {
            reports.extend((1..=DRAG_STEPS).map(|step| {
                let place = from.towards(*to, f64::from(step) / f64::from(DRAG_STEPS));
                (Some(HidReport::pen(place, Tip::Down)), DRAG_STEP)
            }));
        }
    }
    reports.push((Some(HidReport::pen(*last, Tip::Near)), DRAG_STEP));
    reports.push((Some(InputDevice::Touch.released()), AFTER));
    reports
}

fn wait(milliseconds: u64) -> Action {
    Action::Wait(Duration::from_millis(milliseconds))
}

/// As many times as any lock's field has characters.
const CLEARING: usize = 20;

/// Returns the actions that lead from any screen to the PIN field or pattern of the lock screen. They put the phone to
/// sleep, which locks it, and wake it again, so that nothing can be typed into an app.
pub(crate) fn to_lock_screen() -> Vec<Action> {
    vec![
        Action::Sleep,
        wait(900),
        Action::Wake,
        wait(1500),
        Action::Drag(vec![Point::at(0.5, 0.8), Point::at(0.5, 0.25)]),
        wait(700),
        // Where a drag shows nothing, a key does.
        Action::Key(Stroke::SPACE),
        wait(900),
    ]
}

/// Returns the actions that type or draw the secret. They first clear what an earlier attempt, or [`to_lock_screen`],
/// left in the field.
pub(crate) fn enter_secret(
    secret: &LockSecret,
    grid: Grid,
) -> Result<Zeroizing<Vec<Action>>, NoKey> {
    Ok(Zeroizing::new(match secret {
        LockSecret::Text(text) => {
            let strokes = type_text(text)?;
            let mut actions = Vec::with_capacity(CLEARING + strokes.len() + 2);
            actions.extend(
                [Action::Key(Stroke::BACKSPACE)]
                    .iter()
                    .cycle()
                    .take(CLEARING)
                    .cloned(),
            );
            actions.extend(strokes.iter().copied().map(Action::Key));
            actions.push(wait(200));
            actions.push(Action::Key(Stroke::ENTER));
            actions
        }
        LockSecret::Pattern(dots) => {
            vec![Action::Drag(
                dots.iter().map(|dot| grid.dot(*dot)).collect(),
            )]
        }
    }))
}

/// A sequence of keys that answers Android's question "Allow USB debugging?".
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Dialog {
    /// The sequence's name in messages.
    pub name: &'static str,
    /// The keys, in the order in which they are pressed.
    pub keys: &'static [Stroke],
}

use Stroke as K;

/// The known sequences: the most likely first, and the one that could press "Cancel" last. All of them tick "Always
/// allow" if there is such a box.
///
/// Android's own dialog (`UsbDebuggingActivity`, an `AlertController` with a check box above the buttons) has no focus
/// after it was last touched: the first arrow or Tab only shows the focus, on the box. After key input it opens with
/// the focus on the box. Moving up from anywhere ends at the box in both cases. Enter presses the focused control on
/// every Android version; Space does so only on newer ones.
pub(crate) const DIALOGS: &[Dialog] = &[
    Dialog {
        name: "arrows: Android 5 to 15, buttons side by side",
        keys: &[
            K::UP,
            K::UP,
            K::UP,
            K::ENTER,
            K::DOWN,
            K::RIGHT,
            K::RIGHT,
            K::ENTER,
        ],
    },
    Dialog {
        name: "Tab, from a dialog without a focus",
        keys: &[K::TAB, K::ENTER, K::TAB, K::TAB, K::ENTER],
    },
    Dialog {
        name: "Tab, from the focus on the box",
        keys: &[K::ENTER, K::TAB, K::TAB, K::ENTER],
    },
    Dialog {
        name: "Tab, where the text takes the focus first",
        keys: &[K::TAB, K::TAB, K::ENTER, K::TAB, K::TAB, K::ENTER],
    },
    Dialog {
        name: "buttons one below the other, 'Allow' last",
        keys: &[
            K::UP,
            K::UP,
            K::UP,
            K::UP,
            K::ENTER,
            K::DOWN,
            K::DOWN,
            K::ENTER,
        ],
    },
    Dialog {
        name: "buttons one below the other, 'Allow' first",
        keys: &[K::UP, K::UP, K::UP, K::UP, K::ENTER, K::DOWN, K::ENTER],
    },
    Dialog {
        name: "arrows, where Space presses",
        keys: &[
            K::UP,
            K::UP,
            K::UP,
            K::SPACE,
            K::DOWN,
            K::RIGHT,
            K::RIGHT,
            K::SPACE,
        ],
    },
    Dialog {
        name: "Tab, where Space presses",
        keys: &[K::TAB, K::SPACE, K::TAB, K::TAB, K::SPACE],
    },
    Dialog {
        name: "older dialogs without a box",
        keys: &[K::DOWN, K::DOWN, K::RIGHT, K::RIGHT, K::ENTER],
    },
    Dialog {
        name: "mirrored, for languages written from right to left",
        keys: &[
            K::UP,
            K::UP,
            K::UP,
            K::ENTER,
            K::DOWN,
            K::LEFT,
            K::LEFT,
            K::ENTER,
        ],
    },
];

impl Dialog {
    /// Returns the actions that press the sequence.
    pub(crate) fn actions(&self) -> Vec<Action> {
        let keys = self.keys.iter().map(|key| Action::Key(*key));
        keys.flat_map(|key| [key, wait(120)]).collect()
    }
}

/// Returns the actions that leave whatever an attempt has opened: a dialog is dismissed, an app is left.
pub(crate) fn undo() -> Vec<Action> {
    vec![
        Action::Key(Stroke::ESCAPE),
        wait(300),
        Action::button(Button::Home),
        wait(500),
    ]
}

/// Returns the action that holds both volume keys for as long as Android's accessibility shortcut requires. The
/// shortcut toggles TalkBack unless the user has chosen another service for it.
pub(crate) fn toggle_talkback() -> Action {
    Action::Buttons(
        Button::VolumeUp,
        Some(Button::VolumeDown),
        Duration::from_millis(3500),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_action_ends_with_nothing_pressed() {
        let mut actions = to_lock_screen();
        actions.extend(undo());
        actions.extend(DIALOGS.iter().flat_map(Dialog::actions));
        actions.push(toggle_talkback());
        actions.push(Action::Drag(vec![Point::at(0.5, 0.5)]));
        for buttons in [0, 1] {
            actions.push(Action::Mouse {
                buttons,
                x: 5,
                y: -5,
                wheel: 0,
            });
        }
        for action in actions {
            let reports = action.reports();
            let Some(device) = action.device() else {
                continue;
            };
            let last = reports
                .iter()
                .rev()
                .find_map(|(report, _)| *report)
                .unwrap();
            assert_eq!(last.device(), device);
            match device {
                // A movement is over by itself.
                InputDevice::Mouse => assert_eq!(last.bytes()[0], 0),
                _ => assert_eq!(last, device.released(), "{action:?}"),
            }
        }
    }

    #[test]
    fn a_pin_is_typed_into_an_empty_field_and_confirmed_once() {
        let secret = LockSecret::text(Zeroizing::new("2580".to_owned())).unwrap();
        let actions = enter_secret(&secret, Grid::default()).unwrap();
        let keys: Vec<_> = actions
            .iter()
            .filter_map(|action| match action {
                Action::Key(stroke) => Some(stroke.usage),
                _ => None,
            })
            .collect();
        assert!(
            keys[..CLEARING]
                .iter()
                .all(|key| *key == Stroke::BACKSPACE.usage)
        );
        assert_eq!(
            keys[CLEARING..],
            [0x1f, 0x22, 0x25, 0x27, Stroke::ENTER.usage]
        );
        assert!(!format!("{actions:?}").contains("31"));
    }

    #[test]
    fn a_pattern_is_one_drag_over_its_dots() {
        let digits = Zeroizing::new("1478".to_owned());
        let secret = LockSecret::pattern(&digits).unwrap();
        let grid = Grid::default();
        let actions = enter_secret(&secret, grid).unwrap();
        let [Action::Drag(places)] = actions.as_slice() else {
            panic!("{actions:?}");
        };
        assert_eq!(*places, [1, 4, 7, 8].map(|dot| grid.dot(dot)));
        let reports = actions[0].reports();
        let down = |place| Some(HidReport::pen(place, Tip::Down));
        for place in places {
            assert!(reports.iter().any(|(report, _)| *report == down(*place)));
        }
    }

    #[test]
    fn no_two_ways_through_the_question_are_the_same() {
        for (at, one) in DIALOGS.iter().enumerate() {
            assert!(
                DIALOGS[at + 1..].iter().all(|other| other.keys != one.keys),
                "{}",
                one.name
            );
        }
    }
}
