//! The stages that a layer runs through, each in a thread of its own: source, decompression, then digest and writing.

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
    sink: impl FnOnce(&mut ChunkReader) -> Result<T> + Send,
) -> Result<T> {
    let (sender, input) = chunks::pipe(PIECE);
    let (plain, output) = chunks::pipe(CHUNK);
    let output = output.hash(Hasher::like(diff_id)?);
    let abort = AtomicBool::new(false);
    let judge = &|error: &Error| {
        if matches!(error.kind(), Kind::Local | Kind::Limit) && !error.is_stopped() {
            abort.store(true, Ordering::Release);
        }
    };
    thread::scope(|scope| {
        let inflating =
            scope.spawn(move || inflate(input, plain, limits, share).inspect_err(judge));
        let writing = scope.spawn(move || write(output, diff_id, sink).inspect_err(judge));
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
        let inflated = inflating.join().unwrap_or_else(|_| Err(Error::stopped()));
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
    sink: impl Fn(&mut ChunkReader) -> Result<T> + Sync,
) -> Result<T> {
    source::persist(source, layer, || {
        let fetch = |feed: &mut Feed<'_>| source::pass(source, layer, &mut |b| feed.pass(b));
        // Nothing is kept that could be read later: it does not wait.
        let windows = Arc::new(Windows::new(u64::MAX));
        read(fetch, diff_id, limits, &mut windows.share(), &sink)
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
    input: ChunkReader,
    mut output: Sender,
    limits: &Limits,
    share: &mut Share,
) -> Result<()> {
    let error = |e: io::Error| match e.kind() {
        io::ErrorKind::BrokenPipe | io::ErrorKind::WouldBlock => Error::stopped(),
        _ => failure!(Malformed: "decompress: {e}"),
    };
    let compressed = input.count();
    let mut plain = compression::decompress_within(input, share).map_err(error)?;
    let mut total = 0u64;
    loop {
        let mut buffer = output.buffer()?;
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
        if filled == 0 {
            return Ok(output.end()?);
        }
        buffer.truncate(filled);
        output.send(buffer)?;
    }
}

fn write<T>(
    mut input: ChunkReader,
    diff_id: &Digest,
    sink: impl FnOnce(&mut ChunkReader) -> Result<T>,
) -> Result<T> {
    let made = sink(&mut input)?;
    // What follows the end of the archive belongs to the layer's identity.
    let found = input.finish().map_err(|_| Error::stopped())?;
    let found = found.ok_or_else(Error::stopped)?;
    digest::expect(&found, diff_id).during(|| "uncompressed layer (DiffID)".into())?;
    Ok(made)
}
