//! Files as block devices, for root file systems that are in a file.

use std::ffi::CString;

use kernel::file::{self, open};
use kernel::loop_device::{self, flags};
use kernel::{Errno, Fd};

use super::c_string;

/// So often somebody else may take the device that was free.
const ATTEMPTS: usize = 100;

/// A device that is this file as long as it is open or mounted, and its path.
pub(super) fn make(path: &str, read_only: bool, direct: bool) -> kernel::Result<(Fd, CString)> {
    let (access, read_only) = match read_only {
        true => (open::RDONLY, flags::READ_ONLY),
        false => (open::RDWR, 0),
    };
    let direct = if direct { flags::DIRECT_IO } else { 0 };
    // What is there may be a FIFO: it is refused below, and not waited for.
    let never = open::NONBLOCK | open::NOCTTY;
    let file = file::open_at(file::HERE, &c_string(path)?, access | never, 0)?;
    let control = file::open_at(file::HERE, c"/dev/loop-control", open::RDWR, 0)?;
    let mut attempts = 0;
    loop {
        let number = loop_device::free(control.borrow())?;
        let name = c_string(&format!("/dev/loop{number}"))?;
        let device = file::open_at(file::HERE, &name, access, 0)?;
        let flags = flags::AUTOCLEAR | read_only | direct;
        match loop_device::configure(device.borrow(), file.borrow(), flags) {
            Err(fault) if fault.is(Errno::EBUSY) && attempts < ATTEMPTS => attempts += 1,
            answer => return answer.map(|()| (device, name)),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    /// Whoever mounts is somebody's thread.
    #[test]
    fn nobody_is_waited_for_where_the_file_is_a_fifo() {
        let fifo = std::env::temp_dir().join(format!("tare-loop-{}", std::process::id()));
        nix::unistd::mkfifo(&fifo, nix::sys::stat::Mode::S_IRWXU).unwrap();
        let path = fifo.to_str().unwrap().to_owned();
        let (done, is_done) = std::sync::mpsc::channel();
        std::thread::spawn(move || done.send(super::make(&path, true, false).is_err()));
        let answer = is_done.recv_timeout(Duration::from_secs(10));
        std::fs::remove_file(&fifo).unwrap();
        assert_eq!(answer, Ok(true));
    }
}
