//! What arrives from D-Bus, and values of `org.systemd.property` annotations.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| cgroups::fuzzing::bus(data));
