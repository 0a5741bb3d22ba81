//! Several connections for one large blob.
//!
//! Each fetches pieces of the file; this thread follows behind, hashing and passing on what is complete. A list of finished
//! pieces on disk lets a killed process go on.

use std::fs::{File, OpenOptions};
use std::io::{Read, Write};
use std::os::unix::fs::FileExt;
use std::sync::{Condvar, Mutex};

use oci_spec::image::Descriptor;

use super::Options;
use crate::chunks;
use crate::error::{Doing, Error, Result, Retry};
use crate::ingest::Ingest;
use crate::parallel::{lock, wait_while};
use crate::retry::Attempts;
use crate::source::{Source, cut};

/// Bytes of a piece.
const PIECE: u64 = 8 << 20;
/// Blobs smaller than this are not worth more than one connection.
const LARGE: u64 = 4 * PIECE;

pub(crate) fn suits(source: &dyn Source, descriptor: &Descriptor, options: &Options) -> bool {
    options.connections > 1 && source.is_remote() && descriptor.size() >= LARGE
}

/// What the threads share.
struct Fetch<'a> {
    source: &'a dyn Source,
    descriptor: &'a Descriptor,
    options: &'a Options,
    file: File,
    /// The pieces that are done.
    list: File,
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Default)]
struct State {
    done: Vec<bool>,
    next: usize,
    failure: Option<Error>,
    /// The source sent the whole instead of a part.
    ignored: bool,
    stop: bool,
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
    let path = ingest.pieces_path();
    let list = OpenOptions::new().append(true).create(true).open(&path);
    let fetch = Fetch {
        source,
        descriptor,
        options,
        file: ingest.file().try_clone().doing("duplicate descriptor")?,
        list: list.at("open", &path)?,
        state: Mutex::new(State {
            done,
            ..State::default()
        }),
        changed: Condvar::new(),
    };
    let extended = fetch.file.set_len(descriptor.size());
    extended.doing("extend partial content")?;
    let result = std::thread::scope(|scope| {
        for _ in 0..options.connections.min(pieces) {
            scope.spawn(|| fetch.work());
        }
        let result = (0..pieces).try_for_each(|piece| {
            fetch.wait(piece)?;
            let end = ((piece as u64 + 1) * PIECE).min(descriptor.size());
            ingest.hash_until(end, each)
        });
        lock(&fetch.state).stop = true;
        result
    });
    match result {
        Ok(()) => Ok(true),
        Err(_) if lock(&fetch.state).ignored => {
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
        let number = u32::from_le_bytes([number[0], number[1], number[2], number[3]]);
        if let Some(piece) = done.get_mut(number as usize) {
            *piece = true;
        }
    }
    Ok(done)
}

impl Fetch<'_> {
    /// Waits until `piece` is there, or something failed.
    fn wait(&self, piece: usize) -> Result<()> {
        let is_open = |state: &mut State| !state.done[piece] && state.failure.is_none();
        let mut state = wait_while(&self.changed, lock(&self.state), is_open);
        match state.done[piece] {
            true => Ok(()),
            false => state.failure.take().map_or(Ok(()), Err),
        }
    }

    /// The next piece that nobody has or is at.
    fn next(&self) -> Option<usize> {
        let mut state = lock(&self.state);
        while state.done.get(state.next) == Some(&true) {
            state.next += 1;
        }
        if state.stop || state.failure.is_some() || state.next >= state.done.len() {
            return None;
        }
        state.next += 1;
        Some(state.next - 1)
    }

    fn work(&self) {
        while let Some(piece) = self.next() {
            // After the data, so that the list never promises what is not there.
            let note = || (&self.list).write_all(&(piece as u32).to_le_bytes());
            let result = self.piece(piece as u64);
            let result = result.and_then(|()| note().doing("note finished piece"));
            let mut state = lock(&self.state);
            match result {
                Ok(()) => state.done[piece] = true,
                Err(e) => drop(state.failure.get_or_insert(e)),
            }
            drop(state);
            self.changed.notify_all();
        }
    }

    fn piece(&self, piece: u64) -> Result<()> {
        let size = self.descriptor.size();
        let (mut position, end) = (piece * PIECE, ((piece + 1) * PIECE).min(size));
        let mut attempts = Attempts::new(self.options.patience);
        while position < end {
            let before = position;
            if let Err(error) = self.part(&mut position, end) {
                if position > before {
                    attempts.progress();
                }
                attempts.pause(error)?;
            }
        }
        Ok(())
    }

    /// One request: from `position` to `end`, or to the next failure.
    fn part(&self, position: &mut u64, end: u64) -> Result<()> {
        let content = self.source.open(self.descriptor, *position, Some(end))?;
        if content.start != *position {
            lock(&self.state).ignored = true;
            return Err(Error::network("the source ignores ranges", Retry::Never));
        }
        let start = *position;
        let part = content.reader.take(end - start);
        let broken = |count, e| cut(self.descriptor, start + count, &e);
        chunks::pass(part, broken, &mut |bytes| {
            let written = self.file.write_all_at(bytes, *position);
            written.doing("write partial content")?;
            *position += bytes.len() as u64;
            match lock(&self.state).stop {
                true => Err(Error::stopped()),
                false => Ok(()),
            }
        })?;
        if *position < end {
            let what = format!("a part of {} ended early", self.descriptor.digest());
            return Err(Error::network(what, Retry::Later));
        }
        Ok(())
    }
}
