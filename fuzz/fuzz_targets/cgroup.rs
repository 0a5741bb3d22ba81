//! Files of cgroup file systems.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| cgroups::fuzzing::files(data));
