//! What a runtime leaves in a container's writable layer without being asked to: empty mount points for its own mounts.
//!
//! They are no change that anybody made, and the next runtime makes them anew. Like those of other engines, the layers of
//! `commit` are without them.

use std::collections::BTreeSet;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use rustix::fs::{self, FileType, Stat};

use crate::error::{Doing, Result};
use crate::unpack::{
    Said, children, has_opaque_mark, is_directory, look, opaque_name, open_directory, open_found,
    shown_attributes,
};

/// As many links as the kernel follows in one name.
const LINKS: usize = 40;

/// Mode of directories that runtimes make, and of those that `tare` makes for a tmpfs to be mounted on, so that one without a
/// mode has the same whenever the container is started.
const MODE: u32 = 0o755;
const FOR_TMPFS: u32 = 0o1777;

/// The names below the overlay directory `upper` that only `destinations` of mounts are the reason for: what is there
/// is empty, was not there in `lowers` (the uppermost first), and has nothing that somebody gave it. A directory that
/// was there counts as well when such mount points are all that is in it and its time all that is new.
pub fn find(
    upper: &Path,
    lowers: &[PathBuf],
    destinations: &[PathBuf],
) -> Result<BTreeSet<Vec<u8>>> {
    let mut layers = vec![open_directory(upper)?];
    for lower in lowers {
        layers.push(open_directory(lower)?);
    }
    let view = View {
        layers,
        opaque: opaque_name(),
    };
    let mut targets = BTreeSet::new();
    for destination in destinations {
        targets.extend(view.resolve(destination.as_os_str().as_bytes())?);
    }
    let mut places: Vec<&[u8]> = targets
        .iter()
        .flat_map(|t| ancestors(t).chain([t.as_slice()]))
        .collect();
    // What is in a directory before the directory itself.
    places.sort_by_key(|p| std::cmp::Reverse((p.split(|b| *b == b'/').count(), *p)));
    places.dedup();
    let mut found = BTreeSet::new();
    for place in places {
        if view.is_stub(place, targets.contains(place), &found)? {
            found.insert(place.to_vec());
        }
    }
    Ok(found)
}

fn ancestors(path: &[u8]) -> impl Iterator<Item = &[u8]> {
    (0..path.len())
        .filter(|n| path[*n] == b'/')
        .map(|n| &path[..n])
}

/// The layers as one tree, without mounting them.
struct View {
    /// The uppermost first.
    layers: Vec<OwnedFd>,
    opaque: String,
}

impl View {
    /// Where `path` leads to, links included; nothing when they go round in circles.
    fn resolve(&self, path: &[u8]) -> Result<Option<Vec<u8>>> {
        let components = |path: &[u8]| -> Vec<Vec<u8>> {
            path.split(|b| *b == b'/')
                .rev()
                .map(<[u8]>::to_vec)
                .collect()
        };
        let (mut left, mut at, mut links) = (components(path), Vec::<u8>::new(), 0);
        while let Some(name) = left.pop() {
            match name.as_slice() {
                b"" | b"." => continue,
                b".." => {
                    at.truncate(at.iter().rposition(|b| *b == b'/').unwrap_or(0));
                    continue;
                }
                _ => {}
            }
            let mut next = at.clone();
            if !next.is_empty() {
                next.push(b'/');
            }
            next.extend_from_slice(&name);
            let link = match self.find(&self.layers, &next)? {
                Said::Found(folder, stat) if kind(&stat) == FileType::Symlink => {
                    let link = fs::readlinkat(&folder, &name[..], Vec::new());
                    Some(link.doing("read link")?.into_bytes())
                }
                _ => None,
            };
            match link {
                Some(link) => {
                    links += 1;
                    if links > LINKS {
                        return Ok(None);
                    }
                    if link.starts_with(b"/") {
                        at.clear();
                    }
                    left.extend(components(&link));
                }
                None => at = next,
            }
        }
        Ok((!at.is_empty()).then_some(at))
    }

    fn is_stub(&self, path: &[u8], target: bool, known: &BTreeSet<Vec<u8>>) -> Result<bool> {
        let Said::Found(folder, own) = self.find(&self.layers[..1], path)? else {
            return Ok(false);
        };
        let below = self.find(&self.layers[1..], path)?;
        if !is_directory(&own) {
            let is_empty = kind(&own) == FileType::RegularFile && own.st_size == 0;
            return Ok(target && is_empty && !matches!(below, Said::Found(..)));
        }
        let directory = open_found(&folder, path)?;
        let children = children(&directory)?;
        let within = |name: &Vec<u8>| known.contains(&[path, b"/", name].concat());
        if !children.iter().all(within) {
            return Ok(false);
        }
        let attributes = sorted(&directory)?;
        Ok(match below {
            Said::Found(folder, below) => {
                is_directory(&below)
                    && !children.is_empty()
                    && !has_opaque_mark(&directory, &self.opaque)?
                    && own.st_mode == below.st_mode
                    && own.st_uid == below.st_uid
                    && own.st_gid == below.st_gid
                    && attributes == sorted(&open_found(&folder, path)?)?
            }
            _ => {
                let mode = own.st_mode & 0o7777;
                (mode == MODE || target && mode == FOR_TMPFS)
                    && own.st_uid == rustix::process::geteuid().as_raw()
                    && own.st_gid == rustix::process::getegid().as_raw()
                    && attributes.is_empty()
            }
        })
    }

    /// What is at `path` in `layers`, none of whose folders is a link.
    fn find(&self, layers: &[OwnedFd], path: &[u8]) -> Result<Said> {
        look(layers, path, false, Some(&self.opaque))
    }
}

fn kind(stat: &Stat) -> FileType {
    FileType::from_raw_mode(stat.st_mode)
}

/// The extended attributes that a layer would have.
fn sorted(directory: &OwnedFd) -> Result<BTreeSet<(Vec<u8>, Vec<u8>)>> {
    Ok(shown_attributes(directory.as_fd())?.into_iter().collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use rustix::fs::Mode;
    use std::fs as std_fs;
    use std::os::unix::fs::{DirBuilderExt, PermissionsExt, symlink};

    struct Case {
        folder: tempfile::TempDir,
    }

    impl Case {
        fn new() -> Self {
            let case = Case {
                folder: tempfile::tempdir().unwrap(),
            };
            for layer in ["upper", "top", "bottom"] {
                case.dir(&format!("{layer}/"), MODE);
            }
            case
        }

        fn dir(&self, path: &str, mode: u32) {
            let path = self.folder.path().join(path);
            std_fs::DirBuilder::new()
                .recursive(true)
                .mode(MODE)
                .create(&path)
                .unwrap();
            std_fs::set_permissions(path, std_fs::Permissions::from_mode(mode)).unwrap();
        }

        fn file(&self, path: &str, text: &str) {
            std_fs::write(self.folder.path().join(path), text).unwrap();
        }

        fn link(&self, path: &str, to: &str) {
            symlink(to, self.folder.path().join(path)).unwrap();
        }

        fn stubs(&self, destinations: &[&str]) -> Vec<String> {
            let at = |name: &str| self.folder.path().join(name);
            let destinations: Vec<_> = destinations.iter().map(PathBuf::from).collect();
            let found = find(&at("upper"), &[at("top"), at("bottom")], &destinations).unwrap();
            found
                .into_iter()
                .map(|p| String::from_utf8(p).unwrap())
                .collect()
        }
    }

    #[test]
    fn what_the_runtime_made_is_found() {
        let case = Case::new();
        case.dir("upper/proc", MODE);
        case.dir("upper/a/b/c", MODE);
        case.dir("upper/etc", MODE);
        case.file("upper/etc/resolv.conf", "");
        case.dir("upper/t/tmpfs", FOR_TMPFS);
        assert_eq!(
            case.stubs(&["/proc", "a//b/./c/", "/etc/resolv.conf", "/dev", "/t/tmpfs"]),
            [
                "a",
                "a/b",
                "a/b/c",
                "etc",
                "etc/resolv.conf",
                "proc",
                "t",
                "t/tmpfs"
            ]
        );
        assert_eq!(case.stubs(&[]), Vec::<String>::new());
    }

    #[test]
    fn what_a_user_made_or_changed_stays() {
        let case = Case::new();
        // Not a mount point; with content; with a mode, in a directory with something else.
        case.dir("upper/mine", MODE);
        case.dir("upper/full/x", MODE);
        case.dir("upper/mode", 0o700);
        case.dir("upper/tmp/x", MODE);
        case.dir("upper/tmp", FOR_TMPFS);
        case.dir("upper/a/b", MODE);
        case.file("upper/a/c", "");
        case.file("upper/file", "text");
        assert_eq!(
            case.stubs(&["/full", "/mode", "/a/b", "/file", "/tmp/x"]),
            ["a/b", "tmp/x"]
        );
    }

    #[test]
    fn what_the_image_has_stays_unless_only_its_time_changed() {
        let case = Case::new();
        for path in ["bottom/etc", "bottom/opt", "bottom/srv", "top/srv/there"] {
            case.dir(path, MODE);
        }
        case.dir("upper/etc", MODE);
        case.file("upper/etc/resolv.conf", "");
        case.dir("upper/opt", 0o700);
        case.dir("upper/opt/m", MODE);
        case.dir("upper/srv/there", MODE);
        assert_eq!(
            case.stubs(&["/etc/resolv.conf", "/opt/m", "/srv/there"]),
            ["etc", "etc/resolv.conf", "opt/m"]
        );
    }

    #[test]
    fn links_are_followed_inside() {
        let case = Case::new();
        case.dir("bottom/run", MODE);
        case.dir("bottom/var", MODE);
        case.link("bottom/var/run", "../../run");
        case.link("top/loop", "loop");
        case.dir("upper/run/lock", MODE);
        assert_eq!(
            case.stubs(&["/var/run/lock", "/loop/x"]),
            ["run", "run/lock"]
        );
    }

    #[test]
    fn what_a_layer_hides_was_not_there() {
        let case = Case::new();
        case.dir("bottom/data", 0o700);
        case.dir("upper/data", MODE);
        assert_eq!(case.stubs(&["/data"]), Vec::<String>::new());
        let whiteout = case.folder.path().join("top/data");
        let device = FileType::CharacterDevice;
        if fs::mknodat(fs::CWD, &whiteout, device, Mode::empty(), 0).is_ok() {
            assert_eq!(case.stubs(&["/data"]), ["data"]);
        }
    }
}
