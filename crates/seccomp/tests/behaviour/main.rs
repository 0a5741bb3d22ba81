//! What compiled profiles answer, by running them; the helpers of all these tests.

#![allow(clippy::unwrap_used, reason = "tests stop where something is missing")]

mod arguments;
mod calls;
#[path = "../interpreter/mod.rs"]
#[allow(unreachable_pub, reason = "the oracle crate exports it")]
mod interpreter;
mod profile;

use interpreter::{Call, run, verify};
use spec::Seccomp;
use tare_seccomp::{Architecture, Filter, Support, Why, compile};

const ALLOW: u32 = 0x7fff_0000;
const LOG: u32 = 0x7ffc_0000;
const NOTIFY: u32 = 0x7fc0_0000;
const KILL_PROCESS: u32 = 0x8000_0000;
const fn errno(number: u32) -> u32 {
    0x0005_0000 | number
}
const EPERM: u32 = errno(1);
const ENOSYS: u32 = errno(38);

fn on(architecture: Option<Architecture>) -> Support {
    Support {
        native: architecture,
        ..Support::default()
    }
}

fn x86_64() -> Support {
    on(Some(Architecture::X86_64))
}

fn read(text: &str) -> Seccomp<'_> {
    serde_json::from_str(text).unwrap()
}

fn compiled(text: &str, kernel: &Support) -> Filter {
    let filter = compile(&read(text), kernel).unwrap_or_else(|error| panic!("{error}\n{text}"));
    verify(&filter.program).unwrap();
    filter
}

/// What `filter` answers to a call by name, on the architecture named.
fn ask(filter: &Filter, architecture: &str, name: &str, arguments: &[u64]) -> u32 {
    let architecture = Architecture::from_name(architecture).unwrap();
    ask_number(
        filter,
        architecture,
        architecture.number_of(name).unwrap(),
        arguments,
    )
}

fn ask_number(filter: &Filter, architecture: Architecture, number: u32, arguments: &[u64]) -> u32 {
    let mut call = Call {
        number,
        audit: architecture.audit(),
        ..Call::default()
    };
    call.arguments[..arguments.len()].copy_from_slice(arguments);
    run(&filter.program, &call, is_big_endian(architecture)).0
}

fn is_big_endian(architecture: Architecture) -> bool {
    // The flag of linux/audit.h for little-endian.
    architecture.audit() & 0x4000_0000 == 0
}

fn refused(text: &str) -> (String, Why) {
    let error = compile(&read(text), &x86_64()).expect_err(text);
    (error.at.to_string(), error.why)
}
