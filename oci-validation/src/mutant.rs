//! Negative controls: what stands between the suite and a runtime and makes the pair wrong in one way. A test that passes
//! all the same proves nothing.

use serde_json::{Value, json};

/// One way to be wrong.
#[derive(Debug, Clone, PartialEq)]
pub enum Mutant {
    /// The runtime never sees this property of the configuration.
    Drop(String),
    /// The runtime sees another value.
    Alter(String),
    /// An operation does nothing and says that it went well.
    Idle(&'static str),
    /// An operation says that it went well, whatever happened.
    Mute(&'static str),
    /// An operation says that it failed, whatever happened.
    Wail(&'static str),
    /// An operation prints a document with another value at a pointer; nothing there with `null`.
    Print(&'static str, String, Value),
}

/// Begins a pointer into the features document, beside those into the configuration.
pub const CLAIM: &str = "features:";

/// The operations of the specification.
const OPERATIONS: &[&str] = &[
    "create", "start", "kill", "delete", "state", "exec", "update",
];

impl Mutant {
    /// The mutants of the operations.
    pub fn of_operations() -> Vec<Mutant> {
        let mut all = Vec::new();
        for name in OPERATIONS {
            all.extend([Mutant::Idle(name), Mutant::Mute(name), Mutant::Wail(name)]);
        }
        let state = [
            ("/status", json!("stopped")),
            ("/status", json!("running")),
            ("/pid", json!(1)),
            ("/id", json!("another")),
            ("/bundle", json!("relative")),
            ("/ociVersion", Value::Null),
            ("/annotations", Value::Null),
        ];
        all.extend(state.map(|(at, value)| Mutant::Print("state", at.to_owned(), value)));
        all
    }

    /// The mutants of what a test touches: a property of the configuration, or a claim of the features document.
    pub fn of(pointer: &str, features: Option<&Value>) -> Vec<Mutant> {
        let Some(claim) = pointer.strip_prefix(CLAIM) else {
            return vec![Mutant::Drop(pointer.to_owned())];
        };
        let claimed = features.and_then(|all| all.pointer(claim));
        let leaves = claimed.map(leaves).unwrap_or_default().into_iter();
        let print =
            |value| move |pointer: &str| Mutant::Print("features", pointer.to_owned(), value);
        leaves
            .flat_map(|rest| {
                let pointer = format!("{claim}{rest}");
                let values = wrong(features.and_then(|all| all.pointer(&pointer)));
                values
                    .into_iter()
                    .map(move |value| print(value)(&pointer))
                    .collect::<Vec<_>>()
            })
            .collect()
    }

    /// What is tried when no test noticed a property's loss: another value.
    pub fn second(&self) -> Option<Mutant> {
        match self {
            Mutant::Drop(pointer) => Some(Mutant::Alter(pointer.clone())),
            _ => None,
        }
    }

    /// What a runtime is shown instead of a configuration.
    pub fn config(&self, config: &mut Value) {
        match self {
            Mutant::Drop(pointer) => remove(config, pointer),
            Mutant::Alter(pointer) => {
                if let Some(value) = config.pointer_mut(pointer) {
                    *value = altered(value);
                }
            }
            _ => {}
        }
    }

    /// What an operation's document becomes.
    pub fn document(&self, operation: &str, text: String) -> String {
        let Mutant::Print(name, pointer, value) = self else {
            return text;
        };
        let Ok(mut document) = serde_json::from_str::<Value>(&text) else {
            return text;
        };
        if *name != operation {
            return text;
        }
        match (value, document.pointer_mut(pointer)) {
            (Value::Null, _) => remove(&mut document, pointer),
            (value, Some(place)) => *place = value.clone(),
            _ => {}
        }
        document.to_string()
    }

    /// The configuration's property, without the positions in arrays: what is counted as one field.
    pub fn field(&self) -> Option<String> {
        let (Mutant::Drop(pointer) | Mutant::Alter(pointer)) = self else {
            return None;
        };
        let words = pointer.split('/').map(|word| match word.parse::<usize>() {
            Ok(_) => "[]",
            Err(_) => word,
        });
        Some(words.collect::<Vec<_>>().join("/"))
    }
}

/// Pointers to all values that hold no others.
pub fn leaves(value: &Value) -> Vec<String> {
    let inner = |key: &str, value: &Value| {
        let key = key.replace('~', "~0").replace('/', "~1");
        leaves(value)
            .into_iter()
            .map(|rest| format!("/{key}{rest}"))
            .collect::<Vec<_>>()
    };
    match value {
        Value::Object(map) if !map.is_empty() => map
            .iter()
            .flat_map(|(key, value)| inner(key, value))
            .collect(),
        Value::Array(list) if list.iter().any(|value| value.is_object()) => list
            .iter()
            .enumerate()
            .flat_map(|(index, value)| inner(&index.to_string(), value))
            .collect(),
        _ => vec![String::new()],
    }
}

fn remove(document: &mut Value, pointer: &str) {
    let Some((parent, key)) = pointer.rsplit_once('/') else {
        return;
    };
    let key = key.replace("~1", "/").replace("~0", "~");
    match document.pointer_mut(parent) {
        Some(Value::Object(map)) => drop(map.remove(&key)),
        Some(Value::Array(list)) => {
            if let Some(index) = key.parse().ok().filter(|index| *index < list.len()) {
                list.remove(index);
            }
        }
        _ => {}
    }
}

fn altered(value: &Value) -> Value {
    match value {
        Value::Bool(truth) => json!(!truth),
        Value::Number(number) => match (number.as_u64(), number.as_i64()) {
            (Some(number), _) => json!(number.wrapping_add(1)),
            (_, Some(number)) => json!(number + 1),
            _ => json!(0),
        },
        Value::String(text) => json!(format!("{text}x")),
        Value::Array(list) => json!(list.split_last().map_or(&[] as &[Value], |(_, rest)| rest)),
        Value::Object(_) | Value::Null => json!("x"),
    }
}

/// Wrong values for a claim of the features document: a false claim, not a missing one, which is allowed.
fn wrong(value: Option<&Value>) -> Vec<Value> {
    match value {
        Some(Value::Array(list)) if list.iter().any(Value::is_string) => {
            let mut more = list.clone();
            more.push(json!("size=invented word"));
            vec![json!(more)]
        }
        Some(Value::String(_)) => vec![json!(5), json!("9.0.0")],
        Some(Value::Bool(_)) => vec![json!("perhaps")],
        _ => Vec::new(),
    }
}
