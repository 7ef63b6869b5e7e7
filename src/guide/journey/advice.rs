//! What to do about a phone that cannot be read yet: its state from the one table, and what the person
//! knows about it.

use super::sight::Sighting;
use crate::guide::states::{self, Diagnosis};
use crate::phone::accessory::script::Recipe;

/// What the person may know.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Doubt {
    Picture,
    Touch,
    Pin,
    Debugging,
}

/// What the person answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Reply {
    Yes,
    No,
    Unknown,
}

impl Reply {
    /// The reply behind a choice's number.
    pub(super) fn of(number: usize) -> Self {
        match number {
            0 => Self::Yes,
            1 => Self::No,
            _ => Self::Unknown,
        }
    }
}

/// What the person answered up to now.
#[derive(Debug, Clone, Default)]
pub(super) struct Replies {
    pub(super) picture: Option<Reply>,
    touch: Option<Reply>,
    pin: Option<Reply>,
    debugging: Option<Reply>,
}

impl Replies {
    pub(super) fn set(&mut self, doubt: Doubt, reply: Reply) {
        let place = match doubt {
            Doubt::Picture => &mut self.picture,
            Doubt::Touch => &mut self.touch,
            Doubt::Pin => &mut self.pin,
            Doubt::Debugging => &mut self.debugging,
        };
        *place = Some(reply);
    }

    /// Whether a finger on the glass does what it should, and the person sees what.
    fn can_tap(&self) -> bool {
        let is_well = |reply| matches!(reply, None | Some(Reply::Yes));
        is_well(self.picture) && is_well(self.touch)
    }
}

/// The next thing to ask about a phone in this state; `None` where the answers are known or of no use.
pub(super) fn open_doubt(state: Diagnosis, replies: &Replies) -> Option<Doubt> {
    let concerns_glass = [
        states::nothing_on_usb,
        states::only_charging,
        states::no_debugging,
        states::unauthorized,
        states::key_expired,
        states::recovery,
        states::sideload,
        states::fastboot,
        states::locked_since_boot,
        states::storage_missing,
    ];
    if !concerns_glass.contains(&state) {
        return None;
    }
    // A phone that shows itself says by that whether debugging is on.
    let debugging =
        (state == states::nothing_on_usb).then_some((Doubt::Debugging, replies.debugging));
    let doubts = [
        (Doubt::Picture, replies.picture),
        (Doubt::Touch, replies.touch),
        (Doubt::Pin, replies.pin),
    ];
    let mut doubts = doubts.into_iter().chain(debugging);
    let (doubt, _) = doubts.find(|(_, reply)| reply.is_none())?;
    Some(doubt)
}

/// Something that the guide does when the person chooses it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum GuideAction {
    /// Answer "Allow USB debugging?" over the cable.
    Authorize,
    /// Type the PIN over the cable, or through USB debugging.
    Unlock,
    /// Press keys over the cable.
    Keys(Recipe),
    /// Let this user open phones.
    InstallRules,
    /// Show the phone's display on this computer, and control it from here.
    Screen,
    /// Show what else can be tried.
    More,
    /// Pull once more.
    TryAgain,
    /// Take what was left on the phone by choice.
    TakeRest,
    /// Make one archive with an album.
    Export,
    /// Upload to a remote.
    Upload(String),
    /// Copy to a folder on another disk.
    CopyToDisk,
    /// Set up a remote to upload to.
    AddRemote,
    /// End.
    Finish,
}

/// Whether proven files of the phone are on this computer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Copied {
    /// Nobody could tell, or none is.
    Unknown,
    /// Some are.
    Something,
}

/// One thing to say about a phone that cannot be read yet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Counsel {
    /// What the state means.
    Meaning(Sighting),
    /// The table's next step.
    Step(Diagnosis),
    /// Other phones are attached, and not the one that is named.
    Absent(String),
    /// No phone is attached.
    NoPhone,
    /// Plug it in.
    PlugIn,
    /// That USB debugging is off is seen to later.
    DebuggingLater,
    /// The phone was there before: plug it in again.
    PlugInAgain(Copied),
    /// Twins: unplug all but one.
    UnplugTwins,
    /// Answer the phone's question over the cable.
    AnswerOverCable,
    /// Type the PIN over the cable.
    TypePin,
    /// USB debugging is switched on in an unlocked phone only.
    NeedsUnlocked,
    /// Without the PIN nobody gets in.
    WithoutPin,
    /// Switch USB debugging on by keys over the cable.
    LeadByKeys,
    /// The same with a dark screen: have the phone speak.
    LeadByVoice,
    /// A shop can replace the screen.
    Repair,
}

/// Advises about the state that stands in the way: what to say, and what the person can do. `was_ready` is set for a
/// phone that could be read before.
pub(super) fn advice(
    seen: &Sighting,
    replies: &Replies,
    was_ready: Option<Copied>,
    has_cable: bool,
) -> (Vec<Counsel>, Vec<GuideAction>) {
    let state = seen.state;
    let meaning = Counsel::Meaning(seen.clone());
    let (counsel, mut actions) = match state {
        states::nothing_on_usb => (no_phone(seen, replies, was_ready), Vec::new()),
        states::unauthorized | states::key_expired => unauthorized(meaning, state, replies),
        states::locked_since_boot => locked(meaning, state, replies),
        states::only_charging | states::no_debugging => no_debugging(meaning, state, replies),
        states::no_permission if cfg!(target_os = "linux") => {
            (vec![meaning], vec![GuideAction::InstallRules])
        }
        // Which command chooses one of them is of no use here.
        states::same_serial => (vec![meaning, Counsel::UnplugTwins], Vec::new()),
        _ => (vec![meaning, Counsel::Step(state)], Vec::new()),
    };
    let is_over_cable =
        |action: &GuideAction| matches!(action, GuideAction::Authorize | GuideAction::Keys(_));
    actions.retain(|action| has_cable || !is_over_cable(action));
    if !state.alternatives.is_empty() && state != states::same_serial {
        actions.push(GuideAction::More);
    }
    (counsel, actions)
}

/// What to say where no phone is attached.
fn no_phone(seen: &Sighting, replies: &Replies, was_ready: Option<Copied>) -> Vec<Counsel> {
    if let Some(copied) = was_ready {
        return vec![Counsel::PlugInAgain(copied)];
    }
    let absent = seen.detail.clone().map(Counsel::Absent);
    let mut counsel = vec![absent.unwrap_or(Counsel::NoPhone), Counsel::PlugIn];
    let is_off = replies.debugging == Some(Reply::No);
    counsel.extend(is_off.then_some(Counsel::DebuggingLater));
    counsel
}

fn unauthorized(
    meaning: Counsel,
    state: Diagnosis,
    replies: &Replies,
) -> (Vec<Counsel>, Vec<GuideAction>) {
    if replies.can_tap() {
        return (vec![meaning, Counsel::Step(state)], Vec::new());
    }
    let mut counsel = vec![meaning, Counsel::AnswerOverCable];
    counsel.extend((replies.pin == Some(Reply::No)).then_some(Counsel::WithoutPin));
    (counsel, vec![GuideAction::Authorize])
}

fn locked(
    meaning: Counsel,
    state: Diagnosis,
    replies: &Replies,
) -> (Vec<Counsel>, Vec<GuideAction>) {
    if replies.pin == Some(Reply::No) {
        return (vec![meaning, Counsel::WithoutPin], Vec::new());
    }
    let next = match replies.can_tap() {
        true => Counsel::Step(state),
        false => Counsel::TypePin,
    };
    (
        vec![meaning, next],
        vec![GuideAction::Unlock, GuideAction::Screen],
    )
}

fn no_debugging(
    meaning: Counsel,
    state: Diagnosis,
    replies: &Replies,
) -> (Vec<Counsel>, Vec<GuideAction>) {
    let mut counsel = vec![meaning];
    if replies.pin == Some(Reply::No) {
        counsel.extend([Counsel::NeedsUnlocked, Counsel::WithoutPin]);
    }
    if replies.can_tap() {
        counsel.push(Counsel::Step(state));
        return (counsel, Vec::new());
    }
    let keys = [
        Recipe::AospDebugging,
        Recipe::SamsungDebugging,
        Recipe::XiaomiDebugging,
    ];
    let mut actions: Vec<_> = keys.map(GuideAction::Keys).into();
    match replies.picture {
        Some(Reply::No) => {
            counsel.extend([Counsel::LeadByVoice, Counsel::Repair]);
            actions.insert(0, GuideAction::Keys(Recipe::Talkback));
        }
        _ => counsel.push(Counsel::LeadByKeys),
    }
    (counsel, actions)
}
