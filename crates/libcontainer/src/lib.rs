//! Containers from OCI bundles: create, start, run, kill and delete them.
//!
//! `config.json` is compiled to a [`plan`]: a flat list of steps that can be read, checked and tested without touching
//! the system. The runtime (this library) and a tiny `init` program walk the list together; the last step is the user's
//! program.
//!
//! ```no_run
//! use tare_libcontainer::{Bundle, Container, CreateOptions, Store};
//!
//! # fn main() -> Result<(), tare_libcontainer::Error> {
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
//! Configs can be made in code as well ([`Config`]); a process's streams and its terminal are values ([`Streams`], [`Console`]);
//! what runs is a [`Process`]; [`rootfs`] mounts what it runs in. The examples of this crate are programs of some size: a supervisor in one loop of epoll(7), the
//! same on tokio, and a runner of build steps.
//!
//! # What is stable
//! Everything that is public and not said to be otherwise here keeps to semantic versioning: before 1.0.0 a new second number
//! may break programs, afterwards only a new first one. Enumerations and option types that will grow are `#[non_exhaustive]`.
//! Not covered are the texts of errors and warnings (their [`ErrorKind`] and their fields are), what is told to the debug log, and
//! what is for tools and tests: [`plan`], [`timings`], [`host`], [`seccomp_text`] and the order of the steps. The folders in a
//! store are this library's own; a newer version reads what an older one of the same first number has left there.
//!
//! # What a call may wait for
//! | call | waits for |
//! |---|---|
//! | [`Store::open`], [`Container::open`], [`Container::state`], [`Container::status`], [`Container::kill`], [`Container::stats`], [`Container::processes`], [`Process::try_wait`], [`Process::signal`], [`Process::kill`], [`rootfs::unmount`] | nothing but the kernel's answer; `state` and `status` read a few files |
//! | [`Container::create`], [`Container::run`], [`Container::exec`] | the set-up: milliseconds, more where the kernel moves a process into cgroups of version 1, where systemd makes the cgroup (30 s at most), and as long as hooks run |
//! | [`Container::start`] | hooks, and the program's execve(2) |
//! | [`Container::pause`], [`Container::resume`] | the freezer, 10 s at most |
//! | [`Container::update`] | the kernel, and whoever else works on the same container |
//! | [`Container::remove`] | `poststop` hooks, and that the cgroup becomes empty, a few seconds at most |
//! | [`Container::delete`] | as `remove`; before that the end of the process, 10 s at most; with force, up to 5 s for a `poststop` hook of somebody else |
//! | [`Container::try_remove`] | `poststop` hooks, and systemd where it has made the cgroup |
//! | [`Process::wait`], [`Container::watch`], [`Readiness::wait`], [`ConsoleSocket::receive`] | as long as it takes |
//!
//! Whatever changes a container waits for others that change the same one, also in other processes. For each call that takes as long
//! as it takes there is a descriptor to wait for instead: [`Process`] is its pidfd, [`Container::events`], [`Readiness`] and
//! [`ConsoleSocket`] have one. A delete that must not wait is done in parts: [`Container::kill`] (or [`Process::kill`]), the pidfd,
//! and [`Container::try_remove`], which says with a descriptor when to try again if something is still there. What is left to be done in another thread are calls of milliseconds. Hooks that take too long are ended by
//! [`Store::with_interrupt`].
//!
//! # In programs with threads
//! Every function may be called from any thread, also at the same time; all types are `Send` and `Sync`. Nothing forks the
//! caller: the child is started as posix_spawn(3) does it, sharing the caller's memory only until init runs, so neither the
//! caller's size nor its threads matter. Namespaces, user, groups and capabilities are those of the calling thread.
//! No signal handlers are installed, no signal mask is changed, nothing is printed, no descriptor is without
//! close-on-exec, no process is waited for that the library has not started, and the environment is not read: what is to be known of it, the
//! caller says ([`Store::with_environment`]).
//!
//! How a process ended is known from Linux 6.15 on, whosever child it is. Before, it is as long as SIGCHLD is not ignored and nobody in the
//! program waits for all children (waitpid(2) with -1): see [`Process`].
//!
//! # What is left when a call fails
//! After [`Container::create`] and [`Container::run`] nothing, except where the cgroup could not be removed: then the container stays
//! as one that has stopped, so that it can be deleted, and a warning says so. After [`Container::start`] with a hook that
//! failed nothing either; with another failure the container stays as it was. After [`Container::exec`] there is no process.
//! [`Container::update`] puts back what it has changed. A [`Container::delete`] or [`Container::remove`] that has failed can be done again. If the whole
//! program ends in the middle of a call, [`gc`] finds what it has left.

#![deny(clippy::disallowed_macros)]

mod argument;
mod bundle;
mod check;
mod config;
mod container;
mod criu;
mod environment;
mod error;
#[cfg(any(test, fuzzing))]
pub mod fuzzing;
mod hint;
pub mod host;
mod interrupt;
mod notify;
mod own_mounts;
mod perform;
pub mod plan;
mod process;
mod resctrl;
mod resources;
pub mod rootfs;
mod state;
mod streams;
mod terminal;
pub mod timings;
mod warning;

pub use bundle::Bundle;
pub use cgroups;
pub use check::{Finding, Verdict, check};
pub use config::Config;
pub use container::{
    CgroupMode, CheckpointOptions, Container, CreateOptions, Created, Event, ExecRequest, Found,
    GcOptions, Leftover, Obstacle, Outcome, Part, ProcessSource, RestoreOptions, StateReport,
    features, gc, plan_of, seccomp_text,
};
pub use error::{Error, ErrorKind};
pub use interrupt::Interrupt;
pub use kernel::{Call, Errno, Fault};
pub use notify::Readiness;
pub use process::{Exit, Process};
pub use resctrl::ResctrlShares;
pub use resources::Resources;
pub use spec;
pub use state::{Record, Status, Store, Waiter};
pub use streams::{Stdio, Streams};
pub use terminal::{Console, ConsoleSocket, Terminal, TerminalSize};
pub use warning::Warning;

#[cfg(doctest)]
#[doc = include_str!("../README.md")]
mod readme {}
