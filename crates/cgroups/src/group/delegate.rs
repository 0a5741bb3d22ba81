//! Giving a cgroup to whoever is inside.

use std::ffi::CString;
use std::path::Path;

use kernel::{Errno, file};

use super::Group;
use super::devices::in_user_namespace;
use crate::dir::read_path;
use crate::{Error, Version};

/// The kernel's list of files that the owner of a subtree may write (cgroups(7), "Cgroups delegation").
const LIST: &str = "/sys/kernel/cgroup/delegate";

/// What was in the list when it was introduced.
const FIRST: &str = "cgroup.procs\ncgroup.subtree_control\ncgroup.threads";

impl Group {
    /// Gives the directory and the files of the kernel's list to a user, so that a container with a cgroup namespace of its
    /// own and a writable cgroup mount can make cgroups in it. Limits stay the caller's.
    ///
    /// Nothing happens on v1 and hybrid hosts, where delegating is not safe. In a user namespace a cgroup that belongs to
    /// somebody outside stays theirs. A caller without privileges cannot give anything away, and would not want to: it
    /// could neither put further processes into the cgroup nor remove what is made in it.
    ///
    /// # Errors
    /// Whatever the kernel refuses. A file that is missing is no error.
    pub fn delegate(&self, uid: u32) -> Result<(), Error> {
        const SAME_GROUP: u32 = u32::MAX;
        let Some(dir) = self.unified().filter(|_| self.place.version == Version::V2) else {
            return Ok(());
        };
        let fail = |fault| Error::file(format!("give to user {uid}"), dir.path(), fault);
        let directory = dir.descriptor().map_err(fail)?;
        match file::set_owner(directory, uid, SAME_GROUP) {
            Err(fault) if fault.is(Errno::EPERM) && in_user_namespace()? => {
                log::debug!("the cgroup keeps its owner: {}", fail(fault));
                return Ok(());
            }
            result => result.map_err(fail)?,
        }
        let list = match read_path(Path::new(LIST)) {
            Err(error) if error.is(Errno::ENOENT) => FIRST.to_owned(),
            result => result?,
        };
        for name in list.lines().filter(|name| !name.contains('/')) {
            let Ok(name) = CString::new(name) else {
                continue;
            };
            match file::set_owner_at(directory, &name, uid, SAME_GROUP) {
                Err(fault) if !fault.is(Errno::ENOENT) => return Err(fail(fault)),
                _ => {}
            }
        }
        Ok(())
    }
}
