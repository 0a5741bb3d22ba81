//! What a runtime does otherwise than the specification says, on purpose: a list that its people keep, with a decision and a
//! reason for each test. Such a test is neither passed nor failed. It fails when it passes, or when it fails otherwise than
//! listed: the list says what is, not what is forgiven.

use std::collections::BTreeMap;

use crate::report::Outcome;
use crate::row::Row;

/// One entry of the list.
#[derive(Debug, PartialEq, Eq)]
struct Deviation {
    /// Where the decision is written down.
    decision: String,
    /// Part of what the test says.
    says: String,
    reason: String,
}

/// The entries, by test.
#[derive(Debug, Default)]
pub(crate) struct Deviations(BTreeMap<String, Deviation>);

impl Deviations {
    /// Reads lines `TEST: DECISION: WHAT THE TEST SAYS  # REASON`; those that begin with `#` are comments.
    pub(crate) fn read<'a>(
        text: &str,
        rows: impl Iterator<Item = &'a Row>,
    ) -> Result<Deviations, String> {
        let known: Vec<&str> = rows.map(|row| row.id).collect();
        let mut all = BTreeMap::new();
        let lines = text.lines().filter(|line| !line.trim().is_empty());
        for line in lines.filter(|line| !line.starts_with('#')) {
            let wrong = || format!("not TEST: DECISION: WHAT THE TEST SAYS  # REASON: {line:?}");
            let (entry, reason) = line.split_once("  # ").ok_or_else(wrong)?;
            let mut parts = entry.splitn(3, ": ").map(str::trim);
            let mut part = || {
                parts
                    .next()
                    .filter(|part| !part.is_empty())
                    .ok_or_else(wrong)
            };
            let (test, decision, says) = (part()?, part()?, part()?);
            if !known.contains(&test) {
                return Err(format!("no test has the name {test}"));
            }
            let deviation = Deviation {
                decision: decision.to_owned(),
                says: says.to_owned(),
                reason: reason.trim().to_owned(),
            };
            if all.insert(test.to_owned(), deviation).is_some() {
                return Err(format!("{test} is listed twice"));
            }
        }
        Ok(Deviations(all))
    }

    /// What a test's outcome is in the light of the list.
    pub(crate) fn judge(&self, test: &str, outcome: Outcome) -> Outcome {
        let Some(known) = self.0.get(test) else {
            return outcome;
        };
        match outcome {
            Outcome::Fail(said) if said.contains(&known.says) => Outcome::Deviates(format!(
                "by decision {}: {} ({said})",
                known.decision, known.reason
            )),
            Outcome::Fail(said) => Outcome::Fail(format!(
                "it deviates otherwise than listed ({:?}): {said}",
                known.says
            )),
            Outcome::Pass => Outcome::Fail(format!(
                "it passes, and is listed as a deviation by decision {}",
                known.decision
            )),
            other => other,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Deviations;
    use crate::report::Outcome;
    use crate::rows::all;

    #[test]
    fn only_what_is_listed_deviates() {
        let list = "# comment\n\nC17.unset: 0015: said \"0022  # engines\n";
        let list = Deviations::read(list, all()).unwrap();
        let fail = |text: &str| Outcome::Fail(text.to_owned());
        let judge = |outcome| list.judge("C17.unset", outcome);
        let found = judge(fail("it said \"0022\""));
        let wanted = "by decision 0015: engines (it said \"0022\")";
        assert_eq!(found, Outcome::Deviates(wanted.to_owned()));
        assert_eq!(judge(fail("create: no")).word(), "fail");
        assert_eq!(judge(Outcome::Pass).word(), "fail");
        let skipped = Outcome::NotApplicable("kernel".to_owned());
        assert_eq!(judge(skipped.clone()), skipped);
        assert_eq!(list.judge("C17", Outcome::Pass), Outcome::Pass);
    }

    #[test]
    fn wrong_lists_are_errors() {
        let twice = "C17: 1: a  # r\nC17: 2: b  # r";
        for wrong in [
            "C17: 1: a",
            "C17: a  # r",
            "C99: 1: a  # r",
            twice,
            "C17: : a  # r",
        ] {
            assert!(Deviations::read(wrong, all()).is_err(), "{wrong}");
        }
    }
}
