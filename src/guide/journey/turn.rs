//! What goes into a turn of the journey, and what comes out of it.

use std::path::PathBuf;

use super::advice::{Copied, Counsel, Doubt, GuideAction};
use super::contents::{Group, PhoneContents, Take, TakeChoice};
use super::holdings::Holdings;
use super::sight::{Sight, Sighting};
use crate::error::Kind;
use crate::guide::states::Diagnosis;
use crate::hint::Hint;

/// What happened since the last turn.
#[derive(Debug, Clone)]
pub(crate) enum Happened {
    /// The person started the guide.
    Began,
    /// A look at the phones was taken.
    Looked(Sight),
    /// The person chose one of the choices, from 0.
    Answered(usize),
    /// The person chose several, or none.
    AnsweredMany(Vec<usize>),
    /// The person named a folder of this computer that exists; `None` takes the wish back.
    Placed(Option<PathBuf>),
    /// The phone let this computer in, after its owner was asked.
    Allowed,
    /// The phone was listed.
    Listed(PhoneContents),
    /// A pull came to its end.
    Pulled(Holdings),
    /// A listing or a pull failed.
    Failed(Trouble),
    /// An action ended.
    Ran(ActionEnd),
}

/// How an action ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ActionEnd {
    /// The action achieved its aim.
    Achieved,
    /// The same, but for files that are missing or damaged.
    Partly,
    /// The action failed, or the person took it back.
    Failed,
}

/// How the journey ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum JourneyEnd {
    /// Everything asked for is here and proven.
    Safe,
    /// Something is missing or not proven, or the person stopped.
    Unsafe,
}

/// The one thing to do next.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Next {
    /// Look at the phones once.
    Look,
    /// Ask, and hand back one choice.
    Ask(Question),
    /// Ask, and hand back any number of choices.
    AskMany(Question),
    /// Ask for a folder of this computer.
    AskPlace,
    /// Keep looking until the phones are in other states, or the person chooses.
    Wait {
        /// What the person can do beside waiting.
        actions: Vec<GuideAction>,
        asks_owner: AsksOwner,
    },
    /// List the phone; for a folder below this one, where one is named.
    List(Option<PathBuf>),
    /// Pull from the phone.
    Pull(Take),
    /// Run an action, which says itself what it does.
    Run(GuideAction),
    /// Nothing: this is the end.
    End(JourneyEnd),
}

/// Whether the phone is to ask its owner "Allow USB debugging?" during a wait.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum AsksOwner {
    Yes,
    No,
}

/// A turn of the journey.
#[derive(Debug, Clone)]
pub(crate) struct Turn {
    /// What to tell first.
    pub(crate) say: Vec<Note>,
    /// What to do then.
    pub(crate) next: Next,
}

/// Something to tell the person.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Note {
    /// What this is, and how to stop it.
    Welcome,
    /// Where to look what is already safe.
    SafePlaces,
    /// What to do about a phone that cannot be read yet.
    Advice(Vec<Counsel>),
    /// What else can be tried.
    Alternatives(Diagnosis),
    /// The phone can be read.
    Ready(Sighting),
    /// Something else about a phone that can be read.
    Aside(Sighting),
    /// The phone is listed now.
    Listing,
    /// What was found on it.
    Contents(PhoneContents),
    /// Everything that was found would be left on the phone.
    NothingLeft,
    /// A pull resumes in this folder.
    Resumes(PathBuf),
    /// Something failed that a look at the phone explains.
    Interrupted(Trouble),
    /// Something else failed.
    Trouble(Trouble),
    /// What is on this computer, and how sure that is.
    Arrived(Holdings),
    /// Where the pictures of this rescue folder can be looked at.
    Pictures(PathBuf),
    /// The files were copied to another disk.
    SecondCopy,
    /// The person finished.
    Farewell(Holdings),
    /// The person stopped before the end.
    Stopped(Copied),
}

/// A question with numbered choices.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Question {
    /// What the person knows: yes, no, or not known.
    Doubt(Doubt),
    /// Which of these phones.
    Phone(Vec<Sighting>),
    /// What to take, and where to.
    Take(PhoneContents, Vec<TakeChoice>),
    /// Which folders to leave.
    Leave(Vec<Group>),
    /// What to do about a failure of this kind: try again, another place, stop.
    Failure(Kind),
    /// What to do with the files.
    Then(Vec<GuideAction>),
}

impl Question {
    /// How many choices there are.
    pub(crate) fn choices(&self) -> usize {
        match self {
            Self::Doubt(_) | Self::Failure(_) => 3,
            Self::Take(_, wishes) => wishes.len(),
            Self::Phone(phones) => phones.len(),
            Self::Leave(groups) => groups.len(),
            Self::Then(actions) => actions.len(),
        }
    }

    /// The choice that Enter alone takes: a person who is not sure does not know, and one who presses
    /// Enter again and again comes to the end.
    pub(crate) fn usual(&self) -> usize {
        match self {
            Self::Doubt(_) => 2,
            // The same place would fail once more.
            Self::Failure(Kind::DiskFull | Kind::Disk | Kind::Folder) => 1,
            Self::Then(actions) => match actions.first() {
                Some(GuideAction::TryAgain | GuideAction::Export) => 0,
                _ => actions.len().saturating_sub(1),
            },
            _ => 0,
        }
    }
}

/// A failure, as a person reads it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Trouble {
    pub(crate) kind: Kind,
    pub(crate) message: String,
    pub(crate) causes: Vec<String>,
    pub(crate) hint: Option<Hint>,
    pub(crate) copied: Copied,
}

impl Trouble {
    /// Whether the phone, its cable or its lock is the matter: a look at it says more.
    pub(super) fn is_of_phone(&self) -> bool {
        matches!(
            self.kind,
            Kind::NoPhone
                | Kind::Unauthorized
                | Kind::NoUsbPermission
                | Kind::Locked
                | Kind::PhoneNotReady
                | Kind::PhoneGone
                | Kind::AdbServer
        )
    }
}
