//! Terminals: what goes in and out is copied, by splice(2) where that works, without waiting.

use std::fs::File;
use std::io::{Read, Write};
use std::os::fd::{AsFd, OwnedFd};

use nix::errno::Errno;
use nix::fcntl::{SpliceFFlags, splice};
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};

/// One direction. Both ends do not block.
#[derive(Debug)]
pub(crate) struct Copying {
    pub(crate) from: File,
    pub(crate) to: File,
    /// Neither end is a pipe, or the kernel does not splice them.
    by_hand: bool,
    /// Read, and not yet written.
    held: Vec<u8>,
}

/// What it waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Step {
    /// Something to copy.
    Source,
    /// Room.
    Sink,
    /// Nothing: it has come to its end.
    Over,
    /// Nothing: there is more to copy at once, but others have their turn.
    More,
}

/// How much at once.
const PORTION: usize = 64 << 10;

impl Copying {
    pub(crate) fn new(from: OwnedFd, to: OwnedFd) -> Copying {
        for end in [&from, &to] {
            // A file on a disk does not care.
            let _ = kernel::file::set_nonblocking(end.as_fd().into(), true);
        }
        Copying {
            from: from.into(),
            to: to.into(),
            by_hand: false,
            held: Vec::new(),
        }
    }

    /// Copies what there is.
    pub(crate) fn step(&mut self) -> Step {
        for _ in 0..16 {
            let copied = match self.by_hand {
                true => self.copy(),
                false => self.splice(),
            };
            match copied {
                Ok(0) => return Step::Over,
                Ok(_) | Err(Errno::EINTR) => {}
                Err(Errno::EAGAIN) => {
                    return if self.has_room() {
                        Step::Source
                    } else {
                        Step::Sink
                    };
                }
                Err(Errno::EINVAL) if !self.by_hand => self.by_hand = true,
                // EIO: nobody has the terminal any more.
                Err(_) => return Step::Over,
            }
        }
        Step::More
    }

    fn splice(&self) -> nix::Result<usize> {
        let flags = SpliceFFlags::SPLICE_F_NONBLOCK | SpliceFFlags::SPLICE_F_MOVE;
        splice(&self.from, None, &self.to, None, PORTION, flags)
    }

    fn copy(&mut self) -> nix::Result<usize> {
        let errno = |error: std::io::Error| Errno::from_raw(error.raw_os_error().unwrap_or(0));
        if self.held.is_empty() {
            let mut buffer = [0; 4096];
            let length = self.from.read(&mut buffer).map_err(errno)?;
            if length == 0 {
                return Ok(0);
            }
            self.held = buffer[..length].to_vec();
        }
        let length = self.to.write(&self.held).map_err(errno)?;
        self.held.drain(..length);
        Ok(length)
    }

    /// Which side a copy waits for is not told.
    fn has_room(&self) -> bool {
        let mut polled = [PollFd::new(self.to.as_fd(), PollFlags::POLLOUT)];
        poll(&mut polled, PollTimeout::ZERO).is_ok_and(|ready| ready > 0) && self.held.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pipe() -> (OwnedFd, OwnedFd) {
        let (read, write) = std::io::pipe().expect("a pipe");
        (read.into(), write.into())
    }

    #[test]
    fn a_full_sink_is_waited_for_and_nothing_is_lost() {
        let (from, mut source) = std::io::pipe().expect("a pipe");
        let (sink, to) = pipe();
        let mut copying = Copying::new(from.into(), to);
        let sent: Vec<u8> = (0..300_000u32).map(|number| number as u8).collect();
        let wanted = sent.clone();
        let writer = std::thread::spawn(move || source.write_all(&sent));
        let mut sink = File::from(sink);
        let mut seen = Vec::new();
        let mut buffer = [0; 5000];
        loop {
            match copying.step() {
                Step::Over => break,
                Step::Sink => {
                    let length = sink.read(&mut buffer).expect("to read");
                    seen.extend_from_slice(&buffer[..length]);
                }
                Step::Source | Step::More => std::thread::yield_now(),
            }
        }
        drop(copying);
        sink.read_to_end(&mut seen).expect("to read");
        writer.join().expect("no panic").expect("to write");
        assert!(seen == wanted);
    }

    #[test]
    fn a_file_is_copied_by_hand() {
        let (from, mut source) = std::io::pipe().expect("a pipe");
        let file = nix::fcntl::open(
            "/dev/null",
            nix::fcntl::OFlag::O_WRONLY,
            nix::sys::stat::Mode::empty(),
        );
        let mut copying = Copying::new(from.into(), file.expect("a file"));
        source.write_all(b"words").expect("to write");
        assert_eq!(copying.step(), Step::Source);
        drop(source);
        assert_eq!(copying.step(), Step::Over);
    }
}
