//! `cargo xtask bench`: tare beside runc, crun and the physical floor, measured in one run.
//!
//! The floor (`benches/floor/floor.c`) does only the kernel's work for the same container, hard-coded. All contestants are
//! started in the same way and take turns, so that a busy moment of the machine hits all of them. What counts are
//! medians, and ratios within one run.

mod contestants;
mod measure;
mod report;

use std::path::PathBuf;

use crate::{Answer, call, task_test};
use contestants::Field;
use measure::Measured;

/// What to measure, from the command line.
struct Options {
    mode: String,
    rounds: usize,
    inside: bool,
    write: bool,
}

/// A table of the report: for each contestant the median, or why there is none.
struct Table {
    title: &'static str,
    unit: &'static str,
    rows: Vec<(String, Option<f64>)>,
    /// Whether less is better, so that ratios to the floor and to the others make sense.
    ratios: bool,
}

pub(crate) fn run(arguments: &[String]) -> Answer {
    let options = parse(arguments)?;
    if call::ids().0 != 0 {
        return Err("only root can make the containers that are measured".to_owned());
    }
    let unified = std::fs::exists("/sys/fs/cgroup/cgroup.controllers").unwrap_or(false);
    if !options.inside && options.mode != "host" && !(options.mode == "v2" && unified) {
        return again(&options);
    }
    nix::sys::prctl::set_child_subreaper(true).map_err(|error| error.to_string())?;
    let field = Field::prepare(&options.mode)?;
    let tables = measure_all(&field, options.rounds);
    field.clean();
    let text = report::section(&options.mode, &field, options.rounds, &tables);
    println!("{text}");
    if options.write {
        report::write(&options.mode, &text)
    } else {
        Ok(())
    }
}

fn parse(arguments: &[String]) -> Result<Options, String> {
    let mut options = Options {
        mode: "host".to_owned(),
        rounds: 8,
        inside: false,
        write: true,
    };
    let mut rest = arguments.iter();
    while let Some(argument) = rest.next() {
        let mut value = || {
            rest.next()
                .cloned()
                .ok_or(format!("{argument} needs a value"))
        };
        match argument.as_str() {
            "--mode" => options.mode = value()?,
            "--rounds" => {
                options.rounds = value()?.parse().map_err(|_| "--rounds needs a number")?
            }
            "--inside" => options.inside = true,
            "--no-write" => options.write = false,
            other => return Err(format!("unknown option {other}")),
        }
    }
    if !["host", "v1", "v2"].contains(&options.mode.as_str()) {
        return Err(format!("unknown mode {}: host, v1 or v2", options.mode));
    }
    Ok(options)
}

/// Runs this program once more where only one version of control groups is to be seen.
fn again(options: &Options) -> Answer {
    const LEGACY: &str = "if mountpoint -q /sys/fs/cgroup/unified; then umount /sys/fs/cgroup/unified; fi; exec \"$@\"";
    let script = if options.mode == "v2" {
        task_test::UNIFIED
    } else {
        LEGACY
    };
    let own = std::env::current_exe().map_err(|error| error.to_string())?;
    let mut command = call::program("unshare");
    command
        .args([
            "--mount",
            "--propagation",
            "private",
            "sh",
            "-c",
            script,
            "sh",
        ])
        .arg(own);
    command.args([
        "bench",
        "--inside",
        "--mode",
        &options.mode,
        "--rounds",
        &options.rounds.to_string(),
    ]);
    if !options.write {
        command.arg("--no-write");
    }
    call::run(&mut command)
}

fn measure_all(field: &Field, rounds: usize) -> Vec<Table> {
    let table = |title, rows| Table {
        title,
        unit: "ms",
        rows,
        ratios: true,
    };
    let mut tables = vec![
        table(
            "run a program that exits",
            measure::interleaved(field, rounds, 15, Measured::Run),
        ),
        table(
            "create, start, wait, delete",
            measure::interleaved(field, rounds, 10, Measured::LifeCycle),
        ),
        table(
            "exec in a running container",
            measure::interleaved(field, rounds, 15, Measured::Exec),
        ),
        table(
            "state",
            measure::interleaved(field, rounds, 15, Measured::State),
        ),
    ];
    let (small, large) = measure::in_process(field, rounds);
    tables.push(table("the same from within a program", small));
    tables.push(table("the same with 32 threads and a heap of 1 GiB", large));
    tables.push(Table {
        title: "8 loops of run at once",
        unit: "containers per second",
        rows: measure::loops(field, rounds.min(4)),
        ratios: false,
    });
    let (peak, cpu) = measure::usage(field, rounds);
    tables.push(Table {
        title: "CPU time of run",
        unit: "ms",
        rows: cpu,
        ratios: true,
    });
    tables.push(Table {
        title: "peak resident memory of run",
        unit: "KiB",
        rows: peak,
        ratios: false,
    });
    for (title, key) in [
        ("waiting init, anonymous memory", "Anonymous:"),
        ("waiting init, proportional share", "Pss:"),
    ] {
        tables.push(Table {
            title,
            unit: "KiB",
            rows: measure::waiting(field, key),
            ratios: false,
        });
    }
    if let Some(strace) = call::installed("strace") {
        let rows = measure::system_calls(field, &strace);
        tables.push(Table {
            title: "system calls of run",
            unit: "",
            rows,
            ratios: true,
        });
    }
    tables
}

/// A folder of this run.
fn folder() -> PathBuf {
    std::env::temp_dir().join(format!("tare-bench-{}", std::process::id()))
}
