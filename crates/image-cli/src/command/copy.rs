//! `copy`: from any place to any other, perhaps in another form. `push` is the same from the store to a registry.

use std::process::ExitCode;

use tare_image::compression::Compression;
use tare_image::convert::{self, Converted, Format};
use tare_image::error::During;
use tare_image::location::Location;
use tare_image::{Result, copy};

use super::options::{self, Options, Outcome};
use super::output::put;
use super::place;

/// Options of both verbs.
pub(super) const OPTIONS: &[(&str, &str)] = &[
    ("--all", "all platforms of an index"),
    (
        "--also TAG",
        "give it this tag in the registry too; may be repeated",
    ),
    ("--format FORMAT", "media types of oci or docker"),
    (
        "--compression FORM",
        "layers without compression (none), or by gzip or zstd",
    ),
    ("--level N", "0 to 9 for gzip, 1 to 22 for zstd"),
    (
        "--push-chunk BYTES",
        "larger layers are sent in pieces of this size (67108864)",
    ),
];

pub(super) const COMMAND: super::Command = super::Command {
    name: "copy",
    usage: "LOCATION LOCATION",
    about: "Copy an image from any place to any other, byte by byte or in another form",
    options: OPTIONS,
    run,
};

/// A command line of [`OPTIONS`] and arguments.
pub(super) struct Line {
    pub(super) options: Options,
    all: bool,
    also: Vec<String>,
    /// Media types, compression, level.
    form: (Option<Format>, Option<Compression>, Option<i32>),
    pub(super) values: Vec<String>,
}

pub(super) fn parse(parser: lexopt::Parser) -> Outcome<Line> {
    let mut options = Options::default();
    let (mut all, mut also) = (false, Vec::new());
    let mut form = (None, None, None);
    let values = options::parse(parser, &mut options, |name, parser| {
        match name {
            "all" => all = true,
            "also" => also.push(options::text(parser)?),
            "format" => form.0 = Some(options::text(parser)?.parse()?),
            "compression" => form.1 = Some(options::text(parser)?.parse()?),
            "level" => form.2 = Some(options::number(parser)?.min(22) as i32),
            _ => return Ok(false),
        }
        Ok(true)
    })?;
    Ok(Line {
        options,
        all,
        also,
        form,
        values,
    })
}

fn run(parser: lexopt::Parser) -> Outcome<ExitCode> {
    let mut line = parse(parser)?;
    let values = std::mem::take(&mut line.values);
    let [from, to] = options::exactly(values, ["FROM", "TO"])?;
    let (from, to): (Location, Location) = (from.parse()?, to.parse()?);
    transfer(&from, &to, &line).during(|| format!("copy {from} to {to}"))?;
    Ok(ExitCode::SUCCESS)
}

/// Copies, and prints the digest.
pub(super) fn transfer(from: &Location, to: &Location, line: &Line) -> Result<()> {
    let options = &line.options;
    let registry = options.registry()?;
    let selection = if line.all {
        copy::Selection::All
    } else {
        copy::Selection::One(options.platform())
    };
    let parallel = options.pull(None).parallel;
    place::with_source(from, options, &registry, |source| {
        place::with_destination(to, &line.also, from, options, &registry, |destination| {
            let copied = match line.form {
                (None, None, None) => copy::copy(source, destination, &selection, parallel)?,
                (None, None, Some(_)) => fail!(Usage: "--level is for --compression"),
                (format, compression, level) => {
                    let how = convert::Options {
                        format,
                        compression,
                        level,
                        parallel,
                        limits: options.limits().clone(),
                    };
                    let changed = Converted::new(source, &selection, &how)?;
                    copy::copy(&changed, destination, &copy::Selection::All, parallel)?
                }
            };
            put!("{}", copied.digest());
            Ok(())
        })
    })
}
