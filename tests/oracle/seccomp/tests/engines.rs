//! The default profiles of Docker, Podman and containerd: every number of every ABI, whole programs against each other.

use std::io::Write as _;

use oracle::generate::Random;
use oracle::interpreter::{Call, run, verify};
use oracle::vectors::{Newer, call};
use oracle::{PROFILES, libseccomp};
use seccomp::{Architecture, Support, compile};
use spec::Seccomp;

const ENOSYS: u32 = 0x0005_0026;

#[test]
fn default_profiles() {
    let architectures = ["X86_64", "X86", "X32"]
        .map(|word| Architecture::from_name(&format!("SCMP_ARCH_{word}")).unwrap());
    let mut random = Random::new(5);
    for (name, text) in PROFILES {
        let profile: Seccomp<'_> = serde_json::from_str(text).unwrap();
        let ours = compile(
            &profile,
            &Support {
                native: Some(Architecture::X86_64),
                ..Support::default()
            },
        )
        .unwrap()
        .program;
        verify(&ours).unwrap();
        let theirs = libseccomp::build(&profile, &architectures, true)
            .unwrap()
            .program(false)
            .unwrap();
        let newer = Newer::new(&profile, &architectures);
        // Calls that this libseccomp does not know yet have no answer from it.
        let known = |call: &Call| {
            let names = architectures
                .iter()
                .filter(|one| one.audit() == call.audit)
                .filter_map(|one| one.name_of(call.number));
            names.into_iter().all(libseccomp::agrees)
        };
        let (mut compared, mut skipped) = (0, 0);
        let mut check = |call: &Call| {
            if !known(call) {
                skipped += 1;
                return;
            }
            let their = if newer.is(call) {
                ENOSYS
            } else {
                run(&theirs, call, false).0
            };
            assert_eq!(run(&ours, call, false).0, their, "{name}: {call:x?}");
            compared += 1;
        };
        for architecture in architectures {
            let bit = if architecture == Architecture::X32 {
                0x4000_0000
            } else {
                0
            };
            for number in (0..1100).map(|number| number | bit).chain([
                u32::MAX,
                0x3fff_ffff,
                0x4fff_ffff,
                0xc000_0000,
            ]) {
                for arguments in [
                    [0; 6],
                    [u64::MAX; 6],
                    [1, 3, 0, 0, 0, 0],
                    [40, 0, 0, 0, 0, 0],
                    [1 << 32, 0, 0, 0, 0, 0],
                ] {
                    check(&Call {
                        number,
                        audit: architecture.audit(),
                        arguments,
                    });
                }
            }
        }
        for _ in 0..100_000 {
            check(&call(&mut random, &profile, &architectures));
        }
        let line = format!(
            "{name}: {compared} comparisons, 0 differences, {skipped} of calls unknown to libseccomp; {} instructions against {}\n",
            ours.len(),
            theirs.len()
        );
        std::io::stdout().lock().write_all(line.as_bytes()).unwrap();
    }
}

/// Every number of every call and architecture that libseccomp's own table has.
#[test]
fn tables() {
    let (mut same, mut newer) = (0, 0);
    for architecture in seccomp::ARCHITECTURES
        .iter()
        .filter_map(|word| Architecture::from_name(word))
    {
        if libseccomp::number(architecture, "read") < 0 {
            continue;
        }
        for (number, name) in architecture.calls() {
            match libseccomp::number(architecture, name) {
                theirs if theirs >= 0 => {
                    assert_eq!(theirs as u32, number, "{} {name}", architecture.name());
                    same += 1;
                }
                _ => newer += 1,
            }
        }
    }
    std::io::stdout()
        .lock()
        .write_all(
            format!("{same} numbers as in libseccomp, {newer} that it does not have\n").as_bytes(),
        )
        .unwrap();
    assert!(same > 5000);
}
