//! The plan of a new container.

use spec::{ConfigPath, Spec};

use super::{
    Draft, Plan, PlanError, cgroup, devices, hooks, mounts, namespaces, network, process, root,
    system, terminal,
};
use crate::host::HostFacts;

/// What the caller says beyond the config.
#[derive(Clone, Debug, Default)]
pub struct Creation {
    /// The container's id.
    pub id: String,
    /// Absolute path of the root directory.
    pub root: String,
    /// Absolute path of the bundle, which relative paths start from.
    pub bundle: String,
    /// The terminal goes to no socket of the caller's: it is relayed to the caller's own.
    pub relays_terminal: bool,
    /// Do not use pivot_root(2).
    pub no_pivot: bool,
    /// Keep the caller's session keyring.
    pub no_new_keyring: bool,
    /// Where in the hierarchies the container's cgroup is, for mounts of type cgroup.
    pub has_cgroup: bool,
    /// The child is started inside its cgroup and need not be moved there.
    pub cloned_into_cgroup: bool,
    /// Descriptors from 3 on that are passed to the container.
    pub preserve_fds: u32,
    /// Add `LISTEN_FDS` and `LISTEN_PID` to the environment (sd_listen_fds(3)).
    pub listen_fds: u32,
}

/// Compiles a config to the plan that creates a container from it.
///
/// # Errors
/// A field that is missing, wrong, contradicts another, or cannot be done here.
pub fn create(spec: &Spec<'_>, creation: &Creation, host: &HostFacts) -> Result<Plan, PlanError> {
    judge_document(spec)?;
    let mut draft = Draft::new(spec, host);
    let draft = &mut draft;
    let wanted = namespaces::Namespaces::read(spec, host)?;
    wanted.judge_root()?;
    namespaces::open(draft, &wanted)?;
    mounts::copy_sources(draft, creation, &wanted)?;
    terminal::connect(draft)?;
    cgroup::make(draft, creation, &wanted);
    process::give_streams(draft, &wanted, false);
    namespaces::start_child(draft, creation, &wanted);
    process::before_joining(draft, host.rootless())?;
    namespaces::enter(draft, &wanted)?;
    cgroup::delegate(draft, creation, &wanted, true);
    process::give_streams(draft, &wanted, true);
    process::begin(draft, creation)?;
    system::name(draft, &wanted)?;
    network::configure(draft, &wanted)?;
    root::open(draft, creation)?;
    mounts::build(draft, creation, &wanted)?;
    devices::make(draft, &wanted)?;
    mounts::finish(draft)?;
    terminal::open(draft, creation.relays_terminal)?;
    hooks::before_root(draft, &wanted)?;
    root::enter(draft, creation)?;
    system::configure(draft, &wanted)?;
    root::finish(draft)?;
    process::prepare_first(draft, creation, &wanted)?;
    let finished = std::mem::replace(draft, Draft::new(spec, host));
    Ok(finished.finish())
}

/// What concerns the document as a whole (config.md, "Specification version", "Platform-specific configuration").
fn judge_document(spec: &Spec<'_>) -> Result<(), PlanError> {
    let at = ConfigPath::of("ociVersion");
    let version = spec
        .oci_version
        .as_ref()
        .ok_or_else(|| PlanError::missing(at.clone()))?;
    if !is_version(version) {
        return Err(PlanError::invalid(
            at,
            format!("{version:?} is not a version (SemVer 2.0)"),
        ));
    }
    if !version.starts_with("1.") {
        return Err(PlanError::unsupported(
            at,
            format!("version {version} is not supported, only 1.x"),
        ));
    }
    let others = [
        ("solaris", spec.solaris.is_some()),
        ("windows", spec.windows.is_some()),
        ("vm", spec.vm.is_some()),
        ("zos", spec.zos.is_some()),
        ("freebsd", spec.freebsd.is_some()),
    ];
    if let Some((name, _)) = others.iter().find(|(_, present)| *present) {
        let why = format!("this config is for {name}; only linux is supported");
        return Err(PlanError::unsupported(ConfigPath::of(name), why));
    }
    if spec.root.is_none() {
        return Err(PlanError::missing(ConfigPath::of("root")));
    }
    if spec.linux.iter().any(|linux| linux.intel_rdt.is_some()) {
        return Err(PlanError::unsupported(
            ConfigPath::of("linux.intelRdt"),
            "cache and memory bandwidth allocation is not supported yet",
        ));
    }
    if spec.annotations.iter().any(|(key, _)| key.is_empty()) {
        return Err(PlanError::invalid(
            ConfigPath::of("annotations"),
            "a key is empty",
        ));
    }
    Ok(())
}

/// `MAJOR.MINOR.PATCH`, then perhaps `-` or `+` and more.
fn is_version(text: &str) -> bool {
    let core = text.split(['-', '+']).next().unwrap_or_default();
    let mut numbers = core.split('.');
    let number = |part: Option<&str>| {
        part.is_some_and(|part| !part.is_empty() && part.bytes().all(|b| b.is_ascii_digit()))
    };
    number(numbers.next())
        && number(numbers.next())
        && number(numbers.next())
        && numbers.next().is_none()
}
