//! Protocol buffers, as much of them as the messages need: numbers, texts, and messages in messages.

/// A message that is being written.
#[derive(Clone, Debug, Default)]
pub(super) struct Message(Vec<u8>);

impl Message {
    /// `int32`, `uint32` and enumerations.
    pub(super) fn number(&mut self, field: u32, value: i64) -> &mut Message {
        self.key(field, 0);
        self.varint(value.cast_unsigned());
        self
    }

    /// `bool`. All that are optional here are false when they are missing.
    pub(super) fn flag(&mut self, field: u32, value: bool) -> &mut Message {
        if value {
            self.number(field, 1);
        }
        self
    }

    /// `string` and messages in the message.
    pub(super) fn bytes(&mut self, field: u32, value: &[u8]) -> &mut Message {
        self.key(field, 2);
        self.varint(value.len() as u64);
        self.0.extend_from_slice(value);
        self
    }

    pub(super) fn text(&mut self, field: u32, value: &str) -> &mut Message {
        self.bytes(field, value.as_bytes())
    }

    pub(super) fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    fn key(&mut self, field: u32, kind: u64) {
        self.varint(u64::from(field) << 3 | kind);
    }

    fn varint(&mut self, mut value: u64) {
        while value >= 0x80 {
            self.0.push(value as u8 | 0x80);
            value >>= 7;
        }
        self.0.push(value as u8);
    }
}

/// The value of a field.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Value<'a> {
    Number(u64),
    Bytes(&'a [u8]),
}

impl<'a> Value<'a> {
    pub(super) fn number(self) -> i64 {
        match self {
            Value::Number(number) => number.cast_signed(),
            Value::Bytes(_) => 0,
        }
    }

    pub(super) fn bytes(self) -> &'a [u8] {
        match self {
            Value::Number(_) => &[],
            Value::Bytes(bytes) => bytes,
        }
    }

    pub(super) fn text(self) -> String {
        String::from_utf8_lossy(self.bytes()).into_owned()
    }
}

/// The fields of a message, in order; ends early where it is none.
pub(super) fn fields(mut rest: &[u8]) -> impl Iterator<Item = (u32, Value<'_>)> {
    std::iter::from_fn(move || {
        let key = varint(&mut rest)?;
        let value = match key & 7 {
            0 => Value::Number(varint(&mut rest)?),
            1 => Value::Bytes(take(&mut rest, 8)?),
            2 => {
                let length = varint(&mut rest)?;
                Value::Bytes(take(&mut rest, length)?)
            }
            5 => Value::Bytes(take(&mut rest, 4)?),
            _ => return None,
        };
        Some(((key >> 3) as u32, value))
    })
}

fn take<'a>(rest: &mut &'a [u8], length: u64) -> Option<&'a [u8]> {
    let (taken, left) = rest.split_at_checked(usize::try_from(length).ok()?)?;
    *rest = left;
    Some(taken)
}

fn varint(rest: &mut &[u8]) -> Option<u64> {
    let mut value = 0;
    for shift in (0..64).step_by(7) {
        let (&[byte], left) = rest.split_first_chunk()?;
        *rest = left;
        value |= u64::from(byte & 0x7f) << shift;
        if byte & 0x80 == 0 {
            return Some(value);
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn as_the_encoding_is_documented() {
        // From the specification's own examples: field 1 is 150, field 2 is "testing".
        let mut message = Message::default();
        message.number(1, 150).text(2, "testing").flag(3, false);
        assert_eq!(message.as_bytes(), b"\x08\x96\x01\x12\x07testing");
        // Negative numbers take ten bytes, as of 64 bits.
        let mut negative = Message::default();
        negative.number(1, -1);
        assert_eq!(negative.as_bytes().len(), 11);
        let read: Vec<_> = fields(negative.as_bytes()).collect();
        assert_eq!(read[0].1.number(), -1);
    }

    proptest::proptest! {
        #[test]
        fn what_is_written_is_read(numbers in proptest::collection::vec((1u32..100, -5i64..i64::MAX), 0..8), text in ".{0,300}") {
            let mut message = Message::default();
            for (field, number) in &numbers {
                message.number(*field, *number);
            }
            message.text(7, &text);
            let read: Vec<_> = fields(message.as_bytes()).collect();
            let expected = numbers.iter().map(|(field, number)| (*field, Value::Number(number.cast_unsigned())));
            let expected: Vec<_> = expected.chain([(7, Value::Bytes(text.as_bytes()))]).collect();
            proptest::prop_assert_eq!(read, expected);
        }

        #[test]
        fn garbage_ends(bytes in proptest::collection::vec(0u8.., 0..100)) {
            proptest::prop_assert!(fields(&bytes).count() <= bytes.len());
        }
    }
}
