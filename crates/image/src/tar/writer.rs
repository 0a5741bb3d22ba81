//! Writes archives that are the same for the same input: ustar headers, PAX only where ustar cannot say it.

use std::io::{self, Read, Write};

use super::{BLOCK, Entry, EntryKind};

/// Writes entries to `output`.
pub struct Writer<W> {
    output: W,
}

/// Largest value of the 12-byte octal fields.
const OCTAL_11: u64 = 0o77777777777;
/// Largest value of the 8-byte octal fields.
const OCTAL_7: u64 = 0o7777777;

impl<W: Write> Writer<W> {
    /// A writer at the start of an archive.
    pub fn new(output: W) -> Self {
        Writer { output }
    }

    /// Writes an entry; `data` must yield exactly `entry.size` bytes when it is a file. Holes are written out.
    ///
    /// # Errors
    /// Those of the output, and `InvalidData` when `data` is too short.
    pub fn append(&mut self, entry: &Entry, data: &mut dyn Read) -> io::Result<()> {
        let size = match entry.kind {
            EntryKind::File => entry.size,
            _ => 0,
        };
        self.header(entry, size)?;
        if size > 0 {
            let copied = io::copy(&mut data.take(size), &mut self.output)?;
            if copied != size {
                let what = "the file became shorter while it was read";
                return Err(io::Error::new(io::ErrorKind::InvalidData, what));
            }
            self.pad(size)?;
        }
        Ok(())
    }

    /// Ends the archive.
    pub fn finish(mut self) -> io::Result<W> {
        self.output.write_all(&[0; BLOCK * 2])?;
        self.output.flush()?;
        Ok(self.output)
    }

    fn pad(&mut self, size: u64) -> io::Result<()> {
        let n = (BLOCK - (size % BLOCK as u64) as usize) % BLOCK;
        self.output.write_all(&[0; BLOCK][..n])
    }

    fn header(&mut self, entry: &Entry, size: u64) -> io::Result<()> {
        let mut path = entry.path.clone();
        if entry.kind == EntryKind::Directory && !path.ends_with(b"/") {
            path.push(b'/');
        }
        let mut pax = Vec::new();
        let split = split_name(&path);
        if split.is_none() {
            record(&mut pax, b"path", &path);
        }
        if entry.link.len() > 100 || !entry.link.is_ascii() {
            record(&mut pax, b"linkpath", &entry.link);
        }
        if size > OCTAL_11 {
            record(&mut pax, b"size", size.to_string().as_bytes());
        }
        for (key, value) in [(&b"uid"[..], entry.uid), (b"gid", entry.gid)] {
            if value as u64 > OCTAL_7 {
                record(&mut pax, key, value.to_string().as_bytes());
            }
        }
        let time = entry.mtime;
        if time.nanoseconds != 0 || time.seconds < 0 || time.seconds as u64 > OCTAL_11 {
            record(&mut pax, b"mtime", decimal(time).as_bytes());
        }
        let mut xattrs: Vec<_> = entry.xattrs.iter().collect();
        xattrs.sort();
        for (name, value) in xattrs {
            let key = [b"SCHILY.xattr.", name.as_slice()].concat();
            record(&mut pax, &key, value);
        }
        if !pax.is_empty() {
            let length = pax.len() as u64;
            let block = header(b'x', (b"", b"PaxHeaders/entry"), 0o644, length);
            self.output.write_all(&seal(block))?;
            self.output.write_all(&pax)?;
            self.pad(length)?;
        }
        let name = split.unwrap_or((b"", &path[..path.len().min(100)]));
        let mut block = header(
            type_flag(entry.kind),
            name,
            entry.mode,
            fitting(size, OCTAL_11),
        );
        octal(&mut block[108..116], fitting(entry.uid as u64, OCTAL_7));
        octal(&mut block[116..124], fitting(entry.gid as u64, OCTAL_7));
        let seconds = time.seconds.max(0) as u64;
        octal(&mut block[136..148], fitting(seconds, OCTAL_11));
        let link = &entry.link[..entry.link.len().min(100)];
        block[157..157 + link.len()].copy_from_slice(link);
        octal(&mut block[329..337], u64::from(entry.device.0));
        octal(&mut block[337..345], u64::from(entry.device.1));
        self.output.write_all(&seal(block))
    }
}

fn fitting(value: u64, largest: u64) -> u64 {
    if value > largest { 0 } else { value }
}

fn type_flag(kind: EntryKind) -> u8 {
    match kind {
        EntryKind::File => b'0',
        EntryKind::HardLink => b'1',
        EntryKind::Symlink => b'2',
        EntryKind::CharDevice => b'3',
        EntryKind::BlockDevice => b'4',
        EntryKind::Directory => b'5',
        EntryKind::Fifo => b'6',
    }
}

fn header(kind: u8, (prefix, name): (&[u8], &[u8]), mode: u32, size: u64) -> [u8; BLOCK] {
    let mut block = [0u8; BLOCK];
    block[..name.len()].copy_from_slice(name);
    octal(&mut block[100..108], u64::from(mode));
    octal(&mut block[108..116], 0);
    octal(&mut block[116..124], 0);
    octal(&mut block[124..136], size);
    octal(&mut block[136..148], 0);
    block[156] = kind;
    block[257..265].copy_from_slice(b"ustar\x0000");
    block[345..345 + prefix.len()].copy_from_slice(prefix);
    block
}

fn seal(mut block: [u8; BLOCK]) -> [u8; BLOCK] {
    block[148..156].fill(b' ');
    let sum: u64 = block.iter().map(|b| u64::from(*b)).sum();
    octal(&mut block[148..155], sum);
    block[155] = b' ';
    block
}

fn octal(field: &mut [u8], mut value: u64) {
    let last = field.len() - 1;
    field[last] = 0;
    for byte in field[..last].iter_mut().rev() {
        *byte = b'0' + (value & 7) as u8;
        value >>= 3;
    }
}

/// Prefix and name of ustar, if the path fits and is plain ASCII.
fn split_name(path: &[u8]) -> Option<(&[u8], &[u8])> {
    if !path.is_ascii() {
        return None;
    }
    if path.len() <= 100 {
        return Some((b"", path));
    }
    let end = path.len() - usize::from(path.ends_with(b"/"));
    let slashes = (1..end).filter(|n| path[*n] == b'/');
    let mut splits = slashes.map(|n| (&path[..n], &path[n + 1..]));
    splits.find(|(prefix, name)| name.len() <= 100 && prefix.len() <= 155)
}

fn record(into: &mut Vec<u8>, key: &[u8], value: &[u8]) {
    let body = key.len() + value.len() + 3;
    let mut length = body + 1;
    while body + length.to_string().len() != length {
        length = body + length.to_string().len();
    }
    let length = length.to_string();
    for part in [length.as_bytes(), b" ", key, b"=", value, b"\n"] {
        into.extend_from_slice(part);
    }
}

fn decimal(time: super::Time) -> String {
    let (sign, seconds, nanoseconds) = match (time.seconds < 0, time.nanoseconds) {
        (true, 0) => ("-", time.seconds.unsigned_abs(), 0),
        (true, n) => ("-", (time.seconds + 1).unsigned_abs(), 1_000_000_000 - n),
        (false, n) => ("", time.seconds.unsigned_abs(), n),
    };
    let text = format!("{sign}{seconds}.{nanoseconds:09}");
    text.trim_end_matches('0').trim_end_matches('.').to_string()
}

#[cfg(test)]
mod tests {
    use super::super::{Reader, Time};
    use super::*;
    use crate::limits::Limits;
    use proptest::prelude::*;

    fn round_trip(entry: &Entry, data: &[u8]) -> (Entry, Vec<u8>) {
        let mut writer = Writer::new(Vec::new());
        writer.append(entry, &mut &data[..]).unwrap();
        let archive = writer.finish().unwrap();
        let mut reader = Reader::new(&archive[..], Limits::default());
        let mut read = Entry::default();
        assert!(reader.next(&mut read).unwrap());
        let mut content = Vec::new();
        while let n @ 1.. = content.write(reader.data().unwrap()).unwrap() {
            reader.consume(n);
        }
        let mut end = Entry::default();
        assert!(!reader.next(&mut end).unwrap());
        (read, content)
    }

    proptest! {
        #[test]
        fn what_is_written_is_read(
            path in proptest::collection::vec(1u8..=255, 1..400),
            link in proptest::collection::vec(1u8..=255, 0..300),
            mode in 0u32..0o10000,
            uid in 0i64..i64::from(u32::MAX),
            seconds in -4_000_000_000i64..400_000_000_000,
            nanoseconds in 0u32..1_000_000_000,
            data in proptest::collection::vec(any::<u8>(), 0..2000),
            value in proptest::collection::vec(any::<u8>(), 0..50),
        ) {
            let path: Vec<u8> = path.into_iter().map(|b| if b == b'/' { b'_' } else { b }).collect();
            let mut entry = Entry {
                path, link, mode, uid, gid: 5, size: data.len() as u64,
                mtime: Time { seconds, nanoseconds }, ..Entry::default()
            };
            entry.xattrs.push((b"user.x".to_vec(), value));
            let (read, content) = round_trip(&entry, &data);
            prop_assert_eq!(content, data);
            prop_assert_eq!(&read.path, &entry.path);
            prop_assert_eq!(&read.link, &entry.link);
            prop_assert_eq!((read.mode, read.uid, read.gid, read.mtime), (entry.mode, entry.uid, 5, entry.mtime));
            prop_assert_eq!(&read.xattrs, &entry.xattrs);
        }

        #[test]
        fn reading_noise_never_panics(mut noise in proptest::collection::vec(any::<u8>(), 0..3000), at in 0usize..2) {
            // A right checksum lets the noise reach the fields.
            if noise.len() >= 512 * (at + 1) {
                let block: [u8; 512] = noise[512 * at..512 * (at + 1)].try_into().unwrap();
                noise[512 * at..512 * (at + 1)].copy_from_slice(&seal(block));
            }
            let mut reader = Reader::new(&noise[..], Limits::default());
            let mut entry = Entry::default();
            while let Ok(true) = reader.next(&mut entry) {}
        }
    }

    #[test]
    fn long_ascii_paths_use_the_prefix_and_need_no_extension() {
        let path = format!("{}/{}", "a".repeat(120), "b".repeat(90));
        let entry = Entry {
            path: path.clone().into_bytes(),
            kind: EntryKind::Directory,
            mode: 0o755,
            ..Entry::default()
        };
        let mut writer = Writer::new(Vec::new());
        writer.append(&entry, &mut io::empty()).unwrap();
        let archive = writer.finish().unwrap();
        assert_eq!(archive.len(), BLOCK * 3);
        let (read, _) = round_trip(&entry, b"");
        assert_eq!(read.path, format!("{path}/").into_bytes());
    }
}
