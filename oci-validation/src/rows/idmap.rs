//! B13 to B16: mounts whose owners are mapped.

use std::fs;
use std::os::unix::fs::chown;
use std::path::PathBuf;

use nix::mount::MntFlags;
use serde_json::{Value, json};

use crate::bundle::{BASE, Bundle, LENGTH};
use crate::case::Case;
use crate::row::{Row, may, must, should};
use crate::verdict::{Setup, Verdict, ensure, skip};

const OPTIONS: &str = "config.md#linux-mount-options";
const POSIX: &str = "config.md#posix-platform-mounts";

#[rustfmt::skip]
pub(crate) const ROWS: &[Row] = &[
    should("B13", OPTIONS, "`idmap` with the mount's own mappings shows mapped owners", |c| {
        let data = Data::new(c)?;
        owners(with(c.bundle(), &data, &["bind", "idmap"], true), "/mnt/file", 2000)
    }),
    should("B13.user", OPTIONS, "`idmap` with own mappings and a user namespace: the mount's mappings, seen through the namespace", |c| {
        let data = Data::new(c)?;
        let map = json!([{"containerID": 0, "hostID": BASE, "size": LENGTH}]);
        let bundle = mapped(c.bundle().user_namespace(), &data, &["bind", "idmap"], &map);
        owners(bundle, "/mnt/file", 1000)
    }),
    may("B13.container", OPTIONS, "`idmap` without mappings uses the container's user namespace, or is an error", |c| {
        let data = Data::new(c)?;
        owners(with(c.bundle().user_namespace(), &data, &["bind", "idmap"], false), "/mnt/file", 1000)
    }),
    may("B13.joined", OPTIONS, "`idmap` without mappings in a joined user namespace uses its maps, or is an error", |c| {
        let data = Data::new(c)?;
        let (_holder, bundle) = super::mount_forms::joined(c)?;
        owners(with(bundle, &data, &["bind", "idmap"], false), "/mnt/file", 1000)
    }),
    must("B13.none", OPTIONS, "`idmap` without mappings and without a user namespace is an error", |c| {
        let data = Data::new(c)?;
        with(c.bundle(), &data, &["bind", "idmap"], false).refused().map(drop)
    }),
    should("B13.data", OPTIONS, "`idmap` maps without changing the files' owners on the host", |c| {
        let data = Data::new(c)?;
        owners(with(c.bundle(), &data, &["bind", "idmap"], true), "/mnt/file", 2000)?;
        data.unchanged()
    }),
    may("B13.rootless", OPTIONS, "`idmap` on a tmpfs without root uses the user namespace's own privilege, or is an error", |c| {
        let map = json!([{"containerID": 0, "hostID": crate::case::USER, "size": 1}]);
        let mount = json!({"destination": "/mnt", "type": "tmpfs", "source": "tmpfs", "options": ["idmap", "mode=711"],
            "uidMappings": map, "gidMappings": map});
        owners(c.bundle().rootless().push("/mounts", mount), "/mnt", 0)
    }),
    may("B13.rootless-bind", OPTIONS, "`idmap` on a bind of the host's files without root is applied, or is an error", |c| {
        let map = json!([{"containerID": 0, "hostID": crate::case::USER, "size": 1}]);
        let from = c.folder("data")?;
        let mount = json!({"destination": "/mnt", "type": "none", "source": from, "options": ["rbind", "idmap"],
            "uidMappings": map, "gidMappings": map});
        owners(c.bundle().rootless().push("/mounts", mount), "/mnt", 0)
    }),
    should("B14", OPTIONS, "`ridmap` maps the mounts below as well, `idmap` does not", recursive),
    must("B14.none", OPTIONS, "`ridmap` without mappings and without a user namespace is an error", |c| {
        let data = Data::new(c)?;
        with(c.bundle(), &data, &["rbind", "ridmap"], false).refused().map(drop)
    }),
    must("B15", POSIX, "`uidMappings` of a mount without `gidMappings`, or the other way round, is an error", |c| {
        let data = Data::new(c)?;
        let map = json!([{"containerID": 0, "hostID": 1000, "size": 10}]);
        for key in ["uidMappings", "gidMappings"] {
            let mut mount = json!({"destination": "/mnt", "type": "none", "source": data.0, "options": ["bind", "idmap"]});
            mount[key] = map.clone();
            c.bundle().push("/mounts", mount).refused()?;
        }
        Ok(())
    }),
    should("B15.option", POSIX, "mappings without `idmap` are applied, or an error: not ignored", |c| {
        let data = Data::new(c)?;
        match owners(with(c.bundle(), &data, &["bind"], true), "/mnt/file", 2000) {
            Err(crate::verdict::Stop::Refused(_)) => Ok(()),
            other => other,
        }
    }),
    may("B16", OPTIONS, "`idmap` on a new tmpfs is applied, or an error", |c| {
        let map = json!([{"containerID": 0, "hostID": 1000, "size": 3000}]);
        let mount = json!({"destination": "/mnt", "type": "tmpfs", "source": "tmpfs", "options": ["idmap", "mode=777"],
            "uidMappings": map, "gidMappings": map});
        // The file system's own root belongs to 0, which the map shows as 1000.
        owners(c.bundle().push("/mounts", mount), "/mnt", 1000)
    }),
    may("B16.user", OPTIONS, "`idmap` with own mappings on a new tmpfs in a user namespace is applied, or an error", |c| {
        let map = json!([{"containerID": 0, "hostID": BASE + 1000, "size": 3000}]);
        let mount = json!({"destination": "/mnt", "type": "tmpfs", "source": "tmpfs", "options": ["idmap", "mode=777"],
            "uidMappings": map, "gidMappings": map});
        owners(c.bundle().user_namespace().push("/mounts", mount), "/mnt", 1000)
    }),
    may("B16.container", OPTIONS, "`idmap` without mappings on a new tmpfs uses the container's user namespace, or is an error", |c| {
        let bundle = c.bundle().user_namespace().mount("/mnt", "tmpfs", "tmpfs", &["idmap", "mode=777"]);
        owners(bundle, "/mnt", 0)
    }),
    may("B16.joined", OPTIONS, "`idmap` without mappings on a new tmpfs in a joined user namespace uses its maps, or is an error", |c| {
        let (_holder, bundle) = super::mount_forms::joined(c)?;
        owners(bundle.mount("/mnt", "tmpfs", "tmpfs", &["idmap", "mode=777"]), "/mnt", 0)
    }),
    must("B16.none", OPTIONS, "`idmap` on a new tmpfs without mappings and without a user namespace is an error", |c| {
        c.bundle().mount("/mnt", "tmpfs", "tmpfs", &["idmap"]).refused().map(drop)
    }),
    must("B16.unmapped", OPTIONS, "mappings of a mount to ids that the user namespace does not have are applied, or an error", |c| {
        let map = json!([{"containerID": 0, "hostID": 7, "size": 1}]);
        let mount = json!({"destination": "/mnt", "type": "tmpfs", "source": "tmpfs", "options": ["idmap"], "uidMappings": map, "gidMappings": map});
        match owners(c.bundle().user_namespace().push("/mounts", mount), "/mnt", 65534) {
            Err(crate::verdict::Stop::Refused(_)) => Ok(()),
            other => other,
        }
    }),
    may("B16.overlay", OPTIONS, "`idmap` on a new overlay is applied, or an error", |c| {
        let lower = c.folder("lower")?;
        let map = json!([{"containerID": 0, "hostID": 1000, "size": 3000}]);
        let mount = json!({"destination": "/mnt", "type": "overlay", "source": "overlay",
            "options": ["idmap", format!("lowerdir={}:{}", lower.display(), c.folder("lower2")?.display())],
            "uidMappings": map, "gidMappings": map});
        owners(c.bundle().push("/mounts", mount), "/mnt", 1000)
    }),
];

/// A file system with a file of user 1000 and another mount below; unmounted at the end.
struct Data(PathBuf);

impl Data {
    fn new(c: &Case) -> Verdict<Data> {
        let release = nix::sys::utsname::uname().setup("ask for the kernel")?;
        let release = release.release().to_string_lossy().into_owned();
        let mut numbers = release
            .split(['.', '-'])
            .map(|word| word.parse().unwrap_or(0));
        let version: (u32, u32) = (numbers.next().unwrap_or(0), numbers.next().unwrap_or(0));
        if version < (6, 3) {
            return skip(format!("kernel: {release} cannot map a tmpfs (6.3)"));
        }
        let top = c.folder("data")?;
        crate::frame::mount("data", &top, "tmpfs", "mode=755").setup("mount")?;
        let data = Data(top.clone());
        for folder in [&top, &top.join("sub")] {
            fs::create_dir_all(folder).setup("make a folder")?;
            if *folder != top {
                crate::frame::mount("sub", folder, "tmpfs", "mode=755").setup("mount")?;
            }
            let file = folder.join("file");
            fs::write(&file, "content\n").setup("write a file")?;
            chown(&file, Some(1000), Some(1000)).setup("change an owner")?;
        }
        Ok(data)
    }

    fn unchanged(&self) -> Verdict {
        use std::os::unix::fs::MetadataExt;
        let owner = fs::metadata(self.0.join("file"))
            .setup("look at a file")?
            .uid();
        ensure(owner == 1000, || format!("the file now belongs to {owner}"))
    }
}

impl Drop for Data {
    fn drop(&mut self) {
        let _ = nix::mount::umount2(&self.0, MntFlags::MNT_DETACH);
    }
}

/// A bind with or without mappings that show 1000 as 2000.
fn with<'a>(bundle: Bundle<'a>, data: &Data, options: &[&str], own: bool) -> Bundle<'a> {
    // Users in the file system from 1000 on (`containerID`) are seen from 2000 on (`hostID`).
    let map = json!([{"containerID": 1000, "hostID": 2000, "size": 10}]);
    match own {
        true => mapped(bundle, data, options, &map),
        false => bundle.push(
            "/mounts",
            json!({"destination": "/mnt", "type": "none", "source": data.0, "options": options}),
        ),
    }
}

fn mapped<'a>(bundle: Bundle<'a>, data: &Data, options: &[&str], map: &Value) -> Bundle<'a> {
    let mount = json!({"destination": "/mnt", "type": "none", "source": data.0, "options": options,
        "uidMappings": map, "gidMappings": map});
    bundle.push("/mounts", mount)
}

fn owners(bundle: Bundle, path: &str, owner: u32) -> Verdict {
    bundle
        .see(&format!("stat {path}"))?
        .has(&format!("uid={owner} gid={owner}"))
}

fn recursive(c: &Case) -> Verdict {
    let data = Data::new(c)?;
    owners(
        with(c.bundle(), &data, &["rbind", "ridmap"], true),
        "/mnt/sub/file",
        2000,
    )?;
    owners(
        with(c.bundle(), &data, &["rbind", "ridmap"], true),
        "/mnt/file",
        2000,
    )?;
    owners(
        with(c.bundle(), &data, &["rbind", "idmap"], true),
        "/mnt/sub/file",
        1000,
    )
}
