//! The states in which a phone, its cable or this computer can be: what each means and what to do
//! next. One entry a state; the doctor, failing commands and docs/phone-states.md all show these words.

use std::io::ErrorKind;

use crate::adb::server::DeviceState;
use crate::error::Kind;
use crate::hint::{Clause, Hint};
use crate::phone::PhoneError;
use crate::phone::error::LinkError;
use crate::phone::keys::KeysError;

/// What is known about one state.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize)]
pub struct Diagnosis {
    /// Its name, a contract for programs.
    pub state: &'static str,
    /// The kind of failure that it is for a command; `None` where a phone can be read all the same.
    #[serde(skip)]
    pub kind: Option<Kind>,
    /// What it means, one sentence.
    pub meaning: &'static str,
    /// The one next step.
    #[serde(skip)]
    next: &'static [Clause],
    /// What else can be tried, the most likely first.
    pub alternatives: &'static [&'static str],
}

impl Diagnosis {
    /// The one next step; whoever reports the state adds what chooses the phone.
    pub fn next(self) -> Hint {
        self.next.into()
    }
}

/// A sentence for everybody, or clauses.
macro_rules! clauses {
    ($words:literal) => {
        &[Said($words)]
    };
    ([$($clause:expr),* $(,)?]) => {
        &[$($clause),*]
    };
}

macro_rules! states {
    ($($name:ident: $kind:expr, $meaning:literal, $next:tt, [$($alternative:literal),* $(,)?];)*) => {
        $(
            #[doc = $meaning]
            pub const $name: Diagnosis = Diagnosis {
                state: stringify!($name),
                kind: $kind,
                meaning: $meaning,
                next: clauses!($next),
                alternatives: &[$($alternative),*],
            };
        )*
        /// Every state, from the cable inwards.
        pub const ALL: &[Diagnosis] = &[$($name),*];
    };
}

#[allow(
    non_upper_case_globals,
    reason = "a state's name in JSON and its name here are one word"
)]
mod table {
    use super::{Diagnosis, Kind};
    use crate::hint::Clause::{ByCommand, Pull, Said, With};
    use crate::hint::{Flag, run_pull};

    states! {
        nothing_on_usb: Some(Kind::NoPhone),
            "no phone shows on USB: many cables only charge, and a port, a hub or a phone that is off look the same from here",
            "try another cable, one that has carried files before",
            ["plug it straight into the computer, without a hub, and into another port",
             "check that the phone is on: it vibrates or rings when called, or gets warm while charging",
             "clean the phone's socket; a bent pin charges but carries no data"];
        only_charging: Some(Kind::PhoneNotReady),
            "a device of a phone maker is on USB and offers no data: USB debugging is off, or the phone is set to charge only",
            "unlock the phone and switch USB debugging on: Settings, About phone (Samsung: then Software information), tap 'Build number' seven times; then look for 'USB debugging' in the settings' search",
            ["unlocking it may be enough: some phones show nothing while locked (Samsung's Auto Blocker, Advanced Protection)",
             "try another cable or port: a charge-only cable looks the same from here",
             "with a dead touch screen, control it over this cable: `rescue keys --recipe aosp-debugging` (for Samsung samsung-debugging, for Xiaomi xiaomi-debugging)",
             "use a mouse on a USB-C adapter"];
        no_debugging: Some(Kind::PhoneNotReady),
            "the phone offers files, pictures or a network over USB, but USB debugging is off",
            "unlock the phone and switch USB debugging on: Settings, About phone (Samsung: then Software information), tap 'Build number' seven times; then look for 'USB debugging' in the settings' search",
            ["choose 'File transfer' on the unlocked phone and copy what its folders show in a file manager",
             "with a dead touch screen, control it over this cable: `rescue keys --recipe aosp-debugging` (for Samsung samsung-debugging, for Xiaomi xiaomi-debugging)",
             "use a mouse on a USB-C adapter"];
        no_permission: Some(Kind::NoUsbPermission),
            "the phone is on USB and offers debugging, but this user may not open it",
            "run `rescue doctor --install-udev-rules`, then unplug the phone and plug it in again",
            ["`rescue doctor --print-udev-rules` shows the rules, to be put in place by hand",
             "when not logged in at this computer's own screen (ssh), a rule with GROUP is needed instead"];
        busy: Some(Kind::PhoneNotReady),
            "another program has the phone's debugging interface open",
            [Said("end that program, or start its adb server where this user reaches it"), ByCommand(", and run the command again")],
            ["`adb kill-server` ends an adb server", "an adb server of another user cannot be seen from here"];
        no_driver: Some(Kind::PhoneNotReady),
            "the phone is on USB and offers debugging, but Windows has no WinUSB driver for its debugging interface",
            "install the USB driver of the phone's maker, or Google's (developer.android.com/studio/run/win-usb), unplug the phone and plug it in again",
            ["in the Device Manager, update the driver of the phone's 'ADB Interface' from the list: 'WinUSB Device'",
             "start an adb server: `adb start-server`; rescue goes through it",
             "Linux needs no driver: a live system from a USB stick will do"];
        same_serial: Some(Kind::SeveralPhones),
            "more than one phone has this serial number, so the serial number does not choose one",
            [Said("choose one by its place, which `rescue devices` shows"), Pull {
                before: ": ",
                example: " --serial usb:1-2",
                rest: " -o FOLDER",
                behind: ", each into a folder of its own",
            }],
            ["unplug all but one of them, and run the command again"];
        unauthorized: Some(Kind::Unauthorized),
            "the phone has not allowed this computer's key",
            [run_pull(" and "),
             Said("unlock the phone; it asks 'Allow USB debugging?': tick 'Always allow from this computer' and tap 'Allow'"),
             ByCommand(" (with a dead touch screen: `rescue authorize`)")],
            ["if no question appears: unplug, revoke USB debugging authorizations in its developer options, plug in again",
             "a mouse on a USB-C adapter can tap, too",
             "on another computer that the phone allows, copy ~/.android/adbkey and name it here with --key"];
        key_expired: Some(Kind::Unauthorized),
            "the phone allowed this computer's key before and asks again: a key unused for 7 days expires",
            [run_pull(" and "),
             Said("unlock the phone; it asks 'Allow USB debugging?': tick 'Always allow from this computer' and tap 'Allow'"),
             ByCommand(" (with a dead touch screen: `rescue authorize`)")],
            ["if no question appears: unplug, revoke USB debugging authorizations in its developer options, plug in again",
             "a mouse on a USB-C adapter can tap, too",
             "keep it from happening again: 'Disable adb authorization timeout' in its developer options"];
        key_unreadable: Some(Kind::Key),
            "this computer's key file cannot be read or created, so no phone can recognise this computer",
            [Said(match cfg!(windows) {
                true => "give this user the right to read the key file that is named: Properties, Security",
                false => "make the key file readable for this user: `sudo chown \"$USER\" ~/.android ~/.android/adbkey*` (an adb started with sudo leaves it to root)",
            })],
            ["use another key that the phone allows: --key FILE",
             "if there is no home folder, set HOME"];
        key_damaged: Some(Kind::Key),
            "this computer's key file holds no usable key",
            [Said("rename the key file"), ByCommand(" and run the command again"),
             Said(": a new key is made, and the phone asks 'Allow USB debugging?' once more")],
            ["use a copy of the old key, or another key that the phone allows: --key FILE",
             "with a dead touch screen, `rescue authorize` answers the question"];
        offline: Some(Kind::PhoneNotReady),
            "the phone is seen but does not answer",
            "unplug the phone, plug it in again, and unlock it",
            ["try another cable or port", "restart the adb server: `adb kill-server`, then `adb start-server`"];
        bad_address: Some(Kind::Usage),
            "this is not a phone's address: an address is HOST or HOST:PORT",
            [Said("give the phone's IP address and port"), With(Flag::Tcp, ", as in --tcp 192.168.1.7:5555")],
            ["the phone shows both: Settings, Developer options, Wireless debugging",
             "a phone on the cable needs no address: leave --tcp out"];
        unknown_host: Some(Kind::NoPhone),
            "this computer finds no host of that name",
            [Said("give the phone's IP address instead of a name"), With(Flag::Tcp, ", as in --tcp 192.168.1.7:5555")],
            ["the phone shows it: Settings, About phone, Status (or Wireless debugging, in the developer options)",
             "check that this computer has a network connection"];
        nothing_listens: Some(Kind::NoPhone),
            "the machine at this address is on, but no program accepts connections at that port",
            "check that it is the phone's address, and make the phone listen: with the cable plugged in, `adb tcpip 5555`",
            ["wireless debugging chooses another port each time it is switched on, and needs an adb server: `rescue connect HOST:PORT --pair CODE`",
             "a phone that was restarted no longer listens"];
        no_answer: Some(Kind::NoPhone),
            "nothing answers at the address",
            "check that the phone is on and in the same network as this computer",
            ["a guest network, or mobile data on the phone, keeps the two apart",
             "plug the phone in and leave --tcp out"];
        no_adb: Some(Kind::NoPhone),
            "the answer there does not come from a phone's ADB daemon",
            "check that the address and the port are those of the phone",
            ["wireless debugging needs an adb server: `rescue connect HOST:PORT --pair CODE`, then leave --tcp out"];
        wireless: Some(Kind::PhoneTalksNonsense),
            "this is the phone's port for wireless debugging, which is encrypted",
            [Said("pair with it through an adb server: `rescue connect HOST:PORT --pair CODE`"),
             With(Flag::Tcp, "; then leave --tcp out")],
            ["with the cable plugged in, `adb tcpip 5555` makes the phone listen without encryption"];
        authorizing: Some(Kind::PhoneNotReady),
            "the phone is being contacted; this passes by itself",
            [Said("wait some seconds"), ByCommand(" and run the command again")],
            ["unlock the phone: it may ask 'Allow USB debugging?'"];
        detached: Some(Kind::PhoneNotReady),
            "the adb server has released the phone and reports nothing else about it",
            "let the server take it back: `adb attach`",
            ["stop the server, so that this program can talk to the phone itself: `adb kill-server`"];
        unknown_state: Some(Kind::PhoneNotReady),
            "the phone is in a state that this program does not know",
            "unplug the phone, unlock it, and plug it in again",
            ["report the word in brackets: a newer adb or phone may have added it",
             "do not restart a phone that you cannot unlock: its storage would stay encrypted until its PIN is entered"];
        recovery: Some(Kind::PhoneNotReady),
            "the phone is in recovery, where its storage is not open",
            "choose 'Reboot system now': the volume keys move, the power button chooses",
            ["with a broken screen, hold the power button for 20 seconds: the phone starts again",
             "once started, it needs its PIN before it shows files (with a dead touch screen: `rescue unlock`)"];
        sideload: Some(Kind::PhoneNotReady),
            "the phone is waiting for an update over the cable (sideload) and shows no files",
            "choose 'Reboot system now': the volume keys move, the power button chooses",
            ["with a broken screen, hold the power button for 20 seconds: the phone starts again",
             "once started, it needs its PIN before it shows files (with a dead touch screen: `rescue unlock`)"];
        fastboot: Some(Kind::PhoneNotReady),
            "the phone is in its bootloader (fastboot), where it shows no files",
            "choose 'Start' or 'Reboot': the volume keys move, the power button chooses",
            ["`fastboot reboot` of platform-tools starts it too",
             "once started, it needs its PIN before it shows files (with a dead touch screen: `rescue unlock`)",
             "never unlock the bootloader: that erases the phone"];
        emergency: Some(Kind::PhoneNotReady),
            "the phone's chip waits in its emergency mode: the phone has not started",
            "hold the power button for 20 seconds, with the cable plugged in",
            ["a phone that returns to this mode needs a repair shop; never flash anything if you want the files"];
        locked_since_boot: Some(Kind::Locked),
            "the phone has not been unlocked since it started: its storage is still encrypted",
            [Said("unlock the phone once with its PIN"), ByCommand(" (with a dead touch screen: `rescue unlock`)"),
             Said("; do not restart it")],
            ["a USB keyboard on an adapter can type the PIN, too"];
        storage_missing: Some(Kind::PhoneNotReady),
            "the phone answers, but its shared storage cannot be listed",
            [Said("unlock the phone, wait a minute"), ByCommand(", and run the command again")],
            ["`--root PATH` takes other folders, as in /data/media/0 of a phone with a root shell"];
        screen_locked: None,
            "the phone's screen is locked, but its files can still be read",
            [run_pull("; "),
             Said("do not restart the phone, or its storage is encrypted until its PIN is entered")],
            ["a locked phone may stop answering after a time or restart by itself after three days: do not wait"];
        card_unreadable: None,
            "the phone has a memory card that it cannot read",
            "take the card out and read it in this computer's card reader",
            ["take the card out, put it in again and run `rescue doctor`",
             "do not let the phone format it"];
        low_battery: None,
            "the phone's battery is low, and a pull may outlast it",
            "leave it on the cable for an hour first, or use a port that gives more power",
            ["or pull now: pulled files stay, and the next run resumes"];
        disk_nearly_full: None,
            "this computer's disk has little room left here",
            [Said("make room, or choose another disk"), With(Flag::Output, " with -o")],
            ["`rescue pull --photos` takes the photos first"];
        hung: Some(Kind::PhoneGone),
            "the phone accepts the connection but does not answer",
            [Said("unplug the phone, plug it in again"), ByCommand(" and run the same command")],
            ["switch USB debugging off and on in its developer options"];
        server_trouble: Some(Kind::AdbServer),
            "the adb server does not answer as an adb server should",
            "restart the adb server: `adb kill-server`, then `adb start-server`",
            ["check ADB_SERVER_SOCKET and ANDROID_ADB_SERVER_PORT"];
        ready: None,
            "the phone answers and can be read",
            [run_pull("")],
            [];
    }
}

pub use table::*;

/// The state that a failure to connect tells of, where it tells of one.
pub fn of_error(error: &PhoneError) -> Option<Diagnosis> {
    Some(match error {
        PhoneError::NotReady { state, .. } => of_device(state),
        PhoneError::Unauthorized { .. } => unauthorized,
        PhoneError::Locked => locked_since_boot,
        PhoneError::NoPhone => nothing_on_usb,
        PhoneError::Idle { .. } | PhoneError::Silent { .. } => hung,
        PhoneError::NotAServer { .. } | PhoneError::ServerRefused { .. } => server_trouble,
        PhoneError::Keys(error) => of_keys(error),
        PhoneError::SameSerial { .. } => same_serial,
        _ => return None,
    })
}

/// The state that a failure to connect to an address (`--tcp`) tells of, where it is one of the address.
pub fn of_address(error: &PhoneError) -> Option<Diagnosis> {
    Some(match error {
        PhoneError::BadAddress { .. } => bad_address,
        PhoneError::UnknownHost { .. } => unknown_host,
        PhoneError::Unreachable { source, .. } => match source.kind() {
            ErrorKind::ConnectionRefused => nothing_listens,
            _ => no_answer,
        },
        PhoneError::NotAPhone { .. } => no_adb,
        PhoneError::Lost(link) => match **link {
            LinkError::Protocol(_) if link.wants_tls() => wireless,
            LinkError::Protocol(_) => no_adb,
            _ => return None,
        },
        _ => return None,
    })
}

/// The state that a failure to read keys is.
pub fn of_keys(error: &KeysError) -> Diagnosis {
    match error {
        KeysError::File { source, .. } if source.kind() == ErrorKind::InvalidData => key_damaged,
        KeysError::File { .. } | KeysError::NoHome { .. } => key_unreadable,
        KeysError::Content { .. } => key_damaged,
    }
}

/// The state that a route reports; one that is to be asked first counts as ready.
pub fn of_device(state: &DeviceState) -> Diagnosis {
    match state {
        DeviceState::Device | DeviceState::Attached => ready,
        DeviceState::Connecting | DeviceState::Authorizing => authorizing,
        DeviceState::Unauthorized => unauthorized,
        DeviceState::Recovery => recovery,
        DeviceState::Sideload | DeviceState::Rescue => sideload,
        DeviceState::Bootloader => fastboot,
        DeviceState::NoPermissions(_) => no_permission,
        DeviceState::Busy(_) => busy,
        DeviceState::NoDriver(_) => no_driver,
        DeviceState::Other(word) if word == "recovery" => recovery,
        DeviceState::Other(word) if word == "sideload" || word == "rescue" => sideload,
        DeviceState::Other(word) if word == "bootloader" => fastboot,
        DeviceState::Offline => offline,
        DeviceState::Detached => detached,
        DeviceState::Host | DeviceState::Other(_) => unknown_state,
    }
}

/// The table of docs/phone-states.md.
pub fn as_markdown() -> String {
    let rows = ALL.iter().map(|state| {
        format!(
            "| `{}` | {} | {} |\n",
            state.state,
            state.meaning,
            state.next()
        )
    });
    format!(
        "| state | what it means | next step |\n| --- | --- | --- |\n{}",
        rows.collect::<String>()
    )
}

// Windows has other words in places.
#[cfg(all(test, unix))]
mod tests {
    use super::*;

    #[test]
    fn docs_show_every_state_in_these_words() {
        let page = include_str!("../../docs/phone-states.md");
        assert!(
            page.contains(&as_markdown()),
            "docs/phone-states.md lacks:\n{}",
            as_markdown()
        );
    }
}
