//! L. The features document: what it claims is tried.

use serde_json::{Value, json};

use super::general::named;
use super::seccomp::rule;
use crate::bundle::Bundle;
use crate::case::Case;
use crate::row::{Row, must, should};
use crate::verdict::{Setup, Stop, Verdict, ensure, fail, skip};

const FEATURES: &str = "features.md#specification-version";
const LINUX: &str = "features-linux.md";

#[rustfmt::skip]
pub(crate) const ROWS: &[Row] = &[
    must("L1", FEATURES, "`ociVersionMin` and `ociVersionMax` are there, in order, and accepted as `ociVersion`", |c| {
        let all = document(c, &["/ociVersionMin", "/ociVersionMax"])?;
        let version = |key: &str| all[key].as_str().unwrap_or_default().to_owned();
        let (least, most) = (version("ociVersionMin"), version("ociVersionMax"));
        ensure(numbers(&least)? <= numbers(&most)?, || format!("{least} is above {most}"))?;
        for version in [least, most] {
            named(&version, c.bundle().aid("/ociVersion", version.as_str()).see("true"))?;
        }
        Ok(())
    }),
    must("L1.newer", FEATURES, "the document has no property that its `ociVersionMax` does not know", |c| {
        let all = document(c, &["/ociVersionMax"])?;
        let most = numbers(all["ociVersionMax"].as_str().unwrap_or_default())?;
        for (pointer, since) in [("/linux", (1, 1)), ("/hooks", (1, 1)), ("/mountOptions", (1, 1)), ("/linux/mountExtensions", (1, 2)), ("/linux/intelRdt", (1, 2)),
            ("/potentiallyUnsafeConfigAnnotations", (1, 2)), ("/linux/netDevices", (1, 3)), ("/linux/memoryPolicy", (1, 3)), ("/linux/intelRdt/schemata", (1, 3))] {
            let there = all.pointer(pointer).is_some_and(|value| !value.is_null());
            ensure(!there || (most.0, most.1) >= since, || format!("{pointer} is since {since:?}, ociVersionMax is {}", all["ociVersionMax"]))?;
        }
        Ok(())
    }),
    must("L2", "features.md#hooks", "every hook that is claimed runs", |c| {
        for kind in words(c, "/hooks")? {
            let log = super::hooks::Log::new(c)?;
            named(&kind, log.hook(c.bundle(), &kind, "echo ran").see("true"))?;
            log.read(&kind)?;
        }
        Ok(())
    }),
    must("L3", "features.md#mount-options", "every mount option that is claimed is recognized", |c| {
        for option in words(c, "/mountOptions")? {
            named(&option, with_option(c, &option)?.see("true"))?;
        }
        Ok(())
    }),
    should("L3.data", "features.md#mount-options", "no option is claimed that only a file system knows", |c| {
        let all = words(c, "/mountOptions")?;
        let wrong: Vec<_> = all.iter().filter(|word| word.contains('=') || ["size", "mode", "uid", "gid", "lowerdir", "newinstance"].contains(&word.as_str())).collect();
        ensure(wrong.is_empty(), || format!("{wrong:?}"))
    }),
    must("L4", "features-linux.md#namespaces", "every namespace that is claimed is recognized", |c| {
        for kind in words(c, "/linux/namespaces")? {
            let bundle = match kind.as_str() {
                "user" => c.bundle().user_namespace(),
                kind => c.bundle().without_namespace(kind).add("/linux/namespaces", json!({"type": kind})),
            };
            named(&kind, bundle.see("true"))?;
        }
        Ok(())
    }),
    must("L5", "features-linux.md#capabilities", "every capability that is claimed is recognized, and granted as far as the kernel can", |c| {
        let all = words(c, "/linux/capabilities")?;
        let output = c.bundle().aid("/process/capabilities", json!({"bounding": all})).try_create(&c.id())?;
        ensure(output.ok(), || output.said())?;
        // What this kernel and this user have is not to be complained of.
        for name in ["CAP_CHOWN", "CAP_KILL", "CAP_SETUID"] {
            ensure(all.iter().any(|one| one == name), || format!("{name} is not claimed"))?;
        }
        let unknown = all.iter().find(|name| !name.starts_with("CAP_"));
        ensure(unknown.is_none(), || format!("{unknown:?}"))
    }),
    must("L6", "features-linux.md#cgroup", "control groups that are claimed are used", |c| {
        let all = block(c, "/linux/cgroup")?;
        booleans(&all, &["v1", "v2", "systemd", "systemdUser", "rdma"])?;
        let key = match (c.runtime.systemd, crate::cgroup::pure_v2()) {
            (true, _) => "systemd",
            (false, true) => "v2",
            (false, false) => "v1",
        };
        match all[key].as_bool() {
            Some(true) => c.bundle().see("true").map(drop),
            _ => skip(format!("optional: {key} is not claimed")),
        }
    }),
    must("L7.actions", "features-linux.md#seccomp", "every seccomp action that is claimed is recognized", |c| {
        for action in words(c, "/linux/seccomp/actions")? {
            // An action that needs an agent is recognized when the missing agent is the reason.
            let bundle = rule(c.bundle(), json!({"action": action}));
            match (action.as_str(), bundle.create()) {
                ("SCMP_ACT_NOTIFY", Err(Stop::Refused(_))) => {}
                (_, result) => named(&action, result)?,
            }
        }
        Ok(())
    }),
    must("L7.operators", "features-linux.md#seccomp", "every seccomp operator that is claimed is recognized", |c| {
        for operator in words(c, "/linux/seccomp/operators")? {
            named(&operator, rule(c.bundle(), json!({"action": "SCMP_ACT_ERRNO", "args": [{"index": 1, "value": 1, "valueTwo": 1, "op": operator}]})).see("true"))?;
        }
        Ok(())
    }),
    must("L7.archs", "features-linux.md#seccomp", "every seccomp architecture that is claimed is recognized", |c| {
        for arch in words(c, "/linux/seccomp/archs")? {
            named(&arch, rule(c.bundle().aid("/linux/seccomp/architectures", json!([arch])), json!({"action": "SCMP_ACT_ERRNO"})).create())?;
        }
        Ok(())
    }),
    must("L7.flags", "features-linux.md#seccomp", "every seccomp flag that is supported is known, and works", |c| {
        let known = words(c, "/linux/seccomp/knownFlags")?;
        for flag in words(c, "/linux/seccomp/supportedFlags")? {
            ensure(known.contains(&flag), || format!("{flag} is supported, and not known"))?;
            match flag.as_str() {
                "SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV" => named(&flag, super::seccomp_agent::waits_killable(c))?,
                _ => named(&flag, rule(c.bundle().aid("/linux/seccomp/flags", json!([flag])), json!({"action": "SCMP_ACT_ERRNO"})).see("true"))?,
            }
        }
        Ok(())
    }),
    must("L8", "features-linux.md#apparmor", "AppArmor and SELinux are claimed or denied by a boolean", |c| {
        for pointer in ["/linux/apparmor", "/linux/selinux"] {
            booleans(&block(c, pointer)?, &["enabled"])?;
        }
        Ok(())
    }),
    must("L9", "features-linux.md#memorypolicy", "every memory policy that is claimed is recognized", |c| {
        super::kernel_settings::has_policies()?;
        for mode in words(c, "/linux/memoryPolicy/modes")? {
            let policy = match mode.as_str() {
                "MPOL_DEFAULT" | "MPOL_LOCAL" => json!({"mode": mode}),
                _ => json!({"mode": mode, "nodes": "0"}),
            };
            named(&mode, c.bundle().aid("/linux/memoryPolicy", policy).see("true"))?;
        }
        for flag in words(c, "/linux/memoryPolicy/flags")? {
            named(&flag, c.bundle().aid("/linux/memoryPolicy", json!({"mode": "MPOL_BIND", "nodes": "0", "flags": [flag]})).see("true"))?;
        }
        Ok(())
    }),
    must("L10", "features-linux.md#intel-rdt", "`intelRdt` is claimed or denied by booleans, and never ignored in a configuration", |c| {
        let all = block(c, "/linux/intelRdt")?;
        booleans(&all, &["enabled", "schemata", "monitoring"])?;
        if std::path::Path::new("/sys/fs/resctrl/schemata").exists() {
            return Ok(());
        }
        c.bundle().aid("/linux/intelRdt", json!({"closID": "x"})).refused().map(drop)
    }),
    must("L11", "features-linux.md#mountextensions", "`mountExtensions.idmap.enabled` is true exactly when mappings of a mount are looked at", |c| {
        let all = block(c, "/linux/mountExtensions/idmap")?;
        booleans(&all, &["enabled"])?;
        let data = c.folder("data")?;
        let map = json!([{"containerID": 0, "hostID": 2000, "size": 10}]);
        let mount = json!({"destination": "/mnt", "type": "none", "source": data, "options": ["bind", "idmap"], "uidMappings": map, "gidMappings": map});
        let seen = c.bundle().add("/mounts", mount).see("stat /mnt");
        match (all["enabled"].as_bool(), seen) {
            (Some(true), Ok(seen)) => seen.has("uid=2000"),
            (Some(true), Err(Stop::Refused(_))) | (Some(false) | None, _) => Ok(()),
            (_, Err(other)) => Err(other),
        }
    }),
    must("L12", "features-linux.md#netdevices", "`netDevices.enabled` is true exactly when network devices are moved", |c| {
        let all = block(c, "/linux/netDevices")?;
        booleans(&all, &["enabled"])?;
        match all["enabled"].as_bool() {
            // A device that is not there is an error for whoever looks.
            Some(true) => c.bundle().aid("/linux/netDevices", json!({"nosuchdev": {}})).refused().map(drop),
            _ => skip("optional: not claimed"),
        }
    }),
    must("L13", "features.md#annotations", "`annotations` have keys that are not empty, and strings as values", |c| {
        let all = block(c, "/annotations")?;
        let Some(map) = all.as_object() else { return fail(format!("{all}")) };
        ensure(map.iter().all(|(key, value)| !key.is_empty() && value.is_string()), || format!("{all}"))
    }),
    must("L14", "features.md#unsafe-annotations-in-configjson", "`potentiallyUnsafeConfigAnnotations` is a list of keys", |c| {
        let all = words(c, "/potentiallyUnsafeConfigAnnotations")?;
        let wrong = all.iter().find(|key| key.is_empty() || key.contains(char::is_whitespace));
        ensure(wrong.is_none(), || format!("{wrong:?}"))
    }),
];

/// The whole document. What of it the test looks at is noted for the negative controls.
fn document(c: &Case, looked: &[&str]) -> Verdict<Value> {
    if c.runtime.features.is_none() {
        return skip("optional: the runtime has no features document");
    }
    let notes = looked
        .iter()
        .map(|pointer| format!("{}{pointer}", crate::mutant::CLAIM));
    c.set.borrow_mut().extend(notes);
    let output = c.call(&["features"])?;
    ensure(output.ok(), || output.said())?;
    serde_json::from_str(&output.out).setup("read the features document")
}

/// A part of the document; not applicable where it is absent or null.
fn block(c: &Case, pointer: &str) -> Verdict<Value> {
    match document(c, &[pointer])?.pointer(pointer) {
        Some(value) if !value.is_null() => Ok(value.clone()),
        _ => skip(format!(
            "optional: {LINUX} has no {pointer} for this runtime"
        )),
    }
}

fn words(c: &Case, pointer: &str) -> Verdict<Vec<String>> {
    let value = block(c, pointer)?;
    let list = value.as_array().into_iter().flatten();
    let words: Option<Vec<String>> = list.map(|one| one.as_str().map(str::to_owned)).collect();
    match words {
        Some(words) if value.is_array() => Ok(words),
        _ => fail(format!("{pointer} is no list of strings: {value}")),
    }
}

fn booleans(value: &Value, keys: &[&str]) -> Verdict {
    for key in keys {
        let good = value[*key].is_null() || value[*key].is_boolean();
        ensure(good, || format!("{key}: {}", value[*key]))?;
    }
    Ok(())
}

/// Major and minor number.
fn numbers(version: &str) -> Verdict<(u32, u32, u32)> {
    let plain = version.split(['-', '+']).next().unwrap_or_default();
    let parts: Vec<u32> = plain
        .split('.')
        .filter_map(|part| part.parse().ok())
        .collect();
    match parts[..] {
        [major, minor, patch] if plain.split('.').count() == 3 => Ok((major, minor, patch)),
        _ => fail(format!("{version:?} is no version")),
    }
}

/// A mount for which the option makes sense.
fn with_option<'a>(c: &'a Case, option: &str) -> Verdict<Bundle<'a>> {
    let data = c.folder("data")?.display().to_string();
    let map = json!([{"containerID": 0, "hostID": 2000, "size": 10}]);
    let bind = |words: &[&str]| json!({"destination": "/mnt", "type": "none", "source": data, "options": words});
    let fresh = |words: &[&str]| json!({"destination": "/mnt", "type": "tmpfs", "source": "tmpfs", "options": words});
    let recursive =
        option.starts_with('r') && !["ro", "rw", "relatime", "remount"].contains(&option);
    let mount = match option {
        "bind" | "rbind" => bind(&[option]),
        "idmap" | "ridmap" => {
            let mut mount = bind(&["rbind", option]);
            mount["uidMappings"] = map.clone();
            mount["gidMappings"] = map;
            mount
        }
        "remount" => {
            return Ok(c
                .bundle()
                .add("/mounts", fresh(&[]))
                .add("/mounts", fresh(&["remount", "ro"])));
        }
        "private" | "shared" | "slave" | "unbindable" => bind(&["bind", option]),
        _ if recursive => bind(&["rbind", option]),
        _ => fresh(&[option]),
    };
    Ok(c.bundle().add("/mounts", mount))
}
