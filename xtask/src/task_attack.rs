//! `cargo xtask attack`: tare through the attack suite (`tests/attack`). `--write` writes docs/security-results.md, in which
//! tare stands beside runc and crun. `--mutants` takes one check after the other out of a copy of the sources, and shows that
//! the suite notices.

use std::fs;
use std::path::{Path, PathBuf};

use crate::{Answer, call};

/// Where the comparison is kept.
const DOCUMENT: &str = "docs/security-results.md";

/// A check that is taken out: the file, what stands there, what stands there instead, and the attack that is to notice.
type Mutant = (&'static str, &'static str, &'static str, &'static str);

#[rustfmt::skip]
const MUTANTS: &[Mutant] = &[
    ("crates/kernel/src/file.rs", "pub const IN_ROOT: u64 = 16;", "pub const IN_ROOT: u64 = 0;", "S1.34"),
    ("crates/init/src/step/hide.rs", "if status.kind() != mode::CHARACTER || status.rdev != device(1, 3) {", "if status.rdev == 1 {", "R3.race"),
    ("crates/init/src/step/capabilities.rs", "self.permitted, self.inheritable)?", "self.permitted, self.permitted)?", "A1.create"),
    ("crates/init/src/step/identity.rs", "if self.set_groups {", "if self.set_groups && self.uid == 1 {", "A2.create"),
    ("crates/init/src/step/no_new_privileges.rs", "kernel::identity::no_new_privileges()", "Ok(())", "K3"),
    ("crates/init/src/step/seccomp.rs", "seccomp::install(context.text.bytes(self.program), self.flags)?", "None::<kernel::Fd>", "K2"),
    ("crates/init/src/step/undumpable.rs", "identity::set_dumpable(false)", "Ok(())", "N1.pid-usual"),
];

pub(crate) fn run(arguments: &[String]) -> Answer {
    if arguments.iter().any(|word| word == "--mutants") {
        return mutants();
    }
    let tare = call::build_tare()?;
    let suite = build()?;
    let (write, rest): (Vec<&String>, Vec<&String>) =
        arguments.iter().partition(|word| *word == "--write");
    let mut command = call::program(&suite);
    command.arg("--runtime").arg(tare).args(&rest);
    if write.is_empty() {
        return call::run(&mut command);
    }
    for peer in ["runc", "crun"] {
        if call::installed(peer).is_some() {
            command.args(["--runtime", peer]);
        }
    }
    // Where a peer breaks the status says so, which is what the table is for.
    let output = command
        .args(["--cgroup", "v2", "--format", "markdown"])
        .output()
        .map_err(|error| format!("{command:?}: {error}"))?;
    let table = String::from_utf8_lossy(&output.stdout).into_owned();
    if !table.starts_with('|') && !table.starts_with('#') {
        return Err(format!("the suite said: {table}"));
    }
    let path = call::workspace().join(DOCUMENT);
    fs::write(&path, table).map_err(|error| format!("{}: {error}", path.display()))
}

fn build() -> Result<PathBuf, String> {
    call::run(&mut call::cargo([
        "build",
        "--quiet",
        "--package",
        "attack",
    ]))?;
    Ok(call::target().join("debug/attack"))
}

fn mutants() -> Answer {
    let suite = build()?;
    let folder = call::target().join("mutants");
    let copy = folder.join("src");
    let wrong = |path: &Path, error: std::io::Error| format!("{}: {error}", path.display());
    for file in call::output(call::program("git").arg("ls-files"))?.lines() {
        let (from, to) = (call::workspace().join(file), copy.join(file));
        let above = to.parent().unwrap_or(&copy);
        fs::create_dir_all(above).map_err(|error| wrong(above, error))?;
        // Sources that were deleted and not yet committed.
        let _ = fs::copy(&from, &to);
    }
    let mut survived = Vec::new();
    let make = || {
        let mut build = call::cargo(["build", "--quiet", "--bin", "tare"]);
        build
            .current_dir(&copy)
            .env("CARGO_TARGET_DIR", folder.join("target"))
            .env("RUSTFLAGS", "-A warnings");
        call::run(&mut build)
    };
    let judge = |attack: &str| {
        let mut run = call::program(&suite);
        run.arg("--runtime").arg(folder.join("target/debug/tare"));
        let status = run.args(["--filter", attack]).status();
        status.map_err(|error| error.to_string())
    };
    // An attack that is not there, or succeeds in any case, notices nothing.
    make()?;
    for (_, _, _, attack) in MUTANTS {
        if judge(attack)?.code() != Some(0) {
            return Err(format!("{attack} is not held without a mutant"));
        }
    }
    for (file, old, new, attack) in MUTANTS {
        let path = copy.join(file);
        let text = fs::read_to_string(&path).map_err(|error| wrong(&path, error))?;
        if text.matches(old).count() != 1 {
            return Err(format!("{file} does not hold {old:?} once"));
        }
        fs::write(&path, text.replace(old, new)).map_err(|error| wrong(&path, error))?;
        make()?;
        let status = judge(attack);
        // 2: not even an ordinary container runs any more.
        let caught = matches!(status?.code(), Some(1 | 2));
        println!(
            "{}: {file}: {new}",
            if caught { "caught" } else { "SURVIVED" }
        );
        if !caught {
            survived.push(*file);
        }
        fs::write(&path, text).map_err(|error| wrong(&path, error))?;
    }
    match survived.is_empty() {
        true => Ok(()),
        false => Err(format!("not noticed: {survived:?}")),
    }
}
