//! `cargo xtask dist --docs`: what packages hold beside the program, written anew from the tables of commands and flags.

use crate::{Answer, call};

pub(crate) fn run(arguments: &[String]) -> Answer {
    if arguments != ["--docs"] {
        return Err(
            "what is to be made? --docs: docs/cli.md, docs/man, docs/completions, docs/image"
                .to_owned(),
        );
    }
    // The tables are data of the programs, which do not carry along what is made of them: their tests make it.
    for (package, program) in [("tare", "tare"), ("tare-image-cli", "tare-image")] {
        let test = [
            "test",
            "--quiet",
            "--package",
            package,
            "--bin",
            program,
            "reference::",
        ];
        call::run(call::cargo(test).env("TARE_UPDATE_DOCS", "1"))?;
    }
    call::run(call::program("git").args(["status", "--short", "--", "docs"]))
}
