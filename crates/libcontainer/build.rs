//! Builds the init program: the sources of `tare-kernel` and `tare-init` once more, as a tiny static executable.
//!
//! The compiler is called directly, without a nested cargo. `TARE_INIT=<file>` replaces the program for packagers.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::{env, fs};

/// The waiting init of every container holds this program in memory. `cargo xtask check` fails above that; whoever builds with
/// another compiler, which may need some bytes more, gets a program that works.
const LARGEST: u64 = 40 * 1024;

fn main() {
    let out = PathBuf::from(env::var_os("OUT_DIR").expect("cargo sets OUT_DIR"));
    let program = out.join("init");
    println!("cargo::rerun-if-env-changed=TARE_INIT");
    println!("cargo::rerun-if-changed=build.rs");
    if let Some(given) = env::var_os("TARE_INIT") {
        println!("cargo::rerun-if-changed={}", Path::new(&given).display());
        fs::copy(&given, &program).expect("TARE_INIT names a readable file");
        return;
    }
    let target = env::var("TARGET").expect("cargo sets TARGET");
    let supported = ["x86_64", "aarch64", "riscv64"]
        .iter()
        .any(|arch| target.starts_with(arch));
    // Documentation builders have no linker, and other targets no init: the program is then empty, and starting a
    // container says so.
    if env::var_os("DOCS_RS").is_some() || !supported || !target.contains("linux") {
        fs::write(&program, []).expect("OUT_DIR can be written");
        return;
    }
    let kernel = source("../kernel", "tare-kernel", "DEP_TARE_KERNEL_SOURCE").join("src");
    let init = source("../init", "tare-init", "DEP_TARE_INIT_SOURCE");
    for watched in [&kernel, &init.join("src"), &init.join("program")] {
        println!("cargo::rerun-if-changed={}", watched.display());
    }
    let compiler = Compiler {
        target,
        out: out.clone(),
    };
    compiler.library("kernel", &kernel.join("lib.rs"), &[]);
    compiler.library("init", &init.join("src/lib.rs"), &["kernel"]);
    compiler.program(&init.join("program/main.rs"), &program);
    let size = fs::metadata(&program).expect("it was just built").len();
    if size > LARGEST {
        println!("cargo::warning=init is {size} bytes, more than {LARGEST}");
    }
}

/// Where the sources of a crate are: beside this one, or, in a registry's cache, where its build script says. Cargo keeps what
/// that said and what was watched, and a target folder may be copied to another working copy: a relative path fits there.
/// Among vendored crates, what lies beside may be another's of that short name.
fn source(beside: &str, package: &str, said: &str) -> PathBuf {
    let manifest = fs::read_to_string(Path::new(beside).join("Cargo.toml")).unwrap_or_default();
    match manifest.contains(&format!("name = \"{package}\"")) {
        true => PathBuf::from(beside),
        false => PathBuf::from(env::var_os(said).expect("set by the crate's build script")),
    }
}

struct Compiler {
    target: String,
    out: PathBuf,
}

impl Compiler {
    fn command(&self, externs: &[&str]) -> Command {
        let mut command = Command::new(env::var_os("RUSTC").expect("cargo sets RUSTC"));
        // Flags that the caller chose for programs with a C library (sanitizers, coverage, a linker) do not fit here.
        command
            .env_remove("RUSTFLAGS")
            .env_remove("CARGO_ENCODED_RUSTFLAGS");
        command.args([
            "--edition",
            "2024",
            "--target",
            &self.target,
            "--cap-lints",
            "allow",
        ]);
        command.args([
            "-C",
            "opt-level=z",
            "-C",
            "panic=abort",
            "-C",
            "codegen-units=1",
            "-C",
            "debuginfo=0",
        ]);
        command.args([
            "-C",
            "relocation-model=static",
            "-C",
            "overflow-checks=off",
            "-C",
            "debug-assertions=off",
        ]);
        command.args(["-C", "embed-bitcode=yes", "-C", "force-unwind-tables=no"]);
        for name in externs {
            command.arg("--extern").arg(format!(
                "{name}={}",
                self.out.join(format!("lib{name}.rlib")).display()
            ));
        }
        command.arg("-L").arg(&self.out);
        command
    }

    fn library(&self, name: &str, source: &Path, externs: &[&str]) {
        let mut command = self.command(externs);
        command
            .args(["--crate-type", "rlib", "--crate-name", name])
            .arg(source);
        run(command
            .arg("-o")
            .arg(self.out.join(format!("lib{name}.rlib"))));
    }

    fn program(&self, source: &Path, program: &Path) {
        let mut command = self.command(&["kernel", "init"]);
        command
            .args(["--crate-type", "bin", "--crate-name", "program"])
            .arg(source)
            .arg("-o")
            .arg(program);
        command.args([
            "-C",
            "lto=fat",
            "-C",
            "strip=symbols",
            "-C",
            "target-feature=+crt-static",
            // Sequences of instructions that recur become functions: 2 % less.
            "-C",
            "llvm-args=-enable-machine-outliner=always",
        ]);
        let layout = source.with_file_name("link.ld");
        // The linker that comes with the compiler; where there is none, the C compiler as a linker.
        let mut bundled = Command::new(command.get_program());
        bundled
            .args(command.get_args())
            .env_remove("RUSTFLAGS")
            .env_remove("CARGO_ENCODED_RUSTFLAGS");
        bundled.args(["-C", "linker=rust-lld", "-C", "linker-flavor=ld.lld"]);
        bundled.args([
            "-C",
            "link-arg=-static",
            "-C",
            "link-arg=--gc-sections",
            "-C",
            "link-arg=--icf=all",
            // What the kernel does not read.
            "-C",
            "link-arg=-znosectionheader",
            "-C",
            "link-self-contained=no",
        ]);
        bundled.args([
            "-C",
            "default-linker-libraries=no",
            "-C",
            &format!("link-arg=-T{}", layout.display()),
        ]);
        if bundled.output().is_ok_and(|output| output.status.success()) {
            return;
        }
        command.args([
            "-C",
            "link-arg=-nostdlib",
            "-C",
            "link-arg=-nostartfiles",
            "-C",
            "link-arg=-static",
        ]);
        run(command.args([
            "-C",
            &format!(
                "link-arg=-Wl,--gc-sections,--build-id=none,-T,{}",
                layout.display()
            ),
        ]));
    }
}

fn run(command: &mut Command) {
    let output = command.output().expect("the compiler can be run");
    assert!(
        output.status.success(),
        "{command:?}\n{}",
        String::from_utf8_lossy(&output.stderr)
    );
}
