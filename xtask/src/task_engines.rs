//! `cargo xtask engines`: what users do with Docker, containerd, Podman, Buildah and Kubernetes' interface, with tare as the runtime.
//! tests/engines/README.md says how.

use std::process::Stdio;

use crate::{Answer, call};

/// Those that tests/engines knows.
const ENGINES: [&str; 10] = [
    "docker",
    "containerd",
    "shim",
    "cri",
    "podman",
    "rootless",
    "buildah",
    "install",
    "swarm",
    "itself",
];

/// Those that use containerd's shims.
const SHIMMED: [&str; 4] = ["containerd", "shim", "cri", "docker"];

pub(crate) fn run(arguments: &[String]) -> Answer {
    let (mut runtime, mut engines, mut rest) = (None, Vec::new(), Vec::new());
    let mut shim = false;
    let mut words = arguments.iter();
    while let Some(word) = words.next() {
        let mut value = || {
            let missing = || format!("{word} needs a value");
            words.next().cloned().ok_or_else(missing)
        };
        match word.as_str() {
            "--runtime" => runtime = Some(value()?),
            "--engine" => {
                let name = value()?;
                if !ENGINES.contains(&name.as_str()) {
                    return Err(format!(
                        "no such engine: {name}; there are {}",
                        ENGINES.join(", ")
                    ));
                }
                engines.push(name);
            }
            "--filter" => rest.extend([word.clone(), value()?]),
            "--shim" => shim = true,
            "--short" | "--newer" => rest.push(word.clone()),
            _ => return Err(format!("unknown option {word}")),
        }
    }
    let runtime = match runtime.as_deref() {
        None | Some("tare") => call::build_tare()?.into_os_string(),
        Some(other) => other.into(),
    };
    if shim {
        let path = call::build_shim()?;
        rest.extend(["--shim".to_owned(), path.to_string_lossy().into_owned()]);
    }
    if engines.is_empty() {
        let all: &[&str] = if shim { &SHIMMED } else { &ENGINES };
        engines.extend(all.iter().map(|&name| name.to_owned()));
    }
    let mut failed = Vec::new();
    for engine in engines {
        let status = call::program(call::workspace().join("tests/engines/run"))
            .arg("--runtime")
            .arg(&runtime)
            .args(["--engine", &engine])
            .args(&rest)
            .stdin(Stdio::null())
            .status()
            .map_err(|error| format!("tests/engines/run: {error}"))?;
        if !status.success() {
            failed.push(engine);
        }
    }
    match failed.as_slice() {
        [] => Ok(()),
        some => Err(format!("failed: {}", some.join(", "))),
    }
}
