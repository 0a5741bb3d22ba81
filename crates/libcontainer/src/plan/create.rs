//! The plan of a new container.

use spec::{ConfigPath, Spec};

use super::{
    Draft, Plan, PlanError, cgroup, devices, hooks, mounts, namespaces, network, process, resctrl,
    root, system, terminal,
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
    /// The container has a cgroup of its own.
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
/// A field that is missing, wrong, contradicts another, or cannot be done here: the first of [`validate`].
pub fn create(spec: &Spec<'_>, creation: &Creation, host: &HostFacts) -> Result<Plan, PlanError> {
    draft(spec, creation, host).finish()
}

/// As [`create`], with everything that is wrong with the config instead of the first problem. The plan has gaps then.
pub fn validate(spec: &Spec<'_>, creation: &Creation, host: &HostFacts) -> (Plan, Vec<PlanError>) {
    draft(spec, creation, host).validated()
}

fn draft<'a>(spec: &'a Spec<'a>, creation: &Creation, host: &'a HostFacts) -> Draft<'a> {
    let mut finished = Draft::new(spec, host);
    let draft = &mut finished;
    validate_document(draft);
    draft.warn_about_keys(&spec.remarks);
    let (requested, problems) = namespaces::Namespaces::validated(spec, host);
    for problem in problems {
        draft.note(Err(problem));
    }
    root::validate_shared(draft, &requested);
    let opened = draft.part(|draft| namespaces::open(draft, &requested));
    let opened = opened.unwrap_or_default();
    let outside = mounts::prepare(draft, creation, &requested);
    let console = draft.part(terminal::connect).flatten();
    cgroup::make(draft, creation, &requested);
    draft.part(|draft| resctrl::make(draft, creation));
    process::give_streams(draft, &requested, false);
    namespaces::start_child(draft, creation, &requested);
    draft.part(|draft| process::before_joining(draft, host.rootless()));
    let foreign = devices::make_foreign(draft, creation, &requested);
    draft.part(|draft| namespaces::enter(draft, &requested, &opened, &outside));
    cgroup::delegate(draft, creation, &requested, true);
    process::give_streams(draft, &requested, true);
    draft.part(|draft| process::begin(draft, creation));
    draft.part(|draft| system::name(draft, &requested));
    draft.part(|draft| network::configure(draft, &requested));
    draft.part(|draft| root::open(draft, creation, &requested));
    let late = mounts::build(draft, creation, &requested, &outside);
    draft.part(|draft| devices::make(draft, creation, &requested, &foreign));
    draft.part(|draft| terminal::open(draft, console, creation.relays_terminal));
    draft.part(|draft| hooks::before_root(draft, &requested));
    draft.part(|draft| root::enter(draft, creation, &requested));
    draft.part(|draft| system::configure(draft, &requested));
    mounts::finish(draft, &late);
    draft.part(root::finish);
    cgroup::limit_devices(draft, creation);
    draft.part(|draft| process::prepare_first(draft, creation, &requested));
    finished
}

/// What concerns the document as a whole (config.md, "Specification version", "Platform-specific configuration").
fn validate_document(draft: &mut Draft<'_>) {
    let spec = draft.spec;
    draft.note(validate_version(spec));
    let others = [
        ("solaris", spec.solaris.is_some()),
        ("windows", spec.windows.is_some()),
        ("vm", spec.vm.is_some()),
        ("zos", spec.zos.is_some()),
        ("freebsd", spec.freebsd.is_some()),
    ];
    for (name, _) in others.iter().filter(|(_, present)| *present) {
        let why = format!("this config is for {name}; only linux is supported");
        draft.note(Err(PlanError::unsupported(ConfigPath::of(name), why)));
    }
    if spec.root.is_none() {
        draft.note(Err(PlanError::missing(ConfigPath::of("root"))));
    }
    if spec.annotations.iter().any(|(key, _)| key.is_empty()) {
        draft.note(Err(PlanError::invalid(
            ConfigPath::of("annotations"),
            "a key is empty",
        )));
    }
}

fn validate_version(spec: &Spec<'_>) -> Result<(), PlanError> {
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
    Ok(())
}

/// Semantic Versioning 2.0: `MAJOR.MINOR.PATCH`, then perhaps `-` and a pre-release, then perhaps `+` and a build, both of
/// which are words separated by dots. Numbers have no leading zeros, except in the build.
fn is_version(text: &str) -> bool {
    let (rest, build) = match text.split_once('+') {
        Some((rest, build)) => (rest, Some(build)),
        None => (text, None),
    };
    let (core, pre) = match rest.split_once('-') {
        Some((core, pre)) => (core, Some(pre)),
        None => (rest, None),
    };
    let word = |part: &str| {
        !part.is_empty() && part.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-')
    };
    let digits = |part: &str| !part.is_empty() && part.bytes().all(|b| b.is_ascii_digit());
    let number = |part: &str| digits(part) && (part == "0" || !part.starts_with('0'));
    core.split('.').count() == 3
        && core.split('.').all(number)
        && pre.is_none_or(|pre| {
            let mut words = pre.split('.');
            words.all(|part| word(part) && (!digits(part) || number(part)))
        })
        && build.is_none_or(|build| build.split('.').all(word))
}

#[cfg(test)]
mod tests {
    use super::is_version;

    #[test]
    fn versions_are_semantic() {
        for good in [
            "1.0.0",
            "1.0.2-dev",
            "1.3.0",
            "1.0.0-rc.1+build-5.007",
            "1.0.0+x",
            "1.0.0--",
            "1.0.0-0a",
        ] {
            assert!(is_version(good), "{good}");
        }
        for bad in [
            "",
            "1",
            "1.0",
            "1.0.0.0",
            "1.0.0-",
            "1.0.0+",
            "1.0.0-+b",
            "1.0.0-a..b",
            "1.0.0-01",
            "01.0.0",
            "1.00.0",
            "1.0.x",
            "v1.0.0",
            "1.0.0-ä",
            "1.0.0+a+b",
            " 1.0.0",
            "1.0.0-dev ",
        ] {
            assert!(!is_version(bad), "{bad}");
        }
    }
}
