//! Brings every wanted item of a phone into a rescue folder, or records its reason.
//!
//! ```text
//! enumerate (what exists) -> plan (what to do, most important first)
//!     -> transfer + verify, side by side -> retry the failed items, alone -> outcome
//! ```

pub(crate) mod enumerate;
pub(crate) mod items;
mod keeper;
pub(crate) mod likeness;
pub(crate) mod plan;
mod reasons;
pub(crate) mod reconnect;
mod salvage;
pub(crate) mod session;
pub(crate) mod task;
mod transfer;
mod unproven;
mod verify;
mod window;
mod writer;

pub use unproven::Method;
pub use verify::method_of;
