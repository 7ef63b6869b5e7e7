//! What the system sends to the program: Ctrl-C and its like stop a command in good order.

use std::time::Duration;

use tokio::runtime::Runtime;
use tokio::time::Instant;

use super::children;
use crate::error::{Error, Kind};
use crate::halt::Halt;
use crate::threads;

/// How long after the first Ctrl-C a second one still waits: for the keys of a phone to be let go.
const LETTING_GO: Duration = Duration::from_millis(1500);

/// The first Ctrl-C stops in good order; a second one at once, which loses nothing but time. In a
/// thread of its own: it is heard also while the others wait for a stuck disk. From the return of this
/// on it is heard, also where that thread begins late.
pub(super) fn stop_on_ctrl_c(halt: Halt) {
    let (sender, receiver) = std::sync::mpsc::channel::<(Runtime, StopRequests, Halt)>();
    let hearing = threads::spawn(move || {
        if let Ok((runtime, requests, halt)) = receiver.recv() {
            runtime.block_on(stop_when_asked(requests, halt));
        }
    });
    let runtime = hearing.ok().and_then(|_| {
        let mut runtime = tokio::runtime::Builder::new_current_thread();
        runtime.enable_all().build().ok()
    });
    match runtime {
        Some(runtime) => {
            let requests = {
                let _entered = runtime.enter();
                StopRequests::listen()
            };
            // It waits for this.
            let _ = sender.send((runtime, requests, halt));
        }
        None => drop(tokio::spawn(stop_when_asked(StopRequests::listen(), halt))),
    }
}

async fn stop_when_asked(mut requests: StopRequests, halt: Halt) {
    requests.next().await;
    halt.stop(
        Error::stopped().with_hint("run the same command again: it resumes where it stopped"),
    );
    let first = Instant::now();
    requests.next().await;
    // Who presses it twice at once still has the keys let go that a phone holds.
    tokio::time::sleep_until(first + LETTING_GO).await;
    crate::ui::terminal::restore();
    children::end_all();
    #[expect(
        clippy::exit,
        reason = "the person does not want to wait for a stuck disk or phone"
    )]
    std::process::exit(i32::from(Kind::Interrupted.exit_code()));
}

/// Hears Ctrl-C, the system that wants the program to end, and its terminal going: a phone that is
/// driven from here has its keys let go. Without a way to be asked, nobody asks.
#[cfg(unix)]
struct StopRequests {
    heard: Vec<tokio::signal::unix::Signal>,
}

#[cfg(unix)]
impl StopRequests {
    fn listen() -> Self {
        use tokio::signal::unix::{SignalKind, signal};
        let mut kinds = vec![SignalKind::interrupt(), SignalKind::terminate()];
        kinds.extend(hears_hangups().then(SignalKind::hangup));
        let heard = kinds.into_iter().filter_map(|kind| signal(kind).ok());
        Self {
            heard: heard.collect(),
        }
    }

    /// Returns when one comes.
    async fn next(&mut self) {
        std::future::poll_fn(|context| {
            // All that came at once are one request: a closed terminal may send two of them.
            let came = self
                .heard
                .iter_mut()
                .map(|signal| usize::from(signal.poll_recv(context).is_ready()));
            match came.sum() {
                0 => std::task::Poll::Pending,
                _ => std::task::Poll::Ready(()),
            }
        })
        .await;
    }
}

/// Has a file above this user's limit (`ulimit -f`) fail like one that the disk does not take; by
/// itself the system ends the program at it.
#[cfg(unix)]
pub(super) fn outlive_too_large_files() {
    use tokio::signal::unix::{SignalKind, signal};
    // What hears it stays when this is dropped.
    let too_large = rustix::process::Signal::XFSZ.as_raw();
    drop(signal(SignalKind::from_raw(too_large)));
}

/// Other systems have no such limit.
#[cfg(not(unix))]
pub(super) fn outlive_too_large_files() {}

/// Whether nobody wants the program to outlive its terminal, as `nohup` does.
#[cfg(target_os = "linux")]
fn hears_hangups() -> bool {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let ignored = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    let ignored = ignored.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok());
    ignored.is_some_and(|mask| mask & 1 == 0)
}

/// Elsewhere only unsafe code could tell, and who hears them undoes a `nohup`.
#[cfg(all(unix, not(target_os = "linux")))]
fn hears_hangups() -> bool {
    false
}

/// Hears Ctrl-C, the console's window being closed, and the user logging off or shutting the computer down, for
/// which the system waits some seconds. Without a way to be asked, nobody asks.
#[cfg(not(unix))]
struct StopRequests {
    heard: Vec<Heard>,
}

#[cfg(not(unix))]
type Heard = Box<dyn FnMut(&mut std::task::Context<'_>) -> std::task::Poll<Option<()>> + Send>;

#[cfg(not(unix))]
impl StopRequests {
    fn listen() -> Self {
        use tokio::signal::windows;
        // Each is a type of its own.
        macro_rules! heard {
            ($($kind:ident),*) => {
                [$(windows::$kind().ok().map(|mut it| Box::new(move |context: &mut std::task::Context<'_>| it.poll_recv(context)) as Heard)),*]
            };
        }
        let heard = heard![ctrl_c, ctrl_break, ctrl_close, ctrl_logoff, ctrl_shutdown];
        Self {
            heard: heard.into_iter().flatten().collect(),
        }
    }

    /// Returns when one comes.
    async fn next(&mut self) {
        std::future::poll_fn(|context| {
            let came = self.heard.iter_mut().map(|poll| poll(context).is_ready());
            match came.filter(|it| *it).count() {
                0 => std::task::Poll::Pending,
                _ => std::task::Poll::Ready(()),
            }
        })
        .await;
    }
}
