//! What must wait until all entries are written, kept in an unnamed file so that memory does not grow with the layer.

use std::fs::File;
use std::io::{BufReader, Read, Seek, SeekFrom, Write};
use std::path::Path;

use crate::error::{Doing, Error, Result};
use crate::files;
use crate::tar::Time;

/// Records up to this many bytes stay in memory; nearly all layers need no file.
const BUFFER: usize = 64 << 10;

/// Something to do at the end.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Record {
    /// Directory times, which every later entry would change.
    Times { path: Vec<u8>, time: Time },
    /// A directory that no entry has described yet.
    Implicit { path: Vec<u8> },
    /// A hard link to a file that is not in this layer.
    Link { path: Vec<u8>, target: Vec<u8> },
}

/// The records in order.
pub(super) struct Journal {
    directory: std::path::PathBuf,
    buffer: Vec<u8>,
    file: Option<File>,
}

impl Journal {
    pub(super) fn new(directory: &Path) -> Result<Self> {
        Ok(Journal {
            directory: directory.to_path_buf(),
            buffer: Vec::new(),
            file: None,
        })
    }

    pub(super) fn push(&mut self, record: &Record) -> Result<()> {
        let (kind, path, rest): (u8, &[u8], Vec<u8>) = match record {
            Record::Times { path, time } => (
                0,
                path,
                [
                    time.seconds.to_le_bytes().as_slice(),
                    &time.nanoseconds.to_le_bytes(),
                ]
                .concat(),
            ),
            Record::Implicit { path } => (1, path, Vec::new()),
            Record::Link { path, target } => (2, path, target.clone()),
        };
        self.buffer.push(kind);
        for part in [path, &rest] {
            self.buffer
                .extend_from_slice(&(part.len() as u32).to_le_bytes());
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

    /// Calls `each` for all records, in the order in which they were added.
    pub(super) fn replay(&mut self, mut each: impl FnMut(Record) -> Result<()>) -> Result<()> {
        let memory = std::mem::take(&mut self.buffer);
        match &mut self.file {
            None => read(&mut &memory[..], &mut each)?,
            Some(file) => {
                let error = |e| Error::file("read journal in", &self.directory, e);
                file.seek(SeekFrom::Start(0)).map_err(error)?;
                read(&mut BufReader::new(&*file).chain(&memory[..]), &mut each)?;
                file.seek(SeekFrom::End(0)).map_err(error)?;
            }
        }
        self.buffer = memory;
        Ok(())
    }
}

fn read(input: &mut dyn Read, each: &mut dyn FnMut(Record) -> Result<()>) -> Result<()> {
    let error = |e| Error::system("read journal", e);
    let mut kind = [0u8];
    while input.read(&mut kind).map_err(error)? == 1 {
        let mut parts: [Vec<u8>; 2] = Default::default();
        for part in &mut parts {
            let mut length = [0u8; 4];
            input.read_exact(&mut length).map_err(error)?;
            part.resize(u32::from_le_bytes(length) as usize, 0);
            input.read_exact(part).map_err(error)?;
        }
        let [path, rest] = parts;
        each(match kind[0] {
            0 => {
                let (seconds, nanoseconds) = rest.split_at(8);
                Record::Times {
                    path,
                    time: Time {
                        seconds: i64::from_le_bytes(seconds.try_into().unwrap_or_default()),
                        nanoseconds: u32::from_le_bytes(nanoseconds.try_into().unwrap_or_default()),
                    },
                }
            }
            1 => Record::Implicit { path },
            _ => Record::Link { path, target: rest },
        })?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn replays_in_order_across_the_spill() {
        let temporary = tempfile::tempdir().unwrap();
        let mut journal = Journal::new(temporary.path()).unwrap();
        let record = |n: usize| match n % 3 {
            0 => Record::Times {
                path: format!("p{n}").into_bytes(),
                time: Time {
                    seconds: -(n as i64),
                    nanoseconds: 7,
                },
            },
            1 => Record::Implicit {
                path: vec![b'x'; n % 500],
            },
            _ => Record::Link {
                path: b"a".to_vec(),
                target: format!("t{n}").into_bytes(),
            },
        };
        for n in 0..5000 {
            journal.push(&record(n)).unwrap();
        }
        assert!(journal.file.is_some(), "the test must reach the file");
        for _ in 0..2 {
            let mut n = 0;
            journal
                .replay(|r| {
                    assert_eq!(r, record(n));
                    n += 1;
                    Ok(())
                })
                .unwrap();
            assert_eq!(n, 5000);
        }
        assert_eq!(
            std::fs::read_dir(temporary.path()).unwrap().count(),
            0,
            "the file has no name"
        );
    }
}
