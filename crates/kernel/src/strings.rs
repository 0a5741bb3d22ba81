//! Lists of strings for a program that is to be executed.

use core::ffi::{CStr, c_char};
use core::marker::PhantomData;

use crate::memory::map_anonymous;
use crate::{Call, Errno, Fault, Result};

const NO_ROOM: Fault = Fault::found(Call::Execve, Errno::E2BIG);

/// Room for `count` pointers to strings and null, for the rest of the program's life.
pub fn room(count: usize) -> Result<&'static mut [*const c_char]> {
    let bytes = count.checked_mul(size_of::<usize>()).ok_or(NO_ROOM)?;
    let start = map_anonymous(bytes)?;
    // SAFETY: the mapping is new, large enough, zeroed (null pointers), and never unmapped.
    Ok(unsafe { core::slice::from_raw_parts_mut(start as *mut *const c_char, count) })
}

/// The string at the front of these bytes; `None` when no NUL ends it.
#[inline(never)]
pub fn first(bytes: &[u8]) -> Option<&CStr> {
    CStr::from_bytes_until_nul(bytes).ok()
}

/// Strings as execve(2) takes them: their pointers, and null at the end.
#[derive(Clone, Copy, Debug)]
pub struct StringList<'a> {
    pointers: &'a [*const c_char],
    strings: PhantomData<&'a CStr>,
}

impl<'a> StringList<'a> {
    /// No strings.
    pub const EMPTY: StringList<'static> = StringList {
        pointers: &[core::ptr::null()],
        strings: PhantomData,
    };

    /// Lays out a list in `room`, which must have one place more than there are strings, and hands back the rest.
    ///
    /// # Errors
    /// `E2BIG` when there is no room.
    pub fn lay_out(
        strings: impl Iterator<Item = &'a CStr>,
        room: &'a mut [*const c_char],
    ) -> Result<(StringList<'a>, &'a mut [*const c_char])> {
        let mut end = 0;
        for string in strings {
            *room.get_mut(end).ok_or(NO_ROOM)? = string.as_ptr();
            end += 1;
        }
        let (pointers, rest) = room.split_at_mut_checked(end + 1).ok_or(NO_ROOM)?;
        pointers[end] = core::ptr::null();
        let list = StringList {
            pointers,
            strings: PhantomData,
        };
        Ok((list, rest))
    }

    pub(crate) fn as_ptr(self) -> *const *const c_char {
        self.pointers.as_ptr()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_stand_one_behind_the_other_and_end_with_null() {
        let room = room(5).unwrap();
        let start = room.as_ptr();
        let (first, room) = StringList::lay_out([c"a", c"b"].into_iter(), room).unwrap();
        let (second, room) = StringList::lay_out([c"c"].into_iter(), room).unwrap();
        assert!(room.is_empty());
        let starts = (first.as_ptr(), second.as_ptr());
        assert_eq!(starts, (start, start.wrapping_add(3)));
        let all = first.pointers.iter().chain(second.pointers);
        let null: Vec<bool> = all.map(|pointer| pointer.is_null()).collect();
        assert_eq!(null, [false, false, true, false, true]);
    }

    #[test]
    fn a_list_without_room_is_an_error() {
        for places in 0..3 {
            let mut room = [core::ptr::null(); 3];
            let list = StringList::lay_out([c"a", c"b"].into_iter(), &mut room[..places]);
            assert_eq!(list.unwrap_err(), NO_ROOM, "{places}");
        }
        assert_eq!(room(usize::MAX / 4).unwrap_err(), NO_ROOM);
    }
}
