//! The runtime's log: its warnings are passed on, and its last error tells that it failed and not the container.

use std::fs::File;
use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::thread::JoinHandle;

use rustix::fs::{CWD, FileType, Mode};
use serde_json::Value;
use tare_image::error::Doing;
use tare_image::{Error, Result};

/// The exit status of a runtime that could not start a container.
pub(super) const FAILED: i32 = 1;

/// No container, as scripts know it from engines.
pub(super) const NO_CONTAINER: u8 = 125;
const NO_PERMISSION: u8 = 126;
const NO_PROGRAM: u8 = 127;

/// No runtime writes this.
const END: &[u8] = b"end";

/// A pipe with a name, which the runtime takes for a file (`--log`, with `--log-format json`).
pub(super) struct RuntimeLog {
    pub(super) path: PathBuf,
    /// For the last line. While it is open, the reader does not see an end.
    pipe: File,
    reader: JoinHandle<Option<u8>>,
}

impl RuntimeLog {
    /// Makes it in a container's folder.
    pub(super) fn new(folder: &Path) -> Result<RuntimeLog> {
        let path = folder.join("runtime.log");
        rustix::fs::mknodat(CWD, &path, FileType::Fifo, Mode::RUSR | Mode::WUSR, 0)
            .at("make", &path)?;
        let fail = |e| Error::file("open", &path, e);
        // Linux opens a pipe for both without waiting (fifo(7)).
        let pipe = File::options()
            .read(true)
            .write(true)
            .open(&path)
            .map_err(fail)?;
        let lines = BufReader::new(pipe.try_clone().map_err(fail)?).split(b'\n');
        let lines = lines.map_while(std::io::Result::ok);
        let reader = std::thread::spawn(|| verdict(lines.take_while(|line| line != END)));
        Ok(RuntimeLog { path, pipe, reader })
    }

    /// When the runtime has ended: what to end with, if there is an error in the log.
    pub(super) fn verdict(mut self) -> Option<u8> {
        // A folder that is kept is for reading, and a pipe would keep whoever reads it waiting.
        if let Err(e) = std::fs::remove_file(&self.path) {
            log::debug!("remove {}: {e}", self.path.display());
        }
        self.pipe.write_all(&[END, b"\n"].concat()).ok()?;
        self.reader.join().ok()?
    }
}

/// Looks for the words of tare, runc and crun.
fn verdict(lines: impl Iterator<Item = Vec<u8>>) -> Option<u8> {
    let mut verdict = None;
    for line in lines {
        let Ok(entry) = serde_json::from_slice::<Value>(&line) else {
            continue;
        };
        let message = entry["msg"].as_str().unwrap_or_default();
        match entry["level"].as_str() {
            Some("error" | "fatal") => verdict = Some(status(message)),
            Some("warning" | "warn") => log::warn!("{message}"),
            _ => {}
        }
    }
    verdict
}

fn status(error: &str) -> u8 {
    let says = |words: &str| error.contains(words);
    let about_program = says("exec: ") || says("executable file") || says("open executable");
    match about_program {
        true if says("not found") || says("o such file or directory") => NO_PROGRAM,
        true if says("ermission denied") => NO_PERMISSION,
        _ => NO_CONTAINER,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_error_decides() {
        let of = |messages: &[(&str, &str)]| {
            verdict(messages.iter().map(|(level, msg)| {
                serde_json::json!({"level": level, "msg": msg})
                    .to_string()
                    .into_bytes()
            }))
        };
        assert_eq!(of(&[]), None);
        assert_eq!(of(&[("warning", "exec: a: permission denied")]), None);
        let exec = "run failed: unable to start container process: exec: ";
        for (msg, status) in [
            (
                format!("tare {exec}\"x\": stat x: no such file or directory (process.args)"),
                127,
            ),
            (
                format!("runc {exec}\"x\": executable file not found in $PATH"),
                127,
            ),
            (
                "executable file `x` not found in $PATH: No such file or directory".into(),
                127,
            ),
            (format!("runc {exec}\"x\": permission denied"), 126),
            ("open executable: Permission denied".into(), 126),
            (format!("tare {exec}\"x\": exec format error"), 125),
            ("mount /a: no such file or directory".into(), 125),
        ] {
            assert_eq!(
                of(&[("warning", "a"), ("error", &msg)]),
                Some(status),
                "{msg}"
            );
        }
        assert_eq!(verdict([b"no JSON \xff".to_vec()].into_iter()), None);
    }
}
