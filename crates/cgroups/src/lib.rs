//! Control groups for container runtimes: limiting, watching, freezing, killing and removing groups of processes, with
//! one handle for cgroup v1, cgroup v2, hybrid hosts and systemd scopes.
//!
//! ```no_run
//! use std::io::Write;
//! use std::process::{Command, Stdio};
//! use std::time::Duration;
//!
//! use tare_cgroups::{Driver, Group, Host, Place, settings, spec::LinuxResources};
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let host = Host::probe()?;
//! let place = Place::resolve(&host, Driver::Direct, Some("/jobs/build-7"), "build-7", false)?;
//! // Store `place` (it is serde-serializable) before anything is made: it is all that cleaning up after a crash needs.
//! let resources =
//!     LinuxResources::parse(r#"{"memory": {"limit": 268435456}, "pids": {"limit": 100}}"#)?;
//! let mut limits = settings(&resources, &host, &place)?;
//! // What containers may use is not for a build: its device nodes stay as they are.
//! limits.leave_devices();
//!
//! let mut group = Group::create(&place, &limits)?;
//! // The job waits for a line until it is inside, since what it starts before stays outside.
//! let mut job = Command::new("sh")
//!     .args(["-c", "read line && exec make"])
//!     .stdin(Stdio::piped())
//!     .spawn()?;
//! // Or, on v2, start the process in `group.entry()` by CLONE_INTO_CGROUP, which spares it the move.
//! group.place(job.id() as i32)?;
//! group.restrict(&limits)?;
//! let mut watch = group.watch()?;
//! job.stdin.take().map(|mut line| writeln!(line)).transpose()?;
//!
//! while job.try_wait()?.is_none() {
//!     if watch.wait(Duration::from_secs(1))?.oom > 0 {
//!         println!("out of memory");
//!     }
//!     println!("{} bytes in use", group.stats()?.memory.usage.usage);
//! }
//! // What the job has left behind.
//! group.kill(9)?;
//! group.remove()?;
//! # Ok(())
//! # }
//! ```
//!
//! [`Group::update`] changes limits later, [`Group::freeze`] stops everything inside for a while, and [`Group::open`] finds the
//! cgroup again from a stored [`Place`].
#![cfg_attr(
    not(test),
    deny(
        clippy::disallowed_methods,
        clippy::disallowed_macros,
        clippy::let_underscore_must_use
    )
)]

mod annotations;
#[allow(
    clippy::disallowed_methods,
    reason = "values of the config are compiled, nothing is looked at"
)]
mod controller;
#[allow(clippy::disallowed_methods, reason = "as above")]
mod devices;
mod dir;
mod error;
mod frozen;
#[cfg(any(test, fuzzing))]
pub mod fuzzing;
mod group;
mod host;
mod patience;
mod place;
mod setting;
#[allow(
    clippy::disallowed_methods,
    reason = "the files were read; words in them that this version does not know are left out"
)]
pub mod stats;
mod systemd;
mod watch;

pub use controller::{settings, validate};
pub use error::{Error, SettingError};
pub use group::{Group, Seat};
pub use host::{Hierarchy, Host, Version};
pub use kernel::{Errno, Fault};
pub use place::{CgroupMount, Driver, Place};
pub use setting::{Setting, Settings, When};
pub use spec;
pub use stats::Stats;
pub use systemd::{BusError, Session};
pub use watch::{Events, Watch};

#[cfg(doctest)]
#[doc = include_str!("../README.md")]
mod readme {}
