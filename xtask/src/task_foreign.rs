//! `cargo xtask foreign ARCHITECTURE [FILTER…]`: the integration tests on an emulated machine of another architecture.
//!
//! The guest is described in tests/lab/README.md. Everything is built here and only run there.

use std::process::Command;

use crate::{Answer, call, task_test};

/// An architecture that tare supports beside that of most developers.
struct Architecture {
    name: &'static str,
    target: &'static str,
    linker: &'static str,
}

const ARCHITECTURES: [Architecture; 2] = [
    Architecture {
        name: "aarch64",
        target: "aarch64-unknown-linux-musl",
        linker: "rust-lld",
    },
    Architecture {
        name: "riscv64",
        target: "riscv64gc-unknown-linux-gnu",
        linker: "riscv64-linux-gnu-gcc",
    },
];

pub(crate) fn run(arguments: &[String]) -> Answer {
    let wanted = arguments.first();
    let architecture = ARCHITECTURES
        .iter()
        .find(|known| wanted.is_some_and(|name| name == known.name))
        .ok_or("say which architecture: aarch64 or riscv64")?;
    call::run(
        architecture
            .cargo("build")
            .args(["--quiet", "--bin", "tare"]),
    )?;
    let tare = call::target().join(architecture.target).join("debug/tare");
    let (tests, probe) = task_test::build_integration(&mut architecture.cargo("test"))?;
    let mut guest = call::program(call::workspace().join("tests/lab/foreign"));
    guest
        .args(["--arch", architecture.name, "--timeout", "1500", "--file"])
        .arg(&tare)
        .arg("--file")
        .arg(&probe)
        .env("TARE_RUNTIME", &tare)
        .env("TARE_PROBE", &probe);
    for (name, value) in [("TARE_TEST_SLOW", "10"), ("TARE_TEST_CONTAINERS", "10")] {
        if std::env::var_os(name).is_none() {
            guest.env(name, value);
        }
    }
    call::run(guest.arg("--").arg(tests).args(&arguments[1..]))
}

impl Architecture {
    /// A call of cargo for this target, whose programs are to be static.
    fn cargo(&self, command: &str) -> Command {
        let target = self.target.to_uppercase().replace('-', "_");
        let mut cargo = call::cargo([command, "--target", self.target]);
        cargo
            .env(format!("CARGO_TARGET_{target}_LINKER"), self.linker)
            .env(
                format!("CARGO_TARGET_{target}_RUSTFLAGS"),
                "-C target-feature=+crt-static",
            );
        cargo
    }
}
