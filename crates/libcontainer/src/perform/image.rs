//! The file that a child is executed from, init with its plan behind it: whoever gets hold of `/proc/<pid>/exe` cannot change
//! what runs (CVE-2019-5736).

use std::ffi::{CStr, CString};

use kernel::file::{self, open};
use kernel::{Call, Errno, Fault, Fd, mount};

/// What the file is called, if it has a name.
const INIT: &CStr = c"tare-init";

/// Where one without a name can be.
const DIRECTORIES: [&CStr; 3] = [c"/dev/shm", c"/tmp", c"/var/tmp"];

/// Whether it is such a file that a process is executed from, by where `/proc/<pid>/exe` leads. Others can give their files such
/// names, too. But to look at the file itself would be to wait for whoever serves its file system.
pub(crate) fn is_named_so(link: &[u8]) -> bool {
    let init = INIT.to_bytes();
    let Some(removed) = link.strip_suffix(b" (deleted)") else {
        return link.strip_prefix(b"/") == Some(init);
    };
    let in_directory = |directory: &CStr| removed.strip_prefix(directory.to_bytes());
    let number = DIRECTORIES.into_iter().find_map(in_directory);
    let number = number.and_then(|number| number.strip_prefix(b"/#"));
    number.is_some_and(|number| number.iter().all(u8::is_ascii_digit))
        || removed.strip_prefix(b"/memfd:") == Some(init)
}

/// A file with this content that can be executed and that nobody can write to: a sealed memory file. Where these may not be
/// executed (vm.memfd_noexec=2), a file on a file system of its own, which is mounted nowhere and read-only for good; for a
/// caller who cannot mount, a file without a name, which the kernel lets nobody open for writing while it is executed.
pub(super) fn make(content: &[&[u8]]) -> kernel::Result<Fd> {
    let refused = match file::memory_file(INIT, true) {
        Ok(image) => {
            fill(&image, content)?;
            file::seal(image.borrow())?;
            return Ok(image);
        }
        Err(fault) if fault.is(Errno::EACCES) => fault,
        Err(fault) => return Err(fault),
    };
    log::debug!("memory files may not be executed (vm.memfd_noexec): {refused}");
    match on_own_file_system(content) {
        Err(fault) if fault.is(Errno::EPERM) => {}
        answer => return answer,
    }
    for directory in DIRECTORIES {
        match without_name(directory, content) {
            Ok(image) => return Ok(image),
            Err(fault) => log::debug!("{}: {fault}", directory.to_string_lossy()),
        }
    }
    Err(refused)
}

fn fill(file: &Fd, content: &[&[u8]]) -> kernel::Result<()> {
    for part in content {
        let mut rest = *part;
        while !rest.is_empty() {
            rest = &rest[file::write(file.borrow(), rest)?..];
        }
    }
    Ok(())
}

fn on_own_file_system(content: &[&[u8]]) -> kernel::Result<Fd> {
    use kernel::mount::attributes::{NODEV, NOSUID, RDONLY};
    let context = mount::open_filesystem(c"tmpfs")?;
    mount::configure(context.borrow(), c"mode", Some(c"0555"))?;
    let root = mount::create_mount(context.borrow(), NOSUID | NODEV)?;
    let flags = open::WRONLY | open::CREAT | open::EXCL;
    fill(&file::open_at(root.borrow(), INIT, flags, 0o555)?, content)?;
    let image = file::open_at(root.borrow(), INIT, open::RDONLY, 0)?;
    // The file system, not only this mount of it.
    mount::configure(context.borrow(), c"ro", None)?;
    mount::reconfigure(context.borrow())?;
    let change = mount::Change {
        set: RDONLY,
        ..mount::Change::default()
    };
    mount::set_attributes(root.borrow(), c"", false, &change)?;
    Ok(image)
}

fn without_name(directory: &CStr, content: &[&[u8]]) -> kernel::Result<Fd> {
    const ST_NOEXEC: u64 = 8;
    let flags = open::WRONLY | open::TMPFILE | open::EXCL;
    let file = file::open_at(file::HERE, directory, flags, 0o555)?;
    if file::filesystem(file.borrow())?.flags & ST_NOEXEC != 0 {
        return Err(Fault::found(Call::Execveat, Errno::EACCES));
    }
    fill(&file, content)?;
    let own = CString::new(format!("/proc/self/fd/{}", file.raw()))
        .map_err(|_| Fault::found(Call::Openat, Errno::EINVAL))?;
    // Nobody can have it open for writing when it is executed.
    file::open_at(file::HERE, &own, open::RDONLY, 0)
}

#[cfg(test)]
mod tests {
    use std::os::unix::ffi::OsStrExt;

    use super::*;

    #[test]
    fn no_way_leaves_a_file_that_can_be_written() {
        let content: [&[u8]; 2] = [b"#!/bin/", b"true\n"];
        let mut images = vec![make(&content).unwrap()];
        images.push(without_name(c"/tmp", &content).unwrap());
        match on_own_file_system(&content) {
            Err(fault) if fault.is(Errno::EPERM) => {}
            answer => {
                let image = answer.unwrap();
                let path = CString::new(format!("/proc/self/fd/{}", image.raw())).unwrap();
                let again = file::open_at(file::HERE, &path, open::WRONLY, 0);
                assert_eq!(again.unwrap_err().errno, Errno::EROFS);
                images.push(image);
            }
        }
        for other in [
            "/init",
            "/tmp/tare-init",
            "/tmp/#1",
            "/tmp/1 (deleted)",
            "/#1 (deleted)",
            "tare-init (deleted)",
        ] {
            assert!(!is_named_so(other.as_bytes()), "{other}");
        }
        for image in images {
            let mut text = [0; 32];
            let length = file::read_at(image.borrow(), &mut text, 0).unwrap();
            assert_eq!(&text[..length], b"#!/bin/true\n");
            let path = format!("/proc/self/fd/{}", image.raw());
            let link = std::fs::read_link(path).unwrap();
            assert!(is_named_so(link.as_os_str().as_bytes()), "{link:?}");
            assert!(file::write(image.borrow(), b"x").is_err());
        }
    }
}
