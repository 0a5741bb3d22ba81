//! Prints what our filters cost beside libseccomp's: `cargo run --release --bin figures`.

use std::time::{Duration, Instant};

use oracle::measure::{Cost, measure};
use oracle::{PROFILES, libseccomp};
use seccomp::{Architecture, Support, compile};
use spec::Seccomp;

const CHILDREN: usize = 101;

fn median(mut work: impl FnMut(), times: usize) -> Duration {
    let mut all: Vec<Duration> = (0..times)
        .map(|_| {
            let start = Instant::now();
            work();
            start.elapsed()
        })
        .collect();
    all.sort_unstable();
    all[times / 2]
}

fn bytes(program: &[seccompiler::sock_filter]) -> Vec<u8> {
    let fields = |one: &seccompiler::sock_filter| {
        (one.code.to_ne_bytes(), one.k.to_ne_bytes(), one.jt, one.jf)
    };
    program
        .iter()
        .map(fields)
        .flat_map(|(code, k, jt, jf)| [code[0], code[1], jt, jf, k[0], k[1], k[2], k[3]])
        .collect()
}

fn line(name: &str, instructions: usize, compiled: Duration, cost: Cost, without: Cost) {
    println!(
        "  {name:<18} {instructions:>5} {:>10.1} {:>8.1} {:>8.0} {:>8.0} {:>8.0}",
        compiled.as_nanos() as f64 / 1000.0,
        cost.load as f64 / 1000.0,
        cost.allowed - without.allowed,
        cost.denied - without.denied,
        cost.conditional - without.conditional
    );
}

fn main() {
    let architectures = ["X86_64", "X86", "X32"]
        .map(|word| Architecture::from_name(&format!("SCMP_ARCH_{word}")).unwrap());
    let without = measure(None, CHILDREN);
    println!(
        "medians of {CHILDREN} processes; compile and load in µs; calls: ns more than without a filter"
    );
    println!(
        "  {:<18} {:>5} {:>10} {:>8} {:>8} {:>8} {:>8}",
        "", "insns", "compile", "load", "allowed", "denied", "by args"
    );
    for (name, text) in PROFILES {
        let profile: Seccomp<'_> = serde_json::from_str(text).unwrap();
        println!("{name}");
        let kernel = Support::default();
        let ours = compile(&profile, &kernel).unwrap();
        let time = median(
            || drop(std::hint::black_box(compile(&profile, &kernel))),
            1001,
        );
        line(
            "ours",
            ours.program.len(),
            time,
            measure(Some(&ours.bytes()), CHILDREN),
            without,
        );
        for (kind, tree) in [("libseccomp linear", false), ("libseccomp tree", true)] {
            let build = || {
                libseccomp::build(&profile, &architectures, tree)
                    .unwrap()
                    .program(false)
                    .unwrap()
            };
            let program = build();
            let time = median(|| drop(std::hint::black_box(build())), 21);
            line(
                kind,
                program.len(),
                time,
                measure(Some(&bytes(&program)), CHILDREN),
                without,
            );
        }
    }
}
