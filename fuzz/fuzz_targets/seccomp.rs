//! Any profile.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| seccomp::fuzzing::profile(data));
