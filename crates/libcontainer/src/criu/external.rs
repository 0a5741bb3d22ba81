//! What of a container belongs to the outside: namespaces that it has joined, and its standard streams.

use std::collections::BTreeSet;
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::path::Path;

use spec::Spec;

use crate::Error;

/// A namespace that the container has joined by a file.
#[derive(Debug)]
pub(crate) struct Namespace {
    /// CRIU's word for the type.
    pub(crate) kind: &'static str,
    /// Where it is in the config.
    pub(crate) index: usize,
    pub(crate) file: String,
}

impl Namespace {
    /// CRIU leaves these alone, both when it dumps and when it restores; others it enters when it restores.
    pub(crate) fn key(&self) -> Option<&'static str> {
        match self.kind {
            "net" => Some("extRootNetNS"),
            "pid" => Some("extRootPidNS"),
            _ => None,
        }
    }

    /// For a dump: which namespace it is, and under which name it is left out.
    pub(crate) fn option(&self) -> Result<Option<String>, Error> {
        let Some(key) = self.key() else {
            return Ok(None);
        };
        let path = Path::new(&self.file);
        let inode = std::fs::metadata(path)
            .map_err(|error| Error::file("look at", path, error))?
            .ino();
        Ok(Some(format!("{}[{inode}]:{key}", self.kind)))
    }
}

/// The namespaces that a config joins.
pub(crate) fn namespaces(spec: &Spec<'_>) -> Vec<Namespace> {
    let listed = spec.linux.iter().flat_map(|linux| &linux.namespaces);
    let joined = listed.enumerate().filter_map(|(index, namespace)| {
        let file = namespace.path.as_deref().filter(|path| !path.is_empty())?;
        let kind = match namespace.kind.as_str() {
            "network" => "net",
            "pid" => "pid",
            "ipc" => "ipc",
            "uts" => "uts",
            "mount" => "mnt",
            "user" => "user",
            "cgroup" => "cgroup",
            "time" => "time",
            _ => return None,
        };
        Some(Namespace {
            kind,
            index,
            file: file.to_owned(),
        })
    });
    joined.collect()
}

/// The numbers of the mounts that a process sees.
pub(crate) fn mounts(pid: i32) -> Result<BTreeSet<u32>, Error> {
    let path = format!("/proc/{pid}/mountinfo");
    let text = std::fs::read(&path).map_err(|error| Error::file("read", path.as_ref(), error))?;
    let text = String::from_utf8_lossy(&text);
    let numbers = text.lines().filter_map(|line| line.split(' ').next());
    Ok(numbers.filter_map(|number| number.parse().ok()).collect())
}

/// What is open and lies on a mount that the container does not have.
#[derive(Debug)]
pub(crate) struct Foreign {
    pub(crate) mount: u32,
    /// CRIU's word for it, in hexadecimal: `file[MOUNT:INODE]`.
    pub(crate) key: String,
    /// Something else can take its place: it is a FIFO or a file. (Terminals have words of their own.)
    is_replaceable: bool,
}

/// What CRIU's words for files begin with.
const FILE: &str = "file[";

/// Whether a descriptor, which `/proc/PID/fd` says this of, is that of a file on none of these mounts. One that is gone is not.
pub(crate) fn foreign(
    pid: i32,
    number: u32,
    target: &str,
    mounts: &BTreeSet<u32>,
) -> Result<Option<Foreign>, Error> {
    // Others have no names: pipes, sockets and the like.
    if !target.starts_with('/') {
        return Ok(None);
    }
    let (path, info) = (
        format!("/proc/{pid}/fd/{number}"),
        format!("/proc/{pid}/fdinfo/{number}"),
    );
    let (Some(found), Some(info)) = (
        unless_gone(std::fs::metadata(&path), "look at", &path)?,
        unless_gone(std::fs::read_to_string(&info), "read", &info)?,
    ) else {
        return Ok(None);
    };
    let mut lines = info.lines();
    let mount = lines.find_map(|line| line.strip_prefix("mnt_id:")?.trim().parse().ok());
    let outside = mount.filter(|mount| !mounts.contains(mount));
    Ok(outside.map(|mount| Foreign {
        mount,
        key: format!("{FILE}{mount:x}:{:x}]", found.ino()),
        is_replaceable: found.is_file() || found.file_type().is_fifo(),
    }))
}

fn unless_gone<T>(
    answer: std::io::Result<T>,
    doing: &'static str,
    path: &str,
) -> Result<Option<T>, Error> {
    match answer {
        Ok(found) => Ok(Some(found)),
        Err(error) if is_gone(&error) => Ok(None),
        Err(error) => Err(Error::file(doing, path.as_ref(), error)),
    }
}

/// Whether a process has ended, or has closed what was looked for.
pub(crate) fn is_gone(error: &std::io::Error) -> bool {
    let number = error.raw_os_error().map(kernel::Errno);
    matches!(number, Some(kernel::Errno::ENOENT | kernel::Errno::ESRCH))
}

/// What the standard streams of a process are: files and FIFOs from outside in CRIU's words for them, others as `/proc/PID/fd` has
/// them, which for pipes are CRIU's words, too.
pub(crate) fn streams(pid: i32) -> Result<Vec<String>, Error> {
    let mounts = mounts(pid)?;
    let look = |number: u32| {
        let path = format!("/proc/{pid}/fd/{number}");
        // Without one, the program has closed it.
        let target = unless_gone(std::fs::read_link(&path), "look at", &path)?;
        let target = target.map(|target| target.to_string_lossy().into_owned());
        let target = target.unwrap_or_default();
        let foreign = foreign(pid, number, &target, &mounts)?;
        let replaced = foreign.filter(|foreign| foreign.is_replaceable);
        Ok(replaced.map_or(target, |foreign| foreign.key))
    };
    (0..3).map(look).collect()
}

/// Those among the streams that a dump leaves out: CRIU finds no file that is outside of the container's mounts.
pub(crate) fn left_out(streams: &[String]) -> impl Iterator<Item = &String> {
    streams.iter().filter(|stream| stream.starts_with(FILE))
}

/// By which names CRIU looks for what takes the place of a stream from outside. (Each wants a descriptor of its own.)
///
/// A file goes by two. What CRIU finds by the name of the dump it opens anew, and wants it to have the mode and the size of before:
/// that is right for the FIFO that it was, not for another file, or something else. What it finds by a path it takes as it is, and
/// first; a path is a name without its first letter, which in those of other files is a slash.
pub(crate) fn names_of(stream: &str) -> Vec<&str> {
    match stream {
        pipe if pipe.starts_with("pipe:") => vec![pipe],
        file if file.starts_with(FILE) => vec![&file[1..], file],
        _ => Vec::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_is_outside_is_inherited() {
        let streams = ["/dev/null", "pipe:[17]", "file[1b:2f]"].map(str::to_owned);
        let names: Vec<_> = streams.iter().map(|stream| names_of(stream)).collect();
        assert_eq!(
            names,
            [vec![], vec!["pipe:[17]"], vec!["ile[1b:2f]", "file[1b:2f]"]]
        );
        assert_eq!(left_out(&streams).collect::<Vec<_>>(), ["file[1b:2f]"]);
    }

    #[test]
    fn files_are_foreign_to_who_does_not_have_their_mount() {
        let me = std::process::id() as i32;
        let file = std::fs::File::open("/proc/self/exe").unwrap();
        let number = std::os::fd::AsRawFd::as_raw_fd(&file) as u32;
        let inode = file.metadata().unwrap().ino();
        let mounts = mounts(me).unwrap();
        assert!(foreign(me, number, "/x", &mounts).unwrap().is_none());
        assert!(foreign(me, number, "pipe:[1]", &mounts).unwrap().is_none());
        let found = foreign(me, number, "/x", &BTreeSet::new()).unwrap();
        let found = found.unwrap();
        assert!(mounts.contains(&found.mount) && found.is_replaceable);
        assert_eq!(found.key, format!("file[{:x}:{inode:x}]", found.mount));
        assert!(foreign(me, 9999, "/x", &mounts).unwrap().is_none());
    }
}
