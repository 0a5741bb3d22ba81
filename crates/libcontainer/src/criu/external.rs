//! What of a container belongs to the outside: namespaces that it has joined, and pipes that are its standard streams.

use std::os::unix::fs::MetadataExt;
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

/// What the standard streams of a process are, in the words of `/proc/PID/fd`.
pub(crate) fn streams(pid: i32) -> Result<Vec<String>, Error> {
    let look = |number: u32| {
        let path = format!("/proc/{pid}/fd/{number}");
        match std::fs::read_link(&path) {
            Ok(target) => Ok(target.to_string_lossy().into_owned()),
            // The program has closed it.
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(String::new()),
            Err(error) => Err(Error::file("look at", path.as_ref(), error)),
        }
    };
    (0..3).map(look).collect()
}

/// Which of our standard streams take the places of pipes that are gone.
pub(crate) fn pipes(streams: &[String]) -> Vec<(String, i32)> {
    let numbered = (0..3).zip(streams);
    let pipes = numbered.filter(|(_, stream)| stream.starts_with("pipe:"));
    pipes
        .map(|(number, stream)| (stream.clone(), number))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_pipes_are_inherited() {
        let streams = ["/dev/null", "pipe:[17]", "pipe:[18]"].map(str::to_owned);
        let expected = [("pipe:[17]".to_owned(), 1), ("pipe:[18]".to_owned(), 2)];
        assert_eq!(pipes(&streams), expected);
    }
}
