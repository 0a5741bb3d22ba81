//! `hostname`, `domainname`, `linux.sysctl`, `linux.maskedPaths`, `linux.readonlyPaths`.

use std::collections::{BTreeMap, BTreeSet};

use init::step::{Domainname, Hide, Hostname, ReadOnlyPath, Sysctl};
use kernel::namespace::flags::{NEWIPC, NEWNET, NEWUTS};
use spec::ConfigPath;

use super::{Draft, Namespaces, PlanError};

/// Longest name that the kernel takes (`__NEW_UTS_LEN`).
const LONGEST_NAME: usize = 64;

pub(crate) fn name(draft: &mut Draft<'_>, requested: &Namespaces) -> Result<(), PlanError> {
    let spec = draft.spec;
    let names = [
        ("hostname", spec.hostname.as_deref()),
        ("domainname", spec.domainname.as_deref()),
    ];
    for (field, value) in names {
        let Some(value) = value.filter(|value| !value.is_empty()) else {
            continue;
        };
        let at = ConfigPath::of(field);
        if !requested.has(NEWUTS) {
            let why = format!("unable to set {field} without a private UTS namespace");
            return Err(requested.shared(at, NEWUTS, &why));
        }
        if value.len() > LONGEST_NAME {
            return Err(PlanError::invalid(at, "longer than 64 bytes"));
        }
        let name = draft.text(&at, value)?;
        match field {
            "hostname" => draft.child(&at, Hostname { name }),
            _ => draft.child(&at, Domainname { name }),
        }
    }
    Ok(())
}

/// Parameters of kernel.* that belong to an IPC namespace (ipc_namespaces(7)).
const IPC_PARAMETERS: [&str; 10] = [
    "kernel/msgmax",
    "kernel/msgmnb",
    "kernel/msgmni",
    "kernel/sem",
    "kernel/shmall",
    "kernel/shmmax",
    "kernel/shmmni",
    "kernel/shm_rmid_forced",
    "kernel/msg_next_id",
    "kernel/auto_msgmni",
];

/// A parameter's file below `/proc/sys`. As sysctl(8): if a slash comes before the first dot, slashes separate and dots
/// are part of names (interfaces may have dots); else the other way round.
fn file_of(key: &str) -> String {
    match key.find(['.', '/']) {
        Some(first) if key.as_bytes()[first] == b'/' => key.to_owned(),
        _ => key
            .chars()
            .map(|c| match c {
                '.' => '/',
                '/' => '.',
                other => other,
            })
            .collect(),
    }
}

pub(crate) fn configure(draft: &mut Draft<'_>, requested: &Namespaces) -> Result<(), PlanError> {
    let Some(linux) = &draft.spec.linux else {
        return Ok(());
    };
    let mut seen: BTreeMap<String, (&str, &str)> = BTreeMap::new();
    for (key, value) in linux.sysctl.iter() {
        let file = file_of(key);
        draft.part(|draft| set_parameter(draft, requested, key, &file, value));
        if let Some((other, before)) = seen.insert(file, (key, value))
            && before != value
        {
            let list = ConfigPath::of("linux.sysctl");
            let why = "the same parameter with another value";
            let at = list.clone().key(key);
            draft.note(Err(PlanError::conflicts(at, list.key(other), why)));
        }
    }
    Ok(())
}

fn set_parameter(
    draft: &mut Draft<'_>,
    requested: &Namespaces,
    key: &str,
    file: &str,
    value: &str,
) -> Result<(), PlanError> {
    let at = ConfigPath::of("linux.sysctl").key(key);
    if file.split('/').any(|part| matches!(part, "" | "." | "..")) {
        return Err(PlanError::invalid(
            at,
            "invalid sysctl name: words separated by dots, such as net.core.somaxconn",
        ));
    }
    validate_owner(&at, key, file, requested)?;
    // Writing nothing would change nothing: an empty line empties what holds text, and is an error elsewhere.
    let value = if value.is_empty() { "\n" } else { value };
    let (path, value) = (
        draft.text(&at, &format!("sys/{file}"))?,
        draft.text(&at, value)?,
    );
    draft.child(&at, Sysctl { path, value });
    Ok(())
}

/// Only parameters of the container's own namespaces may be set: others are the host's.
fn validate_owner(
    at: &ConfigPath,
    key: &str,
    file: &str,
    requested: &Namespaces,
) -> Result<(), PlanError> {
    let (owner, namespace) = match file {
        "kernel/hostname" => {
            let why = format!("sysctl {key:?} conflicts with the field for it");
            return Err(PlanError::conflicts(
                at.clone(),
                ConfigPath::of("hostname"),
                why,
            ));
        }
        "kernel/domainname" => (NEWUTS, "uts"),
        file if file.starts_with("net/") => (NEWNET, "network"),
        file if file.starts_with("fs/mqueue/") || IPC_PARAMETERS.contains(&file) => (NEWIPC, "ipc"),
        _ => {
            return Err(PlanError::invalid(
                at.clone(),
                format!("sysctl {key:?} is not in a separate kernel namespace"),
            ));
        }
    };
    if requested.has(owner) {
        return Ok(());
    }
    let why = format!("sysctl {key:?} is not allowed in the host's {namespace} namespace");
    Err(requested.shared(at.clone(), owner, &why))
}

pub(crate) fn protect(draft: &mut Draft<'_>) -> Result<(), PlanError> {
    let Some(linux) = &draft.spec.linux else {
        return Ok(());
    };
    for (field, list) in [
        ("linux.readonlyPaths", &linux.readonly_paths),
        ("linux.maskedPaths", &linux.masked_paths),
    ] {
        let mut seen = BTreeSet::new();
        for (index, path) in list.iter().enumerate() {
            let at = ConfigPath::of(field).index(index);
            if !path.starts_with('/') {
                let why = format!("{path:?} must be absolute");
                draft.note(Err(PlanError::invalid(at, why)));
                continue;
            }
            // Once is enough for a path that is listed twice.
            if !seen.insert(path.as_str()) {
                continue;
            }
            let path = draft.text(&at, path)?;
            match field {
                "linux.readonlyPaths" => draft.child(&at, ReadOnlyPath { path }),
                _ => draft.child(&at, Hide { path }),
            }
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::file_of;

    #[test]
    fn both_notations_of_parameters_are_understood() {
        assert_eq!(file_of("net.ipv4.ip_forward"), "net/ipv4/ip_forward");
        assert_eq!(
            file_of("net/ipv4/conf/eth0.1/rp_filter"),
            "net/ipv4/conf/eth0.1/rp_filter"
        );
        assert_eq!(
            file_of("net.ipv4.conf.eth0/1.rp_filter"),
            "net/ipv4/conf/eth0.1/rp_filter"
        );
        assert_eq!(file_of("kernel"), "kernel");
    }
}
