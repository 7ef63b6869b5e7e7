//! Combines questions: while one request is in flight, new ones are collected for the next. There is no clock: a fast
//! server is asked at once, a slow one for many.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use super::ChecksumStatus;
use crate::upload::problem::Problem;

/// Collects questions so that one request answers many of them.
#[derive(Debug, Default)]
pub(super) struct Together {
    /// Held by the caller that sends the request.
    turn: tokio::sync::Mutex<()>,
    waiting: Mutex<Vec<String>>,
    /// The answers, and how many callers have yet to fetch each.
    answers: Mutex<HashMap<String, (usize, Judged)>>,
}

type Judged = Result<ChecksumStatus, Problem>;

impl Together {
    /// Returns the server's verdict on a checksum. `ask` asks for many at once.
    pub(super) async fn ask(
        &self,
        sha1: String,
        ask: impl AsyncFnOnce(Vec<String>) -> Result<HashMap<String, ChecksumStatus>, Problem>,
    ) -> Judged {
        lock(&self.waiting).push(sha1.clone());
        let _turn = self.turn.lock().await;
        if let Some(answer) = self.fetch(&sha1) {
            return answer;
        }
        let mut wanted = std::mem::take(&mut *lock(&self.waiting));
        // One that was called off while it asked took the questions with it.
        if !wanted.contains(&sha1) {
            wanted.push(sha1.clone());
        }
        wanted.sort_unstable();
        // The same bytes may be asked for by several files.
        let mut asked: HashMap<String, usize> = HashMap::new();
        for sha1 in &wanted {
            *asked.entry(sha1.clone()).or_default() += 1;
        }
        wanted.dedup();
        let verdicts = ask(wanted).await;
        let mut answers = lock(&self.answers);
        for (sha1, askers) in asked {
            let answer = match &verdicts {
                Ok(verdicts) => verdicts
                    .get(&sha1)
                    .cloned()
                    .ok_or_else(|| Problem::other("the server did not answer for every file")),
                Err(problem) => Err(problem.clone()),
            };
            answers.insert(sha1, (askers, answer));
        }
        drop(answers);
        self.fetch(&sha1)
            .unwrap_or_else(|| Err(Problem::other("the server did not answer for every file")))
    }

    fn fetch(&self, sha1: &str) -> Option<Judged> {
        let mut answers = lock(&self.answers);
        let (askers, answer) = answers.get_mut(sha1)?;
        *askers -= 1;
        match *askers {
            0 => answers.remove(sha1).map(|(_, answer)| answer),
            _ => Some(answer.clone()),
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};

    #[tokio::test]
    async fn many_are_asked_in_few_requests_and_each_gets_its_own_answer() {
        let together = Arc::new(Together::default());
        let requests = Arc::new(AtomicUsize::new(0));
        let mut tasks = tokio::task::JoinSet::new();
        for number in 0..64 {
            let (together, requests) = (Arc::clone(&together), Arc::clone(&requests));
            tasks.spawn(async move {
                // Every file has a twin.
                let sha1 = format!("{:040x}", number / 2);
                let ask = async |wanted: Vec<String>| {
                    requests.fetch_add(1, Ordering::Relaxed);
                    tokio::task::yield_now().await;
                    tokio::task::yield_now().await;
                    let verdicts = wanted.into_iter();
                    Ok(verdicts
                        .map(|sha1| (sha1.clone(), ChecksumStatus::There(sha1)))
                        .collect())
                };
                let verdict = together.ask(sha1.clone(), ask).await;
                assert_eq!(verdict, Ok(ChecksumStatus::There(sha1)));
            });
        }
        while let Some(done) = tasks.join_next().await {
            done.unwrap();
        }
        let requests = requests.load(Ordering::Relaxed);
        assert!(requests <= 3, "{requests} requests");
        assert!(together.answers.lock().unwrap().is_empty());
        assert!(together.waiting.lock().unwrap().is_empty());
    }
}
