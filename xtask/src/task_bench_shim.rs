//! `cargo xtask bench-shim`: containerd's shim for runc with runc and with tare, and tare's shim, in turn. benches/shim/measure does it.

use crate::{Answer, call};

/// Static programs, as they are shipped.
const TARGET: &str = "x86_64-unknown-linux-musl";

pub(crate) fn run(arguments: &[String]) -> Answer {
    let (mut rounds, mut views) = ("25", vec!["", "v2"]);
    for pair in arguments.chunks(2) {
        match pair {
            [word, number] if word == "--rounds" => rounds = number,
            [word, view] if word == "--cgroup" && view == "host" => views = vec![""],
            [word, view] if word == "--cgroup" && view == "v2" => views = vec!["v2"],
            _ => return Err("bench-shim takes --rounds N and --cgroup host|v2".to_owned()),
        }
    }
    if call::ids().0 != 0 {
        return Err("only root can make the containers that are measured".to_owned());
    }
    let runc = call::installed("runc").ok_or("there is no runc here")?;
    for word in ["containerd", "ctr", "containerd-shim-runc-v2", "busybox"] {
        call::installed(word).ok_or_else(|| format!("there is no {word} here"))?;
    }
    let build = ["build", "--release", "--target", TARGET];
    let packages = ["--package", "tare-runtime", "--package", "tare-shim"];
    call::run(call::cargo(build).args(packages))?;
    let programs = call::target().join(TARGET).join("release");
    for view in views {
        call::run(
            call::program(call::workspace().join("tests/engines/world"))
                .env("WORLD_CGROUPS", view)
                .arg(call::workspace().join("benches/shim/measure"))
                .arg(programs.join("containerd-shim-tare-v2"))
                .arg(programs.join("tare"))
                .arg(&runc)
                .arg(rounds),
        )?;
    }
    Ok(())
}
