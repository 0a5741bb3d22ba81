//! `info`: what kernel, host and caller offer, for bug reports.

use std::fmt::Write;

use libcontainer::host::{Fact, Value};
use serde_json::{Map, Value as Json, json};

use super::{Arguments, Command};
use crate::failure::Failure;
use crate::flag::Flag;
use crate::global::Global;
use crate::invocation::{Invocation, Order};
use crate::output;

static FORMAT: Flag = Flag::text("format", "FORMAT", "table or json (default: table)")
    .short("f")
    .one_of(&["table", "json"]);

pub(crate) static COMMAND: Command = Command {
    name: "info",
    summary: "print what kernel, host and caller offer, with reasons",
    synopsis: "",
    about: "\
What a bug report should contain: the kernel, its security modules, the layout
of control groups, what the caller may do and why. Nothing on the system
changes.",
    examples: &[
        ("info", "a table for people"),
        ("info --format json", "the same for programs"),
    ],
    flags: &[&FORMAT],
    order: Order::Anywhere,
    arguments: Arguments::Exactly(0),
    run,
};

fn run(global: &Global, invocation: &Invocation) -> Result<i32, Failure> {
    let print = match invocation.text(&FORMAT) {
        None | Some("table") => table,
        Some("json") => json,
        Some(_) => return Err(Failure::new("invalid format option")),
    };
    let search = std::env::var_os("PATH").unwrap_or_default();
    let facts = libcontainer::host::info(&search)?;
    output::print(&print(&own(global), &facts)?).map(|()| 0)
}

/// What the program knows of itself.
fn own(global: &Global) -> Vec<(&'static str, String)> {
    let root = global.root.display().to_string();
    let mut own: Vec<_> = global.program.facts().collect();
    own.push(("state", root));
    own
}

/// `{"tare": {"version": …}, "kernel": {"release": {"value": …, "why": …}, …}, …}`
fn json(own: &[(&str, String)], facts: &[Fact]) -> Result<String, Failure> {
    let mut document = Map::new();
    let own = own
        .iter()
        .map(|(name, value)| ((*name).to_owned(), json!(value)));
    document.insert("tare".to_owned(), Json::Object(own.collect()));
    for fact in facts {
        let topic = document.entry(fact.topic).or_insert_with(|| json!({}));
        topic[fact.name.replace(' ', "_")] = json!(fact);
    }
    Ok(output::pretty(&document, "  ")? + "\n")
}

/// A line for each fact; the reason stands behind it.
fn table(own: &[(&str, String)], facts: &[Fact]) -> Result<String, Failure> {
    let mut text = "tare\n".to_owned();
    for (name, value) in own {
        push(&mut text, name, value, "");
    }
    let mut topic = "";
    for fact in facts {
        if fact.topic != topic {
            topic = fact.topic;
            let _ = writeln!(text, "{topic}");
        }
        push(&mut text, fact.name, &words(&fact.value), &fact.why);
    }
    Ok(text)
}

fn push(text: &mut String, name: &str, value: &str, why: &str) {
    let _ = write!(text, "  {name:<26}{value}");
    match why {
        "" => text.push('\n'),
        why => {
            let _ = writeln!(text, "  ({why})");
        }
    }
}

fn words(value: &Value) -> String {
    match value {
        Value::Unknown => "unknown".to_owned(),
        Value::Is(yes) => (if *yes { "yes" } else { "no" }).to_owned(),
        Value::Number(number) => number.to_string(),
        Value::Text(text) => text.clone(),
        Value::List(list) if list.is_empty() => "none".to_owned(),
        Value::List(list) => list.join(", "),
    }
}
