//! What is stored about a container: `state.json`.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::runc::{ForRunc, PoststopHook};

/// The facts about one container. Written once, before the effects that it describes; nothing in it is a status. Which
/// process it became is written over the beginning of the file, which keeps its length, once there is one.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Record {
    /// The container's id.
    pub id: String,
    /// The container's first process; 0 before there is one.
    #[serde(rename = "init_process_pid", skip_serializing)]
    pub pid: i32,
    /// What tells this process from a later one with the same id: the inode number of its pidfd (unique since boot,
    /// Linux 6.9), or before that its start time in clock ticks (proc_pid_stat(5), field 22); and, mixed with that, the boot.
    #[serde(rename = "init_process_identity", skip_serializing)]
    pub identity: u64,
    /// The start time in any case, by which runc knows it.
    #[serde(rename = "init_process_start", skip_serializing)]
    pub(crate) start: u64,
    /// Tells these when they are whole from when they are just being written.
    #[serde(rename = "init_process_check", skip_serializing)]
    pub(crate) check: u64,
    /// In which boot of the machine it was created: `boot_id` of random(4).
    pub boot: String,
    /// When it was created: RFC 3339, nanoseconds, UTC.
    pub created: String,
    /// The version that the config complies with.
    pub oci_version: String,
    /// The bundle's directory, absolute.
    pub bundle: String,
    /// The root directory, absolute.
    pub rootfs: String,
    /// Who created it.
    pub owner: u32,
    /// The config's annotations, in order.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub annotations: Vec<(String, String)>,
    /// Where its cgroup is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cgroup: Option<cgroups::Place>,
    /// The same by controller, for tools that read this file.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub cgroup_paths: BTreeMap<String, String>,
    /// Its resctrl group.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub resctrl: Option<crate::resctrl::Group>,
    /// The types of namespaces in which it differs from the runtime, as clone flags.
    pub namespaces: u64,
    /// Its pid namespace is new: whatever is in it dies with its first process.
    #[serde(default)]
    pub owns_pids: bool,
    /// setgroups(2) works in it.
    pub set_groups: bool,
    /// There is a program to start.
    pub has_process: bool,
    /// There are hooks.
    pub has_hooks: bool,
    /// The step of its plan at which it waits for `start`.
    pub fence: u32,
    /// Who waits for its end to delete it then: a `run` in the foreground.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub waiter: Option<Waiter>,
    /// What runc is to do after it has removed the container.
    #[serde(skip)]
    pub(crate) poststop: Vec<PoststopHook>,
    /// runc has made it: see [`super::runc`].
    #[serde(skip)]
    pub(crate) is_runcs: bool,
}

/// A process of the runtime's.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Waiter {
    /// Its number.
    pub pid: i32,
    /// As [`Record::identity`].
    pub identity: u64,
}

impl Record {
    /// What stands at the beginning of the file about the process, always in the same number of bytes.
    pub(super) fn process_text(pid: i32, identity: u64, start: u64) -> String {
        let (begin, check) = (
            Record::process_begin(pid, identity),
            check(pid, identity, start),
        );
        format!("{begin}\"init_process_start\":{start:<20},\"init_process_check\":{check:<20},")
    }

    /// The part of it that tells which process that is.
    pub(super) fn process_begin(pid: i32, identity: u64) -> String {
        format!("{{\"init_process_pid\":{pid:<10},\"init_process_identity\":{identity:<20},")
    }

    /// The whole file.
    pub(super) fn written(&self) -> Result<Vec<u8>, serde_json::Error> {
        let mut text = Record::process_text(self.pid, self.identity, self.start).into_bytes();
        // Behind the process comes the rest of the same object, and what runc reads of it.
        text.extend_from_slice(&serde_json::to_vec(self)?[1..]);
        text.pop();
        text.push(b',');
        text.extend_from_slice(&serde_json::to_vec(&ForRunc::of(self))?[1..]);
        Ok(text)
    }

    /// A record from its file's content; `None` when that was read while its process was being written.
    pub(super) fn read(bytes: &[u8]) -> Result<Option<Record>, serde_json::Error> {
        // Checked as a whole, its strings need not be one by one.
        let record: Record = match std::str::from_utf8(bytes) {
            Ok(text) => serde_json::from_str(text)?,
            Err(_) => serde_json::from_slice(bytes)?,
        };
        let is_whole = record.check == check(record.pid, record.identity, record.start);
        Ok(is_whole.then_some(record))
    }
}

fn check(pid: i32, identity: u64, start: u64) -> u64 {
    // Without the rotation the last two would cancel each other where they are the same.
    u64::from(pid.unsigned_abs()) ^ identity ^ start.rotate_left(32)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(record: &Record) -> Vec<u8> {
        record.written().unwrap()
    }

    #[test]
    fn the_process_is_written_over_the_beginning() {
        let mut record = Record {
            id: "a".to_owned(),
            ..Record::default()
        };
        let mut bytes = file(&record);
        let text = Record::process_text(i32::MAX, u64::MAX, u64::MAX);
        bytes[..text.len()].copy_from_slice(text.as_bytes());
        let read = Record::read(&bytes).unwrap().unwrap();
        (record.pid, record.identity, record.start) = (i32::MAX, u64::MAX, u64::MAX);
        assert_eq!((read.pid, read.identity), (i32::MAX, u64::MAX));
        assert_eq!(bytes, file(&record));
    }

    #[test]
    fn half_a_process_is_none() {
        let record = Record::default();
        let text = Record::process_text(12_345, 678_901_234, 567_890);
        let mut wholes = 0;
        for length in 0..=text.len() {
            let mut bytes = file(&record);
            bytes[..length].copy_from_slice(&text.as_bytes()[..length]);
            // Some cuts are no JSON, which is told from damage by looking again.
            if let Ok(Some(read)) = Record::read(&bytes) {
                assert!([0, 12_345].contains(&read.pid), "{length}");
                assert_eq!(read.identity, if read.pid == 0 { 0 } else { 678_901_234 });
                wholes += 1;
            }
        }
        assert!(wholes > 2);
    }

    #[test]
    fn damage_is_an_error() {
        let whole = file(&Record::default());
        for bytes in [&whole[..whole.len() - 1], b"{}", b"x", b"{\"id\":1}"] {
            assert!(Record::read(bytes).is_err());
        }
    }
}
