//! Shapes: what may lie where a runtime makes something or mounts on.

use std::fs;
use std::io;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};

use nix::mount::MsFlags;
use nix::sys::stat::{Mode, SFlag, makedev, mknod};

use crate::canary::Canary;

/// Where a shape is made.
pub(crate) struct Place<'a> {
    /// The root file system.
    pub(crate) root: &'a Path,
    /// The path in it.
    pub(crate) inner: &'a str,
    pub(crate) canary: &'a Canary,
}

impl Place<'_> {
    fn path(&self) -> PathBuf {
        self.root.join(self.inner.trim_start_matches('/'))
    }

    fn link(&self, to: impl AsRef<Path>) -> io::Result<()> {
        symlink(to, self.path())
    }

    fn canary(&self, name: &str) -> String {
        self.canary.at(name).display().to_string()
    }

    /// Many levels up, and down to the canary.
    fn overshoot(&self, name: &str) -> String {
        "../".repeat(40) + self.canary(name).trim_start_matches('/')
    }

    fn chain(&self, length: usize, end: &str) -> io::Result<()> {
        let path = self.path();
        let folder = path.parent().unwrap_or(self.root);
        for number in 1..length {
            symlink(
                format!(".chain{}", number + 1),
                folder.join(format!(".chain{number}")),
            )?;
        }
        symlink(end, folder.join(format!(".chain{length}")))?;
        self.link(".chain1")
    }

    fn node(&self, kind: SFlag, major: u64, minor: u64) -> io::Result<()> {
        Ok(mknod(
            &self.path(),
            kind,
            Mode::from_bits_truncate(0o666),
            makedev(major, minor),
        )?)
    }

    /// The directory above becomes a link.
    fn middle(&self, to: impl AsRef<Path>) -> io::Result<()> {
        let path = self.path();
        let folder = path.parent().filter(|folder| *folder != self.root);
        let folder = folder.ok_or(io::ErrorKind::NotFound)?;
        remove(folder)?;
        symlink(to, folder)
    }

    /// Makes it, with the directories above.
    pub(crate) fn make(&self, shape: &Shape) -> io::Result<()> {
        let path = self.path();
        fs::create_dir_all(path.parent().unwrap_or(self.root))?;
        remove(&path)?;
        (shape.make)(self)
    }
}

fn remove(path: &Path) -> io::Result<()> {
    match fs::symlink_metadata(path) {
        Ok(data) if data.is_dir() => fs::remove_dir_all(path),
        Ok(_) => fs::remove_file(path),
        Err(_) => Ok(()),
    }
}

/// One shape.
pub(crate) struct Shape {
    pub(crate) name: &'static str,
    make: fn(&Place<'_>) -> io::Result<()>,
}

const fn shape(name: &'static str, make: fn(&Place<'_>) -> io::Result<()>) -> Shape {
    Shape { name, make }
}

/// All shapes.
#[rustfmt::skip]
pub(crate) const SHAPES: &[Shape] = &[
    shape("link to a file outside", |p| p.link(p.canary("file"))),
    shape("link to a directory outside", |p| p.link(p.canary("folder"))),
    shape("link to a new name outside", |p| p.link(p.canary("new"))),
    shape("link to a new name in a new directory outside", |p| p.link(p.canary("new/deep/er"))),
    shape("link far up and out to a file", |p| p.link(p.overshoot("file"))),
    shape("link far up and out to a directory", |p| p.link(p.overshoot("folder"))),
    shape("link far up and out to a new name", |p| p.link(p.overshoot("new"))),
    shape("link with a slash at its end", |p| p.link(p.canary("folder/"))),
    shape("link with dots at its end", |p| p.link(p.canary("folder/below/../."))),
    shape("link to the root", |p| p.link("/")),
    shape("link to itself", |p| p.link(p.path().file_name().unwrap_or_default())),
    shape("link to the parent", |p| p.link("..")),
    shape("link through the root of process 1", |p| p.link("/proc/1/root".to_owned() + &p.canary("file"))),
    shape("link through the caller's root", |p| p.link("/proc/self/root".to_owned() + &p.canary("folder"))),
    shape("link through a descriptor", |p| p.link("/proc/self/fd/5/../../canary/file")),
    shape("link through a directory of the runtime", |p| p.link("/proc/self/cwd/../canary/folder")),
    shape("link to the own program", |p| p.link("/proc/self/exe")),
    shape("link to a kernel parameter", |p| p.link("/proc/sys/kernel/hostname")),
    shape("chain of three links", |p| p.chain(3, &p.canary("folder"))),
    shape("chain of 41 links", |p| p.chain(41, &p.canary("folder"))),
    shape("directory above as a link to outside", |p| p.middle(p.canary("folder"))),
    shape("directory above as a link far up and out", |p| p.middle(p.overshoot("folder"))),
    shape("directory above as a link to a new name", |p| p.middle(p.canary("new"))),
    shape("directory above as a link far up and out to a new name", |p| p.middle(p.overshoot("new"))),
    shape("FIFO", |p| Ok(nix::unistd::mkfifo(&p.path(), Mode::from_bits_truncate(0o666))?)),
    shape("socket", |p| UnixListener::bind(p.path()).map(drop)),
    shape("null device", |p| p.node(SFlag::S_IFCHR, 1, 3)),
    shape("device that nobody has", |p| p.node(SFlag::S_IFCHR, 250, 250)),
    shape("block device", |p| p.node(SFlag::S_IFBLK, 250, 250)),
    shape("whiteout", |p| p.node(SFlag::S_IFCHR, 0, 0)),
    shape("file", |p| fs::write(p.path(), "image")),
    shape("directory", |p| fs::create_dir(p.path())),
    shape("directory without permissions", |p| {
        fs::create_dir(p.path())?;
        fs::set_permissions(p.path(), fs::Permissions::from_mode(0o0))
    }),
    shape("nothing", |_| Ok(())),
    shape("another name of a file outside", |p| fs::hard_link(p.canary.at("file"), p.path())),
    shape("mount of another file system", |p| {
        fs::create_dir(p.path())?;
        Ok(nix::mount::mount(Some("image"), &p.path(), Some("tmpfs"), MsFlags::empty(), Some("size=1m"))?)
    }),
];
