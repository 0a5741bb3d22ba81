//! Without privileges: a container without wishes goes without a cgroup, one with wishes is told.

use std::os::unix::process::CommandExt;
use std::process::Command;

use tare_cgroups::{Driver, Group, Host, Place, Settings, settings};

use crate::sandbox::{Process, skip};

const WORKER: &str = "TARE_TEST_ROOTLESS_WORKER";

/// Not a test by itself: runs as an ordinary user.
#[test]
fn worker() {
    if std::env::var_os(WORKER).is_none() {
        return;
    }
    let host = Host::probe().unwrap();
    let resolve =
        |path| Place::resolve(&host, Driver::Direct, path, "tare-test-rootless", true).unwrap();
    let place = resolve(None);
    let mut group = Group::create(&place, &Settings::default()).unwrap();
    assert!(
        group.is_none(),
        "cgroups could be made at {:?}",
        place.paths().collect::<Vec<_>>()
    );
    assert!(group.entry().is_none());
    let process = Process::sleeping();
    group.place(process.id()).unwrap();
    group.restrict(&Settings::default()).unwrap();
    assert!(group.processes().unwrap().is_empty());
    assert!(!group.is_frozen().unwrap());
    let error = group.freeze().unwrap_err().to_string();
    assert_eq!(
        error,
        "the container has no cgroup, which is needed to freeze it"
    );
    group.kill(9).unwrap();
    group.remove().unwrap();
    let named = Group::create(&resolve(Some("/tare-test-rootless")), &Settings::default());
    assert!(named.unwrap_err().to_string().contains("permission denied"));
    let resources =
        serde_json::from_str(r#"{"unified": {"pids.max": "5"}, "pids": {"limit": 5}}"#).unwrap();
    let wishes = settings(&resources, &host, &place).or_else(|_| {
        let resources = serde_json::from_str(r#"{"pids": {"limit": 5}}"#).unwrap();
        settings(&resources, &host, &place)
    });
    let error = Group::create(&place, &wishes.unwrap())
        .unwrap_err()
        .to_string();
    assert!(error.starts_with("linux.resources."), "{error}");
    println!("all said");
}

#[test]
fn an_ordinary_user_goes_without_or_is_told() {
    if kernel::identity::user() != 0 {
        skip!("becoming an ordinary user takes privileges");
    }
    let mut command = Command::new(std::env::current_exe().unwrap());
    command
        .args(["--exact", "rootless::worker", "--nocapture"])
        .env(WORKER, "1");
    match command.uid(65534).gid(65534).output() {
        Ok(output) => {
            let said = String::from_utf8_lossy(&output.stdout).into_owned();
            let errors = String::from_utf8_lossy(&output.stderr);
            assert!(said.contains("all said"), "{said}{errors}");
        }
        Err(error) => skip!("an ordinary user cannot start this program: {error}"),
    }
}
