//! The command line.

use lexopt::{Arg, Parser, ValueExt};
use oci_validation::format::Format;
use oci_validation::frame::View;

/// What is printed for `--help`.
pub(crate) const HELP: &str = "\
attack --runtime RUNTIME [--runtime RUNTIME]… [OPTION]…

Attacks OCI runtimes by their standard operations, in a private world. Needs root.

  --runtime NAME|PATH    a runtime; several are compared in one table
  --filter ID            only this family or attack, such as S, F1 or S1.03; may be given several times
  --seconds N            the short form: a few shapes of each path, chosen by the seed, and no attack is begun later
  --seed N               chooses them; printed nowhere else but in the command that is to be repeated
  --cgroup VIEW          host (as the machine has them), v1, v2, or systemd
  --format FORMAT        text (as found), tap, json, or markdown
  --list                 print all attacks, run none

Each attack is held, broken, hung or n/a, with the reason. The status is 1 when one was not held, 2 when the suite could not run.
";

/// What was asked for.
#[derive(Debug, Clone)]
pub(crate) struct Arguments {
    pub(crate) runtimes: Vec<String>,
    pub(crate) filters: Vec<String>,
    pub(crate) format: Format,
    pub(crate) view: View,
    pub(crate) seconds: Option<u64>,
    pub(crate) seed: u64,
    pub(crate) list: bool,
    pub(crate) help: bool,
    /// Set by the suite for itself: its folder.
    pub(crate) work: Option<String>,
}

impl Arguments {
    /// Reads the command line.
    pub(crate) fn read(words: &[String]) -> Result<Arguments, String> {
        let mut all = Arguments {
            runtimes: Vec::new(),
            filters: Vec::new(),
            format: Format::Text,
            view: View::Host,
            seconds: None,
            seed: 0,
            list: false,
            help: false,
            work: None,
        };
        let mut parser = Parser::from_args(words);
        let wrong = |error: lexopt::Error| error.to_string();
        while let Some(argument) = parser.next().map_err(wrong)? {
            let Arg::Long(name) = argument else {
                return Err(wrong(argument.unexpected()));
            };
            let name = name.to_owned();
            match name.as_str() {
                "list" => all.list = true,
                "help" => all.help = true,
                _ => {
                    let value = parser.value().and_then(ValueExt::string).map_err(wrong)?;
                    let number = || {
                        value
                            .parse()
                            .map_err(|error| format!("--{name} {value}: {error}"))
                    };
                    match name.as_str() {
                        "runtime" => all.runtimes.push(value),
                        "filter" => all.filters.push(value),
                        "seconds" => all.seconds = Some(number()?),
                        "seed" => all.seed = number()?,
                        "work" => all.work = Some(value),
                        "cgroup" => {
                            all.view = View::of(&value)
                                .ok_or(format!("--cgroup {value}: host, v1, v2 or systemd"))?
                        }
                        "format" => {
                            all.format = Format::of(&value)
                                .ok_or(format!("--format {value}: text, tap, json or markdown"))?
                        }
                        _ => return Err(format!("unknown option --{name}")),
                    }
                }
            }
        }
        if all.runtimes.is_empty() {
            all.runtimes.push("tare".to_owned());
        }
        Ok(all)
    }

    /// Whether an attack was asked for.
    pub(crate) fn selects(&self, id: &str) -> bool {
        self.filters.is_empty()
            || self
                .filters
                .iter()
                .any(|filter| id.starts_with(filter.as_str()))
    }

    /// What the frame needs to know of it.
    pub(crate) fn words(&self) -> Vec<String> {
        let mut words = vec!["--seed".to_owned(), self.seed.to_string()];
        for filter in &self.filters {
            words.extend(["--filter".to_owned(), filter.clone()]);
        }
        let view = View::WORDS.iter().find(|(_, view)| *view == self.view);
        words.extend(
            view.into_iter()
                .flat_map(|(word, _)| ["--cgroup".to_owned(), (*word).to_owned()]),
        );
        if let Some(seconds) = self.seconds {
            words.extend(["--seconds".to_owned(), seconds.to_string()]);
        }
        words
    }
}
