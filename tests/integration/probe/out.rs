//! Buffered text output without an allocator.

use core::ffi::CStr;
use core::fmt::{self, Write};

use kernel::{BorrowedFd, file};

/// Collects text and writes it to a descriptor in large pieces; what is left is written when it goes away.
pub struct Out {
    fd: BorrowedFd<'static>,
    used: usize,
    buffer: [u8; 2048],
}

impl Out {
    /// Output to this descriptor.
    pub fn to(fd: BorrowedFd<'static>) -> Out {
        Out {
            fd,
            used: 0,
            buffer: [0; 2048],
        }
    }

    /// Writes what was collected.
    pub fn flush(&mut self) {
        let mut rest = &self.buffer[..self.used];
        while !rest.is_empty() {
            match file::write(self.fd, rest) {
                Ok(0) | Err(_) => break,
                Ok(count) => rest = &rest[count..],
            }
        }
        self.used = 0;
    }

    /// Adds bytes as they are.
    pub fn bytes(&mut self, bytes: &[u8]) {
        for byte in bytes {
            if self.used == self.buffer.len() {
                self.flush();
            }
            self.buffer[self.used] = *byte;
            self.used += 1;
        }
    }

    /// Adds a string.
    pub fn string(&mut self, string: &CStr) {
        self.bytes(string.to_bytes());
    }

    /// Adds a line.
    pub fn line(&mut self, text: fmt::Arguments<'_>) {
        let _ = self.write_fmt(text);
        self.bytes(b"\n");
    }
}

impl Write for Out {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        self.bytes(text.as_bytes());
        Ok(())
    }
}

impl Drop for Out {
    fn drop(&mut self) {
        self.flush();
    }
}

/// Prints bytes that are usually text.
pub struct Bytes<'a>(pub &'a [u8]);

impl fmt::Display for Bytes<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for chunk in self.0.utf8_chunks() {
            f.write_str(chunk.valid())?;
            if !chunk.invalid().is_empty() {
                f.write_str("?")?;
            }
        }
        Ok(())
    }
}
