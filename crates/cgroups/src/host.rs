//! What this machine's control groups look like.

use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use kernel::file::{self, magic};

use crate::Error;
use crate::dir::read_path;
use crate::error::c_string;
use crate::systemd::Session;

/// Where every distribution mounts its cgroups.
pub(crate) const MOUNT_POINT: &str = "/sys/fs/cgroup";

/// Which generation of control groups a machine runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Version {
    /// One hierarchy for each controller, or for several of them mounted together.
    V1,
    /// One hierarchy for everything.
    V2,
    /// Hierarchies of v1, and beside them one of v2 with the remaining controllers, or with none.
    Hybrid,
}

/// One mounted hierarchy.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Hierarchy {
    /// Its controllers (`cpu`, `cpuacct`), or its name (`name=systemd`); empty for v2.
    pub controllers: Vec<String>,
    /// Where it is mounted.
    pub mount: PathBuf,
    /// The calling process's cgroup in it, if `/proc/self/cgroup` has been read already.
    own: Option<String>,
}

impl Hierarchy {
    /// True for the hierarchy of v2.
    pub fn is_unified(&self) -> bool {
        self.controllers.is_empty()
    }

    /// The names under which programs look for this hierarchy below `/sys/fs/cgroup`: the directory's own, and for
    /// hierarchies with several controllers the symbolic links `cpu` and `cpuacct` to `cpu,cpuacct`.
    pub fn links(&self) -> impl Iterator<Item = &str> {
        let directory = self.mount.file_name().and_then(|name| name.to_str());
        self.controllers
            .iter()
            .map(|name| name.strip_prefix("name=").unwrap_or(name))
            .filter(move |name| self.controllers.len() > 1 && Some(*name) != directory)
    }
}

/// What this machine's cgroups look like. On v2 hosts one statfs(2) tells; v1 needs `/proc/self/cgroup`.
#[derive(Clone, Debug)]
pub struct Host {
    version: Version,
    hierarchies: Vec<Hierarchy>,
    own_unified: OnceLock<String>,
    session: Session,
}

impl Host {
    /// Looks at the machine.
    ///
    /// # Errors
    /// Nothing is mounted at `/sys/fs/cgroup`, or `/proc` cannot be read.
    pub fn probe() -> Result<Host, Error> {
        Host::probe_at(Path::new(MOUNT_POINT))
    }

    /// The same, with the calling user's systemd reached as this says.
    #[must_use]
    pub fn with_session(mut self, session: Session) -> Host {
        self.session = session;
        self
    }

    pub(crate) fn session(&self) -> &Session {
        &self.session
    }

    fn probe_at(mount: &Path) -> Result<Host, Error> {
        if kind_of(mount)? == Some(magic::CGROUP2) {
            return Ok(Host {
                version: Version::V2,
                hierarchies: vec![Hierarchy {
                    controllers: Vec::new(),
                    mount: mount.to_owned(),
                    own: None,
                }],
                own_unified: OnceLock::new(),
                session: Session::default(),
            });
        }
        let membership = read_path(Path::new("/proc/self/cgroup"))?;
        let hierarchies = match mounted_as_usual(mount, &membership)? {
            Some(hierarchies) => hierarchies,
            None => mounted_anywhere(&membership, &read_path(Path::new("/proc/self/mountinfo"))?),
        };
        if hierarchies.is_empty() {
            return Err(Error::NoCgroups(mount.to_owned()));
        }
        let version = match hierarchies.iter().any(Hierarchy::is_unified) {
            true if hierarchies.len() == 1 => Version::V2,
            true => Version::Hybrid,
            false => Version::V1,
        };
        Ok(Host {
            version,
            hierarchies,
            own_unified: OnceLock::new(),
            session: Session::default(),
        })
    }

    /// Which generation it is.
    pub fn version(&self) -> Version {
        self.version
    }

    /// The mounted hierarchies, the one of v2 last: what a `cgroup` mount inside a container has to show.
    pub fn hierarchies(&self) -> &[Hierarchy] {
        &self.hierarchies
    }

    /// The calling process's own cgroup in a hierarchy, as a path from the hierarchy's mount point.
    pub(crate) fn own<'a>(&'a self, hierarchy: &'a Hierarchy) -> Result<&'a str, Error> {
        if let Some(own) = &hierarchy.own {
            return Ok(own);
        }
        if let Some(own) = self.own_unified.get() {
            return Ok(own);
        }
        let membership = read_path(Path::new("/proc/self/cgroup"))?;
        let own = memberships(&membership)
            .find(|line| line.controllers.is_empty())
            .map_or("/", |line| line.path);
        Ok(self.own_unified.get_or_init(|| own.to_owned()))
    }

    /// A host that is not looked at, to see what [`settings`](crate::settings) come to on another kind of machine. Each
    /// hierarchy is given with its controllers, none for v2, and with the caller's own cgroup in it.
    pub fn made_up(version: Version, hierarchies: &[(&[&str], &str)]) -> Host {
        Host {
            version,
            hierarchies: hierarchies
                .iter()
                .map(|(controllers, own)| Hierarchy {
                    controllers: controllers.iter().map(|&c| c.to_owned()).collect(),
                    mount: match (version, controllers.is_empty()) {
                        (Version::V2, _) => PathBuf::from(MOUNT_POINT),
                        (_, true) => Path::new(MOUNT_POINT).join("unified"),
                        _ => {
                            Path::new(MOUNT_POINT).join(controllers.join(",").replace("name=", ""))
                        }
                    },
                    own: Some((*own).to_owned()),
                })
                .collect(),
            own_unified: OnceLock::new(),
            session: Session::default(),
        }
    }
}

/// The file system's type at a path, `None` when there is no such path.
fn kind_of(path: &Path) -> Result<Option<u64>, Error> {
    match file::filesystem_at(&c_string(path)?) {
        Ok(filesystem) => Ok(Some(filesystem.kind)),
        Err(fault) if matches!(fault.errno, kernel::Errno::ENOENT | kernel::Errno::ENOTDIR) => {
            Ok(None)
        }
        Err(fault) => Err(Error::file("look at", path, fault)),
    }
}

/// One line of `/proc/PID/cgroup`.
pub(crate) struct Membership<'a> {
    pub(crate) controllers: &'a str,
    pub(crate) path: &'a str,
    /// The process is in a cgroup above the reader's cgroup namespace: which one cannot be told.
    pub(crate) is_outside: bool,
}

/// The lines of `/proc/PID/cgroup`. A path may contain colons, names of hierarchies may not.
pub(crate) fn memberships(text: &str) -> impl Iterator<Item = Membership<'_>> {
    text.lines().filter_map(|line| {
        let mut fields = line.splitn(3, ':');
        let _id = fields.next()?;
        let (controllers, path) = (fields.next()?, fields.next()?);
        let is_outside = path == "/.." || path.starts_with("/../");
        Some(Membership {
            controllers,
            path: if is_outside { "/" } else { path },
            is_outside,
        })
    })
}

/// Finds the hierarchies where distributions mount them, without reading the (possibly very long) table of mounts.
/// `None` when one is not there.
fn mounted_as_usual(mount: &Path, membership: &str) -> Result<Option<Vec<Hierarchy>>, Error> {
    let mut found = Vec::new();
    let mut unified = None;
    for line in memberships(membership) {
        let hierarchy = |at: PathBuf, controllers: Vec<String>| Hierarchy {
            controllers,
            mount: at,
            own: Some(line.path.to_owned()),
        };
        if line.controllers.is_empty() {
            let at = mount.join("unified");
            if kind_of(&at)? == Some(magic::CGROUP2) {
                unified = Some(hierarchy(at, Vec::new()));
            }
            continue;
        }
        let name = line
            .controllers
            .strip_prefix("name=")
            .unwrap_or(line.controllers);
        let at = mount.join(name);
        if kind_of(&at)? != Some(magic::CGROUP) {
            return Ok(None);
        }
        let controllers = line.controllers.split(',').map(str::to_owned).collect();
        found.push(hierarchy(at, controllers));
    }
    found.extend(unified);
    Ok(Some(found))
}

/// Finds the hierarchies in `/proc/self/mountinfo`, wherever they are; those that are not mounted are left out.
pub(crate) fn mounted_anywhere(membership: &str, mountinfo: &str) -> Vec<Hierarchy> {
    let mut found = Vec::new();
    let mut unified = None;
    for line in memberships(membership) {
        let requested: Vec<&str> = line.controllers.split(',').collect();
        let place = mountinfo.lines().find_map(|mount| {
            let (left, right) = mount.split_once(" - ")?;
            let mut right = right.split(' ');
            let (kind, options) = (right.next()?, right.nth(1)?);
            let point = left.split(' ').nth(4)?;
            let matches = match line.controllers.is_empty() {
                true => kind == "cgroup2",
                false => {
                    kind == "cgroup"
                        && requested
                            .iter()
                            .all(|w| options.split(',').any(|o| o == *w))
                }
            };
            matches.then(|| PathBuf::from(unescape(point)))
        });
        let Some(mount) = place else { continue };
        let own = Some(line.path.to_owned());
        if line.controllers.is_empty() {
            unified = Some(Hierarchy {
                controllers: Vec::new(),
                mount,
                own,
            });
        } else {
            let controllers = requested.iter().map(|&c| c.to_owned()).collect();
            found.push(Hierarchy {
                controllers,
                mount,
                own,
            });
        }
    }
    found.extend(unified);
    found
}

/// Undoes the octal escapes of mountinfo (proc(5)): `\040` is a blank.
fn unescape(text: &str) -> String {
    let mut plain = String::new();
    let mut rest = text;
    while let Some(at) = rest.find('\\') {
        plain.push_str(&rest[..at]);
        match rest.get(at + 1..at + 4).map(|d| u8::from_str_radix(d, 8)) {
            Some(Ok(byte)) => {
                plain.push(char::from(byte));
                rest = &rest[at + 4..];
            }
            _ => {
                plain.push('\\');
                rest = &rest[at + 1..];
            }
        }
    }
    plain + rest
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn membership_lines_keep_colons_in_paths() {
        let text = "4:memory:/a:b\n3:cpu,cpuacct:/x\n1:name=systemd:/\n0::/../up\nbroken\n";
        let lines: Vec<_> = memberships(text).map(|m| (m.controllers, m.path)).collect();
        assert_eq!(
            lines,
            [
                ("memory", "/a:b"),
                ("cpu,cpuacct", "/x"),
                ("name=systemd", "/"),
                ("", "/")
            ]
        );
    }

    #[test]
    fn hierarchies_are_found_in_the_table_of_mounts() {
        let mounts = "30 25 0:26 / /sys/fs/cgroup ro - tmpfs tmpfs ro\n\
            31 30 0:27 / /sys/fs/cgroup/cpu\\040and rw shared:9 - cgroup cgroup rw,cpuacct,cpu\n\
            32 30 0:28 /docker /cg/mem rw - cgroup cgroup rw,memory\n\
            33 30 0:29 / /mnt/two rw - cgroup2 cgroup2 rw,nsdelegate\n";
        let found = mounted_anywhere("5:cpu,cpuacct:/a\n4:memory:/b\n3:pids:/\n0::/c\n", mounts);
        let short: Vec<_> = found
            .iter()
            .map(|h| (h.controllers.join(","), h.mount.display().to_string()))
            .collect();
        assert_eq!(
            short,
            [
                (
                    "cpu,cpuacct".to_owned(),
                    "/sys/fs/cgroup/cpu and".to_owned()
                ),
                ("memory".to_owned(), "/cg/mem".to_owned()),
                (String::new(), "/mnt/two".to_owned())
            ]
        );
        let links: Vec<_> = found[0].links().collect();
        assert_eq!(links, ["cpu", "cpuacct"]);
        assert_eq!(found[1].links().count(), 0);
    }

    #[test]
    fn this_machine_can_be_probed() {
        let host = Host::probe().unwrap();
        assert!(!host.hierarchies().is_empty());
        for hierarchy in host.hierarchies() {
            assert!(hierarchy.mount.is_dir(), "{hierarchy:?}");
            assert!(host.own(hierarchy).unwrap().starts_with('/'));
        }
    }
}
