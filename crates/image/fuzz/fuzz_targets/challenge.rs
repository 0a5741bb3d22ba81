//! `WWW-Authenticate`, `Location`, `Retry-After`: headers that a registry fills.
#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| tare_image::fuzzing::headers(text));
