//! Any `linux.resources`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| cgroups::fuzzing::resources(data));
