//! What the fuzz target (`fuzz/`) and the test below do with bytes of others.
#![allow(missing_docs, reason = "nobody but the fuzzer sees it")]

use crate::{MAX_INSTRUCTIONS, Support, compile, describe};

/// A profile: it is refused, or gives a program that the kernel's limits allow, and can be described.
pub fn profile(bytes: &[u8]) {
    let Ok(profile) = serde_json::from_slice::<spec::Seccomp<'_>>(bytes) else {
        return;
    };
    let support = Support::default();
    if let Ok(filter) = compile(&profile, &support) {
        assert!(filter.program.len() <= MAX_INSTRUCTIONS);
        assert!(describe(&profile, &support).is_ok());
    }
}

#[cfg(test)]
mod tests {
    #[test]
    fn any_profile() {
        property::any_bytes("fuzz/seeds/seccomp", "", super::profile);
    }
}
