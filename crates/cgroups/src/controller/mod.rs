//! One file for each controller: its settings for v1, v2 and systemd side by side.

pub(crate) mod cpu;
pub(crate) mod cpuset;
pub(crate) mod devices;
pub(crate) mod hugetlb;
pub(crate) mod io;
pub(crate) mod memory;
pub(crate) mod network;
pub(crate) mod pids;
pub(crate) mod rdma;
pub(crate) mod unified;

use spec::{ConfigPath, LinuxResources};

use crate::setting::Draft;
use crate::{Host, Place, SettingError, Settings};

/// Compiles `linux.resources` for a place on a host. Nothing is read or written.
///
/// Device rules are completed with the devices that every container has (config-linux.md, "Default Devices"), and
/// without any rule everything else is denied.
///
/// # Errors
/// A value that is wrong, that contradicts another, or that this kind of host cannot do.
///
/// ```
/// use tare_cgroups::{Driver, Host, Place, settings};
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let resources: spec::LinuxResources =
///     serde_json::from_str(r#"{"pids": {"limit": 10}, "cpu": {"quota": 20000}}"#)?;
/// let host = Host::probe()?;
/// let place = Place::resolve(&host, Driver::Direct, Some("/example"), "example", false)?;
/// for setting in settings(&resources, &host, &place)?.iter() {
///     println!("{}: {setting}", setting.at); // linux.resources.pids.limit: pids.max = 10
/// }
/// # Ok(())
/// # }
/// ```
pub fn settings(
    resources: &LinuxResources<'_>,
    _host: &Host,
    place: &Place,
) -> Result<Settings, SettingError> {
    let (settings, mistakes) = validate(resources, place);
    mistakes.into_iter().next().map_or(Ok(settings), Err)
}

/// As [`settings`], with the first mistake of each controller instead of the first of all: for those who report them.
pub fn validate(resources: &LinuxResources<'_>, place: &Place) -> (Settings, Vec<SettingError>) {
    let mut draft = Draft::new(place);
    let mistakes = compile(&mut draft, resources);
    (draft.settings, mistakes)
}

/// The order matters in two places: `unified` comes last because its values win, and memory comes late because the
/// runtime itself may not fit in afterwards. The answer is what is wrong: the first mistake of each controller.
fn compile(draft: &mut Draft<'_>, resources: &LinuxResources<'_>) -> Vec<SettingError> {
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
