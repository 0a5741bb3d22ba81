//! Files with holes: where the data that follows in the archive belongs.

use super::header::{malformed, number};
use crate::error::{Error, Result};
use crate::limits::Limits;

/// A stretch of data in a sparse file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Segment {
    /// Position in the file.
    pub offset: u64,
    /// Bytes.
    pub length: u64,
}

/// Checks that segments are in order, inside the file and as long together as the data that the archive has for them.
pub(super) fn check(segments: &[Segment], real_size: u64, stored: u64) -> Result<()> {
    let mut end = 0u64;
    let mut total = 0u64;
    for segment in segments {
        let stop = segment.offset.checked_add(segment.length);
        let stop = stop.ok_or_else(|| malformed("sparse segment"))?;
        if segment.offset < end || stop > real_size {
            return Err(malformed("sparse segments overlap or leave the file"));
        }
        end = stop;
        total += segment.length;
    }
    if total != stored {
        let what = "sparse segments and stored data differ in length";
        return Err(malformed(what));
    }
    Ok(())
}

/// Adds a segment, if there may be one more.
pub(super) fn push(into: &mut Vec<Segment>, segment: Segment, limits: &Limits) -> Result<()> {
    if into.len() >= limits.sparse_segments {
        return Err(too_many(limits));
    }
    into.push(segment);
    Ok(())
}

/// Segments of GNU's old format: pairs of 12-byte numbers, an empty one ends the list.
pub(super) fn parse_gnu(fields: &[u8], into: &mut Vec<Segment>, limits: &Limits) -> Result<()> {
    for pair in fields.chunks_exact(24) {
        if pair[0] == 0 && pair[12] == 0 {
            break;
        }
        let value = |field| {
            let value = number(field).and_then(|n| u64::try_from(n).ok());
            value.ok_or_else(|| malformed("sparse segment"))
        };
        let (offset, length) = (value(&pair[..12])?, value(&pair[12..])?);
        push(into, Segment { offset, length }, limits)?;
    }
    Ok(())
}

/// Reads the decimal lines at the start of the data of a PAX 1.0 sparse file.
#[derive(Default)]
pub(super) struct MapReader {
    current: Option<u64>,
    numbers: Vec<u64>,
    wanted: Option<u64>,
}

impl MapReader {
    /// Takes one block; true when the map is complete.
    pub(super) fn feed(&mut self, block: &[u8], limits: &Limits) -> Result<bool> {
        for byte in block {
            match byte {
                b'0'..=b'9' => {
                    let n = self.current.unwrap_or(0);
                    let next = n
                        .checked_mul(10)
                        .and_then(|n| n.checked_add(u64::from(byte - b'0')));
                    self.current = Some(next.ok_or_else(|| malformed("sparse map"))?);
                }
                b'\n' => {
                    let n = self.current.take().ok_or_else(|| malformed("sparse map"))?;
                    match self.wanted {
                        None if n > limits.sparse_segments as u64 => return Err(too_many(limits)),
                        None => self.wanted = Some(n * 2),
                        Some(_) => self.numbers.push(n),
                    }
                    if self.wanted == Some(self.numbers.len() as u64) {
                        return Ok(true);
                    }
                }
                _ => return Err(malformed("sparse map")),
            }
        }
        Ok(false)
    }

    pub(super) fn segments(&self) -> Vec<Segment> {
        let segment = |n: &[u64]| Segment {
            offset: n[0],
            length: n[1],
        };
        self.numbers.chunks_exact(2).map(segment).collect()
    }
}

fn too_many(limits: &Limits) -> Error {
    failure!(Limit: "tar: more than {} segments in a sparse file", limits.sparse_segments)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn maps_may_be_split_anywhere() {
        let text = b"2\n0\n512\n4096\n10\n";
        let mut reader = MapReader::default();
        for (n, byte) in text.iter().enumerate() {
            assert_eq!(
                reader.feed(&[*byte], &Limits::default()).unwrap(),
                n == text.len() - 1
            );
        }
        let wanted = [
            Segment {
                offset: 0,
                length: 512,
            },
            Segment {
                offset: 4096,
                length: 10,
            },
        ];
        assert_eq!(reader.segments(), wanted);
        assert!(check(&wanted, 4106, 522).is_ok());
        assert!(check(&wanted, 4105, 522).is_err(), "leaves the file");
        assert!(check(&wanted, 4106, 521).is_err(), "other length");
        assert!(
            check(&[wanted[1], wanted[0]], 5000, 522).is_err(),
            "out of order"
        );
        assert!(
            check(
                &[Segment {
                    offset: u64::MAX,
                    length: 2
                }],
                u64::MAX,
                2
            )
            .is_err(),
            "overflow"
        );
    }
}
