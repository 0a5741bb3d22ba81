//! Prints what compiling the engines' default profiles costs: `cargo run --release -p tare-seccomp --example figures`.

use std::io::{self, Write as _};
use std::time::Instant;

use tare_seccomp::{Support, compile};

const PROFILES: [(&str, &str); 4] = [
    ("docker", include_str!("../tests/profiles/docker.json")),
    (
        "docker-28",
        include_str!("../tests/profiles/docker-28.json"),
    ),
    ("podman", include_str!("../tests/profiles/podman.json")),
    (
        "containerd",
        include_str!("../tests/profiles/containerd.json"),
    ),
];

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let kernel = Support::default();
    let mut out = io::stdout().lock();
    for (name, text) in PROFILES {
        let profile = serde_json::from_str(text)?;
        let start = Instant::now();
        let filter = compile(&profile, &kernel)?;
        let first = start.elapsed();
        let mut times = Vec::new();
        for _ in 0..2000 {
            let start = Instant::now();
            std::hint::black_box(compile(&profile, &kernel)?);
            times.push(start.elapsed());
        }
        times.sort_unstable();
        writeln!(
            out,
            "{name}: {} instructions; compiled in {:.1} µs at first, {:.1} µs median",
            filter.program.len(),
            first.as_nanos() as f64 / 1000.0,
            times[times.len() / 2].as_nanos() as f64 / 1000.0
        )?;
    }
    Ok(())
}
