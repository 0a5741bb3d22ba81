//! Properties of the encoding: whatever the bytes, decoding neither panics nor reads beyond them, and what is written is
//! what is read.

use std::collections::BTreeSet;
use std::fmt;

use proptest::prelude::*;
use tare_init::wire::{Header, Image, Sink, Wire, WireStep};
use tare_init::{ChildStep, Span, Step, StringTable, Strings};

struct Bytes(Vec<u8>);

impl Sink for Bytes {
    fn put(&mut self, bytes: &[u8]) {
        self.0.extend_from_slice(bytes);
    }
}

fn encoded(value: &impl Wire) -> Vec<u8> {
    let mut bytes = Bytes(Vec::new());
    value.put(&mut bytes);
    bytes.0
}

/// A step as `tare plan` shows it.
struct Shown<'a>(&'a ChildStep, StringTable<'a>);

impl fmt::Display for Shown<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.describe(self.1, f)
    }
}

/// Every step there is, with data from these words.
fn steps_of(words: &[u8]) -> Vec<ChildStep> {
    let decode = |tag: u8| {
        let bytes: Vec<u8> = std::iter::once(tag).chain(words.iter().copied()).collect();
        ChildStep::take(&mut bytes.as_slice())
    };
    (0..=u8::MAX).filter_map(decode).collect()
}

/// More words than the largest step has.
fn words() -> impl Strategy<Value = Vec<u8>> {
    let word = prop_oneof![
        any::<u64>(),
        0u64..4096,
        Just(u64::MAX),
        Just(u64::from(u32::MAX))
    ];
    proptest::collection::vec(word, 16)
        .prop_map(|words| words.iter().flat_map(|word| word.to_ne_bytes()).collect())
}

#[test]
fn every_step_has_a_tag_and_a_name_of_its_own() {
    let steps = steps_of(&[0; 128]);
    let names: BTreeSet<_> = steps.iter().map(ChildStep::name).collect();
    assert_eq!(names.len(), steps.len());
    assert_eq!(names, ChildStep::NAMES.iter().copied().collect());
}

proptest! {
    #[test]
    fn steps_survive_the_wire(words in words(), rest in any::<[u8; 3]>()) {
        for step in steps_of(&words) {
            let mut bytes = encoded(&WireStep::Child(step));
            let length = bytes.len();
            bytes.extend(rest);
            let mut source = bytes.as_slice();
            prop_assert_eq!(WireStep::take(&mut source), Some(WireStep::Child(step)));
            prop_assert_eq!(source, &rest[..], "{} took more or less than it put", step.name());
            // What is cut off is no step, and not another one.
            for cut in 0..length {
                prop_assert_eq!(WireStep::take(&mut &bytes[..cut]), None);
            }
        }
    }

    #[test]
    fn steps_can_be_shown_with_any_text(words in words(), text in any::<Vec<u8>>()) {
        for step in steps_of(&words) {
            let shown = Shown(&step, StringTable(&text)).to_string();
            prop_assert!(!shown.contains('\n'), "{}: {shown:?}", step.name());
        }
    }

    #[test]
    fn headers_survive_the_wire(entries: u32, first: u32, slots: u32, entry_bytes: u32, text_bytes: u32) {
        let header = Header { entries, first, slots, entry_bytes, text_bytes, stamped: entries % 2 == 1 };
        let bytes = encoded(&header);
        prop_assert_eq!(Header::take(&mut bytes.as_slice()), Some(header));
    }

    #[test]
    fn any_bytes_can_be_decoded(bytes: Vec<u8>) {
        let _ = Image::read(&bytes);
        let mut source = bytes.as_slice();
        while WireStep::take(&mut source).is_some() {}
    }

    /// The same behind a header that is right, with lengths that may not be.
    #[test]
    fn any_plan_can_be_decoded(
        bytes in proptest::collection::vec(any::<u8>(), 0..512), slots in 0u32..8, entry_bytes in 0u32..512,
        text_bytes in prop_oneof![0u32..64, any::<u32>()],
    ) {
        let header = Header { entries: 9, first: 0, slots, entry_bytes, text_bytes, stamped: false };
        let mut all = encoded(&header);
        all.extend(&bytes);
        let fits = u64::from(slots) * 4 + u64::from(entry_bytes) + u64::from(text_bytes) <= bytes.len() as u64;
        let image = Image::read(&all);
        prop_assert_eq!(image.is_some(), fits);
        if let Some(image) = image {
            prop_assert_eq!(image.slots.len(), slots as usize * 4);
            prop_assert_eq!(image.entries.len(), entry_bytes as usize);
            prop_assert_eq!(image.text.0.len(), text_bytes as usize);
            let mut source = image.entries;
            while let Some(entry) = WireStep::take(&mut source) {
                if let WireStep::Child(step) = entry {
                    let _ = Shown(&step, image.text).to_string();
                }
            }
        }
    }

    #[test]
    fn spans_stay_in_the_text(text: Vec<u8>, start: u32, length: u32, near in 0u32..64, short in 0u32..64) {
        for (start, length) in [(start, length), (near, short), (near, length)] {
            let (span, list) = (Span { start, length }, Strings { start, length });
            let text = StringTable(&text);
            prop_assert!(text.bytes(span).len() <= text.0.len());
            if let Ok(string) = text.string(span) {
                prop_assert_eq!(string.count_bytes(), length as usize);
            }
            let _ = text.optional(span);
            prop_assert!(text.strings(list).count() <= text.0.len());
        }
    }
}
