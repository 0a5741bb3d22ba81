//! The report page: where init is, and how it failed.
//!
//! A page of a file that init has mapped and the runtime reads. Writing to it needs no system call, so neither a system call
//! filter nor closed descriptors nor a crash can hide what happened: whatever ends init, the page still says in which
//! step. It goes away from the container's address space with execve(2), and stays readable in the file.
//!
//! When somebody wants to know where the time goes, the page holds the beginning of each step, too, by a counter that costs
//! no system call either.
//!
//! Nothing in it is trusted: until execve(2) a process that may trace init can write it. What it says decides which
//! status and which error are shown, never which process is meant: that is recorded by the runtime elsewhere.

use kernel::memory::SharedWords;
use kernel::{BorrowedFd, Call, Errno, Fault, clock, file};

/// Length of the file in bytes.
pub const LENGTH: usize = WORDS * 4;

const STEP: usize = 0;
const FAULT: usize = 1;
const NOT_RAISED: usize = 2;
const LISTENER: usize = 4;
const WORDS: usize = 5;

/// Length of a file with stamps in bytes: a page.
pub const STAMPED_LENGTH: usize = 4096;
/// The first pair of words that is a stamp. Plans of more steps than there is room for are stamped at their beginning.
const STAMPS: usize = WORDS.div_ceil(2);

/// How many words are mapped.
fn words(stamped: bool) -> usize {
    if stamped { STAMPED_LENGTH / 4 } else { WORDS }
}

const FAILED: u32 = 1 << 31;

/// The page, as init has it.
#[derive(Debug)]
pub struct Report(SharedWords);

impl Report {
    /// Maps the page from a file of at least [`LENGTH`] bytes, or [`STAMPED_LENGTH`] for one with stamps.
    ///
    /// # Errors
    /// As mmap(2).
    pub fn map(fd: BorrowedFd<'_>, stamped: bool) -> kernel::Result<Report> {
        SharedWords::map(fd, words(stamped)).map(Report)
    }

    /// Notes that step `index` of the plan begins.
    #[inline(never)]
    pub fn enter(&self, index: u32) {
        self.0.store(STEP, index + 1);
        self.0.stamp(STAMPS + index as usize, clock::ticks());
    }

    /// Notes that the present step failed.
    pub fn fail(&self, fault: Fault) {
        self.0.store(FAULT, encode_fault(fault));
    }

    /// Notes capabilities (one bit each) that could not be raised in the ambient set, which is only worth a warning.
    pub fn not_raised(&self, capabilities: u64) {
        self.0.store(NOT_RAISED, capabilities as u32);
        self.0.store(NOT_RAISED + 1, (capabilities >> 32) as u32);
    }

    /// Notes under which descriptor number init holds the listener of its filter.
    pub fn listening(&self, fd: i32) {
        self.0.store(LISTENER, fd as u32);
    }
}

/// What the page says to the runtime, which reads the file and does not map it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Seen {
    /// The step that was begun last.
    pub step: Option<u32>,
    /// How it failed, if it did.
    pub fault: Option<Fault>,
    /// The descriptor number of the filter's listener in init, once there is one.
    pub listener: Option<i32>,
    /// Capabilities that could not be raised in the ambient set.
    pub missing_ambient: u64,
}

impl Seen {
    /// Reads what is in a report file now.
    ///
    /// # Errors
    /// As pread(2); EIO when the file is cut short.
    pub fn in_file(fd: BorrowedFd<'_>) -> kernel::Result<Seen> {
        let mut page = [0; LENGTH];
        let length = loop {
            match file::read_at(fd, &mut page, 0) {
                Err(fault) if fault.is(Errno::EINTR) => {}
                answer => break answer?,
            }
        };
        let cut_short = Fault::found(Call::Pread, Errno::EIO);
        Seen::read(&page[..length]).ok_or(cut_short)
    }

    /// Reads the bytes of a report file; `None` when it is cut short.
    pub fn read(bytes: &[u8]) -> Option<Seen> {
        let words: &[u8; LENGTH] = bytes.first_chunk()?;
        let word = |index: usize| {
            let four = [0, 1, 2, 3].map(|byte| words[index * 4 + byte]);
            u32::from_ne_bytes(four)
        };
        Some(Seen {
            step: word(STEP).checked_sub(1),
            fault: decode_fault(word(FAULT)),
            listener: Some(word(LISTENER) as i32).filter(|fd| *fd > 0),
            missing_ambient: u64::from(word(NOT_RAISED)) | u64::from(word(NOT_RAISED + 1)) << 32,
        })
    }
}

/// When each step began, by [`clock::ticks`], from the bytes of a file with stamps; 0 for those that did not begin.
pub fn stamps(bytes: &[u8]) -> impl Iterator<Item = u64> {
    let (pairs, _) = bytes.as_chunks();
    pairs.iter().skip(STAMPS).copied().map(u64::from_ne_bytes)
}

fn encode_fault(fault: Fault) -> u32 {
    FAILED | (fault.call as u32) << 16 | (fault.errno.0 as u32 & 0xffff)
}

fn decode_fault(word: u32) -> Option<Fault> {
    if word & FAILED == 0 {
        return None;
    }
    let call = Call::from_number((word >> 16) as u8).unwrap_or(Call::Read);
    Some(Fault {
        call,
        errno: Errno((word & 0xffff) as i32),
    })
}
