//! gzip and zstd, and to read also xz and bzip2, told apart by their first bytes.
//!
//! What a layer is follows from its bytes and not from its media type: archives have none, and peers do the same. Nothing
//! hangs on it, since the DiffID says what must come out.

use std::borrow::BorrowMut;
use std::io::{self, BufRead, Cursor, Read, Write};
use std::sync::Arc;

use crate::error::{Error, Result};
use crate::frames::Frames;
use crate::windows::{Share, Windows};

/// The forms of a layer.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Compression {
    /// A plain tar archive.
    None,
    /// RFC 1952, any number of members.
    #[default]
    Gzip,
    /// RFC 8878, any number of frames.
    Zstd,
}

impl Compression {
    /// By the first bytes of the content.
    pub fn detect(start: &[u8]) -> Self {
        match start {
            [0x1f, 0x8b, ..] => Compression::Gzip,
            [0x28, 0xb5, 0x2f, 0xfd, ..] => Compression::Zstd,
            // A skippable frame may come first.
            [0x50..=0x5f, 0x2a, 0x4d, 0x18, ..] => Compression::Zstd,
            _ => Compression::None,
        }
    }

    /// The media type of a layer in this form.
    pub fn media_type(self) -> oci_spec::image::MediaType {
        use oci_spec::image::MediaType;
        match self {
            Compression::None => MediaType::ImageLayer,
            Compression::Gzip => MediaType::ImageLayerGzip,
            Compression::Zstd => MediaType::ImageLayerZstd,
        }
    }
}

impl std::str::FromStr for Compression {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        match text {
            "none" => Ok(Compression::None),
            "gzip" => Ok(Compression::Gzip),
            "zstd" => Ok(Compression::Zstd),
            _ => Err(failure!(Usage: "compression {text:?}" => "none, gzip and zstd exist")),
        }
    }
}

/// KiB that reading xz may take: what the levels of the format's own tool need, and a little.
const XZ_MEMORY: u32 = 80 << 10;
/// Bytes that reading bzip2 takes: four for each of its largest blocks.
const BZIP2_MEMORY: u64 = 4 * 900_000;
/// How xz files begin.
const XZ: &[u8] = b"\xfd7zXZ\0";
/// How bzip2 files begin.
const BZIP2: &[u8] = b"BZh";
const LONGEST_MARK: usize = XZ.len();

/// Uncompressed bytes of `input`.
pub fn decompress<'a>(input: impl BufRead + Send + 'a) -> io::Result<Box<dyn Read + Send + 'a>> {
    let windows = Arc::new(Windows::new(u64::MAX));
    decompress_within(input, windows.share())
}

/// The same, with memory only as far as `share` can grow. When it cannot, reading fails with [`io::ErrorKind::WouldBlock`].
pub(crate) fn decompress_within<'a>(
    mut input: impl BufRead + Send + 'a,
    mut share: impl BorrowMut<Share> + Send + 'a,
) -> io::Result<Box<dyn Read + Send + 'a>> {
    let mut start = Vec::with_capacity(LONGEST_MARK);
    while start.len() < LONGEST_MARK {
        let available = input.fill_buf()?;
        if available.is_empty() {
            break;
        }
        let n = available.len().min(LONGEST_MARK - start.len());
        start.extend_from_slice(&available[..n]);
        input.consume(n);
    }
    let (compression, is_xz, is_bzip2) = (
        Compression::detect(&start),
        start == XZ,
        start.starts_with(BZIP2),
    );
    let whole = Cursor::new(start).chain(input);
    Ok(match compression {
        _ if is_xz => {
            share.borrow_mut().grow(u64::from(XZ_MEMORY) << 10)?;
            Box::new(lzma_rust2::XzReader::new_mem_limit(whole, true, XZ_MEMORY))
        }
        _ if is_bzip2 => {
            share.borrow_mut().grow(BZIP2_MEMORY)?;
            Box::new(bzip2::bufread::MultiBzDecoder::new(whole))
        }
        Compression::None => Box::new(whole),
        Compression::Gzip => Box::new(flate2::bufread::MultiGzDecoder::new(whole)),
        Compression::Zstd => Box::new(zstd::stream::zio::Reader::new(whole, Frames::new(share)?)),
    })
}

/// True for the beginning of what [`decompress`] changes.
pub(crate) fn is_packed(start: &[u8]) -> bool {
    Compression::detect(start) != Compression::None
        || start.starts_with(XZ)
        || start.starts_with(BZIP2)
}

/// Compresses to `output`, the same bytes for the same input: no times, no names, one thread.
pub enum Compressor<W: Write> {
    /// As it is.
    None(W),
    /// gzip.
    Gzip(flate2::write::GzEncoder<W>),
    /// zstd.
    Zstd(zstd::stream::write::Encoder<'static, W>),
}

impl<W: Write> Compressor<W> {
    /// A compressor at the usual level of each format.
    pub fn new(output: W, compression: Compression) -> io::Result<Self> {
        Self::with_level(output, compression, None)
    }

    /// The same at another level: 0 to 9 for gzip, 1 to 22 for zstd; what is beyond counts as the last.
    pub fn with_level(output: W, compression: Compression, level: Option<i32>) -> io::Result<Self> {
        Ok(match compression {
            Compression::None => Compressor::None(output),
            Compression::Gzip => {
                let level = flate2::Compression::new(level.unwrap_or(6).clamp(0, 9) as u32);
                Compressor::Gzip(flate2::write::GzEncoder::new(output, level))
            }
            Compression::Zstd => {
                let level = level.unwrap_or(3).clamp(1, 22);
                let mut encoder = zstd::stream::write::Encoder::new(output, level)?;
                encoder.include_checksum(true)?;
                Compressor::Zstd(encoder)
            }
        })
    }

    /// Writes what is left and returns the output.
    pub fn finish(self) -> io::Result<W> {
        match self {
            Compressor::None(output) => Ok(output),
            Compressor::Gzip(encoder) => encoder.finish(),
            Compressor::Zstd(encoder) => encoder.finish(),
        }
    }
}

impl<W: Write> Write for Compressor<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self {
            Compressor::None(w) => w.write(bytes),
            Compressor::Gzip(w) => w.write(bytes),
            Compressor::Zstd(w) => w.write(bytes),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        match self {
            Compressor::None(w) => w.flush(),
            Compressor::Gzip(w) => w.flush(),
            Compressor::Zstd(w) => w.flush(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pack(bytes: &[u8], compression: Compression) -> Vec<u8> {
        let mut compressor = Compressor::new(Vec::new(), compression).unwrap();
        compressor.write_all(bytes).unwrap();
        compressor.finish().unwrap()
    }

    fn unpack(bytes: &[u8]) -> io::Result<Vec<u8>> {
        let mut out = Vec::new();
        decompress(bytes)?.read_to_end(&mut out)?;
        Ok(out)
    }

    #[test]
    fn each_form_comes_back_and_is_reproducible() {
        for compression in [Compression::None, Compression::Gzip, Compression::Zstd] {
            for text in [&b""[..], b"a", &b"tar".repeat(100_000)] {
                let packed = pack(text, compression);
                assert_eq!(unpack(&packed).unwrap(), text);
                assert_eq!(packed, pack(text, compression));
            }
        }
    }

    #[test]
    fn members_and_frames_follow_each_other() {
        let gzip = [
            pack(b"one ", Compression::Gzip),
            pack(b"two", Compression::Gzip),
        ]
        .concat();
        assert_eq!(unpack(&gzip).unwrap(), b"one two");
        let skippable = b"\x50\x2a\x4d\x18\x03\0\0\0abc";
        let zstd = [
            skippable.to_vec(),
            pack(b"one ", Compression::Zstd),
            skippable.to_vec(),
            pack(b"two", Compression::Zstd),
        ]
        .concat();
        assert_eq!(unpack(&zstd).unwrap(), b"one two");
    }

    #[test]
    fn cut_content_is_an_error_at_every_length() {
        for compression in [Compression::Gzip, Compression::Zstd] {
            let packed = pack(&b"hello world".repeat(50), compression);
            for length in 1..packed.len() {
                let whole =
                    unpack(&packed[..length]).is_ok_and(|out| !out.is_empty() && out.len() == 550);
                assert!(!whole, "{compression:?} cut at {length}");
            }
        }
    }
}
