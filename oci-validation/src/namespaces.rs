//! Namespaces that containers are told to join: each held by a process that sleeps in it.

use std::fs;
use std::process::{Child, Command, Stdio};

use nix::sched::CloneFlags;

use crate::bundle::{BASE, LENGTH};
use crate::case::Case;
use crate::container::wait_for;
use crate::verdict::{Setup, Verdict};

/// A sleeping process in new namespaces; they end with it.
#[derive(Debug)]
pub(crate) struct Holder(Child);

impl Holder {
    /// Makes new namespaces. With a user namespace its root is the user [`BASE`], and the others belong to it.
    pub(crate) fn new(case: &Case, kinds: CloneFlags) -> Verdict<Holder> {
        let user = kinds.contains(CloneFlags::CLONE_NEWUSER);
        let flags = kinds.bits().to_string();
        let mut command = Command::new(case.helper());
        command.args(["launch", "--unshare", &flags, "--"]);
        command.args([
            case.probe().as_str(),
            "echo",
            "ready",
            "--",
            "spawn",
            "sleep",
            "600",
        ]);
        command.args(["--", "sleep", "600"]);
        let out = case.files().0;
        let file = fs::File::create(&out).setup("make a file")?;
        command.stdin(Stdio::null()).stdout(file);
        let holder = Holder(command.spawn().setup("start a process")?);
        wait_for("a process in new namespaces", || {
            let text = fs::read_to_string(&out).unwrap_or_default();
            text.contains("ready").then_some(())
        })?;
        if user {
            let line = format!("0 {BASE} {LENGTH}");
            for name in ["uid_map", "gid_map"] {
                fs::write(holder.file(name), &line).setup("write a map")?;
            }
        }
        Ok(holder)
    }

    fn file(&self, name: &str) -> String {
        format!("/proc/{}/{name}", self.0.id())
    }

    /// Path of one of its namespaces.
    pub(crate) fn path(&self, kind: &str) -> String {
        self.file(&format!("ns/{kind}"))
    }

    /// What identifies one of its namespaces.
    pub(crate) fn identity(&self, kind: &str) -> Verdict<String> {
        crate::container::namespace(&self.0.id().to_string(), kind)
    }
}

impl Drop for Holder {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}
