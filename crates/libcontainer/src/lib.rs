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
//! let store = Store::open("/run/example");
//!
//! // Everything is made; the program waits.
//! let container = Container::create(&store, "web", &bundle, &CreateOptions::default())?;
//! println!("created as process {}", container.state()?.pid);
//!
//! // Now it runs. Its end is seen at a pidfd, which any event loop can wait for.
//! container.start()?;
//! let process = container.process()?;
//! if let Some(exit) = process.wait()? {
//!     println!("ended with status {}", exit.shell_status());
//! }
//!
//! Container::delete(&store, "web", false)?;
//! # Ok(())
//! # }
//! ```
//!
//! # In programs with threads
//! Every function may be called from any thread, also at the same time. Nothing forks the caller: the child is started
//! as posix_spawn(3) does it, sharing the caller's memory only until init runs, so neither the caller's size nor its
//! threads matter. No signal handlers are installed. The environment is read for three things: PATH by newuidmap(1)
//! and newgidmap(1), XDG_RUNTIME_DIR and DBUS_SESSION_BUS_ADDRESS by cgroups of a user's systemd, and what hooks inherit.
//! Only [`run`] and [`end_hooks_on_signals`], which are made for command lines, change the signal mask of the thread that waits.

mod bundle;
mod check;
mod container;
mod error;
mod foreground;
mod hint;
pub mod host;
mod notify;
mod perform;
pub mod plan;
mod resctrl;
mod state;
pub mod timings;

pub use bundle::Bundle;
pub use cgroups;
pub use check::{Finding, Verdict, check};
pub use container::{
    Container, CreateOptions, Event, ExecRequest, Found, GcOptions, Leftover, Outcome, Part,
    Process, RunOptions, StateReport, exec, features, gc, plan_of, run, seccomp_text,
};
pub use error::Error;
pub use kernel::process::Exit;
pub use perform::end_hooks_on_signals;
pub use resctrl::ResctrlShares;
pub use state::{Record, Status, Store, Waiter};
