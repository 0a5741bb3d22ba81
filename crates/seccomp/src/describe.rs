//! A profile as people read it: what happens to which call, per architecture.

use std::fmt::Write as _;

use spec::Seccomp;

use crate::architecture::Architecture;
use crate::calls::{self, Decision, Group, Leaf};
use crate::profile::Profile;
use crate::{Error, Support};

/// The decisions that [`compile`](crate::compile) would write, as text: ranges of numbers with the names in them, then what happens.
///
/// Fails as `compile` does.
pub fn describe(profile: &Seccomp<'_>, kernel: &Support) -> Result<String, Error> {
    let profile = Profile::read(profile, kernel)?;
    let mut text = String::new();
    for group in calls::groups(&profile)? {
        describe_group(&mut text, &group);
    }
    // Writing to a String cannot fail.
    let _ = writeln!(
        text,
        "any other architecture: {}",
        crate::action::Action::WRONG_ARCHITECTURE
    );
    Ok(text)
}

fn describe_group(text: &mut String, group: &Group) {
    let names: Vec<&str> = group.architectures.iter().map(|one| one.name()).collect();
    let _ = writeln!(text, "{} (audit {:#010x})", names.join(", "), group.audit);
    for (index, (start, leaf)) in group.ranges.iter().enumerate() {
        let end = group.ranges.get(index + 1).map(|(next, _)| next - 1);
        let range = match end {
            Some(end) if end == *start => format!("{start}"),
            Some(end) => format!("{start}-{end}"),
            None => format!("{start}-"),
        };
        let calls = calls_between(group, *start, end.unwrap_or(u32::MAX));
        let calls = if calls.is_empty() {
            "no known call".to_owned()
        } else {
            calls.join(" ")
        };
        match leaf {
            Leaf::Return(action) => {
                let _ = writeln!(text, "  {range}: {action}: {calls}");
            }
            Leaf::Decide(index) => {
                let _ = writeln!(text, "  {range}: by arguments: {calls}");
                describe_decision(text, &group.decisions[*index]);
            }
        }
    }
}

fn calls_between(group: &Group, first: u32, last: u32) -> Vec<&'static str> {
    let mut found: Vec<(u32, &'static str)> = Vec::new();
    for architecture in &group.architectures {
        found.extend(
            Architecture::calls(*architecture)
                .filter(|(number, _)| (first..=last).contains(number)),
        );
    }
    found.sort_unstable();
    found.into_iter().map(|(_, name)| name).collect()
}

fn describe_decision(text: &mut String, decision: &Decision) {
    for (clause, action) in &decision.clauses {
        let conditions: Vec<String> = clause.iter().map(ToString::to_string).collect();
        let _ = writeln!(text, "    {}: {action}", conditions.join(" and "));
    }
    let _ = writeln!(text, "    otherwise: {}", decision.otherwise);
}
