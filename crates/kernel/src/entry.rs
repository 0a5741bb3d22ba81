//! The entry point of a program that runs for milliseconds: what the standard library prepares before `main`, a stack for
//! signal handlers among it, takes as long as some of its commands.

use core::ffi::{CStr, c_char, c_int};

/// The words of the command line, the program's name first.
#[derive(Debug)]
pub struct Arguments {
    next: *const *const c_char,
    left: usize,
}

impl Arguments {
    /// What the C library hands to `main`.
    ///
    /// # Safety
    /// There are `count` strings, for the rest of the program's life.
    pub unsafe fn given(count: c_int, words: *const *const c_char) -> Arguments {
        Arguments {
            next: words,
            left: usize::try_from(count).unwrap_or_default(),
        }
    }
}

impl Iterator for Arguments {
    type Item = &'static CStr;

    fn next(&mut self) -> Option<&'static CStr> {
        self.left = self.left.checked_sub(1)?;
        // SAFETY: there was one more, and it lives as long as the program.
        unsafe {
            let word = CStr::from_ptr(*self.next);
            self.next = self.next.add(1);
            Some(word)
        }
    }
}

/// Makes a function of [`Arguments`] the program's entry point, which the C library calls; the program itself says `#![no_main]`.
/// Before it nothing has been prepared: `std::env::args` may be empty, standard streams may be closed, SIGPIPE ends the program.
#[macro_export]
macro_rules! entry {
    ($main:path) => {
        // SAFETY: a program has one entry point.
        #[unsafe(export_name = "main")]
        extern "C" fn entry_point(
            count: core::ffi::c_int,
            words: *const *const core::ffi::c_char,
        ) -> core::ffi::c_int {
            // SAFETY: these are what the C library hands over.
            $main(unsafe { $crate::entry::Arguments::given(count, words) })
        }
    };
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_come_in_their_order_and_end() {
        let words = [c"tare".as_ptr(), c"".as_ptr(), c"run".as_ptr()];
        // SAFETY: literals live for ever.
        let given = |count| unsafe { Arguments::given(count, words.as_ptr()) };
        assert!(given(3).eq([c"tare", c"", c"run"]));
        assert_eq!((given(0).count(), given(-1).count()), (0, 0));
    }
}
