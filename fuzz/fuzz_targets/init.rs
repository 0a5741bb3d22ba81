//! The plan that init decodes.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| init::fuzzing::plan(data));
