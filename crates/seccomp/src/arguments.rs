//! Code for decisions that depend on arguments.

use std::collections::BTreeMap;

use crate::action::Action;
use crate::calls::Decision;
use crate::condition::{Condition, Test};
use crate::profile::Clause;
use crate::program::{Compare, Label, Writer};

/// Writes a decision; the answer is where it begins.
pub(crate) fn decide(writer: &mut Writer, decision: &Decision) -> Label {
    let mut next = writer.answer(decision.otherwise);
    let mut rest = &decision.clauses[..];
    while let Some(((last, action), before)) = rest.split_last() {
        let run = run(rest, decision.wide);
        if run > 1 {
            let (before, together) = rest.split_at(rest.len() - run);
            next = ranges(writer, together, next, decision);
            rest = before;
        } else {
            next = clause(writer, last, *action, next, decision);
            rest = before;
        }
    }
    next
}

/// How many clauses at the end are ranges of one and the same argument and nothing else.
fn run(clauses: &[(Clause, Action)], wide: bool) -> usize {
    let single = |clause: &Clause| match clause[..] {
        [condition] if condition.is_range(wide) => Some(condition.argument),
        _ => None,
    };
    let Some(argument) = clauses.last().and_then(|(clause, _)| single(clause)) else {
        return 0;
    };
    clauses
        .iter()
        .rev()
        .take_while(|(clause, _)| single(clause) == Some(argument))
        .count()
}

/// What a value of the argument leads to: an action, or none where the next clauses are to be asked.
type Steps = Vec<(u64, Option<Action>)>;
/// The same for one word.
type Low = Vec<(u32, Option<Action>)>;

/// The part of the steps with this high word.
fn low_words(steps: &Steps, high: u64) -> Low {
    let first = steps.partition_point(|(start, _)| *start <= high << 32);
    let mut low = vec![(0, steps[first - 1].1)];
    low.extend(
        steps[first..]
            .iter()
            .take_while(|(start, _)| start >> 32 == high)
            .map(|(start, to)| (*start as u32, *to)),
    );
    low
}

/// Ranges of one argument as one tree over its values.
fn ranges(
    writer: &mut Writer,
    clauses: &[(Clause, Action)],
    next: Label,
    decision: &Decision,
) -> Label {
    let argument = clauses[0].0[0].argument;
    let steps = steps(clauses, decision.wide);
    if !decision.wide {
        let low: Vec<(u32, Option<Action>)> = steps
            .iter()
            .map(|(start, to)| (*start as u32, *to))
            .collect();
        return word(writer, &low, next, low_offset(argument, decision));
    }
    // What the low word decides, for each high word at which something changes; high words that lead to the same share it.
    let mut words: Vec<u64> = steps
        .iter()
        .flat_map(|(start, _)| [start >> 32, (start >> 32) + 1])
        .collect();
    words.retain(|word| *word <= 0xffff_ffff);
    words.sort_unstable();
    words.dedup();
    let mut high: Vec<(u32, usize)> = Vec::new();
    let mut trees: Vec<Low> = Vec::new();
    let mut known: BTreeMap<Low, usize> = BTreeMap::new();
    for word in words {
        let low = low_words(&steps, word);
        let tree = *known.entry(low).or_insert_with_key(|low| {
            trees.push(low.clone());
            trees.len() - 1
        });
        if high.last().is_none_or(|(_, last)| *last != tree) {
            high.push((word as u32, tree));
        }
    }
    let mut heads: Vec<Option<Label>> = vec![None; trees.len()];
    let mut leaf = |writer: &mut Writer, tree: usize| {
        if let Some(head) = heads[tree] {
            return head;
        }
        let head = word(writer, &trees[tree], next, low_offset(argument, decision));
        heads[tree] = Some(head);
        head
    };
    if let [(_, only)] = high[..] {
        return leaf(writer, only);
    }
    writer.tree(&high, &mut leaf);
    writer.load(high_offset(argument, decision))
}

fn word(writer: &mut Writer, low: &[(u32, Option<Action>)], next: Label, offset: u32) -> Label {
    let mut leaf =
        |writer: &mut Writer, to: Option<Action>| to.map_or(next, |action| writer.answer(action));
    if let [(_, only)] = low[..] {
        return leaf(writer, only);
    }
    writer.tree(low, &mut leaf);
    writer.load(offset)
}

/// The clauses as a list of steps, the first clause winning.
fn steps(clauses: &[(Clause, Action)], wide: bool) -> Steps {
    let last = if wide { u64::MAX } else { 0xffff_ffff };
    let mut starts = vec![0];
    for (clause, _) in clauses {
        if let Some((first, end)) = clause[0].range(wide) {
            starts.push(first);
            if end < last {
                starts.push(end + 1);
            }
        }
    }
    starts.sort_unstable();
    starts.dedup();
    let mut steps: Steps = Vec::with_capacity(starts.len());
    let holds = |condition: &Condition, value: u64| {
        let inside = condition
            .range(wide)
            .is_some_and(|(first, end)| (first..=end).contains(&value));
        inside != condition.negated
    };
    for start in starts {
        let found = clauses.iter().find(|(clause, _)| holds(&clause[0], start));
        let to = found.map(|(_, action)| *action);
        if steps.last().is_none_or(|(_, last)| *last != to) {
            steps.push((start, to));
        }
    }
    steps
}

/// A clause of any kind: condition after condition, the last one written first.
fn clause(
    writer: &mut Writer,
    clause: &Clause,
    action: Action,
    next: Label,
    decision: &Decision,
) -> Label {
    let mut yes = writer.answer(action);
    for one in clause.iter().rev() {
        let (holds, fails) = if one.negated {
            (next, yes)
        } else {
            (yes, next)
        };
        yes = test(writer, *one, holds, fails, decision);
    }
    yes
}

fn test(
    writer: &mut Writer,
    condition: Condition,
    holds: Label,
    fails: Label,
    decision: &Decision,
) -> Label {
    let (high, low) = ((condition.value >> 32) as u32, condition.value as u32);
    let argument = condition.argument;
    match condition.test {
        Test::Masked(mask) => {
            let (high_mask, low_mask) = ((mask >> 32) as u32, mask as u32);
            let mut next = holds;
            if low_mask != 0 {
                next = writer.check(
                    low_offset(argument, decision),
                    low_mask,
                    Compare::Equal,
                    low,
                    next,
                    fails,
                );
            }
            if decision.wide && high_mask != 0 {
                next = writer.check(
                    high_offset(argument, decision),
                    high_mask,
                    Compare::Equal,
                    high,
                    next,
                    fails,
                );
            }
            next
        }
        Test::Greater | Test::GreaterOrEqual => {
            let compare = if condition.test == Test::Greater {
                Compare::Greater
            } else {
                Compare::GreaterOrEqual
            };
            let mut next = writer.check(
                low_offset(argument, decision),
                u32::MAX,
                compare,
                low,
                holds,
                fails,
            );
            if decision.wide {
                next = writer.check_more(high_offset(argument, decision), high, holds, next, fails);
            }
            next
        }
    }
}

/// Offset of an argument's low word in `struct seccomp_data`.
fn low_offset(argument: u8, decision: &Decision) -> u32 {
    16 + 8 * u32::from(argument) + if decision.big_endian { 4 } else { 0 }
}

fn high_offset(argument: u8, decision: &Decision) -> u32 {
    16 + 8 * u32::from(argument) + if decision.big_endian { 0 } else { 4 }
}
