//! The home directory of a user, from a passwd(5) file that may be hostile.

use kernel::BorrowedFd;
use kernel::file::{self, mode, open};

/// Most bytes of the file that are looked at; a longer file is as good as its beginning.
const MOST: usize = 1 << 20;

/// Copies the home directory of `uid` in `/etc/passwd` below `root` into `home`; the answer is its length.
///
/// Anything unexpected (no such file, a FIFO in its place, an endless line) means that there is none.
#[expect(
    clippy::disallowed_methods,
    reason = "a file that cannot be read is as good as none: it is the container's"
)]
pub fn home(root: BorrowedFd<'_>, uid: u32, home: &mut [u8]) -> Option<usize> {
    let fd = crate::inside::open(
        root,
        c"/etc/passwd",
        open::RDONLY | open::NONBLOCK | open::NOCTTY,
    )
    .ok()?;
    if file::status(fd.borrow()).ok()?.kind() != mode::REGULAR {
        return None;
    }
    let read = |room: &mut [u8]| file::read(fd.borrow(), room).ok();
    home_from(read, uid, home)
}

/// The same from the pieces of a file.
fn home_from(
    mut read: impl FnMut(&mut [u8]) -> Option<usize>,
    uid: u32,
    home: &mut [u8],
) -> Option<usize> {
    let mut buffer = [0u8; 1024];
    let (mut filled, mut seen) = (0, 0);
    loop {
        let got = read(&mut buffer[filled..])?;
        filled += got;
        seen += got;
        while let Some(end) = buffer[..filled].iter().position(|byte| *byte == b'\n') {
            if let Some(length) = home_in(&buffer[..end], uid, home) {
                return Some(length);
            }
            buffer.copy_within(end + 1..filled, 0);
            filled -= end + 1;
        }
        if got == 0 || seen >= MOST {
            return home_in(&buffer[..filled], uid, home);
        }
        if filled == buffer.len() {
            // A line longer than the buffer: drop it up to here, its rest will not look like an entry.
            filled = 0;
        }
    }
}

fn home_in(line: &[u8], uid: u32, home: &mut [u8]) -> Option<usize> {
    let mut fields = line.split(|byte| *byte == b':');
    let found = fields.nth(2)?;
    if number(found, 10)? != uid {
        return None;
    }
    let directory = fields.nth(2)?;
    if directory.is_empty() || directory.contains(&0) {
        return None;
    }
    home.get_mut(..directory.len())?.copy_from_slice(directory);
    Some(directory.len())
}

/// A number in this radix, without a sign; `None` for anything else and beyond 32 bits.
pub fn number(digits: &[u8], radix: u32) -> Option<u32> {
    let digit = |byte: &u8| char::from(*byte).to_digit(radix);
    let add = |sum: u32, digit: Option<u32>| sum.checked_mul(radix)?.checked_add(digit?);
    if digits.is_empty() {
        None
    } else {
        digits.iter().map(digit).try_fold(0, add)
    }
}

/// A way in for [`crate::fuzzing`]: a file that comes in pieces of this many bytes at most.
#[cfg(any(test, fuzzing))]
pub(crate) fn any_file(mut bytes: &[u8], piece: usize, uid: u32, home: &mut [u8]) -> Option<usize> {
    let read = |room: &mut [u8]| {
        let (now, later) = bytes.split_at(bytes.len().min(room.len()).min(piece));
        room[..now.len()].copy_from_slice(now);
        bytes = later;
        Some(now.len())
    };
    home_from(read, uid, home)
}

#[cfg(test)]
mod tests {
    use super::home_in;

    #[test]
    fn a_line_is_taken_apart_by_field() {
        let cases: [(&str, u32, Option<&str>); 7] = [
            ("root:x:0:0:root:/root:/bin/sh", 0, Some("/root")),
            ("1000:x:7:7::/home/a:/bin/sh", 1000, None),
            ("a:x:1000:7::/home/a", 1000, Some("/home/a")),
            ("a:x:1000:7::", 1000, None),
            ("a:x:4294967296:7::/root:", 0, None),
            ("a:x:-1:7::/root:", 0, None),
            ("", 0, None),
        ];
        for (line, uid, expected) in cases {
            let mut home = [0; 64];
            let found =
                home_in(line.as_bytes(), uid, &mut home).map(|length| home[..length].to_vec());
            assert_eq!(found.as_deref(), expected.map(str::as_bytes), "{line}");
        }
    }
}
