//! All rows, by the sections of the checklist. A new row is one line in one of these files, with a test below it.

mod cgroup_limits;
mod cgroup_place;
mod cgroup_v1;
mod devices;
mod exec;
mod features;
mod general;
mod hook_failures;
mod hooks;
mod idmap;
mod kernel_settings;
mod lifecycle;
mod mount_forms;
mod mount_options;
mod mounts;
mod namespaces;
mod net_devices;
mod paths;
mod process;
mod process_kernel;
mod propagation;
mod recursive;
mod seccomp;
mod seccomp_agent;
mod state;
mod targets;
mod terminal;
mod values;

use crate::row::Row;

/// Letter, title, and how many rows of the checklist there are.
pub(crate) const SECTIONS: &[(&str, &str, usize)] = &[
    ("A", "General rules", 8),
    ("B", "Root and mounts", 20),
    ("C", "Process", 23),
    ("D", "Namespaces", 7),
    ("E", "Devices and network devices", 12),
    ("F", "Control groups", 26),
    ("G", "RDT, memory policy, personality, kernel parameters", 7),
    ("H", "Seccomp", 10),
    ("I", "Propagation of the root, hidden paths, labels", 5),
    ("J", "Hooks", 9),
    ("K", "State and life cycle", 12),
    ("L", "Features document", 14),
];

const FILES: &[&[Row]] = &[
    general::ROWS,
    values::ROWS,
    mounts::ROWS,
    targets::ROWS,
    mount_options::ROWS,
    mount_forms::ROWS,
    recursive::ROWS,
    idmap::ROWS,
    propagation::ROWS,
    process::ROWS,
    process_kernel::ROWS,
    terminal::ROWS,
    exec::ROWS,
    namespaces::ROWS,
    devices::ROWS,
    net_devices::ROWS,
    cgroup_place::ROWS,
    cgroup_limits::ROWS,
    cgroup_v1::ROWS,
    kernel_settings::ROWS,
    seccomp::ROWS,
    seccomp_agent::ROWS,
    paths::ROWS,
    hooks::ROWS,
    hook_failures::ROWS,
    state::ROWS,
    lifecycle::ROWS,
    features::ROWS,
];

/// All rows, in the order of the checklist.
pub(crate) fn all() -> impl Iterator<Item = &'static Row> {
    let mut all: Vec<&Row> = FILES.iter().copied().flatten().collect();
    let key = |row: &Row| {
        let number: usize = row.base()[1..].parse().unwrap_or(usize::MAX);
        (row.id[..1].to_owned(), number, row.id)
    };
    all.sort_by_key(|row| key(row));
    all.into_iter()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::{SECTIONS, all};

    #[test]
    fn every_row_of_the_checklist_has_a_test() {
        let have: BTreeSet<&str> = all().map(|row| row.base()).collect();
        let wanted = SECTIONS.iter().flat_map(|(letter, _, count)| {
            (1..=*count).map(move |number| format!("{letter}{number}"))
        });
        let missing: Vec<String> = wanted.filter(|id| !have.contains(id.as_str())).collect();
        assert_eq!(missing, Vec::<String>::new());
    }

    #[test]
    fn ids_are_known_and_unique() {
        let ids: Vec<&str> = all().map(|row| row.id).collect();
        let unique: BTreeSet<&&str> = ids.iter().collect();
        assert_eq!(ids.len(), unique.len());
        for row in all() {
            let number: usize = row.base()[1..].parse().unwrap_or(0);
            let section = SECTIONS
                .iter()
                .find(|(letter, _, _)| row.id.starts_with(letter));
            let known = section.is_some_and(|(_, _, count)| (1..=*count).contains(&number));
            assert!(known, "{}", row.id);
            assert!(row.section.contains(".md"), "{}", row.id);
        }
    }
}
