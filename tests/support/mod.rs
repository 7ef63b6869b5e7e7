//! What several test programs stand on.
#![allow(dead_code, reason = "each program uses a part of it")]

pub(crate) mod choices;
pub(crate) mod desk;
pub(crate) mod display;
pub(crate) mod http;
pub(crate) mod made;
pub(crate) mod ports;
pub(crate) mod wait;
