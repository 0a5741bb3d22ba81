//! `--mutants`: runs every test against a runtime that is wrong in one thing, and lists what no test notices.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use crate::case::Suite;
use crate::mutant::Mutant;
use crate::report::Outcome;
use crate::row::Row;
use crate::schedule::{self, Job};

/// Runs the controls and prints the lists; the exit status is 1 when a test cannot fail.
pub(crate) fn run(suite: &Arc<Suite>, rows: &[&'static Row], threads: usize) -> i32 {
    let plain = rows.iter().map(|row| Job { row, mutant: None });
    let plain = schedule::run(suite, plain.collect(), threads, &|_| {});
    let mut jobs = Vec::new();
    let mut passing = BTreeSet::new();
    for done in plain.iter().filter(|done| done.outcome == Outcome::Pass) {
        passing.insert(done.row.id);
        let mutants = mutants(suite, &done.set);
        jobs.extend(mutants.into_iter().map(|mutant| Job {
            row: done.row,
            mutant: Some(mutant),
        }));
    }
    let count = jobs.len();
    let done = schedule::run(suite, jobs, threads, &|_| {});
    let mut noticed: BTreeMap<&str, usize> = BTreeMap::new();
    let mut fields: BTreeMap<String, bool> = BTreeMap::new();
    for one in &done {
        let failed = one.outcome != Outcome::Pass;
        *noticed.entry(one.row.id).or_default() += usize::from(failed);
        if let Some(field) = one.mutant.as_ref().and_then(Mutant::field) {
            *fields.entry(field).or_default() |= failed;
        }
    }
    println!(
        "{count} mutants of {} tests that pass; {} tests do not pass and were left out",
        passing.len(),
        plain.len() - passing.len()
    );
    let unnoticed: Vec<&String> = fields
        .iter()
        .filter(|(_, noticed)| !**noticed)
        .map(|(field, _)| field)
        .collect();
    println!("properties whose loss no test notices: {unnoticed:?}");
    let blind: Vec<&&str> = passing
        .iter()
        .filter(|id| noticed.get(*id).copied().unwrap_or(0) == 0)
        .collect();
    println!("tests that no mutant fails: {blind:?}");
    i32::from(!blind.is_empty())
}

/// A test that configures something must miss that very thing; one that does not must notice wrong operations.
fn mutants(suite: &Suite, set: &[String]) -> Vec<Mutant> {
    if set.is_empty() {
        let all = Mutant::of_operations(suite.runtime.features.as_ref());
        // Without any container every test fails: that would prove nothing.
        return all
            .into_iter()
            .filter(|one| *one != Mutant::Idle("create"))
            .collect();
    }
    let both = |pointer: &String| {
        [
            Mutant::Drop(pointer.clone()),
            Mutant::Alter(pointer.clone()),
        ]
    };
    set.iter().flat_map(both).collect()
}
