//! PAX extended headers: `length key=value\n` records (POSIX.1-2024, pax, "Extended Header").

use super::Time;
use super::header::malformed;
use super::sparse::{self, Segment};
use crate::error::Result;
use crate::limits::Limits;

/// Extended attributes of one entry. The kernel lists at most 64 KiB of names; and each is compared with all before.
const XATTRS: usize = 1000;

/// The attributes that mean something for a layer; everything else is ignored.
#[derive(Debug, Default)]
pub(super) struct Attributes {
    pub(super) path: Option<Vec<u8>>,
    pub(super) link: Option<Vec<u8>>,
    pub(super) size: Option<u64>,
    pub(super) uid: Option<i64>,
    pub(super) gid: Option<i64>,
    pub(super) mtime: Option<Time>,
    pub(super) xattrs: Vec<(Vec<u8>, Vec<u8>)>,
    pub(super) sparse: SparseAttributes,
}

/// GNU's three PAX encodings of holes.
#[derive(Debug, Default)]
pub(super) struct SparseAttributes {
    pub(super) major: Option<u64>,
    pub(super) minor: Option<u64>,
    pub(super) name: Option<Vec<u8>>,
    pub(super) real_size: Option<u64>,
    pub(super) segments: Option<Vec<Segment>>,
    offset: Option<u64>,
}

impl Attributes {
    /// Adds the records of one extended header.
    pub(super) fn add(&mut self, mut body: &[u8], limits: &Limits) -> Result<()> {
        while !body.is_empty() {
            // Some writers pad the body with NUL.
            if body.iter().all(|b| *b == 0) {
                break;
            }
            let (key, value, rest) = record(body)?;
            body = rest;
            self.set(key, value, limits)?;
        }
        let bytes: usize = self.xattrs.iter().map(|(k, v)| k.len() + v.len()).sum();
        if bytes > limits.xattr_bytes {
            fail!(Limit: "tar: {bytes} bytes of extended attributes where {} are allowed", limits.xattr_bytes);
        }
        Ok(())
    }

    /// Checks a global header. What would change the meaning of later entries is refused, since other readers ignore it.
    pub(super) fn check_global(mut body: &[u8]) -> Result<()> {
        while !body.is_empty() && !body.iter().all(|b| *b == 0) {
            let (key, _, rest) = record(body)?;
            body = rest;
            if matches!(key, b"path" | b"linkpath" | b"size") || key.starts_with(b"GNU.sparse.") {
                fail!(Unsafe: "tar: global header sets {}: readers disagree on what that means", String::from_utf8_lossy(key));
            }
        }
        Ok(())
    }

    fn set(&mut self, key: &[u8], value: &[u8], limits: &Limits) -> Result<()> {
        match key {
            b"path" => self.path = text(value)?,
            b"linkpath" => self.link = text(value)?,
            b"size" => self.size = unsigned(value)?,
            b"uid" => self.uid = unsigned(value)?.map(|n| n as i64),
            b"gid" => self.gid = unsigned(value)?.map(|n| n as i64),
            b"mtime" => self.mtime = time(value)?,
            b"GNU.sparse.major" => self.sparse.major = unsigned(value)?,
            b"GNU.sparse.minor" => self.sparse.minor = unsigned(value)?,
            b"GNU.sparse.name" => self.sparse.name = text(value)?,
            b"GNU.sparse.realsize" | b"GNU.sparse.size" => self.sparse.real_size = unsigned(value)?,
            b"GNU.sparse.offset" => self.sparse.offset = unsigned(value)?,
            b"GNU.sparse.numbytes" => {
                let length = unsigned(value)?;
                let (Some(offset), Some(length)) = (self.sparse.offset.take(), length) else {
                    return Err(malformed("GNU.sparse.numbytes without an offset"));
                };
                self.push_segment(Segment { offset, length }, limits)?;
            }
            b"GNU.sparse.map" => {
                let mut numbers = value.split(|b| *b == b',');
                self.sparse.segments = Some(Vec::new());
                while let Some(offset) = numbers.next() {
                    let (Some(offset), Some(length)) = (
                        unsigned(offset)?,
                        numbers.next().map(unsigned).transpose()?.flatten(),
                    ) else {
                        return Err(malformed("GNU.sparse.map has an odd number of values"));
                    };
                    self.push_segment(Segment { offset, length }, limits)?;
                }
            }
            _ => {
                if let Some(name) = key.strip_prefix(b"SCHILY.xattr.") {
                    self.set_xattr(name, value)?;
                }
            }
        }
        Ok(())
    }

    fn push_segment(&mut self, segment: Segment, limits: &Limits) -> Result<()> {
        sparse::push(
            self.sparse.segments.get_or_insert_default(),
            segment,
            limits,
        )
    }

    /// Last wins, as for every other key.
    fn set_xattr(&mut self, name: &[u8], value: &[u8]) -> Result<()> {
        if name.is_empty() || name.contains(&0) || name.len() > 255 {
            return Err(malformed("name of an extended attribute"));
        }
        if self.xattrs.len() >= XATTRS {
            fail!(Limit: "tar: more than {XATTRS} extended attributes");
        }
        self.xattrs.retain(|(n, _)| n != name);
        self.xattrs.push((name.to_vec(), value.to_vec()));
        Ok(())
    }
}

/// Splits the first record off: key, value, rest.
fn record(body: &[u8]) -> Result<(&[u8], &[u8], &[u8])> {
    let bad = || malformed("PAX record");
    let space = body.iter().take(21).position(|b| *b == b' ');
    let space = space.ok_or_else(bad)?;
    let length = unsigned(&body[..space])?.and_then(|n| usize::try_from(n).ok());
    let length = length.ok_or_else(bad)?;
    if length <= space + 1 || length > body.len() || body[length - 1] != b'\n' {
        return Err(bad());
    }
    let content = &body[space + 1..length - 1];
    let equals = content.iter().position(|b| *b == b'=').ok_or_else(bad)?;
    let (key, value) = (&content[..equals], &content[equals + 1..]);
    if key.is_empty() || key.contains(&0) {
        return Err(bad());
    }
    Ok((key, value, &body[length..]))
}

/// An empty value takes the attribute back.
fn text(value: &[u8]) -> Result<Option<Vec<u8>>> {
    if value.contains(&0) {
        fail!(Unsafe: "tar: NUL in a PAX path: readers disagree on where it ends");
    }
    Ok((!value.is_empty()).then(|| value.to_vec()))
}

fn unsigned(value: &[u8]) -> Result<Option<u64>> {
    if value.is_empty() {
        return Ok(None);
    }
    let parsed = value.iter().try_fold(0u64, |n, b| match b {
        b'0'..=b'9' => n.checked_mul(10)?.checked_add(u64::from(b - b'0')),
        _ => None,
    });
    match parsed {
        Some(n) if n <= i64::MAX as u64 => Ok(Some(n)),
        _ => Err(malformed("number in a PAX record")),
    }
}

/// Decimal seconds with a fraction, possibly negative: -1.25 is 1.25 s before 1970.
fn time(value: &[u8]) -> Result<Option<Time>> {
    if value.is_empty() {
        return Ok(None);
    }
    let bad = || malformed("time in a PAX record");
    let (negative, digits) = match value.strip_prefix(b"-") {
        Some(rest) => (true, rest),
        None => (false, value),
    };
    let dot = digits
        .iter()
        .position(|b| *b == b'.')
        .unwrap_or(digits.len());
    let (whole, fraction) = (&digits[..dot], digits.get(dot + 1..).unwrap_or_default());
    let whole = unsigned(whole)?.ok_or_else(bad)? as i64;
    if !fraction.iter().all(u8::is_ascii_digit) {
        return Err(bad());
    }
    let digit = |i| u32::from(fraction.get(i).map_or(0, |b| b - b'0'));
    let part = (0..9).fold(0, |n, i| n * 10 + digit(i));
    let (seconds, nanoseconds) = match (negative, part) {
        (false, part) => (whole, part),
        (true, 0) => (-whole, 0),
        (true, part) => (-whole - 1, 1_000_000_000 - part),
    };
    Ok(Some(Time {
        seconds,
        nanoseconds,
    }))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn parse(body: &[u8]) -> Result<Attributes> {
        let mut attributes = Attributes::default();
        attributes.add(body, &Limits::default())?;
        Ok(attributes)
    }

    #[test]
    fn reads_records() {
        let a = parse(b"12 path=abc\n20 mtime=-1.5000000\n10 size=7\n").unwrap();
        assert_eq!(a.path.as_deref(), Some(&b"abc"[..]));
        assert_eq!(
            a.mtime,
            Some(Time {
                seconds: -2,
                nanoseconds: 500_000_000
            })
        );
        assert_eq!(a.size, Some(7));
    }

    #[test]
    fn keeps_binary_attribute_values() {
        let a = parse(b"29 SCHILY.xattr.user.a=\x00\n=\xff\x01\n").unwrap();
        assert_eq!(
            a.xattrs,
            [(b"user.a".to_vec(), b"\x00\n=\xff\x01".to_vec())]
        );
    }

    #[test]
    fn refuses_broken_records() {
        let table: [&[u8]; 9] = [
            b"5 a=b\n",
            b"7 a=b\n",
            b"6 a=bX",
            b"6 abc\n",
            b"x a=b\n",
            b"99 a=b\n",
            b"12 path=a\0c\n",
            b"10 size=-\n",
            b"30 size=99999999999999999999\n\n",
        ];
        for body in table {
            assert!(parse(body).is_err(), "{}", body.escape_ascii());
        }
    }

    #[test]
    fn global_headers_may_not_move_entries() {
        assert!(Attributes::check_global(b"14 comment=ab\n").is_ok());
        assert!(Attributes::check_global(b"12 path=abc\n").is_err());
    }

    proptest! {
        #[test]
        fn never_panics(body in proptest::collection::vec(any::<u8>(), 0..200)) {
            let _ = parse(&body);
            let _ = Attributes::check_global(&body);
        }
    }
}
