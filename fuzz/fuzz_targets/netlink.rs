//! Answers of rtnetlink(7).
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| libcontainer::fuzzing::netlink(data));
