//! From a phone and a rescue folder to every wanted item in the folder, or its reason.
//!
//! ```text
//! enumerate (what is there) -> plan (what to do, most precious first) -> transfer + verify, beside
//! each other -> what failed once more, alone -> outcome
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
