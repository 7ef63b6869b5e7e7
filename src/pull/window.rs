//! Sizes the pipeline: the number of bytes requested ahead of the answers, and the number of streams.
//!
//! In: when bytes arrived, on which link. Out: how many streams may work, and how many bytes each may have requested.
//! Requested bytes come in whatever order the streams take turns, and any other request, such as for hashes, waits
//! behind them. So it is never more than the link carries in a moment: a slow link gets one file after another, in
//! the order of the plan, and a fast one hundreds at a time. The moment is long enough to cover the link's latency a
//! few times over.

use std::time::{Duration, Instant};

/// The moment, on a link without latency: hiccups of either side are shorter.
const MOMENT: Duration = Duration::from_millis(25);
/// How many times the latency is bridged: requests are renewed when half of them are answered, and
/// no link is even.
const LATENCIES: u32 = 4;
/// A stream waits for an acknowledgement about so often as it is this many bytes further, which is
/// what a daemon sends at once of a file.
const CHUNK: u64 = 64 * 1024;
/// The part of a stream's time that may be spent on waiting for acknowledgements is one in so many;
/// above that another stream fills the gaps.
const GAPS: u32 = 16;
/// The most bytes requested ahead on one stream: few enough that the streams share the work.
pub(super) const MOST_BYTES: u64 = 8 * 1024 * 1024;
/// Requests ahead on one stream at the most: as many paths as a daemon has to hold in memory.
const MOST_FILES: usize = 1024;
/// The cost in bytes of a request and the end of its answer, so that empty files count, too.
pub(super) const FILE_OVERHEAD: u64 = 1024;
/// The speed that a link is taken to have before anything came, in bytes a second. A slower one is
/// not flooded by the first requests, and a faster one is known for that within a few milliseconds.
const FIRST_RATE: f64 = 2_000_000.0;
/// A shorter time says nothing about the speed.
const SHORTEST: Duration = Duration::from_millis(2);
/// The speed is averaged over so long, or from one piece to the next where that is longer.
const AVERAGED: Duration = Duration::from_millis(25);
/// When nothing came for so long, and for as long as so many bytes would have taken, another stream
/// tries: it may be only the one file that does not come.
const SILENCE: (Duration, u64) = (Duration::from_secs(1), 2 * 1024 * 1024);

/// The speed of a link, measured over all streams.
#[derive(Debug)]
pub(super) struct Pace {
    /// The speed in bytes per second.
    rate: f64,
    /// The shortest time in which the phone has answered any request.
    latency: Duration,
    /// The time since which bytes are counted.
    since: Instant,
    counted: u64,
    /// The time at which data last arrived.
    heard: Instant,
}

impl Pace {
    pub(super) fn new(now: Instant) -> Self {
        Self {
            rate: FIRST_RATE,
            latency: Duration::MAX,
            since: now,
            counted: 0,
            heard: now,
        }
    }

    /// Records how long the phone took to answer a small request.
    pub(super) fn answered_in(&mut self, took: Duration) {
        self.latency = self.latency.min(took);
    }

    /// Records that bytes arrived.
    pub(super) fn arrive(&mut self, now: Instant, bytes: u64) {
        self.heard = now;
        self.counted = self.counted.saturating_add(bytes);
        // From one arrival to another: pieces of a slow link are long under way and come whole.
        let took = now.saturating_duration_since(self.since);
        if took < SHORTEST {
            return;
        }
        let rate = self.counted as f64 / took.as_secs_f64();
        let weight = 1.0 - (-took.as_secs_f64() / AVERAGED.as_secs_f64()).exp();
        self.rate += (rate - self.rate) * weight;
        (self.since, self.counted) = (now, 0);
    }

    /// Returns how many streams may work.
    pub(super) fn streams(&self, now: Instant) -> usize {
        let without_gaps = self.bytes_in(MOMENT + self.known_latency() * GAPS) / CHUNK;
        let silence = now.saturating_duration_since(self.heard).as_secs_f64();
        let silences = silence / self.silence().as_secs_f64();
        1 + usize::try_from(without_gaps).unwrap_or(usize::MAX) + silences as usize
    }

    /// Returns after how long a silence another stream may work.
    pub(super) fn silence(&self) -> Duration {
        let (least, bytes) = SILENCE;
        let takes = bytes as f64 / self.rate.max(1.0);
        least + Duration::try_from_secs_f64(takes).unwrap_or(Duration::MAX / 2)
    }

    /// Returns how many bytes a stream may request, if it is one of `streams` streams and is waiting for `ahead` bytes
    /// in `files` requests. Returns 0 while it has requested enough.
    pub(super) fn room(&self, streams: usize, files: usize, ahead: u64) -> u64 {
        let all = self.bytes_in(MOMENT + self.known_latency() * LATENCIES);
        let share = (all / streams.max(1) as u64).clamp(CHUNK, MOST_BYTES);
        // Half of it is answered before more is asked for: fewer, fuller messages.
        if files > 0 && (ahead > share / 2 || files > MOST_FILES / 2) {
            return 0;
        }
        share.saturating_sub(ahead).max(1)
    }

    fn bytes_in(&self, time: Duration) -> u64 {
        // The cast ends at the largest.
        (self.rate * time.as_secs_f64()) as u64
    }

    fn known_latency(&self) -> Duration {
        match self.latency {
            Duration::MAX => Duration::ZERO,
            known => known,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::{BTreeMap, VecDeque};

    use super::*;

    const STREAMS: usize = 4;

    /// What happens next in a simulated pull.
    enum Happens {
        /// A request reaches the phone.
        Asked(usize, u64),
        /// A message with so many bytes of a stream's files reaches this computer.
        Came(usize, u64),
        /// The phone hears that a stream's last message came.
        Acknowledged(usize),
    }

    /// One stream, at both ends.
    #[derive(Default)]
    struct Simulated {
        /// At the phone: bytes that it may send, and whether it waits for an acknowledgement.
        to_send: u64,
        waits: bool,
        /// Here: files asked for, with the bytes of each that have not come.
        asked: VecDeque<(usize, u64)>,
    }

    /// A pull of files of one size over a link of so many bytes a second, with this time from a
    /// question to its answer. The phone sends a chunk of each stream after the other, and waits
    /// for its acknowledgement.
    struct Pull {
        started: Instant,
        now: Duration,
        rate: f64,
        latency: Duration,
        size: u64,
        next: usize,
        files: usize,
        events: BTreeMap<(Duration, usize), Happens>,
        made: usize,
        link_free: Duration,
        streams: Vec<Simulated>,
        pace: Pace,
        /// As before there was a pace: 64 files and 8 MiB ahead on each stream.
        is_greedy: bool,
        arrived: Vec<usize>,
    }

    impl Pull {
        fn new(rate: f64, latency: Duration, size: u64, files: usize) -> Self {
            let started = Instant::now();
            let mut pace = Pace::new(started);
            pace.answered_in(latency);
            Self {
                started,
                now: Duration::ZERO,
                rate,
                latency,
                size,
                next: 0,
                files,
                events: BTreeMap::new(),
                made: 0,
                link_free: Duration::ZERO,
                streams: (0..STREAMS).map(|_| Simulated::default()).collect(),
                pace,
                is_greedy: false,
                arrived: Vec::new(),
            }
        }

        fn at(&mut self, when: Duration, happens: Happens) {
            self.made += 1;
            self.events.insert((when, self.made), happens);
        }

        fn run(mut self) -> Self {
            self.ask();
            while let Some(((now, _), happens)) = self.events.pop_first() {
                self.now = now;
                match happens {
                    Happens::Asked(stream, bytes) => {
                        self.streams[stream].to_send += bytes;
                        self.send(stream);
                    }
                    Happens::Acknowledged(stream) => {
                        self.streams[stream].waits = false;
                        self.send(stream);
                    }
                    Happens::Came(stream, bytes) => {
                        self.pace.arrive(self.started + now, bytes);
                        self.receive(stream, bytes);
                        self.at(now + self.latency / 2, Happens::Acknowledged(stream));
                        self.ask();
                    }
                }
            }
            assert_eq!(self.arrived.len(), self.files, "it got stuck");
            self
        }

        fn receive(&mut self, stream: usize, mut bytes: u64) {
            let asked = &mut self.streams[stream].asked;
            while let Some((file, left)) = asked.front_mut() {
                let taken = bytes.min(*left);
                bytes -= taken;
                *left -= taken;
                if *left > 0 {
                    return;
                }
                self.arrived.push(*file);
                asked.pop_front();
            }
        }

        fn send(&mut self, stream: usize) {
            let own = &mut self.streams[stream];
            if own.waits || own.to_send == 0 {
                return;
            }
            let bytes = own.to_send.min(CHUNK);
            own.to_send -= bytes;
            own.waits = true;
            let takes = Duration::from_secs_f64(bytes as f64 / self.rate);
            self.link_free = self.link_free.max(self.now) + takes;
            let arrives = self.link_free + self.latency / 2;
            self.at(arrives, Happens::Came(stream, bytes));
        }

        fn ask(&mut self) {
            for stream in 0..STREAMS {
                let working = match self.is_greedy {
                    true => STREAMS,
                    false => self.pace.streams(self.started + self.now).min(STREAMS),
                };
                if stream >= working {
                    continue;
                }
                let asked = &self.streams[stream].asked;
                let (mut files, mut ahead) =
                    (asked.len(), asked.iter().map(|(_, left)| left).sum());
                let mut room = match self.is_greedy {
                    true if files > 32 => 0,
                    true => MOST_BYTES.saturating_sub(ahead),
                    false => self.pace.room(working, files, ahead),
                };
                while room > 0
                    && self.next < self.files
                    && files < if self.is_greedy { 64 } else { MOST_FILES }
                {
                    let (file, bytes) = (self.next, self.size + FILE_OVERHEAD);
                    self.next += 1;
                    self.streams[stream].asked.push_back((file, bytes));
                    self.at(self.now + self.latency / 2, Happens::Asked(stream, bytes));
                    (files, ahead) = (files + 1, ahead + bytes);
                    room = room.saturating_sub(bytes);
                }
            }
        }

        /// How many files too early a file came at most.
        fn disorder(&self) -> usize {
            let places = self.arrived.iter().enumerate();
            let early = places.map(|(place, file)| file.saturating_sub(place));
            early.max().unwrap()
        }
    }

    /// A pull paced, and the same as it was without a pace.
    fn both(rate: f64, latency: Duration, size: u64) -> (Pull, Pull) {
        let files = (rate * 2.0 / size as f64).clamp(60.0, 1500.0) as usize;
        let paced = Pull::new(rate, latency, size, files).run();
        let greedy = Pull {
            is_greedy: true,
            ..Pull::new(rate, latency, size, files)
        };
        (paced, greedy.run())
    }

    const MS: Duration = Duration::from_millis(1);

    #[test]
    fn files_come_in_the_order_of_the_plan_but_for_a_few_at_every_speed() {
        for rate in [5e4, 3e5, 1e6, 5e6, 2e7, 4e7] {
            for latency in [MS / 5, MS, 5 * MS, 40 * MS] {
                for size in [50_000, 300_000, 5_000_000] {
                    let (paced, _) = both(rate, latency, size);
                    // On each stream the file that comes, or those that come in a moment.
                    let moment = MOMENT + latency * (LATENCIES + 1);
                    let few = STREAMS + (rate * moment.as_secs_f64() / size as f64) as usize;
                    let early = paced.disorder();
                    assert!(early <= few, "{rate} {latency:?} {size}: {early}");
                    assert!(rate > 1e6 || early < STREAMS, "{rate} {size}: {early}");
                }
            }
        }
    }

    #[test]
    fn order_costs_no_time() {
        for rate in [5e4, 3e5, 1e6, 5e6, 2e7, 4e7, 1.5e8, 8e8] {
            for latency in [MS / 5, MS, 5 * MS, 40 * MS] {
                for size in [5000, 50_000, 300_000, 5_000_000] {
                    let (paced, greedy) = both(rate, latency, size);
                    // A few round trips until the speed is known.
                    let known = latency * 8 + 10 * MS;
                    let most = greedy.now.mul_f64(1.05) + known;
                    let (took, was) = (paced.now, greedy.now);
                    assert!(took <= most, "{rate} {latency:?} {size}: {took:?}, {was:?}");
                }
            }
        }
    }

    #[test]
    fn slow_link_that_is_fast_at_first_is_not_flooded() {
        let started = Instant::now();
        let mut pace = Pace::new(started);
        pace.answered_in(MS);
        // What is asked for comes at once, up to 300 kB: somewhere it was buffered.
        let (mut now, mut came) = (started, 0);
        while came < 300_000 {
            now += 2 * MS;
            let asked = pace.room(1, 0, 0);
            pace.arrive(now, asked);
            came += asked;
        }
        let asked = pace.room(1, 0, 0);
        assert!(asked < 900_000, "{asked}");
        // Then at 300 kB a second.
        for _ in 0..2 {
            now += 200 * MS;
            pace.arrive(now, 60_000);
        }
        assert_eq!(pace.room(1, 0, 0), CHUNK);
        assert_eq!(pace.streams(now), 1);
    }

    #[test]
    fn file_that_does_not_come_holds_up_the_others_for_a_while_only() {
        let started = Instant::now();
        let mut pace = Pace::new(started);
        let mut now = started;
        for _ in 0..50 {
            now += 200 * MS;
            pace.arrive(now, 60_000);
        }
        assert_eq!(pace.streams(now + 5000 * MS), 1);
        let silence = pace.silence();
        assert!(silence < 10_000 * MS, "{silence:?}");
        assert_eq!(pace.streams(now + silence + MS), 2);
        assert_eq!(pace.streams(now + 3 * silence + MS), 4);
        pace.arrive(now + 4 * silence, 10);
        assert_eq!(pace.streams(now + 4 * silence), 1);
    }

    #[test]
    fn nothing_is_concluded_from_nothing() {
        let now = Instant::now();
        let mut pace = Pace::new(now);
        pace.arrive(now, u64::MAX);
        pace.arrive(now, u64::MAX);
        assert_eq!(pace.streams(now), 1);
        // And no number is too large.
        pace.arrive(now + MS * 10, u64::MAX);
        pace.answered_in(Duration::MAX / 64);
        assert_eq!(pace.room(4, 0, 0), MOST_BYTES);
        assert_eq!(pace.room(4, MOST_FILES, 0), 0);
    }
}
