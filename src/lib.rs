//! `rescue` gets a person's photos, videos and other files off an Android phone with a broken screen, proves that
//! every byte arrived, and leaves a folder that needs no `rescue` to read.
//!
//! # The way of the data
//!
//! ```text
//!    the phone: adbd, its storage, its shell                                (untrusted)
//!        |                         ^
//!        | USB, an adb server, TCP | `sha256sum` on the phone's own files
//!        v                         |
//!    phone     discover -> connect + authorise          adb: the protocol, without I/O
//!        |
//!        v
//!    pull      enumerate -> plan -> transfer  ------ bytes, hashed ------> .partial/
//!        |                             |                                      | sync, rename, sync the folder
//!        |                             v                                      v
//!        |                          verify <--- equal hashes? -------------> data/
//!        v                             |                                      |
//!    folder    rescue.db, the manifest <------- recorded only now ------------+
//!        |
//!        +-->  export  plan -> prepare -> pack -> sync -> read back -> rename -> NAME.zip
//!        |
//!        +-->  upload  choose -> queue -> survey -> put -> settle -> receipts in rescue.db
//!
//!    every step emits events -> ui: sentences on a terminal, or JSON lines
//! ```
//!
//! Each step depends only on those before it, takes values, returns values, and emits [`event::Event`]s. Only
//! [`commands`] joins steps. Only [`ui`] prints.
//!
//! # The rooms
//!
//! | room | what goes in | what comes out |
//! | --- | --- | --- |
//! | [`adb`] | bytes from a peer | protocol events, bytes for the peer; no I/O, no clock |
//! | [`phone`] | a route to a phone | the phone's folders, files, hashes and answers |
//! | [`names`] | the raw bytes of a phone's path | a safe path on this disk |
//! | [`media`] | a name, bytes, a person's choice | a file's kind, date and look, a smaller copy, whether it is wanted |
//! | [`folder`] | finished files and facts about them | the rescue folder: catalogue, bag, commits |
//! | [`pull`] | a phone and a folder | every wanted item in the folder, or its reason |
//! | [`export`] | a rescue folder and a wish | an archive that anyone can open, check and look at |
//! | [`upload`] | files of a folder and a remote | a receipt for each, or its reason |
//! | [`guide`] | a failure, a phone's state or a person's answer | its name, its meaning, the next step |
//! | `desk` | what the guide tells and asks, a phone's display, and a browser on this computer | one page, and its answers |
//! | [`ui`] | events and errors | words on a terminal, or JSON lines |
//! | [`commands`] | a parsed command line | an exit code |
//! | `fuzz` | any bytes, for every reader of foreign bytes | nothing, or a panic: a bug |
//! | `virtual_phone` | a description of a phone | the device side of ADB, for `rescue demo` and tests |
//!
//! Imports run one way: `commands` -> (`pull`, `export`, `upload`, `desk`, `guide`) -> (`folder`, `phone`) ->
//! `adb`. No two files import each other, directly or through others. `tests/house.rs` holds all of this.
//!
//! `cargo doc --document-private-items` shows the inner modules of each room as well.
//!
//! # What holds everywhere
//!
//! * A phone is untrusted: names, lengths and data are bounded and checked before use. So are a rescue folder from
//!   somebody else, and the answers of servers.
//! * A file has its real name only after its bytes are synced to disk. It counts as *verified* only when its SHA-256
//!   equals the phone's own.
//! * The phone is only read. Only `unlock`, `authorize` and `keys` press keys, for its owner and with the owner's
//!   PIN.
//!
//! # Systems
//!
//! The tests run on Linux, the unit tests also as a Windows program under Wine; nothing ran on macOS yet. Code for
//! some systems only is behind `cfg`, with the reason and the replacement elsewhere, in a few places:
//! `folder::disk::system` (files), `home` (the program's own files), `ui::terminal` (keyboard, colours),
//! `commands::signals`, `phone::usb` and `phone::accessory` (the bus), `pull::keeper` (the limit of open files),
//! `upload::keyring` (secrets), `main` (the allocator); a line or two also in `phone::keys`, `phone::server` and some
//! commands. `tests/platforms/check` compiles the sources for Windows and checks which code macOS would choose.

pub mod adb;
pub mod cli;
pub mod commands;
mod desk;
pub mod digest;
pub mod error;
pub mod event;
pub mod export;
pub mod folder;
#[doc(hidden)]
pub mod fuzz;
pub mod guide;
pub mod halt;
pub mod hint;
mod home;
pub mod item;
mod json;
pub mod media;
pub mod names;
pub mod phone;
pub mod pull;
pub mod threads;
pub mod ui;
pub mod upload;
#[cfg(feature = "virtual-phone")]
pub mod virtual_phone;
