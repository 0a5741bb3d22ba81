//! The child's half of a plan: what a container's first process does to itself before it becomes the user's program.
//!
//! A plan is a flat list. The runtime compiles it from `config.json`, keeps the entries that are its own, and hands the
//! whole list to a tiny static program, which walks the rest: [`main`] decodes ([`wire`]), performs step after step
//! ([`step`]), notes each in a page shared with the runtime ([`report`]), and takes turns with the runtime when the
//! performer changes ([`turn`]). The last step is execve(2).
//!
//! Nothing here allocates, logs or knows JSON. The step types are also what the runtime's planner produces, so the
//! planner, the golden tests and init speak of the same things.
#![cfg_attr(
    not(test),
    deny(clippy::disallowed_methods, clippy::let_underscore_must_use)
)]
#![cfg_attr(not(test), no_std)]

mod apart;
mod copy;
#[cfg(any(test, fuzzing))]
pub mod fuzzing;
pub mod inside;
pub mod passwd;
mod refused;
pub mod report;
pub mod slots;
pub mod step;
pub mod turn;
mod walk;
pub mod wire;

pub use report::{Report, Seen};
pub use slots::Slot;
pub use step::{ChildStep, Context, Step};
pub use walk::{BAD_PLAN, FAILED, PANICKED, main};
pub use wire::{Span, StringTable, Strings};
