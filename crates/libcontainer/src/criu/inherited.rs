//! What a process is given once and keeps, and CRIU (before 3.19, or at all) does not bring back: the restored processes
//! inherit it from CRIU, and that from the thread that starts it.

use init::ChildStep;
use kernel::{identity, scheduling};

use crate::Error;
use crate::plan::{Plan, Step};

/// Changes the calling thread for good.
pub(crate) fn take_on(plan: &Plan) -> Result<(), Error> {
    for entry in &plan.entries {
        let (done, what) = match &entry.step {
            Step::Child(ChildStep::NoNewPrivileges(_)) => {
                (identity::no_new_privileges(), "set no_new_privs")
            }
            Step::Child(ChildStep::IoPriority(step)) => (
                scheduling::set_io_priority(step.class, step.level),
                "set the I/O priority",
            ),
            Step::Child(ChildStep::MemoryPolicy(step)) => {
                let nodes = init::StringTable(&plan.text).bytes(step.nodes);
                let set = scheduling::set_memory_policy(step.mode, nodes);
                (set, "set the memory policy")
            }
            _ => continue,
        };
        done.map_err(|fault| Error::step(&entry.from, what, fault))?;
    }
    Ok(())
}
