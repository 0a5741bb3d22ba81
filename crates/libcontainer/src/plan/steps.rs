//! The runtime's operations: what must be done from outside.

use init::Slot;
use init::slots::kind;
use init::step::Attributes;
use spec::IdMapping;

use super::hooks::HookKind;
use crate::resctrl::Requested;

/// What the runtime performs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RuntimeStep {
    /// Opens a namespace file and checks its type.
    OpenNamespace {
        /// The file.
        path: String,
        /// Type that it must have, as [`kernel::namespace::flags`].
        flag: u64,
        /// Where the descriptor goes.
        slot: Slot<kind::Joinable>,
    },
    /// Copies a mount of the host, detached, with its new attributes.
    CopyTree(Tree),
    /// Gives a copied tree the id mapping of a user namespace.
    MapTree {
        /// The tree.
        slot: Slot<kind::Mount>,
        /// Where in the container, for messages.
        target: String,
        /// With everything mounted below.
        recursive: bool,
        /// The mapping; `None` takes the child's user namespace.
        maps: Option<IdMaps>,
    },
    /// Makes a user namespace with the id mapping of a mount, for the child to use.
    MakeIdMapping {
        /// Where the descriptor goes.
        slot: Slot<kind::Joinable>,
        /// Where in the container, for messages.
        target: String,
        /// The mapping.
        maps: IdMaps,
        /// It is one below the child's.
        nested: bool,
    },
    /// Connects to the socket that wants the terminal.
    ConnectConsole {
        /// Where the descriptor goes.
        slot: Slot<kind::Socket>,
    },
    /// Makes the cgroup and applies the limits.
    MakeCgroup {
        /// When those about devices.
        devices: Devices,
    },
    /// Applies the cgroup's rules about devices, which the kernel does all at once.
    LimitDevices {
        /// They take privileges, which the caller does not seem to have.
        if_permitted: bool,
    },
    /// Makes the resctrl group, or judges the one that is there, and gives it its shares.
    MakeResctrlGroup(Requested),
    /// Starts the child.
    StartChild {
        /// Namespaces that it starts in.
        namespaces: u64,
    },
    /// Puts the child into the cgroup, unless it was started there.
    PlaceChild,
    /// Puts the child into the resctrl group.
    PlaceInResctrlGroup,
    /// Gives the cgroup to the user whom the program will run as.
    DelegateCgroup {
        /// The user's id in the container.
        user: u32,
        /// The same user's id outside; `None`: the mapping of the user namespace that the child has joined tells.
        outside: Option<u32>,
    },
    /// Gives pipes that are standard streams to the user whom the program will run as: inside, their owner is not mapped.
    GiveStreams {
        /// The user's id in the container.
        user: u32,
        /// The same user's id outside; `None`: the mapping of the user namespace that the child has joined tells.
        outside: Option<u32>,
    },
    /// Writes the child's id mappings.
    MapIds(IdMaps),
    /// Compares the mappings of the user namespace that the child has joined with those of the config.
    CompareIds(IdMaps),
    /// Writes the offsets of the child's new time namespace.
    OffsetClocks {
        /// Lines for `timens_offsets`.
        lines: String,
    },
    /// Moves a network device of the host to the child's network namespace.
    MoveDevice {
        /// Its name on the host.
        name: String,
        /// Its name there, perhaps with `%d` for a number.
        new_name: String,
    },
    /// Stores which process is the container.
    RecordProcess,
    /// Runs a hook.
    RunHook {
        /// Which list.
        kind: HookKind,
        /// Which of the list.
        index: usize,
        /// The program, for people.
        path: String,
    },
}

impl RuntimeStep {
    /// Whether it needs nothing of what the child does before: the runtime does it ahead, while the child is at work, and the
    /// child waits only if it comes to it first.
    pub fn is_ahead(&self) -> bool {
        matches!(self, RuntimeStep::LimitDevices { .. })
    }
}

/// When a cgroup's rules about devices are applied.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Devices {
    /// With the limits.
    Now,
    /// With the limits, if the caller has privileges after all.
    IfPermitted,
    /// By [`RuntimeStep::LimitDevices`].
    Later,
}

/// A bind mount that is copied outside.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tree {
    /// Path on the host.
    pub source: String,
    /// With everything mounted below.
    pub recursive: bool,
    /// What it is changed to.
    pub attributes: Attributes,
    /// The propagation that the rest of the container has: a copy must not stay the host's peer.
    pub propagation: u64,
    /// Where the descriptor goes.
    pub slot: Slot<kind::Mount>,
}

/// The id mappings of a user namespace.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct IdMaps {
    /// User ids.
    pub uids: Vec<IdMapping>,
    /// Group ids.
    pub gids: Vec<IdMapping>,
    /// Written by newuidmap(1) and newgidmap(1).
    pub by_helper: bool,
    /// setgroups(2) must be denied first.
    pub deny_setgroups: bool,
}

impl IdMaps {
    /// What an id of the container is outside.
    pub fn outside(mappings: &[IdMapping], id: u32) -> Option<u32> {
        mappings.iter().find_map(|line| {
            let offset = id.checked_sub(line.container_id)?;
            line.host_id
                .checked_add(offset)
                .filter(|_| offset < line.size)
        })
    }

    /// Mappings to ids outside, as mappings to ids of the user namespace that has `outer`. None if that does not map all.
    pub fn inside(outer: &[IdMapping], mappings: &[IdMapping]) -> Option<Vec<IdMapping>> {
        let mut found = Vec::new();
        for line in mappings {
            let mut done = 0;
            while done < line.size {
                let host_id = line.host_id.checked_add(done)?;
                let (offset, outer) = outer.iter().find_map(|outer| {
                    let offset = host_id.checked_sub(outer.host_id)?;
                    (offset < outer.size).then_some((offset, outer))
                })?;
                let size = (line.size - done).min(outer.size - offset);
                found.push(IdMapping {
                    container_id: line.container_id.checked_add(done)?,
                    host_id: outer.container_id.checked_add(offset)?,
                    size,
                });
                done += size;
            }
        }
        Some(found)
    }

    /// The lines of a map file.
    pub fn lines(mappings: &[IdMapping]) -> String {
        mappings.iter().fold(String::new(), |mut text, line| {
            use std::fmt::Write;
            let _ = writeln!(text, "{} {} {}", line.container_id, line.host_id, line.size);
            text
        })
    }
}
