//! Runs the subcommands, one file each: the only room that joins steps. In: a parsed command line. Out:
//! an exit code.

mod authorize;
mod begin;
mod browser;
mod children;
mod choice;
mod connect;
#[cfg(feature = "virtual-phone")]
mod demo;
mod desk;
mod devices;
mod doctor;
mod export;
#[cfg(test)]
#[cfg(feature = "virtual-phone")]
mod failing;
mod generate;
mod guide;
mod keys;
mod latest;
mod lock_secret;
mod open;
// Among the tests of torture, and a part of the crate: it hears of each change to the disk, which the program that
// people get tells nobody.
#[cfg(test)]
#[cfg(feature = "virtual-phone")]
#[path = "../../tests/torture/power_cut.rs"]
mod power_cut;
mod pull;
mod remote;
mod screen;
mod signals;
mod status;
mod summary;
mod target;
mod unlock;
mod upload;
mod verify;
#[cfg(feature = "virtual-phone")]
mod virtual_phone;
mod which;

use std::pin::Pin;
use std::time::Duration;

use tokio::runtime::Runtime;

use self::signals::{outlive_too_large_files, stop_on_ctrl_c};
use self::target::name_of;
use crate::cli::{Cli, Command};
use crate::error::{Error, Kind};
use crate::event::{Event, Events, Supervisor};
use crate::halt::Halt;
use crate::phone::connect::{
    ConnectOptions, Patience, Target, Waiting, connect as connect_to_phone,
};
use crate::phone::{Phone, allowed};
use crate::threads;
use crate::ui::Ui;

/// Runs a command to its end, on an event loop of its own, and returns the exit code. Errors are
/// reported before it returns.
///
/// The loop is here and not in `main`: whoever polls a command has all of its futures compiled, and
/// that is better done once, in the library, than in each program that links it.
pub fn run(cli: Cli, ui: &Ui) -> u8 {
    let runtime = match event_loop() {
        Ok(runtime) => runtime,
        Err(error) => {
            ui.error(&error);
            return error.kind.exit_code();
        }
    };
    let running = || runtime.block_on(run_command(cli, ui));
    // Not let go on: to drop an event loop is to wait for all that its threads do.
    let ended = std::panic::catch_unwind(std::panic::AssertUnwindSafe(running));
    let code = ended.unwrap_or_else(|panicked| {
        ui.end_progress();
        let error = failed(&*panicked);
        ui.error(&error);
        error.kind.exit_code()
    });
    // Ctrl-C does not wait for a thread that reads a disk or a pipe.
    runtime.shutdown_background();
    code
}

/// An event loop on which `spawn_blocking` finds a thread whenever it is called, and does not panic.
/// So what runs there must not wait for something else that does.
fn event_loop() -> Result<Runtime, Error> {
    /// What there is once, stays; longer than any run.
    const FOR_EVER: Duration = Duration::from_secs(100 * 365 * 86_400);
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .thread_keep_alive(FOR_EVER)
        .build()
        .map_err(|error| {
            Error::new(Kind::System, "the system cannot start an event loop").caused_by(error)
        })?;
    threads::probe()?;
    drop(runtime.spawn_blocking(|| ()));
    Ok(runtime)
}

/// What a panic says, as an error.
fn failed(panicked: &(dyn std::any::Any + Send)) -> Error {
    let words = panicked.downcast_ref::<&str>().copied();
    let words = words.or_else(|| panicked.downcast_ref::<String>().map(String::as_str));
    let why = words.unwrap_or("it does not say why");
    Error::new(Kind::Bug, format!("this program failed: {why}")).with_hint(
        "run the same command again: it resumes where it stopped; add -v for a bug report",
    )
}

/// A command under way. Boxed, so that one command's futures are not part of another's.
type CommandFuture<'a> = Pin<Box<dyn Future<Output = Result<Done, Error>> + 'a>>;

/// What a command runs with: what speaks to its user, and what its user stops it by.
#[derive(Clone, Copy)]
struct Context<'a> {
    ui: &'a Ui,
    halt: &'a Halt,
}

impl Context<'_> {
    /// Returns the same for a step, which knows no terminal.
    fn supervisor(self) -> Supervisor {
        Supervisor {
            events: self.ui.events(),
            halt: self.halt.clone(),
        }
    }

    /// Does work that may be given up at any time, unless the run is stopped.
    async fn unless_stopped<T>(&self, work: impl Future<Output = T>) -> Result<T, Error> {
        tokio::select! {
            biased;
            done = work => Ok(done),
            () = self.halt.stopped() => Err(stopped(self.halt)),
        }
    }
}

async fn run_command(cli: Cli, ui: &Ui) -> u8 {
    let halt = Halt::new();
    stop_on_ctrl_c(halt.clone());
    outlive_too_large_files();
    let halt = &halt;
    let context = Context { ui, halt };
    let running: CommandFuture<'_> = match &cli.command {
        Command::Guide(args) => Box::pin(begin::run(args, context)),
        Command::Desk(args) => Box::pin(desk::run(args, context)),
        Command::Devices(args) if args.watch => until_stopped(halt, devices::run(args, ui)),
        Command::Devices(args) => unless_stopped(halt, devices::run(args, ui)),
        Command::Doctor(args) => unless_stopped(halt, doctor::run(args, ui)),
        Command::Unlock(args) => unless_stopped(halt, unlock::run(args, ui)),
        Command::Authorize(args) => unless_stopped(halt, authorize::run(args, ui)),
        Command::Keys(args) => unless_stopped(halt, keys::run(args, ui)),
        Command::Pull(args) => Box::pin(pull::run(args, context)),
        Command::Status(args) => Box::pin(std::future::ready(status::run(args, ui))),
        Command::Open(args) => unless_stopped(halt, open::run(args, ui)),
        Command::Verify(args) => Box::pin(verify::run(args, context)),
        Command::Export(args) => Box::pin(export::run(args.clone(), context)),
        Command::Screen(args) if args.live => until_stopped(halt, screen::run(args, context)),
        Command::Screen(args) => unless_stopped(halt, screen::run(args, context)),
        Command::Connect(args) => unless_stopped(halt, connect::run(args, ui)),
        Command::Remote(command) => unless_stopped(halt, remote::run(command, ui)),
        Command::Upload(args) => Box::pin(upload::run(args, context)),
        #[cfg(feature = "virtual-phone")]
        Command::Demo(args) => Box::pin(demo::run(args, context)),
        #[cfg(feature = "virtual-phone")]
        Command::VirtualPhone(args) => Box::pin(virtual_phone::run(args, context)),
        Command::Generate(what) => Box::pin(std::future::ready(generate::run(what))),
    };
    let done = match (running.await, ui.output_error()) {
        (Ok(_), Some(error)) => Err(error),
        (done, _) => done,
    };
    ui.end_progress();
    match done {
        Ok(Done::All) => 0,
        Ok(Done::SomeFailed) => Kind::SomeItemsFailed.exit_code(),
        Err(mut error) => {
            let hint = error.hint.take();
            error.hint = hint.and_then(|hint| hint.for_command(|flag| cli.command.has(flag)));
            ui.error(&error);
            error.kind.exit_code()
        }
    }
}

/// What a command gets from a person who types these words; the first is its name.
fn arguments<A: clap::Args>(
    words: impl IntoIterator<Item = impl Into<std::ffi::OsString> + Clone>,
) -> Result<A, Error> {
    let matches =
        A::augment_args(clap::Command::new(env!("CARGO_PKG_NAME"))).try_get_matches_from(words)?;
    Ok(A::from_arg_matches(&matches)?)
}

/// How a command ended that could do its work.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Done {
    /// Everything asked for is done.
    All,
    /// Some items failed; they are listed.
    SomeFailed,
}

/// Reads the number of a choice, counted from 1, as an index; `None` if there is no such choice.
fn number_typed(text: &str, choices: usize) -> Option<usize> {
    let index = text.trim().parse::<usize>().ok()?.checked_sub(1)?;
    (index < choices).then_some(index)
}

/// Connects to the phone asked for, telling what is waited for.
async fn connect_phone(
    target: &Target,
    options: &ConnectOptions,
    context: Context<'_>,
) -> Result<Phone, Error> {
    let Context { ui, halt } = context;
    let events = &ui.events();
    let seconds = options.wait.as_secs();
    let mut tell = |waiting: &Waiting| {
        events.emit(Event::Waiting {
            what: waiting.into(),
            seconds,
            why: None,
        })
    };
    let phone = tokio::select! {
        () = halt.stopped() => return Err(stopped(halt)),
        phone = connect_to_phone(target, options, Patience::ForPerson, &mut tell) => {
            phone.map_err(doctor::reason)?
        }
    };
    allowed::note(name_of(&phone.target()));
    announce(&phone, events);
    Ok(phone)
}

/// Tells that a phone is connected.
fn announce(phone: &Phone, events: &Events) {
    let identity = phone.identity();
    events.emit(Event::Connected {
        serial: identity.serial,
        model: format!("{} {}", identity.manufacturer, identity.model)
            .trim()
            .to_owned(),
        android_version: identity.android_version,
    });
}

/// Ends a command that does not look at the switch itself: it changes nothing that would have to be
/// finished.
fn unless_stopped<'a>(
    halt: &'a Halt,
    run: impl Future<Output = Result<Done, Error>> + 'a,
) -> CommandFuture<'a> {
    Box::pin(async move {
        tokio::select! {
            biased;
            // What looks at the switch in its last part has the last word.
            done = run => done,
            // Nothing is done in parts, as by a pull.
            () = halt.stopped() => {
                let why = stopped(halt);
                let message = match why.kind {
                    Kind::Interrupted => "stopped".to_owned(),
                    _ => why.message,
                };
                Err(Error::new(why.kind, message).with_hint("run the same command again"))
            }
        }
    })
}

/// Ends a command that only looks on until it is stopped: that is how it ends well.
fn until_stopped<'a>(
    halt: &'a Halt,
    run: impl Future<Output = Result<Done, Error>> + 'a,
) -> CommandFuture<'a> {
    Box::pin(async move {
        tokio::select! {
            () = halt.stopped() => Ok(Done::All),
            done = run => done,
        }
    })
}

fn stopped(halt: &Halt) -> Error {
    halt.take_reason()
        .unwrap_or_else(|| Error::new(Kind::Interrupted, "stopped"))
}
