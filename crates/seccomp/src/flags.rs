//! `linux.seccomp.flags`: how the kernel is to install the filter (seccomp(2)).

use spec::Text;

use crate::profile::root;
use crate::{Error, Support, Warning, Why};

/// Every thread of the process gets the filter.
pub const TSYNC: u64 = 1;
/// Actions other than allow are logged.
pub const LOG: u64 = 2;
/// The mitigation of speculative store bypass stays off.
pub const SPEC_ALLOW: u64 = 4;
/// The answer is a descriptor for notifications.
pub const NEW_LISTENER: u64 = 8;
/// A failed TSYNC says ESRCH, so that it can go with a listener.
pub const TSYNC_ESRCH: u64 = 16;
/// A caller whose notification was received can only be killed, not interrupted.
pub const WAIT_KILLABLE_RECV: u64 = 32;

const TABLE: [(&str, u64); 4] = [
    ("SECCOMP_FILTER_FLAG_TSYNC", TSYNC),
    ("SECCOMP_FILTER_FLAG_LOG", LOG),
    ("SECCOMP_FILTER_FLAG_SPEC_ALLOW", SPEC_ALLOW),
    ("SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV", WAIT_KILLABLE_RECV),
];

/// Names of all flags of the specification.
pub const FLAGS: &[&str] = &[TABLE[0].0, TABLE[1].0, TABLE[2].0, TABLE[3].0];

/// The kernel's number of a flag.
pub fn flag(name: &str) -> Option<u64> {
    TABLE
        .iter()
        .find(|(known, _)| *known == name)
        .map(|(_, value)| *value)
}

/// The flags of the profile with those that they bring along.
pub(crate) fn combine(
    words: Option<&[Text<'_>]>,
    kernel: &Support,
    notify: bool,
    warnings: &mut Vec<Warning>,
) -> Result<u64, Error> {
    let Some(words) = words else {
        // Absent is not empty: without this default every container would pay for a mitigation that the kernel itself no longer
        // turns on for filters since 5.16, up to half of the speed of interpreters on older ones.
        let listener = if notify { NEW_LISTENER } else { 0 };
        return Ok(SPEC_ALLOW & kernel.flags | listener);
    };
    let mut flags = 0;
    for (index, word) in words.iter().enumerate() {
        let at = || root().then("flags").index(index);
        let Some(value) = flag(word) else {
            return Err(Error {
                at: at(),
                why: Why::Flag(word.as_str().to_owned()),
            });
        };
        if kernel.flags & value == 0 {
            return Err(Error {
                at: at(),
                why: Why::FlagOfKernel(word.as_str().to_owned()),
            });
        }
        if value == WAIT_KILLABLE_RECV && !notify {
            // The kernel refuses it without a listener.
            let text = format!("{} has no effect without SCMP_ACT_NOTIFY", word.as_str());
            warnings.push(Warning { at: at(), text });
            continue;
        }
        flags |= value;
    }
    if notify {
        flags |= NEW_LISTENER;
        // The kernel refuses the two together unless told which error a failure is (5.7).
        if flags & TSYNC != 0 {
            flags |= TSYNC_ESRCH;
        }
    }
    Ok(flags)
}
