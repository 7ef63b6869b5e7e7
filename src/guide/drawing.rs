//! Which drawing shows what an advice says: what the phone shows, or what the person does. Pure; the drawings are in
//! `desk/page/drawings`, and what a person hears instead of each is in `ui/words`.

use super::journey::Counsel;
use super::states::{self, Diagnosis};

macro_rules! drawings {
    ($($(#[$doc:meta])* $drawing:ident = $name:literal,)*) => {
        /// A drawing beside an advice.
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub(crate) enum Drawing {
            $($(#[$doc])* $drawing,)*
        }

        impl Drawing {
            /// Every drawing.
            pub(crate) const ALL: &[Self] = &[$(Self::$drawing),*];

            /// The name of its file, without the ending.
            pub(crate) fn name(self) -> &'static str {
                match self {
                    $(Self::$drawing => $name,)*
                }
            }
        }
    };
}

drawings! {
    /// A cable goes from the phone into the computer.
    Cable = "cable",
    /// The cable goes out and in again.
    Replug = "replug",
    /// The phone asks "Allow USB debugging?".
    Allow = "allow",
    /// USB debugging is switched on in the phone's settings.
    Debugging = "debugging",
    /// The phone asks for its PIN.
    Pin = "pin",
    /// This computer's keyboard leads a phone with broken glass.
    Keyboard = "keyboard",
    /// Something is locked on this computer.
    Permission = "permission",
    /// A driver is installed on this computer.
    Driver = "driver",
    /// One of two equal phones is unplugged.
    Twins = "twins",
    /// Another program is closed.
    Busy = "busy",
    /// The power button starts the phone again.
    Power = "power",
    /// Phone and computer are in one network.
    Network = "network",
    /// The phone needs some seconds.
    Wait = "wait",
}

impl Drawing {
    /// The drawing for an advice: what the person can do with this phone, else what its state is.
    pub(crate) fn of(counsel: &[Counsel]) -> Option<Self> {
        let of_state = counsel.iter().find_map(|counsel| match counsel {
            Counsel::Meaning(seen) => Self::of_state(seen.state),
            _ => None,
        });
        counsel.iter().find_map(Self::of_step).or(of_state)
    }

    /// The drawing for a step that is not that of the state.
    fn of_step(counsel: &Counsel) -> Option<Self> {
        match counsel {
            Counsel::PlugIn => Some(Self::Cable),
            Counsel::PlugInAgain(_) => Some(Self::Replug),
            Counsel::UnplugTwins => Some(Self::Twins),
            Counsel::AnswerOverCable
            | Counsel::TypePin
            | Counsel::LeadByKeys
            | Counsel::LeadByVoice => Some(Self::Keyboard),
            Counsel::Meaning(_)
            | Counsel::Step(_)
            | Counsel::Absent(_)
            | Counsel::NoPhone
            | Counsel::DebuggingLater
            | Counsel::NeedsUnlocked
            | Counsel::WithoutPin
            | Counsel::Repair => None,
        }
    }

    /// The drawing for a state; `None` where a phone can be read all the same.
    fn of_state(state: Diagnosis) -> Option<Self> {
        Some(match state {
            states::nothing_on_usb => Self::Cable,
            states::only_charging | states::no_debugging => Self::Debugging,
            states::unauthorized | states::key_expired => Self::Allow,
            states::locked_since_boot | states::storage_missing => Self::Pin,
            states::no_permission | states::key_unreadable | states::key_damaged => {
                Self::Permission
            }
            states::no_driver => Self::Driver,
            states::same_serial => Self::Twins,
            states::busy | states::detached | states::server_trouble => Self::Busy,
            states::offline | states::hung | states::unknown_state => Self::Replug,
            states::authorizing => Self::Wait,
            states::recovery | states::sideload | states::fastboot | states::emergency => {
                Self::Power
            }
            states::bad_address
            | states::unknown_host
            | states::nothing_listens
            | states::no_answer
            | states::no_adb
            | states::wireless => Self::Network,
            _ => return None,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::guide::journey::{Copied, Happened, Journey, Next, Note, Sight, Sighting};

    /// What is advised about a phone in this state to a person who gives this answer to every question.
    fn advised(state: Diagnosis, answer: usize) -> Vec<Counsel> {
        let mut journey = Journey::new(None, true, Vec::new());
        let seen = Sighting {
            phone: Some("A".to_owned()),
            model: None,
            state,
            detail: None,
        };
        let mut turn = journey.turn(Happened::Began);
        for _ in 0..20 {
            let advice = turn.say.into_iter().find_map(|note| match note {
                Note::Advice(counsel) => Some(counsel),
                _ => None,
            });
            if let Some(counsel) = advice {
                return counsel;
            }
            turn = journey.turn(match turn.next {
                Next::Ask(_) => Happened::Answered(answer),
                _ => Happened::Looked(Sight(vec![seen.clone()])),
            });
        }
        panic!("nothing is advised about {}", state.state);
    }

    #[test]
    fn every_advice_has_a_drawing() {
        for state in states::ALL.iter().filter(|state| state.kind.is_some()) {
            assert!(Drawing::of_state(*state).is_some(), "{}", state.state);
            for answer in 0..3 {
                let counsel = advised(*state, answer);
                assert!(Drawing::of(&counsel).is_some(), "{counsel:?}");
            }
        }
    }

    #[test]
    fn phone_that_can_be_read_has_none() {
        for state in states::ALL.iter().filter(|state| state.kind.is_none()) {
            assert_eq!(Drawing::of_state(*state), None, "{}", state.state);
        }
    }

    #[test]
    fn every_drawing_is_that_of_some_advice() {
        let states = states::ALL.iter().filter(|state| state.kind.is_some());
        let told = states.flat_map(|state| (0..3).map(|answer| advised(*state, answer)));
        let mut drawn: Vec<_> = told.filter_map(|counsel| Drawing::of(&counsel)).collect();
        drawn.extend(Drawing::of(&[Counsel::PlugInAgain(Copied::Unknown)]));
        for drawing in Drawing::ALL {
            assert!(drawn.contains(drawing), "{drawing:?}");
        }
    }

    #[test]
    fn broken_glass_shows_the_keyboard_and_not_the_finger() {
        let drawn = |answer| Drawing::of(&advised(states::unauthorized, answer));
        assert_eq!(drawn(0), Some(Drawing::Allow));
        assert_eq!(drawn(1), Some(Drawing::Keyboard));
    }
}
