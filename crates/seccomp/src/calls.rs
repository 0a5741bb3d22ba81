//! From rules to ranges of system call numbers, for each architecture as the kernel tells them apart.

use std::collections::BTreeMap;

use crate::action::Action;
use crate::architecture::{Architecture, Multiplexer, X32_BIT};
use crate::condition::{self, Condition};
use crate::profile::{Clause, Profile, Rule, root};
use crate::{Error, MAX_INSTRUCTIONS, Why};

/// What happens to a range of numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Leaf {
    Return(Action),
    /// Arguments decide: an index into [`Group::decisions`].
    Decide(usize),
}

/// Clauses that are asked in order; the first that holds answers.
#[derive(Debug)]
pub(crate) struct Decision {
    pub(crate) clauses: Vec<(Clause, Action)>,
    pub(crate) otherwise: Action,
    /// Whether both words of arguments count.
    pub(crate) wide: bool,
    pub(crate) big_endian: bool,
}

/// All numbers of one value of `seccomp_data.arch`.
#[derive(Debug)]
pub(crate) struct Group {
    pub(crate) audit: u32,
    /// One, or x86-64 and x32.
    pub(crate) architectures: Vec<Architecture>,
    /// First number of each range; the last range has no end.
    pub(crate) ranges: Vec<(u32, Leaf)>,
    pub(crate) decisions: Vec<Decision>,
}

/// The ranges of a profile, in the order of its architectures.
pub(crate) fn groups(profile: &Profile) -> Result<Vec<Group>, Error> {
    let mut groups: Vec<Group> = Vec::new();
    for architecture in &profile.architectures {
        match groups
            .iter_mut()
            .find(|group| group.audit == architecture.audit())
        {
            Some(group) => group.architectures.push(*architecture),
            None => groups.push(Group {
                audit: architecture.audit(),
                architectures: vec![*architecture],
                ranges: Vec::new(),
                decisions: Vec::new(),
            }),
        }
    }
    for group in &mut groups {
        group.fill(profile)?;
    }
    Ok(groups)
}

impl Group {
    fn fill(&mut self, profile: &Profile) -> Result<(), Error> {
        let default = Leaf::Return(profile.default);
        let wrong = Leaf::Return(Action::WRONG_ARCHITECTURE);
        let x32 = self.architectures.contains(&Architecture::X32);
        let architecture = self
            .architectures
            .iter()
            .copied()
            .find(|one| *one != Architecture::X32);
        if let Some(architecture) = architecture {
            self.push(0, default);
            self.calls(architecture, profile)?;
        } else {
            self.push(0, wrong);
        }
        if x32 {
            self.push(X32_BIT, default);
            self.calls(Architecture::X32, profile)?;
        } else if architecture == Some(Architecture::X86_64) {
            self.push(X32_BIT, wrong);
            // A tracer sets the number to -1 to skip a call; the filter runs again after it and must not kill then (seccomp(2)).
            self.push(u32::MAX, default);
        }
        Ok(())
    }

    /// Appends the calls of one architecture and what follows the newest of them.
    fn calls(&mut self, architecture: Architecture, profile: &Profile) -> Result<(), Error> {
        let default = Leaf::Return(profile.default);
        let mut resolver = Resolver::new(architecture, profile, &mut self.decisions);
        let mut ranges = std::mem::take(&mut self.ranges);
        let entries = entries(architecture, profile);
        let newest = newest(architecture, profile, &entries).filter(|_| profile.refuse_newer);
        let newer = |after: Option<u32>| {
            newest
                .and(after)
                .map(|last| (last + 1, Leaf::Return(Action::ENOSYS)))
        };
        let mut aside = architecture.set_aside();
        for same in entries.chunk_by(|one, other| one >> 32 == other >> 32) {
            let number = (same[0] >> 32) as u32;
            if let Some((start, _)) = aside.take_if(|(start, _)| number >= *start) {
                extend(&mut ranges, newer(newest));
                push(&mut ranges, start, default);
            }
            let leaf = resolver.leaf(same)?;
            push(&mut ranges, number, leaf);
            push(&mut ranges, number + 1, default);
        }
        if let Some((start, _)) = aside {
            extend(&mut ranges, newer(newest));
            push(&mut ranges, start, default);
        }
        match architecture.set_aside() {
            Some((_, u32::MAX)) => {}
            Some((_, end)) => extend(&mut ranges, newer(Some(end - 1))),
            None => extend(&mut ranges, newer(newest)),
        }
        if newest.is_some() && architecture.name().starts_with("SCMP_ARCH_S390") {
            // setup(2), which nothing calls: the number under which a call arrives that is too new for the kernel.
            let first = ranges.get(1).map_or(u32::MAX, |(start, _)| *start);
            ranges[0] = (0, Leaf::Return(Action::ENOSYS));
            if first > 1 {
                ranges.insert(1, (1, default));
            }
        }
        self.ranges = ranges;
        Ok(())
    }

    fn push(&mut self, start: u32, leaf: Leaf) {
        push(&mut self.ranges, start, leaf);
    }
}

fn extend(ranges: &mut Vec<(u32, Leaf)>, range: Option<(u32, Leaf)>) {
    if let Some((start, leaf)) = range {
        push(ranges, start, leaf);
    }
}

/// Appends a range, merged with an equal neighbour and in place of an empty one.
fn push(ranges: &mut Vec<(u32, Leaf)>, start: u32, leaf: Leaf) {
    debug_assert!(ranges.last().is_none_or(|(last, _)| *last <= start));
    if ranges.last().is_some_and(|(last, _)| *last == start) {
        ranges.pop();
    }
    if ranges.last().is_none_or(|(_, last)| *last != leaf) {
        ranges.push((start, leaf));
    }
}

/// The largest number that the profile has an answer for on this architecture: what its author knew. Rules without effect count
/// too, and so do socketcall and ipc where they stand for a call that is named.
fn newest(architecture: Architecture, profile: &Profile, entries: &[u64]) -> Option<u32> {
    let ruled = entries.iter().map(|entry| (entry >> 32) as u32);
    let redundant = profile
        .redundant
        .iter()
        .filter_map(|name| architecture.number(*name));
    let aside = architecture
        .set_aside()
        .map_or(u32::MAX, |(start, _)| start);
    ruled
        .chain(redundant)
        .filter(|number| *number < aside)
        .max()
}

/// Number in the upper half, position in `profile.names` times two in the lower, plus one where the call is reached through
/// socketcall or ipc. Sorted: by number, then in the order of the profile.
fn entries(architecture: Architecture, profile: &Profile) -> Vec<u64> {
    let mut entries = Vec::with_capacity(profile.names.len() + 32);
    let socketcall = Multiplexer::Socketcall.number(architecture);
    let ipc = Multiplexer::Ipc.number(architecture);
    for (position, (name, _)) in profile.names.iter().enumerate() {
        let position = position as u64 * 2;
        if let Some(number) = architecture.number(*name) {
            entries.push(u64::from(number) << 32 | position);
        }
        let through = match name.behind() {
            Some((Multiplexer::Socketcall, _)) => socketcall,
            Some((Multiplexer::Ipc, _)) => ipc,
            None => None,
        };
        if let Some(number) = through {
            entries.push(u64::from(number) << 32 | position | 1);
        }
    }
    by_number(entries)
}

/// Sorts entries, which stand in the order of the profile, by number: they are counted, since numbers lie close together.
fn by_number(entries: Vec<u64>) -> Vec<u64> {
    const MOST_COUNTED: u32 = 4096;
    let numbers = || entries.iter().map(|entry| (entry >> 32) as u32);
    let (first, last) = (numbers().min().unwrap_or(0), numbers().max().unwrap_or(0));
    if last - first >= MOST_COUNTED {
        // The calls that only ARM has lie far away.
        let mut entries = entries;
        entries.sort_unstable();
        return entries;
    }
    let mut places = vec![0usize; (last - first) as usize + 2];
    for number in numbers() {
        places[(number - first) as usize + 1] += 1;
    }
    for at in 1..places.len() {
        places[at] += places[at - 1];
    }
    let mut sorted = vec![0; entries.len()];
    for entry in &entries {
        let place = &mut places[((entry >> 32) as u32 - first) as usize];
        sorted[*place] = *entry;
        *place += 1;
    }
    sorted
}

/// Rules of one number, with the multiplexed call they came through (0: none).
type Rules = Vec<(u32, u8)>;

struct Resolver<'a> {
    profile: &'a Profile,
    wide: bool,
    big_endian: bool,
    decisions: &'a mut Vec<Decision>,
    /// Calls with the same rules share one decision.
    known: BTreeMap<Rules, Leaf>,
}

impl<'a> Resolver<'a> {
    fn new(
        architecture: Architecture,
        profile: &'a Profile,
        decisions: &'a mut Vec<Decision>,
    ) -> Resolver<'a> {
        Resolver {
            profile,
            wide: architecture.wide(),
            big_endian: architecture.big_endian(),
            decisions,
            known: BTreeMap::new(),
        }
    }

    fn leaf(&mut self, same: &[u64]) -> Result<Leaf, Error> {
        let entry = |key: u64| (self.profile.names[(key as u32 / 2) as usize], key & 1 != 0);
        let ((_, rule), through) = entry(same[0]);
        let first = &self.profile.rules[rule as usize];
        // The usual case, and final whatever follows: see `decide`.
        if first.clauses.is_empty() && !through {
            return Ok(Leaf::Return(first.action));
        }
        let rules: Rules = same
            .iter()
            .map(|key| {
                let ((name, rule), through) = entry(*key);
                (
                    rule,
                    if through {
                        name.behind().map_or(0, |(_, call)| call)
                    } else {
                        0
                    },
                )
            })
            .collect();
        if let Some(leaf) = self.known.get(&rules) {
            return Ok(*leaf);
        }
        let leaf = self.decide(&rules)?;
        self.known.insert(rules, leaf);
        Ok(leaf)
    }

    /// A rule without conditions replaces all conditional ones of its call, and the first such rule stands.
    fn decide(&mut self, rules: &[(u32, u8)]) -> Result<Leaf, Error> {
        let mut clauses: Vec<(Clause, &Rule)> = Vec::new();
        for (rule, through) in rules {
            let rule = &self.profile.rules[*rule as usize];
            let everywhere = [Vec::new()];
            let alternatives = if rule.clauses.is_empty() {
                &everywhere[..]
            } else {
                &rule.clauses[..]
            };
            for clause in alternatives {
                let clause = adapt(clause, *through, self.wide);
                if clause.is_empty() {
                    return Ok(Leaf::Return(rule.action));
                }
                clauses.push((clause, rule));
            }
        }
        if clauses.len() > MAX_INSTRUCTIONS {
            return Err(Error {
                at: root().then("syscalls"),
                why: Why::TooLong(clauses.len()),
            });
        }
        let action = clauses[0].1.action;
        let decided = if clauses.iter().all(|(_, rule)| rule.action == action) {
            let mut decided: Vec<(Clause, Action)> = clauses
                .into_iter()
                .map(|(clause, _)| (clause, action))
                .collect();
            // All say the same: any order will do, and this one brings comparisons of one argument together.
            decided.sort_unstable_by(|(one, _), (other, _)| {
                (one.len(), one).cmp(&(other.len(), other))
            });
            decided.dedup();
            decided
        } else {
            contradictions(&clauses)?;
            let conditions: Vec<Clause> =
                clauses.iter().map(|(clause, _)| clause.clone()).collect();
            let order = condition::order(&conditions, self.wide);
            order
                .into_iter()
                .map(|index| (conditions[index].clone(), clauses[index].1.action))
                .collect()
        };
        self.decisions.push(Decision {
            clauses: decided,
            otherwise: self.profile.default,
            wide: self.wide,
            big_endian: self.big_endian,
        });
        Ok(Leaf::Decide(self.decisions.len() - 1))
    }
}

/// A clause as this architecture can check it. Behind socketcall and ipc the first argument says which call is meant, and the
/// condition on the call's own first argument, which lies in memory that a filter cannot read, gives way.
fn adapt(clause: &Clause, through: u8, wide: bool) -> Clause {
    let multiplexer = (through != 0).then(|| Condition::equal(0, u64::from(through)));
    let own = clause
        .iter()
        .filter(|condition| through == 0 || condition.argument != 0);
    multiplexer
        .into_iter()
        .chain(own.copied())
        .map(|condition| {
            if wide {
                condition
            } else {
                condition.low_word()
            }
        })
        .filter(|condition| !condition.always())
        .collect()
}

/// Two rules with the same conditions, or a later one with fewer, but another action: no order could make both true.
fn contradictions(clauses: &[(Clause, &Rule)]) -> Result<(), Error> {
    let mut seen: BTreeMap<&[Condition], &Rule> = BTreeMap::new();
    for (clause, rule) in clauses {
        let longer = seen
            .range(clause.as_slice()..)
            .take_while(|(known, _)| known.starts_with(clause));
        for (_, other) in longer {
            if other.action != rule.action {
                let at = root().then("syscalls").index(rule.index).then("args");
                return Err(Error {
                    at,
                    why: Why::Contradicts(other.index),
                });
            }
        }
        seen.entry(clause).or_insert(rule);
    }
    Ok(())
}
