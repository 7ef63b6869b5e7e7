//! The guided run: leads a person from a broken phone to files that are proven, one step at a time.
//!
//! In: what happened (an answer, a look at the phones, what the phone holds, the end of a pull). Out:
//! what to tell, and the one thing to do next. Pure: no I/O, no clock, no sentences, which are in
//! `ui::words`. `commands/guide.rs` drives it on a terminal.
//!
//! Nothing of it is kept on disk. The phone and its rescue folder say how far the rescue is, so that
//! starting again resumes there.

mod advice;
mod contents;
mod holdings;
mod sight;
#[cfg(test)]
mod tests;
mod turn;

use std::collections::BTreeSet;
use std::path::PathBuf;

use super::states;
pub(crate) use advice::{Copied, Counsel, Doubt, GuideAction};
use advice::{Replies, Reply, advice, open_doubt};
pub(crate) use contents::{Amount, Group, PhoneContents, Take, TakeChoice, What};
pub(crate) use holdings::{Completeness, Holdings};
pub(crate) use sight::{Sight, Sighting};
pub(crate) use turn::{
    ActionEnd, AsksOwner, Happened, JourneyEnd, Next, Note, Question, Trouble, Turn,
};

/// After how many failures with a phone that looks ready the person is asked.
const MOST_FAILURES: u32 = 3;

/// Where the journey is.
#[derive(Debug, Clone)]
enum Stage {
    Beginning,
    Looking,
    Doubting(Doubt),
    ChoosingPhone(Vec<String>),
    Waiting(Vec<GuideAction>),
    Listing,
    Taking(PhoneContents),
    LeavingOut(PhoneContents),
    Placing,
    Pulling,
    /// Something failed that a look at the phone does not explain.
    Troubled,
    /// The pull is done.
    Arrived(Holdings, Vec<GuideAction>),
    Running(GuideAction, Box<Stage>),
    Over,
}

/// The guided run.
#[derive(Debug)]
pub(crate) struct Journey {
    stage: Stage,
    /// What was asked for last, to be asked for again where the answer is to something else.
    pending: Next,
    replies: Replies,
    /// The phone that is rescued, once that is clear.
    phone: Option<String>,
    sight: Sight,
    /// Whether the phone could be read at some time: nobody is asked about it any more.
    was_ready: bool,
    has_told_safe_places: bool,
    /// What is pulled, once the person has chosen.
    take: Option<Take>,
    copied: Copied,
    /// The folder of this computer that the rescue folder goes into, where the person named one.
    place: Option<PathBuf>,
    /// Failures in a row.
    failures: u32,
    /// Whether the phone is on a cable, over which keys can be sent.
    has_cable: bool,
    /// The remotes that files can be uploaded to.
    remotes: Vec<String>,
    /// What was done with the files already.
    done: Vec<GuideAction>,
}

impl Journey {
    /// A journey that has not begun. `phone` is the one that the person named.
    pub(crate) fn new(phone: Option<String>, has_cable: bool, remotes: Vec<String>) -> Self {
        Self {
            stage: Stage::Beginning,
            pending: Next::Look,
            replies: Replies::default(),
            phone,
            sight: Sight::default(),
            was_ready: false,
            has_told_safe_places: false,
            take: None,
            copied: Copied::Unknown,
            place: None,
            failures: 0,
            has_cable,
            remotes,
            done: Vec::new(),
        }
    }

    /// Takes note of the remotes that there are now.
    pub(crate) fn know_remotes(&mut self, remotes: Vec<String>) {
        self.remotes = remotes;
    }

    /// The phone that is rescued, once that is clear.
    pub(crate) fn phone(&self) -> Option<&str> {
        self.phone.as_deref()
    }

    /// What the last look found.
    pub(crate) fn sight(&self) -> &Sight {
        &self.sight
    }

    /// Takes what happened, and returns what to say and to do next. What does not answer the last turn
    /// changes nothing: that turn is repeated.
    pub(crate) fn turn(&mut self, happened: Happened) -> Turn {
        let turn = self.decide(happened);
        self.pending = turn.next.clone();
        turn
    }

    fn decide(&mut self, happened: Happened) -> Turn {
        match (std::mem::replace(&mut self.stage, Stage::Over), happened) {
            (Stage::Beginning, Happened::Began) => self.look(vec![Note::Welcome]),
            (Stage::Looking, Happened::Looked(sight)) => self.see(sight),
            (stage @ (Stage::Waiting(_) | Stage::Doubting(_)), Happened::Looked(sight)) => {
                match self.sight.is_like(&sight) {
                    true => self.again(stage),
                    false => self.see(sight),
                }
            }
            (stage @ Stage::Waiting(_), Happened::Allowed) => match self.sight.main().cloned() {
                Some(main) => self.begin_with(&main),
                None => self.again(stage),
            },
            (Stage::Waiting(actions), Happened::Answered(number)) => {
                self.chosen_meanwhile(actions, number)
            }
            (Stage::Doubting(doubt), Happened::Answered(number)) => {
                self.replied(doubt, Reply::of(number))
            }
            (Stage::ChoosingPhone(phones), Happened::Answered(number)) => {
                self.phone = phones.into_iter().nth(number);
                self.look(Vec::new())
            }
            (Stage::Running(action, stage), Happened::Ran(end)) => self.ran(action, *stage, end),
            (Stage::Listing, Happened::Listed(contents)) => self.offer(contents),
            (Stage::Taking(contents), Happened::Answered(number)) => self.chosen(contents, number),
            (Stage::LeavingOut(contents), Happened::AnsweredMany(numbers)) => {
                self.leave_out(contents, &numbers)
            }
            (Stage::Placing, Happened::Placed(place)) => {
                if place.is_some() {
                    (self.place, self.take) = (place, None);
                }
                self.list(Vec::new())
            }
            (Stage::Listing | Stage::Pulling, Happened::Failed(trouble)) => self.fail(&trouble),
            (Stage::Pulling, Happened::Pulled(holdings)) => {
                self.failures = 0;
                let say = vec![Note::Arrived(holdings.clone())];
                self.arrive(holdings, say)
            }
            (Stage::Troubled, Happened::Answered(number)) => match number {
                0 => self.look(Vec::new()),
                1 => self.to(Stage::Placing, Vec::new(), Next::AskPlace),
                _ => self.end(vec![Note::Stopped(self.copied)], JourneyEnd::Unsafe),
            },
            (Stage::Arrived(holdings, actions), Happened::Answered(number)) => {
                self.chosen_then(holdings, actions, number)
            }
            (stage, _) => self.again(stage),
        }
    }

    fn to(&mut self, stage: Stage, say: Vec<Note>, next: Next) -> Turn {
        self.stage = stage;
        Turn { say, next }
    }

    /// The last turn once more, without its words.
    fn again(&mut self, stage: Stage) -> Turn {
        let next = self.pending.clone();
        self.to(stage, Vec::new(), next)
    }

    fn look(&mut self, say: Vec<Note>) -> Turn {
        self.to(Stage::Looking, say, Next::Look)
    }

    fn list(&mut self, say: Vec<Note>) -> Turn {
        let next = Next::List(self.place.clone());
        self.to(Stage::Listing, say, next)
    }

    fn end(&mut self, say: Vec<Note>, end: JourneyEnd) -> Turn {
        self.to(Stage::Over, say, Next::End(end))
    }

    fn run(&mut self, action: GuideAction, back: Stage) -> Turn {
        let next = Next::Run(action.clone());
        self.to(Stage::Running(action, Box::new(back)), Vec::new(), next)
    }

    fn ask(&mut self, doubt: Doubt) -> Turn {
        let question = Question::Doubt(doubt);
        self.to(Stage::Doubting(doubt), Vec::new(), Next::Ask(question))
    }

    fn see(&mut self, sight: Sight) -> Turn {
        self.sight = sight;
        let phones = self.sight.phones();
        if self.phone.is_none() && phones.len() > 1 {
            let question = Question::Phone(phones.iter().map(|seen| (*seen).clone()).collect());
            let names = phones.iter().filter_map(|seen| seen.phone.clone());
            let names = names.collect();
            return self.to(Stage::ChoosingPhone(names), Vec::new(), Next::Ask(question));
        }
        let Some(main) = self.sight.main().cloned() else {
            // Whatever was found stands in nobody's way, and there is no phone.
            let nothing = Sighting {
                phone: None,
                model: None,
                state: states::nothing_on_usb,
                detail: None,
            };
            return self.advise(&nothing);
        };
        if main.state == states::ready {
            return self.begin_with(&main);
        }
        match open_doubt(main.state, &self.replies).filter(|_| !self.was_ready) {
            Some(doubt) => self.ask(doubt),
            None => self.advise(&main),
        }
    }

    fn replied(&mut self, doubt: Doubt, reply: Reply) -> Turn {
        self.replies.set(doubt, reply);
        let state = self.sight.main().map(|seen| seen.state);
        match state.and_then(|state| open_doubt(state, &self.replies)) {
            Some(doubt) => self.ask(doubt),
            // The phone may be in another state by now.
            None => self.look(Vec::new()),
        }
    }

    /// The phone can be read.
    fn begin_with(&mut self, ready: &Sighting) -> Turn {
        (self.was_ready, self.phone) = (true, ready.phone.clone().or(self.phone.take()));
        let mut say = vec![Note::Ready(ready.clone())];
        let asides = self.sight.0.iter().filter(|seen| {
            let is_of_another = seen.phone.is_some() && seen.phone != ready.phone;
            seen.state.kind.is_none() && seen.state != states::ready && !is_of_another
        });
        say.extend(asides.cloned().map(Note::Aside));
        match self.take.clone() {
            Some(take) => {
                say.push(Note::Resumes(take.folder.clone()));
                self.to(Stage::Pulling, say, Next::Pull(take))
            }
            None => {
                say.extend(self.safe_places());
                say.push(Note::Listing);
                self.list(say)
            }
        }
    }

    fn safe_places(&mut self) -> Option<Note> {
        let has_told = std::mem::replace(&mut self.has_told_safe_places, true);
        (!has_told).then_some(Note::SafePlaces)
    }

    /// Something stands in the way.
    fn advise(&mut self, seen: &Sighting) -> Turn {
        let mut say = Vec::from_iter(self.safe_places());
        let was_ready = self.was_ready.then_some(self.copied);
        let (counsel, actions) = advice(seen, &self.replies, was_ready, self.has_cable);
        say.push(Note::Advice(counsel));
        let next = Next::Wait {
            actions: actions.clone(),
            asks_owner: match seen.state {
                states::unauthorized | states::key_expired => AsksOwner::Yes,
                _ => AsksOwner::No,
            },
        };
        self.to(Stage::Waiting(actions), say, next)
    }

    /// The person chose one of the actions that are offered while the phone is not ready.
    fn chosen_meanwhile(&mut self, actions: Vec<GuideAction>, number: usize) -> Turn {
        match actions.get(number).cloned() {
            Some(GuideAction::More) => {
                let more = self.sight.main().map(|seen| seen.state);
                let mut turn = self.again(Stage::Waiting(actions));
                turn.say = more.map(Note::Alternatives).into_iter().collect();
                turn
            }
            Some(action) => self.run(action, Stage::Looking),
            None => self.again(Stage::Waiting(actions)),
        }
    }

    /// The phone is listed: asks what to take of it.
    fn offer(&mut self, contents: PhoneContents) -> Turn {
        self.failures = 0;
        let say = vec![Note::Contents(contents.clone())];
        if contents.all().files == 0 {
            return self.pull(&contents, What::Everything, say);
        }
        let question = Question::Take(contents.clone(), contents.wishes());
        self.to(Stage::Taking(contents), say, Next::Ask(question))
    }

    fn chosen(&mut self, contents: PhoneContents, number: usize) -> Turn {
        let what = match contents.wishes().get(number) {
            None => return self.again(Stage::Taking(contents)),
            Some(TakeChoice::Elsewhere) => {
                return self.to(Stage::Placing, Vec::new(), Next::AskPlace);
            }
            Some(TakeChoice::Screen) => return self.run(GuideAction::Screen, Stage::Looking),
            Some(TakeChoice::WithoutFolders) => {
                let question = Question::Leave(contents.leavable());
                let next = Next::AskMany(question);
                return self.to(Stage::LeavingOut(contents), Vec::new(), next);
            }
            Some(TakeChoice::Everything) => What::Everything,
            Some(TakeChoice::PhotosAndVideos) => What::PhotosAndVideos,
            Some(TakeChoice::Photos) => What::Photos,
        };
        self.pull(&contents, what, Vec::new())
    }

    fn leave_out(&mut self, contents: PhoneContents, numbers: &[usize]) -> Turn {
        let groups = contents.leavable();
        let numbers: BTreeSet<_> = numbers.iter().collect();
        let left = numbers.iter().filter_map(|number| groups.get(**number));
        let left: Vec<_> = left.collect();
        if left.is_empty() {
            return self.offer(contents);
        }
        if left.len() == contents.groups.len() {
            let mut turn = self.offer(contents);
            turn.say = vec![Note::NothingLeft];
            return turn;
        }
        let patterns = left.iter().flat_map(|group| group.patterns.clone());
        let what = What::Without(patterns.collect());
        self.pull(&contents, what, Vec::new())
    }

    fn pull(&mut self, contents: &PhoneContents, what: What, say: Vec<Note>) -> Turn {
        let folder = contents.folder.clone();
        let take = Take { folder, what };
        self.take = Some(take.clone());
        self.to(Stage::Pulling, say, Next::Pull(take))
    }

    fn fail(&mut self, trouble: &Trouble) -> Turn {
        self.failures += 1;
        self.copied = trouble.copied;
        if trouble.is_of_phone() && self.failures < MOST_FAILURES {
            return self.look(vec![Note::Interrupted(trouble.clone())]);
        }
        self.failures = 0;
        let say = vec![Note::Trouble(trouble.clone())];
        let question = Question::Failure(trouble.kind);
        self.to(Stage::Troubled, say, Next::Ask(question))
    }

    /// The pull is done: asks what is next.
    fn arrive(&mut self, holdings: Holdings, say: Vec<Note>) -> Turn {
        let mut actions = vec![GuideAction::Export];
        let remotes = self.remotes.iter().cloned();
        actions.extend(remotes.map(GuideAction::Upload));
        actions.extend([
            GuideAction::CopyToDisk,
            GuideAction::AddRemote,
            GuideAction::Screen,
        ]);
        let is_partly = holdings.verdict() == Completeness::Partly;
        let has_tried = self.done.contains(&GuideAction::TryAgain);
        if is_partly && !has_tried {
            actions.insert(0, GuideAction::TryAgain);
        }
        actions.extend(holdings.is_choice.then_some(GuideAction::TakeRest));
        actions.retain(|action| !self.done.contains(action));
        // What failed twice is not what Enter does a third time.
        actions.extend((is_partly && has_tried).then_some(GuideAction::TryAgain));
        actions.push(GuideAction::Finish);
        let question = Question::Then(actions.clone());
        self.to(Stage::Arrived(holdings, actions), say, Next::Ask(question))
    }

    /// The person chose one of the actions that are offered after the pull.
    fn chosen_then(
        &mut self,
        holdings: Holdings,
        actions: Vec<GuideAction>,
        number: usize,
    ) -> Turn {
        match actions.get(number).cloned() {
            Some(GuideAction::Finish) | None => {
                let end = match holdings.verdict() {
                    Completeness::Partly => JourneyEnd::Unsafe,
                    _ => JourneyEnd::Safe,
                };
                self.end(vec![Note::Farewell(holdings)], end)
            }
            Some(action @ GuideAction::TryAgain) => {
                self.done.push(action);
                self.look(Vec::new())
            }
            Some(GuideAction::TakeRest) => {
                self.take = None;
                self.look(Vec::new())
            }
            Some(action) => self.run(action, Stage::Arrived(holdings, actions)),
        }
    }

    fn ran(&mut self, action: GuideAction, stage: Stage, end: ActionEnd) -> Turn {
        match stage {
            Stage::Arrived(holdings, _) => {
                // What is missing here is missing in an archive, too; nothing else may be.
                let is_partly = holdings.verdict() == Completeness::Partly;
                let is_achieved = match end {
                    ActionEnd::Achieved => true,
                    ActionEnd::Partly => is_partly && action == GuideAction::Export,
                    ActionEnd::Failed => false,
                };
                let say = match action {
                    GuideAction::Export if is_achieved => {
                        Some(Note::Pictures(holdings.folder.clone()))
                    }
                    GuideAction::CopyToDisk if is_achieved => Some(Note::SecondCopy),
                    _ => None,
                };
                // There may be one more.
                let may_repeat = matches!(action, GuideAction::AddRemote | GuideAction::Screen);
                let is_done = is_achieved && !may_repeat;
                self.done.extend(is_done.then_some(action));
                self.arrive(holdings, say.into_iter().collect())
            }
            _ => self.look(Vec::new()),
        }
    }
}
