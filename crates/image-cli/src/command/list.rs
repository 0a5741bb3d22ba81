//! `list`: what is in the store, or in a layout.

use std::process::ExitCode;

use serde_json::json;
use tare_image::Kind;
use tare_image::layout::Layout;
use tare_image::location::Location;
use tare_image::progress::size;

use super::options::{self, Options, Outcome};
use super::output::put;
use super::place;

pub(super) const COMMAND: super::Command = super::Command {
    name: "list",
    usage: "[oci:PATH]",
    about: "List images",
    options: &[("--json", "for programs")],
    run,
};

fn run(parser: lexopt::Parser) -> Outcome<ExitCode> {
    let mut options = Options::default();
    let mut as_json = false;
    let values = options::parse(parser, &mut options, |name, _| {
        let own = name == "json";
        as_json |= own;
        Ok(own)
    })?;
    let layout = match &values[..] {
        [] => match options.store_to_read() {
            Ok(store) => store.layout().clone(),
            // What is not there yet holds nothing.
            Err(e) if e.kind() == Kind::NotFound => {
                if as_json {
                    put!("[]");
                }
                return Ok(ExitCode::SUCCESS);
            }
            Err(e) => return Err(e.into()),
        },
        [one] => match one.parse()? {
            Location::Layout { path, name: None } => Layout::open(&path)?,
            other => {
                fail!(Usage: "{other} cannot be listed"
                    => "The store and layouts (oci:DIR) can; \"tags\" lists what a registry has");
            }
        },
        _ => return Err(failure!(Usage: "list takes at most one layout").into()),
    };
    let mut rows = Vec::new();
    for (name, descriptor) in layout.names()? {
        let (bytes, shape) = match layout.document(&descriptor, options.limits().manifest_bytes) {
            Ok(document) => {
                let there = document.children().into_iter();
                let there = there.filter(|c| layout.has(c).unwrap_or(false));
                (
                    there.map(|c| c.size()).sum(),
                    place::shape(&document.content),
                )
            }
            // The others are as good as before.
            Err(e) => {
                log::warn!("{name}: {e}");
                (0, "cannot be read".into())
            }
        };
        rows.push((name, descriptor.digest().to_string(), bytes, shape));
    }
    if as_json {
        let rows: Vec<_> = rows
            .iter()
            .map(|(n, d, b, s)| json!({"name": n, "digest": d, "size": b, "content": s}))
            .collect();
        put!("{}", json!(rows));
    } else {
        let width = rows.iter().map(|r| r.0.len()).max().unwrap_or(0);
        for (name, digest, bytes, shape) in rows {
            put!(
                "{name:<width$}  {}  {:>9}  {shape}",
                &digest[..digest.len().min(19)],
                size(bytes)
            );
        }
    }
    Ok(ExitCode::SUCCESS)
}
