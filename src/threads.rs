//! Threads, which a system may refuse: a container with few, or a user who has many already.

use std::io;
use std::thread::{Builder, JoinHandle, Scope, ScopedJoinHandle};

/// The system gives this program no more threads.
#[derive(Debug, thiserror::Error)]
#[error("the system gives this program no more threads")]
pub struct NoThread(#[source] io::Error);

/// As [`std::thread::spawn`], which panics where there is none.
pub(crate) fn spawn<T: Send + 'static>(
    work: impl FnOnce() -> T + Send + 'static,
) -> Result<JoinHandle<T>, NoThread> {
    Builder::new().spawn(work).map_err(NoThread)
}

/// As [`Scope::spawn`], which panics where there is none.
pub(crate) fn spawn_scoped<'scope, T: Send + 'scope>(
    scope: &'scope Scope<'scope, '_>,
    work: impl FnOnce() -> T + Send + 'scope,
) -> Result<ScopedJoinHandle<'scope, T>, NoThread> {
    Builder::new().spawn_scoped(scope, work).map_err(NoThread)
}

/// Starts as many scoped threads as there are, up to so many; an error where there is not even one.
pub(crate) fn spawn_up_to<'scope, W: FnOnce() + Send + 'scope>(
    most: usize,
    scope: &'scope Scope<'scope, '_>,
    mut work: impl FnMut() -> W,
) -> Result<(), NoThread> {
    for number in 0..most {
        if let (0, Err(error)) = (number, spawn_scoped(scope, work())) {
            return Err(error);
        }
    }
    Ok(())
}

/// Whether there is a thread now.
pub(crate) fn probe() -> Result<(), NoThread> {
    // That it ends is all that it does.
    spawn(|| ()).map(|thread| drop(thread.join()))
}

/// Calls a function when a thread panics before this is dropped.
pub(crate) struct OnPanic<F: Fn()>(pub(crate) F);

impl<F: Fn()> Drop for OnPanic<F> {
    fn drop(&mut self) {
        if std::thread::panicking() {
            (self.0)();
        }
    }
}
