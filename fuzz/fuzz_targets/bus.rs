//! What arrives from D-Bus, and values of `org.systemd.property` annotations.
#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| cgroups::fuzzing::from_outside(data));
