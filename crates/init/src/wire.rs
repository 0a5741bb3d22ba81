//! The plan as bytes: numbers in native order, strings as spans into one text.
//!
//! Both sides are always built together, so there is no version; a decoder still never reads out of bounds, whatever
//! the bytes (property-tested), because a plan that was cut off must not become a different plan.

use core::ffi::CStr;

use kernel::{Call, Errno, Fault, strings};

use crate::{ChildStep, Slot};

/// A NUL-terminated string in the plan's text: where it starts and how long it is without the NUL.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Span {
    /// First byte.
    pub start: u32,
    /// Bytes without the final NUL.
    pub length: u32,
}

/// Several NUL-terminated strings, one behind the other.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Strings {
    /// First byte.
    pub start: u32,
    /// Bytes of all strings, each with its NUL.
    pub length: u32,
}

/// All strings of a plan.
#[derive(Clone, Copy, Debug)]
pub struct StringTable<'a>(pub &'a [u8]);

const BROKEN: Fault = Fault::found(Call::Read, Errno::EBADMSG);

impl<'a> StringTable<'a> {
    /// The bytes of a span; empty if it does not lie in the text.
    pub fn bytes(self, span: Span) -> &'a [u8] {
        let start = span.start as usize;
        self.0
            .get(start..start.saturating_add(span.length as usize))
            .unwrap_or_default()
    }

    /// A span as a string for the kernel.
    ///
    /// # Errors
    /// `EBADMSG` when it is not one: out of bounds, or with a NUL inside.
    pub fn string(self, span: Span) -> kernel::Result<&'a CStr> {
        let start = span.start as usize;
        let end = start.saturating_add(span.length as usize).saturating_add(1);
        self.0
            .get(start..end)
            .and_then(strings::first)
            .filter(|string| string.count_bytes() == span.length as usize)
            .ok_or(BROKEN)
    }

    /// As [`StringTable::string`], but an empty string is `None`.
    ///
    /// # Errors
    /// As [`StringTable::string`].
    pub fn optional(self, span: Span) -> kernel::Result<Option<&'a CStr>> {
        Ok(if span.length == 0 {
            None
        } else {
            Some(self.string(span)?)
        })
    }

    /// The strings of a list, in order.
    pub fn strings(self, list: Strings) -> impl Iterator<Item = &'a CStr> {
        let mut rest = self.bytes(Span {
            start: list.start,
            length: list.length,
        });
        core::iter::from_fn(move || {
            let string = strings::first(rest)?;
            rest = rest.get(string.count_bytes() + 1..).unwrap_or_default();
            Some(string)
        })
    }
}

/// Where encoded bytes go.
pub trait Sink {
    /// Appends bytes.
    fn put(&mut self, bytes: &[u8]);
}

/// A value that fills one 64-bit word. One size for all keeps the decoder, and so init, small.
pub trait Word: Copy {
    /// The value as a word.
    fn to_word(self) -> u64;
    /// The value of a word; what does not belong to it is cut off.
    fn from_word(word: u64) -> Self;
}

macro_rules! words {
    ($($kind:ty: $to:expr, $from:expr;)+) => {
        $(impl Word for $kind {
            fn to_word(self) -> u64 {
                ($to)(self)
            }

            fn from_word(word: u64) -> Self {
                ($from)(word)
            }
        })+
    };
}
words! {
    u64: |value| value, |word| word;
    u32: u64::from, |word| word as u32;
    i32: |value| value as u32 as u64, |word| word as u32 as i32;
    bool: u64::from, |word| word != 0;
    Span: |span: Span| u64::from(span.start) | u64::from(span.length) << 32,
        |word| Span { start: word as u32, length: (word >> 32) as u32 };
    Strings: |list: Strings| u64::from(list.start) | u64::from(list.length) << 32,
        |word| Strings { start: word as u32, length: (word >> 32) as u32 };
}

impl<K: Copy> Word for Slot<K> {
    fn to_word(self) -> u64 {
        u64::from(self.number())
    }

    fn from_word(word: u64) -> Self {
        Slot::numbered(word as u8)
    }
}

/// A value that has a form on the wire.
pub trait Wire: Sized {
    /// Appends the value.
    fn put(&self, sink: &mut dyn Sink);
    /// Takes a value from the front; `None` when there is none.
    fn take(source: &mut &[u8]) -> Option<Self>;
}

/// Takes `N` bytes from the front.
pub(crate) fn take_bytes<'a, const N: usize>(source: &mut &'a [u8]) -> Option<&'a [u8; N]> {
    let (bytes, rest) = source.split_first_chunk()?;
    *source = rest;
    Some(bytes)
}

/// Takes `N` words from the front.
#[inline(always)]
pub(crate) fn take_words<const N: usize>(source: &mut &[u8]) -> Option<[u64; N]> {
    let mut words = [0; N];
    fill(source, &mut words).then_some(words)
}

/// The same for any number: once in the program instead of once for each number.
#[inline(never)]
fn fill(source: &mut &[u8], words: &mut [u64]) -> bool {
    words.iter_mut().all(|word| match take_bytes(source) {
        Some(bytes) => {
            *word = u64::from_ne_bytes(*bytes);
            true
        }
        None => false,
    })
}

/// The byte that stands for a step of the runtime's.
pub(crate) const RUNTIMES: u8 = 0;
/// The byte that stands for one that the runtime performs without being told that it is its turn.
pub(crate) const AHEAD: u8 = u8::MAX;

/// One entry of the list as init sees it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WireStep {
    /// A step of the runtime's: what it is does not matter here, only whose turn it is.
    Runtime,
    /// One that the runtime performs while we are still at ours.
    Ahead,
    /// A step to perform.
    Child(ChildStep),
}

impl Wire for WireStep {
    fn put(&self, sink: &mut dyn Sink) {
        match self {
            WireStep::Runtime => sink.put(&[RUNTIMES]),
            WireStep::Ahead => sink.put(&[AHEAD]),
            WireStep::Child(step) => step.put(sink),
        }
    }

    fn take(source: &mut &[u8]) -> Option<Self> {
        let step = match *source.first()? {
            RUNTIMES => WireStep::Runtime,
            AHEAD => WireStep::Ahead,
            _ => return ChildStep::take(source).map(WireStep::Child),
        };
        *source = &source[1..];
        Some(step)
    }
}

/// What stands before the entries.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Header {
    /// How many entries there are.
    pub entries: u32,
    /// The first entry after the child's start; earlier ones are skipped.
    pub first: u32,
    /// How many inherited descriptors follow the header, one `i32` for each slot from 0 on; -1 for an empty slot.
    pub slots: u32,
    /// Bytes of encoded entries, which follow the descriptors.
    pub entry_bytes: u32,
    /// Bytes of text, which follow the entries.
    pub text_bytes: u32,
    /// The beginning of each step is to be stamped in the report page.
    pub stamped: bool,
}

const MAGIC: u32 = 0x7461_7265; // "tare"

impl Wire for Header {
    fn put(&self, sink: &mut dyn Sink) {
        for word in [
            MAGIC ^ u32::from(self.stamped),
            self.entries,
            self.first,
            self.slots,
            self.entry_bytes,
            self.text_bytes,
        ] {
            sink.put(&word.to_ne_bytes());
        }
    }

    fn take(source: &mut &[u8]) -> Option<Self> {
        let bytes: &[u8; 24] = take_bytes(source)?;
        let word = |index: usize| {
            let start = 4 * index;
            let bytes = [
                bytes[start],
                bytes[start + 1],
                bytes[start + 2],
                bytes[start + 3],
            ];
            u32::from_ne_bytes(bytes)
        };
        // The lowest bit of the first word says whether to stamp.
        let stamped = word(0) ^ MAGIC;
        (stamped <= 1).then(|| Header {
            entries: word(1),
            first: word(2),
            slots: word(3),
            entry_bytes: word(4),
            text_bytes: word(5),
            stamped: stamped == 1,
        })
    }
}

/// A decoded plan: the header, the descriptors, and the two parts that are read as they are walked.
#[derive(Clone, Copy, Debug)]
pub struct Image<'a> {
    /// The header.
    pub header: Header,
    /// Descriptor numbers, encoded.
    pub slots: &'a [u8],
    /// Entries, encoded.
    pub entries: &'a [u8],
    /// All strings.
    pub text: StringTable<'a>,
}

impl<'a> Image<'a> {
    /// Splits the bytes of a plan; `None` when they are not one.
    pub fn read(mut bytes: &'a [u8]) -> Option<Image<'a>> {
        let header = Header::take(&mut bytes)?;
        let (slots, rest) = bytes.split_at_checked((header.slots as usize).checked_mul(4)?)?;
        let (entries, rest) = rest.split_at_checked(header.entry_bytes as usize)?;
        let text = StringTable(rest.get(..header.text_bytes as usize)?);
        Some(Image {
            header,
            slots,
            entries,
            text,
        })
    }
}
