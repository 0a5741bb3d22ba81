//! Any profile: it is refused, or gives a program that the kernel's limits allow, and can be described.
#![no_main]

use libfuzzer_sys::fuzz_target;
use seccomp::Support;

fuzz_target!(|data: &[u8]| {
    let Ok(profile) = serde_json::from_slice::<spec::Seccomp<'_>>(data) else {
        return;
    };
    let support = Support::default();
    let compiled = seccomp::compile(&profile, &support).is_ok();
    assert!(!compiled || seccomp::describe(&profile, &support).is_ok());
});
