//! Tests of the library and the program against hostile input, real peers and a misbehaving network.
//!
//! Tests that need root begin with `privileged_`. A test whose peer is not installed says so and does nothing.

#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a test that cannot go on has failed, and says what it left out"
)]

mod accidents;
mod answers;
mod archives;
mod attacks;
mod cli;
mod content;
mod debian_registry;
mod differential;
mod engines;
mod faults;
mod memory;
mod mirrors;
mod own_registry;
mod peers;
mod policies;
mod protocol;
mod proxy;
mod registry;
mod running;
mod semantics;
mod support;
mod wishes;
