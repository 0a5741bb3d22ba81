//! The tables as Markdown, and their place in docs/benchmarks.md.

use std::fmt::Write;
use std::fs;

use super::Table;
use super::contestants::Field;
use crate::{Answer, call};

/// The section for one mode.
pub(super) fn section(mode: &str, field: &Field, rounds: usize, tables: &[Table]) -> String {
    let mut text = String::new();
    let layout = match mode {
        "v1" => "control groups of version 1 alone",
        "v2" => "control groups of version 2 alone",
        _ => "the machine's own control groups",
    };
    let _ = writeln!(text, "## {layout}\n");
    let _ = writeln!(text, "{}\n", machine());
    let _ = writeln!(
        text,
        "- payload: {}; {rounds} rounds in turns",
        field.payload
    );
    let _ = writeln!(text, "- floor: {}", field.floor_built);
    for runtime in &field.runtimes {
        let _ = writeln!(text, "- {}: {}", runtime.name, runtime.version);
    }
    let names: Vec<&str> = std::iter::once("floor")
        .chain(field.runtimes.iter().map(|one| one.name.as_str()))
        .collect();
    let others: Vec<&str> = names
        .iter()
        .copied()
        .filter(|name| *name != "tare")
        .collect();
    let ratios: Vec<String> = others.iter().map(|name| format!("tare / {name}")).collect();
    let _ = writeln!(
        text,
        "\n| | unit | {} | {} |",
        names.join(" | "),
        ratios.join(" | ")
    );
    let _ = writeln!(
        text,
        "|---|---|{}",
        "---|".repeat(names.len() + ratios.len())
    );
    for table in tables {
        let value = |name: &str| {
            table
                .rows
                .iter()
                .find(|row| row.0 == name)
                .and_then(|row| row.1)
        };
        let cells: Vec<String> = names
            .iter()
            .map(|name| value(name).map_or("–".to_owned(), number))
            .collect();
        let ratio = |other: &&str| match (value("tare"), value(other)) {
            (Some(tare), Some(other)) if other > 0.0 => format!("{:.2}", tare / other),
            _ => "–".to_owned(),
        };
        let ratios: Vec<String> = others.iter().map(ratio).collect();
        let _ = writeln!(
            text,
            "| {} | {} | {} | {} |",
            table.title,
            table.unit,
            cells.join(" | "),
            ratios.join(" | ")
        );
    }
    text
}

fn number(value: f64) -> String {
    if value < 10.0 {
        format!("{value:.2}")
    } else if value < 100.0 {
        format!("{value:.1}")
    } else {
        format!("{value:.0}")
    }
}

/// One line about the machine.
fn machine() -> String {
    let read = |path: &str| fs::read_to_string(path).unwrap_or_default();
    let processors = read("/proc/cpuinfo");
    let model = processors
        .lines()
        .find_map(|line| line.strip_prefix("model name"))
        .unwrap_or_default();
    let model = model.trim_start_matches(['\t', ' ', ':']);
    let count = std::thread::available_parallelism().map_or(1, usize::from);
    let kernel = read("/proc/sys/kernel/osrelease");
    let date = call::output(call::program("date").args(["-u", "+%F"])).unwrap_or_default();
    let load = read("/proc/loadavg");
    let load = load.split(' ').next().unwrap_or_default().to_owned();
    format!(
        "{}: {count} × {model}, Linux {}, load {load} at the end",
        date.trim(),
        kernel.trim()
    )
}

const HEAD: &str = "# Benchmarks

Written by `cargo xtask bench --mode host|v1|v2`. Times are medians of whole processes. *floor* is a C program that does only
the kernel's work for the same container (`benches/floor/floor.c`), without a filter and without bind mounts; for `state` and `list` it
is an empty process. State directories are on a tmpfs, as below `/run` on real hosts, where nothing else is said. Ratios are within
one run; compare nothing across machines or days.
";

/// Replaces the section of this mode in docs/benchmarks.md.
pub(super) fn write(mode: &str, section: &str) -> Answer {
    let path = call::workspace().join("docs/benchmarks.md");
    let (begin, end) = (
        format!("<!-- mode {mode} -->\n"),
        format!("<!-- end of mode {mode} -->\n"),
    );
    let old = fs::read_to_string(&path).unwrap_or_else(|_| HEAD.to_owned());
    let new = match (old.find(&begin), old.find(&end)) {
        (Some(from), Some(to)) if from < to => {
            format!("{}{begin}{section}{}", &old[..from], &old[to..])
        }
        _ => format!("{old}\n{begin}{section}{end}"),
    };
    fs::write(&path, new).map_err(|error| format!("{}: {error}", path.display()))
}
