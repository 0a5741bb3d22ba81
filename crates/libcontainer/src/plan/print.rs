//! A plan for people and for programs.

use std::fmt;

use init::{Step as _, StringTable};
use serde_json::json;

use super::{Devices, Entry, IdMaps, NAMESPACES, Plan, RuntimeStep, Step, Tree};

impl fmt::Display for RuntimeStep {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            RuntimeStep::OpenNamespace { path, flag, slot } => {
                let name = super::namespaces::name(*flag);
                write!(f, "open {name} namespace {} as slot {slot}", OneLine(path))
            }
            RuntimeStep::CopyTree(tree) => write_copy(f, tree),
            RuntimeStep::MapTree {
                slot, target, maps, ..
            } => match maps {
                Some(_) => write!(f, "map ids of tree {} for {}", slot, OneLine(target)),
                None => write!(
                    f,
                    "map ids of tree {} for {} as in the child's user namespace",
                    slot,
                    OneLine(target)
                ),
            },
            RuntimeStep::MakeIdMapping {
                slot,
                target,
                nested,
                ..
            } => {
                let below = if *nested {
                    " below the child's user namespace"
                } else {
                    ""
                };
                write!(
                    f,
                    "make id mapping for {}{below} as slot {slot}",
                    OneLine(target)
                )
            }
            RuntimeStep::ConnectConsole { slot } => {
                write!(f, "connect to the console socket as slot {slot}")
            }
            RuntimeStep::MakeCgroup { devices } => {
                f.write_str("make cgroup and apply limits")?;
                f.write_str(match devices {
                    Devices::IfPermitted => ", without device rules, which take privileges",
                    Devices::Now | Devices::Later => "",
                })
            }
            RuntimeStep::LimitDevices { if_permitted } => {
                f.write_str("apply device rules of the cgroup")?;
                f.write_str(match if_permitted {
                    true => ", if the caller may",
                    false => "",
                })
            }
            RuntimeStep::MakeResctrlGroup(requested) => write_resctrl_group(f, requested),
            RuntimeStep::StartChild { namespaces } => {
                f.write_str("start child")?;
                f.write_str(if *namespaces == 0 { "" } else { " in new " })?;
                write_flags(f, *namespaces)
            }
            RuntimeStep::PlaceChild => f.write_str("place child in cgroup"),
            RuntimeStep::PlaceInResctrlGroup => f.write_str("place child in resctrl group"),
            RuntimeStep::DelegateCgroup { user, outside } => {
                write_owner(f, "cgroup", *user, *outside)
            }
            RuntimeStep::GiveStreams { user, outside } => {
                write_owner(f, "pipes of standard streams", *user, *outside)
            }
            RuntimeStep::MapIds(maps) => write_maps(f, maps),
            RuntimeStep::CompareIds(_) => {
                f.write_str("compare the mappings of the joined user namespace")
            }
            RuntimeStep::OffsetClocks { lines } => {
                write!(f, "offset child's clocks {}", joined(lines))
            }
            RuntimeStep::MoveDevice { name, new_name } => {
                write!(f, "move network device {name} as {new_name}")
            }
            RuntimeStep::RecordProcess => f.write_str("record process"),
            RuntimeStep::RunHook { path, .. } => write!(f, "run hook {}", OneLine(path)),
        }
    }
}

fn write_copy(f: &mut fmt::Formatter<'_>, tree: &Tree) -> fmt::Result {
    write!(f, "copy mount {}", OneLine(&tree.source))?;
    f.write_str(if tree.recursive {
        " with all below"
    } else {
        ""
    })?;
    write!(f, " as tree {}", tree.slot)?;
    tree.attributes.describe(f)
}

/// `outside` is the user's id there, if the plan knows it.
fn write_owner(
    f: &mut fmt::Formatter<'_>,
    what: &str,
    user: u32,
    outside: Option<u32>,
) -> fmt::Result {
    match outside {
        Some(id) => write!(f, "give {what} to user {id}"),
        None => write!(
            f,
            "give {what} to user {user} of the child's user namespace"
        ),
    }
}

fn write_resctrl_group(
    f: &mut fmt::Formatter<'_>,
    requested: &crate::resctrl::Requested,
) -> fmt::Result {
    let name = match requested.group.as_str() {
        "" => "/",
        name => name,
    };
    write!(f, "make resctrl group {}", OneLine(name))?;
    let lines = [&requested.shares, &requested.schemata];
    for line in lines.iter().flat_map(|lines| lines.lines()) {
        write!(f, " {}", OneLine(line))?;
    }
    f.write_str(match requested.monitor {
        Some(_) => ", with a monitoring group",
        None => "",
    })
}

fn write_maps(f: &mut fmt::Formatter<'_>, maps: &IdMaps) -> fmt::Result {
    let lines = |list| joined(&IdMaps::lines(list));
    let (uids, gids) = (lines(&maps.uids), lines(&maps.gids));
    write!(f, "map child's users {uids}; groups {gids}")?;
    f.write_str(match maps.by_helper {
        true => " by newuidmap and newgidmap",
        false => "",
    })
}

/// Several lines as one.
fn joined(lines: &str) -> String {
    lines.trim_end().replace('\n', ", ")
}

fn write_flags(f: &mut fmt::Formatter<'_>, flags: u64) -> fmt::Result {
    let mut separator = "";
    for (name, _) in NAMESPACES.iter().filter(|(_, flag)| flags & flag != 0) {
        write!(f, "{separator}{name}")?;
        separator = ",";
    }
    Ok(())
}

/// A string of the config, without characters that could make one line look like two.
struct OneLine<'a>(&'a str);

impl fmt::Display for OneLine<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for character in self.0.chars() {
            if character.is_control() {
                write!(f, "{}", character.escape_default())?;
            } else {
                fmt::Write::write_char(f, character)?;
            }
        }
        Ok(())
    }
}

/// One step in words; a child's step needs the plan's text.
struct Words<'a>(&'a Entry, &'a Plan);

impl fmt::Display for Words<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0.step {
            Step::Runtime(step) => step.fmt(f),
            Step::Child(step) => step.describe(StringTable(&self.1.text), f),
        }
    }
}

impl Plan {
    /// What step `index` does, in words.
    pub fn describe(&self, index: usize) -> String {
        self.entries
            .get(index)
            .map_or_else(String::new, |entry| Words(entry, self).to_string())
    }

    /// The plan as JSON: `{"steps": [{"index", "by", "step", "does", "config"}], "warnings": [{"config", "text"}]}`.
    pub fn to_json(&self) -> String {
        let steps: Vec<_> = self
            .entries
            .iter()
            .enumerate()
            .map(|(index, entry)| {
                json!({"index": index, "by": entry.by(), "step": entry.name(), "does": self.describe(index), "config": entry.from.to_string()})
            })
            .collect();
        let warnings: Vec<_> = self
            .warnings
            .iter()
            .map(|(at, text)| json!({"config": at.to_string(), "text": text}))
            .collect();
        let document = json!({"steps": steps, "warnings": warnings});
        serde_json::to_string_pretty(&document).unwrap_or_default()
    }
}

impl Entry {
    /// The operation's name, as in the sources.
    pub fn name(&self) -> String {
        match &self.step {
            Step::Runtime(step) => {
                let printed = format!("{step:?}");
                let name = printed.split([' ', '(']).next();
                name.unwrap_or_default().to_owned()
            }
            Step::Child(step) => step.name().to_owned(),
        }
    }

    fn by(&self) -> &'static str {
        match self.step {
            Step::Runtime(_) => "runtime",
            Step::Child(_) => "child",
        }
    }
}

impl fmt::Display for Plan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let words: Vec<String> = (0..self.entries.len())
            .map(|index| self.describe(index))
            .collect();
        let width = words
            .iter()
            .map(|words| words.chars().count())
            .max()
            .unwrap_or(0)
            .min(72);
        for (index, (entry, words)) in self.entries.iter().zip(&words).enumerate() {
            let from = if entry.from.is_none() {
                "-".to_owned()
            } else {
                entry.from.to_string()
            };
            writeln!(f, "{index:>3}  {:<7}  {words:<width$}  {from}", entry.by())?;
            if matches!(entry.step, Step::Child(init::ChildStep::AwaitStart(_))) {
                writeln!(f, "     ───      created ─── waits for `start`")?;
            }
        }
        for (at, text) in &self.warnings {
            writeln!(f, "warning: {at}: {}", OneLine(text))?;
        }
        Ok(())
    }
}
