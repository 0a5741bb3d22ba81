//! `cargo xtask hello`: builds tare and runs the bundle in `bundles/hello`.
//!
//! As root it is a normal container, as an ordinary user a rootless one. Its root file system holds one program of ours,
//! which is built on the spot and prints what it sees.

use std::fs;
use std::path::Path;

use crate::{Answer, call, probe};

pub(crate) fn run(arguments: &[String]) -> Answer {
    let tare = call::build_tare()?;
    let bundle = call::target().join("hello");
    make_bundle(&bundle)?;
    if arguments.iter().any(|argument| argument == "--bundle-only") {
        println!("{}", bundle.display());
        return Ok(());
    }
    let mut run = call::program(tare);
    run.arg("--root")
        .arg(bundle.join("state"))
        .arg("run")
        .arg("--bundle")
        .arg(&bundle);
    call::run(run.arg(format!("hello-{}", std::process::id())))
}

/// Writes the bundle: config.json and a root file system with the program in it.
pub(crate) fn make_bundle(bundle: &Path) -> Answer {
    let failed = |error: std::io::Error| format!("{}: {error}", bundle.display());
    let root = bundle.join("rootfs");
    for folder in ["bin", "dev", "proc", "sys"] {
        fs::create_dir_all(root.join(folder)).map_err(failed)?;
    }
    let build = bundle.join("build");
    fs::create_dir_all(&build).map_err(failed)?;
    let rustc = std::env::var_os("RUSTC").unwrap_or_else(|| "rustc".into());
    let program = probe::build_probe(&rustc, &call::workspace(), &build, None)?;
    fs::copy(program, root.join("bin/hello")).map_err(failed)?;
    let source = call::workspace().join("bundles/hello");
    let config = match call::ids() {
        (0, _) => fs::read_to_string(source.join("config.json")).map_err(failed)?,
        (uid, gid) => {
            let text = fs::read_to_string(source.join("config.rootless.json")).map_err(failed)?;
            text.replace("\"YOUR UID\"", &uid.to_string())
                .replace("\"YOUR GID\"", &gid.to_string())
        }
    };
    fs::write(bundle.join("config.json"), config).map_err(failed)
}
