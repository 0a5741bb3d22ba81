//! One file for each controller: its settings for v1, v2 and systemd side by side.

pub(crate) mod cpu;
pub(crate) mod cpuset;
pub(crate) mod device_exceptions;
pub(crate) mod device_rule;
pub(crate) mod devices;
pub(crate) mod hugetlb;
pub(crate) mod io;
pub(crate) mod memory;
pub(crate) mod network;
pub(crate) mod pids;
pub(crate) mod rdma;
pub(crate) mod unified;

use spec::{ConfigPath, LinuxResources};

use crate::SettingError;
use crate::setting::Draft;

/// The order matters in two places: `unified` comes last because its values win, and memory comes late because the
/// runtime itself may not fit in afterwards. The answer is what is wrong: the first mistake of each controller.
pub(crate) fn compile(draft: &mut Draft<'_>, resources: &LinuxResources<'_>) -> Vec<SettingError> {
    let at = |name| ConfigPath::of("linux.resources").then(name);
    let mut mistakes = Vec::new();
    let mut note = |part: Result<(), SettingError>| mistakes.extend(part.err());
    if let Some(cpu) = &resources.cpu {
        note(cpu::compile(draft, cpu, &at("cpu")));
        note(cpuset::compile(draft, cpu, &at("cpu")));
    }
    if let Some(block_io) = &resources.block_io {
        note(io::compile(draft, block_io, &at("blockIO")));
    }
    note(hugetlb::compile(
        draft,
        &resources.hugepage_limits,
        &at("hugepageLimits"),
    ));
    note(rdma::compile(draft, &resources.rdma, &at("rdma")));
    if let Some(network) = &resources.network {
        note(network::compile(draft, network, &at("network")));
    }
    if let Some(pids) = &resources.pids {
        note(pids::compile(draft, pids, &at("pids")));
    }
    if let Some(memory) = &resources.memory {
        note(memory::compile(draft, memory, &at("memory")));
    }
    note(unified::compile(draft, &resources.unified, &at("unified")));
    note(devices::compile(draft, &resources.devices, &at("devices")));
    mistakes
}

#[cfg(test)]
mod tests;
