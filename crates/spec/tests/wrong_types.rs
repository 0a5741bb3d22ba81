//! Every property of the specification that an expected plan's config has, with a value of every other type of JSON: an error that
//! names the property. What is wrong with values of the right type is the planner's to say, see the cases in `tests/plan`.

#![allow(clippy::unwrap_used, reason = "helpers of tests")]

use std::collections::BTreeSet;
use std::path::Path;

use serde_json::{Value, json};
use tare_spec::Spec;

/// A value's type; `null` is as good as absent everywhere.
fn kind(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "boolean",
        Value::Number(_) => "number",
        Value::String(_) => "string",
        Value::Array(_) => "array",
        Value::Object(_) => "object",
    }
}

/// Pointers to all values below one, with the path as errors write it.
fn places(value: &Value, pointer: &str, path: &str, all: &mut Vec<(String, String)>) {
    let mut one = |key: &str, step: String, value: &Value| {
        let pointer = format!("{pointer}/{}", key.replace('~', "~0").replace('/', "~1"));
        all.push((pointer.clone(), step.clone()));
        places(value, &pointer, &step, all);
    };
    match value {
        Value::Object(map) => {
            let maps = [
                "annotations",
                "netDevices",
                "rdma",
                "sysctl",
                "timeOffsets",
                "unified",
            ];
            let is_map = path
                .rsplit('.')
                .next()
                .is_some_and(|name| maps.contains(&name));
            for (key, value) in map {
                let step = match path {
                    "" => key.clone(),
                    path if is_map => format!("{path}[{key:?}]"),
                    path => format!("{path}.{key}"),
                };
                one(key, step, value);
            }
        }
        Value::Array(list) => {
            for (index, value) in list.iter().enumerate() {
                one(&index.to_string(), format!("{path}[{index}]"), value);
            }
        }
        _ => {}
    }
}

fn configs() -> Vec<Value> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/plan");
    let mut paths: Vec<_> = std::fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path().join("config.json"))
        .filter(|path| path.exists())
        .collect();
    paths.sort();
    let texts = paths
        .iter()
        .map(|path| std::fs::read_to_string(path).unwrap());
    let good = texts.filter(|text| Spec::parse(text).is_ok_and(|spec| spec.remarks.is_empty()));
    good.map(|text| serde_json::from_str(&text).unwrap())
        .collect()
}

#[test]
fn a_value_of_another_type_is_an_error_that_names_its_property() {
    let wrong = [
        json!([]),
        json!([[]]),
        json!({}),
        json!("x"),
        json!(5),
        json!(true),
        json!(1.5),
        json!(1e30),
        json!(-1e30),
    ];
    let mut seen = BTreeSet::new();
    let mut problems = Vec::new();
    for config in configs() {
        let mut all = Vec::new();
        places(&config, "", "", &mut all);
        // Of other platforms' blocks only matters that they are there.
        let foreign = ["solaris", "windows", "vm", "zos", "freebsd"];
        all.retain(|(pointer, path)| {
            let absent = config.pointer(pointer).is_some_and(Value::is_null);
            !absent && !foreign.iter().any(|name| path.starts_with(name))
        });
        for (pointer, path) in all {
            let general: String = path.split(|c: char| c.is_ascii_digit()).collect();
            if !seen.insert(general) {
                continue;
            }
            let right = kind(config.pointer(&pointer).unwrap());
            for value in wrong.iter().filter(|value| kind(value) != right) {
                let mut config = config.clone();
                *config.pointer_mut(&pointer).unwrap() = value.clone();
                match Spec::parse(&config.to_string()) {
                    Ok(_) => problems.push(format!("{path} = {value}: no error")),
                    Err(error) if error.to_string().contains(&path) => {}
                    Err(error) => problems.push(format!("{path} = {value}: {error}")),
                }
            }
        }
    }
    assert!(seen.len() > 250, "{}", seen.len());
    assert!(problems.is_empty(), "{}: {problems:#?}", problems.len());
}
