//! The gate that every request passes: closed for all while there is no connection, or while the service
//! asks for a pause.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

use super::problem::Problem;
use crate::event::{Event, Events, Wait};

/// The first wait for a connection; doubled each time.
const FIRST_WAIT: Duration = Duration::from_millis(500);
const LONGEST_WAIT: Duration = Duration::from_secs(15);
/// The longest pause that a service may ask for, unless the person said to wait.
const LONGEST_PAUSE: Duration = Duration::from_secs(15 * 60);

#[derive(Debug)]
pub(super) struct Gate {
    patience: Option<Duration>,
    events: Events,
    state: Mutex<Backoff>,
}

#[derive(Debug, Default)]
struct Backoff {
    closed_until: Option<Instant>,
    unreachable_since: Option<Instant>,
    waits: u32,
    /// The time until which the quota is used up, in seconds since 1970: timers do not run while a computer sleeps.
    quota_until: Option<i64>,
}

impl Gate {
    /// Creates a gate that waits at most `patience` for a connection; `None` waits without limit.
    pub(super) fn new(patience: Option<Duration>, events: Events) -> Self {
        Self {
            patience,
            events,
            state: Mutex::default(),
        }
    }

    /// Waits until requests may be made.
    pub(super) async fn pass(&self) {
        loop {
            let (until, quota_until) = {
                let state = self.state();
                (state.closed_until, state.quota_until)
            };
            let wait = quota_until.unwrap_or_default() - chrono::Utc::now().timestamp();
            match until {
                _ if wait > 0 => {
                    let look_at_the_clock = Duration::from_secs((wait as u64).min(30));
                    tokio::time::sleep(look_at_the_clock).await;
                }
                Some(until) if until > Instant::now() => tokio::time::sleep_until(until).await,
                _ => return,
            }
        }
    }

    /// Reports that a request was answered, so there is a connection.
    pub(super) fn reached(&self) {
        let mut state = self.state();
        state.unreachable_since = None;
        state.waits = 0;
    }

    /// Reports that the destination (such as a bucket) does not exist. All requests wait until it does. Returns the
    /// problem instead if the user did not ask to wait without limit.
    pub(super) fn missing(&self, problem: Problem) -> Result<(), Problem> {
        match self.patience {
            Some(_) => Err(problem),
            None => self.closed_for(Wait::Bucket, problem),
        }
    }

    /// Reports that a request found no connection. All requests wait; once that has taken too long, the problem is
    /// returned.
    pub(super) fn unreachable(&self, problem: Problem) -> Result<(), Problem> {
        self.closed_for(Wait::Connection, problem)
    }

    fn closed_for(&self, what: Wait, problem: Problem) -> Result<(), Problem> {
        let now = Instant::now();
        let mut state = self.state();
        let first = state.unreachable_since.is_none();
        let since = *state.unreachable_since.get_or_insert(now);
        if self
            .patience
            .is_some_and(|patience| now.duration_since(since) >= patience)
        {
            return Err(problem);
        }
        // Many requests fail at once; together they are one reason to wait.
        if state.closed_until.is_none_or(|until| until <= now) {
            let wait = FIRST_WAIT
                .saturating_mul(1 << state.waits.min(10))
                .min(LONGEST_WAIT);
            state.waits += 1;
            state.closed_until = Some(now + wait);
        }
        drop(state);
        if first {
            self.events.emit(Event::Waiting {
                what,
                seconds: self.patience.map_or(0, |patience| patience.as_secs()),
                why: Some(problem.to_string()),
            });
        }
        Ok(())
    }

    /// Reports that the service's daily quota is used up. All requests wait for the next one. Returns the problem
    /// instead if the user did not ask to wait without limit.
    pub(super) fn out_of_quota(&self, until: i64, problem: Problem) -> Result<(), Problem> {
        let mut state = self.state();
        let is_new = state.quota_until.is_none_or(|known| known < until);
        // Also when the run ends with it: nobody asks in vain until it has.
        state.quota_until = state.quota_until.max(Some(until));
        drop(state);
        if self.patience.is_some() {
            return Err(problem);
        }
        if is_new {
            let wait = until - chrono::Utc::now().timestamp();
            self.events.emit(Event::Waiting {
                what: Wait::Quota,
                seconds: u64::try_from(wait).unwrap_or_default(),
                why: None,
            });
        }
        Ok(())
    }

    /// Reports that the service asks for a pause, which all requests observe. Returns the problem if the pause is too
    /// long and the user did not ask to wait without limit.
    pub(super) fn pause(&self, wait: Duration, problem: Problem) -> Result<(), Problem> {
        tracing::debug!("pausing {} ms: {problem}", wait.as_millis());
        let until = Instant::now() + wait;
        let mut state = self.state();
        let is_longer = state.closed_until.is_none_or(|known| known < until);
        if is_longer {
            // Also when the run ends with it: nobody asks in vain until it has.
            state.closed_until = Some(until);
        }
        drop(state);
        if self.patience.is_some() && wait > LONGEST_PAUSE {
            return Err(problem);
        }
        if is_longer && wait >= Duration::from_secs(5) {
            self.events.emit(Event::Waiting {
                what: Wait::Service,
                seconds: wait.as_secs(),
                why: None,
            });
        }
        Ok(())
    }

    fn state(&self) -> MutexGuard<'_, Backoff> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
