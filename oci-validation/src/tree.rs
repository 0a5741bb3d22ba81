//! What mountinfo(5) says about a mount.

use crate::verdict::{Verdict, fail};

/// One line.
#[derive(Debug, Clone)]
pub struct Mount {
    /// Where it is.
    pub at: String,
    /// Options of the mount.
    pub options: Vec<String>,
    /// `shared:N`, `master:N`, `unbindable`.
    pub propagation: Vec<String>,
    /// Type of the file system.
    pub kind: String,
    /// Options of the file system.
    pub data: Vec<String>,
}

impl Mount {
    /// Whether an option of the mount is set.
    pub fn has(&self, option: &str) -> bool {
        self.options.iter().any(|one| one == option)
    }

    /// Whether an option of the file system is set.
    pub fn data_has(&self, option: &str) -> bool {
        self.data.iter().any(|one| one == option)
    }

    /// Whether its propagation has a word, such as `shared`.
    pub fn spreads(&self, word: &str) -> bool {
        self.propagation
            .iter()
            .any(|one| one.split(':').next() == Some(word))
    }
}

/// Reads /proc/PID/mountinfo.
pub fn mounts(text: &str) -> Vec<Mount> {
    let list = |text: &str| text.split(',').map(str::to_owned).collect::<Vec<_>>();
    let line = |line: &str| {
        let (front, back) = line.split_once(" - ")?;
        let front: Vec<&str> = front.split(' ').collect();
        let back: Vec<&str> = back.split(' ').collect();
        Some(Mount {
            at: (*front.get(4)?).to_owned(),
            options: list(front.get(5)?),
            propagation: front
                .iter()
                .skip(6)
                .map(|word| (*word).to_owned())
                .collect(),
            kind: (*back.first()?).to_owned(),
            data: list(back.get(2)?),
        })
    };
    text.lines().filter_map(line).collect()
}

/// The uppermost mount at a path.
pub fn mount_at(text: &str, at: &str) -> Verdict<Mount> {
    match mounts(text).into_iter().rev().find(|mount| mount.at == at) {
        Some(mount) => Ok(mount),
        None => fail(format!("nothing is mounted on {at}")),
    }
}
