//! The root file system: mounts that containerd asks for, below the bundle.

use std::path::{Path, PathBuf};

use containerd_shim_protos::api::Mount;
use libcontainer::rootfs;
use libcontainer::spec::{self, Text};

use crate::status::Status;

/// Where it is: absolute, since who removes the mounts may have been called with a relative bundle.
fn place(bundle: &Path) -> Result<PathBuf, Status> {
    let failed = |error| Status::failed(format!("find {}: {error}", bundle.display()));
    Ok(std::path::absolute(bundle).map_err(failed)?.join("rootfs"))
}

/// Makes the mounts, the later ones over the earlier. When one fails, none stays.
pub(crate) fn mount(mounts: &[Mount], bundle: &Path) -> Result<(), Status> {
    if mounts.is_empty() {
        return Ok(());
    }
    let root = place(bundle)?;
    match std::fs::create_dir(&root) {
        Err(error) if error.kind() != std::io::ErrorKind::AlreadyExists => {
            return Err(Status::failed(format!("make {}: {error}", root.display())));
        }
        _ => {}
    }
    let mounts: Vec<spec::Mount<'_>> = mounts.iter().map(convert).collect();
    rootfs::mount(&root, &mounts).map_err(|error| Status::of("", &error))
}

/// Takes all mounts away, with those below them. What is not there is no error.
pub(crate) fn unmount(bundle: &Path) -> Result<(), Status> {
    rootfs::unmount(&place(bundle)?).map_err(|error| Status::of("", &error))
}

fn convert(mount: &Mount) -> spec::Mount<'_> {
    spec::Mount {
        destination: Text::from(mount.target.as_str()),
        source: Some(Text::from(mount.source.as_str())),
        kind: Some(Text::from(mount.type_.as_str())),
        options: mount
            .options
            .iter()
            .map(|option| Text::from(option.as_str()))
            .collect(),
        ..spec::Mount::default()
    }
}
