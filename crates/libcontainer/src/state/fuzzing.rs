//! Ways in for [`crate::fuzzing`]: what stands in files that describe containers and processes.

use init::report::Seen;

use super::record::Record;
use super::{observe, runc};

/// Files below a container's directory: the record, ours or runc's, the report, a note about a hook.
pub fn records(bytes: &[u8]) {
    if let Ok(Some(record)) = Record::read(bytes) {
        // What was understood is written so that the same is understood.
        let written = record.written().expect("JSON");
        let again = Record::read(&written).expect("JSON").expect("a process");
        assert_eq!(again.written().expect("JSON"), written);
    }
    if let Some(found) = runc::read(bytes) {
        let _ = found.record(0);
    }
    if let Some(seen) = Seen::read(bytes) {
        assert_ne!(seen.step, Some(u32::MAX));
    }
    let _ = observe::hook_in(bytes);
}

/// Files of proc(5).
pub fn files_of_proc(bytes: &[u8]) {
    for field in [4, 22, 52] {
        let _ = observe::field_of_stat::<u64>(bytes, field);
        let _ = observe::field_of_stat::<i32>(bytes, field);
    }
    let text = String::from_utf8_lossy(bytes);
    if let Ok(mounts) = observe::mounts_in(&text, |_| true) {
        assert_eq!(mounts.len(), text.lines().count());
    }
    crate::host::fuzzing::files_for_people(&text);
    crate::perform::fuzzing::id_maps(&text);
    crate::perform::fuzzing::status(&text);
    for line in text.lines() {
        assert!(crate::container::lock_owner(line).is_none_or(|pid| pid > 0));
    }
}
