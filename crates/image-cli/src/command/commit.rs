//! `commit`: the changes in a container become a layer.

use std::path::Path;

use serde_json::{Value, json};
use tare_image::Result;
use tare_image::commit::{self, Description};
use tare_image::container::{self, Record};
use tare_image::pull;
use tare_image::source::Source;

use super::{Line, Options, put};

/// Options that describe a new image, shared with `import`.
pub(super) const DESCRIPTION: &str = "
--author TEXT  who made it
--message, -m TEXT  for the history
--compression FORMAT  none, gzip or zstd (gzip)
--created SECONDS  since 1970; by default the newest time in the layer
--cmd COMMAND  what to run: words, or a list in JSON
--entrypoint COMMAND  program in front of it, likewise
--env, -e NAME=VALUE  a variable, besides those of the base
--user, -u USER  whom to run as
--workdir, -w DIR  where to start
--label NAME=VALUE  a label, likewise
";

pub(super) const VERB: &str = "
commit BUNDLE|CONTAINER REFERENCE  Make an image of another one and the changes in a container
";

/// What the options say about the image.
pub(super) fn description(line: &Line) -> Result<Description> {
    // As in a Dockerfile: a list in JSON, where words have spaces in them.
    let words = |text: &str| match serde_json::from_str::<Vec<String>>(text) {
        Ok(list) => json!(list),
        Err(_) => json!(text.split_whitespace().collect::<Vec<_>>()),
    };
    let labels = line.all("--label").into_iter();
    let labels = labels.map(|label| {
        let (key, value) = label.split_once('=').unwrap_or((&label, ""));
        (key.to_string(), json!(value))
    });
    let some = |list: Value| Some(list).filter(|l| *l != json!([]) && *l != json!({}));
    let config = [
        ("Cmd", line.text("--cmd").map(words)),
        ("Entrypoint", line.text("--entrypoint").map(words)),
        ("User", line.text("--user").map(Value::from)),
        ("WorkingDir", line.text("--workdir").map(Value::from)),
        ("Env", some(json!(line.all("--env")))),
        ("Labels", some(Value::Object(labels.collect()))),
    ];
    let config = config.into_iter().filter_map(|(k, v)| Some((k.into(), v?)));
    Ok(Description {
        author: line.text("--author").map(String::from),
        comment: line.text("--message").map(String::from),
        compression: line.parsed("--compression")?.unwrap_or_default(),
        created: line.number("--created")?,
        config: config.collect(),
    })
}

pub(super) fn run(line: &Line, options: &Options) -> Result<u8> {
    let description = description(line)?;
    let (container, name) = (&line.arguments[0], line.arguments[1].parse()?);
    let store = options.store_as_root()?;
    let folder = match Path::new(container) {
        path if path.is_dir() => path.to_path_buf(),
        _ => store.container(container),
    };
    let record = Record::read(&folder)?;
    if !record.overlay {
        fail!(Unsupported: "{} keeps no record of what was changed", folder.display()
            => "Make the bundle with --overlay");
    }
    let source = store.source(options.limits());
    let document = source.document(&record.manifest)?;
    let (base, _) = pull::choose(&source, &document, &options.pull())?;
    let without = container::stubs(&store, &base, &folder)?;
    let upper = folder.join("upper");
    let made = commit::commit(&store, &base, &upper, &without, &name, &description)?;
    put!("{}", made.digest());
    Ok(0)
}
