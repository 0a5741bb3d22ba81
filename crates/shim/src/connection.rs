//! One connection: frames in, frames out, nothing that waits.

use std::collections::VecDeque;
use std::io::{ErrorKind, Read, Write};
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::net::UnixStream;

use crate::frame::{Frame, Frames};

/// As long as this much waits to be sent, nothing more is read.
const MOST_WAITING: usize = 1 << 20;

/// A stream socket that does not block, and what is on its way through it.
#[derive(Debug)]
pub(crate) struct Connection {
    socket: UnixStream,
    frames: Frames,
    out: VecDeque<Vec<u8>>,
    /// How long they are together.
    waiting: usize,
    /// How much of the first of `out` has been sent.
    sent: usize,
}

/// What can be waited for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Interest {
    pub(crate) read: bool,
    pub(crate) write: bool,
}

impl Connection {
    pub(crate) fn new(socket: UnixStream) -> std::io::Result<Connection> {
        socket.set_nonblocking(true)?;
        Ok(Connection {
            socket,
            frames: Frames::default(),
            out: VecDeque::new(),
            waiting: 0,
            sent: 0,
        })
    }

    /// Reads what has come, but not for ever; false when the other side has closed the connection.
    pub(crate) fn receive(&mut self) -> bool {
        let mut buffer = [0; 4096];
        for _ in 0..64 {
            match self.socket.read(&mut buffer) {
                Ok(0) => return false,
                Ok(length) => {
                    self.frames.feed(&buffer[..length]);
                    if length < buffer.len() {
                        return true;
                    }
                }
                Err(error) if error.kind() == ErrorKind::WouldBlock => return true,
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(_) => return false,
            }
        }
        true
    }

    /// The next frame of what has come.
    pub(crate) fn frame(&mut self) -> Option<Frame> {
        self.frames.next()
    }

    /// Sends a frame, at once or when there is room; false when nobody is there any more.
    pub(crate) fn send(&mut self, frame: Vec<u8>) -> bool {
        self.waiting += frame.len();
        self.out.push_back(frame);
        self.flush()
    }

    /// Sends what waits; false when nobody is there any more.
    pub(crate) fn flush(&mut self) -> bool {
        while let Some(frame) = self.out.front() {
            match self.socket.write(&frame[self.sent..]) {
                Ok(length) => self.sent += length,
                Err(error) if error.kind() == ErrorKind::WouldBlock => return true,
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(_) => return false,
            }
            if self.sent == frame.len() {
                self.waiting -= frame.len();
                self.out.pop_front();
                self.sent = 0;
            }
        }
        self.out = VecDeque::new();
        true
    }

    /// Whether all has been sent.
    pub(crate) fn is_flushed(&self) -> bool {
        self.out.is_empty()
    }

    pub(crate) fn interest(&self) -> Interest {
        Interest {
            read: self.waiting < MOST_WAITING,
            write: self.waiting > 0,
        }
    }

    /// How much memory is kept for what is on its way.
    pub(crate) fn held(&self) -> usize {
        self.waiting + self.frames.held()
    }
}

impl AsFd for Connection {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}
