//! What the network namespace of a restored container gets from outside: CRIU makes it empty.

use init::ChildStep;
use kernel::namespace::flags::NEWNET;

use super::net_devices::{self, Moved};
use super::netlink::Netlink;
use super::{bring_back, namespace};
use crate::Error;
use crate::plan::{Plan, RuntimeStep, Step};

/// Devices that go back if the container is not to be after all.
#[derive(Debug, Default)]
pub(crate) struct Network(Vec<Moved>);

impl Network {
    /// Does what the plan does about the network, for a process that exists already.
    pub(crate) fn fill(&mut self, plan: &Plan, pid: i32) -> Result<(), Error> {
        for entry in &plan.entries {
            match &entry.step {
                Step::Child(ChildStep::Loopback(_)) => {
                    set_up_loopback(pid).map_err(|fault| {
                        Error::step(&entry.from, "set up the loopback interface", fault)
                    })?;
                }
                Step::Runtime(step @ RuntimeStep::MoveDevice { name, new_name }) => {
                    let moved = net_devices::take(name, new_name, pid);
                    self.0
                        .push(moved.map_err(|fault| Error::step(&entry.from, step, fault))?);
                }
                _ => {}
            }
        }
        Ok(())
    }

    pub(crate) fn undo(&mut self) {
        bring_back(&mut self.0);
    }
}

fn set_up_loopback(pid: i32) -> kernel::Result<()> {
    let target = namespace::open(&format!("/proc/{pid}/ns/net"), NEWNET)?;
    let mut there = Netlink::open_in(&target)?;
    let index = there.link("lo")?.index;
    there.set_up(index)
}
