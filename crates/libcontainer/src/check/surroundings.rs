//! The files of the host and of the root that a config names: whether they are there.

use std::fs::Metadata;
use std::io::ErrorKind;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use init::ChildStep;
use kernel::file::{self, open};
use spec::{ConfigPath, Spec};

use super::Findings;
use crate::bundle::Bundle;
use crate::host::HostFacts;
use crate::plan::{HookKind, NAMESPACES, Plan, Step};

/// Looks at each of them. What may be there only when the container is made (a file below a mount, or one that a hook
/// makes) is given the benefit of the doubt.
pub(super) fn validate(spec: &Spec<'_>, bundle: &Bundle, root: &str, report: &mut Findings) {
    mounts(spec, bundle, report);
    hooks(spec, report);
    namespaces(spec, report);
    if !root.is_empty() {
        program(spec, root, report);
    }
}

fn mounts(spec: &Spec<'_>, bundle: &Bundle, report: &mut Findings) {
    for (index, mount) in spec.mounts.iter().enumerate() {
        let source = mount.source.as_deref().unwrap_or_default();
        if source.is_empty() || !crate::plan::is_bind(mount) {
            continue;
        }
        let path = bundle.directory().join(source);
        if let Err(why) = look(&path) {
            let at = ConfigPath::of("mounts").index(index).then("source");
            report.problem(&at, format!("{}: {why}", path.display()));
        }
    }
}

fn hooks(spec: &Spec<'_>, report: &mut Findings) {
    let Some(hooks) = &spec.hooks else { return };
    for kind in HookKind::ALL {
        // Those run from the container's root.
        if kind == HookKind::StartContainer {
            continue;
        }
        for (index, hook) in kind.of(hooks).iter().enumerate() {
            let at = kind.field(index).then("path");
            let path = Path::new(hook.path.as_str());
            if !path.is_absolute() {
                continue;
            }
            let why = match look(path) {
                Err(why) => why,
                Ok(metadata) if is_program(&metadata) => continue,
                Ok(_) => "is not executable",
            };
            let text = format!("{}: {why}", path.display());
            // The container runs whatever becomes of these (runtime.md, "Lifecycle").
            match kind {
                HookKind::Poststart | HookKind::Poststop => report.warning(&at, text),
                _ => report.problem(&at, text),
            }
        }
    }
}

fn namespaces(spec: &Spec<'_>, report: &mut Findings) {
    let list = spec.linux.iter().flat_map(|linux| &linux.namespaces);
    for (index, namespace) in list.enumerate() {
        let path = namespace.path.as_deref().unwrap_or_default();
        let known = NAMESPACES.iter().find(|(name, _)| namespace.kind == *name);
        let (true, Some((name, flag))) = (path.starts_with('/'), known) else {
            continue;
        };
        let at = ConfigPath::of("linux.namespaces").index(index).then("path");
        let opened = std::ffi::CString::new(path)
            .map_err(|_| kernel::Fault::found(kernel::Call::Openat, kernel::Errno::ENOENT))
            .and_then(|path| file::open_at(file::HERE, &path, open::RDONLY | open::NONBLOCK, 0));
        match opened {
            Err(fault) => report.problem(&at, format!("{path}: {}", fault.errno.text())),
            Ok(fd) if kernel::namespace::kind(fd.borrow()) != Ok(*flag) => {
                report.problem(&at, format!("{path}: is not a {name} namespace"));
            }
            Ok(_) => {}
        }
    }
}

/// Limits that the caller may not give (setrlimit(2)).
pub(super) fn limits(plan: &Plan, host: &HostFacts, report: &mut Findings) {
    const CAP_SYS_RESOURCE: u64 = 1 << 24;
    if host.initial_user_namespace && host.capabilities & CAP_SYS_RESOURCE != 0 {
        return;
    }
    for entry in &plan.entries {
        if let Step::Child(ChildStep::Limit(requested)) = &entry.step
            && let Ok((_, most)) = kernel::scheduling::limit(requested.resource)
            && requested.hard > most
        {
            let why = format!("raising it above {most} takes CAP_SYS_RESOURCE");
            report.problem(&entry.from.clone().then("hard"), why);
        }
    }
}

/// The program, in the root as it is now.
fn program(spec: &Spec<'_>, root: &str, report: &mut Findings) {
    let Some(process) = &spec.process else { return };
    let Some(name) = process.args.first().filter(|name| !name.is_empty()) else {
        return;
    };
    let made_by_hooks = spec.hooks.as_ref().is_some_and(|hooks| {
        [
            HookKind::Prestart,
            HookKind::CreateRuntime,
            HookKind::CreateContainer,
        ]
        .into_iter()
        .any(|kind| !kind.of(hooks).is_empty())
    });
    let root = std::ffi::CString::new(root)
        .ok()
        .and_then(|root| file::open_at(file::HERE, &root, open::PATH | open::DIRECTORY, 0).ok());
    let (false, Some(root)) = (made_by_hooks, root) else {
        return;
    };
    let cwd = Path::new(process.cwd.as_deref().unwrap_or("/"));
    let path = process
        .env
        .iter()
        .rev()
        .find_map(|entry| entry.strip_prefix("PATH="));
    let candidates: Vec<_> = match name.contains('/') {
        true => vec![cwd.join(name.as_str())],
        false => path
            .unwrap_or_default()
            .split(':')
            .map(|directory| cwd.join(directory).join(name.as_str()))
            .collect(),
    };
    let covered = |path: &Path| {
        spec.mounts
            .iter()
            .any(|mount| path.starts_with(Path::new("/").join(mount.destination.as_str())))
    };
    let mut answer = "executable file not found in $PATH".to_owned();
    for candidate in &candidates {
        if covered(candidate) {
            return;
        }
        let found = std::ffi::CString::new(candidate.as_os_str().as_bytes())
            .map_err(|_| kernel::Errno::ENOENT)
            .and_then(|path| {
                init::inside::open(root.borrow(), &path, open::PATH)
                    .and_then(|fd| file::status(fd.borrow()))
                    .map_err(|fault| fault.errno)
            });
        match found {
            Ok(status) if status.kind() == file::mode::REGULAR && status.mode & 0o111 != 0 => {
                return;
            }
            Ok(_) if name.contains('/') => answer = "permission denied".to_owned(),
            Err(errno) if name.contains('/') => {
                answer = format!("stat {}: {}", candidate.display(), errno.text());
            }
            _ => {}
        }
    }
    let at = ConfigPath::of("process.args").index(0);
    report.problem(&at, format!("exec: {:?}: {answer}", name.as_str()));
}

/// Why a path leads nowhere. What may not be looked at is taken to be there.
fn look(path: &Path) -> Result<Metadata, &'static str> {
    std::fs::metadata(path).map_err(|error| match error.kind() {
        ErrorKind::PermissionDenied => "permission denied",
        _ => error
            .raw_os_error()
            .map_or("cannot be looked at", |number| kernel::Errno(number).text()),
    })
}

fn is_program(metadata: &Metadata) -> bool {
    metadata.is_file() && metadata.permissions().mode() & 0o111 != 0
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::{Creation, create};

    #[test]
    fn limits_are_raised_by_those_who_may() {
        let config = r#"{"ociVersion": "1.0.0", "root": {"path": "/x"},
            "process": {"cwd": "/", "args": ["a"], "user": {"uid": 0, "gid": 0}, "rlimits": [
                {"type": "RLIMIT_CORE", "soft": 0, "hard": 0},
                {"type": "RLIMIT_NOFILE", "soft": 1, "hard": 18446744073709551615}]},
            "linux": {"namespaces": [{"type": "mount"}]}}"#;
        let spec = Spec::parse(config).expect("a config");
        let creation = Creation {
            root: "/x".to_owned(),
            ..Creation::default()
        };
        let mut host = HostFacts::default();
        let plan = create(&spec, &creation, &host).expect("a plan");
        for (capabilities, initial, found) in [
            (host.capabilities, true, &[][..]),
            (host.capabilities, false, &["process.rlimits[1].hard"]),
            (0, true, &["process.rlimits[1].hard"]),
        ] {
            (host.capabilities, host.initial_user_namespace) = (capabilities, initial);
            let mut report = Findings::new(config.to_owned());
            limits(&plan, &host, &mut report);
            let fields: Vec<&str> = report.problems.iter().map(|p| p.config.as_str()).collect();
            assert_eq!(fields, found, "{capabilities:x} {initial}");
        }
    }
}
