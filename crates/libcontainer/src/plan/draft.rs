//! A plan under construction.

use std::cell::OnceCell;

use init::slots::kind;
use init::wire::{Span, Strings};
use init::{ChildStep, Slot};
use spec::{ConfigPath, Remark, Spec};

use super::{Entry, Input, Plan, PlanError, RuntimeStep, Step, Why};
use crate::host::HostFacts;

/// Nobody reads more, and a config may hold any number.
const MOST_PROBLEMS: usize = 100;

/// What the planners write into.
pub(crate) struct Draft<'a> {
    pub(crate) spec: &'a Spec<'a>,
    pub(crate) host: &'a HostFacts,
    plan: Plan,
    problems: Vec<PlanError>,
    next_slot: u8,
    kept: Vec<u8>,
    /// What the root directory is called outside, once that has been asked.
    pub(super) roots: OnceCell<Vec<String>>,
}

impl PlanError {
    pub(crate) fn missing(at: ConfigPath) -> PlanError {
        PlanError {
            at,
            why: Why::Missing,
        }
    }

    pub(crate) fn invalid(at: ConfigPath, why: impl Into<String>) -> PlanError {
        PlanError {
            at,
            why: Why::Invalid(why.into()),
        }
    }

    pub(crate) fn conflicts(
        at: ConfigPath,
        other: ConfigPath,
        why: impl Into<String>,
    ) -> PlanError {
        PlanError {
            at,
            why: Why::Conflicts(other, why.into()),
        }
    }

    pub(crate) fn unsupported(at: ConfigPath, what: impl Into<String>) -> PlanError {
        PlanError {
            at,
            why: Why::Unsupported(what.into()),
        }
    }
}

/// What becomes a C string must not go on behind its end.
pub(crate) fn without_nul(at: &ConfigPath, text: &str) -> Result<(), PlanError> {
    match text.as_bytes().contains(&0) {
        true => Err(PlanError::invalid(at.clone(), "holds a NUL byte")),
        false => Ok(()),
    }
}

impl<'a> Draft<'a> {
    pub(crate) fn new(spec: &'a Spec<'a>, host: &'a HostFacts) -> Draft<'a> {
        let plan = Plan {
            entries: Vec::with_capacity(80),
            text: Vec::with_capacity(4096),
            warnings: Vec::new(),
            inputs: Vec::new(),
        };
        Draft {
            spec,
            host,
            plan,
            problems: Vec::new(),
            next_slot: Slot::FIRST_FREE.number(),
            kept: Vec::new(),
            roots: OnceCell::new(),
        }
    }

    /// Adds a step of the child's.
    pub(crate) fn child(&mut self, from: &ConfigPath, step: impl Into<ChildStep>) {
        self.plan.entries.push(Entry {
            step: Step::Child(step.into()),
            from: from.clone(),
        });
    }

    /// Adds a step of the runtime's.
    pub(crate) fn runtime(&mut self, from: &ConfigPath, step: RuntimeStep) {
        self.plan.entries.push(Entry {
            step: Step::Runtime(step),
            from: from.clone(),
        });
    }

    /// Notes a warning.
    pub(crate) fn warn(&mut self, at: ConfigPath, text: impl Into<String>) {
        self.plan.warnings.push((at, text.into()));
    }

    /// Warns about keys that look like slips of the pen. Others are ignored without a word (config.md, "Extensibility").
    pub(crate) fn warn_about_keys(&mut self, remarks: &[Remark]) {
        for remark in remarks.iter().filter(|remark| remark.meant.is_some()) {
            self.warn(remark.at.clone(), remark.to_string());
        }
    }

    /// Keeps what is wrong and goes on, so that one look finds all that is: for parts that do not need each other.
    pub(crate) fn note(&mut self, part: Result<(), PlanError>) {
        if let Err(problem) = part
            && self.problems.len() < MOST_PROBLEMS
            && !self.problems.contains(&problem)
        {
            self.problems.push(problem);
        }
    }

    /// Plans a part, keeping what is wrong as [`Draft::note`] does.
    pub(crate) fn part<T>(
        &mut self,
        plan: impl FnOnce(&mut Self) -> Result<T, PlanError>,
    ) -> Option<T> {
        let mut planned = None;
        let part = plan(self).map(|part| planned = Some(part));
        self.note(part);
        planned
    }

    /// A slot that nobody else uses.
    pub(crate) fn slot<K>(&mut self, at: &ConfigPath) -> Result<Slot<K>, PlanError> {
        let slot = Slot::numbered(self.next_slot);
        if self.next_slot > Slot::LAST_FREE.number() {
            let why = "too many prepared mounts and namespaces (252 at most)";
            return Err(PlanError::unsupported(at.clone(), why));
        }
        self.next_slot += 1;
        Ok(slot)
    }

    /// As many slots, one behind the other: the first of them.
    pub(crate) fn slots<K>(&mut self, at: &ConfigPath, count: u32) -> Result<Slot<K>, PlanError> {
        let first = self.slot(at)?;
        for _ in 1..count {
            self.slot::<K>(at)?;
        }
        Ok(first)
    }

    /// A slot that is filled from the beginning.
    pub(crate) fn input<K: Copy>(
        &mut self,
        at: &ConfigPath,
        input: Input,
    ) -> Result<Slot<K>, PlanError> {
        let slot = self.slot(at)?;
        self.plan.inputs.push((input, slot.any()));
        Ok(slot)
    }

    /// A slot for a mount that later steps change; the child closes it when the container is built.
    pub(crate) fn kept_slot(&mut self, at: &ConfigPath) -> Result<Slot<kind::Mount>, PlanError> {
        let slot = self.slot(at)?;
        self.kept.push(slot.number());
        Ok(slot)
    }

    /// The slots of all mounts that were kept, one byte each.
    pub(crate) fn kept_slots(&mut self) -> Span {
        let kept = std::mem::take(&mut self.kept);
        self.bytes(&kept)
    }

    /// Puts a string into the plan's text.
    pub(crate) fn text(&mut self, at: &ConfigPath, text: &str) -> Result<Span, PlanError> {
        without_nul(at, text)?;
        let span = self.bytes(text.as_bytes());
        self.plan.text.push(0);
        Ok(span)
    }

    /// A string that the planner made itself.
    pub(crate) fn own_text(&mut self, text: &str) -> Span {
        let span = self.bytes(text.as_bytes());
        self.plan.text.push(0);
        span
    }

    /// Puts bytes into the plan's text.
    pub(crate) fn bytes(&mut self, bytes: &[u8]) -> Span {
        let start = self.plan.text.len() as u32;
        self.plan.text.extend_from_slice(bytes);
        Span {
            start,
            length: bytes.len() as u32,
        }
    }

    /// Puts several strings into the plan's text.
    pub(crate) fn strings<'t>(
        &mut self,
        at: &ConfigPath,
        strings: impl IntoIterator<Item = &'t str>,
    ) -> Result<Strings, PlanError> {
        let start = self.plan.text.len() as u32;
        for (index, string) in strings.into_iter().enumerate() {
            self.text(&at.clone().index(index), string)?;
        }
        Ok(Strings {
            start,
            length: self.plan.text.len() as u32 - start,
        })
    }

    /// Strings that are none of the config's, and without a NUL inside.
    pub(crate) fn own_strings(&mut self, strings: &[Vec<u8>]) -> Strings {
        let start = self.plan.text.len() as u32;
        for string in strings {
            self.bytes(string);
            self.plan.text.push(0);
        }
        Strings {
            start,
            length: self.plan.text.len() as u32 - start,
        }
    }

    /// The finished plan.
    ///
    /// # Errors
    /// The first problem that was noted.
    pub(crate) fn finish(self) -> Result<Plan, PlanError> {
        let (plan, problems) = self.validated();
        problems.into_iter().next().map_or(Ok(plan), Err)
    }

    /// The plan, and all that is wrong: with problems it has gaps. Else the order rules must hold; that they do is a
    /// property of the planners, so it is checked where planners are worked on and not in every start of a container.
    pub(crate) fn validated(self) -> (Plan, Vec<PlanError>) {
        #[cfg(debug_assertions)]
        if self.problems.is_empty() {
            let broken = super::check::violations(&self.plan);
            assert!(
                broken.is_empty(),
                "order rules broken: {broken:#?}\n{}",
                self.plan
            );
        }
        (self.plan, self.problems)
    }
}
