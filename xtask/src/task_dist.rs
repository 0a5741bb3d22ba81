//! `cargo xtask dist --docs`: what packages hold beside the program, written anew from the tables of commands and flags.

use crate::{Answer, call};

pub(crate) fn run(arguments: &[String]) -> Answer {
    if arguments != ["--docs"] {
        return Err(
            "what is to be made? --docs: docs/cli.md, docs/man, docs/completions".to_owned(),
        );
    }
    // The tables are data of the program, which does not carry along what is made of them: its tests make it.
    let test = [
        "test",
        "--quiet",
        "--package",
        "tare",
        "--bin",
        "tare",
        "reference::",
    ];
    call::run(call::cargo(test).env("TARE_UPDATE_DOCS", "1"))?;
    call::run(call::program("git").args(["status", "--short", "--", "docs"]))
}
