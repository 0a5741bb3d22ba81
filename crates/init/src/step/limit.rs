//! Resource limits.

use core::fmt;

use kernel::scheduling;

use super::{Context, Step, step};
use crate::StringTable;

step! {
    /// prlimit(2). `process.rlimits[]`
    Limit {
        /// Which, as RLIMIT_….
        resource: u32,
        /// Soft limit.
        soft: u64,
        /// Hard limit.
        hard: u64,
    }
}

/// Names in the order of their numbers (getrlimit(2)), the same on all architectures here.
pub(super) const NAMES: [&str; 16] = [
    "RLIMIT_CPU",
    "RLIMIT_FSIZE",
    "RLIMIT_DATA",
    "RLIMIT_STACK",
    "RLIMIT_CORE",
    "RLIMIT_RSS",
    "RLIMIT_NPROC",
    "RLIMIT_NOFILE",
    "RLIMIT_MEMLOCK",
    "RLIMIT_AS",
    "RLIMIT_LOCKS",
    "RLIMIT_SIGPENDING",
    "RLIMIT_MSGQUEUE",
    "RLIMIT_NICE",
    "RLIMIT_RTPRIO",
    "RLIMIT_RTTIME",
];

impl Step for Limit {
    fn run(&self, _: &mut Context<'_>) -> kernel::Result<()> {
        scheduling::set_limit(self.resource, self.soft, self.hard)
    }

    fn describe(&self, _: StringTable<'_>, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = NAMES
            .get(self.resource as usize)
            .copied()
            .unwrap_or("limit");
        write!(f, "{name} {}:{}", self.soft, self.hard)
    }
}
