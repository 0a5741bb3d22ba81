//! What the fuzz targets (`fuzz/`) and the tests below do with bytes of others.
#![allow(missing_docs, reason = "nobody but the fuzzer sees it")]

extern crate std;

use core::fmt;
use std::string::ToString;
use std::vec::Vec;

use crate::wire::{Image, Sink, Wire, WireStep};
use crate::{ChildStep, Step, StringTable, Strings, passwd};

struct Bytes(Vec<u8>);

impl Sink for Bytes {
    fn put(&mut self, bytes: &[u8]) {
        self.0.extend_from_slice(bytes);
    }
}

/// A step as `tare plan` shows it.
struct Shown<'a>(&'a ChildStep, StringTable<'a>);

impl fmt::Display for Shown<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.describe(self.1, f)
    }
}

/// The plan behind init: what is decoded lies in it, and is encoded as it was understood.
pub fn plan(bytes: &[u8]) {
    let Some(image) = Image::read(bytes) else {
        return;
    };
    let whole = image.slots.len() + image.entries.len() + image.text.0.len();
    assert!(whole < bytes.len());
    let mut rest = image.entries;
    while let Some(step) = WireStep::take(&mut rest) {
        let mut again = Bytes(Vec::new());
        step.put(&mut again);
        assert_eq!(WireStep::take(&mut again.0.as_slice()), Some(step));
        if let WireStep::Child(step) = step {
            let _ = Shown(&step, image.text).to_string();
        }
    }
    let all = Strings {
        start: 0,
        length: u32::MAX,
    };
    assert!(image.text.strings(all).count() <= image.text.0.len());
}

/// passwd(5): the answer does not depend on the pieces in which the file comes, unless a line is longer than the room.
pub fn accounts(bytes: &[u8]) {
    let homes = [1, 7, usize::MAX].map(|piece| {
        let mut home = [0; 4096];
        let length = passwd::any_file(bytes, piece, 0, &mut home);
        length.map(|length| home[..length].to_vec())
    });
    for home in homes.iter().flatten() {
        assert!(!home.is_empty() && !home.contains(&0) && !home.contains(&b':'));
    }
    let longest = bytes.split(|byte| *byte == b'\n').map(<[u8]>::len).max();
    if longest < Some(1000) {
        assert!(homes.iter().all(|home| *home == homes[0]));
    }
    let _ = passwd::number(bytes, 10);
    let _ = passwd::number(bytes, 8);
}

#[cfg(test)]
mod tests {
    use property::any_bytes;

    #[test]
    fn any_plan() {
        any_bytes("fuzz/seeds/init", "", super::plan);
    }

    #[test]
    fn any_accounts() {
        any_bytes("fuzz/seeds/accounts", "", super::accounts);
    }
}
