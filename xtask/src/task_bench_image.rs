//! `cargo xtask bench-image`: the benchmark program of the image library.

use crate::{Answer, call};

pub(crate) fn run(arguments: &[String]) -> Answer {
    if !call::workspace().join("crates/image-cli").exists() {
        return Err("there is no program tare-image in this tree".to_owned());
    }
    let mut bench = call::cargo([
        "bench",
        "--package",
        "tare-image-cli",
        "--bench",
        "pull",
        "--",
    ]);
    call::run(bench.args(arguments))
}
