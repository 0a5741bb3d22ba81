//! One attack: what is tried, on whom it once worked, and the test.

use oci_validation::case::Case;
use oci_validation::verdict::Verdict;

use crate::canary::Canary;

/// The body of an attack: an error says how the runtime broke; refusing to run the container is no break.
pub(crate) type Test = Box<dyn Fn(&Case, &Canary) -> Verdict>;

/// One attack.
pub(crate) struct Attack {
    /// Family and name: `S1./dev/null`.
    pub(crate) id: String,
    /// What is tried, in one sentence.
    pub(crate) what: String,
    /// Published advisories of this kind, each with the runtime that had it: `runc CVE-2024-45310`.
    pub(crate) advisories: &'static [&'static str],
    /// The attack.
    pub(crate) test: Test,
}

/// An attack.
pub(crate) fn attack(
    id: impl Into<String>,
    advisories: &'static [&'static str],
    what: impl Into<String>,
    test: impl Fn(&Case, &Canary) -> Verdict + 'static,
) -> Attack {
    let (id, what, test) = (id.into(), what.into(), Box::new(test));
    Attack {
        id,
        what,
        advisories,
        test,
    }
}

impl Attack {
    /// Whether an advisory was published for this runtime.
    pub(crate) fn concerns(&self, runtime: &str) -> bool {
        let named = |advisory: &&str| advisory.split(' ').next() == Some(runtime);
        self.advisories.iter().any(named)
    }
}
