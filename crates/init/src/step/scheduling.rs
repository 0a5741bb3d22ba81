//! When and where the process runs, and where its memory lies.

use core::fmt;

use kernel::scheduling::{self, Attributes};

use super::{Context, Show, Step, step};
use crate::{Span, StringTable};

step! {
    /// ioprio_set(2). `process.ioPriority`
    IoPriority {
        /// 1 real-time, 2 best effort, 3 idle.
        class: u32,
        /// 0..=7
        level: u32,
    }
}

impl Step for IoPriority {
    fn run(&self, _: &mut Context<'_>) -> kernel::Result<()> {
        scheduling::set_io_priority(self.class, self.level)
    }

    fn describe(&self, _: StringTable<'_>, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let class = ["none", "real-time", "best effort", "idle"]
            .get(self.class as usize)
            .copied()
            .unwrap_or("?");
        write!(f, "io priority {class} {}", self.level)
    }
}

step! {
    /// sched_setattr(2). `process.scheduler`
    Scheduler {
        /// SCHED_….
        policy: u32,
        /// Nice value.
        nice: i32,
        /// Static priority.
        priority: u32,
        /// SCHED_FLAG_….
        flags: u64,
        /// Nanoseconds.
        runtime: u64,
        /// Nanoseconds.
        deadline: u64,
        /// Nanoseconds.
        period: u64,
    }
}

impl Step for Scheduler {
    fn run(&self, _: &mut Context<'_>) -> kernel::Result<()> {
        scheduling::set_scheduler(Attributes {
            policy: self.policy,
            flags: self.flags,
            nice: self.nice,
            priority: self.priority,
            runtime: self.runtime,
            deadline: self.deadline,
            period: self.period,
            ..Attributes::default()
        })
    }

    fn describe(&self, _: StringTable<'_>, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "scheduler policy {} nice {} priority {} flags {:#x}",
            self.policy, self.nice, self.priority, self.flags
        )?;
        if self.runtime | self.deadline | self.period != 0 {
            write!(
                f,
                " runtime {} deadline {} period {}",
                self.runtime, self.deadline, self.period
            )?;
        }
        Ok(())
    }
}

step! {
    /// sched_setaffinity(2). `process.execCPUAffinity`, or all processors of the container's cgroup.
    Affinity {
        /// One bit per processor, as bytes.
        mask: Span,
        /// The list that it was made from, for people.
        list: Span,
    }
}

impl Step for Affinity {
    fn run(&self, context: &mut Context<'_>) -> kernel::Result<()> {
        scheduling::set_affinity(0, context.text.bytes(self.mask))
    }

    fn describe(&self, text: StringTable<'_>, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "run on processors {}", Show(text.bytes(self.list)))
    }
}

step! {
    /// set_mempolicy(2). `linux.memoryPolicy`
    MemoryPolicy {
        /// Mode and flags.
        mode: u32,
        /// One bit per node, as bytes.
        nodes: Span,
        /// The policy in the specification's words, for people.
        words: Span,
    }
}

impl Step for MemoryPolicy {
    fn run(&self, context: &mut Context<'_>) -> kernel::Result<()> {
        scheduling::set_memory_policy(self.mode, context.text.bytes(self.nodes))
    }

    fn describe(&self, text: StringTable<'_>, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "memory policy {}", Show(text.bytes(self.words)))
    }
}
