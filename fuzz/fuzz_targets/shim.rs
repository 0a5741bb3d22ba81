//! What comes at the socket of containerd's shim: calls with any payload, frames of any kind, and bytes that are no frames.
#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| shim::fuzzing::at_socket(data));
