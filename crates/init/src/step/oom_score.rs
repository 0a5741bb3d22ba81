//! How readily the kernel ends the process when memory is short.

use core::fmt;

use kernel::Errno;
use kernel::file::{self, open};

use super::{Context, Step, step};
use crate::StringTable;

step! {
    /// Writes `/proc/self/oom_score_adj` (proc_pid_oom_score_adj(5)). `process.oomScoreAdj`
    OomScore {
        /// -1000..=1000
        value: i32,
        /// Without privileges a value cannot be lowered: then it stays as it is.
        lenient: bool,
    }
}

impl Step for OomScore {
    fn run(&self, _: &mut Context<'_>) -> kernel::Result<()> {
        let mut digits = [0u8; 8];
        let length = decimal(self.value, &mut digits);
        let fd = file::open_at(file::HERE, c"/proc/self/oom_score_adj", open::WRONLY, 0)?;
        match file::write(fd.borrow(), &digits[..length]) {
            Err(fault) if self.lenient && (fault.is(Errno::EACCES) || fault.is(Errno::EPERM)) => {
                Ok(())
            }
            answer => answer.map(drop),
        }
    }

    fn describe(&self, _: StringTable<'_>, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "oom score adjustment {}", self.value)
    }
}

/// Writes a number as decimal digits to the front of `digits`; the answer is how many bytes.
fn decimal(value: i32, digits: &mut [u8; 8]) -> usize {
    let mut reversed = [0u8; 8];
    let mut rest = value.unsigned_abs().min(9_999_999);
    let mut count = 0;
    loop {
        reversed[count] = b'0' + (rest % 10) as u8;
        count += 1;
        rest /= 10;
        if rest == 0 {
            break;
        }
    }
    if value < 0 {
        reversed[count.min(7)] = b'-';
        count = (count + 1).min(8);
    }
    for index in 0..count {
        digits[index] = reversed[count - 1 - index];
    }
    count
}

#[cfg(test)]
mod tests {
    #[test]
    fn numbers_are_written_in_decimal() {
        for value in [0, 7, -1, 1000, -1000, 999, -17] {
            let mut digits = [0; 8];
            let length = super::decimal(value, &mut digits);
            assert_eq!(
                core::str::from_utf8(&digits[..length]).unwrap(),
                value.to_string()
            );
        }
    }
}
