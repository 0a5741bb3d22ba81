//! Names of units and slices, and where systemd puts them.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use super::bus::{Bus, Session};
use crate::Error;
use crate::place::normal;

/// The scope of one container.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Unit {
    pub(crate) name: String,
    pub(crate) slice: String,
    pub(crate) user: bool,
    /// Where the user's manager is reached: of whoever asks, so it is not stored.
    #[serde(skip)]
    pub(crate) reached: Session,
}

impl Unit {
    /// Where its manager is reached; `None` for the system's.
    pub(crate) fn session(&self) -> Option<&Session> {
        self.user.then_some(&self.reached)
    }

    /// The unit for a `cgroupsPath` of the form `slice:prefix:name`, and the path of its cgroup.
    pub(crate) fn resolve(
        given: Option<&str>,
        id: &str,
        user: bool,
        session: &Session,
    ) -> Result<(Unit, PathBuf), Error> {
        let default = if user { "user.slice" } else { "system.slice" };
        let (slice, prefix, name) = match given {
            None => (default, "tare", id),
            Some(path) => {
                let wrong = || Error::Path {
                    path: path.to_owned(),
                    why: format!(
                        "expected cgroupsPath to be of format \"slice:prefix:name\" for systemd cgroups, got {path:?} instead"
                    ),
                };
                let parts: Vec<&str> = path.split(':').collect();
                let [slice, prefix, name] = parts[..] else {
                    return Err(wrong());
                };
                if name.is_empty() || [slice, prefix, name].iter().any(|p| p.contains('/')) {
                    return Err(wrong());
                }
                (if slice.is_empty() { default } else { slice }, prefix, name)
            }
        };
        let name = match prefix {
            "" => format!("{name}.scope"),
            prefix => format!("{prefix}-{name}.scope"),
        };
        let path = slice_path(slice)?.join(&name);
        let slice = slice.to_owned();
        let unit = Unit {
            name,
            slice,
            user,
            reached: session.clone(),
        };
        Ok((unit, path))
    }
}

/// The path from the root of the hierarchy: a user's manager has its own part of it, which only it knows.
pub(crate) fn below_manager(path: PathBuf, unit: &Unit) -> Result<PathBuf, Error> {
    let Some(session) = unit.session() else {
        return Ok(path);
    };
    let manager = Bus::connect(Some(session))?.manager_text("ControlGroup")?;
    Ok(normal(&manager).join(path))
}

/// The cgroup of a slice: `a-b.slice` is below `a.slice`, and `-.slice` is the root (systemd.slice(5)).
fn slice_path(slice: &str) -> Result<PathBuf, Error> {
    let wrong = |why| Error::Path {
        path: slice.to_owned(),
        why,
    };
    let Some(stem) = slice.strip_suffix(".slice") else {
        return Err(wrong(format!(
            "invalid slice name {slice:?}: it must end in .slice"
        )));
    };
    if stem == "-" {
        return Ok(PathBuf::new());
    }
    if stem.is_empty() || stem.contains('/') || stem.split('-').any(str::is_empty) {
        return Err(wrong(format!("invalid slice name {slice:?}")));
    }
    let mut path = PathBuf::new();
    for (end, _) in stem.match_indices('-') {
        path.push(format!("{}.slice", &stem[..end]));
    }
    path.push(slice);
    Ok(path)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn units_and_their_paths() {
        for (given, name, path) in [
            (
                Some("system.slice:docker:12ab"),
                "docker-12ab.scope",
                "system.slice/docker-12ab.scope",
            ),
            (
                Some("a-b-c.slice::x"),
                "x.scope",
                "a.slice/a-b.slice/a-b-c.slice/x.scope",
            ),
            (Some("-.slice:p:x"), "p-x.scope", "p-x.scope"),
            (Some(":p:x"), "p-x.scope", "system.slice/p-x.scope"),
            (None, "tare-box.scope", "system.slice/tare-box.scope"),
        ] {
            let (unit, found) = Unit::resolve(given, "box", false, &Session::default()).unwrap();
            assert_eq!((unit.name.as_str(), found.to_str().unwrap()), (name, path));
        }
        let (unit, path) = Unit::resolve(None, "box", true, &Session::default()).unwrap();
        assert_eq!(
            (unit.slice.as_str(), path.to_str().unwrap()),
            ("user.slice", "user.slice/tare-box.scope")
        );
    }

    #[test]
    fn wrong_forms_are_refused() {
        for given in [
            "x",
            "a:b",
            "a.slice:b:c:d",
            "a:b:c",
            "a--b.slice:p:x",
            ".slice:p:x",
            "-a.slice:p:x",
            "a.slice:p:",
            "a.slice:p:x/y",
            "/a.slice:p:x",
        ] {
            assert!(
                Unit::resolve(Some(given), "box", false, &Session::default()).is_err(),
                "{given}"
            );
        }
    }
}
