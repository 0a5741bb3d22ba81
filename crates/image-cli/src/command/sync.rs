//! `sync`: a whole repository, or a list of images, to another registry or folder.

use std::io::Read;
use std::path::Path;

use tare_image::copy::{Selection, copy};
use tare_image::error::Doing;
use tare_image::location::Location;
use tare_image::reference::Reference;
use tare_image::{Error, Kind, Result};

use super::{Line, Options, line::counted, place, put};

pub(super) const VERB: &str = "
sync docker://REPOSITORY|FILE|- docker://PLACE|oci:DIR  Copy all images of a repository, or of a list, with all their platforms
--only PLATFORM  one platform of each instead of all
";

pub(super) fn run(line: &Line, options: &Options) -> Result<u8> {
    let [from, to] = [&line.arguments[0], &line.arguments[1]];
    let selection = match line.parsed("--only")? {
        Some(platform) => Selection::One(platform),
        None => Selection::All,
    };
    let pairs = match from.strip_prefix("docker://") {
        Some(repository) => of_repository(repository, to, options)?,
        None => of_list(from, to)?,
    };
    let mut failed = 0;
    for (from, to) in &pairs {
        // What one image lacks is no reason to leave the others out.
        match one(from, to, &selection, options) {
            Ok(digest) => put!("{to} {digest}"),
            Err(e) => {
                failed += 1;
                log::error!("sync {from}: {e}");
            }
        }
    }
    if failed > 0 {
        fail!(Network: "{failed} of {} could not be copied", counted(pairs.len(), "image"));
    }
    Ok(0)
}

fn one(from: &Location, to: &Location, selection: &Selection, options: &Options) -> Result<String> {
    let source = place::source(from, options)?;
    let target = place::target(to, &[], from, options)?;
    let copied = copy(&*source, &*target.to, selection, options.parallel())?;
    target.finish(options)?;
    Ok(copied.digest().to_string())
}

type Pairs = Vec<(Location, Location)>;

/// Every tag, or the one that was named; with the same tag in the other place.
fn of_repository(repository: &str, to: &str, options: &Options) -> Result<Pairs> {
    let reference: Reference = repository.parse()?;
    let last = repository.rsplit('/').next().unwrap_or_default();
    let one = last.contains([':', '@']);
    let references = match one {
        true => vec![reference],
        false => {
            let tags = options.registry.repository(&reference)?.tags()?;
            let tagged = tags.iter().map(|tag| reference.with_tag(tag));
            tagged.collect::<Result<Vec<_>>>()?
        }
    };
    let pair = |reference: Reference| {
        let place = place_for(to, "", &reference)?;
        Ok((Location::Registry(reference), place))
    };
    references.into_iter().map(pair).collect()
}

/// A location on each line; they keep their names, below the other place.
fn of_list(file: &str, to: &str) -> Result<Pairs> {
    let mut text = String::new();
    match file {
        "-" => std::io::stdin().read_to_string(&mut text).map(drop),
        file => std::fs::read_to_string(file).map(|read| text = read),
    }
    .at("read", Path::new(file))?;
    let lines = text.lines().map(str::trim);
    let mut pairs = Vec::new();
    for line in lines.filter(|line| !line.is_empty() && !line.starts_with('#')) {
        let from = line.parse::<Location>()?.or_remote();
        let name = from.default_name()?;
        let place = place_for(to, name.repository(), &name)?;
        pairs.push((from, place));
    }
    Ok(pairs)
}

/// Where the image `name` is to go below `to`, in a registry in the repository `below` that.
fn place_for(to: &str, below: &str, name: &Reference) -> Result<Location> {
    let Some(place) = to.strip_prefix("docker://") else {
        return layout_place(to, name);
    };
    let place = format!("{place}/{below}");
    let place = place.trim_end_matches('/');
    let end = match (name.tag(), name.digest()) {
        (Some(tag), _) => format!(":{tag}"),
        (None, Some(digest)) => format!("@{digest}"),
        (None, None) => String::new(),
    };
    Ok(Location::Registry(format!("{place}{end}").parse()?))
}

fn layout_place(to: &str, name: &Reference) -> Result<Location> {
    match to.parse()? {
        Location::Layout { path, name: None } => Ok(Location::Layout {
            path,
            name: Some(name.to_string()),
        }),
        _ => Err(
            Error::new(Kind::Usage, format!("{to} holds no more than one image"))
                .hint("Write docker://PLACE or oci:DIR"),
        ),
    }
}
