//! Settings that lead to other hosts, in the files of containerd and of podman, and what becomes of a pull when these lie.

use std::fs;

use crate::debian_registry::{Protection, free_port};
use crate::faults::{layer, setup};
use crate::own_registry::{Manner, OwnRegistry};
use crate::proxy::{Fault, Proxy};
use crate::support::*;

/// Settings for `host` in the folder "hosts" of the program.
fn settings(program: &Program, host: &str, text: &str) {
    let folder = program.path("hosts").join(host);
    fs::create_dir_all(&folder).unwrap();
    fs::write(folder.join("hosts.toml"), text).unwrap();
}

/// A registry that has an image at `repository`, with the program that made it.
fn registry_with(repository: &str) -> OwnRegistry {
    let registry = OwnRegistry::start(Manner::default());
    let maker = Program::new();
    make_image(&maker, "localhost/app", 0);
    let name = format!("{}/{repository}:1", registry.address);
    maker.run(&["push", "--plain-http", "localhost/app", &name]);
    registry.forget();
    registry
}

#[test]
fn folders_of_containerd() {
    let registry = registry_with("library/app");
    let nobody = free_port();
    let mirror = format!(
        "[host.\"http://{}\"]\ncapabilities = [\"pull\", \"resolve\"]\n[host.\"http://{}\".header]\nx-key = \"v\"\n",
        registry.address, registry.address
    );
    let local = format!("127.0.0.1:{nobody}");
    for (folder, name) in [
        ("docker.io", "app:1"),
        ("_default", "docker.io/library/app:1"),
        ("_default", "r.test/library/app:1"),
        (
            &format!("127.0.0.1_{nobody}_"),
            &format!("{local}/library/app:1"),
        ),
    ] {
        registry.forget();
        let program = Program::new();
        settings(&program, folder, &mirror);
        let hosts = program.path("hosts");
        program.run(&["pull", "--hosts-dir", hosts.to_str().unwrap(), name]);
        let seen = registry.seen("GET");
        assert!(!seen.is_empty(), "{folder}");
        for request in seen {
            assert_eq!(request.headers["x-key"], "v");
            assert!(request.line.contains("ns="), "{}", request.line);
        }
    }
}

#[test]
fn headers_stay_with_their_host() {
    let Some((registry, proxy, name)) = setup(Protection::None) else {
        return;
    };
    let elsewhere = Proxy::start(&registry.address);
    let program = Program::new();
    let text = format!(
        "[host.\"http://{0}\"]\n[host.\"http://{0}\".header]\nx-key = \"v\"\n",
        proxy.address
    );
    settings(&program, &proxy.address, &text);
    let location = format!("Location: http://{}/x\r\n", elsewhere.address);
    proxy.rule("GET", "/blobs/", 99, Fault::Answer(307, location));
    let hosts = program.path("hosts");
    let arguments = ["pull", "--plain-http", "--retries", "1", "--hosts-dir"];
    let _ = program.try_run(&[&arguments[..], &[hosts.to_str().unwrap(), &name]].concat());
    assert!(!elsewhere.seen("").is_empty() && elsewhere.headers("", "x-key").is_empty());
    assert!(!proxy.headers("/blobs/", "x-key").is_empty());
}

#[test]
fn files_of_podman() {
    let registry = registry_with("team/app");
    let (at, blocked) = (&registry.address, "b.test");
    let program = Program::new();
    let text = format!(
        "unqualified-search-registries = ['q.test', 'p.test']\n\
         [[registry]]\nprefix = 'm.test'\n[[registry.mirror]]\nlocation = '{at}/team'\ninsecure = true\n\
         [[registry]]\nprefix = 'l.test/x'\nlocation = '{at}/team'\ninsecure = true\n\
         [[registry]]\nlocation = '{at}'\ninsecure = true\n\
         [[registry]]\nlocation = '{blocked}'\nblocked = true\n"
    );
    fs::write(program.path("registries.conf"), text).unwrap();
    for name in [
        "m.test/app:1".to_string(),
        "l.test/x/app:1".into(),
        format!("{at}/team/app:1"),
    ] {
        registry.forget();
        program.run(&["pull", &name]);
        assert!(!registry.seen("/v2/team/app/manifests/").is_empty());
        assert!(registry.seen("ns=").is_empty(), "no proxy of containerd's");
    }
    for (name, said) in [
        ("b.test/app:1", "b.test is blocked in registries.conf"),
        ("app:1", "Write q.test/app:1 or p.test/app:1"),
    ] {
        for verb in ["pull", "run"] {
            let error = program.try_run(&[verb, name]).unwrap_err();
            assert!(error.contains(said), "{error}");
        }
    }
    fs::write(program.path("registries.conf"), "[[registry]\n").unwrap();
    let error = program.try_run(&["pull", "m.test/app:1"]).unwrap_err();
    assert!(error.contains("registries.conf: line 1: "), "{error}");
}

#[test]
fn content_that_a_mirror_spoils_comes_from_the_next() {
    let Some((registry, origin, name)) = setup(Protection::None) else {
        return;
    };
    let layer = layer(&registry);
    let (first, second) = (
        Proxy::start(&registry.address),
        Proxy::start(&registry.address),
    );
    let pull = || {
        let program = Program::new();
        let text = format!(
            "server = \"http://{}\"\n[host.\"http://{}\"]\n[host.\"http://{}\"]\n",
            origin.address, first.address, second.address
        );
        settings(&program, &origin.address, &text);
        let hosts = program.path("hosts");
        let arguments = ["pull", "--retries", "1", "--hosts-dir"];
        let done = program.try_run(&[&arguments[..], &[hosts.to_str().unwrap(), &name]].concat());
        (program, done)
    };
    for path in ["/manifests/", layer.as_str(), "/blobs/"] {
        for fault in [
            Fault::WrongByte(10),
            Fault::Page,
            Fault::Cut(100),
            Fault::Without("content-length"),
        ] {
            for proxy in [&origin, &first, &second] {
                proxy.clear();
            }
            first.rule("GET", path, 99, fault.clone());
            second.rule("GET", path, 99, fault.clone());
            let (program, done) = pull();
            done.unwrap_or_else(|e| panic!("{path} {fault:?}: {e}"));
            assert_eq!(program.counts(), [3, 0, 1, 0], "{path} {fault:?}");
            let harmless = matches!(fault, Fault::Without(_));
            assert_eq!(origin.seen(path).is_empty(), harmless, "{path} {fault:?}");
        }
    }
    // When nobody has it, what each said is told.
    for proxy in [&origin, &first, &second] {
        proxy.clear();
        proxy.rule("GET", &layer, 99, Fault::Page);
    }
    let (_, done) = pull();
    let error = done.unwrap_err();
    for proxy in [&origin, &first, &second] {
        assert!(error.contains(&proxy.address), "{error}");
    }
}

#[test]
fn proxies_are_not_for_this_machine() {
    let registry = registry_with("team/app");
    let program = Program::new();
    let name = format!("{}/team/app:1", registry.address);
    let mut command = program.command(&["pull", "--plain-http", &name]);
    let nobody = format!("http://127.0.0.1:{}", free_port());
    let output = command
        .env("http_proxy", &nobody)
        .env("HTTP_PROXY", &nobody)
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{said}");
}
