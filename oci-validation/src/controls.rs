//! `--mutants`: runs every test against a runtime that is wrong in one thing, and lists what no test notices.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use crate::case::Suite;
use crate::container::CONTROLS;
use crate::mutant::Mutant;
use crate::report::Outcome;
use crate::row::Row;
use crate::schedule::{self, Done, Job};

/// Properties whose loss no test can notice, and why.
const UNSEEN: &[(&str, &str)] = &[
    (
        "/linux/resources/network/priorities/[]/name",
        "without net_prio in the kernel an entry is refused whatever it holds",
    ),
    (
        "/linux/resources/network/priorities/[]/priority",
        "as the name",
    ),
];

/// Runs the controls and prints the lists; the exit status is 1 when a test cannot fail, or a property can be lost.
pub(crate) fn run(suite: &Arc<Suite>, rows: &[&'static Row], threads: usize) -> i32 {
    let plain = rows.iter().map(|row| Job { row, mutant: None });
    let plain = schedule::run(suite, plain.collect(), threads, &|_| {});
    CONTROLS.store(true, Ordering::Relaxed);
    let passing = |done: &&Done| done.outcome == Outcome::Pass;
    let mut found = Found::default();
    // What a test configures is taken away from it, one property after the other.
    let mut jobs = Vec::new();
    for done in plain.iter().filter(passing) {
        found.noticed.insert(done.row.id, 0);
        for pointer in &done.set {
            let mutants = Mutant::of(pointer, suite.runtime.features.as_ref());
            jobs.extend(mutants.into_iter().map(|mutant| job(done.row, mutant)));
        }
    }
    let unnoticed = found.run(suite, jobs, threads);
    let second = |(row, mutant): (_, Mutant)| Some(job(row, mutant.second()?));
    found.run(
        suite,
        unnoticed.into_iter().filter_map(second).collect(),
        threads,
    );
    // A test that configures nothing must notice some wrong operation; the first is enough.
    let mut left: Vec<(&Row, Vec<Mutant>)> = plain
        .iter()
        .filter(|done| passing(done) && done.set.is_empty())
        .map(|done| (done.row, operations()))
        .collect();
    while !left.is_empty() {
        let next = left
            .iter_mut()
            .filter_map(|(row, all)| Some(job(row, all.pop()?)));
        found.run(suite, next.collect(), threads);
        left.retain(|(row, all)| found.noticed.get(row.id) == Some(&0) && !all.is_empty());
    }
    found.print(plain.len())
}

fn job(row: &'static Row, mutant: Mutant) -> Job {
    let mutant = Some(mutant);
    Job { row, mutant }
}

/// Mutants of operations, those that are most often noticed last. Without any container every test fails: that would
/// prove nothing.
fn operations() -> Vec<Mutant> {
    let mut all = Mutant::of_operations();
    all.retain(|one| *one != Mutant::Idle("create"));
    all.sort_by_key(|one| *one == Mutant::Mute("create"));
    all
}

/// What the controls showed.
#[derive(Default)]
struct Found {
    count: usize,
    /// How many mutants each test noticed.
    noticed: BTreeMap<&'static str, usize>,
    /// Whether some test noticed the loss of a property.
    fields: BTreeMap<String, bool>,
}

impl Found {
    /// Runs some controls; those that their test did not notice.
    fn run(
        &mut self,
        suite: &Arc<Suite>,
        jobs: Vec<Job>,
        threads: usize,
    ) -> Vec<(&'static Row, Mutant)> {
        let mut unnoticed = Vec::new();
        for one in schedule::run(suite, jobs, threads, &|_| {}) {
            let noticed = one.outcome != Outcome::Pass;
            self.count += 1;
            *self.noticed.entry(one.row.id).or_default() += usize::from(noticed);
            let Some(mutant) = one.mutant else { continue };
            if let Some(field) = mutant.field() {
                *self.fields.entry(field).or_default() |= noticed;
            }
            if !noticed {
                unnoticed.push((one.row, mutant));
            }
        }
        unnoticed
    }

    fn print(&self, all: usize) -> i32 {
        let tests = self.noticed.len();
        let left = all - tests;
        println!(
            "{} mutants of {tests} tests that pass; {left} tests do not pass and were left out",
            self.count
        );
        let unnoticed = self.fields.iter().filter(|(_, noticed)| !**noticed);
        let why = |field: &str| UNSEEN.iter().find(|(known, _)| *known == field);
        let (explained, unnoticed): (Vec<&String>, Vec<&String>) = unnoticed
            .map(|(field, _)| field)
            .partition(|field| why(field).is_some());
        for (field, reason) in explained.into_iter().filter_map(|field| why(field)) {
            println!("no test notices the loss of {field}: {reason}");
        }
        println!(
            "properties whose loss no test notices ({}): {unnoticed:?}",
            unnoticed.len()
        );
        let blind = self.noticed.iter().filter(|(_, count)| **count == 0);
        let blind: Vec<&&str> = blind.map(|(id, _)| id).collect();
        println!("tests that no mutant fails ({}): {blind:?}", blind.len());
        i32::from(!blind.is_empty() || !unnoticed.is_empty())
    }
}
