//! Content in large pieces: from any input, and through a pipe between two threads that reuses its buffers.

use std::io::{self, BufRead, Read};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, RecvError, SyncSender, TryRecvError, sync_channel};

use oci_spec::image::Digest;

use crate::digest::Hasher;
use crate::error::{Error, Result};

/// Bytes of one buffer. Large enough that waking the other thread costs nothing, small enough for the cache.
pub(crate) const CHUNK: usize = 128 << 10;
/// Of what comes in there is less, and more of it waits.
pub(crate) const PIECE: usize = 64 << 10;
/// Full buffers on the way, besides the one that is being filled and the one that is being read.
const DEPTH: usize = 1;

/// Passes on all that `input` has, piece by piece. Returns how much that was; when it breaks, `broken` is told how much came before.
pub(crate) fn pass(
    mut input: impl Read,
    broken: impl Fn(u64, io::Error) -> Error,
    each: &mut dyn FnMut(&[u8]) -> Result<()>,
) -> Result<u64> {
    let (mut buffer, mut count) = (vec![0; PIECE], 0);
    loop {
        match input.read(&mut buffer) {
            Ok(0) => return Ok(count),
            Ok(n) => {
                each(&buffer[..n])?;
                count += n as u64;
            }
            Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
            Err(e) => return Err(broken(count, e)),
        }
    }
}

/// The writing end. A buffer with nothing in it is the end.
pub(crate) struct Sender {
    full: SyncSender<Vec<u8>>,
    empty: Receiver<Vec<u8>>,
    made: usize,
    size: usize,
}

/// The reading end gave up; why, is what its thread returns.
#[derive(Debug)]
pub(crate) struct Closed;

/// A pipe with buffers of `size` bytes.
pub(crate) fn pipe(size: usize) -> (Sender, ChunkReader<'static>) {
    let (full, data) = sync_channel(DEPTH);
    let (back, empty) = sync_channel(DEPTH + 2);
    let reader = ChunkReader::new(move |used: Vec<u8>| {
        if used.capacity() > 0 {
            let _ = back.try_send(used);
        }
        data.recv()
            .map_err(|_: RecvError| io::ErrorKind::BrokenPipe.into())
    });
    let sender = Sender {
        full,
        empty,
        made: 0,
        size,
    };
    (sender, reader)
}

impl Sender {
    /// A buffer with room for as many bytes, in which something old may be.
    pub(crate) fn buffer(&mut self) -> Result<Vec<u8>, Closed> {
        match self.empty.try_recv() {
            Ok(buffer) => return Ok(buffer),
            Err(TryRecvError::Disconnected) => return Err(Closed),
            Err(TryRecvError::Empty) => {}
        }
        if self.made < DEPTH + 2 {
            self.made += 1;
            return Ok(Vec::with_capacity(self.size));
        }
        self.empty.recv().map_err(|_| Closed)
    }

    /// Passes a buffer on; waits when the reader is behind.
    pub(crate) fn send(&mut self, buffer: Vec<u8>) -> Result<(), Closed> {
        self.full.send(buffer).map_err(|_| Closed)
    }

    /// Copies `bytes` through.
    pub(crate) fn copy(&mut self, mut bytes: &[u8]) -> Result<(), Closed> {
        while !bytes.is_empty() {
            let mut buffer = self.buffer()?;
            let n = bytes.len().min(self.size);
            buffer.clear();
            buffer.extend_from_slice(&bytes[..n]);
            self.send(buffer)?;
            bytes = &bytes[n..];
        }
        Ok(())
    }

    /// Says that all is there. A sender that is dropped without it makes the reader fail: half a layer must not look whole.
    pub(crate) fn end(mut self) -> Result<(), Closed> {
        self.send(Vec::new())
    }
}

/// Takes a buffer that was read, and gives the next one.
type Next<'a> = Box<dyn FnMut(Vec<u8>) -> io::Result<Vec<u8>> + Send + 'a>;

/// The reading end.
pub(crate) struct ChunkReader<'a> {
    next: Next<'a>,
    current: Vec<u8>,
    at: usize,
    ended: bool,
    count: Arc<AtomicU64>,
    hasher: Option<Hasher>,
}

impl<'a> ChunkReader<'a> {
    /// Reads what `next` makes of one buffer again and again, on the thread that reads.
    pub(crate) fn new(next: impl FnMut(Vec<u8>) -> io::Result<Vec<u8>> + Send + 'a) -> Self {
        ChunkReader {
            next: Box::new(next),
            current: Vec::new(),
            at: 0,
            ended: false,
            count: Arc::default(),
            hasher: None,
        }
    }

    /// Bytes received, for whoever does not have the reader.
    pub(crate) fn count(&self) -> Arc<AtomicU64> {
        self.count.clone()
    }

    /// Hashes what is received, a whole buffer at a time.
    pub(crate) fn hash(mut self, hasher: Hasher) -> Self {
        self.hasher = Some(hasher);
        self
    }

    /// Receives the rest. Returns the digest of everything.
    pub(crate) fn finish(mut self) -> io::Result<Option<Digest>> {
        while !self.fill_buf()?.is_empty() {
            self.at = self.current.len();
        }
        Ok(self.hasher.map(Hasher::finish))
    }
}

impl BufRead for ChunkReader<'_> {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        if self.at == self.current.len() && !self.ended {
            let used = std::mem::take(&mut self.current);
            self.at = 0;
            self.current = (self.next)(used)?;
            self.ended = self.current.is_empty();
            let length = self.current.len() as u64;
            self.count.fetch_add(length, Ordering::Relaxed);
            if let Some(hasher) = &mut self.hasher {
                hasher.update(&self.current);
            }
        }
        Ok(&self.current[self.at..])
    }

    fn consume(&mut self, n: usize) {
        self.at += n;
    }
}

impl Read for ChunkReader<'_> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let n = self.fill_buf()?.read(into)?;
        self.consume(n);
        Ok(n)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn everything_arrives_in_order() {
        let (mut sender, mut reader) = pipe(CHUNK);
        let sent: Vec<u8> = (0..3_000_000u32).map(|n| (n * 7) as u8).collect();
        let copy = sent.clone();
        let thread = std::thread::spawn(move || {
            sender.copy(&copy).unwrap();
            sender.end().unwrap();
        });
        let mut received = Vec::new();
        reader.read_to_end(&mut received).unwrap();
        thread.join().unwrap();
        assert_eq!(received, sent);
        assert_eq!(reader.count().load(Ordering::Relaxed), sent.len() as u64);
    }

    #[test]
    fn a_writer_that_gives_up_is_an_error_for_the_reader() {
        let (mut sender, mut reader) = pipe(CHUNK);
        sender.copy(b"half").unwrap();
        drop(sender);
        let mut received = Vec::new();
        assert!(reader.read_to_end(&mut received).is_err());
    }

    #[test]
    fn a_reader_that_gives_up_stops_the_writer() {
        let (mut sender, reader) = pipe(CHUNK);
        drop(reader);
        assert!(sender.copy(&vec![0; CHUNK * 20]).is_err());
    }
}
