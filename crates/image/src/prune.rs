//! Which images nobody needs: by their age, and by the containers that there are.

use std::collections::HashSet;
use std::time::{Duration, SystemTime};

use crate::container::{Found, Record};
use crate::error::Result;
use crate::manifest::Content;
use crate::store::Store;

/// The names of all images that no container was made of, and that were neither pulled nor run for at least `age`.
pub fn unused(store: &Store, age: Duration) -> Result<Vec<String>> {
    let mut needed = HashSet::new();
    for container in Record::all(store)? {
        if let Found::Used(record) = container {
            needed.insert(record.manifest.digest().clone());
        }
    }
    let layout = store.layout();
    let mut found = Vec::new();
    for (name, descriptor) in layout.names()? {
        let mut all = vec![descriptor.clone()];
        if let Ok(document) = layout.document(&descriptor, u64::MAX)
            && let Content::Index(_) = &document.content
        {
            all.extend(document.children());
        }
        let used = all.iter().any(|d| needed.contains(d.digest()));
        let last = all.iter().filter_map(|d| layout.touched(d)).max();
        // What was used in the future, by a clock that was wrong, was used just now.
        let since = last.map(|t| SystemTime::now().duration_since(t).unwrap_or_default());
        if !used && since.is_none_or(|since| since >= age) {
            found.push(name);
        }
    }
    Ok(found)
}
