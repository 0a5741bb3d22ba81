//! `policy.json`, `registries.conf` and `auth.json`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| tare_image::fuzzing::settings(data));
