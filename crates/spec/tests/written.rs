//! What was read can be written: it says the same then.

use serde_json::Value;
use tare_spec::Spec;

#[test]
fn examples_are_written_as_they_were_read() {
    let mut seen = 0;
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../../tests/plan");
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path().join("config.json");
        let Ok(text) = std::fs::read_to_string(&path) else {
            continue;
        };
        let Ok(mut spec) = Spec::parse(&text) else {
            continue;
        };
        let written = serde_json::to_string(&spec).unwrap();
        let again = Spec::parse(&written).unwrap();
        spec.remarks.clear();
        // Neither order nor what is said twice matters; nothing that was said may be missing.
        assert_eq!(
            format!("{again:?}"),
            format!("{spec:?}"),
            "{}",
            path.display()
        );
        seen += 1;
    }
    assert!(seen > 20, "{seen}");
}

#[test]
fn what_is_not_set_is_not_written() {
    let text = serde_json::to_value(Spec::default()).unwrap();
    assert_eq!(text, Value::Object(serde_json::Map::new()));
}
