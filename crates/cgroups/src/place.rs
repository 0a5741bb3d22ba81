//! Where one container's cgroup is.

use std::collections::BTreeMap;
use std::path::{Component, Path, PathBuf};

use kernel::{Errno, file};
use serde::{Deserialize, Serialize};

use crate::error::c_string;
use crate::systemd::{Session, Unit};
use crate::{Error, Host, Version};

/// Who makes the cgroup.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Driver {
    /// This crate, with mkdir(2).
    Direct,
    /// systemd, as a transient scope.
    Systemd {
        /// The manager of the calling user instead of the system's.
        user: bool,
    },
}

/// Where a container's cgroup is, in every hierarchy.
///
/// It is stored before anything is made, and is enough to find, kill and remove everything after a crash.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Place {
    pub(crate) driver: Driver,
    pub(crate) version: Version,
    pub(crate) locations: Vec<Location>,
    /// The scope, with the systemd driver.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) unit: Option<Unit>,
    /// The caller is not root of the machine: device rules cannot be had.
    #[serde(default)]
    pub(crate) rootless: bool,
    /// Nobody asked for a certain place: a rootless caller that may not make it goes without.
    #[serde(default)]
    pub(crate) optional: bool,
}

/// The cgroup in one hierarchy.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Location {
    /// As in [`crate::Hierarchy::controllers`].
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) controllers: Vec<String>,
    pub(crate) mount: PathBuf,
    /// The directory.
    pub(crate) path: PathBuf,
    /// How many of the directories above it, from below, were missing: who makes them removes them.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub(crate) above: usize,
}

/// A path has 4095 bytes at most (path_resolution(7)), and there are files below the directory. What cannot be looked up could
/// not be removed either.
const LONGEST: usize = 4095 - 256;

fn is_zero(number: &usize) -> bool {
    *number == 0
}

impl Location {
    pub(crate) fn is_unified(&self) -> bool {
        self.controllers.is_empty()
    }

    pub(crate) fn has(&self, controller: &str) -> bool {
        self.controllers.iter().any(|c| c == controller)
    }
}

impl Place {
    /// Where the container's cgroup shall be.
    ///
    /// `cgroups_path` is `linux.cgroupsPath`: absolute (from the root of each hierarchy), relative (from the caller's own
    /// cgroup; on v2 from the one above it, which usually holds no processes), or with the systemd driver
    /// `slice:prefix:name`. Without it the container's id names the cgroup.
    ///
    /// A `rootless` caller has to do without device rules, and without a cgroup where it may not make one, if it names no
    /// place and asks for no limits.
    ///
    /// Nothing is made. Only relative paths and user managers need to look anything up.
    ///
    /// # Errors
    /// A path that cannot be used, or that is the root of the hierarchy.
    pub fn resolve(
        host: &Host,
        driver: Driver,
        cgroups_path: Option<&str>,
        id: &str,
        rootless: bool,
    ) -> Result<Place, Error> {
        let given = cgroups_path.filter(|path| !path.is_empty());
        let wrong = |why: &str| Error::Path {
            path: given.unwrap_or_default().to_owned(),
            why: why.to_owned(),
        };
        if given.is_some_and(|path| path.contains('\0')) {
            return Err(wrong("contains a NUL byte"));
        }
        let mut place = Place {
            driver,
            version: host.version(),
            locations: Vec::new(),
            unit: None,
            rootless,
            optional: rootless && given.is_none(),
        };
        let scope = match driver {
            Driver::Direct => None,
            // Of v1's controllers a user is given none.
            Driver::Systemd { user: true } if host.version() != Version::V2 => {
                return Err(Error::UserManagerOnV1);
            }
            Driver::Systemd { user } => {
                let (unit, path) = Unit::resolve(given, id, user, host.session())?;
                let path = crate::systemd::below_manager(path, &unit)?;
                place.unit = Some(unit);
                Some(path)
            }
        };
        for hierarchy in host.hierarchies() {
            let inside = match (&scope, given) {
                (Some(path), _) => path.clone(),
                (None, Some(path)) if path.starts_with('/') => normal(path),
                (None, path) => below_own(host, hierarchy)?.join(normal(path.unwrap_or(id))),
            };
            if inside.as_os_str().is_empty() {
                return Err(wrong(
                    "is the root of the hierarchy, which has to stay usable for others",
                ));
            }
            let path = hierarchy.mount.join(inside);
            if path.as_os_str().len() > LONGEST {
                return Err(wrong("is longer than the kernel takes"));
            }
            place.locations.push(Location {
                controllers: hierarchy.controllers.clone(),
                mount: hierarchy.mount.clone(),
                path,
                above: 0,
            });
        }
        Ok(place)
    }

    /// A place that another runtime has recorded: by controller, as [`Place::paths`] tells them, and the name of its systemd
    /// unit. What is not below a hierarchy of this machine, such as the root of one, is left out; `None` when nothing is left.
    pub fn recorded(
        host: &Host,
        paths: &BTreeMap<String, PathBuf>,
        unit: Option<&str>,
        rootless: bool,
    ) -> Option<Place> {
        let locations = host.hierarchies().iter().filter_map(|hierarchy| {
            let mut names = hierarchy.controllers.iter().map(String::as_str);
            let path = match hierarchy.is_unified() {
                true => paths.get(""),
                false => names.find_map(|name| paths.get(name)),
            }?;
            let Ok(inside) = path.strip_prefix(&hierarchy.mount) else {
                return None;
            };
            let mut inside = inside.components();
            let is_below = inside.clone().next().is_some();
            let is_normal = inside.all(|part| matches!(part, Component::Normal(_)));
            (is_below && is_normal).then(|| Location {
                controllers: hierarchy.controllers.clone(),
                mount: hierarchy.mount.clone(),
                path: path.clone(),
                above: 0,
            })
        });
        let place = Place {
            driver: match unit {
                Some(_) => Driver::Systemd { user: rootless },
                None => Driver::Direct,
            },
            version: host.version(),
            locations: locations.collect(),
            unit: unit.map(|name| Unit {
                name: name.to_owned(),
                // Where a unit is to be matters only to whoever makes it.
                slice: String::new(),
                user: rootless,
                reached: Session::default(),
            }),
            rootless,
            optional: rootless,
        };
        (!place.locations.is_empty()).then_some(place)
    }

    /// Takes note of the directories above that are missing now: they go with the cgroup, if nothing else is in them by
    /// then. Call it before the place is stored. Those that systemd makes are systemd's.
    ///
    /// # Errors
    /// Whether there is such a directory cannot be seen.
    pub fn note_missing(&mut self) -> Result<(), Error> {
        for location in self.locations.iter_mut().filter(|_| self.unit.is_none()) {
            let above = location.path.ancestors().skip(1);
            for path in above.take_while(|path| *path != location.mount) {
                match file::status_at(file::HERE, &c_string(path)?) {
                    Err(fault) if fault.is(Errno::ENOENT) => location.above += 1,
                    // What may not be seen is somebody else's.
                    Err(fault) if fault.is(Errno::EACCES) => break,
                    answer => {
                        answer.map_err(|fault| Error::file("look at", path, fault))?;
                        break;
                    }
                }
            }
        }
        Ok(())
    }

    /// The directories by controller, as engines' tools expect them in `cgroup_paths` of `state.json`: one entry for
    /// each v1 controller (`memory`, `name=systemd`), and `""` for v2.
    pub fn paths(&self) -> impl Iterator<Item = (&str, &Path)> {
        self.locations.iter().flat_map(|location| {
            let names = location.controllers.iter().map(String::as_str);
            let unified = location.is_unified().then_some("");
            names
                .chain(unified)
                .map(|name| (name, location.path.as_path()))
        })
    }

    /// Says where the calling user's systemd is reached, for a place that was stored: that is not stored with it.
    pub fn use_session(&mut self, session: &Session) {
        if let Some(unit) = &mut self.unit {
            unit.reached = session.clone();
        }
    }

    /// Whether a container here may do without a cgroup, where none can be made.
    pub fn is_optional(&self) -> bool {
        self.optional
    }

    /// Whether its maker was not root of the machine.
    pub fn is_rootless(&self) -> bool {
        self.rootless
    }

    /// Who makes it.
    pub fn driver(&self) -> Driver {
        self.driver
    }

    /// The name of the systemd unit, with that driver.
    pub fn unit(&self) -> Option<&str> {
        self.unit.as_ref().map(|unit| unit.name.as_str())
    }

    /// What a `cgroup` mount inside the container has to show: for each hierarchy its controllers, its mount point on
    /// the host, further names (links), and the container's directory in it.
    pub fn mounts<'a>(&'a self, host: &'a Host) -> impl Iterator<Item = CgroupMount<'a>> {
        self.locations.iter().map(move |location| CgroupMount {
            controllers: &location.controllers,
            mount: &location.mount,
            directory: &location.path,
            links: host
                .hierarchies()
                .iter()
                .find(|h| h.mount == location.mount)
                .map(|h| h.links().map(str::to_owned).collect())
                .unwrap_or_default(),
        })
    }

    /// The location whose files set a controller's limits.
    pub(crate) fn location_of(&self, controller: &str) -> Option<usize> {
        self.locations
            .iter()
            .position(|location| location.has(controller))
            .or_else(|| self.unified())
    }

    /// The order in which the hierarchies are made, which is the other way round that in which they are removed: that with the
    /// device rules first, for who has claimed that has the others.
    pub(crate) fn order(&self) -> impl DoubleEndedIterator<Item = usize> {
        let first = self.location_of("devices");
        let rest = (0..self.locations.len()).filter(move |index| Some(*index) != first);
        first.into_iter().chain(rest)
    }

    pub(crate) fn unified(&self) -> Option<usize> {
        self.locations.iter().position(Location::is_unified)
    }
}

/// One hierarchy as a container sees it; see [`Place::mounts`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CgroupMount<'a> {
    /// Controllers or `name=…`; empty for v2.
    pub controllers: &'a [String],
    /// The hierarchy's mount point on the host; its last component is the directory's name inside, too.
    pub mount: &'a Path,
    /// The container's cgroup.
    pub directory: &'a Path,
    /// Further names below `/sys/fs/cgroup`, to be made as symbolic links.
    pub links: Vec<String>,
}

/// The path without `.`, `..` and doubled slashes, relative to the root above which `..` cannot lead.
pub(crate) fn normal(path: &str) -> PathBuf {
    let mut clean = PathBuf::new();
    for component in Path::new(path).components() {
        match component {
            Component::Normal(name) => clean.push(name),
            Component::ParentDir => {
                clean.pop();
            }
            _ => {}
        }
    }
    clean
}

/// Where relative paths start.
fn below_own(host: &Host, hierarchy: &crate::Hierarchy) -> Result<PathBuf, Error> {
    let mut own = normal(host.own(hierarchy)?);
    if hierarchy.is_unified() {
        // The caller's own cgroup holds the caller, so controllers cannot be enabled below it (cgroups(7), "no internal
        // processes").
        own.pop();
    } else if !own.as_os_str().is_empty() {
        let path = hierarchy.mount.join(&own);
        match file::status_at(file::HERE, &c_string(&path)?) {
            // In a container without a cgroup namespace only the container's own part is mounted.
            Err(fault) if fault.is(Errno::ENOENT) => own.clear(),
            answer => drop(answer.map_err(|fault| Error::file("look at", &path, fault))?),
        }
    }
    Ok(own)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn v2(own: &str) -> Host {
        Host::made_up(Version::V2, &[(&[], own)])
    }

    fn path(host: &Host, given: Option<&str>) -> String {
        let place = Place::resolve(host, Driver::Direct, given, "box", false).unwrap();
        let (_, path) = place.paths().next().unwrap();
        path.display().to_string()
    }

    #[test]
    fn absolute_paths_start_at_the_root_and_relative_ones_beside_the_caller() {
        let host = v2("/user.slice/session.scope");
        assert_eq!(path(&host, Some("/a/b")), "/sys/fs/cgroup/a/b");
        assert_eq!(path(&host, Some("//a/./b/../c/")), "/sys/fs/cgroup/a/c");
        assert_eq!(path(&host, Some("/../../a")), "/sys/fs/cgroup/a");
        assert_eq!(path(&host, Some("a")), "/sys/fs/cgroup/user.slice/a");
        assert_eq!(path(&host, None), "/sys/fs/cgroup/user.slice/box");
        assert_eq!(path(&host, Some("")), "/sys/fs/cgroup/user.slice/box");
        assert_eq!(path(&v2("/"), None), "/sys/fs/cgroup/box");
    }

    #[test]
    fn the_root_itself_and_nul_bytes_are_refused() {
        for given in ["/", "/..", "/a/..", "a\0b"] {
            let error = Place::resolve(&v2("/"), Driver::Direct, Some(given), "box", false);
            assert!(matches!(error, Err(Error::Path { .. })), "{given:?}");
        }
    }

    #[test]
    fn v1_and_hybrid_places_name_every_controller() {
        let host = Host::made_up(
            Version::Hybrid,
            &[
                (&["cpu", "cpuacct"], "/"),
                (&["name=systemd"], "/"),
                (&[], "/"),
            ],
        );
        let place = Place::resolve(&host, Driver::Direct, Some("/x"), "box", false).unwrap();
        let paths: Vec<_> = place
            .paths()
            .map(|(name, path)| format!("{name}={}", path.display()))
            .collect();
        assert_eq!(
            paths,
            [
                "cpu=/sys/fs/cgroup/cpu,cpuacct/x",
                "cpuacct=/sys/fs/cgroup/cpu,cpuacct/x",
                "name=systemd=/sys/fs/cgroup/systemd/x",
                "=/sys/fs/cgroup/unified/x"
            ]
        );
        let links: Vec<_> = place.mounts(&host).map(|mount| mount.links).collect();
        assert_eq!(
            links,
            [vec!["cpu".to_owned(), "cpuacct".to_owned()], vec![], vec![]]
        );
        assert_eq!(place.location_of("cpuacct"), Some(0));
        assert_eq!(place.location_of("hugetlb"), Some(2));
    }

    #[test]
    fn what_others_record_is_taken_only_below_a_hierarchy() {
        let host = Host::made_up(
            Version::Hybrid,
            &[(&["cpu", "cpuacct"], "/"), (&["pids"], "/"), (&[], "/")],
        );
        let place = |recorded: &[(&str, &str)]| {
            let paths = recorded
                .iter()
                .map(|&(name, path)| (name.to_owned(), path.into()));
            let place = Place::recorded(&host, &paths.collect(), None, false)?;
            let text = |(name, path): (&str, &Path)| format!("{name}={}", path.display());
            Some(place.paths().map(text).collect::<Vec<_>>())
        };
        let whole = [
            ("cpuacct", "/sys/fs/cgroup/cpu,cpuacct/a/b"),
            ("pids", "/sys/fs/cgroup/pids/a"),
            ("", "/sys/fs/cgroup/unified/a"),
        ];
        let expected = [
            "cpu=/sys/fs/cgroup/cpu,cpuacct/a/b",
            "cpuacct=/sys/fs/cgroup/cpu,cpuacct/a/b",
            "pids=/sys/fs/cgroup/pids/a",
            "=/sys/fs/cgroup/unified/a",
        ];
        assert_eq!(place(&whole).unwrap(), expected);
        for wrong in [
            "/sys/fs/cgroup/pids",
            "/sys/fs/cgroup/pids/../cpu",
            "/a",
            "a",
            "",
        ] {
            assert_eq!(place(&[("pids", wrong)]), None, "{wrong}");
        }
    }

    #[test]
    fn a_stored_place_comes_back_the_same() {
        for driver in [Driver::Direct, Driver::Systemd { user: false }] {
            let given = match driver {
                Driver::Direct => "/a",
                Driver::Systemd { .. } => "a-b.slice:tare:web",
            };
            let place = Place::resolve(&v2("/"), driver, Some(given), "box", true).unwrap();
            let text = serde_json::to_string(&place).unwrap();
            assert_eq!(
                serde_json::from_str::<Place>(&text).unwrap(),
                place,
                "{text}"
            );
        }
    }

    proptest::proptest! {
        #[test]
        fn no_path_leaves_the_hierarchy(given in "[a./\\\\:]{0,24}", own in "(/[a.]{1,3}){0,3}") {
            let host = v2(&format!("/{own}"));
            if let Ok(place) = Place::resolve(&host, Driver::Direct, Some(&given), "box", false) {
                for (_, path) in place.paths() {
                    proptest::prop_assert!(path.starts_with("/sys/fs/cgroup"));
                    proptest::prop_assert!(path != Path::new("/sys/fs/cgroup"));
                    proptest::prop_assert!(path.components().all(|c| c != Component::ParentDir));
                }
            }
        }
    }
}
