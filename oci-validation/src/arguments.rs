//! The command line.

use std::ffi::OsString;

use oci_validation::format::Format;
use oci_validation::frame::View;

/// What is printed for `--help`.
pub(crate) const HELP: &str = "\
oci-validation --runtime RUNTIME [--runtime RUNTIME]… [OPTION]…

Checks OCI runtimes against the runtime specification, through their standard operations. Needs root.

  --runtime NAME|PATH    a runtime; several are compared in one table
  --filter ROW           only this section, row or test, such as B, B9 or B9.noexec; may be given several times
  --format FORMAT        text (as found), tap, json, or markdown
  --cgroup VIEW          host (as the machine has them), v1, v2, or systemd
  --deviations NAME=FILE what the runtime NAME does otherwise on purpose: lines TEST: DECISION: WHAT THE TEST SAYS  # REASON
  --jobs N               so many tests at a time
  --slow FACTOR          multiply time limits, on a slow machine
  --list                 print all tests, run none
  --mutants              negative controls: make runtime and suite disagree in one thing at a time, and list what no
                         test notices

The status is 1 when a test failed or a listed deviation is none, 2 when the suite could not run or has changed the machine.
";

/// What was asked for.
#[derive(Debug, Clone)]
pub(crate) struct Arguments {
    pub(crate) runtimes: Vec<String>,
    pub(crate) filters: Vec<String>,
    pub(crate) format: Format,
    pub(crate) view: View,
    /// Runtimes' names, with the files that list what they do otherwise on purpose.
    pub(crate) deviations: Vec<(String, String)>,
    pub(crate) jobs: usize,
    pub(crate) slow: u32,
    pub(crate) list: bool,
    pub(crate) mutants: bool,
    pub(crate) help: bool,
    /// Set by the suite for itself: its folder.
    pub(crate) work: Option<String>,
}

impl Arguments {
    /// Reads the command line.
    pub(crate) fn read(words: impl IntoIterator<Item = OsString>) -> Result<Arguments, String> {
        let threads = std::thread::available_parallelism().map_or(2, usize::from);
        let mut all = Arguments {
            runtimes: Vec::new(),
            filters: Vec::new(),
            format: Format::Text,
            view: View::Host,
            deviations: Vec::new(),
            // Runtimes mostly wait for the kernel.
            jobs: threads * 2,
            slow: 1,
            list: false,
            mutants: false,
            help: false,
            work: None,
        };
        let mut parser = lexopt::Parser::from_args(words);
        all.parse(&mut parser).map_err(|error| error.to_string())?;
        if all.runtimes.is_empty() && !all.list && !all.help {
            return Err("--runtime is missing (see --help)".to_owned());
        }
        Ok(all)
    }

    fn parse(&mut self, parser: &mut lexopt::Parser) -> Result<(), lexopt::Error> {
        use lexopt::prelude::*;
        while let Some(word) = parser.next()? {
            match word {
                Long("runtime") => self.runtimes.push(parser.value()?.string()?),
                Long("filter") => self.filters.push(parser.value()?.string()?),
                Long("format") => {
                    let word = parser.value()?.string()?;
                    self.format = Format::of(&word).ok_or(format!("no such format: {word}"))?;
                }
                Long("cgroup") => {
                    let word = parser.value()?.string()?;
                    self.view = View::of(&word).ok_or(format!("no such view: {word}"))?;
                }
                Long("deviations") => {
                    let value = parser.value()?.string()?;
                    let Some((name, file)) = value.split_once('=') else {
                        return Err(format!("not NAME=FILE: {value}").into());
                    };
                    self.deviations.push((name.to_owned(), file.to_owned()));
                }
                Long("jobs") => self.jobs = parser.value()?.parse::<usize>()?.max(1),
                Long("slow") => self.slow = parser.value()?.parse::<u32>()?.max(1),
                Long("work") => self.work = Some(parser.value()?.string()?),
                Long("list") => self.list = true,
                Long("mutants") => self.mutants = true,
                Short('h') | Long("help") => self.help = true,
                _ => return Err(word.unexpected()),
            }
        }
        Ok(())
    }

    /// Whether a test was asked for.
    pub(crate) fn selects(&self, row: &crate::row::Row) -> bool {
        self.filters.is_empty() || self.filters.iter().any(|filter| row.matches(filter))
    }
}
