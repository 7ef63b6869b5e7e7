//! `rescue keys`: controls the phone with this computer's keyboard and mouse, live or by a script.

use std::path::Path;

use super::Done;
use super::lock_secret::{ask, prompted};
use super::target::serial_from_environment;
use super::unlock::RETURN;
use crate::cli::{KeysArgs, LockSecretArgs};
use crate::error::{Error, Kind};
use crate::event::Event;
use crate::phone::accessory::action::{Action, toggle_talkback};
use crate::phone::accessory::hid::{Button, InputDevice};
use crate::phone::accessory::script::{MAX_BYTES, Step, parse};
use crate::phone::accessory::secret::LockSecret;
use crate::phone::accessory::strokes::{CONTROL, Stroke, type_text};
use crate::phone::accessory::{Accessory, AccessoryError};
use crate::ui::terminal::{Mode, Press, Presses, Terminal};
use crate::ui::{Ui, plain};

const HELP: &str = "Text, arrows, Tab and Enter go to the phone. Esc or F3 Back, F2 Home, F4 Recents, F5/F6 volume, \
     F7 TalkBack (both volume keys), F8 wake, F9 sleep, F12 this help; mouse and wheel. Ctrl-C ends.";
/// How far the mouse moves for a character cell, to the right and down.
const CELL: (i32, i32) = (10, 20);

pub(super) async fn run(args: &KeysArgs, ui: &Ui) -> Result<Done, Error> {
    let text = match (&args.script, args.recipe) {
        (Some(path), _) => Some(read(path)?),
        (None, Some(recipe)) => Some(recipe.text().to_owned()),
        (None, None) => None,
    };
    let steps = text.as_deref().map(parse).transpose().map_err(|error| {
        Error::new(Kind::Usage, "the script cannot be read")
            .caused_by(error)
            .with_hint("`rescue keys --help` shows the steps")
    })?;
    if args.show
        && let Some(text) = text
    {
        let lines: Vec<_> = text.lines().map(str::to_owned).collect();
        ui.verbatim(
            &serde_json::json!({"type": "script", "lines": lines}),
            &lines,
        );
        return Ok(Done::All);
    }
    let asks = |step: &Step| match step {
        Step::Check(_) => !args.yes,
        Step::Secret(_) => true,
        Step::Say(_) | Step::Do { .. } => false,
    };
    let needs_person = steps.as_ref().is_none_or(|steps| steps.iter().any(asks));
    if needs_person && !ui.can_ask() {
        return Err(Error::new(
            Kind::Usage,
            "input is required, but standard input is not a terminal",
        )
        .with_hint(match args.yes {
            true => "give --script FILE with no 'check' or 'secret' in it",
            false => "give --script FILE with no 'check' or 'secret' in it, or --yes",
        }));
    }
    let serial = args.serial.clone().or_else(serial_from_environment);
    let accessory = Accessory::open(serial.as_deref()).await?;
    match steps {
        Some(steps) => follow(accessory, &steps, args.yes, ui).await,
        None => live(accessory, ui).await,
    }
}

fn read(path: &Path) -> Result<String, Error> {
    use std::io::Read as _;
    let mut text = String::new();
    let read = match path.as_os_str() == "-" {
        true => std::io::stdin()
            .take(MAX_BYTES + 1)
            .read_to_string(&mut text),
        false => std::fs::File::open(path)
            .and_then(|file| file.take(MAX_BYTES + 1).read_to_string(&mut text)),
    };
    let failed = |why: String| {
        Error::new(
            Kind::Usage,
            format!("cannot read the script {}", path.display()),
        )
        .caused_by(why)
        .with_hint("check the path given with --script")
    };
    match read {
        Ok(bytes) if bytes as u64 > MAX_BYTES => {
            Err(failed(format!("it has more than {MAX_BYTES} bytes")))
        }
        Ok(_) => Ok(text),
        Err(error) => Err(failed(error.to_string())),
    }
}

async fn follow(
    mut accessory: Accessory,
    steps: &[Step],
    yes: bool,
    ui: &Ui,
) -> Result<Done, Error> {
    let events = ui.events();
    for (at, step) in steps.iter().enumerate() {
        let number = format!("{}/{}", at + 1, steps.len());
        let tell = |what: &str| {
            events.emit(Event::Step {
                what: format!("{number} {what}"),
            });
        };
        match step {
            Step::Say(text) => tell(text),
            Step::Check(text) if yes => tell(text),
            Step::Check(text) if ui.is_on_face() => {
                let question = format!("{number} {text}");
                let choices = ["Continue", "Stop"].map(str::to_owned).into();
                if ui.choose_on_face(&question, choices, 0).await != Some(0) {
                    return Err(Error::new(Kind::Interrupted, "stopped"));
                }
            }
            Step::Check(text) => {
                let question = format!("{number} {} (Enter continues, Ctrl-C stops) ", plain(text));
                prompted(&question, Mode::Lines, ui).await?;
            }
            Step::Secret(text) => {
                tell(text);
                // Enter alone is an answer, too.
                if let Some(LockSecret::Text(secret)) = ask(&LockSecretArgs::default(), ui).await? {
                    let keys = type_text(&secret).map_err(|error| {
                        Error::new(Kind::Usage, "this text cannot be typed").caused_by(error)
                    })?;
                    for key in keys.iter().chain([&Stroke::ENTER]) {
                        accessory.play(&[Action::Key(*key)]).await?;
                    }
                }
            }
            Step::Do { line, actions } => {
                tell(line);
                for action in actions {
                    accessory = steady(accessory, action).await?;
                }
            }
        }
    }
    Ok(Done::All)
}

/// Plays an action; a phone that was away for a moment sees it when it is back.
async fn steady(mut accessory: Accessory, action: &Action) -> Result<Accessory, AccessoryError> {
    let action = std::slice::from_ref(action);
    match accessory.play(action).await {
        Err(AccessoryError::Gone { .. }) => {
            accessory = accessory.again(RETURN).await?;
            accessory.play(action).await?;
        }
        done => done?,
    }
    Ok(accessory)
}

async fn live(mut accessory: Accessory, ui: &Ui) -> Result<Done, Error> {
    let broken = |error| Error::new(Kind::Usage, "the terminal cannot be read").caused_by(error);
    accessory.attach(&[InputDevice::Keyboard]).await?;
    for device in [
        InputDevice::Consumer,
        InputDevice::System,
        InputDevice::Mouse,
    ] {
        match accessory.attach(&[device]).await {
            Err(error @ AccessoryError::DeviceRefused { .. }) => {
                ui.remark(&plain(&error.to_string()))
            }
            done => done?,
        }
    }
    ui.remark(&format!("Keys now go to {}", plain(accessory.name())));
    ui.remark(HELP);
    let mut terminal = Terminal::take(Mode::Keys).map_err(broken)?;
    let mut presses = Presses::default();
    let mut pointer = Pointer::default();
    let mut buffer = [0; 1024];
    loop {
        let read = terminal.read(&mut buffer).await.map_err(broken)?;
        if read == 0 {
            return Ok(Done::All);
        }
        let mut actions = Vec::new();
        for press in presses.feed(buffer.get(..read).unwrap_or_default()) {
            if press == Press::Named("F12") {
                ui.remark(HELP);
            }
            actions.extend(action_of(press, &mut pointer));
        }
        for action in &actions {
            let one = std::slice::from_ref(action);
            match accessory.play(one).await {
                Ok(()) | Err(AccessoryError::DeviceRefused { .. }) => {}
                Err(AccessoryError::Gone { .. }) => {
                    ui.remark("The phone left the USB bus; waiting for it");
                    accessory = accessory.again(RETURN).await?;
                    accessory.attach(&[InputDevice::Keyboard]).await?;
                    ui.remark("The phone is back");
                }
                Err(error) => return Err(error.into()),
            }
        }
    }
}

/// Where the mouse was last.
#[derive(Debug, Default)]
struct Pointer(Option<(u16, u16)>);

impl Pointer {
    fn moved(&mut self, column: u16, row: u16) -> (i8, i8) {
        let before = self.0.replace((column, row)).unwrap_or((column, row));
        let by = |from: u16, to: u16, cell: i32| {
            let far = (i32::from(to) - i32::from(from)) * cell;
            far.clamp(-127, 127) as i8
        };
        (by(before.0, column, CELL.0), by(before.1, row, CELL.1))
    }
}

fn action_of(press: Press, pointer: &mut Pointer) -> Option<Action> {
    let button = |button| Some(Action::button(button));
    match press {
        Press::Char(c) => Stroke::of_char(c).map(Action::Key),
        Press::Control(c) => Stroke::of_char(c).map(|stroke| {
            Action::Key(Stroke {
                modifiers: CONTROL,
                ..stroke
            })
        }),
        Press::Named("F2") => button(Button::Home),
        Press::Named("F3") => button(Button::Back),
        Press::Named("F4") => button(Button::Recents),
        Press::Named("F5") => button(Button::VolumeDown),
        Press::Named("F6") => button(Button::VolumeUp),
        Press::Named("F7") => Some(toggle_talkback()),
        Press::Named("F8") => Some(Action::Wake),
        Press::Named("F9") => Some(Action::Sleep),
        Press::Named("F1" | "F10" | "F11" | "F12") => None,
        Press::Named(name) => Stroke::named(name).map(Action::Key),
        Press::Mouse {
            button,
            column,
            row,
            released,
        } => mouse(button, pointer.moved(column, row), released),
    }
}

/// As xterm numbers it: 32 more is a movement, 64 and 65 are the wheel, 4, 8 and 16 are Shift, Alt
/// and Control.
fn mouse(button: u16, (x, y): (i8, i8), released: bool) -> Option<Action> {
    let plain = button & !0b1_1100;
    let (buttons, wheel) = match plain {
        64 => (0, 1),
        65 => (0, -1),
        0 if !released => (0b001, 0),
        1 if !released => (0b100, 0),
        2 if !released => (0b010, 0),
        _ => (0, 0),
    };
    let action = Action::Mouse {
        buttons,
        x,
        y,
        wheel,
    };
    ((x, y) != (0, 0) || buttons != 0 || wheel != 0).then_some(action)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_and_the_mouse_become_actions() {
        let mut pointer = Pointer::default();
        let mut action = |press| action_of(press, &mut pointer);
        let home = Action::button(Button::Home);
        assert_eq!(action(Press::Named("F2")), Some(home));
        assert_eq!(action(Press::Named("Up")), Some(Action::Key(Stroke::UP)));
        assert_eq!(action(Press::Char('ä')), None);
        let control = Action::Key(Stroke::named("Ctrl+a").unwrap());
        assert_eq!(action(Press::Control('a')), Some(control));
        let mut at = |button, column, row, released| {
            action(Press::Mouse {
                button,
                column,
                row,
                released,
            })
        };
        assert_eq!(at(35, 10, 10, false), None);
        let moved = |buttons, x, y, wheel| {
            Some(Action::Mouse {
                buttons,
                x,
                y,
                wheel,
            })
        };
        assert_eq!(at(35, 11, 9, false), moved(0, 10, -20, 0));
        assert_eq!(at(35, 500, 9, false), moved(0, 127, 0, 0));
        assert_eq!(at(0, 500, 9, false), moved(1, 0, 0, 0));
        assert_eq!(at(0, 500, 9, true), None);
        assert_eq!(at(64, 500, 9, false), moved(0, 0, 0, 1));
    }

    #[test]
    fn every_key_that_a_terminal_names_is_known() {
        for name in [
            "Up",
            "Down",
            "Left",
            "Right",
            "Enter",
            "Tab",
            "Shift+Tab",
            "Backspace",
            "Escape",
            "Delete",
            "PageUp",
            "PageDown",
            "PageStart",
            "End",
        ] {
            assert!(
                action_of(Press::Named(name), &mut Pointer::default()).is_some(),
                "{name}"
            );
        }
    }
}
