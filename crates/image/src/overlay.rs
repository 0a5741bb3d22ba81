//! Layers mounted over each other (Linux: Documentation/filesystems/overlayfs.rst).

use std::os::fd::AsFd;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};

use rustix::fs::CWD;
use rustix::io::Errno;
use rustix::mount::{
    FsMountFlags, FsOpenFlags, MountAttrFlags, MoveMountFlags, UnmountFlags, fsconfig_create,
    fsconfig_set_flag, fsconfig_set_string, fsmount, fsopen, move_mount,
};

use crate::error::{Doing, Error, Result};
use crate::tar::Time;
use crate::unpack::{copy_attributes, open_directory, overlay_namespace, timestamps};

/// Layers to be mounted over each other.
#[derive(Clone, Copy, Debug)]
pub struct Overlay<'a> {
    /// The lowest first.
    pub layers: &'a [PathBuf],
    /// Where changes go.
    pub upper: &'a Path,
    /// Beside it, on the same file system.
    pub work: &'a Path,
    /// Nobody needs the changes after a crash of the machine: nothing waits for the disk, when it is unmounted above all.
    pub volatile: bool,
}

/// Mounts an overlay at `target`; directories that are not there are made.
pub fn mount(overlay: &Overlay<'_>, target: &Path) -> Result<()> {
    let Overlay {
        layers,
        upper,
        work,
        ..
    } = *overlay;
    for folder in [upper, work, target] {
        std::fs::create_dir_all(folder).at("make directory", folder)?;
    }
    // An image without layers has no files, and the kernel wants at least one directory below.
    let nothing = [work.with_extension("empty")];
    let layers = match layers {
        [] => {
            std::fs::create_dir_all(&nothing[0]).at("make directory", &nothing[0])?;
            &nothing[..]
        }
        layers => layers,
    };
    // The root of what is mounted has the attributes of the writable directory.
    if let Some(top) = layers.last() {
        let (from, to) = (open_directory(top)?, open_directory(upper)?);
        let privileged = rustix::process::geteuid().is_root();
        copy_attributes(from.as_fd(), to.as_fd(), privileged)?;
        let stat = rustix::fs::fstat(&from).at("read attributes of", top)?;
        let times = timestamps(Time::modified(&stat));
        rustix::fs::futimens(&to, &times).at("set time of", upper)?;
    }
    let overlay = Overlay { layers, ..*overlay };
    match mount_one_by_one(&overlay, target) {
        Err(e) if e.errno() == Some(Errno::INVAL.raw_os_error()) => mount_at_once(&overlay, target),
        other => other,
    }
}

impl Overlay<'_> {
    /// Options without a value.
    fn flags(&self) -> impl Iterator<Item = &'static str> {
        let user = (overlay_namespace() == "user").then_some("userxattr");
        let volatile = self.volatile.then_some("volatile");
        user.into_iter().chain(volatile)
    }
}

/// Since Linux 6.5 each layer is added by a call of its own, so that their number and the length of paths do not matter.
fn mount_one_by_one(overlay: &Overlay<'_>, target: &Path) -> Result<()> {
    let error =
        |what: &str, e: Errno| Error::system(format!("overlay at {}: {what}", target.display()), e);
    let context = fsopen("overlay", FsOpenFlags::FSOPEN_CLOEXEC).map_err(|e| error("fsopen", e))?;
    let below = overlay.layers.iter().rev();
    let below = below.map(|layer| ("lowerdir+", layer.as_path()));
    let own = [("upperdir", overlay.upper), ("workdir", overlay.work)];
    let settings = [("source", Path::new("overlay"))].into_iter();
    for (key, path) in settings.chain(below).chain(own) {
        fsconfig_set_string(context.as_fd(), key, path)
            .map_err(|e| error(&format!("{key} {}", path.display()), e))?;
    }
    for flag in overlay.flags() {
        fsconfig_set_flag(context.as_fd(), flag).map_err(|e| error(flag, e))?;
    }
    fsconfig_create(context.as_fd()).map_err(|e| error("create", e))?;
    let flags = (FsMountFlags::FSMOUNT_CLOEXEC, MountAttrFlags::empty());
    let made = fsmount(context.as_fd(), flags.0, flags.1).map_err(|e| error("fsmount", e))?;
    let flags = MoveMountFlags::MOVE_MOUNT_F_EMPTY_PATH;
    move_mount(made.as_fd(), "", CWD, target, flags).map_err(|e| error("move_mount", e))
}

/// Before that, all names have to fit into one page: short links stand in for the layers.
fn mount_at_once(overlay: &Overlay<'_>, target: &Path) -> Result<()> {
    let links = overlay.work.with_extension("l");
    std::fs::create_dir_all(&links).at("make directory", &links)?;
    let mut names = Vec::new();
    for (n, layer) in overlay.layers.iter().enumerate().rev() {
        let link = links.join(format!("{n:x}"));
        symlink(layer, &link).at("make link", &link)?;
        names.push(link.display().to_string());
    }
    let (names, upper, work) = (
        names.join(":"),
        overlay.upper.display(),
        overlay.work.display(),
    );
    let mut options = format!("lowerdir={names},upperdir={upper},workdir={work}");
    overlay
        .flags()
        .for_each(|flag| options += &format!(",{flag}"));
    let options = std::ffi::CString::new(options).map_err(|_| Errno::INVAL);
    let mounted = options.and_then(|options| {
        let (flags, kind) = (rustix::mount::MountFlags::empty(), "overlay");
        rustix::mount::mount(kind, target, kind, flags, options.as_c_str())
    });
    let _ = std::fs::remove_dir_all(&links);
    mounted.map_err(|e| {
        Error::system(format!("mount overlay at {}", target.display()), e)
            .hint("With many layers, Linux 6.5 or a store with a short path is needed")
    })
}

/// Takes a mount away; not an error when there is none.
pub fn unmount(target: &Path) -> Result<()> {
    match rustix::mount::unmount(target, UnmountFlags::DETACH | UnmountFlags::NOFOLLOW) {
        Ok(()) | Err(Errno::INVAL | Errno::NOENT) => Ok(()),
        Err(e) => Err(Error::file("unmount", target, e.into())),
    }
}
