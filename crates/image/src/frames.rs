//! The frames of zstd (RFC 8878): what each declares to need is asked for before it is taken.

use std::borrow::BorrowMut;
use std::io;

use zstd::stream::raw::{InBuffer, Operation, OutBuffer};
use zstd::zstd_safe::WriteBuf;

use crate::windows::Share;

/// How a frame with content begins.
const MAGIC: [u8; 4] = [0x28, 0xb5, 0x2f, 0xfd];
const LONGEST_HEADER: usize = 18;

/// A decoder that takes the window of a frame only when `share` has grown to its size.
pub(crate) struct Frames<S> {
    share: S,
    /// The beginning of the frame, until it was asked for.
    header: Option<Vec<u8>>,
}

impl<S: BorrowMut<Share>> Frames<S> {
    pub(crate) fn new(mut share: S) -> io::Result<Self> {
        share.borrow_mut().decoder()?.reinit()?;
        Ok(Frames {
            share,
            header: Some(Vec::new()),
        })
    }
}

impl<S: BorrowMut<Share>> Operation for Frames<S> {
    fn run<C: WriteBuf + ?Sized>(
        &mut self,
        input: &mut InBuffer<'_>,
        output: &mut OutBuffer<'_, C>,
    ) -> io::Result<usize> {
        let share = self.share.borrow_mut();
        if let Some(header) = &mut self.header {
            // Of a header that is not whole, the decoder takes all that there is.
            let new = &input.src[input.pos..];
            header.extend_from_slice(&new[..new.len().min(LONGEST_HEADER - header.len())]);
            if let Some(bytes) = window(header) {
                self.header = None;
                share.grow(bytes)?;
            }
        }
        share.decoder()?.run(input, output)
    }

    fn reinit(&mut self) -> io::Result<()> {
        self.header = Some(Vec::new());
        self.share.borrow_mut().decoder()?.reinit()
    }

    fn finish<C: WriteBuf + ?Sized>(
        &mut self,
        output: &mut OutBuffer<'_, C>,
        finished_frame: bool,
    ) -> io::Result<usize> {
        (self.share.borrow_mut().decoder()?).finish(output, finished_frame)
    }
}

/// How far back the content of a frame can refer; none while its header is not whole. What is no such header needs nothing.
fn window(header: &[u8]) -> Option<u64> {
    if header.first_chunk()? != &MAGIC {
        return Some(0);
    }
    let descriptor = header.get(4)?;
    let single_segment = descriptor & 0x20 != 0;
    let dictionary = [0, 1, 2, 4][usize::from(descriptor & 3)];
    let size_length = match descriptor >> 6 {
        0 => usize::from(single_segment),
        n => 1 << n,
    };
    let mut rest = &header[5..];
    let mut window = u64::MAX;
    if !single_segment {
        let (byte, after) = rest.split_first()?;
        let base = 1u64 << (10 + (byte >> 3));
        window = base + base / 8 * u64::from(byte & 7);
        rest = after;
    }
    if size_length > 0 {
        let field = rest.get(dictionary..dictionary + size_length)?;
        let mut size = [0; 8];
        size[..size_length].copy_from_slice(field);
        // Two bytes begin where one ends.
        let offset = if size_length == 2 { 256 } else { 0 };
        window = window.min(u64::from_le_bytes(size).saturating_add(offset));
    }
    Some(window)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::windows::Windows;
    use std::io::{BufReader, Read, Write};
    use std::sync::Arc;
    use zstd::stream::write::Encoder;
    use zstd::stream::zio::Reader;

    fn pack(bytes: &[u8], window_log: u32, size_is_known: bool) -> Vec<u8> {
        let mut encoder = Encoder::new(Vec::new(), 1).unwrap();
        encoder.window_log(window_log).unwrap();
        if size_is_known {
            encoder
                .set_pledged_src_size(Some(bytes.len() as u64))
                .unwrap();
        }
        encoder.write_all(bytes).unwrap();
        encoder.finish().unwrap()
    }

    #[test]
    fn windows_are_read_from_headers() {
        let text = b"frame ".repeat(100_000);
        // A window larger than all that the frame has is not needed.
        for (frame, expected) in [
            (b"\x50\x2a\x4d\x18\x03\0\0\0abc".to_vec(), 0),
            (pack(&text[..100], 20, true), 100),
            (pack(&text[..300], 20, true), 300),
            (pack(&text[..100], 20, false), 1 << 20),
            (pack(&text, 14, true), 1 << 14),
            (pack(&text, 23, true), text.len() as u64),
            (pack(&text, 23, false), 1 << 23),
        ] {
            let whole = (0..=LONGEST_HEADER).find_map(|n| window(&frame[..n.min(frame.len())]));
            assert_eq!(whole, Some(expected));
            assert_eq!(window(&frame[..3]), None);
        }
    }

    #[test]
    fn each_frame_is_asked_for_before_it_is_taken() {
        let text = b"frame ".repeat(100_000);
        let all = [
            pack(&text[..100], 20, true),
            b"\x50\x2a\x4d\x18\x03\0\0\0abc".to_vec(),
            pack(&text, 14, true),
            pack(&text[..100], 20, false),
        ]
        .concat();
        for capacity in [1, 3, 1 << 20] {
            let windows = Arc::new(Windows::new(1 << 15));
            let (mut share, mut other) = (windows.share(), windows.share());
            other.grow(1).unwrap();
            let input = BufReader::with_capacity(capacity, &*all);
            let mut plain = Vec::new();
            let mut reader = Reader::new(input, Frames::new(&mut share).unwrap());
            let error = reader.read_to_end(&mut plain).unwrap_err();
            assert_eq!(error.kind(), io::ErrorKind::WouldBlock);
            assert_eq!(plain.len(), 100 + text.len());
            // From the start, with the decoder as it was left.
            drop(other);
            assert!(share.wait());
            let input = BufReader::with_capacity(capacity, &*all);
            let mut reader = Reader::new(input, Frames::new(&mut share).unwrap());
            plain.clear();
            reader.read_to_end(&mut plain).unwrap();
            assert_eq!(plain.len(), 200 + text.len());
        }
    }
}
