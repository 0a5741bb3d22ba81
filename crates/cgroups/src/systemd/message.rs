//! Messages of the D-Bus wire protocol (the specification's chapter "Message Protocol"): the little of it that talking to
//! systemd takes.
//!
//! What arrives is not trusted to be well-formed: reading checks every length and never panics.

use super::Value;

/// Kinds of messages.
pub(crate) mod kind {
    pub(crate) const CALL: u8 = 1;
    pub(crate) const ANSWER: u8 = 2;
    pub(crate) const ERROR: u8 = 3;
    pub(crate) const SIGNAL: u8 = 4;
}

/// Header fields.
mod field {
    pub(super) const PATH: u8 = 1;
    pub(super) const INTERFACE: u8 = 2;
    pub(super) const MEMBER: u8 = 3;
    pub(super) const ERROR_NAME: u8 = 4;
    pub(super) const REPLY_SERIAL: u8 = 5;
    pub(super) const DESTINATION: u8 = 6;
    pub(super) const SIGNATURE: u8 = 8;
}

/// Longest message that is taken. The protocol allows 128 MiB; a unit's longest answer has a few hundred bytes, a manager's
/// list of everything (which is never asked for) a megabyte.
const LONGEST: usize = 16 << 20;

/// Values in the order and alignment of the protocol, little-endian.
#[derive(Default)]
pub(crate) struct Writer {
    bytes: Vec<u8>,
}

impl Writer {
    fn align(&mut self, to: usize) {
        self.bytes.resize(self.bytes.len().next_multiple_of(to), 0);
    }

    pub(crate) fn number(&mut self, value: u32) {
        self.align(4);
        self.bytes.extend(value.to_le_bytes());
    }

    fn long(&mut self, value: u64) {
        self.align(8);
        self.bytes.extend(value.to_le_bytes());
    }

    pub(crate) fn flag(&mut self, value: bool) {
        self.number(value.into());
    }

    pub(crate) fn text(&mut self, value: &str) {
        self.number(value.len() as u32);
        self.bytes.extend(value.as_bytes());
        self.bytes.push(0);
    }

    fn signature(&mut self, value: &str) {
        self.bytes.push(value.len() as u8);
        self.bytes.extend(value.as_bytes());
        self.bytes.push(0);
    }

    /// An array: its length in bytes does not count the padding before the first element.
    pub(crate) fn array(&mut self, alignment: usize, elements: impl FnOnce(&mut Writer)) {
        self.number(0);
        let length_at = self.bytes.len() - 4;
        self.align(alignment);
        let start = self.bytes.len();
        elements(self);
        let length = (self.bytes.len() - start) as u32;
        self.bytes[length_at..length_at + 4].copy_from_slice(&length.to_le_bytes());
    }

    pub(crate) fn structure(&mut self) {
        self.align(8);
    }

    /// A field of a message's header, unless it is empty: a name (`o`, `s`) or a signature (`g`).
    fn field(&mut self, code: u8, kind: &str, text: &str) {
        if text.is_empty() {
            return;
        }
        self.structure();
        self.bytes.push(code);
        self.signature(kind);
        match kind {
            "g" => self.signature(text),
            _ => self.text(text),
        }
    }

    /// A variant: its signature, then the value.
    pub(crate) fn variant(&mut self, value: &Value) {
        self.signature(value.signature());
        match value {
            Value::Bool(value) => self.flag(*value),
            Value::Int32(value) => self.number(*value as u32),
            Value::Unsigned32(value) => self.number(*value),
            Value::Int64(value) => self.long(*value as u64),
            Value::Number(value) => self.long(*value),
            Value::Double(value) => self.long(value.to_bits()),
            Value::Text(value) => self.text(value),
            Value::Texts(list) => self.array(4, |out| list.iter().for_each(|item| out.text(item))),
            Value::Bytes(bytes) => self.array(1, |out| out.bytes.extend(bytes)),
            Value::Numbers32(list) => {
                self.array(4, |out| list.iter().for_each(|item| out.number(*item)))
            }
            Value::Pairs(list) => self.array(8, |out| {
                for (first, second) in list {
                    out.structure();
                    out.text(first);
                    out.text(second);
                }
            }),
            Value::Limits(list) => self.array(8, |out| {
                for (first, second) in list {
                    out.structure();
                    out.text(first);
                    out.long(*second);
                }
            }),
        }
    }
}

/// A call of one method of an object.
pub(crate) struct Call<'a> {
    pub(crate) destination: &'a str,
    pub(crate) path: &'a str,
    pub(crate) interface: &'a str,
    pub(crate) member: &'a str,
    pub(crate) signature: &'a str,
}

impl Call<'_> {
    /// The message's bytes.
    pub(crate) fn message(&self, serial: u32, body: &Writer) -> Vec<u8> {
        assemble(kind::CALL, serial, body, |out| {
            out.field(field::PATH, "o", self.path);
            out.field(field::DESTINATION, "s", self.destination);
            out.field(field::INTERFACE, "s", self.interface);
            out.field(field::MEMBER, "s", self.member);
            out.field(field::SIGNATURE, "g", self.signature);
        })
    }
}

/// A message's bytes: the fixed part of the header, its fields, and the body.
fn assemble(kind: u8, serial: u32, body: &Writer, fields: impl FnOnce(&mut Writer)) -> Vec<u8> {
    let mut out = Writer::default();
    out.bytes.extend([b'l', kind, 0, 1]);
    out.number(body.bytes.len() as u32);
    out.number(serial);
    out.array(8, fields);
    out.align(8);
    out.bytes.extend(&body.bytes);
    out.bytes
}

/// A message that arrived.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Message {
    pub(crate) kind: u8,
    pub(crate) reply_to: u32,
    pub(crate) interface: String,
    pub(crate) member: String,
    pub(crate) error: String,
    pub(crate) signature: String,
    body: Vec<u8>,
    big: bool,
}

/// What arrived is no D-Bus.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Malformed;

impl Message {
    /// Takes the first message from what was received, with its length; `None` when it is not there as a whole yet.
    pub(crate) fn take(received: &[u8]) -> Result<Option<(Message, usize)>, Malformed> {
        if received.len() < 16 {
            return Ok(None);
        }
        let big = match received[0] {
            b'l' => false,
            b'B' => true,
            _ => return Err(Malformed),
        };
        if received[3] != 1 {
            return Err(Malformed);
        }
        let mut fixed = Reader {
            bytes: received,
            at: 4,
            big,
        };
        let body_length = fixed.number()? as usize;
        let _serial = fixed.number()?;
        let fields_length = fixed.number()? as usize;
        if fields_length > LONGEST || body_length > LONGEST {
            return Err(Malformed);
        }
        let fields_end = 16 + fields_length;
        let body_start = fields_end.next_multiple_of(8);
        let end = body_start + body_length;
        if received.len() < end {
            return Ok(None);
        }
        let mut message = Message {
            kind: received[1],
            body: received[body_start..end].to_vec(),
            big,
            ..Message::default()
        };
        let mut fields = Reader {
            bytes: &received[..fields_end],
            at: 16,
            big,
        };
        while fields.at < fields_end {
            fields.align(8)?;
            if fields.at == fields_end {
                break;
            }
            message.field(&mut fields)?;
        }
        Ok(Some((message, end)))
    }

    fn field(&mut self, fields: &mut Reader<'_>) -> Result<(), Malformed> {
        let code = fields.byte()?;
        let signature = fields.signature()?;
        match (code, signature) {
            (field::INTERFACE, "s") => self.interface = fields.text()?.to_owned(),
            (field::MEMBER, "s") => self.member = fields.text()?.to_owned(),
            (field::ERROR_NAME, "s") => self.error = fields.text()?.to_owned(),
            (field::REPLY_SERIAL, "u") => self.reply_to = fields.number()?,
            (field::SIGNATURE, "g") => self.signature = fields.signature()?.to_owned(),
            (_, "s" | "o") => drop(fields.text()?),
            (_, "g") => drop(fields.signature()?),
            (_, "u") => drop(fields.number()?),
            _ => return Err(Malformed),
        }
        Ok(())
    }

    /// Reads the body.
    pub(crate) fn body(&self) -> Reader<'_> {
        Reader {
            bytes: &self.body,
            at: 0,
            big: self.big,
        }
    }
}

/// Reads values one after the other.
pub(crate) struct Reader<'a> {
    bytes: &'a [u8],
    at: usize,
    big: bool,
}

impl<'a> Reader<'a> {
    fn take(&mut self, length: usize) -> Result<&'a [u8], Malformed> {
        let end = self.at.checked_add(length).ok_or(Malformed)?;
        let taken = self.bytes.get(self.at..end).ok_or(Malformed)?;
        self.at = end;
        Ok(taken)
    }

    fn align(&mut self, to: usize) -> Result<(), Malformed> {
        let aligned = self.at.next_multiple_of(to);
        self.take(aligned - self.at).map(drop)
    }

    fn byte(&mut self) -> Result<u8, Malformed> {
        Ok(self.take(1)?[0])
    }

    pub(crate) fn number(&mut self) -> Result<u32, Malformed> {
        self.align(4)?;
        let bytes: [u8; 4] = self.take(4)?.try_into().map_err(|_| Malformed)?;
        Ok(if self.big {
            u32::from_be_bytes(bytes)
        } else {
            u32::from_le_bytes(bytes)
        })
    }

    /// A string or an object's path.
    pub(crate) fn text(&mut self) -> Result<&'a str, Malformed> {
        let length = self.number()? as usize;
        let text = self.take(length)?;
        if self.byte()? != 0 {
            return Err(Malformed);
        }
        std::str::from_utf8(text).map_err(|_| Malformed)
    }

    fn signature(&mut self) -> Result<&'a str, Malformed> {
        let length = usize::from(self.byte()?);
        let text = self.take(length)?;
        if self.byte()? != 0 {
            return Err(Malformed);
        }
        std::str::from_utf8(text).map_err(|_| Malformed)
    }

    /// A variant that holds a string.
    pub(crate) fn text_variant(&mut self) -> Result<&'a str, Malformed> {
        match self.signature()? {
            "s" | "o" => self.text(),
            _ => Err(Malformed),
        }
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use proptest::prelude::*;

    /// A message as a peer sends it.
    pub(crate) fn message(
        kind: u8,
        member: &str,
        reply_to: u32,
        error: &str,
        signature: &str,
        body: &Writer,
    ) -> Vec<u8> {
        assemble(kind, 99, body, |out| {
            out.field(field::MEMBER, "s", member);
            out.field(field::ERROR_NAME, "s", error);
            out.field(field::SIGNATURE, "g", signature);
            if reply_to != 0 {
                out.structure();
                out.bytes.push(field::REPLY_SERIAL);
                out.signature("u");
                out.number(reply_to);
            }
        })
    }

    fn example() -> Vec<u8> {
        let mut body = Writer::default();
        body.text("x.scope");
        body.array(8, |out| {
            out.structure();
            out.text("PIDs");
            out.variant(&Value::Numbers32(vec![7]));
        });
        let call = Call {
            destination: "org.d",
            path: "/a",
            interface: "a.b",
            member: "Do",
            signature: "sa(sv)",
        };
        call.message(9, &body)
    }

    #[test]
    fn a_call_is_laid_out_as_the_specification_says() {
        let bytes = example();
        assert_eq!(&bytes[..4], b"l\x01\x00\x01");
        let (message, length) = Message::take(&bytes).unwrap().unwrap();
        assert_eq!(length, bytes.len());
        assert_eq!(
            (message.member.as_str(), message.signature.as_str()),
            ("Do", "sa(sv)")
        );
        let mut body = message.body();
        assert_eq!(body.text(), Ok("x.scope"));
        // 12 bytes of text end at 12: the length is there, the first struct at 16.
        assert_eq!(body.number(), Ok(32 - 16 + 8));
        for short in 0..bytes.len() {
            assert_eq!(Message::take(&bytes[..short]), Ok(None), "{short}");
        }
    }

    #[test]
    fn what_is_no_message_is_refused() {
        let mut bytes = example();
        bytes[0] = b'x';
        assert_eq!(Message::take(&bytes), Err(Malformed));
        let mut bytes = example();
        bytes[12..16].copy_from_slice(&u32::MAX.to_le_bytes());
        assert_eq!(Message::take(&bytes), Err(Malformed));
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(4096))]
        #[test]
        fn no_bytes_make_reading_panic(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            let _ = Message::take(&bytes);
        }

        #[test]
        fn no_damage_makes_reading_panic(at in 0usize..100, value: u8, cut in 0usize..140) {
            let mut bytes = example();
            let length = bytes.len();
            bytes[at % length] = value;
            bytes.truncate(length.min(cut.max(16)));
            if let Ok(Some((message, _))) = Message::take(&bytes) {
                let mut body = message.body();
                let _ = body.text().and_then(|_| body.text_variant()).and_then(|_| body.number());
            }
        }
    }
}
