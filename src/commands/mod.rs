//! Runs the subcommands, one file each: the only room that joins steps. In: a parsed command line. Out:
//! an exit code.

mod authorize;
mod browser;
mod children;
mod choice;
mod connect;
#[cfg(feature = "virtual-phone")]
mod demo;
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
mod status;
mod summary;
mod unlock;
mod upload;
mod verify;
#[cfg(feature = "virtual-phone")]
mod virtual_phone;
mod which;

use std::pin::Pin;
use std::time::Duration;

use tokio::runtime::Runtime;
use tokio::time::Instant;

use crate::adb::connection::Introduction;
use crate::cli::{Cli, Command, PhoneArgs};
use crate::error::{Error, Kind};
use crate::event::{Event, Events};
use crate::halt::Halt;
use crate::phone::connect::{
    ConnectOptions, Patience, Target, Waiting, connect as connect_to_phone,
};
use crate::phone::keys::KeySources;
use crate::phone::{Phone, allowed};
use crate::threads;
use crate::ui::{Ui, typed, typed_word};

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
        let error = Error::new(Kind::Bug, words_of(&*panicked)).with_hint(
            "run the same command again: it resumes where it stopped; add -v for a bug report",
        );
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

/// What a panic says.
fn words_of(panicked: &(dyn std::any::Any + Send)) -> String {
    let words = panicked.downcast_ref::<&str>().copied();
    let words = words.or_else(|| panicked.downcast_ref::<String>().map(String::as_str));
    format!(
        "this program failed: {}",
        words.unwrap_or("it does not say why")
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

async fn run_command(cli: Cli, ui: &Ui) -> u8 {
    let halt = Halt::new();
    stop_on_ctrl_c(halt.clone());
    outlive_too_large_files();
    let halt = &halt;
    let context = Context { ui, halt };
    let running: CommandFuture<'_> = match &cli.command {
        Command::Guide(args) => Box::pin(guide::run(args, context)),
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

/// How long after the first Ctrl-C a second one still waits: for the keys of a phone to be let go.
const LETTING_GO: Duration = Duration::from_millis(1500);

/// The first Ctrl-C stops in good order; a second one at once, which loses nothing but time. In a
/// thread of its own: it is heard also while the others wait for a stuck disk. From the return of this
/// on it is heard, also where that thread begins late.
fn stop_on_ctrl_c(halt: Halt) {
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
        Error::new(Kind::Interrupted, "stopped; everything done so far is safe")
            .with_hint("run the same command again: it resumes where it stopped"),
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
fn outlive_too_large_files() {
    use tokio::signal::unix::{SignalKind, signal};
    // What hears it stays when this is dropped.
    let too_large = rustix::process::Signal::XFSZ.as_raw();
    drop(signal(SignalKind::from_raw(too_large)));
}

/// Other systems have no such limit.
#[cfg(not(unix))]
fn outlive_too_large_files() {}

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

/// How long to wait for a tap on "Allow" and for a phone that disappeared, in seconds, unless told otherwise.
const USUAL_WAIT: u64 = 120;

fn target_of(args: &PhoneArgs) -> Target {
    match &args.tcp {
        Some(address) => Target::Tcp(address.clone()),
        None => Target::Discovered {
            serial: args.serial.clone().or_else(serial_from_environment),
        },
    }
}

/// What a target is called; empty for any phone.
fn name_of(target: &Target) -> &str {
    match target {
        Target::Tcp(address) => address,
        Target::Discovered { serial } => serial.as_deref().unwrap_or_default(),
    }
}

/// `rescue pull` as a person types it, so that it finds the phone that these options chose, and comes
/// with the same keys. `name` chooses it where the options do not.
fn pull_command(args: &PhoneArgs, name: Option<&str>) -> String {
    let mut command = "rescue pull".to_owned();
    let choice = match (&args.tcp, args.serial.as_deref().or(name)) {
        (Some(address), _) => Some(choose_in("--tcp", address)),
        (None, Some(name)) => Some(choose_in("--serial", name)),
        (None, None) => None,
    };
    let keys = args.keys.iter().map(|key| format!("--key {}", typed(key)));
    for option in choice.into_iter().chain(keys) {
        command.push(' ');
        command.push_str(&option);
    }
    command
}

/// An option with its value, for a command line that is shown to be copied.
fn choose_in(option: &str, value: &str) -> String {
    // What begins like an option has to be joined to its own.
    let joint = if value.starts_with('-') { '=' } else { ' ' };
    format!("{option}{joint}{}", typed_word(value))
}

/// Reads the number of a choice, counted from 1, as an index; `None` if there is no such choice.
fn number_typed(text: &str, choices: usize) -> Option<usize> {
    let index = text.trim().parse::<usize>().ok()?.checked_sub(1)?;
    (index < choices).then_some(index)
}

/// As adb reads it; empty is as good as unset.
fn serial_from_environment() -> Option<String> {
    let serial = std::env::var_os("ANDROID_SERIAL")?;
    // No phone has a name that is not text; the error says what was looked for.
    Some(serial.to_string_lossy().into_owned()).filter(|serial| !serial.is_empty())
}

fn options_of(args: &PhoneArgs) -> ConnectOptions {
    ConnectOptions {
        keys: KeySources::from_environment(args.keys.clone()),
        introduction: Introduction::OfferKey,
        wait: Duration::from_secs(args.wait.unwrap_or(USUAL_WAIT)),
        awaits_arrival: args.wait.is_some(),
        idle: Duration::from_secs(args.idle_timeout),
    }
}

/// The same for a command that only looks: it waits so long at most for a phone that lets this computer in
/// already, and has no phone ask its owner.
fn options_to_look(args: &PhoneArgs, wait: Duration) -> ConnectOptions {
    let options = options_of(args);
    ConnectOptions {
        wait: wait.min(options.wait),
        awaits_arrival: false,
        introduction: Introduction::SignaturesOnly,
        ..options
    }
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
