//! Brings every wanted item of a phone into a rescue folder, or records its reason.
//!
//! ```text
//! enumerate (what exists) -> plan (what to do, most important first)
//!     -> rounds of transfer and verification -> retry the failed items, alone -> salvage -> outcome
//! ```
//!
//! A round, with who sends what to whom:
//!
//! ```text
//!              phone
//!        bytes |   ^ | hashes
//!              v   | v
//!   worker (4 tasks)         verifier (task)
//!      |   |                   ^       |   \
//!      |   | ToWriter     News |       |    \ Setback
//!      |   v                   |       |     \
//!      |  writer (4 threads) --+       |      \
//!      |   |                           |       \
//!      |   | Finished, Resumed, Failed | Proven \
//!      |   v                           v         v
//!      |  keeper (thread): commits  <------- session: settles the setbacks when the round has ended
//!      |  groups, records, reports    Wrong, Damaged, Failed, Unprovable, Salvaged, Replan, Barrier
//!      |                                         ^
//!      +------------------- Setback -------------+
//! ```
//!
//! `session::round` starts all of these for one round. The workers take their tasks from one `queue`, in the order of
//! the plan; between two rounds the session decides what is tried again and whether the run gets further.
//!
//! Who may be late:
//!
//! * The **disk**: the keeper's queue and each writer's are bounded. A keeper that is behind makes the writers wait,
//!   a writer its worker, and a worker the phone. Nothing else slows the phone down.
//! * The **verifier** is never waited for while files arrive. What it has not proven when the phone goes away is in
//!   `unproven` and is asked again in the next round; the round ends when the verifier does.
//! * A **proof** may be there before its file is committed. The keeper holds it until then (`keeper::ledger`).
//! * A **setback** is decided between two rounds, when nobody writes: that is when a received part may leave `.partial/`.

pub(crate) mod enumerate;
pub(crate) mod items;
mod keeper;
pub(crate) mod likeness;
pub(crate) mod plan;
mod queue;
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
