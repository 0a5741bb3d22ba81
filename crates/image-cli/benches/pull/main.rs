//! From a registry to a mountable root file system: this crate, its peers, and the floor, interleaved on one registry.
//!
//! `cargo bench -p tare-image-cli --bench pull -- --help` lists the options. Needs root and Debian's `docker-registry`; peers (`skopeo`
//! with `umoci`, `podman`, `ctr` with `containerd`) and the floor (`cc`, `libisal-dev`, `libssl-dev`) are left out where they are
//! missing. Everything happens below one temporary directory, in a mount namespace of its own, on the loopback interface.
#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a program for developers that may stop anywhere"
)]

mod daemons;
mod images;
mod measure;
mod stop;
mod tools;

use std::collections::BTreeMap;

use daemons::{Registry, build_floor, have};
use images::{Made, SHAPES, Shape, make};
use measure::{Measured, measure};
use tools::{Place, TOOLS, Tool, available};

const USAGE: &str = "\
Pulls images of several shapes with several programs, and prints a table in Markdown for each shape.

  --rounds N        runs of each program, interleaved (5)
  --scale PERCENT   size of the images (100)
  --only WORD       shapes whose name has this in it
  --tools A,B       programs whose names have one of these in them
  --help            this text";

/// What is measured.
struct Choice {
    rounds: usize,
    scale: u64,
    only: String,
    tools: Vec<String>,
}

/// None when there is nothing to measure: `--help`, or started by `cargo test`, which has no `--bench`.
fn choose(mut arguments: impl Iterator<Item = String>) -> Result<Option<Choice>, String> {
    let mut choice = Choice {
        rounds: 5,
        scale: 100,
        only: String::new(),
        tools: Vec::new(),
    };
    let mut asked = false;
    while let Some(argument) = arguments.next() {
        // Given by cargo itself.
        if argument == "--bench" {
            asked = true;
            continue;
        }
        if argument == "--help" || argument == "-h" {
            return Ok(None);
        }
        let known = ["--rounds", "--scale", "--only", "--tools"];
        if !known.contains(&argument.as_str()) {
            return Err(format!("{argument} is not known"));
        }
        let value = arguments
            .next()
            .ok_or_else(|| format!("{argument} wants a value"))?;
        let number = || {
            let parsed = value.parse::<u64>().ok().filter(|n| *n > 0);
            parsed.ok_or_else(|| format!("{argument} {value}: a number above 0 is wanted"))
        };
        match argument.as_str() {
            "--rounds" => choice.rounds = number()? as usize,
            "--scale" => choice.scale = number()?,
            "--only" => choice.only = value,
            _ => choice.tools = value.split(',').map(String::from).collect(),
        }
    }
    if !SHAPES.iter().any(|s| s.name.contains(&choice.only)) {
        let names: Vec<_> = SHAPES.iter().map(|s| s.name).collect();
        return Err(format!("--only {}: there are {names:?}", choice.only));
    }
    if let Some(word) = (choice.tools.iter()).find(|w| !TOOLS.iter().any(|t| t.name.contains(*w))) {
        let names: Vec<_> = TOOLS.iter().map(|t| t.name).collect();
        return Err(format!("--tools {word}: there are {names:?}"));
    }
    Ok(asked.then_some(choice))
}

fn main() {
    let choice = match choose(std::env::args().skip(1)) {
        Ok(Some(choice)) => choice,
        Ok(None) => return println!("{USAGE}"),
        Err(why) => {
            eprintln!("{why}\n\n{USAGE}");
            std::process::exit(2);
        }
    };
    if !have("docker-registry") || !rustix::process::geteuid().is_root() {
        println!("skipped: root and docker-registry are needed");
        return;
    }
    let temporary = tempfile::tempdir().unwrap();
    stop::clean_up_when_told_to_stop(temporary.path());
    let registry = Registry::start(temporary.path());
    let place = Place {
        registry: registry.address.clone(),
        folder: temporary.path().into(),
        floor: build_floor(temporary.path()),
    };
    for shape in SHAPES.iter().filter(|s| s.name.contains(&choice.only)) {
        let image = shape
            .name
            .split(|c: char| !c.is_ascii_alphanumeric())
            .collect::<String>()
            .to_lowercase();
        eprintln!("making {}", shape.name);
        let made = make(&place, shape, &image, choice.scale);
        eprintln!("{}: {made}", shape.name);
        let results = rounds(&place, shape, &image, &made, &choice);
        report(shape, &made, &results);
    }
}

/// One run of each tool after the other, several times.
fn rounds(
    place: &Place,
    shape: &Shape,
    image: &str,
    made: &Made,
    choice: &Choice,
) -> BTreeMap<usize, Measured> {
    let chosen =
        |tool: &Tool| choice.tools.is_empty() || choice.tools.iter().any(|w| tool.name.contains(w));
    let mut results: BTreeMap<usize, Measured> = BTreeMap::new();
    for round in 1..=choice.rounds {
        for (n, tool) in TOOLS.iter().enumerate() {
            if chosen(tool) && available(tool, place) {
                let (name, all) = (shape.name, choice.rounds);
                eprintln!("{name}: round {round} of {all}: {}", tool.name);
                let into = results.entry(n).or_default();
                measure(place, tool, image, &made.digests, into);
            }
        }
    }
    results
}

fn report(shape: &Shape, made: &Made, results: &BTreeMap<usize, Measured>) {
    println!("\n{}: {made}\n", shape.name);
    println!(
        "| | seconds, median | best | times the floor | processor seconds, best | peak RSS, MB | again, ms |\n|---|---|---|---|---|---|---|"
    );
    let base = results.get(&0).map(|m| median(&m.seconds));
    for (n, measured) in results {
        let seconds = median(&measured.seconds);
        let best = measured.seconds.iter().copied().fold(f64::MAX, f64::min);
        let cpu = measured.cpu.iter().copied().fold(f64::MAX, f64::min);
        let ratio = base.map_or(String::new(), |b| format!("{:.2}", seconds / b));
        let again = if measured.again.is_empty() {
            "–".into()
        } else {
            format!("{:.1}", median(&measured.again) * 1000.0)
        };
        let peak = measured.peak_kb as f64 / 1024.0;
        println!(
            "| {} | {seconds:.3} | {best:.3} | {ratio} | {cpu:.2} | {peak:.0} | {again} |",
            TOOLS[*n].name
        );
    }
}

fn median(values: &[f64]) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    sorted[sorted.len() / 2]
}
