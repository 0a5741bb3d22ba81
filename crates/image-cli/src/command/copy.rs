//! `copy`: from any place to any other, perhaps in another form. `push` is the same from the store to a registry.

use tare_image::convert::{self, Converted};
use tare_image::copy::{Selection, copy};
use tare_image::location::Location;
use tare_image::{Result, compression::Compression};

use super::{Line, Options, place, put};

/// Options of both verbs.
pub(super) const OPTIONS: &str = "
--all  all platforms of an index
--also TAG  give it this tag in the registry too; may be repeated
--format FORMAT  media types of oci or docker
--compression FORM  layers without compression (none), or by gzip or zstd
--level N  0 to 9 for gzip, 1 to 22 for zstd
--push-chunk BYTES  larger layers are sent in pieces of this size (67108864)
";

pub(super) const VERB: &str = "
copy LOCATION LOCATION  Copy an image from any place to any other, byte by byte or in another form
";

pub(super) const PUSH: &str = "
push REFERENCE [docker://REFERENCE]  Send an image to a registry
";

pub(super) fn run(line: &Line, options: &Options) -> Result<u8> {
    let (from, to) = (line.arguments[0].parse()?, line.arguments[1].parse()?);
    transfer(&from, &to, selection(line, options), line, options)
}

pub(super) fn push(line: &Line, options: &Options) -> Result<u8> {
    let (from, to) = (
        line.arguments[0].parse()?,
        line.remote(line.arguments.len() - 1)?,
    );
    let (from, to) = (Location::Store(from), Location::Registry(to));
    transfer(&from, &to, selection(line, options), line, options)
}

fn selection(line: &Line, options: &Options) -> Selection {
    match line.has("--all") {
        true => Selection::All,
        false => Selection::One(options.platform()),
    }
}

/// Copies, and prints the digest.
pub(super) fn transfer(
    from: &Location,
    to: &Location,
    selection: Selection,
    line: &Line,
    options: &Options,
) -> Result<u8> {
    let level = line
        .number("--level")?
        .map(|level: u64| level.min(22) as i32);
    let compression: Option<Compression> = line.parsed("--compression")?;
    if level.is_some() && compression.is_none() {
        fail!(Usage: "--level is for --compression");
    }
    let parallel = options.parallel();
    let form = convert::Options {
        format: line.parsed("--format")?,
        compression,
        level,
        parallel,
        limits: options.limits().clone(),
    };
    let source = place::source(from, options)?;
    let target = place::target(to, &line.all("--also"), from, options)?;
    let copied = match (form.format, form.compression) {
        (None, None) => copy(&*source, &*target.to, &selection, parallel)?,
        _ => {
            let changed = Converted::new(&*source, &selection, &form)?;
            copy(&changed, &*target.to, &Selection::All, parallel)?
        }
    };
    target.finish(options)?;
    put!("{}", copied.digest());
    Ok(0)
}
