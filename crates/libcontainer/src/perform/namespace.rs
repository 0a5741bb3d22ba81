//! Namespaces, opened by their files in `/proc` or elsewhere.

use init::Slot;
use kernel::{BorrowedFd, Call, Errno, Fault, Fd, file, namespace, process};
use spec::ConfigPath;

use crate::Error;
use crate::host::is_own_namespace;
use crate::plan::{Input, Plan, PlanError, namespace_name};

/// Opens a namespace that the config joins. The file may have become another one since the plan was made, never the
/// caller's own: what the plan changes in it would be the host's.
pub(super) fn to_join(path: &str, flag: u64, at: &ConfigPath) -> Result<Fd, Error> {
    let name = namespace_name(flag);
    let words = format!("open {name} namespace {path}");
    let fd = file_of(path).map_err(|fault| Error::step(at, words, fault))?;
    let why = match namespace::kind(fd.borrow()) {
        Ok(kind) if kind != flag => {
            let found = namespace_name(kind);
            format!("{path} is a namespace of type {found}, not {name}")
        }
        Ok(_) if is_own_namespace(name, &format!("/proc/thread-self/fd/{}", fd.raw()))? => {
            format!("{path} has become the caller's own {name} namespace")
        }
        Ok(_) => return Ok(fd),
        Err(_) => {
            format!("{path} is not a namespace: one is /proc/PID/ns/… or a bind mount of that")
        }
    };
    Err(PlanError::invalid(at.clone(), why).into())
}

fn file_of(path: &str) -> kernel::Result<Fd> {
    let path =
        std::ffi::CString::new(path).map_err(|_| Fault::found(Call::Openat, Errno::EINVAL))?;
    let flags = file::open::RDONLY | file::open::NONBLOCK;
    file::open_at(file::HERE, &path, flags, 0)
}

/// Opens a file that must be a namespace of this type, as [`namespace::flags`]; `EINVAL` when it is something else.
pub(super) fn open(path: &str, flag: u64) -> kernel::Result<Fd> {
    let fd = file_of(path)?;
    match namespace::kind(fd.borrow()) {
        Ok(kind) if kind == flag => Ok(fd),
        // No file of the namespace file system knows this request.
        Err(fault) if !fault.is(Errno::ENOTTY) && !fault.is(Errno::EINVAL) => Err(fault),
        _ => Err(Fault::found(Call::Setns, Errno::EINVAL)),
    }
}

/// The way into a container.
#[derive(Clone, Copy)]
pub(crate) struct WayIn<'a> {
    /// Its first process.
    pub(crate) pid: i32,
    /// The same.
    pub(crate) pidfd: &'a Fd,
    /// Namespaces that it has shared, by type.
    pub(crate) shared: &'a [(u64, BorrowedFd<'a>)],
}

impl WayIn<'_> {
    /// What a plan that joins the container needs from the beginning.
    pub(crate) fn inputs(&self, plan: &Plan) -> Result<Vec<(Slot, Fd)>, Error> {
        let filled = |(input, slot): &(Input, Slot)| Ok((*slot, self.open(*input)?));
        plan.inputs.iter().map(filled).collect()
    }

    fn open(&self, input: Input) -> Result<Fd, Error> {
        let failed = |fault| super::own("reach the container's namespaces", fault);
        let fd = match input {
            Input::Container => self.pidfd.borrow(),
            Input::ContainerRoot => return self.root(),
            Input::Namespace(flag) => {
                let shared = self.shared.iter().find(|(kind, _)| *kind == flag);
                let missing = || failed(Fault::found(Call::Setns, Errno::ENOENT));
                shared.ok_or_else(missing)?.1
            }
        };
        file::duplicate_above(fd, 3).map_err(failed)
    }

    fn root(&self) -> Result<Fd, Error> {
        let failed = |fault| super::own("open the container's root", fault);
        let path = std::ffi::CString::new(format!("/proc/{}/root", self.pid))
            .map_err(|_| failed(Fault::found(Call::Openat, Errno::EINVAL)))?;
        let flags = file::open::PATH | file::open::DIRECTORY;
        let root = file::open_at(file::HERE, &path, flags, 0).map_err(failed)?;
        // The number was not somebody else's by then.
        process::signal(self.pidfd.borrow(), 0).map_err(failed)?;
        Ok(root)
    }
}
