//! Runs tests side by side, those that need the machine for themselves one after the other, and says what came of each.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Instant;

use serde_json::{Value, json};

use crate::case::{Case, Suite};
use crate::mutant::Mutant;
use crate::report::Outcome;
use crate::row::{Level, Row};
use crate::verdict::Stop;

/// A test to be run, with what makes runtime and suite disagree.
pub(crate) struct Job {
    pub(crate) row: &'static Row,
    pub(crate) mutant: Option<Mutant>,
}

/// What came of a test.
pub(crate) struct Done {
    pub(crate) row: &'static Row,
    pub(crate) mutant: Option<Mutant>,
    pub(crate) outcome: Outcome,
    /// Pointers to what the test put into configurations.
    pub(crate) set: Vec<String>,
    milliseconds: u64,
}

impl Done {
    /// As one line from the frame to the outside.
    pub(crate) fn line(&self) -> Value {
        json!({
            "id": self.row.id,
            "result": self.outcome.word(),
            "detail": self.outcome.detail(),
            "milliseconds": self.milliseconds,
        })
    }
}

/// Runs all jobs; `tell` hears of each when it ends.
pub(crate) fn run(
    suite: &Arc<Suite>,
    jobs: Vec<Job>,
    threads: usize,
    tell: &(dyn Fn(&Done) + Sync),
) -> Vec<Done> {
    let (alone, together): (Vec<Job>, Vec<Job>) = jobs.into_iter().partition(|job| job.row.alone);
    let done = Mutex::new(Vec::new());
    let next = AtomicUsize::new(0);
    let work = || {
        while let Some(job) = together.get(next.fetch_add(1, Ordering::Relaxed)) {
            keep(perform(suite, job), &done, tell);
        }
    };
    std::thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(work);
        }
    });
    for job in &alone {
        keep(perform(suite, job), &done, tell);
    }
    done.into_inner()
        .unwrap_or_else(std::sync::PoisonError::into_inner)
}

fn keep(one: Done, done: &Mutex<Vec<Done>>, tell: &(dyn Fn(&Done) + Sync)) {
    let mut done = done
        .lock()
        .unwrap_or_else(std::sync::PoisonError::into_inner);
    tell(&one);
    done.push(one);
}

fn perform(suite: &Arc<Suite>, job: &Job) -> Done {
    static COUNT: AtomicUsize = AtomicUsize::new(0);
    let begin = Instant::now();
    let number = COUNT.fetch_add(1, Ordering::Relaxed);
    let mut set = Vec::new();
    let verdict = Case::new(suite, number, job.mutant.clone()).and_then(|case| {
        let verdict = catch_unwind(AssertUnwindSafe(|| (job.row.test)(&case)));
        set = case.set.take().into_iter().collect();
        verdict.unwrap_or_else(|_| Err(Stop::Fail("the test itself panicked".to_owned())))
    });
    let outcome = match verdict {
        Ok(()) => Outcome::Pass,
        Err(Stop::Skip(reason)) => Outcome::NotApplicable(reason),
        Err(Stop::Refused(reason)) if job.row.level == Level::May => {
            Outcome::NotApplicable(format!("optional, and refused: {reason}"))
        }
        Err(Stop::Refused(reason) | Stop::Fail(reason)) => Outcome::Fail(reason),
    };
    Done {
        row: job.row,
        mutant: job.mutant.clone(),
        outcome,
        set,
        milliseconds: u64::try_from(begin.elapsed().as_millis()).unwrap_or(u64::MAX),
    }
}
