//! `hosts.toml`.
#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| tare_image::fuzzing::hosts(text));
