//! Lists of images, signed documents and keys, archives.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| tare_image::fuzzing::documents(data));
