//! How many requests a stream keeps ahead of the answers.
//!
//! In: when requests were sent and answered. Out: a number. Enough to bridge the link's latency a
//! few times over at the speed at which files come: many for small files over a long way, few
//! where an answer is never far. What is asked for ahead is lost with its stream, so more is no
//! gain.

use std::time::{Duration, Instant};

/// Requests ahead at the least: what a short link needs for files of the smallest size.
const LEAST: usize = 64;
/// And at the most: as many paths as a daemon has to hold in memory.
const MOST: usize = 1024;
/// How many times the latency is bridged: requests are renewed when half of them are answered, and
/// no link is even.
const LATENCIES: u32 = 4;
/// A shorter time says nothing about the speed.
const SHORTEST: Duration = Duration::from_millis(1);

/// The window of one stream.
#[derive(Debug)]
pub(super) struct Window {
    requests: usize,
    /// The shortest time from a request to its answer's first byte on an idle stream.
    latency: Option<Duration>,
    /// When a stream without requests got one that is not answered yet.
    asked: Option<Instant>,
    /// Since when answers are counted.
    since: Instant,
    answered: u32,
}

impl Window {
    pub(super) fn new(now: Instant) -> Self {
        Self {
            requests: LEAST,
            latency: None,
            asked: None,
            since: now,
            answered: 0,
        }
    }

    /// How many requests may be ahead.
    pub(super) fn requests(&self) -> usize {
        self.requests
    }

    /// Requests are on their way, on a stream that had none.
    pub(super) fn ask(&mut self, now: Instant) {
        self.asked = Some(now);
        (self.since, self.answered) = (now, 0);
    }

    /// Something came.
    pub(super) fn hear(&mut self, now: Instant) {
        if let Some(asked) = self.asked.take() {
            let took = now.saturating_duration_since(asked);
            self.latency = Some(self.latency.map_or(took, |known| known.min(took)));
            (self.since, self.answered) = (now, 0);
        }
    }

    /// A file is whole.
    pub(super) fn count(&mut self) {
        self.answered += 1;
    }

    /// Half of what was ahead is answered: is that the right number?
    pub(super) fn adapt(&mut self, now: Instant) {
        let took = now.saturating_duration_since(self.since);
        let Some(latency) = self.latency.filter(|_| took >= SHORTEST) else {
            return;
        };
        let bridged = (latency * LATENCIES).as_secs_f64();
        let wanted = f64::from(self.answered) * bridged / took.as_secs_f64();
        // A number of files in memory; the cast ends at the largest.
        self.requests = (wanted.ceil() as usize).clamp(LEAST, MOST);
        (self.since, self.answered) = (now, 0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A link that answers after `latency`, and then a file every `pace`.
    fn settled(latency: Duration, pace: Duration) -> usize {
        let mut now = Instant::now();
        let mut window = Window::new(now);
        window.ask(now);
        now += latency;
        window.hear(now);
        for _ in 0..20 {
            let half = window.requests() / 2;
            // What is ahead is answered at the link's pace, then nothing comes for a latency.
            let full = pace * window.requests() as u32;
            let stall = latency.saturating_sub(full / 2);
            (0..half).for_each(|_| window.count());
            now += pace * half as u32 + stall;
            window.adapt(now);
        }
        window.requests()
    }

    #[test]
    fn window_grows_with_latency_and_speed_and_shrinks_with_size() {
        let (ms, us) = (Duration::from_millis, Duration::from_micros);
        assert_eq!(settled(us(200), us(500)), LEAST);
        assert_eq!(settled(ms(40), us(200)), 800);
        assert_eq!(settled(ms(40), ms(2)), 80);
        assert_eq!(settled(ms(40), ms(75)), LEAST);
        assert_eq!(settled(ms(500), us(10)), MOST);
    }

    #[test]
    fn nothing_is_concluded_from_nothing() {
        let now = Instant::now();
        let mut window = Window::new(now);
        window.adapt(now + Duration::from_secs(1));
        assert_eq!(window.requests(), LEAST);
        window.ask(now);
        window.hear(now);
        window.adapt(now);
        assert_eq!(window.requests(), LEAST);
    }
}
