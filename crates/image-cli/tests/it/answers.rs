//! What a registry answers, and whom to believe: credentials, tokens, lies, warnings, mirrors, encryption.

use oci_spec::image::MediaType;

use crate::debian_registry::{Protection, free_port};
use crate::faults::setup;
use crate::proxy::{Fault, Proxy, token_gate};
use crate::support::*;

#[test]
fn credentials_stay_with_their_host() {
    let Some((registry, proxy, name)) = setup(Protection::Password) else {
        return;
    };
    let elsewhere = Proxy::start(&registry.address);
    let program = Program::new();
    let error = program
        .try_run(&["pull", "--plain-http", &name])
        .unwrap_err();
    assert!(error.contains("401") && error.contains("login"), "{error}");
    let auth = format!(
        "{{\"auths\":{{\"{}\":{{\"auth\":\"dXNlcjpzZWNyZXQ=\"}}}}}}",
        proxy.address
    );
    std::fs::write(program.path("auth.json"), auth).unwrap();
    proxy.rule(
        "GET",
        "/blobs/",
        9,
        Fault::Answer(
            307,
            format!("Location: http://{}/v2/app/blobs/x\r\n", elsewhere.address),
        ),
    );
    let _ = program.try_run(&["pull", "--plain-http", "--retries", "1", &name]);
    assert!(
        !elsewhere.seen("/blobs/").is_empty(),
        "the redirect was not followed"
    );
    assert!(
        elsewhere.headers("", "authorization").is_empty(),
        "credentials went to another host"
    );
    assert!(!proxy.headers("/blobs/", "authorization").is_empty());
    proxy.clear();
    program.run(&["pull", "--plain-http", &name]);
}

#[test]
fn tokens_are_fetched_and_renewed() {
    let Some((registry, _proxy, _)) = setup(Protection::None) else {
        return;
    };
    let cutting = Proxy::start(&registry.address);
    cutting.rule("GET", "/blobs/", 1, Fault::Cut(100));
    cutting.rule("GET", "/blobs/", 3, Fault::Cut(2_000_000));
    // Each token is good for two requests only: it ends in the middle of the layer.
    let (address, asked) = token_gate(&cutting.address, 2);
    let program = Program::new();
    let name = format!("{address}/app");
    let error = program
        .try_run(&["pull", "--plain-http", &name])
        .unwrap_err();
    assert!(error.contains("token service"), "{error}");
    std::fs::write(
        program.path("auth.json"),
        format!("{{\"auths\":{{\"{address}\":{{\"auth\":\"dXNlcjpzZWNyZXQ=\"}}}}}}"),
    )
    .unwrap();
    program.run(&["pull", "--plain-http", &name]);
    let asked = asked.lock().unwrap().clone();
    assert!(asked.len() >= 3, "{asked:?}");
    assert!(
        asked
            .iter()
            .all(|a| a.contains("service=test") && a.contains("scope=repository%3Aapp%3Apull")),
        "{asked:?}"
    );

    // What other programs left after a login with OAuth 2.
    let (address, asked) = token_gate(&registry.address, 2);
    let program = Program::new();
    std::fs::write(
        program.path("auth.json"),
        format!("{{\"auths\":{{\"{address}\":{{\"identitytoken\":\"re+fresh\"}}}}}}"),
    )
    .unwrap();
    program.run(&["pull", "--plain-http", &format!("{address}/app")]);
    let asked = asked.lock().unwrap().clone();
    assert!(
        asked.iter().all(|a| a.starts_with("POST /token ")),
        "{asked:?}"
    );
}

#[test]
fn lying_answers_are_refused() {
    let Some((_registry, proxy, name)) = setup(Protection::None) else {
        return;
    };
    let wrong = format!("sha256:{}", "0".repeat(64));
    let table = [
        (
            Fault::Header("docker-content-digest", wrong.clone()),
            "digest",
        ),
        (
            Fault::Header("docker-content-digest", "../../x".into()),
            "digest",
        ),
        (
            Fault::Header("content-type", MediaType::ImageIndex.to_string()),
            "announced",
        ),
        (
            Fault::Answer(307, "Location: file:///etc/passwd\r\n".into()),
            "address",
        ),
        (
            Fault::Answer(307, "Location: http://user@127.0.0.1/\r\n".into()),
            "address",
        ),
        (Fault::Answer(307, String::new()), "nowhere"),
        (Fault::Answer(404, String::new()), "404"),
    ];
    for (fault, wanted) in table {
        proxy.clear();
        proxy.rule("GET", "/manifests/", 99, fault.clone());
        let program = Program::new();
        let error = program
            .try_run(&["pull", "--plain-http", "--retries", "1", &name])
            .unwrap_err();
        assert!(error.contains(wanted), "{fault:?}: {error}");
        assert_eq!(program.counts(), [0, 0, 0, 0]);
    }
    proxy.clear();
    proxy.rule(
        "GET",
        "/manifests/",
        99,
        Fault::Answer(
            302,
            format!(
                "Location: http://{}/v2/app/manifests/latest\r\n",
                proxy.address
            ),
        ),
    );
    let error = Program::new()
        .try_run(&["pull", "--plain-http", &name])
        .unwrap_err();
    assert!(error.contains("redirects"), "{error}");
    // By digest, the content decides.
    proxy.clear();
    let error = Program::new()
        .try_run(&["pull", "--plain-http", &format!("{name}@{wrong}")])
        .unwrap_err();
    assert!(error.contains("404") || error.contains("digest"), "{error}");
}

#[test]
fn warnings_of_a_registry_are_shown_once() {
    let Some((_registry, proxy, name)) = setup(Protection::None) else {
        return;
    };
    proxy.rule(
        "GET",
        "",
        99,
        Fault::Header("warning", "299 - \"this registry ends soon\"".into()),
    );
    let program = Program::new();
    let output = program
        .command(&["pull", "--plain-http", &name])
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success());
    assert_eq!(said.matches("this registry ends soon").count(), 1, "{said}");
}

#[test]
fn mirrors_come_first_and_the_registry_is_the_fallback() {
    let Some((registry, origin, name)) = setup(Protection::None) else {
        return;
    };
    let mirror = Proxy::start(&registry.address);
    let program = Program::new();
    let folder = program.path("hosts").join(origin.address.replace(':', "_"));
    std::fs::create_dir_all(&folder).unwrap();
    let settings = format!(
        "server = \"http://{}\"\n[host.\"http://{}\"]\ncapabilities = [\"pull\", \"resolve\"]\n",
        origin.address, mirror.address
    );
    std::fs::write(folder.join("hosts.toml"), settings).unwrap();
    let hosts = program.path("hosts");
    let arguments = ["pull", "--hosts-dir", hosts.to_str().unwrap(), &name];
    program.run(&arguments);
    assert!(origin.seen("").is_empty(), "the mirror has everything");
    let (host, port) = origin.address.split_once(':').unwrap();
    assert!(
        mirror
            .seen("/blobs/")
            .iter()
            .all(|s| s.line.contains(&format!("ns={host}%3A{port}")))
    );

    let program2 = Program::new();
    mirror.clear();
    mirror.rule("GET", "", 99, Fault::Answer(500, String::new()));
    program2.run(&arguments);
    assert!(!mirror.seen("").is_empty() && !origin.seen("/blobs/").is_empty());
}

#[test]
fn unencrypted_connections_only_when_asked_for() {
    let Some((_registry, proxy, name)) = setup(Protection::None) else {
        return;
    };
    let error = Program::new()
        .try_run(&["pull", "--retries", "1", &name])
        .unwrap_err();
    assert!(error.contains("--plain-http"), "{error}");
    assert!(proxy.seen("GET").is_empty());
    let error = Program::new()
        .try_run(&[
            "pull",
            "--plain-http",
            "--retries",
            "1",
            &format!("127.0.0.1:{}/x", free_port()),
        ])
        .unwrap_err();
    assert!(error.contains("Nothing listens there"), "{error}");
}
