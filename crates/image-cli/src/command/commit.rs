//! `commit`: the changes in a container become a layer.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use serde_json::json;
use tare_image::Result;
use tare_image::commit::{self, Description};
use tare_image::container::{self, Record};
use tare_image::error::During;
use tare_image::pull;
use tare_image::reference::Reference;
use tare_image::source::Source;

use super::options::{self, Options, Outcome, number, text};
use super::output::put;

/// Options that describe a new image, shared with `import`.
pub(super) const DESCRIPTION: [(&str, &str); 10] = [
    ("--author TEXT", "who made it"),
    ("--message, -m TEXT", "for the history"),
    ("--compression FORMAT", "none, gzip or zstd (gzip)"),
    (
        "--created SECONDS",
        "since 1970; by default the newest time in the layer",
    ),
    ("--cmd COMMAND", "what to run: words, or a list in JSON"),
    ("--entrypoint COMMAND", "program in front of it, likewise"),
    (
        "--env, -e NAME=VALUE",
        "a variable, besides those of the base",
    ),
    ("--user, -u USER", "whom to run as"),
    ("--workdir, -w DIR", "where to start"),
    ("--label NAME=VALUE", "a label, likewise"),
];

pub(super) const COMMAND: super::Command = super::Command {
    name: "commit",
    usage: "BUNDLE|CONTAINER REFERENCE",
    about: "Make an image of another one and the changes in a container",
    options: &DESCRIPTION,
    run,
};

/// Takes an option that describes the image; false when it is none.
pub(super) fn describe(
    description: &mut Description,
    name: &str,
    parser: &mut lexopt::Parser,
) -> Result<bool> {
    // As in a Dockerfile: a list in JSON, where words have spaces in them.
    let words = |text: String| match serde_json::from_str::<Vec<String>>(&text) {
        Ok(list) => json!(list),
        Err(_) => json!(text.split_whitespace().collect::<Vec<_>>()),
    };
    match name {
        "author" => description.author = Some(text(parser)?),
        "message" | "m" => description.comment = Some(text(parser)?),
        "compression" => description.compression = text(parser)?.parse()?,
        "created" => description.created = Some(number(parser)? as i64),
        "cmd" => drop(
            description
                .config
                .insert("Cmd".into(), words(text(parser)?)),
        ),
        "entrypoint" => drop(
            description
                .config
                .insert("Entrypoint".into(), words(text(parser)?)),
        ),
        "user" | "u" => drop(
            description
                .config
                .insert("User".into(), json!(text(parser)?)),
        ),
        "workdir" | "w" => drop(
            description
                .config
                .insert("WorkingDir".into(), json!(text(parser)?)),
        ),
        "env" | "e" => {
            let entry = json!(text(parser)?);
            if let Some(list) = description
                .config
                .entry("Env")
                .or_insert_with(|| json!([]))
                .as_array_mut()
            {
                list.push(entry);
            }
        }
        "label" => {
            let text = text(parser)?;
            let (key, value) = text.split_once('=').unwrap_or((&text, ""));
            description
                .config
                .entry("Labels")
                .or_insert_with(|| json!({}))[key] = json!(value);
        }
        _ => return Ok(false),
    }
    Ok(true)
}

fn run(parser: lexopt::Parser) -> Outcome<ExitCode> {
    let mut options = Options::default();
    let mut description = Description::default();
    let values = options::parse(parser, &mut options, |name, parser| {
        describe(&mut description, name, parser)
    })?;
    let [container, name] = options::exactly(values, ["BUNDLE", "REFERENCE"])?;
    let name: Reference = name.parse()?;
    let store = options.store_as_root()?;
    let folder = match Path::new(&container) {
        path if path.is_dir() => path.to_path_buf(),
        _ => store.container(&container),
    };
    let record = Record::read(&folder)?;
    if !record.overlay {
        fail!(Unsupported: "{} keeps no record of what was changed", folder.display()
            => "Make the bundle with --overlay");
    }
    let source = store.source(options.limits());
    let document = source.document(&record.manifest)?;
    let (base, _) = pull::choose(&source, &document, &options.pull(None))
        .during(|| format!("commit {name}"))?;
    let upper: PathBuf = folder.join("upper");
    let without = container::stubs(&store, &base, &folder).during(|| format!("commit {name}"))?;
    let made = commit::commit(&store, &base, &upper, &without, &name, &description)?;
    put!("{}", made.digest());
    Ok(ExitCode::SUCCESS)
}
