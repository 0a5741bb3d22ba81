//! `prune`: remove images that nobody uses.

use std::process::ExitCode;
use std::time::Duration;

use tare_image::{Result, gc, prune};

use super::options::{self, Options, Outcome, text};
use super::output::put;

pub(super) const COMMAND: super::Command = super::Command {
    name: "prune",
    usage: "--unused-for AGE | --all",
    about: "Remove images that no container needs and nobody used for some time",
    options: &[
        (
            "--unused-for AGE",
            "neither pulled nor run for so long: 30d, 12h, 90m or 45s",
        ),
        ("--all", "whenever they were used"),
        ("--dry-run", "only say which"),
    ],
    run,
};

fn run(parser: lexopt::Parser) -> Outcome<ExitCode> {
    let mut options = Options::default();
    let (mut age, mut dry) = (None, false);
    let values = options::parse(parser, &mut options, |name, parser| {
        match name {
            "unused-for" => age = Some(duration(&text(parser)?)?),
            "all" => age = Some(Duration::ZERO),
            "dry-run" => dry = true,
            _ => return Ok(false),
        }
        Ok(true)
    })?;
    let [] = options::exactly(values, [])?;
    let age = age.ok_or_else(
        || failure!(Usage: "prune does not know what to remove" => "Give --unused-for or --all"),
    )?;
    let store = options.store_as_root()?;
    if !dry {
        store.alone()?;
    }
    for name in prune::unused(&store, age)? {
        put!("{name}");
        if !dry {
            store.layout().untag(&name)?;
        }
    }
    if !dry {
        put!("{}", gc::collect(&store)?);
    }
    Ok(ExitCode::SUCCESS)
}

fn duration(text: &str) -> Result<Duration> {
    let bad = || failure!(Usage: "{text:?} is no age" => "Write 30d, 12h, 90m or 45s");
    let unit = text.chars().last().ok_or_else(bad)?;
    let seconds = match unit {
        'd' => 86_400,
        'h' => 3600,
        'm' => 60,
        's' => 1,
        _ => return Err(bad()),
    };
    let count: u64 = text[..text.len() - 1].parse().map_err(|_| bad())?;
    let seconds = count.checked_mul(seconds).ok_or_else(bad)?;
    Ok(Duration::from_secs(seconds))
}
