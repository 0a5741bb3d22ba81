//! Whether a bundle would run here: everything that stands in the way at once, and what is legal and unwise.

mod advice;
mod surroundings;

use std::path::PathBuf;

use serde::Serialize;
use spec::{ConfigPath, Position, Spec};

use crate::Error;
use crate::bundle::Bundle;
use crate::container::{CreateOptions, validate};
use crate::plan::PlanError;
use crate::state::Store;

/// Wrong shapes are looked for one after the other; nobody reads more than this.
const MOST_SHAPES: usize = 100;

/// Something about a config, and where.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// The property, such as `mounts[3].source`; empty when it is about the document, or this host, as a whole.
    pub config: String,
    /// Line in `config.json`, from 1. A property that is missing has the place of the object that it is missing in.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub line: Option<usize>,
    /// Character in the line, from 1.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub column: Option<usize>,
    /// What is the matter.
    pub text: String,
}

/// What there is to say about a bundle.
#[derive(Clone, Debug, Serialize)]
pub struct Verdict {
    /// Whether a container could be created and started, as far as that can be seen without trying.
    pub valid: bool,
    /// The `config.json`.
    pub file: PathBuf,
    /// What stands in the way.
    pub problems: Vec<Finding>,
    /// What does not, and is still likely to be a mistake or unsafe.
    pub warnings: Vec<Finding>,
}

/// Judges a bundle for this host and this caller. Nothing is made or changed.
///
/// Wrong shapes (a number where a string belongs) are skipped for the rest of the judgement, so that one look finds all.
///
/// ```no_run
/// # fn main() -> Result<(), tare_libcontainer::Error> {
/// let bundle = tare_libcontainer::Bundle::load("/var/lib/bundles/web")?;
/// let store = tare_libcontainer::Store::open("/run/example")?;
/// for problem in tare_libcontainer::check(&store, &bundle, &Default::default()).problems {
///     println!("{}: {}", problem.config, problem.text);
/// }
/// # Ok(())
/// # }
/// ```
pub fn check(store: &Store, bundle: &Bundle, options: &CreateOptions) -> Verdict {
    let mut report = Findings::new(bundle.text().to_owned());
    if let Some(text) = report.parse() {
        let readable = Bundle::from_text(bundle.directory(), text);
        if let Ok(spec) = readable.spec() {
            report.validate(store, &readable, &spec, options);
        }
    }
    report.verdict(bundle)
}

/// Findings so far.
struct Findings {
    /// The config; properties of a wrong shape are overwritten with spaces.
    text: String,
    /// Those properties, and those that are missing.
    skipped: Vec<String>,
    problems: Vec<Finding>,
    warnings: Vec<Finding>,
}

impl Findings {
    fn new(text: String) -> Findings {
        Findings {
            text,
            skipped: Vec::new(),
            problems: Vec::new(),
            warnings: Vec::new(),
        }
    }

    /// Notes wrong shapes and what is missing; a text that can be read in spite of them, unless there is nothing to be read.
    fn parse(&mut self) -> Option<String> {
        let mut readable = self.text.clone();
        for _ in 0..MOST_SHAPES {
            let error = match Spec::parse(&readable) {
                Ok(_) => return Some(readable),
                Err(error) => error,
            };
            let position = match error.at.is_empty() {
                true => error.position,
                false => spec::locate(&self.text, &error.at),
            };
            let missing = error.message.starts_with("is required");
            // What was skipped is not called missing as well.
            if !missing || !self.unread(&error.at) {
                // The parser gives the place where it stopped, which is behind the value.
                let (text, _) = error
                    .message
                    .rsplit_once(" at line ")
                    .unwrap_or((&error.message, ""));
                self.problems.push(Finding {
                    config: error.at.clone(),
                    line: Some(position.line),
                    column: Some(position.column),
                    text: text.to_owned(),
                });
            }
            if missing {
                readable = stand_in(&readable, &error.at)?;
            } else {
                readable = spec::without(&readable, &error.at)?;
                self.text = spec::without(&self.text, &error.at)?;
            }
            self.skipped.push(error.at);
        }
        None
    }

    /// Whether a property, or one in it or around it, could not be read.
    fn unread(&self, at: &str) -> bool {
        !at.is_empty() && self.skipped.iter().any(|skip| touch(skip, at))
    }

    fn validate(
        &mut self,
        store: &Store,
        bundle: &Bundle,
        spec: &Spec<'_>,
        options: &CreateOptions,
    ) {
        let validated = match validate(store, bundle, spec, options) {
            Ok(validated) => validated,
            // The host could not be looked at.
            Err(error) => return self.problem(&ConfigPath::none(), error.to_string()),
        };
        for problem in validated.problems {
            match problem {
                Error::Plan(problem) => self.plan_problem(&problem),
                Error::Cgroup(error @ cgroups::Error::Path { .. }) => {
                    self.problem(&ConfigPath::of("linux.cgroupsPath"), error.to_string());
                }
                error => self.problem(&ConfigPath::none(), error.to_string()),
            }
        }
        surroundings::validate(spec, bundle, &validated.root, self);
        surroundings::limits(&validated.plan, &validated.host, self);
        let warnings = validated.plan.warnings;
        for (at, text) in warnings
            .into_iter()
            .chain(advice::advice(spec, &validated.host))
        {
            self.warning(&at, text);
        }
    }

    fn plan_problem(&mut self, problem: &PlanError) {
        // What contradicts something that could not be read may be right.
        let beside = match &problem.why {
            crate::plan::Why::Conflicts(other, _) => other.to_string(),
            _ => String::new(),
        };
        let at = problem.at.to_string();
        if !self.unread(&at) && !self.unread(&beside) {
            self.problem(&problem.at, problem.why.to_string());
        }
    }

    fn problem(&mut self, at: &ConfigPath, text: impl Into<String>) {
        let finding = self.finding(at, text.into());
        if !self.problems.contains(&finding) {
            self.problems.push(finding);
        }
    }

    fn warning(&mut self, at: &ConfigPath, text: impl Into<String>) {
        let finding = self.finding(at, text.into());
        if !self.warnings.contains(&finding) {
            self.warnings.push(finding);
        }
    }

    fn finding(&self, at: &ConfigPath, text: String) -> Finding {
        let config = at.to_string();
        let position = (!at.is_none()).then(|| spec::locate(&self.text, &config));
        Finding {
            line: position.map(|position: Position| position.line),
            column: position.map(|position| position.column),
            config,
            text,
        }
    }

    fn verdict(mut self, bundle: &Bundle) -> Verdict {
        for list in [&mut self.problems, &mut self.warnings] {
            list.sort_by_key(|finding| (finding.line, finding.column));
        }
        Verdict {
            valid: self.problems.is_empty(),
            file: bundle.directory().join("config.json"),
            problems: self.problems,
            warnings: self.warnings,
        }
    }
}

/// The text with something in the place of a missing property that can be read there.
fn stand_in(text: &str, at: &str) -> Option<String> {
    ["0", "\"\"", "[]", "false", "{}"].iter().find_map(|value| {
        let filled = spec::with(text, at, value)?;
        let fits = Spec::parse(&filled).map_or_else(|error| error.at != at, |_| true);
        fits.then_some(filled)
    })
}

/// Whether one of two properties is the other or part of it.
fn touch(one: &str, other: &str) -> bool {
    let (short, long) = match one.len() < other.len() {
        true => (one, other),
        false => (other, one),
    };
    long.strip_prefix(short)
        .is_some_and(|rest| rest.is_empty() || rest.starts_with(['.', '[']))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `config line:column` of each problem and each warning that are about a property.
    fn places(findings: &[Finding]) -> Vec<String> {
        let place = |finding: &Finding| {
            let (line, column) = (finding.line?, finding.column?);
            Some(format!("{} {line}:{column}", finding.config))
        };
        findings.iter().filter_map(place).collect()
    }

    fn checked(text: &str) -> Verdict {
        check(
            &Store::open("/nonexistent").unwrap(),
            &Bundle::from_text("/nonexistent", text.to_owned()),
            &CreateOptions::default(),
        )
    }

    #[test]
    fn all_problems_are_found_at_once() {
        let text = r#"{
  "ociVersion": "2.0.0",
  "hostname": "x",
  "root": {"path": "rootfs"},
  "process": {
    "user": {"uid": "root", "gid": 0},
    "cwd": "relative", "args": [],
    "rlimits": [{"type": "RLIMIT_FOO", "soft": 1, "hard": 1}, {"type": "RLIMIT_NOFILE", "soft": 2, "hard": 1}]
  },
  "mounts": [{"destination": "/a", "type": "bind"}, {"destination": "/proc/self", "type": "tmpfs"}],
  "linux": {
    "namespaces": [{"type": "mount"}],
    "sysctl": {"kernel.panic": "1", "net.core.somaxconn": "1"},
    "resources": {"pids": {"limit": -7}, "memory": {"limit": true}},
    "maskedPaths": ["relative", "/fine"]
  },
  "annotations": {"run.oci.x": "fine", "run.oci.y": 1}
}"#;
        let verdict = checked(text);
        assert!(!verdict.valid);
        let found = places(&verdict.problems);
        for expected in [
            "annotations[\"run.oci.y\"] 17:40",
            "ociVersion 2:3",
            "hostname 3:3",
            "root.path 4:12",
            "process.user.uid 6:14",
            "process.cwd 7:5",
            "process.args 7:24",
            "process.rlimits[0].type 8:18",
            "process.rlimits[1].soft 8:89",
            "mounts[0].type 10:36",
            "mounts[1].destination 10:54",
            "linux.sysctl[\"kernel.panic\"] 13:16",
            "linux.sysctl[\"net.core.somaxconn\"] 13:37",
            "linux.resources.memory.limit 14:53",
            "linux.maskedPaths[0] 15:21",
        ] {
            assert!(
                found.iter().any(|place| place == expected),
                "{expected}: {found:#?}"
            );
        }
    }

    #[test]
    fn all_that_is_missing_is_found_at_once() {
        let text = r#"{"ociVersion": "1.0.0", "root": {"path": "/x"},
"process": {"cwd": "/", "args": ["a"],
  "rlimits": [{}], "ioPriority": {}},
"linux": {"namespaces": [{"type": "mount"}], "resources": {"devices": [{"access": "r"}], "hugepageLimits": [{"limit": 1}]}}}"#;
        let found = places(&checked(text).problems);
        for expected in [
            "process.user 2:1",
            "process.rlimits[0].type 3:15",
            "process.rlimits[0].soft 3:15",
            "process.rlimits[0].hard 3:15",
            "process.ioPriority.class 3:20",
            "process.ioPriority.priority 3:20",
            "linux.resources.devices[0].allow 4:72",
            "linux.resources.hugepageLimits[0].pageSize 4:109",
        ] {
            assert!(
                found.iter().any(|place| place == expected),
                "{expected}: {found:#?}"
            );
        }
        let about = |field: &str| {
            found
                .iter()
                .filter(|place| place.starts_with(field))
                .count()
        };
        assert_eq!(about("process.user"), 1, "{found:#?}");
        assert_eq!(about("process.ioPriority"), 2, "{found:#?}");
    }

    #[test]
    fn text_that_is_no_json_has_one_problem() {
        for (text, place) in [
            ("{\n  \"a\": }", " 2:8"),
            ("", " 1:1"),
            ("[]", " 1:1"),
            ("null", " 1:4"),
        ] {
            let verdict = checked(text);
            assert_eq!(places(&verdict.problems), [place], "{text}");
            assert!(!verdict.valid);
        }
    }

    #[test]
    fn what_could_not_be_read_is_not_called_missing() {
        let text = r#"{"ociVersion": "1.0.0", "process": {"cwd": 3, "args": ["a"], "user": {"uid": 0, "gid": 0}},
 "linux": {"namespaces": "none", "uidMappings": [{"containerID": 0, "hostID": 0, "size": 1}]}}"#;
        let verdict = checked(text);
        let fields: Vec<&str> = verdict.problems.iter().map(|p| p.config.as_str()).collect();
        assert_eq!(
            fields
                .iter()
                .filter(|field| **field == "process.cwd")
                .count(),
            1
        );
        assert_eq!(
            fields
                .iter()
                .filter(|field| **field == "linux.namespaces")
                .count(),
            1
        );
        assert!(
            !fields.contains(&"linux.uidMappings"),
            "{:#?}",
            verdict.problems
        );
    }

    #[test]
    fn properties_touch_when_one_is_in_the_other() {
        assert!(touch("a.b", "a"));
        assert!(touch("a", "a[0]"));
        assert!(touch("a", "a"));
        assert!(!touch("a.b", "a.bc"));
        assert!(!touch("ab", "a"));
    }
}
