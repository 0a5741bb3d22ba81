//! Files below a container's directory: records, ours and runc's, reports, notes.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| libcontainer::fuzzing::records(data));
