//! Tells a run that gets further from one that only loses its phone again and again.

use super::super::task::TryCost;
use super::round::{AtOnce, Round};

/// How far a run came, as far as that decides whether the next lost connection is in vain.
#[derive(Debug, Default)]
pub(super) struct Headway {
    /// The number of consecutive lost connections without any progress.
    vain: u32,
    /// The most bytes of unfinished files that were held so far: a file that starts over is no progress.
    most_held: u64,
    /// The number of consecutive failed calls for hashes before the last round.
    failed_calls: u32,
    last: LastRound,
}

/// What the last round did besides losing the phone.
#[derive(Debug, Clone, Copy, Default)]
struct LastRound {
    /// The number of setbacks that cost their items a try.
    tried: usize,
    /// Whether something happened that cannot happen without end.
    is_excused: bool,
}

impl Headway {
    /// Notes what a round did, after which so many calls for hashes had failed one after the other.
    pub(super) fn note(&mut self, round: &Round, at_once: AtOnce, failed_calls: u32) {
        let costing = |cost| round.setbacks.iter().filter(move |it| it.cost == cost);
        // Put off without being counted, which can only happen once to each in this phase.
        let put_off = at_once == AtOnce::Several && costing(TryCost::Nothing).next().is_some();
        // Their number is limited, whatever the phone does.
        let hashing_failed = failed_calls != self.failed_calls;
        self.failed_calls = failed_calls;
        self.last = LastRound {
            tried: costing(TryCost::One).count(),
            is_excused: put_off || hashing_failed,
        };
    }

    /// Notes that the round lost the phone: of its `wanted` items so many are `left`, and so many bytes of unfinished
    /// files are held. Returns the number of consecutive lost connections without any progress.
    pub(super) fn lose(&mut self, wanted: usize, left: usize, held_bytes: u64) -> u32 {
        let LastRound { tried, is_excused } = self.last;
        let is_progress = wanted + tried > left || held_bytes > self.most_held;
        self.vain = match is_progress || is_excused {
            true => 0,
            false => self.vain + 1,
        };
        self.most_held = held_bytes.max(self.most_held);
        self.vain
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pull::queue::Work;

    fn quiet_round() -> Round {
        Round {
            setbacks: Vec::new(),
            leftover: Work::default(),
            lost: None,
        }
    }

    #[test]
    fn lost_connections_are_vain_until_a_file_or_more_bytes_come() {
        let mut headway = Headway::default();
        let mut lose = |left, held| {
            headway.note(&quiet_round(), AtOnce::Several, 0);
            headway.lose(5, left, held)
        };
        assert_eq!([lose(5, 0), lose(5, 0)], [1, 2]);
        // More bytes of a large file came, and then the same once more.
        assert_eq!(
            [lose(5, 9), lose(5, 9), lose(5, 3), lose(5, 9)],
            [0, 1, 2, 3]
        );
        assert_eq!([lose(4, 0), lose(5, 0)], [0, 1]);
    }

    #[test]
    fn failed_calls_for_hashes_are_no_vain_connections() {
        let mut headway = Headway::default();
        for calls in 1..4 {
            headway.note(&quiet_round(), AtOnce::Several, calls);
            assert_eq!(headway.lose(5, 5, 0), 0);
        }
        headway.note(&quiet_round(), AtOnce::Several, 3);
        assert_eq!(headway.lose(5, 5, 0), 1);
    }
}
