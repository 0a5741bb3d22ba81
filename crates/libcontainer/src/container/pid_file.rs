//! The pid file: a number that others read as soon as the file is there.

use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use kernel::file::{self, mode, open};
use kernel::{Call, Errno, Fault, Fd, clock};

use crate::Error;

/// Writes the number: to a new file beside, which is renamed, so that a reader sees all of it. Nothing that somebody else
/// put into that directory is opened, followed or waited for. What is there under that name and no regular file, such as
/// a device or a pipe, stays and is written to.
pub(super) fn write(path: &Path, pid: i32) -> Result<(), Error> {
    put(path, pid.to_string().as_bytes())
        .map_err(|fault| Error::file("write the pid file", path, fault.into()))
}

fn put(path: &Path, text: &[u8]) -> kernel::Result<()> {
    let invalid = Fault::found(Call::Openat, Errno::EINVAL);
    let c_string = |bytes: &[u8]| std::ffi::CString::new(bytes).map_err(|_| invalid);
    let name = path.file_name().ok_or(invalid)?.as_bytes();
    let directory = match path.parent().map(|parent| parent.as_os_str().as_bytes()) {
        None | Some(b"") => b".",
        Some(parent) => parent,
    };
    let directory = file::open_at(
        file::HERE,
        &c_string(directory)?,
        open::PATH | open::DIRECTORY,
        0,
    )?;
    let target = c_string(name)?;
    match file::status_at(directory.borrow(), &target) {
        Err(fault) if fault.is(Errno::ENOENT) => {}
        Err(fault) => return Err(fault),
        // A link is replaced, not followed.
        Ok(status) if matches!(status.kind(), mode::REGULAR | mode::LINK) => {}
        Ok(_) => return put_into(&directory, &target, text),
    }
    let (file, beside) = loop {
        let unique = format!(".{}.{:x}", kernel::process::id(), clock::ticks());
        let beside = c_string(&[b".", name, unique.as_bytes()].concat())?;
        let flags = open::WRONLY | open::CREAT | open::EXCL | open::NOFOLLOW;
        match file::open_at(directory.borrow(), &beside, flags, 0o644) {
            Err(fault) if fault.is(Errno::EEXIST) => {}
            answer => break (answer?, beside),
        }
    };
    write_whole(&file, text)
        .and_then(|()| file::rename(directory.borrow(), &beside, &target))
        .inspect_err(|_| {
            if let Err(fault) = file::remove(directory.borrow(), &beside) {
                log::debug!("{} stays: {fault}", beside.to_string_lossy());
            }
        })
}

/// Into what is there, without waiting for a reader. It is looked at once more when it is open: it may be another now.
fn put_into(directory: &Fd, name: &std::ffi::CStr, text: &[u8]) -> kernel::Result<()> {
    let flags = open::WRONLY | open::NONBLOCK | open::NOCTTY | open::NOFOLLOW;
    let file = file::open_at(directory.borrow(), name, flags, 0)?;
    match file::status(file.borrow())?.kind() {
        mode::CHARACTER | mode::FIFO => write_whole(&file, text),
        _ => Err(Fault::found(Call::Openat, Errno::EEXIST)),
    }
}

fn write_whole(file: &Fd, text: &[u8]) -> kernel::Result<()> {
    match file::write(file.borrow(), text)? {
        length if length == text.len() => Ok(()),
        _ => Err(Fault::found(Call::Write, Errno::ENOSPC)),
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::FileTypeExt;

    use super::*;

    #[test]
    fn what_lies_in_the_directory_is_not_followed_or_waited_for() {
        let folder = std::env::temp_dir().join(format!("pid-file-{}", std::process::id()));
        fs::create_dir(&folder).unwrap();
        let (precious, target) = (folder.join("precious"), folder.join("pid"));
        fs::write(&precious, "x").unwrap();
        std::os::unix::fs::symlink(&precious, &target).unwrap();
        write(&target, 12).unwrap();
        assert_eq!(fs::read_to_string(&precious).unwrap(), "x");
        assert_eq!(fs::read_to_string(&target).unwrap(), "12");
        write(&target, 345).unwrap();
        assert_eq!(fs::read_to_string(&target).unwrap(), "345");
        fs::remove_file(&target).unwrap();
        let name = c"pid";
        let directory = file::open_at(
            file::HERE,
            &std::ffi::CString::new(folder.as_os_str().as_bytes()).unwrap(),
            open::RDONLY | open::DIRECTORY,
            0,
        )
        .unwrap();
        file::make_fifo(directory.borrow(), name, 0o600).unwrap();
        let error = write(&target, 6).unwrap_err().to_string();
        assert!(error.contains("no such device or address"), "{error}");
        let reader =
            file::open_at(directory.borrow(), name, open::RDONLY | open::NONBLOCK, 0).unwrap();
        write(&target, 7).unwrap();
        let mut text = [0; 8];
        assert_eq!(file::read(reader.borrow(), &mut text).unwrap(), 1);
        assert!(fs::symlink_metadata(&target).unwrap().file_type().is_fifo());
        write(Path::new("/dev/null"), 8).unwrap();
        assert!(
            fs::metadata("/dev/null")
                .unwrap()
                .file_type()
                .is_char_device()
        );
        for wrong in ["/", "/nosuch-directory/pid", "/proc/self/pid"] {
            assert!(write(Path::new(wrong), 9).is_err(), "{wrong}");
        }
        assert_eq!(fs::read_dir(&folder).unwrap().count(), 2);
        fs::remove_dir_all(&folder).unwrap();
    }
}
