//! The frames of ttrpc: ten bytes of header (length, stream, kind, flags; big-endian), then a message.

/// The longest message that either side sends; longer ones are passed over.
pub(crate) const LONGEST: usize = 4 << 20;

const HEADER: usize = 10;

/// A frame that holds a request.
pub(crate) const REQUEST: u8 = 1;
/// A frame that holds a response.
pub(crate) const RESPONSE: u8 = 2;

/// None of ttrpc's: another program of this shim's says by it that it has told somebody to come.
pub(crate) const KNOCK: u8 = 0;

/// What has come from the other side.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Frame {
    /// A whole message.
    Whole {
        stream: u32,
        kind: u8,
        message: Vec<u8>,
    },
    /// One that is longer than [`LONGEST`]: it is not kept.
    TooLong { stream: u32, length: usize },
}

/// Finds frames in what comes, in pieces of any size. No input is an error: what makes no sense to the caller is skipped by its
/// length, and the next frame is looked at.
#[derive(Debug, Default)]
pub(crate) struct Frames {
    bytes: Vec<u8>,
    /// Where in them the next frame begins: what comes before has been taken, and is removed when more comes, all at once.
    at: usize,
    /// How much of a frame that is too long is still to come.
    skipped: usize,
}

impl Frames {
    /// Takes what was read.
    pub(crate) fn feed(&mut self, mut bytes: &[u8]) {
        let skipped = self.skipped.min(bytes.len());
        self.skipped -= skipped;
        bytes = &bytes[skipped..];
        self.bytes.drain(..std::mem::take(&mut self.at));
        self.bytes.extend_from_slice(bytes);
    }

    /// How much memory is kept for what has not come to its end.
    pub(crate) fn held(&self) -> usize {
        self.bytes.capacity()
    }

    /// The next frame that is complete.
    pub(crate) fn next(&mut self) -> Option<Frame> {
        let rest = &self.bytes[self.at..];
        let header = rest.get(..HEADER)?;
        let word = |at: usize| {
            u32::from_be_bytes([header[at], header[at + 1], header[at + 2], header[at + 3]])
        };
        let (length, stream, kind) = (word(0) as usize, word(4), header[8]);
        if length > LONGEST {
            let here = (rest.len() - HEADER).min(length);
            self.skipped = length - here;
            self.pass(HEADER + here);
            return Some(Frame::TooLong { stream, length });
        }
        let message = rest.get(HEADER..HEADER + length)?.to_vec();
        self.pass(HEADER + length);
        Some(Frame::Whole {
            stream,
            kind,
            message,
        })
    }

    fn pass(&mut self, length: usize) {
        self.at += length;
        if self.at == self.bytes.len() {
            // A connection that is quiet keeps no memory.
            (self.bytes, self.at) = (Vec::new(), 0);
        }
    }
}

/// A frame as it is sent.
pub(crate) fn encode(stream: u32, kind: u8, message: &[u8]) -> Vec<u8> {
    let mut frame = Vec::with_capacity(HEADER + message.len());
    frame.extend_from_slice(&(message.len() as u32).to_be_bytes());
    frame.extend_from_slice(&stream.to_be_bytes());
    frame.extend_from_slice(&[kind, 0]);
    frame.extend_from_slice(message);
    frame
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn all(frames: &mut Frames) -> Vec<Frame> {
        std::iter::from_fn(|| frames.next()).collect()
    }

    proptest! {
        #[test]
        fn frames_survive_any_pieces(
            messages in prop::collection::vec((any::<u32>(), any::<u8>(), prop::collection::vec(any::<u8>(), 0..300)), 0..8),
            piece in 1..64usize,
        ) {
            let sent: Vec<u8> =
                messages.iter().flat_map(|(stream, kind, message)| encode(*stream, *kind, message)).collect();
            let mut frames = Frames::default();
            let mut seen = Vec::new();
            for bytes in sent.chunks(piece) {
                frames.feed(bytes);
                seen.extend(all(&mut frames));
            }
            let wanted: Vec<Frame> = messages
                .into_iter()
                .map(|(stream, kind, message)| Frame::Whole { stream, kind, message })
                .collect();
            prop_assert_eq!(seen, wanted);
        }

        #[test]
        fn garbage_is_no_panic_and_keeps_little(bytes in prop::collection::vec(any::<u8>(), 0..4096)) {
            let mut frames = Frames::default();
            frames.feed(&bytes);
            all(&mut frames);
            prop_assert!(frames.bytes.len() <= bytes.len());
        }
    }

    #[test]
    fn many_small_ones_are_taken_without_moving_what_is_left() {
        let bytes = encode(1, KNOCK, &[]).repeat(100_000);
        let mut frames = Frames::default();
        frames.feed(&bytes);
        for left in (0..100_000).rev() {
            assert!(frames.next().is_some());
            let kept = if left == 0 { 0 } else { bytes.len() };
            assert_eq!(frames.bytes.len(), kept, "{left} are left");
        }
        assert_eq!((frames.next(), frames.held()), (None, 0));
    }

    #[test]
    fn what_is_too_long_is_passed_over() {
        let mut frames = Frames::default();
        let mut sent = encode(3, REQUEST, &vec![7; LONGEST + 1]);
        sent.extend(encode(5, REQUEST, b"next"));
        for bytes in sent.chunks(4096) {
            frames.feed(bytes);
            if frames.bytes.is_empty() {
                continue;
            }
            for frame in all(&mut frames) {
                match frame {
                    Frame::TooLong { stream, length } => {
                        assert_eq!((stream, length), (3, LONGEST + 1))
                    }
                    Frame::Whole {
                        stream, message, ..
                    } => assert_eq!((stream, &message[..]), (5, &b"next"[..])),
                }
            }
        }
        assert_eq!(frames.skipped, 0);
    }
}
