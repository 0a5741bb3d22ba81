//! The mounts of a container as CRIU has to know them: which come from outside, and where they were put. Both stand in the
//! plan.

use std::collections::BTreeMap;
use std::path::Path;

use init::inside::{self, Last};
use init::{ChildStep, Slot};
use kernel::file::{self, mode, open};
use kernel::mount;
use kernel::{BorrowedFd, Call, Errno, Fault, Fd};

use crate::Error;
use crate::plan::{Plan, RuntimeStep, Step};

/// A mount from outside.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct External {
    /// Where it is in the container.
    pub(crate) key: String,
    /// What it is on the host.
    pub(crate) value: String,
}

/// One mount of the plan.
struct Planned<'a> {
    target: String,
    /// The path on the host, of a bind mount.
    source: Option<&'a str>,
}

fn planned(plan: &Plan) -> Vec<Planned<'_>> {
    let text = init::StringTable(&plan.text);
    // The plan's strings are the config's, which are UTF-8.
    let word = |span| std::str::from_utf8(text.bytes(span)).unwrap_or("");
    let mut trees: BTreeMap<u8, &str> = BTreeMap::new();
    let mut kept: BTreeMap<u8, String> = BTreeMap::new();
    let mut mounts = Vec::new();
    for entry in &plan.entries {
        let (below, target, source, keep) = match &entry.step {
            Step::Runtime(RuntimeStep::CopyTree(tree)) => {
                trees.insert(tree.slot.number(), &tree.source);
                continue;
            }
            Step::Child(ChildStep::Attach(step)) => (
                Slot::ROOT,
                word(step.target),
                trees.get(&step.slot.number()).copied(),
                step.keep,
            ),
            Step::Child(ChildStep::Bind(step)) => {
                let source = (!step.inside).then(|| word(step.source));
                (step.below, word(step.target), source, step.keep)
            }
            Step::Child(ChildStep::BindDevice(step)) => {
                let path = word(step.path);
                let source = Some(word(step.source)).filter(|source| !source.is_empty());
                (Slot::ROOT, path, source.or(Some(path)), Slot::NONE)
            }
            Step::Child(ChildStep::Filesystem(step)) => {
                (step.below, word(step.target), None, step.keep)
            }
            _ => continue,
        };
        let target = match kept.get(&below.number()) {
            Some(above) if below != Slot::ROOT => format!("{above}/{target}"),
            _ => target.to_owned(),
        };
        if keep != Slot::NONE {
            kept.insert(keep.number(), target.clone());
        }
        if !target.is_empty() && target != "/" {
            mounts.push(Planned { target, source });
        }
    }
    mounts
}

/// The mounts from outside, by their places in the container.
pub(crate) fn outside(plan: &Plan) -> Vec<External> {
    let external = planned(plan).into_iter().filter_map(|mount| {
        Some(External {
            value: mount.source?.to_owned(),
            key: mount.target,
        })
    });
    external.collect()
}

/// Shows the container's root directory at `place`, as CRIU wants it: a mount point whose parent nothing covers. In it are
/// the places of all mounts, made where they are missing.
pub(crate) fn make_root(plan: &Plan, root: &Path, place: &Path) -> Result<(), Error> {
    let failed = |fault: Fault| Error::file("prepare", root, fault.into());
    let c_path = |path: &Path| {
        use std::os::unix::ffi::OsStrExt;
        std::ffi::CString::new(path.as_os_str().as_bytes())
            .map_err(|_| failed(Fault::found(Call::Openat, Errno::EINVAL)))
    };
    let (root_path, place) = (c_path(root)?, c_path(place)?);
    let tree = mount::clone_tree(file::HERE, &root_path, true).map_err(failed)?;
    mount::attach_at(tree.borrow(), file::HERE, &place).map_err(failed)?;
    let mut filled: Vec<String> = Vec::new();
    let mut laid: Vec<Fd> = Vec::new();
    for mount in planned(plan) {
        let inner = |outer: &String| mount.target.starts_with(&format!("{outer}/"));
        // What is on a file system of the container's own is in the image.
        if filled.iter().any(inner) {
            continue;
        }
        let at = |fault: Fault| Error::file("make a mount point in", root, fault.into());
        let covers = lay(tree.borrow(), &mount).map_err(at)?;
        match covers {
            Some(covered) => laid.push(covered),
            None => filled.push(mount.target),
        }
    }
    for covered in laid.iter().rev() {
        let path = std::ffi::CString::new(format!("/proc/thread-self/fd/{}", covered.raw()));
        let path = path.map_err(|_| failed(Fault::found(Call::Umount, Errno::EINVAL)))?;
        mount::detach(&path).map_err(failed)?;
    }
    // CRIU takes the root as it finds it: its attributes are in no image.
    for entry in &plan.entries {
        if let Step::Child(ChildStep::SetAttributes(step)) = &entry.step
            && step.slot == Slot::ROOT
        {
            step.attributes.apply(tree.borrow()).map_err(failed)?;
        }
    }
    Ok(())
}

/// Makes the place of one mount; a bind mount is laid over it, so that the places of others in it can be made.
fn lay(root: BorrowedFd<'_>, planned: &Planned<'_>) -> kernel::Result<Option<Fd>> {
    let target = c_string(&planned.target)?;
    let Some(source) = planned.source else {
        inside::target(root, &target, Last::Directory(0o755), false)?;
        return Ok(None);
    };
    let source = file::open_at(file::HERE, &c_string(source)?, open::PATH, 0)?;
    let last = match file::status(source.borrow())?.kind() {
        mode::DIRECTORY => Last::Directory(0o755),
        _ => Last::File,
    };
    let (place, _) = inside::target(root, &target, last, false)?;
    let tree = mount::clone_tree(source.borrow(), c"", true)?;
    mount::attach(tree.borrow(), place.borrow())?;
    Ok(Some(tree))
}

fn c_string(text: &str) -> kernel::Result<std::ffi::CString> {
    std::ffi::CString::new(text).map_err(|_| Fault::found(Call::Openat, Errno::EINVAL))
}
