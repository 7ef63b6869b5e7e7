//! What the guide needs of the place where a person is led: a terminal, or a page in the browser.

use std::collections::BTreeSet;
use std::path::PathBuf;

use crate::cli::JobArgs;
use crate::desk::live::LiveDisplay;
use crate::error::Error;
use crate::guide::journey::{GuideAction, Note, Question, Sight};
use crate::halt::Halt;

/// Work that a person can stop without ending the guide.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::commands) enum StoppableWork {
    /// It continues when the person wants that.
    Pull,
    /// An archive or an upload, which is offered again.
    Action,
}

/// Where a person is led. Every question ends with an error where the person ends the guide.
pub(in crate::commands) trait GuideFace {
    /// The phones that are others' matter.
    fn others(&self) -> BTreeSet<String> {
        BTreeSet::new()
    }

    /// What concerns this person of a look at the phones.
    fn narrow(&self, sight: Sight) -> Sight {
        sight
    }

    /// The phone that this person sees, where none is chosen yet.
    fn seen(&self) -> Option<String> {
        None
    }

    /// The phone that is rescued is this one, from now on.
    fn bind(&self, _: &str) {}

    /// Whose phone it is, as far as the person says.
    fn job(&self) -> JobArgs {
        JobArgs::default()
    }

    /// Tells what a turn has to say.
    fn tell(&self, notes: &[Note]);

    /// Asks for one choice, from 0.
    async fn choose(&self, question: &Question) -> Result<usize, Error>;

    /// Asks for any number of choices, from 0.
    async fn choose_many(&self, question: &Question) -> Result<Vec<usize>, Error>;

    /// Asks for the path of a folder, which may be wrong; `None` where the person has none.
    async fn folder(&self) -> Result<Option<PathBuf>, Error>;

    /// Offers these actions while the guide waits, and returns the chosen one, from 0. Dropped where the wait ends by
    /// itself.
    async fn action(&self, actions: &[GuideAction]) -> Result<usize, Error>;

    /// Shows a phone's display and takes what is done to it, until the person is done with that.
    async fn show(&self, display: LiveDisplay) -> Result<(), Error>;

    /// Discards what was typed during long work, so that it does not answer a later question.
    fn forget_typed(&self);

    /// The switch that stops some work: that of the whole guide, or one that the person can set alone.
    fn switch(&self, whole: &Halt, work: StoppableWork) -> Halt;

    /// The person stopped the pull alone: returns when it is to continue, and an error where it is not.
    async fn paused(&self) -> Result<(), Error>;
}
