//! Several connections for one large blob.
//!
//! Each fetches pieces of the file; this thread follows behind, hashing and passing on what is complete. A list of finished
//! pieces on disk lets a killed process go on.

use std::fs::OpenOptions;
use std::io::{Read, Write};
use std::os::unix::fs::FileExt;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};

use oci_spec::image::Descriptor;

use super::Options;
use crate::error::{Doing, Error, Result, Retry};
use crate::ingest::Ingest;
use crate::retry::Attempts;
use crate::source::{Source, cut};

/// Bytes of a piece.
const PIECE: u64 = 8 << 20;
/// Blobs smaller than this are not worth more than one connection.
const LARGE: u64 = 4 * PIECE;

pub(crate) fn suits(source: &dyn Source, descriptor: &Descriptor, options: &Options) -> bool {
    options.connections > 1 && source.is_remote() && descriptor.size() >= LARGE
}

struct State {
    done: Vec<bool>,
    next: usize,
    failure: Option<Error>,
    /// The source sent the whole instead of a part.
    ignored: bool,
    stop: bool,
}

struct Shared {
    state: Mutex<State>,
    changed: Condvar,
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// False when the source cannot do it, or not any more: what was passed to `each` until then, `ingest` has hashed.
pub(crate) fn fetch(
    source: &dyn Source,
    descriptor: &Descriptor,
    ingest: &mut Ingest,
    options: &Options,
    each: &mut dyn FnMut(&[u8]) -> Result<()>,
) -> Result<bool> {
    let pieces = descriptor.size().div_ceil(PIECE) as usize;
    let done = finished(ingest, pieces)?;
    let shared = Shared {
        state: Mutex::new(State {
            done,
            next: 0,
            failure: None,
            ignored: false,
            stop: false,
        }),
        changed: Condvar::new(),
    };
    let file = ingest.file().try_clone().doing("duplicate descriptor")?;
    let list = ingest.pieces_path();
    let list = OpenOptions::new()
        .append(true)
        .create(true)
        .open(&list)
        .at("open", &list)?;
    file.set_len(descriptor.size())
        .doing("extend partial content")?;
    let result = std::thread::scope(|scope| {
        for _ in 0..options.connections.min(pieces) {
            scope.spawn(|| worker(source, descriptor, options, &shared, &file, &list));
        }
        let result = follow(descriptor, &shared, ingest, each, pieces);
        shared.lock().stop = true;
        result
    });
    match result {
        Ok(()) => Ok(true),
        Err(_) if shared.lock().ignored => {
            ingest.keep_hashed()?;
            Ok(false)
        }
        Err(e) => Err(e),
    }
}

/// What the list on disk vouches for.
fn finished(ingest: &mut Ingest, pieces: usize) -> Result<Vec<bool>> {
    let mut done = vec![false; pieces];
    let Ok(list) = std::fs::read(ingest.pieces_path()) else {
        // What a single connection left behind is a prefix; starting over is simpler than two ways to go on.
        ingest.restart()?;
        return Ok(done);
    };
    for number in list.chunks_exact(4) {
        let number = u32::from_le_bytes([number[0], number[1], number[2], number[3]]) as usize;
        if let Some(piece) = done.get_mut(number) {
            *piece = true;
        }
    }
    Ok(done)
}

fn follow(
    descriptor: &Descriptor,
    shared: &Shared,
    ingest: &mut Ingest,
    each: &mut dyn FnMut(&[u8]) -> Result<()>,
    pieces: usize,
) -> Result<()> {
    for piece in 0..pieces {
        let mut state = shared.lock();
        while !state.done[piece] {
            if let Some(failure) = state.failure.take() {
                return Err(failure);
            }
            state = shared
                .changed
                .wait(state)
                .unwrap_or_else(PoisonError::into_inner);
        }
        drop(state);
        let end = ((piece as u64 + 1) * PIECE).min(descriptor.size());
        ingest.hash_until(end, each)?;
    }
    Ok(())
}

fn worker(
    source: &dyn Source,
    descriptor: &Descriptor,
    options: &Options,
    shared: &Shared,
    file: &std::fs::File,
    list: &std::fs::File,
) {
    loop {
        let piece = {
            let mut state = shared.lock();
            while state.next < state.done.len() && state.done[state.next] {
                state.next += 1;
            }
            if state.stop || state.failure.is_some() || state.next >= state.done.len() {
                return;
            }
            state.next += 1;
            state.next - 1
        };
        let result =
            fetch_piece(source, descriptor, options, shared, file, piece as u64).and_then(|()| {
                // After the data, so that the list never promises what is not there.
                (&mut &*list)
                    .write_all(&(piece as u32).to_le_bytes())
                    .doing("note finished piece")
            });
        let mut state = shared.lock();
        match result {
            Ok(()) => state.done[piece] = true,
            Err(e) => {
                state.failure.get_or_insert(e);
            }
        }
        drop(state);
        shared.changed.notify_all();
    }
}

fn fetch_piece(
    source: &dyn Source,
    descriptor: &Descriptor,
    options: &Options,
    shared: &Shared,
    file: &std::fs::File,
    piece: u64,
) -> Result<()> {
    let (mut position, end) = (piece * PIECE, ((piece + 1) * PIECE).min(descriptor.size()));
    let mut attempts = Attempts::new(options.patience);
    let mut buffer = vec![0u8; crate::chunks::CHUNK];
    while position < end {
        let before = position;
        let mut once = || -> Result<()> {
            let mut content = source.open(descriptor, position, Some(end))?;
            if content.start != position {
                shared.lock().ignored = true;
                return Err(Error::network("the source ignores ranges", Retry::Never));
            }
            while position < end {
                let most = usize::try_from(end - position)
                    .unwrap_or(usize::MAX)
                    .min(buffer.len());
                let n = content
                    .reader
                    .read(&mut buffer[..most])
                    .map_err(|e| cut(descriptor, position, &e))?;
                if n == 0 {
                    return Err(Error::network(
                        format!("a part of {} ended early", descriptor.digest()),
                        Retry::Later,
                    ));
                }
                file.write_all_at(&buffer[..n], position)
                    .doing("write partial content")?;
                position += n as u64;
                if shared.lock().stop {
                    return Err(Error::stopped());
                }
            }
            Ok(())
        };
        if let Err(error) = once() {
            if position > before {
                attempts.progress();
            }
            attempts.pause(error)?;
        }
    }
    Ok(())
}
