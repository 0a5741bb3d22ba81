//! Builds the probe, which the suite carries inside itself.

#[path = "../tests/integration/build_probe.rs"]
mod build_probe;

use std::path::{Path, PathBuf};

fn main() {
    let variable = |name: &str| std::env::var_os(name).expect("cargo sets it");
    let workspace = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    for folder in build_probe::SOURCES {
        println!(
            "cargo::rerun-if-changed={}",
            workspace.join(folder).display()
        );
    }
    let out = PathBuf::from(variable("OUT_DIR"));
    let target = variable("TARGET");
    let other = Some(target.as_os_str()).filter(|target| *target != variable("HOST"));
    match build_probe::build_probe(&variable("RUSTC"), &workspace, &out, other) {
        Ok(program) => println!("cargo::rustc-env=PROBE={}", program.display()),
        Err(message) => panic!("the probe cannot be built: {message}"),
    }
}
