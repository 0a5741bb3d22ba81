//! D. Namespaces: new, joined, left out; maps and clocks.

use std::fs;
use std::os::unix::fs::MetadataExt;

use nix::sched::CloneFlags;
use serde_json::json;

use crate::bundle::{BASE, Bundle, LENGTH};
use crate::case::Case;
use crate::container::namespace;
use crate::namespaces::Holder;
use crate::row::{Row, must, should};
use crate::verdict::{Setup, Stop, Verdict, ensure, same};

const NAMESPACES: &str = "config-linux.md#namespaces";
const MAPS: &str = "config-linux.md#user-namespace-mappings";
const TIME: &str = "config-linux.md#offset-for-time-namespace";

/// Word of the configuration, name in /proc/PID/ns.
const KINDS: &[(&str, &str)] = &[
    ("pid", "pid"),
    ("network", "net"),
    ("mount", "mnt"),
    ("ipc", "ipc"),
    ("uts", "uts"),
    ("user", "user"),
    ("cgroup", "cgroup"),
    ("time", "time"),
];

/// Rows for one type: new, and left out.
macro_rules! kind {
    ($word:literal, $name:literal) => {
        should(
            concat!("D1.", $word),
            NAMESPACES,
            concat!("a new `", $word, "` namespace is made"),
            |c| fresh(c, $word, $name),
        )
    };
}

macro_rules! out {
    ($word:literal, $name:literal) => {
        must(
            concat!("D3.", $word),
            NAMESPACES,
            concat!("without `", $word, "` the process is in the runtime's"),
            |c| inherits(c, $word, $name),
        )
    };
}

macro_rules! join {
    ($word:literal, $name:literal, $flag:ident) => {
        must(
            concat!("D2.", $word),
            NAMESPACES,
            concat!("a `", $word, "` namespace is joined by its path"),
            |c| joins(c, $word, $name, CloneFlags::$flag),
        )
    };
}

#[rustfmt::skip]
pub(crate) const ROWS: &[Row] = &[
    kind!("pid", "pid"), kind!("network", "net"), kind!("mount", "mnt"), kind!("ipc", "ipc"),
    kind!("uts", "uts"), kind!("user", "user"), kind!("cgroup", "cgroup"), kind!("time", "time"),
    out!("pid", "pid"), out!("network", "net"), out!("ipc", "ipc"), out!("uts", "uts"),
    out!("user", "user"), out!("cgroup", "cgroup"), out!("time", "time"),
    must("D3.mount", NAMESPACES, "without `mount` the process is in the runtime's, or the configuration is an error", |c| {
        match without_mount(c).create() {
            Err(Stop::Refused(_)) => Ok(()),
            Err(other) => Err(other),
            Ok(container) => {
                same("namespace", container.namespace("mnt")?, namespace("self", "mnt")?)?;
                container.end()
            }
        }
    }).alone(),
    join!("pid", "pid", CLONE_NEWPID), join!("network", "net", CLONE_NEWNET), join!("mount", "mnt", CLONE_NEWNS),
    join!("ipc", "ipc", CLONE_NEWIPC), join!("uts", "uts", CLONE_NEWUTS), join!("user", "user", CLONE_NEWUSER),
    join!("cgroup", "cgroup", CLONE_NEWCGROUP),
    must("D2.time", NAMESPACES, "a `time` namespace is joined by its path", |c| {
        let flags = CloneFlags::from_bits_retain(0x80);
        joins(c, "time", "time", flags)
    }),
    must("D2.type", NAMESPACES, "a path of a namespace of another type is an error", |c| {
        let holder = Holder::new(c, CloneFlags::CLONE_NEWUTS)?;
        for (word, _) in KINDS.iter().filter(|(word, _)| *word != "uts") {
            let entry = json!({"type": word, "path": holder.path("uts")});
            let refused = c.bundle().without_namespace(word).push("/linux/namespaces", entry).refused();
            super::general::named(word, refused)?;
        }
        Ok(())
    }),
    must("D2.missing", NAMESPACES, "a path that is no namespace is an error", |c| {
        for path in ["/no/such/file", "/dev/null", "/proc/self/status"] {
            super::general::named(path, c.bundle().without_namespace("ipc").push("/linux/namespaces", json!({"type": "ipc", "path": path})).refused())?;
        }
        Ok(())
    }),
    must("D4", NAMESPACES, "a type that is given twice is an error", |c| {
        for (word, _) in KINDS {
            let entry = json!({"type": word});
            let bundle = match *word {
                "user" => c.bundle().user_namespace(),
                _ => c.bundle().without_namespace(word).add("/linux/namespaces", entry.clone()),
            };
            super::general::named(word, bundle.add("/linux/namespaces", entry).refused())?;
        }
        Ok(())
    }),
    must("D5", MAPS, "the maps are those of the user namespace", |c| {
        let map = json!([{"containerID": 0, "hostID": BASE, "size": 1000}, {"containerID": 5000, "hostID": BASE + 1000, "size": 10}]);
        let bundle = c.bundle().user_namespace().set("/linux/uidMappings", map.clone()).set("/linux/gidMappings", map);
        let container = bundle.create()?;
        for file in ["uid_map", "gid_map"] {
            let text = container.proc(file)?;
            let words: Vec<&str> = text.split_whitespace().collect();
            same(file, words, vec!["0", "100000", "1000", "5000", "101000", "10"])?;
        }
        Ok(())
    }),
    must("D5.many", MAPS, "as many maps as the kernel takes", |c| {
        let map: Vec<_> = (0..300).map(|index| json!({"containerID": index, "hostID": BASE + index, "size": 1})).collect();
        let bundle = c.bundle().user_namespace().set("/linux/uidMappings", map.clone()).set("/linux/gidMappings", map);
        same("lines", bundle.create()?.proc("uid_map")?.lines().count(), 300)
    }),
    should("D5.owner", MAPS, "the owners of the root's files are not changed", |c| {
        let bundle = c.bundle().user_namespace();
        let file = bundle.root().join("etc/file");
        fs::write(&file, "").setup("write a file")?;
        bundle.see("true")?;
        same("owner", fs::metadata(&file).setup("look at a file")?.uid(), 0)
    }),
    must("D5.alone", "config.md#valid-values", "maps without a user namespace are an error", |c| {
        let map = json!([{"containerID": 0, "hostID": BASE, "size": 10}]);
        c.bundle().set("/linux/uidMappings", map).refused().map(drop)
    }),
    must("D5.overlap", "runtime.md#create", "maps that the kernel refuses are an error", |c| {
        let map = json!([{"containerID": 0, "hostID": BASE, "size": 10}, {"containerID": 5, "hostID": BASE + 100, "size": 10}]);
        c.bundle().user_namespace().aid("/linux/uidMappings", map).refused().map(drop)
    }),
    must("D6", TIME, "`timeOffsets` move the clocks of a new time namespace", |c| offsets(c.bundle())),
    must("D6.user", TIME, "`timeOffsets` hold with a user namespace", |c| offsets(c.bundle().user_namespace())),
    must("D6.alone", "config.md#valid-values", "`timeOffsets` without a time namespace are an error", |c| {
        c.bundle().set("/linux/timeOffsets", json!({"monotonic": {"secs": 10}})).refused().map(drop)
    }),
    must("D6.negative", TIME, "an offset may be negative", |c| {
        let bundle = c.bundle().namespace("time", None).set("/linux/timeOffsets", json!({"boottime": {"secs": -1}}));
        bundle.see("cat /proc/self/timens_offsets").and_then(|seen| {
            let line = seen.after("boottime")?;
            same("offset", line.split_whitespace().next(), Some("-1"))
        })
    }),
    must("D7", NAMESPACES, "namespaces that belong to a joined user namespace are joined with it, in any order of the list", |c| {
        for user_first in [true, false] {
            let kinds = CloneFlags::CLONE_NEWUSER | CloneFlags::CLONE_NEWUTS | CloneFlags::CLONE_NEWIPC;
            let holder = Holder::new(c, kinds)?;
            let mut words = vec![("uts", "uts"), ("ipc", "ipc")];
            words.insert(if user_first { 0 } else { 2 }, ("user", "user"));
            let mut bundle = c.bundle();
            crate::bundle::own(&bundle.root(), BASE);
            for (word, name) in &words {
                bundle = bundle.namespace(word, Some(&holder.path(name)));
            }
            let container = bundle.create()?;
            for (_, name) in &words {
                same(name, container.namespace(name)?, holder.identity(name)?)?;
            }
        }
        Ok(())
    }),
    must("D7.outer", NAMESPACES, "a namespace of the host is joined beside a new user namespace", |c| {
        let holder = Holder::new(c, CloneFlags::CLONE_NEWNET)?;
        let bundle = c.bundle().user_namespace().without_mount("/sys").namespace("network", Some(&holder.path("net")));
        same("net", bundle.create()?.namespace("net")?, holder.identity("net")?)
    }),
];

fn fresh(c: &Case, word: &str, name: &str) -> Verdict {
    let bundle = match word {
        "user" => {
            let map = json!([{"containerID": 0, "hostID": BASE, "size": LENGTH}]);
            let bundle = c
                .bundle()
                .aid("/linux/uidMappings", map.clone())
                .aid("/linux/gidMappings", map);
            crate::bundle::own(&bundle.root(), BASE);
            bundle
        }
        _ => c.bundle(),
    };
    let container = bundle.namespace(word, None).create()?;
    let (found, own) = (container.namespace(name)?, namespace("self", name)?);
    ensure(found != own, || {
        format!("the container is in the runtime's: {own}")
    })
}

fn inherits(c: &Case, word: &str, name: &str) -> Verdict {
    let bundle = match word {
        // What the kernel mounts only for the owner of the namespace is bound instead.
        "network" => c.bundle().without_mount("/sys"),
        _ => c.bundle(),
    };
    let container = bundle.without_namespace(word).create()?;
    same(
        "namespace",
        container.namespace(name)?,
        namespace("self", name)?,
    )
}

fn without_mount(c: &Case) -> Bundle<'_> {
    c.bundle()
        .without_namespace("mount")
        .without("/mounts")
        .runs("sleep 60")
}

fn joins(c: &Case, word: &str, name: &str, flag: CloneFlags) -> Verdict {
    let holder = Holder::new(c, flag)?;
    // The namespaces that only children enter.
    let file = match name {
        "pid" | "time" => format!("{name}_for_children"),
        _ => name.to_owned(),
    };
    let bundle = c.bundle().namespace(word, Some(&holder.path(&file)));
    if word == "user" {
        crate::bundle::own(&bundle.root(), BASE);
    }
    let container = bundle.create()?;
    same(
        "namespace",
        container.namespace(name)?,
        holder.identity(&file)?,
    )?;
    container.start()?;
    same("exit status", container.exit()?, Some(0))
}

fn offsets(bundle: Bundle) -> Verdict {
    let all = json!({"monotonic": {"secs": 1000, "nanosecs": 5}, "boottime": {"secs": 2000, "nanosecs": 6}});
    let bundle = bundle
        .namespace("time", None)
        .set("/linux/timeOffsets", all);
    let seen = bundle.see("cat /proc/self/timens_offsets")?;
    let words: Vec<&str> = seen.text.split_whitespace().collect();
    same(
        "offsets",
        words,
        vec!["monotonic", "1000", "5", "boottime", "2000", "6"],
    )
}
