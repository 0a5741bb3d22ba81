//! Manifests, indexes and configurations.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| tare_image::fuzzing::manifest(data));
