//! A container's passwd(5).
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| init::fuzzing::accounts(data));
