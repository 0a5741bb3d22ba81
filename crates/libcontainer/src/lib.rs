//! Containers from OCI bundles: create, start, run, kill and delete them.
//!
//! `config.json` is compiled to a [`plan`]: a flat list of steps that can be read, checked and tested without touching
//! the system. The runtime (this library) and a tiny `init` program walk the list together; the last step is the user's
//! program.
//!
//! ```no_run
//! use libcontainer::{Bundle, Container, CreateOptions, Store};
//!
//! # fn main() -> Result<(), libcontainer::Error> {
//! // A directory with `config.json` and a root file system, and a directory for the containers' state.
//! let bundle = Bundle::load("/var/lib/bundles/web")?;
//! let store = Store::open("/run/example")?;
//!
//! // Everything is made; the program waits.
//! let created = Container::create(&store, "web", &bundle, CreateOptions::default())?;
//! println!("created as process {}", created.process.pid());
//!
//! // Now it runs. Its end is seen at a pidfd, which any event loop can wait for.
//! created.container.start()?;
//! let exit = created.process.wait()?;
//! println!("ended: {exit:?}");
//!
//! created.container.remove(false)?;
//! # Ok(())
//! # }
//! ```
//!
//! # In programs with threads
//! Every function may be called from any thread, also at the same time. Nothing forks the caller: the child is started
//! as posix_spawn(3) does it, sharing the caller's memory only until init runs, so neither the caller's size nor its
//! threads matter. No signal handlers are installed, no signal mask is changed, nothing is printed, no process is waited
//! for that the library has not started, and the environment is not read: what is to be known of it, the caller says
//! ([`Store::with_environment`]).

#![deny(clippy::disallowed_macros)]

mod bundle;
mod check;
mod container;
mod criu;
mod environment;
mod error;
mod hint;
pub mod host;
mod interrupt;
mod notify;
mod perform;
pub mod plan;
mod process;
mod resctrl;
mod state;
mod streams;
mod terminal;
pub mod timings;
mod warning;

pub use bundle::Bundle;
pub use cgroups;
pub use check::{Finding, Verdict, check};
pub use container::{
    CgroupMode, CheckpointOptions, Container, CreateOptions, Created, Event, ExecRequest, Found,
    GcOptions, Leftover, Outcome, Part, ProcessSource, RestoreOptions, StateReport, features, gc,
    plan_of, seccomp_text,
};
pub use error::Error;
pub use interrupt::Interrupt;
pub use notify::Readiness;
pub use process::{Exit, Process};
pub use resctrl::ResctrlShares;
pub use state::{Record, Status, Store, Waiter};
pub use streams::{Stdio, Streams};
pub use terminal::{Console, Terminal, TerminalSize};
pub use warning::Warning;
