//! A gate that holds one of two people at a step of choice, until the other one is through.

use std::sync::{Arc, Condvar, Mutex};
use std::time::Duration;

#[derive(Default)]
struct State {
    steps: usize,
    hold_at: Option<usize>,
    is_held: bool,
}

/// Cheap to clone.
#[derive(Clone, Default)]
pub(crate) struct Gate(Arc<(Mutex<State>, Condvar)>);

impl Gate {
    /// Holds everything from this step on.
    pub(crate) fn holding_at(step: usize) -> Self {
        let gate = Self::default();
        gate.0.0.lock().unwrap().hold_at = Some(step);
        gate
    }

    /// One more step; returns when it may be made.
    pub(crate) fn pass(&self) {
        self.step(true);
    }

    /// The same where the others are not held.
    pub(crate) fn pass_alone(&self) {
        self.step(false);
    }

    fn step(&self, waits_for_others: bool) {
        let (state, changed) = &*self.0;
        let mut state = state.lock().unwrap();
        state.steps += 1;
        let is_here = state.hold_at == Some(state.steps);
        if is_here {
            state.is_held = true;
            changed.notify_all();
        }
        while (is_here || waits_for_others) && state.is_held {
            state = changed.wait(state).unwrap();
        }
    }

    /// Waits until somebody is held, or `is_over`.
    pub(crate) fn is_reached(&self, mut is_over: impl FnMut() -> bool) -> bool {
        let (state, changed) = &*self.0;
        let mut state = state.lock().unwrap();
        while !state.is_held && !is_over() {
            let waited = changed.wait_timeout(state, Duration::from_millis(20));
            state = waited.unwrap().0;
        }
        state.is_held
    }

    /// Lets everybody go on.
    pub(crate) fn open(&self) {
        let (state, changed) = &*self.0;
        let mut state = state.lock().unwrap();
        (state.hold_at, state.is_held) = (None, false);
        changed.notify_all();
    }

    pub(crate) fn steps(&self) -> usize {
        self.0.0.lock().unwrap().steps
    }
}
