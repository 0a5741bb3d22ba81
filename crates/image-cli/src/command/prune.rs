//! `prune`: remove images that nobody uses.

use std::time::Duration;

use tare_image::{Result, gc, prune};

use super::{Line, Options, put};

pub(super) const VERB: &str = "
prune  Remove images that no container needs and nobody used for some time
--unused-for AGE  neither pulled nor run for so long: 30d, 12h, 90m or 45s
--all  whenever they were used
--dry-run  only say which
";

pub(super) fn run(line: &Line, options: &Options) -> Result<u8> {
    let age = match line.text("--unused-for") {
        _ if line.has("--all") => Duration::ZERO,
        Some(age) => duration(age)?,
        None => fail!(Usage: "prune does not know what to remove" => "Give --unused-for or --all"),
    };
    let dry = line.has("--dry-run");
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
    Ok(0)
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
