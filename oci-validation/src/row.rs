//! A row: one rule of the specification, with the test that shows it.

use crate::case::Case;
use crate::verdict::Verdict;

/// RFC 2119's words.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Level {
    /// Must be so.
    Must,
    /// Is to be so unless there is a good reason.
    Should,
    /// May be left out: an error at `create` or `start` is then not a failure.
    May,
}

impl Level {
    /// As the specification writes it.
    pub(crate) fn word(self) -> &'static str {
        match self {
            Level::Must => "MUST",
            Level::Should => "SHOULD",
            Level::May => "MAY",
        }
    }
}

/// One rule and its test.
pub(crate) struct Row {
    /// Row of the checklist, and what distinguishes several tests of one row: `B9` or `B9.noexec`.
    pub(crate) id: &'static str,
    /// How binding it is.
    pub(crate) level: Level,
    /// File and section of the specification.
    pub(crate) section: &'static str,
    /// What is demanded, in one sentence.
    pub(crate) demand: &'static str,
    /// The test.
    pub(crate) test: fn(&Case) -> Verdict,
    /// Runs while no other test does, because it changes or counts what all share.
    pub(crate) alone: bool,
}

type Test = fn(&Case) -> Verdict;

const fn row(
    level: Level,
    id: &'static str,
    section: &'static str,
    demand: &'static str,
    test: Test,
) -> Row {
    Row {
        id,
        level,
        section,
        demand,
        test,
        alone: false,
    }
}

/// A rule with MUST.
pub(crate) const fn must(
    id: &'static str,
    section: &'static str,
    demand: &'static str,
    test: Test,
) -> Row {
    row(Level::Must, id, section, demand, test)
}

/// A rule with SHOULD.
pub(crate) const fn should(
    id: &'static str,
    section: &'static str,
    demand: &'static str,
    test: Test,
) -> Row {
    row(Level::Should, id, section, demand, test)
}

/// A rule with MAY: what is done must be done right, and what is not done must be refused.
pub(crate) const fn may(
    id: &'static str,
    section: &'static str,
    demand: &'static str,
    test: Test,
) -> Row {
    row(Level::May, id, section, demand, test)
}

impl Row {
    /// Makes the test run while no other does.
    pub(crate) const fn alone(mut self) -> Row {
        self.alone = true;
        self
    }

    /// The row of the checklist: `B9` of `B9.noexec`.
    pub(crate) fn base(&self) -> &'static str {
        self.id.split('.').next().unwrap_or(self.id)
    }

    /// Whether a filter selects it: a letter, a row of the checklist, or a test.
    pub(crate) fn matches(&self, filter: &str) -> bool {
        let section = self.id.get(..1).unwrap_or_default();
        [self.id, self.base(), section].contains(&filter)
    }
}
