//! A streaming reader: one entry after the other, the data borrowed from the input's own buffer.

use std::io::{self, BufRead};

use super::entry::{Entry, EntryKind};
use super::header::{Flavour, Header, malformed, until_nul};
use super::pax::{Attributes, SparseAttributes};
use super::sparse::{self, MapReader, Segment};
use super::{BLOCK, Time};
use crate::error::{Error, Kind, Result};
use crate::limits::Limits;

/// Reads entries from `input`.
pub struct Reader<R> {
    input: R,
    limits: Limits,
    /// Data bytes of the current entry not read yet.
    left: u64,
    padding: u64,
    ended: bool,
    /// There was a good header.
    started: bool,
    body: Vec<u8>,
    count: u64,
    position: u64,
}

impl<R: BufRead> Reader<R> {
    /// A reader at the start of an archive.
    pub fn new(input: R, limits: Limits) -> Self {
        Reader {
            input,
            limits,
            left: 0,
            padding: 0,
            ended: false,
            started: false,
            body: Vec::new(),
            count: 0,
            position: 0,
        }
    }

    /// The input, wherever reading stopped.
    pub fn into_inner(self) -> R {
        self.input
    }

    /// Bytes read until now; after [`Reader::next`] where the entry's data begins.
    pub fn position(&self) -> u64 {
        self.position
    }

    /// Moves to the next entry and describes it in `entry`; false at the end of the archive. Unread data is skipped.
    pub fn next(&mut self, entry: &mut Entry) -> Result<bool> {
        let mut extended = Extended::default();
        loop {
            self.skip_rest()?;
            let mut block = [0u8; BLOCK];
            if self.ended || !self.read_header_block(&mut block)? {
                if extended.any {
                    return Err(malformed("the archive ends after an extended header"));
                }
                return Ok(false);
            }
            let header = Header::parse(&block).map_err(|e| match self.started {
                true => e,
                false => malformed("this is not a tar archive"),
            })?;
            self.started = true;
            match header.kind() {
                kind @ (b'x' | b'X' | b'g' | b'L' | b'K') => {
                    self.read_body(header.size()?)?;
                    extended.add(kind, &self.body, &self.limits)?;
                }
                b'V' => self.set_data(header.size()?),
                _ => {
                    self.count += 1;
                    if self.count > self.limits.entries {
                        fail!(Limit: "tar: more than {} entries", self.limits.entries);
                    }
                    let form = describe(&header, extended, entry)?;
                    check_text(&entry.path, "path", &self.limits)?;
                    check_text(&entry.link, "link target", &self.limits)?;
                    self.set_data(entry.size);
                    self.holes(form, &header, entry)?;
                    return Ok(true);
                }
            }
        }
    }

    /// The next piece of the current entry's data; empty at its end. Call [`Reader::consume`] with what was used.
    pub fn data(&mut self) -> Result<&[u8]> {
        if self.left == 0 {
            return Ok(&[]);
        }
        let left = usize::try_from(self.left).unwrap_or(usize::MAX);
        let buffer = fill(&mut self.input)?;
        if buffer.is_empty() {
            return Err(malformed("the archive is cut short"));
        }
        Ok(&buffer[..buffer.len().min(left)])
    }

    /// Marks bytes of [`Reader::data`] as used.
    pub fn consume(&mut self, bytes: usize) {
        self.input.consume(bytes);
        self.position += bytes as u64;
        self.left -= bytes as u64;
    }

    /// Finds out where the data belongs, of which a part may be about that.
    fn holes(&mut self, form: Form, header: &Header, entry: &mut Entry) -> Result<()> {
        let (mut segments, real_size) = match form {
            Form::Whole => return Ok(()),
            Form::InHeader => self.gnu_segments(header)?,
            Form::InData(size) => (self.map()?, size),
            Form::Listed(segments, size) => (segments, size),
        };
        // An empty segment at the end states the size and carries nothing.
        segments.retain(|s| s.length > 0);
        sparse::check(&segments, real_size, self.left)?;
        entry.size = real_size;
        entry.sparse = Some(segments);
        Ok(())
    }

    /// The segments of GNU's old format, which may go on in further blocks, and the real size.
    fn gnu_segments(&mut self, header: &Header) -> Result<(Vec<Segment>, u64)> {
        if header.flavour != Flavour::Gnu {
            return Err(malformed("sparse entry outside the GNU format"));
        }
        let (fields, mut more, real_size) = header.gnu_sparse();
        let mut segments = Vec::new();
        sparse::parse_gnu(fields, &mut segments, &self.limits)?;
        while more {
            let mut block = [0u8; BLOCK];
            self.read_exact(&mut block)?;
            sparse::parse_gnu(&block[..504], &mut segments, &self.limits)?;
            more = block[504] != 0;
        }
        Ok((segments, real_size?))
    }

    /// The map that the data of a PAX 1.0 sparse file begins with.
    fn map(&mut self) -> Result<Vec<Segment>> {
        let mut map = MapReader::default();
        let mut block = [0u8; BLOCK];
        loop {
            if self.left < BLOCK as u64 {
                return Err(malformed("sparse map is longer than the entry"));
            }
            self.read_exact(&mut block)?;
            self.left -= BLOCK as u64;
            if map.feed(&block, &self.limits)? {
                return Ok(map.segments());
            }
        }
    }

    fn set_data(&mut self, size: u64) {
        self.left = size;
        self.padding = (BLOCK as u64 - size % BLOCK as u64) % BLOCK as u64;
    }

    fn skip_rest(&mut self) -> Result<()> {
        let mut left = self.left + self.padding;
        while left > 0 {
            let there = fill(&mut self.input)?.len();
            let n = there.min(usize::try_from(left).unwrap_or(usize::MAX));
            if n == 0 {
                // Some writers leave the padding of the last entry out.
                if left <= self.padding {
                    break;
                }
                return Err(malformed("the archive is cut short"));
            }
            self.input.consume(n);
            self.position += n as u64;
            left -= n as u64;
        }
        self.left = 0;
        self.padding = 0;
        Ok(())
    }

    /// False at the end: two zero blocks, or the end of the input where a header would be.
    fn read_header_block(&mut self, block: &mut [u8; BLOCK]) -> Result<bool> {
        if fill(&mut self.input)?.is_empty() {
            self.ended = true;
            return Ok(false);
        }
        self.read_exact(block).map_err(|e| match self.started {
            false if e.kind() == Kind::Malformed => malformed("this is not a tar archive"),
            _ => e,
        })?;
        if block.iter().any(|b| *b != 0) {
            return Ok(true);
        }
        self.ended = true;
        if fill(&mut self.input)?.is_empty() {
            return Ok(false);
        }
        self.read_exact(block)?;
        if block.iter().any(|b| *b != 0) {
            fail!(Unsafe: "tar: one zero block and then more: readers disagree on where the archive ends");
        }
        Ok(false)
    }

    fn read_body(&mut self, size: u64) -> Result<()> {
        if size > self.limits.header_bytes as u64 {
            fail!(Limit: "tar: an extended header of {size} bytes where {} are allowed", self.limits.header_bytes);
        }
        let mut body = std::mem::take(&mut self.body);
        body.resize(size as usize, 0);
        self.read_exact(&mut body)?;
        self.body = body;
        self.set_data(size);
        self.left = 0;
        Ok(())
    }

    fn read_exact(&mut self, into: &mut [u8]) -> Result<()> {
        self.position += into.len() as u64;
        self.input.read_exact(into).map_err(input_error)
    }
}

/// What extended headers say about the entry that follows them.
#[derive(Default)]
struct Extended {
    pax: Attributes,
    /// GNU's headers for long names; what PAX says comes before them.
    name: Option<Vec<u8>>,
    link: Option<Vec<u8>>,
    /// There were some.
    any: bool,
}

impl Extended {
    fn add(&mut self, kind: u8, body: &[u8], limits: &Limits) -> Result<()> {
        match kind {
            b'g' => return Attributes::check_global(body),
            // GNU puts a terminating NUL into the body.
            b'L' => self.name = Some(until_nul(body).to_vec()),
            b'K' => self.link = Some(until_nul(body).to_vec()),
            _ => self.pax.add(body, limits)?,
        }
        self.any = true;
        Ok(())
    }
}

/// How an archive says where a file has holes.
enum Form {
    /// It has none.
    Whole,
    /// GNU's old format: in the header, and in blocks after it.
    InHeader,
    /// PAX 1.0: where the data begins, for a file of this size.
    InData(u64),
    /// PAX 0.0 and 0.1: in extended headers.
    Listed(Vec<Segment>, u64),
}

impl Form {
    fn of(kind: u8, said: SparseAttributes) -> Result<Self> {
        let version = (said.major, said.minor);
        let size = said.real_size;
        let size = size.ok_or_else(|| malformed("sparse file without its size"));
        Ok(match said.segments {
            _ if kind == b'S' => Form::InHeader,
            _ if version == (Some(1), Some(0)) => Form::InData(size?),
            Some(segments) => Form::Listed(segments, size?),
            None => Form::Whole,
        })
    }
}

/// Puts together what all headers say. The size is that of the data that follows.
fn describe(header: &Header, extended: Extended, entry: &mut Entry) -> Result<Form> {
    let Extended {
        mut pax,
        name,
        link,
        ..
    } = extended;
    header.name(&mut entry.path);
    header.link(&mut entry.link);
    if let Some(path) = pax.path.or(name) {
        entry.path = path;
    }
    if let Some(link) = pax.link.or(link) {
        entry.link = link;
    }
    entry.kind = kind_of(header, &entry.path)?;
    entry.mode = header.mode()?;
    entry.uid = pax.uid.map_or_else(|| header.uid(), Ok)?;
    entry.gid = pax.gid.map_or_else(|| header.gid(), Ok)?;
    entry.mtime = match pax.mtime {
        Some(time) => time,
        None => Time {
            seconds: header.mtime()?,
            nanoseconds: 0,
        },
    };
    entry.device = match entry.kind {
        EntryKind::CharDevice | EntryKind::BlockDevice => header.device()?,
        _ => (0, 0),
    };
    entry.xattrs = pax.xattrs;
    entry.sparse = None;
    let in_header = header.size()?;
    entry.size = match pax.size {
        // The PAX value exists because the other one is too small; two different sizes that both fit are an attempt
        // to make readers disagree on where the next header is (CVE-2026-33055).
        Some(size) if in_header != 0 && in_header != size && size < 1 << 33 => {
            fail!(Unsafe: "tar: size is {in_header} in the header and {size} in PAX");
        }
        Some(size) => size,
        None => in_header,
    };
    if entry.kind != EntryKind::File && entry.size != 0 {
        fail!(Unsafe: "tar: an entry that cannot have data has a size: readers disagree on what follows");
    }
    let name = pax.sparse.name.take();
    let form = Form::of(header.kind(), pax.sparse)?;
    if !matches!(form, Form::Whole) {
        if entry.kind != EntryKind::File {
            return Err(malformed("only files can be sparse"));
        }
        entry.path = name.unwrap_or(std::mem::take(&mut entry.path));
    }
    Ok(form)
}

fn fill<R: BufRead>(input: &mut R) -> Result<&[u8]> {
    input.fill_buf().map_err(input_error)
}

fn input_error(error: io::Error) -> Error {
    if error.kind() == io::ErrorKind::UnexpectedEof {
        return malformed("the archive is cut short");
    }
    // Only a pipe between threads reports this: the thread that decompresses stopped, and says why itself.
    if error.kind() == io::ErrorKind::BrokenPipe {
        return Error::stopped();
    }
    Error::system("read archive", error)
}

fn check_text(text: &[u8], what: &str, limits: &Limits) -> Result<()> {
    if text.len() > limits.path_bytes {
        fail!(Limit: "tar: a {what} of {} bytes where {} are allowed", text.len(), limits.path_bytes);
    }
    if text.contains(&0) {
        return Err(malformed(&format!("NUL in a {what}")));
    }
    Ok(())
}

fn kind_of(header: &Header, path: &[u8]) -> Result<EntryKind> {
    Ok(match header.kind() {
        // Before ustar a directory was a file with a slash at the end.
        0 if path.ends_with(b"/") => EntryKind::Directory,
        b'0' | b'7' | b'S' | 0 if path.ends_with(b"/") => {
            fail!(Unsafe: "tar: a file whose name ends in a slash");
        }
        b'0' | b'7' | b'S' | 0 => EntryKind::File,
        b'1' => EntryKind::HardLink,
        b'2' => EntryKind::Symlink,
        b'3' => EntryKind::CharDevice,
        b'4' => EntryKind::BlockDevice,
        b'5' => EntryKind::Directory,
        b'6' => EntryKind::Fifo,
        other => fail!(Unsupported: "tar: entry type {:?}", char::from(other)),
    })
}
