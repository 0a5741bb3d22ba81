//! Steps that say who the process is and what it may do.

use init::step::{
    BoundingSet, Capabilities, Dumpable, Identity, NoNewPrivileges, OomScore, Session,
    SessionKeyring, Umask, Undumpable,
};

use super::*;

const CHOWN: u64 = 1;
const KILL: u64 = 1 << 5;

const NONE: Capabilities = Capabilities {
    effective: 0,
    permitted: 0,
    inheritable: 0,
    ambient: 0,
};

/// What follows has no rights.
pub(super) fn without_capabilities(script: &mut Script) {
    script.child(NONE);
}

#[test]
fn bounding_set() {
    let mut script = Script::inside(0);
    script.child(BoundingSet { keep: KILL });
    assert_eq!(script.waits().status("CapBnd"), "0000000000000020");
    let mut script = Script::inside(0);
    without_capabilities(&mut script);
    let index = script.child(BoundingSet { keep: KILL });
    script.fails(index, Call::Prctl, Errno::EPERM);
}

#[test]
fn capabilities() {
    let mut script = Script::inside(0);
    script.child(Capabilities {
        effective: KILL,
        permitted: KILL | CHOWN,
        inheritable: CHOWN,
        ambient: CHOWN,
    });
    let waiting = script.waits();
    for (name, value) in [
        ("CapEff", KILL),
        ("CapPrm", KILL | CHOWN),
        ("CapInh", CHOWN),
        ("CapAmb", CHOWN),
    ] {
        assert_eq!(waiting.status(name), format!("{value:016x}"), "{name}");
    }
    assert_eq!(waiting.performed.seen.missing_ambient, 0);
    // One that is not inheritable cannot become ambient, which is only worth a warning.
    let mut script = Script::inside(0);
    script.child(Capabilities {
        permitted: KILL,
        ambient: KILL,
        ..NONE
    });
    let waiting = script.waits();
    assert_eq!(waiting.performed.seen.missing_ambient, KILL);
    let mut script = Script::inside(0);
    let index = script.child(Capabilities {
        effective: KILL,
        ..NONE
    });
    script.fails(index, Call::CapSet, Errno::EPERM);
}

#[test]
fn identity() {
    let mut script = Script::inside(0);
    let groups: Vec<u8> = [9u32, 10]
        .iter()
        .flat_map(|group| group.to_ne_bytes())
        .collect();
    let groups = script.bytes(&groups);
    if is_root() {
        script.child(Identity {
            uid: 7,
            gid: 8,
            groups,
            set_groups: true,
        });
        let waiting = script.waits();
        assert_eq!(waiting.status("Uid"), "7\t7\t7\t7");
        assert_eq!(waiting.status("Gid"), "8\t8\t8\t8");
        assert_eq!(waiting.status("Groups"), "9 10");
        assert_eq!(waiting.status("CapEff"), "0000000000000000");
        assert_ne!(waiting.status("CapPrm"), "0000000000000000");
    } else {
        let index = script.child(Identity {
            uid: 0,
            gid: 0,
            groups,
            set_groups: true,
        });
        script.fails(index, Call::Setgroups, Errno::EPERM);
    }
    let mut script = Script::inside(0);
    let groups = script.bytes(&[]);
    let index = script.child(Identity {
        uid: 5000,
        gid: 0,
        groups,
        set_groups: false,
    });
    script.fails(index, Call::Setresuid, Errno::EINVAL);
}

#[test]
fn no_new_privileges() {
    assert_eq!(Script::inside(0).waits().status("NoNewPrivs"), "0");
    let mut script = Script::inside(0);
    script.child(NoNewPrivileges {});
    assert_eq!(script.waits().status("NoNewPrivs"), "1");
    let mut script = Script::inside(0);
    super::program::refusing(&mut script, "prctl");
    let index = script.child(NoNewPrivileges {});
    script.fails(index, Call::Prctl, Errno::EPERM);
}

#[test]
fn oom_score() {
    let step = |value, lenient| OomScore { value, lenient };
    let mut script = Script::outside();
    script.child(step(987, false));
    assert_eq!(script.waits().read("oom_score_adj"), "987\n");
    let mut script = Script::outside();
    let index = script.child(step(2000, true));
    script.fails(index, Call::Write, Errno::EINVAL);
    // Lowering it takes a capability in the initial user namespace, and without it may be left out.
    let mut script = Script::outside();
    script.child(step(987, false));
    without_capabilities(&mut script);
    script.child(step(-1000, true));
    assert_eq!(script.waits().read("oom_score_adj"), "987\n");
    let mut script = Script::outside();
    script.child(step(987, false));
    without_capabilities(&mut script);
    let index = script.child(step(-1000, false));
    script.fails(index, Call::Write, Errno::EACCES);
}

#[test]
fn session() {
    let mut script = Script::outside();
    script.child(Session {});
    let waiting = script.waits();
    assert_eq!(waiting.stat(6), i64::from(waiting.performed.child.pid));
    // Who leads one cannot make another.
    let mut script = Script::outside();
    script.child(Session {});
    let index = script.child(Session {});
    script.fails(index, Call::Setsid, Errno::EPERM);
}

#[test]
fn session_keyring() {
    if !Path::new("/proc/keys").exists() {
        return skipped("session_keyring", "the kernel has no keyrings");
    }
    let mut script = Script::inside(0);
    let own = format!("_ses.steps-{}", std::process::id());
    let name = script.text(&own);
    script.child(SessionKeyring { name, join: false });
    let keys = script.output(&["cat", "/proc/keys"]);
    assert!(keys.contains(&own), "{keys}");
    let mut script = Script::inside(0);
    let name = script.text("x".repeat(4096));
    let index = script.child(SessionKeyring { name, join: false });
    script.fails(index, Call::Keyctl, Errno::EINVAL);
}

#[test]
fn umask() {
    let mut script = Script::outside();
    script.child(Umask { mask: 0o027 });
    assert_eq!(script.waits().status("Umask"), "0027");
    // It cannot fail; without it, init's own is 0.
    assert_eq!(Script::outside().waits().status("Umask"), "0000");
}

#[test]
fn undumpable() {
    use std::os::unix::fs::MetadataExt;
    if is_root() {
        // The owner of the files in procfs tells, but for a process of root's that is root anyway.
        // Still, neither of the two fails.
        let mut script = Script::inside(0);
        script.child(Undumpable {});
        script.child(Dumpable {});
        drop(script.waits());
        return skipped("undumpable", "root cannot see the difference");
    }
    let owner = |waiting: &Waiting| fs::metadata(waiting.path("status")).unwrap().uid();
    let own = nix::unistd::geteuid().as_raw();
    assert_eq!(owner(&Script::outside().waits()), own);
    let mut script = Script::outside();
    script.child(Undumpable {});
    assert_eq!(owner(&script.waits()), 0);
    // And back.
    let mut script = Script::outside();
    script.child(Undumpable {});
    script.child(Dumpable {});
    assert_eq!(owner(&script.waits()), own);
}
