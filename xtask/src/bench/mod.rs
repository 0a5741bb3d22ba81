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
    title: String,
    unit: &'static str,
    rows: Vec<(String, Option<f64>)>,
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
    let table = |title: &str, rows| Table {
        title: title.to_owned(),
        unit: "ms",
        rows,
    };
    let mut tables = vec![
        table(
            "run a program that exits",
            measure::interleaved(field, rounds, 15, Measured::Run("exits")),
        ),
        table(
            "the same, with the state directory on a disk",
            measure::interleaved(field, rounds, 10, Measured::RunOnDisk),
        ),
        table(
            "the same, with Docker's filter",
            measure::interleaved(field, rounds, 10, Measured::Run("filtered")),
        ),
        table(
            "the same, with 100 bind mounts",
            measure::interleaved(field, rounds, 10, Measured::Run("bound")),
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
    tables.push(table(
        "list of one container",
        measure::interleaved(field, rounds, 15, Measured::List),
    ));
    let mut crowd = measure::Crowd::default();
    crowd.grow(field, 200);
    tables.push(table(
        "list of 200",
        measure::beside(field, rounds, Measured::List),
    ));
    crowd.leave(field, "tare");
    let alone = field.only("tare");
    crowd.grow(&alone, 1000);
    for (title, what) in [
        ("run", Measured::Run("exits")),
        ("state", Measured::State),
        ("create, start, wait, delete", Measured::LifeCycle),
    ] {
        let rows = measure::beside(&alone, rounds, what);
        tables.push(table(&format!("{title}, beside 1,000 containers"), rows));
    }
    crowd.leave(field, "");
    let (small, large) = measure::in_process(field, rounds);
    tables.push(table(
        "create, start, wait, delete from within a program",
        small,
    ));
    tables.push(table("the same with 32 threads and a heap of 1 GiB", large));
    tables.push(Table {
        title: "8 loops of run at once".to_owned(),
        unit: "containers per second",
        rows: measure::loops(field, rounds.min(4)),
    });
    let (peak, cpu) = measure::usage(field, rounds);
    tables.push(Table {
        title: "CPU time of run".to_owned(),
        unit: "ms",
        rows: cpu,
    });
    tables.push(Table {
        title: "peak resident memory of run".to_owned(),
        unit: "KiB",
        rows: peak,
    });
    for (title, key) in [
        ("waiting init, anonymous memory", "Anonymous:"),
        ("waiting init, proportional share", "Pss:"),
    ] {
        tables.push(Table {
            title: title.to_owned(),
            unit: "KiB",
            rows: measure::waiting(field, key),
        });
    }
    if let Some(strace) = call::installed("strace") {
        let rows = measure::system_calls(field, &strace);
        tables.push(Table {
            title: "system calls of run".to_owned(),
            unit: "",
            rows,
        });
    }
    tables
}

/// A folder of this run.
fn folder() -> PathBuf {
    std::env::temp_dir().join(format!("tare-bench-{}", std::process::id()))
}
