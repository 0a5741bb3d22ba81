//! One header block: fixed fields, octal and base-256 numbers, checksum.

use super::BLOCK;
use crate::error::{Error, Result};

/// Flavours differ in where the rest of a long name is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Flavour {
    V7,
    Ustar,
    Gnu,
}

/// A view of one header block.
pub(super) struct Header<'a> {
    block: &'a [u8; BLOCK],
    pub(super) flavour: Flavour,
}

impl<'a> Header<'a> {
    /// Checks the checksum. All-zero blocks are the caller's business.
    pub(super) fn parse(block: &'a [u8; BLOCK]) -> Result<Self> {
        let stated =
            number(&block[148..156]).ok_or_else(|| malformed("checksum is not a number"))?;
        // The field itself counts as spaces. Historic programs summed signed characters.
        let others = || block[..148].iter().chain(&block[156..]);
        let unsigned = || 256 + others().map(|b| i64::from(*b)).sum::<i64>();
        let signed = || 256 + others().map(|b| i64::from(*b as i8)).sum::<i64>();
        // No mutation of the fuzzer's would survive it.
        if !cfg!(fuzzing) && stated != unsigned() && stated != signed() {
            return Err(malformed("checksum is wrong: this is not a tar header"));
        }
        let flavour = match &block[257..265] {
            b"ustar\x0000" => Flavour::Ustar,
            b"ustar  \0" => Flavour::Gnu,
            m if m.starts_with(b"ustar") => Flavour::Ustar,
            _ => Flavour::V7,
        };
        Ok(Header { block, flavour })
    }

    pub(super) fn kind(&self) -> u8 {
        self.block[156]
    }

    /// The name, joined with the prefix of ustar, written to `into`.
    pub(super) fn name(&self, into: &mut Vec<u8>) {
        into.clear();
        if self.flavour == Flavour::Ustar {
            let prefix = until_nul(&self.block[345..500]);
            if !prefix.is_empty() {
                into.extend_from_slice(prefix);
                into.push(b'/');
            }
        }
        into.extend_from_slice(until_nul(&self.block[..100]));
    }

    pub(super) fn link(&self, into: &mut Vec<u8>) {
        into.clear();
        into.extend_from_slice(until_nul(&self.block[157..257]));
    }

    pub(super) fn mode(&self) -> Result<u32> {
        // Some programs put the file type there too.
        self.field("mode", 100..108).map(|m| (m & 0o7777) as u32)
    }

    pub(super) fn uid(&self) -> Result<i64> {
        self.field("uid", 108..116)
    }

    pub(super) fn gid(&self) -> Result<i64> {
        self.field("gid", 116..124)
    }

    pub(super) fn size(&self) -> Result<u64> {
        let size = self.field("size", 124..136)?;
        u64::try_from(size).map_err(|_| malformed("size is negative"))
    }

    pub(super) fn mtime(&self) -> Result<i64> {
        self.field("mtime", 136..148)
    }

    pub(super) fn device(&self) -> Result<(u32, u32)> {
        if self.flavour == Flavour::V7 {
            return Ok((0, 0));
        }
        let number = |what, range| {
            self.field(what, range).and_then(|n| {
                u32::try_from(n).map_err(|_| malformed(&format!("{what} is out of range")))
            })
        };
        Ok((
            number("device major", 329..337)?,
            number("device minor", 337..345)?,
        ))
    }

    /// The bytes that GNU's old sparse format uses: four segments, "more follows", real size.
    pub(super) fn gnu_sparse(&self) -> (&'a [u8], bool, Result<u64>) {
        let real = number(&self.block[483..495]).and_then(|n| u64::try_from(n).ok());
        (
            &self.block[386..482],
            self.block[482] != 0,
            real.ok_or_else(|| malformed("real size of a sparse file is no number")),
        )
    }

    fn field(&self, what: &str, range: std::ops::Range<usize>) -> Result<i64> {
        number(&self.block[range]).ok_or_else(|| malformed(&format!("{what} is not a number")))
    }
}

pub(super) fn until_nul(field: &[u8]) -> &[u8] {
    &field[..field.iter().position(|b| *b == 0).unwrap_or(field.len())]
}

/// Octal with leading spaces or zeros, ended by space or NUL; or base-256, two's complement, when the top bit is set.
/// An empty field is zero.
pub(super) fn number(field: &[u8]) -> Option<i64> {
    let (first, rest) = field.split_first()?;
    if first & 0x80 != 0 {
        let negative = first & 0x40 != 0;
        let mut value: i64 = if negative {
            i64::from(*first as i8)
        } else {
            i64::from(first & 0x3f)
        };
        for byte in rest {
            // The sign must survive: more than 63 significant bits do not fit.
            let shifted = value.checked_mul(256)?;
            value = shifted | i64::from(*byte);
        }
        return Some(value);
    }
    let text = field.trim_ascii_start();
    let end = text
        .iter()
        .position(|b| *b == 0 || *b == b' ')
        .unwrap_or(text.len());
    let (digits, tail) = text.split_at(end);
    if !tail.iter().all(|b| *b == 0 || *b == b' ') {
        return None;
    }
    digits.iter().try_fold(0i64, |n, b| match b {
        b'0'..=b'7' => n.checked_mul(8)?.checked_add(i64::from(b - b'0')),
        _ => None,
    })
}

pub(super) fn malformed(why: &str) -> Error {
    failure!(Malformed: "tar: {why}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers() {
        let table: [(&[u8], Option<i64>); 14] = [
            (b"0000644\0", Some(0o644)),
            (b"   644 \0", Some(0o644)),
            (b"644     ", Some(0o644)),
            (b"\0\0\0\0\0\0\0\0", Some(0)),
            (b"        ", Some(0)),
            (b"77777777777\0", Some(0o77777777777)),
            (b"777777777777", Some(0o777777777777)),
            (b"-1\0\0\0\0\0\0", None),
            (b"8\0\0\0\0\0\0\0", None),
            (b"1 2\0\0\0\0\0", None),
            (
                b"\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff",
                Some(-1),
            ),
            (b"\x80\0\0\0\0\0\0\x02\0\0\0\0", Some(1 << 33)),
            (b"\x80\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff", None),
            (b"\xff\0\0\0\0\0\0\0\0\0\0\0", None),
        ];
        for (field, value) in table {
            assert_eq!(number(field), value, "{field:?}");
        }
    }
}
