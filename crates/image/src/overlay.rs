//! Layers mounted over each other (Linux: Documentation/filesystems/overlayfs.rst).

use std::os::fd::AsFd;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};

use rustix::fs::CWD;
use rustix::io::Errno;
use rustix::mount::{FsMountFlags, FsOpenFlags, MountAttrFlags, MoveMountFlags, UnmountFlags};

use crate::error::{Doing, Error, Result};
use crate::tar::Time;
use crate::unpack::{copy_attributes, open_directory, overlay_namespace, timestamps};

/// Mounts `layers` (the lowest first) at `target`, writable through `upper` with `work` beside it on the same file system.
pub fn mount(layers: &[PathBuf], upper: &Path, work: &Path, target: &Path) -> Result<()> {
    for folder in [upper, work, target] {
        std::fs::create_dir_all(folder).at("make directory", folder)?;
    }
    // An image without layers has no files, and the kernel wants at least one directory below.
    let nothing = [work.with_extension("empty")];
    let layers = match layers {
        [] => {
            std::fs::create_dir_all(&nothing[0])
                .map_err(|e| Error::file("make directory", &nothing[0], e))?;
            &nothing[..]
        }
        layers => layers,
    };
    // The root of what is mounted has the attributes of the writable directory.
    if let Some(top) = layers.last() {
        let (from, to) = (open_directory(top)?, open_directory(upper)?);
        copy_attributes(
            from.as_fd(),
            to.as_fd(),
            rustix::process::geteuid().is_root(),
        )?;
        let stat = rustix::fs::fstat(&from).at("read attributes of", top)?;
        let times = timestamps(Time::modified(&stat));
        rustix::fs::futimens(&to, &times).at("set time of", upper)?;
    }
    match mount_one_by_one(layers, upper, work, target) {
        Err(e) if e.errno() == Some(Errno::INVAL.raw_os_error()) => {
            mount_at_once(layers, upper, work, target)
        }
        other => other,
    }
}

/// Since Linux 6.5 each layer is added by a call of its own, so that their number and the length of paths do not matter.
fn mount_one_by_one(layers: &[PathBuf], upper: &Path, work: &Path, target: &Path) -> Result<()> {
    let error =
        |what: &str, e: Errno| Error::system(format!("overlay at {}: {what}", target.display()), e);
    let context = rustix::mount::fsopen("overlay", FsOpenFlags::FSOPEN_CLOEXEC)
        .map_err(|e| error("fsopen", e))?;
    let set = |key: &str, path: &Path| {
        rustix::mount::fsconfig_set_string(context.as_fd(), key, path)
            .map_err(|e| error(&format!("{key} {}", path.display()), e))
    };
    set("source", Path::new("overlay"))?;
    for layer in layers.iter().rev() {
        set("lowerdir+", layer)?;
    }
    set("upperdir", upper)?;
    set("workdir", work)?;
    if overlay_namespace() == "user" {
        rustix::mount::fsconfig_set_flag(context.as_fd(), "userxattr")
            .map_err(|e| error("userxattr", e))?;
    }
    rustix::mount::fsconfig_create(context.as_fd()).map_err(|e| error("create", e))?;
    let made = rustix::mount::fsmount(
        context.as_fd(),
        FsMountFlags::FSMOUNT_CLOEXEC,
        MountAttrFlags::empty(),
    )
    .map_err(|e| error("fsmount", e))?;
    rustix::mount::move_mount(
        made.as_fd(),
        "",
        CWD,
        target,
        MoveMountFlags::MOVE_MOUNT_F_EMPTY_PATH,
    )
    .map_err(|e| error("move_mount", e))
}

/// Before that, all names have to fit into one page: short links stand in for the layers.
fn mount_at_once(layers: &[PathBuf], upper: &Path, work: &Path, target: &Path) -> Result<()> {
    let links = tempdir(work)?;
    let mut names = Vec::new();
    for (n, layer) in layers.iter().enumerate().rev() {
        let link = links.join(format!("{n:x}"));
        symlink(layer, &link).at("make link", &link)?;
        names.push(link.display().to_string());
    }
    let user = if overlay_namespace() == "user" {
        ",userxattr"
    } else {
        ""
    };
    let options = format!(
        "lowerdir={},upperdir={},workdir={}{user}",
        names.join(":"),
        upper.display(),
        work.display()
    );
    let mounted = std::ffi::CString::new(options)
        .map_err(|_| Errno::INVAL)
        .and_then(|options| {
            rustix::mount::mount(
                "overlay",
                target,
                "overlay",
                rustix::mount::MountFlags::empty(),
                options.as_c_str(),
            )
        });
    let _ = std::fs::remove_dir_all(&links);
    mounted.map_err(|e| {
        Error::system(format!("mount overlay at {}", target.display()), e)
            .hint("With many layers, Linux 6.5 or a store with a short path is needed")
    })
}

fn tempdir(beside: &Path) -> Result<PathBuf> {
    let path = beside.with_extension("l");
    std::fs::create_dir_all(&path).at("make directory", &path)?;
    Ok(path)
}

/// Takes a mount away; not an error when there is none.
pub fn unmount(target: &Path) -> Result<()> {
    match rustix::mount::unmount(target, UnmountFlags::DETACH | UnmountFlags::NOFOLLOW) {
        Ok(()) | Err(Errno::INVAL | Errno::NOENT) => Ok(()),
        Err(e) => Err(Error::file("unmount", target, e.into())),
    }
}
