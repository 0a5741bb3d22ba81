//! A. What holds for the bundle and the whole configuration.

use std::fs;

use serde_json::json;

use crate::case::Case;
use crate::row::{Row, must};
use crate::runtime;
use crate::verdict::{Setup, Verdict, ensure, fail, same};

const VERSION: &str = "config.md#specification-version";
const VALID: &str = "config.md#valid-values";
const ERRORS: &str = "runtime.md#errors";
const BUNDLE: &str = "bundle.md#container-format";
const UNKNOWN: &str = "config.md#extensibility";

#[rustfmt::skip]
pub(crate) const ROWS: &[Row] = &[
    must("A1.missing", VERSION, "a configuration without `ociVersion` is an error", |c| c.bundle().without("/ociVersion").refused().map(drop)),
    must("A1.shape", VERSION, "an `ociVersion` that is not SemVer 2.0 is an error", |c| {
        for wrong in ["1.0", "one", "", "1.0.0.0", "01.0.0", "v1.0.0", "1.0.0-", "1.0.0-01"] {
            named(wrong, c.bundle().aid("/ociVersion", wrong).refused())?;
        }
        Ok(())
    }),
    must("A1.unknown", VALID, "an `ociVersion` of another major version is an error", |c| c.bundle().aid("/ociVersion", "2.0.0").refused().map(drop)),
    must("A1.compatible", VERSION, "all versions 1.x up to the runtime's are accepted, pre-releases and builds too", compatible),
    must("A2", BUNDLE, "config.json lies at the bundle's root under this very name", name),
    must("A2.root", "config.md#root", "`root.path` is absolute, or relative to the bundle", root_path),
    must("A3", UNKNOWN, "unknown properties are ignored, wherever they are", unknown),
    must("A3.annotations", "config.md#annotations", "unknown annotations are accepted, those of `org.opencontainers` too", annotations),
    must("A5.text", VALID, "text that is no JSON object is an error", |c| {
        for text in ["", "[]", "{", "null", "\"x\"", "{}{}"] {
            named(text, c.bundle().raw(text).refused())?;
        }
        Ok(())
    }),
    must("A5.type", VALID, "a value of another JSON type is an error", |c| {
        let wrong = [
            ("/process/args", json!("sh")), ("/process/env", json!({"A": "b"})), ("/process/cwd", json!(["/"])),
            ("/root", json!(["rootfs"])), ("/mounts", json!({})), ("/linux/namespaces", json!({})), ("/linux", json!([])),
            ("/process/user/uid", json!("0")), ("/root/readonly", json!("true")), ("/hooks", json!([])),
            ("/annotations", json!(["a"])), ("/linux/sysctl", json!(["a"])), ("/linux/resources/memory", json!([1])),
        ];
        for (pointer, value) in wrong {
            named(pointer, c.bundle().aid(pointer, value).refused())?;
        }
        Ok(())
    }),
    must("A5.range", VALID, "a number beyond the property's type is an error", |c| {
        let wrong = [
            ("/process/user/uid", json!(-1)), ("/process/user/uid", json!(4_294_967_296_u64)),
            ("/process/oomScoreAdj", json!(1.5)), ("/linux/resources/blockIO/weight", json!(65_536)),
        ];
        for (pointer, value) in wrong {
            named(pointer, c.bundle().aid(pointer, value).refused())?;
        }
        Ok(())
    }),
    must("A6", "runtime.md#create", "when a property cannot be applied, create gives an error and makes no container", |c| {
        c.bundle().mount("/mnt", "no-such-file-system", "none", &[]).refused().map(drop)
    }),
    must("A7.mount", ERRORS, "a create that fails at a late mount leaves nothing behind", |c| {
        nothing_left(c, c.bundle().mount("/mnt", "none", "/no/such/source", &["bind"]))
    }),
    must("A7.hook", ERRORS, "a create that fails at a hook leaves nothing behind", |c| {
        let hook = json!({"path": c.probe(), "args": ["probe", "stdin", "--", "false"]});
        nothing_left(c, c.bundle().push("/hooks/createContainer", hook))
    }),
    must("A7.limit", ERRORS, "a create that fails at a limit leaves nothing behind", |c| {
        nothing_left(c, c.bundle().set("/linux/resources/cpu/cpus", "4000"))
    }),
    must("A8", "runtime.md#lifecycle", "changes of config.json after create have no effect", read_once),
];

/// The same verdict, with what it is about.
pub(crate) fn named<T>(what: &str, verdict: Verdict<T>) -> Verdict {
    use crate::verdict::Stop;
    match verdict {
        Ok(_) => Ok(()),
        Err(Stop::Fail(message)) => Err(Stop::Fail(format!("{what:?}: {message}"))),
        Err(Stop::Refused(message)) => Err(Stop::Refused(format!("{what:?}: {message}"))),
        Err(skipped) => Err(skipped),
    }
}

fn compatible(c: &Case) -> Verdict {
    for version in [
        "1.0.0",
        "1.0.2",
        "1.0.1-dev",
        "1.0.0-rc5+build.7",
        "1.0.0+x",
        "1.0.2-1a",
    ] {
        named(version, c.bundle().aid("/ociVersion", version).see("true"))?;
    }
    Ok(())
}

fn name(c: &Case) -> Verdict {
    c.bundle().see("true")?;
    let bundle = c.bundle();
    bundle.write()?;
    let file = |name: &str| bundle.path.join(name);
    fs::rename(file("config.json"), file("Config.json")).setup("rename a file")?;
    let path = bundle.path.display().to_string();
    let output = c.call(&["create", "--bundle", &path, &c.id()])?;
    ensure(!output.ok(), || {
        "a bundle without config.json was accepted".to_owned()
    })
}

fn root_path(c: &Case) -> Verdict {
    c.bundle().see("true")?;
    let bundle = c.bundle();
    let path = bundle.root().display().to_string();
    bundle.set("/root/path", path).see("true")?;
    let bundle = c.bundle();
    fs::rename(bundle.root(), bundle.path.join("other")).setup("rename a folder")?;
    bundle.set("/root/path", "other").see("true").map(drop)
}

fn unknown(c: &Case) -> Verdict {
    let bundle = c
        .bundle()
        .aid("/x", json!({"y": [1, null, "z"]}))
        .aid("/process/x", 1)
        .aid("/process/user/x", "y")
        .aid("/root/x", true)
        .aid("/linux/x", json!([]))
        .aid("/linux/namespaces/0/x", json!({}))
        .aid("/mounts/0/x", "y")
        .aid("/linux/resources/x", json!({"limit": 1}));
    bundle.see("echo seen")?.has("seen")
}

fn annotations(c: &Case) -> Verdict {
    let all = json!({
        "com.example.key": "value", "org.opencontainers.unknown": "x",
        "org.opencontainers.image.created": "2020-01-01T00:00:00Z", "empty": ""
    });
    let container = c.bundle().set("/annotations", all.clone()).create()?;
    let state = container.state()?;
    for (key, value) in all.as_object().into_iter().flatten() {
        same(key, &state["annotations"][key], value)?;
    }
    Ok(())
}

/// A configuration that must be refused, and what it may not leave behind.
fn nothing_left(c: &Case, bundle: crate::bundle::Bundle) -> Verdict {
    let group = format!("{}/left-{}", c.suite.tag, c.id());
    let bundle = match c.runtime.systemd {
        true => bundle,
        false => bundle.aid("/linux/cgroupsPath", format!("/{group}")),
    };
    let id = c.id();
    let mounts = || fs::read_to_string("/proc/self/mountinfo").unwrap_or_default();
    let before = mounts().lines().count();
    let output = bundle.try_create(&id)?;
    ensure(!output.ok(), || "create gave no error".to_owned())?;
    let state = runtime::call(c, &[], &["state", &id])?;
    ensure(!state.ok(), || "the container exists".to_owned())?;
    same("mounts", mounts().lines().count(), before)?;
    for entry in fs::read_dir("/sys/fs/cgroup")
        .into_iter()
        .flatten()
        .flatten()
    {
        let path = entry.path().join(&group);
        if path.exists() {
            return fail(format!("{} was left behind", path.display()));
        }
    }
    let held = processes_with_root(&bundle.root());
    ensure(held.is_empty(), || {
        format!("processes {held:?} were left behind")
    })?;
    // The id is free again.
    let again = c.bundle();
    let output = again.try_create(&id)?;
    ensure(output.ok(), || {
        format!("the id is not free again: {}", output.said())
    })
}

fn processes_with_root(root: &std::path::Path) -> Vec<String> {
    use std::os::unix::fs::MetadataExt;
    let place =
        |path: &std::path::Path| fs::metadata(path).map(|data| (data.dev(), data.ino())).ok();
    let wanted = place(root);
    let all = fs::read_dir("/proc").into_iter().flatten().flatten();
    all.filter(|entry| wanted.is_some() && place(&entry.path().join("root")) == wanted)
        .map(|entry| entry.file_name().to_string_lossy().into_owned())
        .collect()
}

fn read_once(c: &Case) -> Verdict {
    let log = c.folder("log")?;
    let file = log.join("poststop");
    let hook = json!({"path": c.probe(), "args": ["probe", "stdin", "--", "touch", file]});
    let bundle = c
        .bundle()
        .push("/hooks/poststop", hook)
        .set("/annotations", json!({"a": "b"}))
        .set("/process/args", json!(["/bin/probe", "echo", "first"]));
    let container = bundle.create()?;
    let changed = bundle
        .clone()
        .without("/hooks")
        .aid("/annotations", json!({"a": "c"}))
        .runs("echo second");
    changed.write()?;
    same(
        "annotation",
        &container.state()?["annotations"]["a"],
        &json!("b"),
    )?;
    container.start()?;
    container.finish()?.is(&["first"])?;
    fs::remove_file(bundle.path.join("config.json")).setup("remove a file")?;
    container.delete()?;
    ensure(file.exists(), || {
        "the hook of the first configuration did not run".to_owned()
    })
}
