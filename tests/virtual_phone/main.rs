//! The real program against the built-in phone: every fault, hostile names, interruptions, and
//! what a folder may be. Needs nothing outside this project.

#![cfg(feature = "virtual-phone")]
#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a test fails by a panic"
)]

mod album;
mod altered;
mod android_4;
mod bench;
mod changes;
mod desk;
mod doctor;
mod faults;
mod folders;
mod guide;
mod home;
mod interruptions;
mod job;
mod listings;
mod manners;
mod names;
mod odd;
mod page;
mod places;
mod questions;
mod screen;
mod selection;
mod served;
mod server;
mod stranger;
#[path = "../support/mod.rs"]
mod support;
mod terminal;
mod trust;
mod twins;
mod uploads;
mod wire;
mod words;
