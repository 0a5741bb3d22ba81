//! References, locations and digests: what is printed is read again as the same.
#![no_main]

use libfuzzer_sys::fuzz_target;
use tare_image::location::Location;
use tare_image::reference::Reference;

fuzz_target!(|text: &str| {
    if let Ok(reference) = text.parse::<Reference>() {
        let printed = reference.to_string();
        assert_eq!(printed.parse::<Reference>().unwrap(), reference);
        assert!(
            !reference
                .repository()
                .split('/')
                .any(|c| c.starts_with('.'))
        );
    }
    if let Ok(location) = text.parse::<Location>() {
        assert_eq!(location.to_string().parse::<Location>().unwrap(), location);
    }
    if let Ok(digest) = tare_image::digest::parse(text) {
        assert!(!digest.digest().contains('/'), "it becomes a file name");
    }
});
