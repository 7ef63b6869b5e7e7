//! Brings every wanted item of a phone into a rescue folder, or records its reason.
//!
//! ```text
//! enumerate (what exists) -> plan (what to do, most important first)
//!     -> transfer + verify, side by side -> retry the failed items, alone -> outcome
//! ```

pub mod enumerate;
pub mod items;
mod keeper;
pub(crate) mod likeness;
pub mod plan;
mod reasons;
pub mod reconnect;
mod salvage;
pub mod session;
pub mod task;
mod transfer;
mod unproven;
mod verify;
mod window;
mod writer;

pub use unproven::Method;
pub use verify::method_of;
