//! Finds out which commit is being built, for the `commit:` line of `--version`, and lays the functions of the static
//! program in order.

use std::path::{Path, PathBuf};
use std::process::Command;

fn main() {
    println!("cargo::rerun-if-env-changed=TARE_COMMIT");
    // The log of HEAD grows with each commit and each switch; a source archive has none.
    let log = git(&["rev-parse", "--git-path", "logs/HEAD"]);
    if let Some(log) = log.filter(|log| Path::new(log).exists()) {
        println!("cargo::rerun-if-changed={log}");
    }
    let commit = std::env::var("TARE_COMMIT")
        .ok()
        .or_else(|| git(&["rev-parse", "--short=12", "HEAD"]))
        .unwrap_or_else(|| "unknown".to_owned());
    println!("cargo::rustc-env=TARE_COMMIT={commit}");
    if let Some(script) = order() {
        println!("cargo::rustc-link-arg-bins=-Wl,-T,{}", script.display());
    }
}

/// A script for the linker that puts the functions of order.txt first, in that order. What it names and is not there does no
/// harm. Only where the usual linker of static release builds is called: others need not know such scripts.
fn order() -> Option<PathBuf> {
    println!("cargo::rerun-if-changed=order.txt");
    let set = |name| std::env::var(name).unwrap_or_default();
    let chosen =
        set("CARGO_ENCODED_RUSTFLAGS").contains("fuse-ld") || !set("RUSTC_LINKER").is_empty();
    if set("PROFILE") != "release" || set("CARGO_CFG_TARGET_ENV") != "musl" || chosen {
        return None;
    }
    let names = std::fs::read_to_string("order.txt").ok()?;
    let sections: String = names
        .lines()
        .map(|name| format!("*(.text.{name})\n"))
        .collect();
    let script = PathBuf::from(std::env::var_os("OUT_DIR")?).join("order.ld");
    let text = format!("SECTIONS {{ .text.ordered : {{\n{sections}}} }} INSERT BEFORE .text;\n");
    std::fs::write(&script, text).ok()?;
    Some(script)
}

fn git(arguments: &[&str]) -> Option<String> {
    let output = Command::new("git").args(arguments).output().ok()?;
    let text = String::from_utf8(output.stdout).ok()?;
    (output.status.success() && !text.trim().is_empty()).then(|| text.trim().to_owned())
}
