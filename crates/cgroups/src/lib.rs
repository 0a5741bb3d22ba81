//! Control groups for container runtimes: limiting, watching, freezing, killing and removing groups of processes, with
//! one handle for cgroup v1, cgroup v2, hybrid hosts and systemd scopes.
//!
//! ```no_run
//! use cgroups::{Driver, Group, Host, Place, settings};
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let host = Host::probe()?;
//! let place = Place::resolve(&host, Driver::Direct, Some("/jobs/build-7"), "build-7", false)?;
//! // Store `place` (it is serde-serializable) before anything is made: it is all that cleaning up after a crash needs.
//! let resources: spec::LinuxResources =
//!     serde_json::from_str(r#"{"memory": {"limit": 268435456}, "pids": {"limit": 100}}"#)?;
//! let limits = settings(&resources, &host, &place)?;
//!
//! let mut group = Group::create(&place, &host, &limits)?;
//! let child = std::process::Command::new("make").spawn()?;
//! // Or, on v2, start the process in `group.entry()` by CLONE_INTO_CGROUP, which spares it the move.
//! group.place(child.id() as i32)?;
//! group.restrict(&limits)?;
//!
//! group.kill(9)?;
//! group.remove()?;
//! # Ok(())
//! # }
//! ```

mod controller;
mod device_program;
mod dir;
mod error;
mod frozen;
mod group;
mod host;
mod place;
mod setting;
pub mod stats;
mod systemd;
mod watch;

pub use error::{Error, SettingError};
pub use group::{Group, Seat};
pub use host::{Hierarchy, Host, Version};
pub use place::{CgroupMount, Driver, Place};
pub use setting::{Setting, Settings, When, settings};
pub use stats::Stats;
pub use systemd::BusError;
#[cfg(fuzzing)]
pub use systemd::fuzzing;
pub use watch::{Events, Watch};
