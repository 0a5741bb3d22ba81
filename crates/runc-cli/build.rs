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
        println!("cargo::rustc-link-arg-bins=-T{}", script.display());
        // Code and constants in one mapping: each costs the kernel as much as some pages, at the start and at the end.
        println!("cargo::rustc-link-arg-bins=-Wl,-z,noseparate-code");
    }
}

/// A script for the linker that puts the functions of order.txt first, in that order: for static release builds, with a linker
/// that takes such scripts. What the script names and is not there does no harm. The compiler has put those aside that it thinks
/// are seldom used.
fn order() -> Option<PathBuf> {
    println!("cargo::rerun-if-changed=order.txt");
    println!("cargo::rerun-if-env-changed=RUSTC_LINKER");
    let set = |name| std::env::var(name).unwrap_or_default();
    if set("PROFILE") != "release" || set("CARGO_CFG_TARGET_ENV") != "musl" {
        return None;
    }
    let driver = std::env::var_os("RUSTC_LINKER").unwrap_or_else(|| "cc".into());
    let flags = set("CARGO_ENCODED_RUSTFLAGS");
    let linker = Command::new(driver).arg("-Wl,--version").output().ok()?;
    let linker = String::from_utf8_lossy(&linker.stdout).into_owned();
    let known = ["GNU ld", "LLD"]
        .iter()
        .any(|name| linker.starts_with(name));
    if !known || flags.contains("fuse-ld") {
        return None;
    }
    // What every start executes and is written in assembler: it has no section of its own.
    let files = ["*crt1.o", "*:memset.lo", "*:__set_thread_area.lo"];
    let files = files.map(|file| format!("{file}(.text)\n")).into_iter();
    let names = std::fs::read_to_string("order.txt").ok()?;
    let sections = names
        .lines()
        .map(|name| format!("*(.text.{name} .text.unlikely.{name})\n"));
    let sections: String = files.chain(sections).collect();
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
