//! Making directories, and enabling the controllers of v2.

use std::path::{Path, PathBuf};
use std::time::Duration;

use kernel::file::{self, HERE};
use kernel::{Errno, Fault};

use super::claim::{Answer, Claim, is_as_it_was};
use super::{Group, devices};
use crate::dir::{Dir, read_whole, write_whole};
use crate::error::c_string;
use crate::patience::Patience;
use crate::place::Location;
use crate::{Error, Settings};

/// What engines and monitors expect every container on v2 to have statistics of. Where these are enabled, nothing more
/// is done; where one is missing, everything the host has is enabled on the way.
/// With their names on v1.
const USUAL: [(&str, &str); 4] = [
    ("cpu", "cpu"),
    ("io", "blkio"),
    ("memory", "memory"),
    ("pids", "pids"),
];

/// How often a cgroup that others remove is made again.
const MOST_TRIES: usize = 1000;

impl Group {
    /// Makes it, with all that has to be in place before anything enters.
    pub(super) fn make_ready(&mut self, settings: &Settings) -> Result<(), Error> {
        self.make(settings, true)?;
        self.apply_early(settings)
    }

    /// Does this to a cgroup in which nothing is yet, and makes again what is removed meanwhile: systemd does that on v1 to every
    /// empty cgroup, of whomever it is, of a controller that its units cease to use.
    pub(super) fn until_inside(
        &mut self,
        mut act: impl FnMut(&mut Group) -> Result<(), Error>,
    ) -> Result<(), Error> {
        let mut answer = act(self);
        for _ in 0..MOST_TRIES {
            let settings = match (&answer, &self.early) {
                (Err(error), Some(settings)) if !error.is_about_others() => settings.clone(),
                _ => break,
            };
            if !self.has_lost_some() {
                break;
            }
            answer = self.make_ready(&settings).and_then(|()| act(self));
        }
        answer
    }

    fn has_lost_some(&self) -> bool {
        self.existing().any(|dir| !dir.is_there())
    }

    /// Makes and opens the directory in every hierarchy where it is not there already.
    pub(super) fn make(&mut self, settings: &Settings, unused: bool) -> Result<(), Error> {
        // What v1 has v2 cannot have.
        let place = &self.place;
        let usual = USUAL
            .iter()
            .filter(|(_, v1)| !place.locations.iter().any(|location| location.has(v1)));
        let usual: Vec<&str> = usual.map(|(name, _)| *name).collect();
        let order: Vec<usize> = place.order().collect();
        for (round, &index) in order.iter().enumerate() {
            let location = &place.locations[index];
            if self.dirs[index].as_ref().is_some_and(Dir::is_there) {
                continue;
            }
            let claims = unused && round == 0;
            let mut tries = 0..MOST_TRIES;
            let made = loop {
                match make_one(location, settings, index, unused, claims, &usual) {
                    Ok(None) if tries.next().is_some() => {}
                    Err(error) if error.is_gone() && tries.next().is_some() => {}
                    Ok(None) => break Err(Error::Claimed),
                    Ok(Some(made)) => break Ok(made),
                    Err(error) => break Err(error),
                }
            };
            match made {
                Ok(made) => {
                    if made.reused && claims && location.is_unified() {
                        self.worn = devices::left_behind(&made.dir)?;
                    }
                    self.claim = made.claim.or(self.claim.take());
                    self.dirs[index] = Some(made.dir);
                }
                Err(error) if self.place.optional && error.is_refusal() => {
                    if let Some(requested) = settings.list.iter().find(|s| s.location == index) {
                        return Err(error.at(&requested.at));
                    }
                    log::debug!("goes without: {error}");
                }
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    /// After systemd has made the scope: opens what it made and makes what it does not care about.
    pub(crate) fn make_beside_systemd(&mut self, settings: &Settings) -> Result<(), Error> {
        self.make(settings, false)
    }
}

struct Made {
    dir: Dir,
    /// It was there already, used by somebody before.
    reused: bool,
    claim: Option<Claim>,
}

/// Makes one of them; `None` where it is to be made again, for somebody else had it meanwhile.
fn make_one(
    location: &Location,
    settings: &Settings,
    index: usize,
    unused: bool,
    claims: bool,
    usual: &[&str],
) -> Result<Option<Made>, Error> {
    let fresh = make_all(location)?;
    let mut requested = settings.list.iter().filter(|s| s.location == index);
    if fresh && !location.is_unified() && !location.has("devices") && requested.next().is_none() {
        return Ok(Some(Made {
            dir: Dir::named(&location.path),
            reused: false,
            claim: None,
        }));
    }
    let dir = Dir::open(&location.path)?;
    let claim = match claims {
        true => match take_claim(&dir, location)? {
            Some(claim) if is_as_it_was(&dir, fresh)? => claim,
            _ => return Ok(None),
        },
        false => None,
    };
    if unused && !fresh {
        check_unused(&dir, location)?;
    }
    if location.is_unified() {
        let requested = settings.list.iter().filter(|s| s.location == index);
        let usual = usual.iter().copied();
        let requested = requested.map(|s| s.controller.as_ref()).chain(usual);
        enable(location, &dir, requested)?;
    }
    Ok(Some(Made {
        dir,
        reused: unused && !fresh,
        claim,
    }))
}

/// Claims it, or waits for the process of whoever has; `None` if that one had it for a while and has let go of it, or removed it.
fn take_claim(dir: &Dir, location: &Location) -> Result<Option<Option<Claim>>, Error> {
    const PATIENCE: Duration = Duration::from_secs(3);
    let mut patience = Patience::of(PATIENCE);
    let mut has_waited = false;
    loop {
        match Claim::take(dir, location)? {
            Answer::Gone => return Ok(None),
            Answer::Mine(_) if has_waited => return Ok(None),
            Answer::Mine(claim) => return Ok(Some(claim)),
            Answer::Others => {}
        }
        match super::kill::processes_below(dir)?.len() {
            0 if patience.wait(Duration::from_millis(1)) => has_waited = true,
            0 => return Err(Error::Claimed),
            count => return Err(Error::NotEmpty(count)),
        }
    }
}

/// Makes the directory, and those above it which are missing. False when it was there already.
fn make_all(location: &Location) -> Result<bool, Error> {
    let mut missing: Vec<PathBuf> = vec![location.path.clone()];
    let mut fresh = false;
    while let Some(path) = missing.last() {
        match make_directory(path) {
            Ok(()) => {
                fresh = missing.len() == 1;
                missing.pop();
            }
            Err(fault) if fault.is(Errno::EEXIST) => {
                missing.pop();
            }
            Err(fault) if fault.is(Errno::ENOENT) => match path.parent() {
                Some(parent) if parent.starts_with(&location.mount) => {
                    missing.push(parent.to_owned())
                }
                _ => return Err(Error::file("create", path, fault)),
            },
            Err(fault) => return Err(Error::file("create", path, fault)),
        }
    }
    if location.has("cpuset") {
        inherit_cpuset(&location.path, &location.mount, fresh)?;
    }
    Ok(fresh)
}

fn make_directory(path: &Path) -> Result<(), Fault> {
    let name = c_string(path).map_err(|_| Fault::found(kernel::Call::Mkdirat, Errno::EINVAL))?;
    file::make_directory(HERE, &name, 0o755)
}

/// A new cpuset of v1 is empty and nothing can enter it: it starts with what its parent has.
fn inherit_cpuset(path: &Path, mount: &Path, fresh: bool) -> Result<(), Error> {
    let Some(above) = path.parent().filter(|_| path != mount) else {
        return Ok(());
    };
    for file in ["cpuset.cpus", "cpuset.mems"] {
        let own = path.join(file);
        // A new one that is not empty (`cgroup.clone_children`) has the same value.
        if !fresh && !read_whole(&own)?.trim().is_empty() {
            continue;
        }
        let parent = above.join(file);
        let mut value = read_whole(&parent)?;
        if value.trim().is_empty() {
            inherit_cpuset(above, mount, false)?;
            value = read_whole(&parent)?;
        }
        write_whole(&own, value.trim())?;
    }
    Ok(())
}

/// An existing cgroup may be used again if nothing is in it and whatever enters it would run.
fn check_unused(dir: &Dir, location: &Location) -> Result<(), Error> {
    let frozen = if location.is_unified() {
        dir.read_if_there("cgroup.freeze")?
            .is_some_and(|text| text.trim() == "1")
    } else if location.has("freezer") {
        dir.read_if_there("freezer.state")?
            .is_some_and(|text| text.trim() != "THAWED")
    } else {
        false
    };
    if frozen {
        return Err(Error::Frozen);
    }
    match super::kill::processes_below(dir)?.len() {
        0 => Ok(()),
        count => Err(Error::NotEmpty(count)),
    }
}

/// Enables the controllers that the settings need, and the usual ones, in every cgroup above.
///
/// The new cgroup's own list says what is enabled already, so on a machine that has run a container before this is one
/// file to read. A controller that the host does not have, or that cannot be enabled here, is an error only when a
/// setting needs it; that shows when its file is written.
fn enable<'a>(
    location: &Location,
    dir: &Dir,
    requested: impl Iterator<Item = &'a str>,
) -> Result<(), Error> {
    let has = |list: &str, name: &str| list.split_whitespace().any(|c| c == name);
    let requested: Vec<&str> = requested.filter(|name| *name != "cgroup").collect();
    if requested.is_empty() {
        return Ok(());
    }
    let enabled = dir.read("cgroup.controllers")?;
    if requested.iter().all(|name| has(&enabled, name)) {
        return Ok(());
    }
    let available = read_whole(&location.mount.join("cgroup.controllers"))?;
    if available.split_whitespace().all(|name| has(&enabled, name)) {
        return Ok(());
    }
    enable_above(location, &available)?;
    become_threaded_if_needed(dir)
}

/// From the root down to the parent. The kernel takes a list as a whole or not at all, so one that is refused is given
/// again piece by piece.
fn enable_above(location: &Location, available: &str) -> Result<(), Error> {
    let Ok(inside) = location.path.strip_prefix(&location.mount) else {
        return Ok(());
    };
    let all: String = available
        .split_whitespace()
        .map(|name| format!("+{name} "))
        .collect();
    let mut at = location.mount.clone();
    let mut parts = inside.components();
    parts.next_back();
    for part in std::iter::once(None).chain(parts.map(Some)) {
        if let Some(part) = part {
            at.push(part);
        }
        let dir = match Dir::open(&at) {
            Ok(dir) => dir,
            // Above what was delegated to the caller.
            Err(error) if error.is_refusal() => continue,
            Err(error) => return Err(error),
        };
        if let Err(error) = dir.write("cgroup.subtree_control", all.trim_end()) {
            log::debug!("{error}");
            for one in all.split_whitespace() {
                if let Err(error) = dir.write("cgroup.subtree_control", one) {
                    log::debug!("{error}");
                }
            }
        }
    }
    Ok(())
}

/// Below a threaded cgroup a new one is "domain invalid" and nothing can enter it before it is threaded, too.
fn become_threaded_if_needed(dir: &Dir) -> Result<(), Error> {
    let kind = dir.read_if_there("cgroup.type")?;
    if kind.is_some_and(|kind| kind.trim() == "domain invalid") {
        dir.write("cgroup.type", "threaded")?;
    }
    Ok(())
}

/// Enables one controller for an existing cgroup: an update may ask for what `create` did not need.
pub(super) fn enable_one(location: &Location, dir: &Dir) -> Result<(), Error> {
    let available = read_whole(&location.mount.join("cgroup.controllers"))?;
    let enabled = dir.read("cgroup.controllers")?;
    if available.split_whitespace().count() > enabled.split_whitespace().count() {
        enable_above(location, &available)?;
    }
    Ok(())
}
