//! `/etc/passwd` and `/etc/group` of an image.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| tare_image::fuzzing::accounts(data));
