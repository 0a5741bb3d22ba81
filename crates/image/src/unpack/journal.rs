//! What must wait until all entries are written, kept in an unnamed file so that memory does not grow with the layer.

use std::fs::File;
use std::io::{BufReader, Read, Seek, SeekFrom, Write};
use std::path::Path;

use crate::error::{Doing, Error, Result};
use crate::files;

/// Records up to this many bytes stay in memory; nearly all layers need no file.
const BUFFER: usize = 64 << 10;

/// What is to be done at the end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// Directory times, which every later entry would change.
    Times,
    /// A directory that no entry has described yet.
    Implicit,
    /// A hard link to a file that is not in this layer, by its target.
    Link,
}

/// Records in order: what, where, and bytes that say more.
pub(super) struct Journal {
    directory: std::path::PathBuf,
    buffer: Vec<u8>,
    file: Option<File>,
}

impl Journal {
    pub(super) fn new(directory: &Path) -> Self {
        Journal {
            directory: directory.to_path_buf(),
            buffer: Vec::new(),
            file: None,
        }
    }

    pub(super) fn push(&mut self, kind: Kind, path: &[u8], more: &[u8]) -> Result<()> {
        self.buffer.push(kind as u8);
        for part in [path, more] {
            let length = part.len() as u32;
            self.buffer.extend_from_slice(&length.to_le_bytes());
            self.buffer.extend_from_slice(part);
        }
        if self.buffer.len() >= BUFFER {
            self.spill()?;
        }
        Ok(())
    }

    fn spill(&mut self) -> Result<()> {
        let file = match &mut self.file {
            Some(file) => file,
            none => none.insert(files::unnamed(&self.directory)?),
        };
        file.write_all(&self.buffer)
            .at("write journal in", &self.directory)?;
        self.buffer.clear();
        Ok(())
    }

    /// Calls `each` for all records of a kind, in the order in which they were added.
    pub(super) fn replay(
        &mut self,
        kind: Kind,
        mut each: impl FnMut(Vec<u8>, Vec<u8>) -> Result<()>,
    ) -> Result<()> {
        let memory = std::mem::take(&mut self.buffer);
        match &mut self.file {
            None => read(&mut &memory[..], kind, &mut each)?,
            Some(file) => {
                let error = |e| Error::file("read journal in", &self.directory, e);
                file.seek(SeekFrom::Start(0)).map_err(error)?;
                let mut all = BufReader::new(&*file).chain(&memory[..]);
                read(&mut all, kind, &mut each)?;
                file.seek(SeekFrom::End(0)).map_err(error)?;
            }
        }
        self.buffer = memory;
        Ok(())
    }
}

fn read(
    input: &mut dyn Read,
    kind: Kind,
    each: &mut dyn FnMut(Vec<u8>, Vec<u8>) -> Result<()>,
) -> Result<()> {
    let error = |e| Error::system("read journal", e);
    let mut found = [0u8];
    while input.read(&mut found).map_err(error)? == 1 {
        let mut parts: [Vec<u8>; 2] = Default::default();
        for part in &mut parts {
            let mut length = [0u8; 4];
            input.read_exact(&mut length).map_err(error)?;
            part.resize(u32::from_le_bytes(length) as usize, 0);
            input.read_exact(part).map_err(error)?;
        }
        if found == [kind as u8] {
            let [path, more] = parts;
            each(path, more)?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn replays_in_order_across_the_spill() {
        let temporary = tempfile::tempdir().unwrap();
        let mut journal = Journal::new(temporary.path());
        let kinds = [Kind::Times, Kind::Implicit, Kind::Link];
        let record = |n: usize| match kinds[n % 3] {
            Kind::Times => (format!("p{n}").into_bytes(), vec![7; 12]),
            Kind::Implicit => (vec![b'x'; n % 500], Vec::new()),
            Kind::Link => (b"a".to_vec(), format!("t{n}").into_bytes()),
        };
        for n in 0..5000 {
            let (path, more) = record(n);
            journal.push(kinds[n % 3], &path, &more).unwrap();
        }
        assert!(journal.file.is_some(), "the test must reach the file");
        for first in [0, 1, 2, 0] {
            let mut n = first;
            journal
                .replay(kinds[first], |path, more| {
                    assert_eq!((path, more), record(n));
                    n += 3;
                    Ok(())
                })
                .unwrap();
            assert!(n >= 5000);
        }
        assert_eq!(
            std::fs::read_dir(temporary.path()).unwrap().count(),
            0,
            "the file has no name"
        );
    }
}
