//! The stages that a layer runs through: source, decompression, then digest and writing. Each has a thread of its own, or the
//! last two have one.

use std::io::{self, Read};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use oci_spec::image::{Descriptor, Digest};

use crate::chunks::{self, CHUNK, ChunkReader, Closed, PIECE, Sender};
use crate::compression;
use crate::digest::{self, Hasher};
use crate::error::{During, Error, Kind, Result};
use crate::limits::Limits;
use crate::source::{self, Source};
use crate::windows::{Share, Windows};

/// The way into the stages.
pub(crate) struct Feed<'a> {
    sender: Sender,
    /// The stages need no more, and it is not the content's fault.
    abort: &'a AtomicBool,
    closed: bool,
}

impl Feed<'_> {
    /// Passes compressed bytes on. When the stages have stopped because the content makes no sense, the rest is accepted and
    /// dropped: only at its end can be told whether the source sent something wrong, which is worth another try.
    pub(crate) fn pass(&mut self, bytes: &[u8]) -> Result<()> {
        if !self.closed && self.sender.copy(bytes).is_err() {
            self.closed = true;
        }
        if self.closed && self.abort.load(Ordering::Acquire) {
            return Err(Error::stopped());
        }
        Ok(())
    }
}

/// How many threads a layer has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Threads {
    /// One for each stage: a layer is done as soon as can be.
    Three,
    /// Less has to pass from one to another: where all processors are busy with other layers too, all is done sooner.
    Two,
}

/// Runs a layer through the stages. `source` runs on this thread and passes the compressed layer on; `sink` reads the uncompressed
/// one, of which it may leave a rest. When there is no room for its window, the content is fetched all the same, and then the
/// result is [`Error::stopped`], and `share` knows. What the source reports comes first, since it explains what the other stages see.
///
/// # Errors
/// The first failure in the order of the stages; [`Kind::Integrity`] when the content has another DiffID.
pub(crate) fn read<T: Send>(
    source: impl FnOnce(&mut Feed<'_>) -> Result<()>,
    diff_id: &Digest,
    limits: &Limits,
    share: &mut Share,
    threads: Threads,
    sink: impl FnOnce(&mut ChunkReader<'_>) -> Result<T> + Send,
) -> Result<T> {
    let (sender, input) = chunks::pipe(PIECE);
    let hasher = Hasher::like(diff_id)?;
    let abort = AtomicBool::new(false);
    let judge = &|error: &Error| {
        if matches!(error.kind(), Kind::Local | Kind::Limit) && !error.is_stopped() {
            abort.store(true, Ordering::Release);
        }
    };
    thread::scope(|scope| {
        let mut inflating = None;
        let writing = match threads {
            Threads::Three => {
                let (plain, output) = chunks::pipe(CHUNK);
                let inflate = move || inflate(input, plain, limits, share).inspect_err(judge);
                inflating = Some(scope.spawn(inflate));
                let write = move || write(output.hash(hasher), diff_id, sink).inspect_err(judge);
                scope.spawn(write)
            }
            Threads::Two => scope.spawn(move || {
                let work = || {
                    let mut next = inflater(input, limits, share)?;
                    let mut failed = None;
                    let output = ChunkReader::new(|used| {
                        next(used).map_err(|e| {
                            failed = Some(e);
                            io::ErrorKind::BrokenPipe.into()
                        })
                    });
                    let written = write(output.hash(hasher), diff_id, sink);
                    failed.map_or(written, Err)
                };
                work().inspect_err(judge)
            }),
        };
        let mut feed = Feed {
            sender,
            abort: &abort,
            closed: false,
        };
        let fetched = source(&mut feed);
        if fetched.is_ok() {
            // When the other side is gone, its own result says why.
            let _ = feed.sender.end();
        } else {
            drop(feed);
        }
        let inflated = inflating.map_or(Ok(()), |thread| {
            thread.join().unwrap_or_else(|_| Err(Error::stopped()))
        });
        let written = writing.join().unwrap_or_else(|_| Err(Error::stopped()));
        let failures = [fetched.err(), inflated.err()].into_iter().flatten();
        match { failures }.find(|e| !e.is_stopped()) {
            Some(error) => Err(error),
            None => written,
        }
    })
}

/// Runs a layer of `source` through the stages, which is kept nowhere; from the start once more when it breaks off.
pub(crate) fn reread<T: Send>(
    source: &dyn Source,
    layer: &Descriptor,
    diff_id: &Digest,
    limits: &Limits,
    sink: impl Fn(&mut ChunkReader<'_>) -> Result<T> + Sync,
) -> Result<T> {
    source::persist(source, layer, || {
        let fetch = |feed: &mut Feed<'_>| source::pass(source, layer, &mut |b| feed.pass(b));
        // Nothing is kept that could be read later: it does not wait.
        let windows = Arc::new(Windows::new(u64::MAX));
        let mut share = windows.share();
        read(fetch, diff_id, limits, &mut share, Threads::Three, &sink)
    })
}

impl From<Closed> for Error {
    fn from(_: Closed) -> Self {
        Error::stopped()
    }
}

/// What a sink that copies reports.
pub(crate) fn failed(doing: &str, error: io::Error) -> Error {
    match error.kind() {
        // The stage before stopped, and says why itself.
        io::ErrorKind::BrokenPipe => Error::stopped(),
        _ => Error::system(doing, error),
    }
}

fn inflate(
    input: ChunkReader<'_>,
    mut output: Sender,
    limits: &Limits,
    share: &mut Share,
) -> Result<()> {
    let mut next = inflater(input, limits, share)?;
    loop {
        let buffer = next(output.buffer()?)?;
        if buffer.is_empty() {
            return Ok(output.end()?);
        }
        output.send(buffer)?;
    }
}

/// What fills a buffer with the next bytes of the uncompressed layer; with none at its end.
fn inflater<'a>(
    input: ChunkReader<'a>,
    limits: &'a Limits,
    share: &'a mut Share,
) -> Result<impl FnMut(Vec<u8>) -> Result<Vec<u8>> + Send + 'a> {
    let error = |e: io::Error| match e.kind() {
        io::ErrorKind::BrokenPipe | io::ErrorKind::WouldBlock => Error::stopped(),
        _ => failure!(Malformed: "decompress: {e}"),
    };
    let compressed = input.count();
    let mut plain = compression::decompress_within(input, share).map_err(error)?;
    let mut total = 0u64;
    Ok(move |mut buffer: Vec<u8>| {
        // What is old in it is written over: nothing but the end of a short one is filled with zeros.
        buffer.resize(CHUNK, 0);
        let mut filled = 0;
        // Whole buffers only: decompressors return pieces of their own size.
        while filled < buffer.len() {
            match plain.read(&mut buffer[filled..]) {
                Ok(0) => break,
                Ok(n) => filled += n,
                Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
                Err(e) => return Err(error(e)),
            }
        }
        total += filled as u64;
        if total > limits.layer_bytes {
            fail!(Limit: "the layer is larger than {} bytes", limits.layer_bytes);
        }
        let read = compressed.load(Ordering::Relaxed).max(1);
        if total > limits.ratio_from && total / read > limits.ratio {
            fail!(Limit: "the layer grows more than {} times when decompressed", limits.ratio);
        }
        buffer.truncate(filled);
        Ok(buffer)
    })
}

fn write<T>(
    mut input: ChunkReader<'_>,
    diff_id: &Digest,
    sink: impl FnOnce(&mut ChunkReader<'_>) -> Result<T>,
) -> Result<T> {
    let made = sink(&mut input)?;
    // What follows the end of the archive belongs to the layer's identity.
    let found = input.finish().map_err(|_| Error::stopped())?;
    let found = found.ok_or_else(Error::stopped)?;
    digest::expect(&found, diff_id).during(|| "uncompressed layer (DiffID)".into())?;
    Ok(made)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::compression::{Compression, Compressor};
    use std::io::Write;

    fn pack(bytes: &[u8]) -> Vec<u8> {
        let mut compressor = Compressor::new(Vec::new(), Compression::Gzip).unwrap();
        compressor.write_all(bytes).unwrap();
        compressor.finish().unwrap()
    }

    /// With `source` for the compressed layer, as often as it is asked for.
    fn run<T: Send>(
        source: impl Fn(&mut Feed<'_>) -> Result<()>,
        diff_id: &Digest,
        limits: &Limits,
        sink: impl Fn(&mut ChunkReader<'_>) -> Result<T> + Sync,
    ) -> [Result<T>; 2] {
        [Threads::Two, Threads::Three].map(|threads| {
            let windows = Arc::new(Windows::new(u64::MAX));
            let mut share = windows.share();
            read(&source, diff_id, limits, &mut share, threads, &sink)
        })
    }

    fn all(input: &mut ChunkReader<'_>) -> Result<Vec<u8>> {
        let mut bytes = Vec::new();
        let read = input.read_to_end(&mut bytes);
        read.map_err(|e| failed("read", e)).map(|_| bytes)
    }

    #[test]
    fn as_many_threads_as_there_are_the_content_is_the_same() {
        let content: Vec<u8> = (0..1_000_000u32)
            .map(|n| (n / 7).wrapping_mul(n) as u8)
            .collect();
        let (packed, diff_id) = (pack(&content), digest::of(&content));
        let limits = Limits::default();
        for found in run(|feed| feed.pass(&packed), &diff_id, &limits, all) {
            assert!(found.unwrap() == content);
        }
        // What the sink leaves counts too.
        for found in run(|feed| feed.pass(&packed), &diff_id, &limits, |_| Ok(())) {
            found.unwrap();
        }
    }

    #[test]
    fn as_many_threads_as_there_are_the_first_stage_that_failed_says_why() {
        let content = b"content".repeat(100_000);
        let (packed, diff_id) = (pack(&content), digest::of(&content));
        let limits = Limits::default();
        let small = Limits {
            layer_bytes: 1000,
            ..Limits::default()
        };
        let (mut damaged, other) = (packed.clone(), digest::of(b"other"));
        let middle = damaged.len() / 2;
        damaged[middle..].fill(0xff);
        let kinds = |results: [Result<Vec<u8>>; 2]| results.map(|r| r.unwrap_err().kind());
        let whole = |feed: &mut Feed<'_>| feed.pass(&packed);
        let cut = |feed: &mut Feed<'_>| {
            feed.pass(&packed[..middle])?;
            Err(Error::new(Kind::Network, "broke off"))
        };
        let full = |input: &mut ChunkReader<'_>| {
            all(input)?;
            Err(Error::new(Kind::Local, "full"))
        };
        assert_eq!(
            kinds(run(whole, &other, &limits, all)),
            [Kind::Integrity; 2]
        );
        assert_eq!(kinds(run(whole, &diff_id, &small, all)), [Kind::Limit; 2]);
        assert_eq!(kinds(run(cut, &diff_id, &limits, all)), [Kind::Network; 2]);
        assert_eq!(kinds(run(whole, &diff_id, &limits, full)), [Kind::Local; 2]);
        let damaged = |feed: &mut Feed<'_>| feed.pass(&damaged);
        for error in run(damaged, &diff_id, &limits, all) {
            let error = error.unwrap_err();
            assert_eq!(error.kind(), Kind::Malformed);
            assert!(error.to_string().starts_with("decompress: "), "{error}");
        }
    }
}
