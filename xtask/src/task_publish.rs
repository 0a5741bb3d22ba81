//! `cargo xtask publish`: shows, without a registry's help, that each crate can be published and built by a stranger.
//! `cargo xtask msrv`: shows that the oldest Rust that is promised builds everything.

use std::fs;
use std::path::{Path, PathBuf};

use serde_json::Value;

use crate::{Answer, call, task_hello};

/// What crates.io shows of a crate.
const SHOWN: [&str; 4] = ["description", "license", "readme", "rust_version"];

/// What a stranger writes: the library is told to run a bundle.
const STRANGER: &str = r#"
use tare_libcontainer::{Bundle, Container, CreateOptions, Store};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let bundle = std::env::args().nth(1).ok_or("a bundle is needed")?;
    let store = Store::open(format!("{bundle}/strangers"))?;
    let bundle = Bundle::load(&bundle)?;
    let created = Container::create(&store, "stranger", &bundle, CreateOptions::default())?;
    created.container.start()?;
    let exit = created.process.wait()?;
    created.container.remove(false)?;
    println!("ended: {exit:?}");
    Ok(())
}
"#;

pub(crate) fn run(arguments: &[String]) -> Answer {
    if !arguments.is_empty() {
        return Err("publish takes no arguments, and sends nothing anywhere".to_owned());
    }
    manifests()?;
    forget_earlier()?;
    let target = call::target();
    let dry = ["publish", "--workspace", "--dry-run", "--allow-dirty"];
    call::run(call::cargo(dry).arg("--target-dir").arg(&target))?;
    stranger(&target.join("package"))?;
    if members()?.iter().any(|crate_| crate_.repository.is_empty()) {
        println!("before it is published, `repository` has to be filled in: docs/releasing.md");
    }
    Ok(())
}

/// Cargo unpacks and builds our crates for each other once for each place and version: an earlier state of the same version would
/// be taken.
fn forget_earlier() -> Answer {
    let home = std::env::var_os("CARGO_HOME").map(PathBuf::from);
    let usual = || std::env::var_os("HOME").map(|home| Path::new(&home).join(".cargo"));
    let sources = home.or_else(usual).map(|home| home.join("registry/src"));
    let built = entries(call::target().join("debug/.fingerprint"));
    for crate_ in members()? {
        let unpacked = format!("{}-{}", crate_.name, crate_.version);
        // Registries of this machine's own have no host in their names.
        let own = sources.clone().into_iter().flat_map(entries);
        let own = own.filter(|(name, _)| name.starts_with('-'));
        let earlier: Vec<PathBuf> = own
            .map(|(_, path)| path.join(&unpacked))
            .filter(|path| path.exists())
            .collect();
        if earlier.is_empty() {
            continue;
        }
        let is_its = |name: &str| {
            name.rsplit_once('-')
                .is_some_and(|(of, _)| of == crate_.name)
        };
        let marks = built.iter().filter(|(name, _)| is_its(name));
        for path in earlier.iter().chain(marks.map(|(_, path)| path)) {
            fs::remove_dir_all(path).map_err(|error| format!("{}: {error}", path.display()))?;
        }
    }
    Ok(())
}

/// What is in a folder: names and paths. Nothing where there is no such folder.
fn entries(folder: PathBuf) -> Vec<(String, PathBuf)> {
    let all = fs::read_dir(folder).into_iter().flatten().flatten();
    all.map(|entry| {
        let name = entry.file_name().to_string_lossy().into_owned();
        (name, entry.path())
    })
    .collect()
}

/// A crate that is published.
struct Crate {
    name: String,
    version: String,
    folder: PathBuf,
    repository: String,
    /// What is missing in its manifest.
    missing: Vec<String>,
}

fn members() -> Result<Vec<Crate>, String> {
    let arguments = ["metadata", "--no-deps", "--format-version", "1"];
    let text = call::output(&mut call::cargo(arguments))?;
    let data: Value = serde_json::from_str(&text).map_err(|error| error.to_string())?;
    let packages = data["packages"].as_array().ok_or("no packages")?;
    let published = |package: &&Value| package["publish"].is_null();
    Ok(packages.iter().filter(published).map(member).collect())
}

fn member(package: &Value) -> Crate {
    let text = |key: &str| package[key].as_str().unwrap_or_default().to_owned();
    let mut missing: Vec<String> = SHOWN
        .iter()
        .filter(|key| text(key).is_empty())
        .map(|key| (*key).to_owned())
        .collect();
    for key in ["keywords", "categories"] {
        let count = package[key].as_array().map_or(0, Vec::len);
        // crates.io takes five.
        if !(1..=5).contains(&count) {
            missing.push(format!("{key} (1 to 5 of them)"));
        }
    }
    let manifest = text("manifest_path");
    let folder = Path::new(&manifest).parent().unwrap_or(Path::new(""));
    Crate {
        name: text("name"),
        version: text("version"),
        folder: folder.to_owned(),
        repository: text("repository"),
        missing,
    }
}

/// Each crate says what it is, and its archive holds the licence and a README. Nothing is built.
pub(crate) fn manifests() -> Answer {
    let licence = call::workspace().join("LICENSE");
    let read = |path: &Path| fs::read(path).map_err(|error| format!("{}: {error}", path.display()));
    let text = read(&licence)?;
    let mut wrong = Vec::new();
    for own in members()? {
        let list = ["package", "--list", "--quiet", "--allow-dirty", "--package"];
        let files = call::output(call::cargo(list).arg(&own.name))?;
        for file in ["LICENSE", "README.md"] {
            if !files.lines().any(|line| line == file) {
                wrong.push(format!("{}: no {file} in the archive", own.name));
            }
        }
        if read(&own.folder.join("LICENSE")).is_ok_and(|copy| copy != text) {
            wrong.push(format!("{}: another LICENSE than ours", own.name));
        }
        wrong.extend(
            own.missing
                .iter()
                .map(|key| format!("{}: no {key} in Cargo.toml", own.name)),
        );
    }
    examples_agree(&mut wrong)?;
    match wrong.is_empty() {
        true => Ok(()),
        false => Err(wrong.join("\n")),
    }
}

/// The library's example in README.md is the one in the crate's README, which is compiled as its documentation.
fn examples_agree(wrong: &mut Vec<String>) -> Answer {
    let example = |file: &str| -> Result<String, String> {
        let text = fs::read_to_string(call::workspace().join(file))
            .map_err(|error| format!("{file}: {error}"))?;
        let block = text.split("```rust").nth(1).unwrap_or_default();
        let block = block.split("```").next().unwrap_or_default();
        let lines = block.lines().skip(1).filter(|line| !line.starts_with("# "));
        Ok(lines.collect::<Vec<_>>().join("\n"))
    };
    if example("README.md")? != example("crates/libcontainer/README.md")? {
        wrong.push("README.md: another example than crates/libcontainer/README.md".to_owned());
    }
    Ok(())
}

/// Outside of the workspace, a program is made of the archives as they were unpacked for verification, and run.
fn stranger(package: &Path) -> Answer {
    let folder = std::env::temp_dir().join(format!("tare-stranger-{}", std::process::id()));
    let failed = |error: std::io::Error| format!("{}: {error}", folder.display());
    let members = members()?;
    let patches: String = members
        .iter()
        .map(|own| {
            let place = package.join(format!("{}-{}", own.name, own.version));
            format!("{} = {{ path = {place:?} }}\n", own.name)
        })
        .collect();
    let version = &members.first().ok_or("no crates")?.version;
    let manifest = format!(
        "[package]\nname = \"stranger\"\nedition = \"2024\"\n[dependencies]\ntare-libcontainer = \"{version}\"\n\
         [patch.crates-io]\n{patches}[workspace]\n"
    );
    fs::create_dir_all(folder.join("src")).map_err(failed)?;
    fs::write(folder.join("Cargo.toml"), manifest).map_err(failed)?;
    fs::write(folder.join("src/main.rs"), STRANGER).map_err(failed)?;
    let bundle = call::target().join("hello");
    let answer = task_hello::make_bundle(&bundle).and_then(|()| {
        let mut cargo = call::cargo(["run", "--quiet", "--manifest-path"]);
        cargo.arg(folder.join("Cargo.toml")).arg("--target-dir");
        cargo.arg(package.join("stranger")).arg("--").arg(&bundle);
        call::run(cargo.current_dir(&folder))
    });
    fs::remove_dir_all(&folder).map_err(failed)?;
    answer
}

/// Licences, duplicates and sources of what we depend on, by deny.toml; weaknesses where their list can be had.
pub(crate) fn dependencies() -> Answer {
    let Some(deny) = call::installed("cargo-deny") else {
        println!("skipped: there is no cargo-deny (cargo install cargo-deny)");
        return Ok(());
    };
    let call = |words: &[&str]| {
        let mut command = call::program(&deny);
        command.args(["--log-level", "error"]).args(words);
        command
    };
    call::run(&mut call(&["check", "licenses", "bans", "sources"]))?;
    if let Err(error) = call::output(&mut call(&["fetch", "db"])) {
        let why = error.trim().lines().last().unwrap_or_default().to_owned();
        println!("advisories: skipped, their database cannot be fetched: {why}");
        return Ok(());
    }
    call::run(&mut call(&["check", "--disable-fetch", "advisories"]))
}

/// Checks everything with the Rust that `rust-version` promises.
pub(crate) fn msrv(_: &[String]) -> Answer {
    let manifest = fs::read_to_string(call::workspace().join("Cargo.toml"));
    let manifest = manifest.map_err(|error| format!("Cargo.toml: {error}"))?;
    let oldest = manifest
        .lines()
        .find_map(|line| line.strip_prefix("rust-version = "))
        .ok_or("no rust-version in Cargo.toml")?
        .trim_matches('"');
    let mut rustup = call::program("rustup");
    rustup.args(["run", oldest, "cargo", "check", "--workspace"]);
    rustup.args(["--all-targets", "--locked", "--target-dir"]);
    call::run(rustup.arg(call::target().join("msrv"))).map_err(|error| {
        format!("{error}\nneeded: rustup toolchain install {oldest} --profile minimal")
    })
}
