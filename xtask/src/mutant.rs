//! Negative controls of the attack suite: checks that are taken out of a copy of tare's sources, and what notices.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use crate::{Answer, call};

/// What is taken out: the file, what stands there once, and what stands there instead.
type Edit = (&'static str, &'static str, &'static str);

/// A weakness: its edits, for some attacks meet more than one check, and the attacks, or whole families, that are to notice.
struct Mutant {
    name: &'static str,
    edits: &'static [Edit],
    noticed_by: &'static [&'static str],
}

const fn mutant(
    name: &'static str,
    edits: &'static [Edit],
    noticed_by: &'static [&'static str],
) -> Mutant {
    Mutant {
        name,
        edits,
        noticed_by,
    }
}

/// What became of attacks, by name.
type Found = BTreeMap<String, String>;

/// The suite, and where mutants are built.
struct Bench {
    suite: PathBuf,
    folder: PathBuf,
}

impl Bench {
    fn new(suite: PathBuf) -> Result<Bench, String> {
        let folder = call::target().join("mutants");
        let bench = Bench {
            // A copy: the other may be built anew meanwhile.
            suite: folder.join("attack"),
            folder,
        };
        let wrong = |path: &Path, error: std::io::Error| format!("{}: {error}", path.display());
        for file in call::output(call::program("git").arg("ls-files"))?.lines() {
            let (from, to) = (call::workspace().join(file), bench.source(file));
            let above = to.parent().unwrap_or(&bench.folder);
            fs::create_dir_all(above).map_err(|error| wrong(above, error))?;
            // Only what has changed, so that little is built. Sources may be deleted and not yet committed.
            let read = |path: &Path| fs::read(path).ok();
            if read(&from) != read(&to) {
                let _ = fs::copy(&from, &to);
            }
        }
        fs::copy(&suite, &bench.suite).map_err(|error| wrong(&bench.suite, error))?;
        Ok(bench)
    }

    fn source(&self, file: &str) -> PathBuf {
        self.folder.join("src").join(file)
    }

    fn build(&self) -> Answer {
        let mut build = call::cargo(["build", "--quiet", "--bin", "tare"]);
        build
            .current_dir(self.folder.join("src"))
            .env("CARGO_TARGET_DIR", self.folder.join("target"))
            .env("RUSTFLAGS", "-A warnings");
        call::run(&mut build)
    }

    /// Builds a mutant and lets attacks loose on it.
    fn judge(&self, mutant: &Mutant, attacks: &[&str]) -> Result<Found, String> {
        let mut kept = Vec::new();
        let mut edit = || {
            for (file, old, new) in mutant.edits {
                let path = self.source(file);
                let text = fs::read_to_string(&path).map_err(|error| format!("{file}: {error}"))?;
                if text.matches(old).count() != 1 {
                    return Err(format!("{file} does not hold {old:?} once"));
                }
                fs::write(&path, text.replace(old, new))
                    .map_err(|error| format!("{file}: {error}"))?;
                kept.push((path, text));
            }
            self.build()
        };
        let tare = self.folder.join("target/debug/tare");
        let found = edit().and_then(|()| attack(&self.suite, &tare.display().to_string(), attacks));
        for (path, text) in kept.iter().rev() {
            fs::write(path, text).map_err(|error| format!("{}: {error}", path.display()))?;
        }
        found
    }
}

/// What becomes of attacks on a runtime.
fn attack(suite: &Path, runtime: &str, attacks: &[&str]) -> Result<Found, String> {
    let mut run = call::program(suite);
    run.args(["--format", "json", "--cgroup", "v2", "--runtime", runtime]);
    run.args(attacks.iter().flat_map(|attack| ["--filter", attack]));
    let output = run.output().map_err(|error| format!("{run:?}: {error}"))?;
    let said = || format!("{runtime}: {}", String::from_utf8_lossy(&output.stderr));
    // The suite could not run, or the machine is not as it was.
    if !matches!(output.status.code(), Some(0 | 1)) {
        return Err(said());
    }
    let document: serde_json::Value = serde_json::from_slice(&output.stdout).map_err(|_| said())?;
    let all = document["attacks"].as_array().into_iter().flatten();
    let verdict = |attack: &serde_json::Value| {
        let runtimes = attack["runtimes"].as_object()?;
        Some(runtimes.values().next()?["verdict"].as_str()?.to_owned())
    };
    Ok(all
        .map(|one| {
            (
                one["id"].as_str().unwrap_or_default().to_owned(),
                verdict(one).unwrap_or_default(),
            )
        })
        .collect())
}

fn broken(found: &Found) -> impl Iterator<Item = &str> {
    let broke = |word: &str| matches!(word, "BROKEN" | "HUNG");
    found
        .iter()
        .filter(move |(_, word)| broke(word))
        .map(|(id, _)| id.as_str())
}

/// The mutants whose name holds the word, each with the attacks that are to notice it.
pub(crate) fn mutants(suite: PathBuf, word: &str) -> Answer {
    let bench = Bench::new(suite)?;
    let chosen: Vec<&Mutant> = MUTANTS
        .iter()
        .filter(|one| one.name.contains(word))
        .collect();
    let mut all: Vec<&str> = chosen
        .iter()
        .flat_map(|one| one.noticed_by.iter().copied())
        .collect();
    all.sort_unstable();
    all.dedup();
    // An attack that is not there, or succeeds in any case, notices nothing.
    let without = bench.judge(&mutant("none", &[], &[]), &all)?;
    if let Some(id) = broken(&without).next() {
        return Err(format!("{id} is not held without a mutant"));
    }
    let mut survived = Vec::new();
    for one in chosen {
        let said = bench.judge(one, one.noticed_by).and_then(|found| {
            let noticed: Vec<&str> = broken(&found).collect();
            let held = found.keys().map(String::as_str);
            let held: Vec<&str> = held.filter(|id| !noticed.contains(id)).collect();
            match held.is_empty() {
                true => Ok(noticed.join(" ")),
                false => Err(format!(
                    "held by {}, broken {}",
                    held.join(" "),
                    noticed.join(" ")
                )),
            }
        });
        match said {
            Ok(noticed) => println!("caught: {}: by {noticed}", one.name),
            Err(why) => {
                println!("SURVIVED: {}: {why}", one.name);
                survived.push(one.name);
            }
        }
    }
    match survived.is_empty() {
        true => Ok(()),
        false => Err(format!("not noticed: {survived:?}")),
    }
}

/// What breaks by each attack, of all or of some families: another runtime, or a mutant by the table; or nothing yet, so that it
/// may be one that cannot succeed.
pub(crate) fn controls(suite: &Path, families: &[&str]) -> Answer {
    let mut breakers: BTreeMap<String, Vec<&str>> = BTreeMap::new();
    for peer in ["runc", "crun"] {
        if call::installed(peer).is_none() {
            continue;
        }
        let found = attack(suite, peer, families)?;
        let broke: Vec<String> = broken(&found).map(str::to_owned).collect();
        for id in found.into_keys() {
            breakers.entry(id).or_default();
        }
        for id in broke {
            breakers.entry(id).or_default().push(peer);
        }
    }
    for (id, by) in &mut breakers {
        let notices = |one: &&Mutant| one.noticed_by.iter().any(|word| id.starts_with(word));
        by.extend(MUTANTS.iter().filter(notices).map(|one| one.name));
        let by = match by.is_empty() {
            true => "NOTHING".to_owned(),
            false => by.join("; "),
        };
        println!("{id}: {by}");
    }
    Ok(())
}

/// openat2(2) as openat(2): below the root at first, and wherever links lead then.
#[rustfmt::skip]
const OUT_OF_THE_ROOT: [Edit; 2] = [
    ("crates/kernel/src/file.rs", "u64::from(permissions), resolve];", "u64::from(permissions), resolve & !resolve::IN_ROOT];"),
    ("crates/kernel/src/file.rs", "            path.as_ptr(),\n            how.as_ptr(),", "            match path.to_bytes_with_nul().iter().position(|byte| *byte != b'/') {
                _ if resolve & resolve::IN_ROOT == 0 => path.as_ptr(),
                Some(start) if start < path.count_bytes() => path.as_ptr().add(start),
                _ => c\".\".as_ptr(),
            },\n            how.as_ptr(),"),
];

#[rustfmt::skip]
const OPEN_DESCRIPTORS: Edit = ("crates/kernel/src/process.rs", "file::close_from_on_exec(program.closed_from)?;", "");

#[rustfmt::skip]
const MUTANTS: &[Mutant] = &[
    mutant("look-ups leave the root", &OUT_OF_THE_ROOT, &[
        "R1.absolute", "R1.up", "R2.absolute", "R2.up", "R4.terminals",
        "S1.00", "S1.01", "S1.13", "S1.14", "S1.19", "S1.20", "S1.24", "S1.25", "S1.26", "S1.27", "S1.28", "S1.31", "S1.32", "S1.33", "S1.34", "S1.35", "S1.36", "S1.37", "S1.38", "S1.39", "S1.40", "S1.41", "S1.42", "S1.43", "S1.44", "S1.45",
    ]),
    mutant("procfs and sysfs go where a link leads", &[
        OUT_OF_THE_ROOT[0], OUT_OF_THE_ROOT[1],
        ("crates/init/src/inside.rs", "if !plain && found", "if found"),
    ], &["R1.proc", "S1.21", "S1.22", "S1.29", "S1.30"]),
    mutant("the console goes where a link leads", &[
        ("crates/init/src/step/terminal.rs", "open::CREAT | open::EXCL | open::NOFOLLOW | open::WRONLY", "open::CREAT | open::WRONLY"),
        ("crates/init/src/step/terminal.rs", "open::PATH | open::NOFOLLOW, 0)", "open::PATH, 0)"),
    ], &["R4.console", "S1.15"]),
    mutant("anything is a null device", &[("crates/init/src/step/hide.rs", "if status.kind() != mode::CHARACTER || status.rdev != device(1, 3) {", "if status.rdev == 1 {")], &["R3.race"]),
    mutant("a mask can be written", &[
        ("crates/init/src/step/hide.rs", "change(tree.borrow(), unchangeable, 0, false)?;", ""),
        ("crates/init/src/step/hide.rs", "inside::open(context.root(), c\"/dev/null\", NODE).and_then(check)", "file::open_at(HERE, c\"/dev/null\", NODE, 0).and_then(check)"),
    ], &["X5.07"]),
    mutant("devices are the host's", &[
        ("crates/init/src/step/device.rs", "impl Step for Device {\n    fn run(&self, context: &mut Context<'_>) -> Result<()> {", "impl Step for Device {\n    fn run(&self, context: &mut Context<'_>) -> Result<()> {
        return BindDevice { path: self.path, source: self.path, mode: self.mode, device: self.device }.run(context);"),
        ("crates/init/src/step/device.rs", "change(tree.borrow(), attributes::RDONLY, 0, false)?;", ""),
    ], &["X5.00", "X5.01", "X5.02", "X5.03", "X5.04", "X6.usual"]),
    mutant("standard streams are the host's", &[("crates/init/src/step/standard_streams.rs", "if is_null(&status) {", "if status.rdev == 1 {")], &["X5.13"]),
    mutant("read-only binds are not", &[
        ("crates/init/src/step/bind.rs", "self.attributes.apply(tree.borrow())?;\n        attach_inside", "attach_inside"),
        ("crates/libcontainer/src/perform/trees.rs", "tree.attributes.apply(fd.borrow())?;", ""),
    ], &["X6.usual", "X6.mapped", "C1.write"]),
    mutant("read-only paths are not", &[("crates/init/src/step/read_only.rs", "answer => answer?,", "_ => return Ok(()),")], &["X5.09"]),
    mutant("capabilities are inheritable", &[("crates/init/src/step/capabilities.rs", "self.permitted, self.inheritable)?", "self.permitted, self.permitted)?")], &["A1.create", "A1.exec"]),
    mutant("groups stay", &[("crates/init/src/step/identity.rs", "if self.set_groups {", "if self.set_groups && self.uid == 1 {")], &["A2.create", "A2.exec"]),
    mutant("the umask stays", &[("crates/init/src/step/umask.rs", "kernel::file::set_mask(self.mask);", "")], &["A3"]),
    mutant("the keyring stays", &[("crates/init/src/step/keyring.rs", "match keyring::join_session(context.text.string(self.name)?) {", "match Err(kernel::Fault::found(kernel::Call::Keyctl, Errno::ENOSYS)) {")], &["K1.keyring"]),
    mutant("privileges can be new", &[("crates/init/src/step/no_new_privileges.rs", "kernel::identity::no_new_privileges()", "Ok(())")], &["K3.privileges"]),
    mutant("no filter is installed", &[("crates/init/src/step/seccomp.rs", "seccomp::install(context.text.bytes(self.program), self.flags)?", "None::<kernel::Fd>")], &["K2.filter"]),
    mutant("who comes in can be traced", &[("crates/init/src/step/undumpable.rs", "identity::set_dumpable(false)", "Ok(())")], &["F3.usual", "N1.pid-usual"]),
    mutant("descriptors stay open", &[OPEN_DESCRIPTORS], &[
        "F1.passed", "F1.exec-passed", "F1.program", "F3", "H1", "N1",
    ]),
    mutant("descriptors stay open, and lead to working directories", &[
        OPEN_DESCRIPTORS,
        ("crates/init/src/step/directory.rs", "Ok(_) => Err(Fault::found(Call::Getcwd, Errno::ENOENT)),", "Ok(_) => Ok(()),"),
    ], &["F1.cwd", "F1.up", "F1.below", "F1.exec"]),
    mutant("init is not sealed", &[("crates/libcontainer/src/perform/image.rs", "file::seal(image.borrow())?;", "")], &["F2.fence"]),
    mutant("users are told by any file", &[
        ("crates/init/src/passwd.rs", "open::RDONLY | open::NONBLOCK | open::NOCTTY", "open::RDONLY"),
        ("crates/init/src/passwd.rs", "if file::status(fd.borrow()).ok()?.kind() != mode::REGULAR {", "if false {"),
        ("crates/init/src/passwd.rs", "if got == 0 || seen >= MOST {", "if got == 0 {"),
    ], &["P2.0", "P2.1"]),
    mutant("users are any words", &[("crates/runc-cli/src/command/exec.rs", "    text.parse()\n        .map_err(|_| Failure::new(format!(\"invalid {what} \\\"{text}\\\": a number is needed\")))", "    Ok(0)")], &["P1"]),
    mutant("the container's procfs is written", &[
        ("crates/init/src/step/label.rs", "let made = mount::open_filesystem(c\"proc\")\n", "return file::open_at(HERE, c\"/proc\", open::PATH | open::DIRECTORY, 0);\n    let made = mount::open_filesystem(c\"proc\")\n"),
        ("crates/init/src/step/sysctl.rs", "resolve::BENEATH | resolve::NO_XDEV | resolve::NO_SYMLINKS | resolve::NO_MAGICLINKS", "0"),
        ("crates/libcontainer/src/plan/mounts/mod.rs", "if !target.starts_with(\"/proc/\")\n", "if !target.is_empty()\n"),
    ], &["L1.0", "L1.5"]),
    mutant("device rules are not attached", &[("crates/cgroups/src/group/devices.rs", ".and_then(|dir| bpf::attach_device_program(dir, program, replaced))", ".map(drop)")], &["D1.fuse", "D1.loop-control", "D1.mem", "D1.port", "D1.sda"]),
];
