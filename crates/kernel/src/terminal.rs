//! Pseudoterminals: pty(7), ioctl_tty(2).

use crate::{BorrowedFd, Fd, Result, file::open, syscall};

const TIOCSCTTY: usize = 0x540e;
const TIOCSWINSZ: usize = 0x5414;
const TIOCGWINSZ: usize = 0x5413;
const TIOCSPTLCK: usize = 0x4004_5431;
const TIOCGPTPEER: usize = 0x5441;
const TIOCGPTN: usize = 0x8004_5430;

/// Opens a new pseudoterminal from `devpts` (a descriptor of a mounted devpts) and unlocks it.
pub fn open_master(devpts: BorrowedFd<'_>, path: &core::ffi::CStr) -> Result<Fd> {
    let master = crate::file::open_at(devpts, path, open::RDWR | open::NOCTTY, 0)?;
    let unlocked: i32 = 0;
    // SAFETY: the kernel reads one int.
    unsafe { syscall!(Ioctl, IOCTL, master.raw(), TIOCSPTLCK, &raw const unlocked) }?;
    Ok(master)
}

/// TIOCGPTPEER: the other end of a pseudoterminal, without looking its name up in any directory.
pub fn peer(master: BorrowedFd<'_>) -> Result<Fd> {
    // SAFETY: this request takes open(2) flags as its argument.
    unsafe {
        syscall!(
            Ioctl,
            IOCTL,
            master.raw(),
            TIOCGPTPEER,
            open::RDWR | open::NOCTTY | open::CLOEXEC
        )
    }
    .map(Fd::fresh)
}

/// TIOCGPTN: the number N of `/dev/pts/N`.
pub fn number(master: BorrowedFd<'_>) -> Result<u32> {
    let mut number = 0u32;
    // SAFETY: the kernel writes one unsigned int.
    unsafe { syscall!(Ioctl, IOCTL, master.raw(), TIOCGPTN, &raw mut number) }?;
    Ok(number)
}

/// TIOCSCTTY: makes the terminal the controlling terminal of the calling session leader.
pub fn make_controlling(terminal: BorrowedFd<'_>) -> Result<()> {
    // SAFETY: this request takes a number.
    unsafe { syscall!(Ioctl, IOCTL, terminal.raw(), TIOCSCTTY, 0) }.map(drop)
}

/// TCGETS, TCSETS: clears ONLCR, so that a newline that a program writes stays one and gets no carriage return
/// (termios(3)).
pub fn keep_newlines(terminal: BorrowedFd<'_>) -> Result<()> {
    const TCGETS: usize = 0x5401;
    const TCSETS: usize = 0x5402;
    const ONLCR: u32 = 4;
    // `struct termios` of the kernel is 36 bytes: the flags of input, output, control and line, then characters.
    let mut settings = [0u32; 9];
    // SAFETY: the kernel fills it.
    unsafe { syscall!(Ioctl, IOCTL, terminal.raw(), TCGETS, settings.as_mut_ptr()) }?;
    settings[1] &= !ONLCR;
    // SAFETY: the kernel reads as much.
    unsafe { syscall!(Ioctl, IOCTL, terminal.raw(), TCSETS, settings.as_ptr()) }.map(drop)
}

/// Rows and columns of a terminal.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
#[repr(C)]
pub struct Size {
    /// Height in characters.
    pub rows: u16,
    /// Width in characters.
    pub columns: u16,
    pixels: [u16; 2],
}

impl Size {
    /// A size in characters.
    pub const fn new(rows: u16, columns: u16) -> Size {
        Size {
            rows,
            columns,
            pixels: [0; 2],
        }
    }
}

/// TIOCSWINSZ.
pub fn set_size(terminal: BorrowedFd<'_>, size: Size) -> Result<()> {
    // SAFETY: `size` is a whole `struct winsize`.
    unsafe { syscall!(Ioctl, IOCTL, terminal.raw(), TIOCSWINSZ, &raw const size) }.map(drop)
}

/// TIOCGWINSZ; `ENOTTY` for what is no terminal.
pub fn size(terminal: BorrowedFd<'_>) -> Result<Size> {
    let mut size = Size::default();
    // SAFETY: the kernel writes one `struct winsize`.
    unsafe { syscall!(Ioctl, IOCTL, terminal.raw(), TIOCGWINSZ, &raw mut size) }?;
    Ok(size)
}
