//! Integration tests: the runtime on real bundles. One file for each area of config.json and each command.
//!
//! Tests whose names begin with `privileged_` need root. All others run as root and, with rootless containers, as an
//! ordinary user.
#![allow(clippy::unwrap_used, reason = "a failing test may panic")]

mod binds;
mod capabilities;
mod cgroups;
mod checkpoint;
mod concurrency;
mod crash;
mod delete;
mod devices;
mod engine;
mod errors;
mod events;
mod exec;
mod fake_criu;
mod faults;
mod fd_hygiene;
mod features;
mod forgery;
mod gc;
mod hook_failures;
mod hooks;
mod host_objects;
mod kill;
mod leaks;
mod limits;
mod linear;
mod list;
mod logs;
mod masked_paths;
mod mounts;
mod namespaces;
mod net_devices;
mod notify;
mod pause;
mod podman;
mod points;
mod process;
mod propagation;
mod ps;
mod resctrl;
mod restore;
mod restore_requests;
mod rootless;
mod run;
mod runc;
mod scheduling;
mod seccomp;
mod security_labels;
mod spec;
mod state;
mod symlinks;
mod systemd;
mod terminal;
mod timings;
mod tmpfs;
mod update;
mod wrong_configs;

fn main() -> std::process::ExitCode {
    if fake_criu::is_called() {
        return fake_criu::main();
    }
    harness::main(&[
        binds::CASES,
        capabilities::CASES,
        cgroups::CASES,
        checkpoint::CASES,
        points::CASES,
        restore_requests::CASES,
        concurrency::CASES,
        crash::CASES,
        delete::CASES,
        devices::CASES,
        engine::CASES,
        errors::CASES,
        events::CASES,
        exec::CASES,
        faults::CASES,
        fd_hygiene::CASES,
        features::CASES,
        forgery::CASES,
        gc::CASES,
        hooks::CASES,
        hook_failures::CASES,
        host_objects::CASES,
        kill::CASES,
        leaks::CASES,
        limits::CASES,
        linear::CASES,
        list::CASES,
        logs::CASES,
        masked_paths::CASES,
        mounts::CASES,
        namespaces::CASES,
        net_devices::CASES,
        notify::CASES,
        pause::CASES,
        podman::CASES,
        process::CASES,
        propagation::CASES,
        ps::CASES,
        resctrl::CASES,
        rootless::CASES,
        restore::CASES,
        run::CASES,
        runc::CASES,
        scheduling::CASES,
        seccomp::CASES,
        security_labels::CASES,
        spec::CASES,
        state::CASES,
        symlinks::CASES,
        systemd::CASES,
        terminal::CASES,
        timings::CASES,
        tmpfs::CASES,
        update::CASES,
        wrong_configs::CASES,
    ])
}
