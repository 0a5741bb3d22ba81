//! Steps that change namespaces, and the turns around them.

use init::step::Filesystem;
use init::step::{
    AwaitStart, BecomeRoot, Domainname, Fork, Hostname, Join, Loopback, ShareNamespaces, Sysctl,
    Unshare, WriteIdMaps,
};
use kernel::namespace::flags::NEWNET;
use kernel::namespace::flags::{NEWIPC, NEWUTS};

use super::identity::without_capabilities;
use super::program::refusing;
use super::*;

#[test]
fn await_start() {
    let waiting = Script::outside().waits();
    // Reading the first byte makes it known; the second read follows at once.
    while waiting.status("State") != "S (sleeping)" {
        std::thread::yield_now();
    }
    // The other end is closed: nobody will ever say go.
    let mut script = Script::outside();
    let (read, write) = nix::unistd::pipe().unwrap();
    drop(write);
    script.give(NINE, read.into());
    let index = script.child(AwaitStart {
        slot: Slot::numbered(9),
    });
    script.fails(index, Call::Read, Errno::EPIPE);
}

#[test]
fn unshare() {
    let waiting = Script::inside(NEWUTS | NEWIPC).waits();
    for name in ["user", "uts", "ipc"] {
        let own = fs::read_link(format!("/proc/self/ns/{name}")).unwrap();
        assert_ne!(waiting.namespace(name), own);
    }
    let own = fs::read_link("/proc/self/ns/net").unwrap();
    assert_eq!(waiting.namespace("net"), own);
    let mut script = Script::outside();
    let index = script.child(Unshare { flags: 1 << 60 });
    script.fails(index, Call::Unshare, Errno::EINVAL);
}

#[test]
fn write_id_maps() {
    let at = ConfigPath::of("test");
    let outer = crate::perform::id_maps::namespace_with(&Default::default(), &own_ids(), None, &at)
        .unwrap();
    let line = IdMapping {
        container_id: 7,
        host_id: 0,
        size: 1,
    };
    let maps = IdMaps {
        uids: vec![line],
        gids: vec![line],
        ..IdMaps::default()
    };
    // Without privileges, as groups are denied in the outer one, only root's own id.
    let nested =
        crate::perform::id_maps::namespace_with(&Default::default(), &maps, Some(&outer), &at)
            .unwrap();
    let root = Folder::new();
    let mut script = Script::below(&root);
    script.give(Slot::numbered(9), nested);
    let step = Filesystem {
        ids: Slot::numbered(9),
        ..super::mounts::tmpfs(&mut script, "/mapped")
    };
    let index = script.child(step);
    // The namespace is below another one than the child's, over which it has no rights.
    script.fails(index, Call::MountSetattr, Errno::EPERM);
    let lacking = IdMapping {
        host_id: u32::MAX - 2,
        ..line
    };
    let unmapped = IdMaps {
        uids: vec![lacking],
        ..maps
    };
    let failed =
        crate::perform::id_maps::namespace_with(&Default::default(), &unmapped, Some(&outer), &at);
    let error = failed.unwrap_err().to_string();
    assert!(error.contains("operation not permitted"), "{error}");
    let mut script = Script::outside();
    let lines = script.text("0 0 1\n");
    let index = script.child(WriteIdMaps {
        process: Slot::numbered(9),
        uids: lines,
        gids: lines,
    });
    script.fails(index, Call::Fcntl, Errno::EBADF);
}

#[test]
fn become_root() {
    let waiting = Script::inside(0).waits();
    let own = own_ids();
    let map: Vec<u32> = waiting
        .read("uid_map")
        .split_whitespace()
        .map(|number| number.parse().unwrap())
        .collect();
    assert_eq!(map, [0, own.uids[0].host_id, own.uids[0].size]);
    assert_ne!(waiting.status("CapEff"), "0000000000000000");
    // Nobody has mapped any id.
    let mut script = Script::outside();
    script.child(Unshare { flags: NEWUSER });
    let index = script.child(BecomeRoot {});
    script.fails(index, Call::Setresgid, Errno::EINVAL);
}

#[test]
fn fork() {
    let waiting = Script::inside(NEWPID).waits();
    let pids = waiting.status("NSpid");
    assert_eq!(pids.split_whitespace().last(), Some("1"), "{pids}");
    assert_eq!(waiting.stat(4), i64::from(std::process::id()), "its parent");
    let mut script = Script::inside(0);
    refusing(&mut script, "clone3");
    let index = script.child(Fork {});
    script.fails(index, Call::Clone3, Errno::EPERM);
}

#[test]
fn join() {
    let (holder, lifeline) = super::super::child::hold(NEWUSER).unwrap();
    let theirs = super::super::id_maps::namespace_of(holder.pid).unwrap();
    let expected = fs::read_link(format!("/proc/{}/ns/user", holder.pid)).unwrap();
    let copy = file::duplicate_above(theirs.borrow(), 3).unwrap();
    let mut script = Script::outside();
    script.give(NINE, theirs);
    script.child(Join {
        slot: Slot::numbered(9),
        flags: NEWUSER,
    });
    assert_eq!(script.waits().namespace("user"), expected);
    let mut script = Script::outside();
    script.give(NINE, copy);
    let index = script.child(Join {
        slot: Slot::numbered(9),
        flags: NEWNET,
    });
    script.fails(index, Call::Setns, Errno::EINVAL);
    drop(lifeline);
    let _ = process::wait(holder.pidfd.borrow(), true);
}

#[test]
fn share_namespaces() {
    let mut script = Script::inside(NEWUTS | NEWIPC);
    script.child(ShareNamespaces {
        flags: NEWUSER | NEWUTS | NEWIPC,
        first: Slot::numbered(9),
    });
    // The turn that carries them.
    script.runtime(RuntimeStep::RecordProcess);
    drop(script.waits());
    // The proc of the host is needed, and this root has none.
    let root = Folder::new();
    let mut script = Script::below(&root);
    script.child(init::step::EnterRoot { shared: false });
    let index = script.child(ShareNamespaces {
        flags: NEWUSER,
        first: Slot::numbered(9),
    });
    script.fails(index, Call::Openat, Errno::ENOENT);
}

#[test]
fn hostname() {
    let mut script = Script::inside(NEWUTS);
    let name = script.text("box.example");
    script.child(Hostname { name });
    assert_eq!(
        script.output(&["cat", "/proc/sys/kernel/hostname"]),
        "box.example\n"
    );
    let mut script = Script::inside(NEWUTS);
    let name = script.text("x".repeat(65));
    let index = script.child(Hostname { name });
    script.fails(index, Call::Sethostname, Errno::EINVAL);
}

#[test]
fn domainname() {
    let mut script = Script::inside(NEWUTS);
    let name = script.text("example");
    script.child(Domainname { name });
    assert_eq!(
        script.output(&["cat", "/proc/sys/kernel/domainname"]),
        "example\n"
    );
    // The user namespace owns no UTS namespace.
    let mut script = Script::inside(0);
    let name = script.text("example");
    let index = script.child(Domainname { name });
    script.fails(index, Call::Setdomainname, Errno::EPERM);
}

#[test]
fn loopback() {
    let mut script = Script::inside(NEWNET);
    script.child(Loopback {});
    let routes = script.waits().read("net/fib_trie");
    assert!(routes.contains("127.0.0.1"), "{routes}");
    let routes = Script::inside(NEWNET).waits().read("net/fib_trie");
    assert!(!routes.contains("127.0.0.1"), "{routes}");
    let mut script = Script::inside(NEWNET);
    without_capabilities(&mut script);
    let index = script.child(Loopback {});
    script.fails(index, Call::Ioctl, Errno::EPERM);
}

#[test]
fn sysctl() {
    let step = |script: &mut Script, path: &str, value: &str| {
        let (path, value) = (script.text(path), script.text(value));
        script.child(Sysctl { path, value })
    };
    let mut script = Script::inside(NEWNET);
    step(&mut script, "sys/net/core/somaxconn", "123");
    assert_eq!(
        script.output(&["cat", "/proc/sys/net/core/somaxconn"]),
        "123\n"
    );
    for (path, value, call, errno) in [
        ("sys/net/core/nosuch", "1", Call::Openat2, Errno::ENOENT),
        ("sys/net/core/somaxconn", "many", Call::Write, Errno::EINVAL),
    ] {
        let mut script = Script::inside(NEWNET);
        let index = step(&mut script, path, value);
        script.fails(index, call, errno);
    }
}
