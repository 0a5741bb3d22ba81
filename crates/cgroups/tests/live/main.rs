//! One body of tests for every kind of host: it runs on whatever is mounted at `/sys/fs/cgroup`. What the machine cannot
//! do is skipped with the reason on standard output.

#![allow(clippy::print_stdout, reason = "tests say what they skip")]

mod block;
mod change;
mod cost;
mod devices;
mod layout;
mod leak;
mod life;
mod limits;
mod rare;
mod reading;
mod rootless;
mod sandbox;
mod threads;
