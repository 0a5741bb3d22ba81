//! Other compilers of the same profiles, made to answer the same questions.

pub mod generate;
#[path = "../../../../crates/seccomp/tests/interpreter/mod.rs"]
pub mod interpreter;
pub mod libseccomp;
pub mod measure;
pub mod referee;
pub mod vectors;

/// The profiles of the engines, with their names.
pub const PROFILES: [(&str, &str); 4] = [
    (
        "docker",
        include_str!("../../../../crates/seccomp/tests/profiles/docker.json"),
    ),
    (
        "docker-28",
        include_str!("../../../../crates/seccomp/tests/profiles/docker-28.json"),
    ),
    (
        "podman",
        include_str!("../../../../crates/seccomp/tests/profiles/podman.json"),
    ),
    (
        "containerd",
        include_str!("../../../../crates/seccomp/tests/profiles/containerd.json"),
    ),
];
