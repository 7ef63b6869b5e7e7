//! Decides whether and when to retry: after a backoff that doubles, after the pause that the service requests
//! (`Retry-After`), when the connection is back; and after how many failed files in a row to give up.

use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::time::Duration;

use crate::folder::upload::UploadReason;
use crate::upload::gate::Gate;
use crate::upload::problem::{Advice, Problem};

/// The first pause after a failure; doubled each time.
const FIRST_PAUSE: Duration = Duration::from_millis(250);
const LONGEST_PAUSE: Duration = Duration::from_secs(30);
/// A service that was too busy for so many files in a row, made no sense or refused them, is left
/// alone.
const GIVEN_UP: u32 = 16;
/// How often a service is asked about something over which it fails, where nothing is sent.
const LOOKS: u32 = 3;

/// The reason why a file was not uploaded.
#[derive(Debug)]
pub(super) enum NotUploaded {
    Skipped(UploadReason, Problem),
    Failed(UploadReason, Problem),
    Stop(Problem),
}

impl NotUploaded {
    pub(super) fn into_problem(self) -> Problem {
        let (Self::Skipped(_, problem) | Self::Failed(_, problem) | Self::Stop(problem)) = self;
        problem
    }
}

/// The state shared by all attempts of a run.
pub(super) struct Retries {
    gate: Gate,
    tries: u32,
    /// The number of attempts when the service itself fails.
    failing_tries: u32,
    /// The files given up because the service was too busy or answered nonsense, since it last accepted one.
    given_up: AtomicU32,
    /// Whether the service accepted a file in this run.
    has_taken: AtomicBool,
    /// The files that the service has forbidden since it last accepted one.
    forbidden: AtomicU32,
}

impl Retries {
    /// Creates the state for `tries` attempts, at least one. All attempts wait at the same gate.
    pub(super) fn new(gate: Gate, tries: u32) -> Self {
        Self {
            gate,
            tries: tries.max(1),
            failing_tries: tries.max(1),
            given_up: AtomicU32::new(0),
            has_taken: AtomicBool::new(false),
            forbidden: AtomicU32::new(0),
        }
    }

    /// Returns the same state for checking only: a failure of the service for one file is reported without waiting.
    pub(super) fn for_looking(self) -> Self {
        Self {
            failing_tries: self.tries.min(LOOKS),
            ..self
        }
    }

    /// Repeats an attempt until it succeeds or another one is pointless.
    pub(super) async fn run<T, F>(&self, mut attempt: impl FnMut() -> F) -> Result<T, NotUploaded>
    where
        F: Future<Output = Result<T, Problem>>,
    {
        let mut failures = 0;
        loop {
            self.gate.pass().await;
            match attempt().await {
                Ok(done) => {
                    self.gate.reached();
                    self.given_up.store(0, Ordering::Relaxed);
                    return Ok(done);
                }
                Err(problem) => self.failed(&mut failures, problem).await?,
            }
        }
    }

    /// Records that the service accepted a file.
    pub(super) fn taken(&self) {
        self.has_taken.store(true, Ordering::Relaxed);
        self.forbidden.store(0, Ordering::Relaxed);
    }

    /// Makes all requests pause as after this many consecutive failures.
    pub(super) fn pause(&self, failures: u32, problem: Problem) -> Result<(), Problem> {
        self.gate.pause(backoff(failures), problem)
    }

    /// Returns when it is time to try again.
    async fn failed(&self, failures: &mut u32, problem: Problem) -> Result<(), NotUploaded> {
        match problem.advice() {
            Advice::WaitForConnection => self.gate.unreachable(problem).map_err(NotUploaded::Stop),
            Advice::Until(until) => self
                .gate
                .out_of_quota(until, problem)
                .map_err(NotUploaded::Stop),
            Advice::WaitIfWished => self.gate.missing(problem).map_err(NotUploaded::Stop),
            advice @ (Advice::Later(_) | Advice::LaterOrNever) => {
                *failures += 1;
                let (tries, after) = match advice {
                    Advice::Later(after) => (self.tries, after),
                    _ => (self.failing_tries, None),
                };
                if *failures >= tries {
                    return Err(self.gives_up(UploadReason::Busy, problem));
                }
                let wait = after.unwrap_or_else(|| backoff(*failures));
                self.gate.pause(wait, problem).map_err(NotUploaded::Stop)
            }
            Advice::Again => {
                *failures += 1;
                if *failures >= self.tries {
                    return Err(self.gives_up(UploadReason::Other, problem));
                }
                tokio::time::sleep(backoff(*failures)).await;
                Ok(())
            }
            Advice::Stop if matches!(problem, Problem::Forbidden { .. }) => {
                // A server may have rules of its own about names, such as Apache's about `.ht...`.
                let row = self.forbidden.fetch_add(1, Ordering::Relaxed) + 1;
                let is_about_the_file = self.has_taken.load(Ordering::Relaxed);
                Err(match is_about_the_file && row < GIVEN_UP {
                    true => NotUploaded::Failed(UploadReason::Refused, problem),
                    false => NotUploaded::Stop(problem),
                })
            }
            Advice::Stop => Err(NotUploaded::Stop(problem)),
            Advice::Skip(reason) => Err(NotUploaded::Skipped(reason, problem)),
            Advice::Fail(reason) => Err(NotUploaded::Failed(reason, problem)),
            Advice::Rename => Err(NotUploaded::Failed(UploadReason::NameRefused, problem)),
        }
    }

    /// What it means that a file was tried often enough.
    fn gives_up(&self, reason: UploadReason, problem: Problem) -> NotUploaded {
        let row = self.given_up.fetch_add(1, Ordering::Relaxed) + 1;
        match row >= GIVEN_UP {
            // It is not the files.
            true => NotUploaded::Stop(problem),
            false => NotUploaded::Failed(reason, problem),
        }
    }
}

/// Twice as long each time, and not the same for all.
fn backoff(failures: u32) -> Duration {
    let doubled = FIRST_PAUSE.saturating_mul(1 << failures.saturating_sub(1).min(10));
    let longest = doubled.min(LONGEST_PAUSE);
    let nanos = std::time::SystemTime::now()
        .duration_since(std::time::UNIX_EPOCH)
        .map_or(0, |since| since.subsec_nanos());
    longest.mul_f64(0.75 + 0.25 * f64::from(nanos % 1000) / 1000.0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::Events;

    fn retries(tries: u32) -> Retries {
        let patience = Some(Duration::ZERO);
        Retries::new(Gate::new(patience, Events::to(|_| {})), tries)
    }

    /// A service that asks for no pause, so that nothing here takes time.
    fn busy() -> Problem {
        Problem::Busy {
            after: Some(Duration::ZERO),
            words: "busy".to_owned(),
        }
    }

    fn forbidden() -> Problem {
        Problem::Forbidden {
            words: "not this one".to_owned(),
        }
    }

    async fn always(retries: &Retries, problem: fn() -> Problem) -> NotUploaded {
        retries
            .run(|| async { Err::<(), _>(problem()) })
            .await
            .unwrap_err()
    }

    #[tokio::test]
    async fn busy_service_is_asked_as_often_as_wished() {
        for (works_at, wished) in [(1, 1), (3, 3), (4, 3), (2, 0)] {
            let mut asked = 0;
            let done = retries(wished)
                .run(|| {
                    asked += 1;
                    let answer = match asked < works_at {
                        true => Err(busy()),
                        false => Ok(()),
                    };
                    async { answer }
                })
                .await;
            let most = wished.max(1);
            assert_eq!(asked, works_at.min(most));
            match works_at <= most {
                true => assert!(done.is_ok(), "{done:?}"),
                false => assert!(
                    matches!(done, Err(NotUploaded::Failed(UploadReason::Busy, _))),
                    "{done:?}"
                ),
            }
        }
    }

    #[tokio::test]
    async fn service_that_is_too_busy_for_many_files_in_a_row_ends_the_run() {
        let retries = retries(1);
        for _ in 1..GIVEN_UP {
            let outcome = always(&retries, busy).await;
            assert!(matches!(outcome, NotUploaded::Failed(..)), "{outcome:?}");
        }
        // One file that works begins a new row.
        retries.run(|| async { Ok(()) }).await.unwrap();
        for _ in 1..GIVEN_UP {
            let outcome = always(&retries, busy).await;
            assert!(matches!(outcome, NotUploaded::Failed(..)), "{outcome:?}");
        }
        let outcome = always(&retries, busy).await;
        assert!(matches!(outcome, NotUploaded::Stop(_)), "{outcome:?}");
    }

    #[tokio::test]
    async fn what_is_forbidden_is_about_the_file_only_once_another_was_taken() {
        let retries = retries(5);
        let outcome = always(&retries, forbidden).await;
        assert!(matches!(outcome, NotUploaded::Stop(_)), "{outcome:?}");
        retries.taken();
        for _ in 1..GIVEN_UP {
            let outcome = always(&retries, forbidden).await;
            let reason = UploadReason::Refused;
            assert!(
                matches!(outcome, NotUploaded::Failed(why, _) if why == reason),
                "{outcome:?}"
            );
        }
        let outcome = always(&retries, forbidden).await;
        assert!(matches!(outcome, NotUploaded::Stop(_)), "{outcome:?}");
    }

    #[tokio::test]
    async fn no_connection_for_longer_than_wished_ends_the_run() {
        let unreachable = || Problem::Unreachable {
            host: "photos.example".to_owned(),
            words: "no route".to_owned(),
        };
        let outcome = always(&retries(5), unreachable).await;
        assert!(matches!(outcome, NotUploaded::Stop(_)), "{outcome:?}");
    }

    #[test]
    fn pauses_double_up_to_the_longest() {
        let is_about = |pause: Duration, longest: Duration| {
            assert!(
                pause <= longest && pause >= longest.mul_f64(0.75),
                "{pause:?}"
            );
        };
        is_about(backoff(1), FIRST_PAUSE);
        is_about(backoff(2), FIRST_PAUSE * 2);
        is_about(backoff(5), FIRST_PAUSE * 16);
        is_about(backoff(u32::MAX), LONGEST_PAUSE);
    }
}
