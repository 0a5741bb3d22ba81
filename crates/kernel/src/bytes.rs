//! Copying bytes as programs do it most, a few at a time: for programs whose C library has string instructions for that, or
//! that have none. Starting a string instruction takes a processor longer than copying a few words.

/// Copies `count` bytes and returns `to`, as memcpy(3).
///
/// # Safety
/// `from` can be read and `to` written for `count` bytes, and `to` does not begin within what `from` has to be read of.
#[inline]
pub unsafe fn copy(to: *mut u8, from: *const u8, count: usize) -> *mut u8 {
    // SAFETY: each piece lies within `count` bytes, and the last ends with them.
    unsafe {
        match count {
            0 => {}
            1 => *to = *from,
            2..4 => both_ends::<u16>(to, from, count),
            4..8 => both_ends::<u32>(to, from, count),
            8..17 => both_ends::<u64>(to, from, count),
            17..33 => both_ends::<[u64; 2]>(to, from, count),
            33..65 => both_ends::<[u64; 4]>(to, from, count),
            _ => copy_many(to, from, count),
        }
    }
    to
}

/// As [`copy`], however the two lie: as memmove(3).
///
/// # Safety
/// `from` can be read and `to` written for `count` bytes.
#[inline]
pub unsafe fn copy_overlapping(to: *mut u8, from: *const u8, count: usize) -> *mut u8 {
    // SAFETY: the caller gives areas of `count` bytes; the direction keeps unread bytes intact.
    unsafe {
        if count <= 64 || (to as usize).wrapping_sub(from as usize) >= count {
            return copy(to, from, count);
        }
        for index in (0..count).rev() {
            to.add(index)
                .write_volatile(from.add(index).read_volatile());
        }
    }
    to
}

/// The first and the last of the bytes, which may be the same in the middle.
///
/// # Safety
/// As [`copy`]; `count` is at least the size of a piece.
#[inline(always)]
unsafe fn both_ends<T: Copy>(to: *mut u8, from: *const u8, count: usize) {
    let last = count - size_of::<T>();
    // SAFETY: both pieces are in bounds, and read before either is written.
    unsafe {
        let first = from.cast::<T>().read_unaligned();
        let end = from.add(last).cast::<T>().read_unaligned();
        to.cast::<T>().write_unaligned(first);
        to.add(last).cast::<T>().write_unaligned(end);
    }
}

/// # Safety
/// As [`copy`].
#[inline]
unsafe fn copy_many(to: *mut u8, from: *const u8, count: usize) {
    #[cfg(all(target_arch = "x86_64", not(miri)))]
    // SAFETY: the caller gives areas of `count` bytes; the direction flag is clear by the ABI.
    unsafe {
        core::arch::asm!("rep movsb", inout("rcx") count => _, inout("rdi") to => _, inout("rsi") from => _,
                         options(nostack, preserves_flags));
    }
    // Volatile, so that the compiler does not recognise the loop and turn it into a call of what calls this.
    #[cfg(not(all(target_arch = "x86_64", not(miri))))]
    for index in 0..count {
        // SAFETY: the caller gives areas of `count` bytes.
        unsafe {
            to.add(index)
                .write_volatile(from.add(index).read_volatile())
        };
    }
}

/// For programs that are linked with musl's C library, and ask for it: what compilers call. (Without optimisation the functions
/// above would call these.)
#[cfg(all(
    feature = "program",
    target_env = "musl",
    target_arch = "x86_64",
    not(debug_assertions)
))]
mod symbols {
    /// # Safety
    /// As memcpy(3).
    #[unsafe(no_mangle)]
    unsafe extern "C" fn memcpy(to: *mut u8, from: *const u8, count: usize) -> *mut u8 {
        // SAFETY: the same contract.
        unsafe { super::copy(to, from, count) }
    }

    /// # Safety
    /// As memmove(3). (musl's copies backwards by the other one.)
    #[unsafe(no_mangle)]
    unsafe extern "C" fn memmove(to: *mut u8, from: *const u8, count: usize) -> *mut u8 {
        // SAFETY: the same contract.
        unsafe { super::copy_overlapping(to, from, count) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn as_many_bytes_are_copied_as_were_asked_for() {
        let source: Vec<u8> = (0..200).map(|index| index as u8 + 1).collect();
        for count in (0..80).chain([127, 128, 129, 190]) {
            for offset in 0..9 {
                let mut target = vec![0; 200];
                // SAFETY: both are longer than what is copied.
                let end = unsafe {
                    let to = target.as_mut_ptr().add(offset);
                    copy(to, source.as_ptr().add(offset / 2), count).offset_from(target.as_ptr())
                };
                assert_eq!(end as usize, offset);
                let mut expected = vec![0; 200];
                expected[offset..offset + count]
                    .copy_from_slice(&source[offset / 2..offset / 2 + count]);
                assert_eq!(target, expected, "{count} bytes at {offset}");
            }
        }
    }

    #[test]
    fn bytes_are_moved_over_themselves_in_both_directions() {
        for count in [1, 3, 7, 8, 15, 30, 63, 64, 65, 100, 150] {
            for (from, to) in [(0, 1), (0, 20), (40, 41), (41, 40), (45, 0), (9, 9)] {
                let mut bytes: Vec<u8> = (0..200).collect();
                let mut expected = bytes.clone();
                expected.copy_within(from..from + count, to);
                let start = bytes.as_mut_ptr();
                // SAFETY: both areas lie in the vector.
                unsafe { copy_overlapping(start.add(to), start.add(from), count) };
                assert_eq!(bytes, expected, "{count} bytes from {from} to {to}");
            }
        }
    }
}
