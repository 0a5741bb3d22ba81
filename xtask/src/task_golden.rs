//! `cargo xtask golden`: writes the expected plans anew, for review as a difference.

use crate::{Answer, call};

pub(crate) fn run(arguments: &[String]) -> Answer {
    let mut test = call::cargo(["test", "--quiet", "--package", "tare-libcontainer", "--"]);
    call::run(test.args(arguments).env("TARE_GOLDEN", "rewrite"))?;
    call::run(call::program("git").args([
        "status",
        "--short",
        "--",
        "tests/plan",
        "crates/libcontainer",
    ]))
}
