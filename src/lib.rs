//! `rescue` gets a person's photos, videos and other media off an Android phone whose screen is
//! broken, proves that every byte arrived, and leaves a folder that needs no `rescue` to read.
//!
//! # The rooms, in the order that data passes through them
//!
//! ```text
//! discover -> connect + authorise -> enumerate -> plan -> transfer -> verify -> catalogue -> export, upload -> report
//! ```
//!
//! Each step depends only on those before it, takes values and returns values, and emits
//! [`event::Event`]s. Only [`commands`] joins steps. Only [`ui`] prints.
//!
//! | room | what goes in | what comes out |
//! | --- | --- | --- |
//! | [`adb`] | bytes from a peer | protocol events, bytes for the peer; no I/O, no clock |
//! | [`phone`] | a route to a phone | the phone's folders, files, hashes and answers |
//! | [`names`] | a phone's raw path bytes | a safe path on this disk |
//! | [`media`] | a name, first bytes, a person's choice | what a file is, and whether it is wanted |
//! | [`folder`] | finished files and facts about them | the rescue folder: catalogue, bag, commits |
//! | [`pull`] | a phone and a folder | every wanted item in the folder, or its reason |
//! | [`export`] | a rescue folder and a wish | an archive that anyone can open, check and look at |
//! | [`upload`] | files of a folder and a remote | a receipt for each, or its reason |
//! | [`screen`] | a phone, and a browser on this computer | what the phone shows; taps, swipes and text for it |
//! | [`guide`] | a failure, a phone's state or a person's answer | its name, what it means, the next step |
//! | [`ui`] | events and errors | words on a terminal, or JSON lines |
//! | [`commands`] | a parsed command line | an exit code |
//! | `fuzz` | any bytes, to every reader of foreign ones | nothing, or a panic: a bug |
//! | `virtual_phone` | a description of a phone | the device side of ADB, for `rescue demo` and tests |
//!
//! Imports run one way: `commands` -> (`pull`, `export`, `upload`, `screen`, `guide`) -> (`folder`, `phone`) -> `adb`.
//! No two files import each other, by whatever way around. `tests/house.rs` holds all of this.
//!
//! # What holds everywhere
//!
//! * A phone is untrusted: names, lengths and data are bounded and checked before use.
//! * A file stands under its real name only when its bytes are synced to disk; it counts as
//!   *verified* only when its SHA-256 equals the phone's own.
//! * Towards the phone everything is read-only; keys are pressed only by `unlock`, `authorize` and
//!   `keys`, for its owner and with the owner's PIN.
//!
//! # Systems
//!
//! The tests run on Linux, the unit tests also as a Windows program under Wine, and nothing ran on macOS yet.
//! What only some systems have stands behind `cfg`, with the reason and
//! what the others do instead, in few places: `folder::disk::system` (files), `home` (the program's own
//! files), `ui::terminal` (keyboard, colours), `commands` (signals), `phone::usb` and `phone::accessory` (the
//! bus), `pull::keeper` (the limit of open files), `upload::keyring` (secrets), `main` (the allocator); a line or two also in `phone::keys`, `phone::server`
//! and some commands. `tests/platforms/check` compiles the sources for Windows and reads them as macOS
//! chooses among them.

pub mod adb;
pub mod cli;
pub mod commands;
pub mod digest;
pub mod error;
pub mod event;
pub mod export;
pub mod folder;
#[doc(hidden)]
pub mod fuzz;
pub mod guide;
pub mod halt;
mod home;
pub mod item;
mod json;
pub mod media;
pub mod names;
pub mod phone;
pub mod pull;
pub mod screen;
pub mod threads;
pub mod ui;
pub mod upload;
#[cfg(feature = "virtual-phone")]
pub mod virtual_phone;
