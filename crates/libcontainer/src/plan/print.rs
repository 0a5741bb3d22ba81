//! A plan for people and for programs.

use std::fmt;

use init::{Step as _, Text};
use kernel::mount::attributes;
use serde_json::json;

use super::options::{self, Meaning};
use super::{Entry, NAMESPACES, Plan, RuntimeStep, Step, Tree};

impl fmt::Display for RuntimeStep {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            RuntimeStep::OpenNamespace { path, flag, slot } => {
                write!(
                    f,
                    "open {} namespace {} as slot {}",
                    super::namespaces::name(*flag),
                    OneLine(path),
                    slot
                )
            }
            RuntimeStep::CopyTree(tree) => {
                let below = if tree.recursive {
                    " with all below"
                } else {
                    ""
                };
                write!(
                    f,
                    "copy mount {}{below} as tree {}",
                    OneLine(&tree.source),
                    tree.slot
                )?;
                write_attributes(f, tree)
            }
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
                write!(f, "connect to the console socket as slot {}", slot)
            }
            RuntimeStep::MakeCgroup {
                without_devices: false,
            } => f.write_str("make cgroup and apply limits"),
            RuntimeStep::MakeCgroup {
                without_devices: true,
            } => f.write_str(
                "make cgroup and apply limits, without device rules, which take privileges",
            ),
            RuntimeStep::MakeResctrlGroup(wanted) => {
                let name = match wanted.group.as_str() {
                    "" => "/",
                    name => name,
                };
                write!(f, "make resctrl group {}", OneLine(name))?;
                let lines = [&wanted.shares, &wanted.schemata];
                for line in lines.iter().flat_map(|lines| lines.lines()) {
                    write!(f, " {}", OneLine(line))?;
                }
                f.write_str(match wanted.monitor {
                    Some(_) => ", with a monitoring group",
                    None => "",
                })
            }
            RuntimeStep::StartChild { namespaces: 0 } => f.write_str("start child"),
            RuntimeStep::StartChild { namespaces } => {
                f.write_str("start child in new ")?;
                write_flags(f, *namespaces)
            }
            RuntimeStep::PlaceChild => f.write_str("place child in cgroup"),
            RuntimeStep::PlaceInResctrlGroup => f.write_str("place child in resctrl group"),
            RuntimeStep::DelegateCgroup {
                outside: Some(id), ..
            } => write!(f, "give cgroup to user {id}"),
            RuntimeStep::DelegateCgroup {
                user,
                outside: None,
            } => write!(
                f,
                "give cgroup to user {user} of the child's user namespace"
            ),
            RuntimeStep::GiveStreams {
                outside: Some(id), ..
            } => write!(f, "give pipes of standard streams to user {id}"),
            RuntimeStep::GiveStreams {
                user,
                outside: None,
            } => write!(
                f,
                "give pipes of standard streams to user {user} of the child's user namespace"
            ),
            RuntimeStep::MapIds(maps) => {
                let how = if maps.by_helper {
                    " by newuidmap and newgidmap"
                } else {
                    ""
                };
                let lines = |list| super::IdMaps::lines(list).trim_end().replace('\n', ", ");
                write!(
                    f,
                    "map child's users {}; groups {}{how}",
                    lines(&maps.uids),
                    lines(&maps.gids)
                )
            }
            RuntimeStep::CompareIds(_) => {
                f.write_str("compare the mappings of the joined user namespace")
            }
            RuntimeStep::OffsetClocks { lines } => write!(
                f,
                "offset child's clocks {}",
                lines.trim_end().replace('\n', ", ")
            ),
            RuntimeStep::MoveDevice { name, new_name } => {
                write!(f, "move network device {name} as {new_name}")
            }
            RuntimeStep::Record => f.write_str("record process"),
            RuntimeStep::RunHook { path, .. } => write!(f, "run hook {}", OneLine(path)),
        }
    }
}

fn write_flags(f: &mut fmt::Formatter<'_>, flags: u64) -> fmt::Result {
    let mut separator = "";
    for (name, _) in NAMESPACES.iter().filter(|(_, flag)| flags & flag != 0) {
        write!(f, "{separator}{name}")?;
        separator = ",";
    }
    Ok(())
}

/// The attributes that a copied mount gets, as mount options.
fn write_attributes(f: &mut fmt::Formatter<'_>, tree: &Tree) -> fmt::Result {
    for (title, value) in [
        (" set ", tree.set),
        (" clear ", (tree.clear | tree.release) & !attributes::ATIME),
        (" recursively set ", tree.deep_set),
        (" recursively clear ", tree.deep_clear & !attributes::ATIME),
    ] {
        let words = options::TABLE.iter().filter(|(_, meaning)| {
            matches!(meaning, Meaning::Flag { on: true, attribute, .. } if attribute & value != 0)
        });
        for (index, (word, _)) in words.enumerate() {
            f.write_str(if index == 0 { title } else { "," })?;
            f.write_str(word)?;
        }
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
            Step::Child(step) => step.describe(Text(&self.1.text), f),
        }
    }
}

impl Plan {
    /// What step `index` does, in words.
    pub fn words(&self, index: usize) -> String {
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
                json!({"index": index, "by": entry.by(), "step": entry.name(), "does": self.words(index), "config": entry.from.to_string()})
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
            .map(|index| self.words(index))
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
