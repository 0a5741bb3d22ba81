//! The slowest that a peer may be. A time-out for each read does not end one that sends single bytes.

use std::io::{self, Read};
use std::time::{Duration, Instant};

/// How much must come, and in which time.
#[derive(Clone, Copy, Debug)]
pub struct Pace {
    /// Bytes that must come within `window`; then the connection is made anew.
    pub bytes: u64,
    /// How long is looked at.
    pub window: Duration,
}

impl Default for Pace {
    fn default() -> Self {
        Pace {
            bytes: 4096,
            window: Duration::from_secs(60),
        }
    }
}

/// Ends with an error where its input is slower than that. What counts is the time that was waited for the input, not what
/// the reader does in between.
pub(crate) struct Paced<R> {
    input: R,
    pace: Pace,
    waited: Duration,
    came: u64,
}

impl<R> Paced<R> {
    pub(crate) fn new(input: R, pace: Pace) -> Self {
        Paced {
            input,
            pace,
            waited: Duration::ZERO,
            came: 0,
        }
    }
}

impl<R: Read> Read for Paced<R> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let start = Instant::now();
        let n = self.input.read(into)?;
        self.waited += start.elapsed();
        self.came += n as u64;
        if n > 0 && self.waited >= self.pace.window {
            if self.came < self.pace.bytes {
                let Pace { bytes, window } = self.pace;
                let slow = format!("fewer than {bytes} bytes came within {window:?}");
                return Err(io::Error::new(io::ErrorKind::TimedOut, slow));
            }
            (self.waited, self.came) = (Duration::ZERO, 0);
        }
        Ok(n)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Slow;

    impl Read for Slow {
        fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
            std::thread::sleep(Duration::from_millis(5));
            into[0] = 0;
            Ok(1)
        }
    }

    #[test]
    fn single_bytes_are_given_up() {
        let read = |bytes| {
            let window = Duration::from_millis(50);
            let mut paced = Paced::new(Slow.take(40), Pace { bytes, window });
            io::copy(&mut paced, &mut io::sink())
        };
        assert_eq!(read(1).unwrap(), 40);
        assert_eq!(read(1000).unwrap_err().kind(), io::ErrorKind::TimedOut);
    }
}
