//! `cargo xtask dist`: what a release holds, in target/dist: static programs, packages, a tarball, checksums, and what they are made of.
//! `cargo xtask dist --twice`: the same from two clones in different folders, which must be equal byte by byte.
//! `cargo xtask dist --docs`: docs/cli.md, docs/man, docs/completions, docs/image and docs/troubleshooting.md, written anew from the tables.

use std::fs;
use std::path::{Path, PathBuf};

use crate::{Answer, call};

/// The C library that static programs are linked with.
const TARGET: &str = "x86_64-unknown-linux-musl";

/// The packages whose programs are released.
const PACKAGES: [&str; 4] = [
    "tare-runtime",
    "tare-image-cli",
    "tare-shim",
    "oci-validation",
];

fn each_package() -> impl Iterator<Item = &'static str> {
    PACKAGES.into_iter().flat_map(|name| ["--package", name])
}

pub(crate) fn run(arguments: &[String]) -> Answer {
    match arguments {
        [] => release(),
        [word] if word == "--docs" => docs(),
        [word] if word == "--twice" => twice(),
        _ => Err("dist takes --docs, --twice, or nothing".to_owned()),
    }
}

fn docs() -> Answer {
    // The tables are data of the programs, which do not carry along what is made of them: their tests make it.
    let tables = [
        ("tare-runtime", "--bins", "reference::"),
        ("tare-image-cli", "--bins", "reference::"),
        ("tare-libcontainer", "--lib", "hint::"),
    ];
    for (package, target, tests) in tables {
        let mut test = call::cargo(["test", "--quiet", "--package", package, target, tests]);
        call::run(test.env("TARE_UPDATE_DOCS", "1"))?;
    }
    call::run(call::program("git").args(["status", "--short", "--", "docs"]))
}

fn release() -> Answer {
    let dist = call::target().join("dist");
    if dist.exists() {
        fs::remove_dir_all(&dist).map_err(|error| format!("{}: {error}", dist.display()))?;
    }
    fs::create_dir_all(&dist).map_err(|error| format!("{}: {error}", dist.display()))?;
    programs()?;
    stamp()?;
    debian(&dist)?;
    rpm(&dist)?;
    tarballs(&dist)?;
    materials(&dist)?;
    let sums =
        "cd \"$0\" && sha256sum -- *.deb *.rpm *.tar.gz *.spdx >SHA256SUMS && cat SHA256SUMS";
    call::run(call::program("bash").args(["-c", sums]).arg(dist))
}

/// Makes the packages of the last commit in two clones, whose folders, target folders, times and umasks differ.
fn twice() -> Answer {
    let top = call::target().join("twice");
    let script = "set -e
        rm -rf \"$1\" && mkdir -p \"$1/one\" \"$1/another/place\"
        release() {
            umask \"$1\" && git clone --quiet . \"$2\"
            (cd \"$2\" && unset CARGO_TARGET_DIR && cargo xtask dist)
        }
        release 022 \"$1/one/tare\"
        release 077 \"$1/another/place/of-it\"
        cd \"$1/one/tare/target/dist\" && for file in *; do
            cmp \"$file\" \"$1/another/place/of-it/target/dist/$file\"
        done
        rm -rf \"$1\" && echo 'equal, byte by byte'";
    call::run(call::program("bash").args(["-c", script, "twice"]).arg(top))
}

/// The time that files and packages bear: that of the last commit, so that two builds of it are equal.
fn epoch() -> Result<String, String> {
    let time = call::output(call::program("git").args(["log", "-1", "--format=%ct"]))?;
    Ok(time.trim().to_owned())
}

/// Gives what is packaged that time. Those who make packages only lower a time, and a file may be older than its commit.
fn stamp() -> Answer {
    let script = "git ls-files -z docs LICENSE README.md CHANGELOG.md |
        xargs -0 touch --date=@\"$1\" \"$2\"/tare \"$2\"/tare-image \"$2\"/containerd-shim-tare-v2 --";
    let programs = call::target().join(TARGET).join("release");
    call::run(
        call::program("bash")
            .args(["-c", script, "stamp"])
            .arg(epoch()?)
            .arg(programs),
    )
}

fn version() -> Result<String, String> {
    let id = call::output(&mut call::cargo(["pkgid", "--package", "tare-runtime"]))?;
    let version = id.trim().rsplit(['#', '@']).next().unwrap_or_default();
    Ok(version.to_owned())
}

/// Static programs, without the paths of this machine in them.
fn programs() -> Answer {
    let home = std::env::var("CARGO_HOME")
        .or_else(|_| std::env::var("HOME").map(|home| format!("{home}/.cargo")))
        .unwrap_or_default();
    // Not by RUSTFLAGS, which would be taken in place of those in .cargo/config.toml.
    let flags = format!(
        "target.{TARGET}.rustflags = [\"--remap-path-prefix={}=/tare\", \"--remap-path-prefix={home}=/cargo\"]",
        call::workspace().display()
    );
    let build = [
        "build",
        "--release",
        "--locked",
        "--target",
        TARGET,
        "--config",
        &flags,
    ];
    let mut build = call::cargo(build);
    call::run(build.args(each_package()).env_remove("RUSTFLAGS")).map_err(|error| {
        format!("{error}\nneeded: rustup target add {TARGET}; musl-gcc (Debian: musl-tools)")
    })
}

/// A cargo subcommand for packages, which is a program of its own.
fn packager(name: &str) -> Result<std::process::Command, String> {
    let file = format!("cargo-{name}");
    let own = std::env::var_os("HOME").map(|home| Path::new(&home).join(".cargo/bin").join(&file));
    if call::installed(&file).is_none() && !own.is_some_and(|path| path.exists()) {
        return Err(format!("{file} is needed: cargo install {file}"));
    }
    let mut command = call::cargo([name]);
    command.env("SOURCE_DATE_EPOCH", epoch()?);
    Ok(command)
}

fn debian(dist: &Path) -> Answer {
    for (package, variant) in [
        ("tare-runtime", None),
        ("tare-runtime", Some("runc")),
        ("tare-image-cli", None),
        ("tare-shim", None),
    ] {
        let mut command = packager("deb")?;
        command.args([
            "--no-build",
            "--target",
            TARGET,
            "--package",
            package,
            "--output",
        ]);
        command.arg(dist);
        if let Some(variant) = variant {
            command.args(["--variant", variant]);
        }
        call::run(&mut command)?;
    }
    Ok(())
}

fn rpm(dist: &Path) -> Answer {
    for package in ["crates/runc-cli", "crates/image-cli", "crates/shim"] {
        let mut command = packager("generate-rpm")?;
        command.args(["--target", TARGET, "--package", package, "--source-date"]);
        call::run(command.arg(epoch()?).arg("--output").arg(dist))?;
    }
    Ok(())
}

/// The runtime's programs, and, by itself, the conformance suite: for people of other runtimes.
fn tarballs(dist: &Path) -> Answer {
    let programs = call::target().join(TARGET).join("release");
    let of = |names: &[&str]| -> Vec<_> { names.iter().map(|name| programs.join(name)).collect() };
    let ours = of(&["tare", "tare-image", "containerd-shim-tare-v2"]);
    tarball(
        dist,
        "tare",
        &ours,
        &["README.md", "LICENSE", "CHANGELOG.md", "docs"],
    )?;
    let texts = [
        "oci-validation/README.md",
        "oci-validation/runtime-tools",
        "LICENSE",
    ];
    tarball(dist, "oci-validation", &of(&["oci-validation"]), &texts)
}

fn tarball(dist: &Path, name: &str, programs: &[PathBuf], texts: &[&str]) -> Answer {
    let name = format!("{name}-{}-{TARGET}", version()?);
    let script = "set -e
        name=$1 time=$2 dist=$3 && shift 3
        top=$(mktemp -d) && trap 'rm -rf \"$top\"' EXIT
        mkdir \"$top/$name\" && cp -r -- \"$@\" \"$top/$name\"
        tar --sort=name --mtime=@\"$time\" --owner=0 --group=0 --numeric-owner --mode=go+u,go-w -C \"$top\" -c \"$name\" |
            gzip -9n >\"$dist/$name.tar.gz\"";
    call::run(
        call::program("bash")
            .args(["-c", script, "tarball", &name])
            .arg(epoch()?)
            .arg(dist)
            .args(programs)
            .args(texts),
    )
}

/// What a package is called inside of such a list: letters, digits, dots and hyphens (SPDX 2.3, 7.2). No two crates differ in `_` and
/// `-` alone.
fn spdx_id(name: &str, version: &str) -> String {
    format!("SPDXRef-{name}-{version}").replace(['_', '+'], "-")
}

/// A list of the crates that the programs are made of, as SPDX 2.3 tag-value text.
fn materials(dist: &Path) -> Answer {
    let version = version()?;
    let tree = [
        "tree",
        "--edges",
        "normal,build",
        "--prefix",
        "none",
        "--no-dedupe",
        "--target",
        TARGET,
        "--format",
        "{p}\t{l}",
    ];
    let mut lines: Vec<String> = call::output(call::cargo(tree).args(each_package()))?
        .lines()
        .filter(|line| !line.is_empty())
        .map(str::to_owned)
        .collect();
    lines.sort();
    lines.dedup();
    let time = call::output(
        call::program("date")
            .args(["-u", "+%Y-%m-%dT%H:%M:%SZ", "-d"])
            .arg(format!("@{}", epoch()?)),
    )?;
    let mut text = format!(
        "SPDXVersion: SPDX-2.3\nDataLicense: CC0-1.0\nSPDXID: SPDXRef-DOCUMENT\nDocumentName: tare-{version}\n\
         DocumentNamespace: https://spdx.org/spdxdocs/tare-{version}\nCreator: Tool: cargo-tree\nCreated: {time}"
    );
    for program in PACKAGES {
        let id = spdx_id(program, &version);
        text += &format!("Relationship: SPDXRef-DOCUMENT DESCRIBES {id}\n");
    }
    for line in lines {
        let (package, licence) = line.split_once('\t').unwrap_or((&line, ""));
        let mut words = package.split(' ');
        let (name, number) = (
            words.next().unwrap_or_default(),
            words.next().unwrap_or_default(),
        );
        let number = number.trim_start_matches('v');
        // Crates of this workspace have a path behind the version.
        let place = match words.next() {
            Some(path) if path.starts_with("(/") => "NOASSERTION".to_owned(),
            _ => format!("https://crates.io/crates/{name}/{number}"),
        };
        let licence = if licence.is_empty() {
            "NOASSERTION"
        } else {
            licence
        };
        text += &format!(
            "\nPackageName: {name}\nSPDXID: {}\nPackageVersion: {number}\nPackageDownloadLocation: {place}\n\
             FilesAnalyzed: false\nPackageLicenseDeclared: {}\n",
            spdx_id(name, number),
            licence.replace('/', " OR ")
        );
    }
    let path = dist.join(format!("tare-{version}.spdx"));
    fs::write(&path, text).map_err(|error| format!("{}: {error}", path.display()))
}

#[cfg(test)]
mod tests {
    use super::spdx_id;

    #[test]
    fn ids_hold_only_what_spdx_allows() {
        let id = spdx_id("toml_parser", "1.1.5+spec-1.1.0");
        assert_eq!(id, "SPDXRef-toml-parser-1.1.5-spec-1.1.0");
    }
}
