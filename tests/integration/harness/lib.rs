//! What the integration tests are made of: a [`Sandbox`] holds everything that one test makes, a [`Bundle`] is a
//! config.json with a root file system that contains only the probe, and [`Container`] is one that was created.
//!
//! The runtime is the program in the environment variable `TARE_RUNTIME`, or the `tare` of the same build.
//! Tests look at containers from the inside: the probe prints what it sees.

mod bundle;
mod console;
mod container;
mod host;
pub mod need;
pub mod orphans;
mod runner;
mod runtime;
mod sandbox;
mod trace;

pub use bundle::Bundle;
pub use console::{Console, ConsoleSocket};
pub use container::Container;
pub use host::HostState;
pub use runner::{Case, Skip, main};
pub use runtime::{Invocation, Output, Running, slow, wait_until};
pub use sandbox::{Caller, Sandbox};
pub use trace::{CAN_FAIL, Harm, Point, Traced, Whose, trace, with_descendants};

/// Ends the test as skipped; the reason is printed in the list of results.
#[macro_export]
macro_rules! skip {
    ($($reason:tt)+) => { std::panic::panic_any($crate::Skip(format!($($reason)+))) };
}

/// Lists the tests of a module.
#[macro_export]
macro_rules! cases {
    ($($name:ident),+ $(,)?) => {
        pub(crate) const CASES: &[$crate::Case] =
            &[$($crate::Case { name: concat!(module_path!(), "::", stringify!($name)), run: $name }),+];
    };
}
