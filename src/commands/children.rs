//! Programs that this one runs for the user. They end with it, also when it is ended at once.

use std::collections::BTreeSet;
use std::io;
use std::process::{Child, Command, ExitStatus};
use std::sync::{Mutex, PoisonError};

use crate::halt::Halt;

/// The running ones, by process id.
static RUNNING: Mutex<BTreeSet<u32>> = Mutex::new(BTreeSet::new());

fn running() -> std::sync::MutexGuard<'static, BTreeSet<u32>> {
    RUNNING.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Runs a program to its end. A stop that is asked for meanwhile is passed on to it, and to what it started.
pub(super) async fn run(mut command: Command, halt: &Halt) -> io::Result<ExitStatus> {
    let mut child = start(&mut command)?;
    let id = child.id();
    let was_stopped = halt.is_set();
    let mut waiting = tokio::task::spawn_blocking(move || child.wait());
    let ended = tokio::select! {
        ended = &mut waiting => ended,
        () = halt.stopped(), if !was_stopped => {
            system::interrupt(id);
            waiting.await
        }
    };
    running().remove(&id);
    ended.map_err(io::Error::other)?
}

fn start(command: &mut Command) -> io::Result<Child> {
    system::with_group(command);
    // Held until it is noted: nothing is to be ended in between.
    let mut noted = running();
    let child = command.spawn()?;
    noted.insert(child.id());
    Ok(child)
}

/// Ends all that still run, before this program ends at once.
pub(super) fn end_all() {
    for id in std::mem::take(&mut *running()) {
        system::end(id);
    }
}

#[cfg(unix)]
mod system {
    use std::os::unix::process::CommandExt as _;
    use std::process::Command;
    use std::time::Duration;

    use rustix::process::{Pid, Signal, kill_process_group, test_kill_process_group};

    /// How often and how many times to look whether a group is gone.
    const LOOK_INTERVAL: Duration = Duration::from_millis(20);
    const LOOKS: u32 = 25;

    /// A group of its own is also what the program starts.
    pub(super) fn with_group(command: &mut Command) {
        command.process_group(0);
    }

    fn group(id: u32) -> Option<Pid> {
        Pid::from_raw(i32::try_from(id).ok()?)
    }

    pub(super) fn interrupt(id: u32) {
        if let Some(group) = group(id) {
            let _ = kill_process_group(group, Signal::INT);
        }
    }

    /// First with the time to clean up, then without.
    pub(super) fn end(id: u32) {
        let Some(group) = group(id) else {
            return;
        };
        let _ = kill_process_group(group, Signal::TERM);
        for _ in 0..LOOKS {
            if test_kill_process_group(group).is_err() {
                return;
            }
            std::thread::sleep(LOOK_INTERVAL);
        }
        let _ = kill_process_group(group, Signal::KILL);
    }
}

/// Windows passes Ctrl-C on to all programs of the console by itself.
#[cfg(not(unix))]
mod system {
    use std::process::{Command, Stdio};

    pub(super) fn with_group(_: &mut Command) {}

    pub(super) fn interrupt(_: u32) {}

    /// With everything that the program started.
    pub(super) fn end(id: u32) {
        let mut command = Command::new("taskkill");
        command.args(["/T", "/F", "/PID", &id.to_string()]);
        let quiet = command.stdin(Stdio::null()).stdout(Stdio::null());
        let _ = quiet.stderr(Stdio::null()).status();
    }
}
