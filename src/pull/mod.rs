//! From a phone and a rescue folder to every wanted item in the folder, or its reason.
//!
//! ```text
//! enumerate (what is there) -> plan (what to do, most precious first) -> transfer + verify, beside
//! each other -> what failed once more, alone -> outcome
//! ```

pub mod enumerate;
pub mod halt;
pub mod items;
mod keeper;
pub mod kind;
pub(crate) mod likeness;
pub mod plan;
pub mod reconnect;
mod salvage;
pub mod selection;
pub mod session;
mod transfer;
mod verify;
mod window;
mod writer;

pub use verify::{Method, method_of};
