//! Namespaces, opened by their files in `/proc` or elsewhere.

use kernel::{Call, Errno, Fault, Fd, file, namespace};

/// Opens a file that must be a namespace of this type, as [`namespace::flags`]; `EINVAL` when it is something else.
pub(super) fn open(path: &str, flag: u64) -> kernel::Result<Fd> {
    let path =
        std::ffi::CString::new(path).map_err(|_| Fault::found(Call::Openat, Errno::EINVAL))?;
    let fd = file::open_at(
        file::HERE,
        &path,
        file::open::RDONLY | file::open::NONBLOCK,
        0,
    )?;
    match namespace::kind(fd.raw()) {
        Ok(kind) if kind == flag => Ok(fd),
        // No file of the namespace file system knows this request.
        Err(fault) if !fault.is(Errno::ENOTTY) && !fault.is(Errno::EINVAL) => Err(fault),
        _ => Err(Fault::found(Call::Setns, Errno::EINVAL)),
    }
}
