//! One run of one test: its folder, its names, and the shortest ways to a container.

use std::cell::{Cell, RefCell};
use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::{PermissionsExt, chown};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::bundle::Bundle;
use crate::mutant::Mutant;
use crate::runtime::{self, Output, Runtime};
use crate::verdict::{Setup, Verdict};

/// The ordinary user as whom rootless tests run.
pub const USER: u32 = 1000;

/// What all tests of one run share.
#[derive(Debug)]
pub struct Suite {
    /// The runtime under test, a copy in the work folder.
    pub runtime: Arc<Runtime>,
    /// The suite's folder.
    pub work: PathBuf,
    /// A word that is part of all names that the suite makes.
    pub tag: String,
}

impl Suite {
    /// Puts what containers and ordinary users need into the work folder.
    pub fn prepare(mut runtime: Runtime, work: &Path, tag: &str) -> std::io::Result<Suite> {
        let bin = work.join("bin");
        fs::create_dir_all(&bin)?;
        fs::write(bin.join("probe"), include_bytes!(env!("PROBE")))?;
        let copy = bin.join(format!("runtime-{}", runtime.name));
        fs::copy(&runtime.program, &copy)?;
        fs::copy(std::env::current_exe()?, bin.join("suite"))?;
        for file in [&copy, &bin.join("probe"), &bin.join("suite")] {
            fs::set_permissions(file, fs::Permissions::from_mode(0o755))?;
        }
        runtime.program = copy;
        Ok(Suite {
            runtime: Arc::new(runtime),
            work: work.to_owned(),
            tag: tag.to_owned(),
        })
    }
}

/// One run of a test.
#[derive(Debug)]
pub struct Case {
    /// What all tests share.
    pub suite: Arc<Suite>,
    /// The runtime under test.
    pub runtime: Arc<Runtime>,
    /// The test's folder.
    pub folder: PathBuf,
    /// How runtime and suite are made to disagree.
    pub mutant: Option<Mutant>,
    number: usize,
    count: Cell<usize>,
    /// Pointers to what the test put into configurations.
    pub set: RefCell<BTreeSet<String>>,
    /// Containers that may still exist, with what `launch` does before the runtime's calls.
    pub open: RefCell<Vec<(String, Vec<String>, i32)>>,
}

impl Case {
    /// A case with a folder of its own.
    pub fn new(suite: &Arc<Suite>, number: usize, mutant: Option<Mutant>) -> Verdict<Case> {
        let folder = suite.work.join(format!("case{number}"));
        for name in ["", "state", "io"] {
            let path = folder.join(name);
            fs::create_dir(&path).setup("make a folder")?;
            chown(&path, Some(USER), Some(USER)).setup("change an owner")?;
        }
        chown(&folder, Some(0), Some(0)).setup("change an owner")?;
        fs::set_permissions(&folder, fs::Permissions::from_mode(0o777)).setup("chmod")?;
        Ok(Case {
            suite: Arc::clone(suite),
            runtime: Arc::clone(&suite.runtime),
            folder,
            mutant,
            number,
            count: Cell::new(0),
            set: RefCell::default(),
            open: RefCell::default(),
        })
    }

    fn next(&self) -> usize {
        self.count.replace(self.count.get() + 1)
    }

    /// An id that no other container has.
    pub fn id(&self) -> String {
        format!("{}-{}-{}", self.suite.tag, self.number, self.next())
    }

    /// A control group that no other container has, as `cgroupsPath` has it.
    pub fn group(&self) -> String {
        let name = format!("{}-{}-{}", self.suite.tag, self.number, self.next());
        match self.runtime.systemd {
            true => format!("system.slice:validation:{name}"),
            false => format!("/{}/{name}", self.suite.tag),
        }
    }

    /// The runtime's program.
    pub fn program(&self) -> &Path {
        &self.runtime.program
    }

    /// The suite's own program, in its role as helper.
    pub fn helper(&self) -> PathBuf {
        self.suite.work.join("bin/suite")
    }

    /// The probe, outside of containers.
    pub fn probe(&self) -> String {
        self.suite.work.join("bin/probe").display().to_string()
    }

    /// The runtime's `--root`.
    pub fn state(&self) -> PathBuf {
        self.folder.join("state")
    }

    /// Files for one call's output.
    pub fn files(&self) -> (PathBuf, PathBuf) {
        let number = self.next();
        let file = |end: &str| self.folder.join(format!("io/{number}.{end}"));
        (file("out"), file("err"))
    }

    /// A path in the case's folder.
    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.join(name)
    }

    /// A new folder in the case's folder that everybody may write.
    pub fn folder(&self, name: &str) -> Verdict<PathBuf> {
        let path = self.path(name);
        fs::create_dir_all(&path).setup("make a folder")?;
        fs::set_permissions(&path, fs::Permissions::from_mode(0o777)).setup("chmod")?;
        Ok(path)
    }

    /// A new file in the case's folder.
    pub fn file(&self, name: &str, text: &str) -> Verdict<PathBuf> {
        let path = self.path(name);
        fs::write(&path, text).setup("write a file")?;
        Ok(path)
    }

    /// A new bundle, for root.
    pub fn bundle(&self) -> Bundle<'_> {
        Bundle::new(self, self.path(&format!("bundle{}", self.next())))
    }

    /// Calls the runtime.
    pub fn call(&self, arguments: &[&str]) -> Verdict<Output> {
        runtime::call(self, &[], arguments)
    }
}

impl Drop for Case {
    fn drop(&mut self) {
        // The mutant is not to hinder cleaning up.
        self.mutant = None;
        for (id, before, pid) in self.open.take() {
            let _ = runtime::call(self, &before, &["delete", "--force", &id]);
            if pid > 1 {
                let pid = nix::unistd::Pid::from_raw(pid);
                let _ = nix::sys::wait::waitpid(pid, Some(nix::sys::wait::WaitPidFlag::WNOHANG));
            }
        }
        crate::host::remove_groups(&format!("{}-{}-", self.suite.tag, self.number));
        // What a wrong runtime left mounted here is not to be emptied with the folder.
        crate::host::detach_below(&self.folder);
        let _ = fs::remove_dir_all(&self.folder);
    }
}
