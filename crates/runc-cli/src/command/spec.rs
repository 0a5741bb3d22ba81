//! `spec`: a first config.json to edit.

use std::fs::OpenOptions;
use std::io::{ErrorKind, Write};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use super::{Arguments, Command};
use crate::failure::Failure;
use crate::flag::{BUNDLE, Flag};
use crate::global::Global;
use crate::invocation::{Invocation, Order, absolute};

static ROOTLESS: Flag = Flag::switch(
    "rootless",
    "write a config for ordinary users: a user namespace, no limits, the host's network",
);

pub(crate) static COMMAND: Command = Command {
    name: "spec",
    summary: "write an example config.json",
    synopsis: "",
    about: "\
Writes config.json into the bundle's directory. It runs `sh` on a terminal, with
the root file system in `rootfs`.",
    examples: &[
        ("spec --bundle /srv/web", "write /srv/web/config.json"),
        (
            "spec --rootless",
            "for a caller without privileges, into the current directory",
        ),
    ],
    flags: &[&BUNDLE, &ROOTLESS],
    order: Order::Anywhere,
    arguments: Arguments::Exactly(0),
    run,
};

/// What is written, but for what [`text`] fills in.
const DEFAULT: &str = include_str!("spec/default.json");
const ROOTLESS_TEXT: &str = include_str!("spec/rootless.json");

fn run(global: &Global, invocation: &Invocation) -> Result<i32, Failure> {
    let dir = match invocation.path(&BUNDLE)? {
        Some(dir) => dir,
        None => absolute(Path::new("."))?,
    };
    // A cgroup namespace shows the container its own part of the one hierarchy; with v1 there are many.
    let unified = Path::new("/sys/fs/cgroup/cgroup.controllers").exists();
    let rootless = match invocation.switch(&ROOTLESS) {
        true => Some(own_ids()?),
        false => None,
    };
    let text = text(rootless, global.program.identity(), unified);
    write_new(dir.join("config.json"), &text)?;
    Ok(0)
}

/// Effective user and group of this process: the owners of its folder in /proc.
fn own_ids() -> Result<(u32, u32), Failure> {
    let metadata =
        std::fs::metadata("/proc/self").map_err(|error| Failure::io("read /proc/self", &error))?;
    Ok((metadata.uid(), metadata.gid()))
}

/// The document for root, or for the given user and group without privileges.
fn text(rootless: Option<(u32, u32)>, hostname: &str, unified: bool) -> String {
    let mut text = match rootless {
        None => DEFAULT.to_owned(),
        // The first host id is the user's, the second the group's.
        Some((uid, gid)) => ROOTLESS_TEXT
            .replacen("\"hostID\": 0", &format!("\"hostID\": {uid}"), 1)
            .replacen("\"hostID\": 0", &format!("\"hostID\": {gid}"), 1),
    };
    text = text.replace(
        "\"hostname\": \"tare\"",
        &format!("\"hostname\": \"{hostname}\""),
    );
    if unified {
        let mount = "\t\t\t{\n\t\t\t\t\"type\": \"mount\"\n\t\t\t}";
        let cgroup = mount.replace("\"mount\"", "\"cgroup\"");
        text = text.replace(mount, &format!("{mount},\n{cgroup}"));
    }
    text.truncate(text.trim_end().len());
    text
}

/// Writes a file that must not be there yet, so that nobody's work is lost.
fn write_new(path: PathBuf, text: &str) -> Result<(), Failure> {
    let written = OpenOptions::new()
        .write(true)
        .create_new(true)
        .open(&path)
        .and_then(|mut file| file.write_all(text.as_bytes()));
    written.map_err(|error| match error.kind() {
        ErrorKind::AlreadyExists => Failure::new("File config.json exists. Remove it first"),
        _ => Failure::io(&format!("write {}", path.display()), &error),
    })
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::*;

    fn types(document: &Value) -> Vec<&str> {
        let namespaces = document["linux"]["namespaces"].as_array().unwrap();
        namespaces
            .iter()
            .map(|n| n["type"].as_str().unwrap())
            .collect()
    }

    #[test]
    fn the_document_for_root() {
        let text = text(None, "runc", true);
        assert!(!text.ends_with('\n'));
        let document: Value = serde_json::from_str(&text).unwrap();
        assert_eq!(document["ociVersion"], spec::VERSION);
        assert_eq!(document["hostname"], "runc");
        assert_eq!(document["process"]["terminal"], true);
        let namespaces = ["pid", "network", "ipc", "uts", "mount", "cgroup"];
        assert_eq!(types(&document), namespaces);
    }

    #[test]
    fn the_document_for_others_maps_them() {
        let text = text(Some((1000, 1001)), "tare", false);
        let document: Value = serde_json::from_str(&text).unwrap();
        assert_eq!(document["linux"]["uidMappings"][0]["hostID"], 1000);
        assert_eq!(document["linux"]["gidMappings"][0]["hostID"], 1001);
        assert_eq!(types(&document), ["pid", "ipc", "uts", "mount", "user"]);
        assert!(document["linux"].get("resources").is_none());
    }
}
