//! The library in a program with threads and a large heap: all containers of a crowd run, and nothing of them is left.

#[path = "../examples/many_threads/crowd.rs"]
mod crowd;

use std::collections::BTreeSet;
use std::fs;
use std::io::Write;
use std::path::Path;

use crowd::Crowd;

/// What this process and the host have that a container could leave behind.
#[derive(Debug, PartialEq, Eq)]
struct Traces {
    descriptors: usize,
    children: BTreeSet<String>,
    mounts: BTreeSet<String>,
    cgroups: BTreeSet<String>,
    folders: BTreeSet<String>,
}

impl Traces {
    fn now() -> Traces {
        let mine = format!("crowd-{}", std::process::id());
        let ours = |name: &String| name.contains(&mine);
        let mounts = fs::read_to_string("/proc/self/mountinfo").expect("procfs");
        let mut cgroups = BTreeSet::new();
        collect_directories(Path::new("/sys/fs/cgroup"), 6, &mut cgroups);
        let mut folders = BTreeSet::new();
        collect_directories(&std::env::temp_dir(), 1, &mut folders);
        Traces {
            descriptors: fs::read_dir("/proc/self/fd").expect("procfs").count(),
            children: children(),
            mounts: mounts.lines().map(str::to_owned).filter(ours).collect(),
            cgroups: cgroups.into_iter().filter(ours).collect(),
            folders: folders.into_iter().filter(ours).collect(),
        }
    }
}

fn collect_directories(path: &Path, depth: usize, found: &mut BTreeSet<String>) {
    // Others' directories come and go meanwhile.
    for entry in fs::read_dir(path).into_iter().flatten().flatten() {
        if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
            found.insert(entry.path().display().to_string());
            if depth > 1 {
                collect_directories(&entry.path(), depth - 1, found);
            }
        }
    }
}

/// Processes whose parent is this one, zombies too.
fn children() -> BTreeSet<String> {
    let own = std::process::id().to_string();
    let parent = |stat: &str| {
        let (_, rest) = stat.rsplit_once(')')?;
        rest.split_whitespace().nth(1).map(str::to_owned)
    };
    let processes = fs::read_dir("/proc").expect("procfs").flatten();
    processes
        .filter_map(|entry| fs::read_to_string(entry.path().join("stat")).ok())
        .filter(|stat| parent(stat).as_deref() == Some(&own))
        .collect()
}

#[test]
fn many_threads_create_containers_at_once() {
    if let Some(why) = crowd::missing() {
        // Past the capture of test output, so that it can be counted.
        let line = format!("skipped: many_threads_create_containers_at_once: {why}\n");
        let _ = std::io::stdout().write_all(line.as_bytes());
        return;
    }
    let before = Traces::now();
    let crowd = Crowd {
        threads: 16,
        rounds: 4,
        mebibytes: 256,
    };
    let figures = crowd.run().unwrap();
    assert_eq!(figures.containers, 64);
    assert!(figures.allocations > 0);
    // Each of the figures is shown.
    let shown = figures.to_string();
    assert!(shown.starts_with("64 containers in "), "{shown}");
    assert_eq!(before, Traces::now(), "{shown}");
}
