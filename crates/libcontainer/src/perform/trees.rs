//! Bind mounts that are copied, and id-mapped, outside.

use std::ffi::CString;

use kernel::mount::{self, Change, IdsOf, attributes, flags};
use kernel::{BorrowedFd, Call, Errno, Fault, Fd, file};

use crate::plan::Tree;

/// A detached copy with its attributes.
pub(crate) fn copy(tree: &Tree) -> kernel::Result<Fd> {
    let source = CString::new(tree.source.as_str())
        .map_err(|_| Fault::found(Call::OpenTree, Errno::EINVAL))?;
    let fd = mount::clone_tree(file::HERE, &source, tree.recursive)?;
    tree.attributes.apply(fd.borrow())?;
    if tree.propagation != 0 {
        // A copy made inside would have been changed with all other mounts.
        let propagation = tree.propagation & !flags::REC;
        mount::set_attributes(
            fd.borrow(),
            c"",
            true,
            &Change {
                propagation,
                ..Change::default()
            },
        )?;
    }
    Ok(fd)
}

/// Gives a detached tree the ids of a user namespace.
pub(crate) fn map(tree: BorrowedFd<'_>, recursive: bool, namespace: &Fd) -> kernel::Result<()> {
    let change = Change {
        set: attributes::IDMAP,
        ids: IdsOf::namespace(namespace.borrow()),
        ..Change::default()
    };
    mount::set_attributes(tree, c"", recursive, &change)
}
