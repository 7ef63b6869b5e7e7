//! A phone with a dead touch screen: real adbd with authentication on behind its USB interface, its
//! framework's half of "Allow USB debugging?" as a model of the display, and accessory mode. The
//! model is told of keys by this kernel's HID parser.

use std::io::Write as _;
use std::os::fd::{AsRawFd as _, OwnedFd};
use std::path::PathBuf;
use std::process::{Child, Command};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use clap::Args;
use rustix::net::{AddressFamily, RecvFlags, SendFlags, SocketAddrUnix, SocketType};

use super::accessory::{Accessory, Seen, Trouble};
use super::adb::Adb;
use super::gadget::{Device, Function, Identity};
use super::packets::Faults;
use super::phone::Mtp;
use super::screen::{Layout, Lock, Said, Screen};
use super::vhci::{Port, Speed};

/// A phone whose touch screen is dead.
#[derive(Debug, Args)]
pub(crate) struct TouchArgs {
    #[arg(long, default_value = "TOUCH00001")]
    serial: String,
    /// How its question is laid out
    #[arg(long, default_value = "aosp11")]
    layout: Layout,
    /// Its PIN stands in this file, so that it is in no process's arguments
    #[arg(long)]
    pin: Option<PathBuf>,
    /// Its pattern, as digits
    #[arg(long, conflicts_with = "pin")]
    pattern: Option<String>,
    /// So many wrong tries came before
    #[arg(long, default_value_t = 0)]
    failures: u32,
    /// Seconds in which no try is looked at after each fifth wrong one; Android's are 30.
    #[arg(long, default_value_t = 30)]
    throttle: u64,
    /// Only a swipe shows the field for the PIN
    #[arg(long)]
    swipe_only: bool,
    /// What goes wrong
    #[arg(long)]
    trouble: Option<Trouble>,
    /// USB debugging is off: it offers files
    #[arg(long)]
    no_adb: bool,
    /// It lets every computer in
    #[arg(long)]
    open: bool,
    /// Say the lock's state into files of this folder, as the bench's `getprop` and `dumpsys` print
    #[arg(long)]
    tells: Option<PathBuf>,
}

const DAEMON: &str = "127.0.0.1:5598";
const SOCKET: &str = "/dev/socket/adbd";
const KEYS: &str = "/data/misc/adb/adb_keys";

/// The framework's end of adbd's socket.
#[derive(Debug, Default)]
struct Framework {
    socket: Option<OwnedFd>,
    /// The key that was asked about last.
    key: Vec<u8>,
}

impl Framework {
    fn answer(&mut self, said: Said) {
        if let Said::Allow { always: true } = said {
            let file = std::fs::File::options()
                .append(true)
                .create(true)
                .open(KEYS);
            let mut line = self.key.clone();
            line.push(b'\n');
            file.unwrap().write_all(&line).unwrap();
        }
        let word: &[u8] = match said {
            Said::Allow { .. } => b"OK",
            Said::Deny => b"NO",
        };
        if let Some(socket) = &self.socket {
            let _ = rustix::net::send(socket, word, SendFlags::empty());
        }
    }
}

pub(crate) fn run(args: &TouchArgs) -> std::io::Result<()> {
    let framework = Arc::new(Mutex::new(Framework::default()));
    let lock = match (&args.pin, &args.pattern) {
        (Some(file), _) => Lock::Pin(std::fs::read_to_string(file)?.trim().to_owned()),
        (_, Some(digits)) => Lock::Pattern(digits.bytes().map(|digit| digit - b'0').collect()),
        _ => Lock::None,
    };
    let (own, tells) = (Arc::clone(&framework), args.tells.clone());
    let mut screen = Screen::new(
        args.layout,
        lock,
        !args.swipe_only,
        move |said| own.lock().unwrap().answer(said),
        move |locked, since_boot| {
            if let Some(folder) = &tells {
                tell(folder, locked, since_boot).unwrap();
            }
        },
    );
    screen.failures = args.failures;
    screen.throttle = Duration::from_secs(args.throttle);
    let screen = Arc::new(Mutex::new(screen));
    let _adbd = match args.no_adb {
        true => None,
        false => Some(adbd(args.open, &framework, &screen)?),
    };
    if let Some(folder) = &args.tells {
        listen_to_input(folder.join("input"), Arc::clone(&screen));
    }
    let seen = Arc::new(Mutex::new(Seen::default()));
    loop {
        let mut functions: Vec<Box<dyn Function>> = vec![Box::new(Accessory::new(
            Arc::clone(&screen),
            Arc::clone(&seen),
            args.trouble,
        ))];
        match args.no_adb {
            true => functions.push(Box::new(Mtp)),
            false => {
                let daemon = DAEMON.parse().unwrap();
                functions.push(Box::new(Adb::new(daemon, Speed::High, Faults::default())));
            }
        }
        let identity = Identity {
            vendor: 0x18d1,
            product: 0x4ee7,
            manufacturer: "Google".to_owned(),
            model: "Pixel 7a".to_owned(),
            serial: Some(args.serial.clone()),
        };
        let port = Port::plug(Device::new(identity, Speed::High, functions), Speed::High)?;
        println!("plugged in");
        port.wait();
        println!("unplugged");
        std::thread::sleep(Duration::from_millis(700));
    }
}

fn tell(folder: &std::path::Path, locked: bool, since_boot: bool) -> std::io::Result<()> {
    let properties = format!(
        "[ro.crypto.type]: [file]\n[sys.user.0.ce_available]: [{}]\n",
        if since_boot { "" } else { "true" }
    );
    let trust = format!(
        " User \"a\" (id=0) (current): trusted=0, deviceLocked={}\n",
        u8::from(locked)
    );
    for (name, text) in [("getprop", properties), ("dumpsys", trust)] {
        let new = folder.join(format!("{name}.new"));
        std::fs::write(&new, text)?;
        std::fs::rename(new, folder.join(name))?;
    }
    Ok(())
}

/// The phone's `input` writes its words into a file, a call a line; here they become keys.
fn listen_to_input(file: PathBuf, screen: Arc<Mutex<Screen>>) {
    std::thread::spawn(move || {
        let mut done = 0;
        loop {
            let text = std::fs::read_to_string(&file).unwrap_or_default();
            for line in text.lines().skip(done) {
                done += 1;
                let words: Vec<_> = line.split(' ').collect();
                let press = |code| {
                    let happened = super::linux_input::Happened {
                        kind: 1,
                        code,
                        value: 1,
                    };
                    screen.lock().unwrap().happened(happened);
                };
                match words.as_slice() {
                    ["keyevent", "224"] => press(143),
                    ["keyevent", "82"] => press(57),
                    ["keyevent", "66"] => press(28),
                    ["text", text] => text.bytes().for_each(|byte| match byte {
                        b'0' => press(11),
                        digit => press(u16::from(digit - b'0') + 1),
                    }),
                    other => println!("input: {} unknown words", other.len()),
                }
            }
            std::thread::sleep(Duration::from_millis(50));
        }
    });
}

/// The daemon, and the framework behind its socket.
struct Daemon(Child);

impl Drop for Daemon {
    fn drop(&mut self) {
        let _ = self.0.kill();
    }
}

fn adbd(
    open: bool,
    framework: &Arc<Mutex<Framework>>,
    screen: &Arc<Mutex<Screen>>,
) -> std::io::Result<Daemon> {
    std::fs::create_dir_all("/dev/socket")?;
    std::fs::create_dir_all("/data/misc/adb")?;
    for stale in [SOCKET, KEYS] {
        let _ = std::fs::remove_file(stale);
    }
    // As init does it: the daemon listens on it itself. Not closed in what is started.
    let control = rustix::net::socket(AddressFamily::UNIX, SocketType::SEQPACKET, None)?;
    rustix::net::bind(&control, &SocketAddrUnix::new(SOCKET)?)?;
    let secure = if open { 0 } else { 1 };
    std::fs::write(
        "/run/touch.props",
        format!("ro.adb.secure={secure}\nservice.adb.listen_addrs=tcp:localhost:5598\n"),
    )?;
    let bench = std::env::var("BENCH").map_err(std::io::Error::other)?;
    let log = std::fs::File::create("/io/adbd-touch.txt")?;
    // It ends with the phone, however that ends.
    let child = Command::new("setpriv")
        .args(["--pdeathsig", "KILL"])
        .arg(format!("{bench}/adbd"))
        .env("ADBD_PROPS", "/run/touch.props")
        .env("ANDROID_SOCKET_adbd", control.as_raw_fd().to_string())
        .stdout(log.try_clone()?)
        .stderr(log)
        .spawn()?;
    let daemon = Daemon(child);
    let end = Instant::now() + Duration::from_secs(20);
    while std::net::TcpStream::connect(DAEMON).is_err() {
        if Instant::now() > end {
            return Err(std::io::Error::other("adbd does not answer"));
        }
        std::thread::sleep(Duration::from_millis(50));
    }
    if !open {
        let (framework, screen) = (Arc::clone(framework), Arc::clone(screen));
        std::thread::spawn(move || stand_behind(&framework, &screen));
    }
    Ok(daemon)
}

/// Hears which keys are offered, and lets the display ask.
fn stand_behind(framework: &Mutex<Framework>, screen: &Mutex<Screen>) {
    loop {
        let dial = || -> rustix::io::Result<OwnedFd> {
            let socket = rustix::net::socket_with(
                AddressFamily::UNIX,
                SocketType::SEQPACKET,
                rustix::net::SocketFlags::CLOEXEC,
                None,
            )?;
            rustix::net::connect(&socket, &SocketAddrUnix::new(SOCKET)?)?;
            Ok(socket)
        };
        let Ok(socket) = dial() else {
            std::thread::sleep(Duration::from_millis(50));
            continue;
        };
        let reader = rustix::io::fcntl_dupfd_cloexec(&socket, 0).unwrap();
        framework.lock().unwrap().socket = Some(socket);
        let mut buffer = vec![0; 4096];
        loop {
            let read = rustix::net::recv(&reader, &mut buffer[..], RecvFlags::empty());
            let bytes = match read {
                Ok((_, bytes)) if bytes > 0 => bytes,
                _ => break,
            };
            if let Some(key) = buffer[..bytes].strip_prefix(b"PK") {
                let key = key.split(|byte| *byte == 0).next().unwrap_or_default();
                framework.lock().unwrap().key = key.to_vec();
                screen.lock().unwrap().ask();
            }
        }
    }
}
