//! `gc`: finishes what a crash left.
//!
//! All that a container has outside of its folder stands in the record there (its process, its cgroup, its systemd unit), and
//! goes as `delete` makes it go. What no record names is not ours to touch. Its namespaces, with the mounts and the devices
//! of the network in them, have gone with its process.

use std::path::{Path, PathBuf};

use serde::Serialize;

use super::Locked;
use crate::state::{Held, Liveness, Record, Store, observe};
use crate::{Error, argument};

/// How [`gc`] works.
#[derive(Clone, Copy, Debug, Default)]
pub struct GcOptions {
    /// Only look.
    pub dry_run: bool,
    /// Also remove containers that have stopped and that nobody has deleted.
    pub stopped: bool,
}

/// A container of which only something is left.
#[derive(Clone, Debug, Serialize)]
pub struct Leftover {
    /// Its id.
    pub id: String,
    /// What has become of it.
    pub found: Found,
    /// What there is of it, by kind.
    pub parts: Vec<Part>,
    /// What was done about it.
    pub outcome: Outcome,
}

/// What has become of a container.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Found {
    /// Its runtime was killed before it had recorded anything: there is only the folder.
    Unrecorded,
    /// Its runtime was killed while it made the container, which never came to wait for `start`.
    Unfinished,
    /// The `run` that was to delete it was killed.
    Abandoned,
    /// A `delete` of it was killed.
    HalfDeleted,
    /// The machine was started anew since.
    EarlierBoot,
    /// It has stopped, in good order: whoever has created it may still want to know.
    Stopped,
    /// What it is cannot be read.
    Unreadable,
}

/// Something that is left.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Part {
    /// `process`, `cgroup`, `unit` or `state`.
    pub kind: &'static str,
    /// Its number, name or path.
    pub what: String,
}

/// What was done.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Outcome {
    /// It is gone.
    Removed,
    /// It would have been removed.
    ToBeRemoved,
    /// It was left alone.
    Kept,
    /// It could not be removed, or not be read, for this reason.
    Failed(String),
}

/// Removes what crashes of the runtime, or of the machine, have left of containers in a store. Containers that somebody works
/// on at the moment are left out, and so is what runs or waits for `start`.
///
/// # Errors
/// The store cannot be read. What happens with single containers is in the answer.
pub fn gc(store: &Store, options: &GcOptions) -> Result<Vec<Leftover>, Error> {
    let failed = |error| Error::file("list containers in", store.root(), error);
    let mut ids = Vec::new();
    let entries = match std::fs::read_dir(store.root()) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
        entries => entries.map_err(failed)?,
    };
    for entry in entries {
        let entry = entry.map_err(failed)?;
        let name = entry.file_name();
        let id = name.to_str().filter(|name| argument::is_id(name));
        if let Some(id) = id
            && entry.file_type().map_err(failed)?.is_dir()
        {
            ids.push(id.to_owned());
        }
    }
    ids.sort();
    let leftovers = ids
        .iter()
        .filter_map(|id| match examine(store, id, options) {
            Ok(leftover) => leftover,
            Err(error) => Some(Leftover {
                id: id.clone(),
                found: Found::Unreadable,
                parts: vec![state(&store.root().join(id))],
                outcome: Outcome::Failed(error.to_string()),
            }),
        });
    Ok(leftovers.collect())
}

/// One container; `None` when nothing is wrong with it, or when it is gone by now.
fn examine(store: &Store, id: &str, options: &GcOptions) -> Result<Option<Leftover>, Error> {
    let held = match store.folder(id).and_then(|folder| folder.try_lock()) {
        Ok(Some(held)) => held,
        // Somebody is at work, or was faster.
        Ok(None) => return Ok(None),
        Err(error) if error.is_not_found() => return Ok(None),
        Err(error) => return Err(error),
    };
    let path = store.root().join(id);
    let leftover = |found, parts, outcome| {
        Some(Leftover {
            id: id.to_owned(),
            found,
            parts,
            outcome,
        })
    };
    let Some(record) = held.record()? else {
        // Nothing of ours is in it. Then only an empty one is ours to remove.
        if held.has_strangers()? {
            return Ok(None);
        }
        let outcome = finish(options.dry_run, || held.remove());
        return Ok(leftover(Found::Unrecorded, vec![state(&path)], outcome));
    };
    if record.is_runcs {
        return Ok(None);
    }
    let Some(found) = classify(&held, &record)? else {
        return Ok(None);
    };
    let parts = parts(&record, &path)?;
    if found == Found::Stopped && !options.stopped {
        return Ok(leftover(found, parts, Outcome::Kept));
    }
    let locked = Locked {
        folder: held,
        record,
    };
    let outcome = finish(options.dry_run, || locked.destroy(true));
    Ok(leftover(found, parts, outcome))
}

fn finish(dry_run: bool, remove: impl FnOnce() -> Result<(), Error>) -> Outcome {
    if dry_run {
        return Outcome::ToBeRemoved;
    }
    match remove() {
        Ok(()) => Outcome::Removed,
        Err(error) => Outcome::Failed(error.to_string()),
    }
}

/// What has become of a recorded container that nobody works on; `None` for one that is in good order.
fn classify(held: &Held, record: &Record) -> Result<Option<Found>, Error> {
    if !observe::is_of_this_boot(record)? {
        return Ok(Some(Found::EarlierBoot));
    }
    let alive = matches!(observe::liveness(record)?, Liveness::Alive(_));
    if observe::was_unfinished(held, record)? {
        return Ok(Some(Found::Unfinished));
    }
    if alive {
        return Ok(None);
    }
    let abandoned = match record.waiter {
        Some(waiter) => !observe::lives(waiter.pid, waiter.identity)?,
        None => false,
    };
    Ok(Some(if abandoned {
        Found::Abandoned
    } else if is_half_deleted(held, record)? {
        Found::HalfDeleted
    } else {
        Found::Stopped
    }))
}

/// `delete` removes the cgroup first and the record last. (systemd removes an empty cgroup by itself, and some containers are
/// content without one.)
fn is_half_deleted(held: &Held, record: &Record) -> Result<bool, Error> {
    if observe::report(held)?.is_none() {
        return Ok(true);
    }
    Ok(match &record.cgroup {
        Some(place) if place.unit().is_none() && !place.is_optional() => {
            cgroups_of(record)?.is_empty()
        }
        _ => false,
    })
}

/// The directories of its cgroup that are there.
fn cgroups_of(record: &Record) -> Result<Vec<PathBuf>, Error> {
    let mut found: Vec<PathBuf> = Vec::new();
    for (_, path) in record.cgroup.iter().flat_map(cgroups::Place::paths) {
        let there = path
            .try_exists()
            .map_err(|error| Error::file("look at", path, error))?;
        if there && !found.iter().any(|known| known == path) {
            found.push(path.to_owned());
        }
    }
    Ok(found)
}

fn parts(record: &Record, path: &Path) -> Result<Vec<Part>, Error> {
    let mut parts = Vec::new();
    let mut add = |kind, what: String| parts.push(Part { kind, what });
    if let Liveness::Alive(_) = observe::liveness(record)? {
        add("process", record.pid.to_string());
    }
    if let Some(unit) = record.cgroup.as_ref().and_then(cgroups::Place::unit) {
        add("unit", unit.to_owned());
    }
    for path in cgroups_of(record)? {
        add("cgroup", path.display().to_string());
    }
    parts.push(state(path));
    Ok(parts)
}

fn state(path: &Path) -> Part {
    Part {
        kind: "state",
        what: path.display().to_string(),
    }
}
