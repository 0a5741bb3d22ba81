//! Logs as containerd names them: `file:///PATH`, and `binary:///PROGRAM?KEY=VALUE` for a program that takes the output.

use std::ffi::OsString;
use std::fs::File;
use std::io::{PipeReader, Read, Write};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::fs::OpenOptionsExt;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use nix::fcntl::{FcntlArg, OFlag, fcntl};

use crate::status::Status;

/// Whose output it is.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Log<'a> {
    pub(crate) id: &'a str,
    pub(crate) namespace: &'a str,
}

/// The action by which this program becomes a program that takes a log.
pub(crate) const ACTION: &str = "log";

/// Whether the name is that of a program.
pub(crate) fn is_program(name: &str) -> bool {
    name.starts_with("binary://")
}

/// The file that a name says, opened to be appended to, so that nothing is waited for (what is there may be a FIFO); `None` where it
/// says something else.
pub(crate) fn file(name: &str) -> Option<Result<File, Status>> {
    let path = name.strip_prefix("file://")?;
    let path = PathBuf::from(decode(path.split('?').next().unwrap_or_default()));
    let open = || {
        if let Some(folder) = path.parent() {
            std::fs::create_dir_all(folder)?;
        }
        let flags = OFlag::O_NONBLOCK | OFlag::O_NOCTTY;
        let mut options = File::options();
        options.append(true).create(true).custom_flags(flags.bits());
        options.open(&path)
    };
    Some(open().map_err(|error| Status::failed(format!("open log {}: {error}", path.display()))))
}

impl Log<'_> {
    /// Starts the program that a name says, and waits until it is ready. It gets the output at descriptor 3, the standard error at 4,
    /// and closes 5 when it is ready. The answer are the ends to write to, the second one only if asked for.
    pub(crate) fn start(&self, name: &str, has_stderr: bool) -> Result<[OwnedFd; 2], Status> {
        let (path, arguments) = parse(name);
        let failed = |error: std::io::Error| {
            Status::failed(format!("start log program {}: {error}", path.display()))
        };
        let (stdout, stdout_write) = std::io::pipe().map_err(failed)?;
        let (stderr, stderr_write) = std::io::pipe().map_err(failed)?;
        let (ready, ready_write) = std::io::pipe().map_err(failed)?;
        // Only three descriptors can be handed over: this program puts them where they belong.
        Command::new(std::env::current_exe().map_err(failed)?)
            .arg(ACTION)
            .arg(&path)
            .args(arguments)
            .env("CONTAINER_ID", self.id)
            .env("CONTAINER_NAMESPACE", self.namespace)
            .stdin(stdout)
            .stdout(stderr_of(stderr))
            .stderr(ready_write)
            .process_group(0)
            .spawn()
            .map_err(failed)?;
        wait_for(ready).map_err(failed)?;
        let stderr_write = match has_stderr {
            true => OwnedFd::from(stderr_write),
            false => OwnedFd::from(stdout_write.try_clone().map_err(failed)?),
        };
        Ok([stdout_write.into(), stderr_write])
    }
}

fn stderr_of(end: PipeReader) -> Stdio {
    Stdio::from(OwnedFd::from(end))
}

/// A byte or the end: it is ready. Text is what went wrong before the program ran.
fn wait_for(mut ready: PipeReader) -> std::io::Result<()> {
    let mut said = [0; 1];
    match ready.read(&mut said)? {
        1 if said[0] == b'!' => {
            let mut text = String::new();
            ready.take(4096).read_to_string(&mut text)?;
            Err(std::io::Error::other(text))
        }
        _ => Ok(()),
    }
}

/// Becomes the program: standard input, output and error become descriptors 3, 4 and 5. Returns only if that fails.
pub(crate) fn become_program(mut words: impl Iterator<Item = OsString>) -> std::io::Error {
    let place = |fd: std::os::fd::BorrowedFd<'_>, wanted| match fcntl(fd, FcntlArg::F_DUPFD(wanted))
    {
        Ok(number) if number == wanted => Ok(()),
        Ok(number) => Err(std::io::Error::other(format!(
            "descriptor {number} instead of {wanted}"
        ))),
        Err(errno) => Err(errno.into()),
    };
    let placed = place(std::io::stdin().as_fd(), 3)
        .and_then(|()| place(std::io::stdout().as_fd(), 4))
        .and_then(|()| place(std::io::stderr().as_fd(), 5));
    let error = match (placed, words.next()) {
        (Err(error), _) => error,
        (_, None) => std::io::Error::other("no program"),
        (Ok(()), Some(program)) => Command::new(program)
            .args(words)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .exec(),
    };
    // Standard error is elsewhere by now; whoever waits for the program reads here.
    let told = File::options().write(true).open("/proc/self/fd/5");
    if let Ok(mut ready) = told {
        let _ = write!(ready, "!{error}");
    }
    error
}

/// The program and its arguments: each key of the query, followed by its value.
fn parse(name: &str) -> (PathBuf, Vec<String>) {
    let rest = name.strip_prefix("binary://").unwrap_or(name);
    let (path, query) = rest.split_once('?').unwrap_or((rest, ""));
    let mut pairs: Vec<(String, String)> = Vec::new();
    for pair in query.split('&').filter(|pair| !pair.is_empty()) {
        let (key, value) = pair.split_once('=').unwrap_or((pair, ""));
        let key = decode(&key.replace('+', " "));
        // Of a key that comes more than once the first value counts.
        if !pairs.iter().any(|(known, _)| *known == key) {
            pairs.push((key, decode(&value.replace('+', " "))));
        }
    }
    let arguments = pairs.into_iter().flat_map(|(key, value)| [key, value]);
    (Path::new(&decode(path)).to_owned(), arguments.collect())
}

/// With the bytes that stand as `%XX`.
fn decode(text: &str) -> String {
    let mut bytes = Vec::new();
    let mut rest = text.as_bytes();
    while let [first, behind @ ..] = rest {
        let hex = behind
            .get(..2)
            .and_then(|two| std::str::from_utf8(two).ok());
        match hex.and_then(|hex| u8::from_str_radix(hex, 16).ok()) {
            Some(byte) if *first == b'%' => {
                bytes.push(byte);
                rest = &behind[2..];
            }
            _ => {
                bytes.push(*first);
                rest = behind;
            }
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_program_and_its_arguments() {
        let (path, arguments) = parse("binary:///opt/log%20ger?--dir=/var/x&a=1+2&a=3&flag");
        assert_eq!(path, Path::new("/opt/log ger"));
        assert_eq!(arguments, ["--dir", "/var/x", "a", "1 2", "flag", ""]);
        assert_eq!(decode("100%"), "100%");
        assert_eq!(decode("%4"), "%4");
    }
}
