//! Bringing one blob into a layout: continued where an earlier attempt stopped, verified before it appears.

mod ranges;

use std::sync::Arc;

use oci_spec::image::Descriptor;

use crate::chunks;
use crate::error::{Error, Kind, Result, Retry};
use crate::ingest::{self, Ingest};
use crate::layout::Layout;
use crate::progress::Watch;
use crate::retry::{Attempts, Patience};
use crate::source::{Source, cut};

/// How blobs are fetched.
#[derive(Clone, Debug, Default)]
pub struct Options {
    /// When to give up.
    pub patience: Patience,
    /// Connections for one large blob; up to one means a single one.
    pub connections: usize,
    /// Is told about every byte.
    pub watch: Option<Arc<dyn Watch>>,
}

/// After this many bytes a source counts as working, whatever failed before.
const PROGRESS: u64 = 64 << 10;

/// Makes sure that `layout` has the content of `descriptor`, and passes all of it to `each` on the way, in order, also when
/// it was there before.
///
/// When the content turns out wrong, `each` has already seen it; what it made of it must then be thrown away.
///
/// # Errors
/// [`Kind::Integrity`] for wrong content, of which nothing is kept; [`Kind::Network`] when the source fails for good, in
/// which case what is there stays for the next attempt; what `each` returns.
pub fn fetch(
    source: &dyn Source,
    descriptor: &Descriptor,
    layout: &Layout,
    options: &Options,
    each: &mut dyn FnMut(&[u8]) -> Result<()>,
) -> Result<()> {
    if layout.has(descriptor)? {
        return ingest::pass(layout.open_blob(descriptor)?, each);
    }
    let Some(mut ingest) = layout.ingest(descriptor)? else {
        return ingest::pass(layout.open_blob(descriptor)?, each);
    };
    let watch = options.watch.as_deref();
    let mut counted = |bytes: &[u8]| {
        watch.map_or(Ok(()), |w| w.bytes(descriptor, bytes.len() as u64))?;
        each(bytes)
    };
    watch.map_or(Ok(()), |w| w.begin(descriptor))?;
    if ranges::suits(source, descriptor, options)
        && ranges::fetch(source, descriptor, &mut ingest, options, &mut counted)?
    {
        ingest.commit()?;
        watch.inspect(|w| w.end(descriptor));
        return Ok(());
    }
    // Several connections may have brought the beginning before the source had enough of them.
    let there = match ingest.position() {
        0 => ingest.replay(&mut counted)?,
        passed => passed,
    };
    if there > 0 {
        let (digest, size) = (descriptor.digest(), descriptor.size());
        log::info!("{digest}: going on after {there} of {size} bytes");
    }
    let mut attempts = Attempts::new(options.patience);
    let mut mark = ingest.position();
    while ingest.position() < descriptor.size() {
        if let Err(error) = stream(source, descriptor, &mut ingest, &mut counted) {
            if error.kind() == Kind::Integrity {
                ingest.discard();
                return Err(error);
            }
            if ingest.position() - mark >= PROGRESS {
                attempts.progress();
                mark = ingest.position();
            }
            // What went wrong here is nobody's fault there.
            if error.kind() == Kind::Local || !source.distrust(descriptor, &error) {
                attempts.pause(error)?;
            }
        }
    }
    // Content of no bytes was never asked for, and need not be.
    ingest.commit()?;
    watch.inspect(|w| w.end(descriptor));
    Ok(())
}

/// One request: from where the file ends to the end of the content, or to the next failure.
fn stream(
    source: &dyn Source,
    descriptor: &Descriptor,
    ingest: &mut Ingest,
    each: &mut dyn FnMut(&[u8]) -> Result<()>,
) -> Result<()> {
    let position = ingest.position();
    let reader = source.open(descriptor, position, None)?.skip_to(position)?;
    let broken = |count, e| cut(descriptor, position + count, &e);
    chunks::pass(reader, broken, &mut |bytes| {
        ingest.write(bytes)?;
        each(bytes)
    })?;
    if ingest.position() < descriptor.size() {
        let (digest, size, position) = (descriptor.digest(), descriptor.size(), ingest.position());
        let what = format!("{digest} ended after {position} of {size} bytes");
        return Err(Error::network(what, Retry::Later));
    }
    Ok(())
}

/// Runs `attempt` again when it brought wrong content: as long as the source has other places to get it from, else once, since
/// a damaged continuation is repaired by starting over.
pub(crate) fn once_more<T>(
    source: &dyn Source,
    descriptor: &Descriptor,
    mut attempt: impl FnMut() -> Result<T>,
) -> Result<T> {
    let mut again = true;
    loop {
        match attempt() {
            Err(e)
                if e.kind() == Kind::Integrity
                    && (source.distrust(descriptor, &e) || std::mem::take(&mut again)) =>
            {
                log::info!("{e}; fetching it again from the start");
            }
            other => return other,
        }
    }
}
