//! A bundle: a directory with `config.json` (bundle.md). Found and read, nothing judged.

use std::fs::File;
use std::io::Read;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Component, Path, PathBuf};
use std::sync::Arc;

use kernel::Errno;
use kernel::file::open;
use spec::Spec;

use crate::config::Config;
use crate::{Error, argument};

/// Longer files are refused unread: no config of this size is meant.
const LONGEST: u64 = 64 << 20;

/// A bundle in memory. `config.json` is read once; later changes to the file do not matter (runtime.md, "Lifecycle").
#[derive(Clone, Debug)]
pub struct Bundle {
    directory: PathBuf,
    text: String,
    root: Option<Arc<OwnedFd>>,
}

impl Bundle {
    /// Reads `config.json` in `directory`.
    ///
    /// # Errors
    /// No such directory or file, a file that is no regular one, larger than 64 MiB, or not UTF-8.
    pub fn load(directory: impl AsRef<Path>) -> Result<Bundle, Error> {
        let _part = crate::timings::part("read config.json");
        let given = directory.as_ref();
        argument::path("bundle", given)?;
        let directory =
            without_links(given).map_err(|error| Error::file("open bundle", given, error))?;
        let path = directory.join("config.json");
        let text = read(&path).map_err(|error| match error.kind() {
            std::io::ErrorKind::NotFound => {
                Error::invalid("JSON specification file config.json not found", &path)
            }
            std::io::ErrorKind::InvalidData => Error::invalid(&error.to_string(), &path),
            _ => Error::file("read", &path, error),
        })?;
        Ok(Bundle::from_text(directory, text))
    }

    /// A bundle whose config is already in memory; `directory` is what relative paths start from.
    pub fn from_text(directory: impl Into<PathBuf>, text: String) -> Bundle {
        Bundle {
            directory: directory.into(),
            text,
            root: None,
        }
    }

    /// A bundle from a config made in code. Without a directory of its own, the root file system stands in its place: it is
    /// what `state` and hooks are told, and what relative paths start from.
    ///
    /// # Errors
    /// A root file system whose path is empty or not UTF-8.
    pub fn of(config: &Config) -> Result<Bundle, Error> {
        Ok(Bundle::from_text(config.rootfs()?, config.to_json()?))
    }

    /// A bundle from the types of the `oci-spec` crate.
    ///
    /// # Errors
    /// A value that cannot be written as JSON.
    #[cfg(feature = "oci-spec")]
    pub fn from_spec(
        directory: impl Into<PathBuf>,
        spec: &oci_spec::runtime::Spec,
    ) -> Result<Bundle, Error> {
        let directory = directory.into();
        let text = serde_json::to_string(spec)
            .map_err(|error| Error::invalid(&error.to_string(), &directory))?;
        Ok(Bundle::from_text(directory, text))
    }

    /// The same with a root directory that the caller has opened, in the place of `root.path`: whatever becomes of the path by which it was
    /// opened, the container gets this one or none. It must still have a path in the caller's mount namespace.
    #[must_use]
    pub fn with_root(mut self, root: impl Into<OwnedFd>) -> Bundle {
        self.root = Some(Arc::new(root.into()));
        self
    }

    /// The root directory that the caller has opened.
    pub(crate) fn root(&self) -> Option<BorrowedFd<'_>> {
        self.root.as_ref().map(|root| root.as_fd())
    }

    /// The config, parsed: it borrows from the bundle.
    ///
    /// # Errors
    /// Text that is no config: broken JSON, or a property of a wrong type, given twice or out of range.
    pub fn spec(&self) -> Result<Spec<'_>, Error> {
        let _part = crate::timings::part("parse config.json");
        Spec::parse(&self.text).map_err(|error| Error::Config {
            path: self.directory.join("config.json"),
            error,
        })
    }

    /// The config as it was read.
    pub fn text(&self) -> &str {
        &self.text
    }

    pub(crate) fn into_text(self) -> String {
        self.text
    }

    /// The bundle's directory, absolute.
    pub fn directory(&self) -> &Path {
        &self.directory
    }
}

/// The path that leads to the same without links, as realpath(3). That asks C's allocator for room, whose first use takes as long as
/// reading the config, and which a program with an allocator of its own does not use otherwise.
pub(crate) fn without_links(path: &Path) -> std::io::Result<PathBuf> {
    // As many as the kernel follows (path_resolution(7)).
    const MOST_LINKS: u32 = 40;
    // That each part may be looked up, leads somewhere, and is a directory where more follows, is for the kernel to say.
    std::fs::metadata(path)?;
    let mut links = 0;
    let mut resolved = PathBuf::new();
    let mut rest = std::path::absolute(path)?;
    loop {
        let mut parts = rest.components();
        let Some(part) = parts.next() else {
            return Ok(resolved);
        };
        let mut behind = parts.as_path().to_owned();
        match part {
            Component::ParentDir => {
                resolved.pop();
            }
            part => resolved.push(part),
        }
        if let Component::Normal(_) = part {
            match std::fs::read_link(&resolved) {
                Ok(_) if links == MOST_LINKS => {
                    return Err(std::io::Error::from_raw_os_error(Errno::ELOOP.0));
                }
                Ok(target) => {
                    links += 1;
                    resolved.pop();
                    behind = target.join(behind);
                }
                // No link.
                Err(error) if error.raw_os_error() == Some(Errno::EINVAL.0) => {}
                Err(error) => return Err(error),
            }
        }
        rest = behind;
    }
}

/// Reads a regular file of bounded size without ever waiting: a FIFO in its place is not opened for good.
fn read(path: &Path) -> std::io::Result<String> {
    let invalid = |why: &str| {
        Err(std::io::Error::new(
            std::io::ErrorKind::InvalidData,
            why.to_owned(),
        ))
    };
    let mut file = File::options()
        .read(true)
        .custom_flags((open::NONBLOCK | open::NOCTTY) as i32)
        .open(path)?;
    let metadata = file.metadata()?;
    if !metadata.is_file() {
        return invalid("config.json is not a regular file");
    }
    if metadata.len() > LONGEST {
        return invalid("config.json is larger than 64 MiB");
    }
    let mut text = String::with_capacity(metadata.len() as usize + 1);
    match file.by_ref().take(LONGEST + 1).read_to_string(&mut text) {
        Err(error) if error.kind() == std::io::ErrorKind::InvalidData => {
            invalid("config.json is not UTF-8")
        }
        Err(error) => Err(error),
        Ok(_) if text.len() as u64 > LONGEST => invalid("config.json is larger than 64 MiB"),
        Ok(_) => Ok(text),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::symlink;

    #[test]
    fn paths_lose_their_links_as_realpath_takes_them() {
        let folder = std::env::temp_dir().join(format!("tare-links-{}", std::process::id()));
        std::fs::create_dir_all(folder.join("a/b")).unwrap();
        std::fs::write(folder.join("file"), "").unwrap();
        let links = [
            ("absolute", folder.join("a/b").to_str().unwrap().to_owned()),
            ("relative", "a/b".to_owned()),
            ("up", "a/b/../../relative".to_owned()),
            ("two", "up/".to_owned()),
            ("a/b/above", "../..".to_owned()),
            ("ring", "gnir".to_owned()),
            ("gnir", "ring".to_owned()),
            ("nowhere", "missing/b".to_owned()),
            ("root", "/".to_owned()),
            ("beyond", "/../../..".to_owned()),
            ("tofile", "file/".to_owned()),
            ("fromfile", "file/..".to_owned()),
        ];
        for (name, target) in &links {
            symlink(target, folder.join(name)).unwrap();
        }
        for path in [
            ".",
            "/",
            "/..",
            "a/b",
            "a//b/",
            "a/./b/.",
            "a/b/..",
            "absolute",
            "relative/..",
            "up",
            "two/above",
            "two/above/up/..",
            "ring",
            "ring/x",
            "nowhere",
            "missing",
            "missing/..",
            "file",
            "file/x",
            "file/",
            "file/.",
            "file/..",
            "tofile",
            "tofile/..",
            "fromfile",
            "root",
            "beyond",
            "/proc/self/root",
        ] {
            let given = folder.join(path);
            let kind = |error: std::io::Error| error.raw_os_error();
            let expected = given.canonicalize().map_err(kind);
            assert_eq!(without_links(&given).map_err(kind), expected, "{path}");
        }
        // glibc's takes what the kernel would not.
        let long = without_links(&folder.join("a/../".repeat(900))).unwrap_err();
        assert_eq!(long.raw_os_error(), Some(Errno::ENAMETOOLONG.0));
        std::fs::remove_dir_all(&folder).unwrap();
    }
}
