//! Files of proc(5).
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| libcontainer::fuzzing::files_of_proc(data));
