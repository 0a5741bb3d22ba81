//! `check`: look for damage in the store.

use std::process::ExitCode;

use tare_image::check;

use super::options::{self, Options, Outcome};
use super::output::put;

pub(super) const COMMAND: super::Command = super::Command {
    name: "check",
    usage: "",
    about: "Look for damaged blobs and unpacked layers in the store",
    options: &[(
        "--repair",
        "replace damaged layers; remove damaged blobs, to be pulled again",
    )],
    run,
};

fn run(parser: lexopt::Parser) -> Outcome<ExitCode> {
    let mut options = Options::default();
    let mut repair = false;
    let values = options::parse(parser, &mut options, |name, _| {
        let own = name == "repair";
        repair |= own;
        Ok(own)
    })?;
    let [] = options::exactly(values, [])?;
    let store = match repair {
        true => options.store_as_root()?,
        false => options.store_to_use()?,
    };
    let report = check::check(&store, repair, &options.pull(None))?;
    for line in &report.damage {
        put!("{line}");
    }
    put!(
        "checked {} blobs and {} unpacked layers, {} damaged",
        report.blobs,
        report.layers,
        report.damage.len()
    );
    if !repair {
        check::damaged(&report)?;
    }
    Ok(ExitCode::SUCCESS)
}
