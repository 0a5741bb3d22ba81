//! A network that cuts, lies, stalls and refuses, between the program and a real registry.

use std::collections::BTreeSet;
use std::io::Read;
use std::process::Stdio;
use std::time::{Duration, Instant};

use oci_spec::image::{Descriptor, MediaType};
use tare_image::layout::Layout;
use tare_image::manifest::Document;
use tare_image::retry::Patience;
use tare_image::source::{Content, Source};
use tare_image::{Error, Kind, digest, transfer};

use crate::debian_registry::{Protection, Registry};
use crate::proxy::{Fault, Proxy};
use crate::support::*;

/// Where the layer of the image that `setup` made is.
pub(crate) fn layer(registry: &Registry) -> String {
    let shown = Program::new().run(&[
        "inspect",
        "--plain-http",
        &format!("docker://{}/app", registry.address),
    ]);
    let shown: serde_json::Value = serde_json::from_str(&shown).unwrap();
    format!(
        "/blobs/{}",
        shown["manifest"]["layers"][0]["digest"].as_str().unwrap()
    )
}

/// A registry with a 12 MB image, and a proxy before it.
pub(crate) fn setup(protection: Protection) -> Option<(Registry, Proxy, String)> {
    let registry = Registry::start(protection)?;
    let maker = Program::new();
    make_image(&maker, "localhost/app", 12);
    let name = format!("{}/app", registry.address);
    if protection == Protection::Password {
        let mut login = maker.command(&[
            "login",
            "--plain-http",
            "-u",
            "user",
            "--password-stdin",
            &registry.address,
        ]);
        let mut child = login
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .spawn()
            .unwrap();
        std::io::Write::write_all(&mut child.stdin.take().unwrap(), b"secret\n").unwrap();
        assert!(child.wait().unwrap().success());
    }
    maker.run(&["push", "--plain-http", "localhost/app", &name]);
    let proxy = Proxy::start(&registry.address);
    let name = format!("{}/app", proxy.address);
    Some((registry, proxy, name))
}

#[test]
fn broken_connections_are_continued() {
    let Some((registry, proxy, name)) = setup(Protection::None) else {
        return;
    };
    let layer = layer(&registry);
    // Twice in the middle; what is there is not fetched again.
    proxy.rule("GET", &layer, 1, Fault::Cut(0));
    proxy.rule("GET", &layer, 1, Fault::Cut(5_000_000));
    proxy.rule("GET", &layer, 1, Fault::Cut(3_000_000));
    let program = Program::new();
    program.run(&["pull", "--plain-http", &name]);
    let ranges = proxy.headers("/blobs/", "range");
    assert_eq!(ranges, ["bytes=5000000-", "bytes=8000000-"]);
    assert_eq!(program.counts(), [3, 0, 1, 0]);
}

#[test]
fn a_registry_that_ignores_ranges_is_put_up_with() {
    let Some((_registry, proxy, name)) = setup(Protection::None) else {
        return;
    };
    let program = Program::new();
    program.run(&["pull", "--plain-http", "--no-unpack", &name]);
    let config = proxy.seen("/blobs/")[0]
        .line
        .split(' ')
        .nth(1)
        .unwrap()
        .rsplit('/')
        .next()
        .unwrap()
        .to_string();
    for connections in ["1", "4"] {
        proxy.clear();
        let program = Program::new();
        // The configuration comes first; it has no range.
        proxy.rule("GET", &config, 9, Fault::IgnoreRange);
        proxy.rule("GET", "/blobs/", 1, Fault::Cut(5_000_000));
        proxy.rule("GET", "/blobs/", 99, Fault::IgnoreRange);
        program.run(&["pull", "--plain-http", "--connections", connections, &name]);
        assert_eq!(program.counts(), [3, 0, 1, 0]);
    }
}

#[test]
fn a_registry_that_refuses_ranges_is_asked_for_the_whole() {
    let Some((registry, proxy, name)) = setup(Protection::None) else {
        return;
    };
    let layer = layer(&registry);
    for connections in ["1", "4"] {
        for fault in [416, 400, 403, 405, 501]
            .map(Fault::RefuseRange)
            .into_iter()
            .chain([
                Fault::RefuseRangeThenClose(416),
                Fault::Without("content-range"),
            ])
        {
            proxy.clear();
            let program = Program::new();
            // Broken first, so that there is something to go on with; by a process of its own.
            proxy.rule("GET", &layer, 1, Fault::Cut(5_000_000));
            proxy.rule("GET", &layer, 99, Fault::Answer(404, String::new()));
            let pull = [
                "pull",
                "--plain-http",
                "--connections",
                connections,
                "--retries",
                "2",
                &name,
            ];
            program.try_run(&pull).unwrap_err();
            proxy.clear();
            proxy.rule("GET", &layer, 99, fault.clone());
            program
                .try_run(&pull)
                .unwrap_or_else(|e| panic!("{fault:?}: {e}"));
            assert_eq!(program.counts(), [3, 0, 1, 0], "{fault:?}");
        }
    }
}

#[test]
fn several_connections_become_one_where_ranges_end() {
    let Some(registry) = Registry::start(Protection::None) else {
        return;
    };
    let maker = Program::new();
    make_image(&maker, "localhost/large", 40);
    let proxy = Proxy::start(&registry.address);
    let at = format!("{}/large", registry.address);
    maker.run(&["push", "--plain-http", "localhost/large", &at]);
    let name = format!("{}/large", proxy.address);
    let program = Program::new();
    // Two pieces come, and then ranges are refused.
    proxy.rule("GET", "/blobs/", 3, Fault::Slow(Duration::ZERO));
    proxy.rule("GET", "/blobs/", 99, Fault::RefuseRange(416));
    program.run(&["pull", "--plain-http", "--connections", "2", &name]);
    assert_eq!(program.counts(), [3, 0, 1, 0]);
}

#[test]
fn damaged_content_is_fetched_again_once_and_never_kept() {
    let Some((_registry, proxy, name)) = setup(Protection::None) else {
        return;
    };
    let program = Program::new();
    proxy.rule("GET", "/blobs/", 2, Fault::WrongByte(1_000_000));
    program.run(&["pull", "--plain-http", &name]);
    assert_eq!(program.counts(), [3, 0, 1, 0]);

    for (fault, kind) in [
        (Fault::WrongByte(1_000_000), "digest"),
        (Fault::WrongByte(20), ""),
    ] {
        proxy.clear();
        let program = Program::new();
        proxy.rule("GET", "/blobs/", 99, fault);
        let error = program
            .try_run(&["pull", "--plain-http", &name])
            .unwrap_err();
        assert!(error.contains(kind) && error.contains(&name), "{error}");
        let [_, ingest, layers, staging] = program.counts();
        assert_eq!([ingest, layers, staging], [0, 0, 0], "{error}");
        assert!(program.run(&["list"]).is_empty());
    }
}

#[test]
fn servers_in_trouble_are_given_time() {
    let Some((_registry, proxy, name)) = setup(Protection::None) else {
        return;
    };
    let program = Program::new();
    proxy.rule("GET", "/manifests/", 2, Fault::Answer(500, String::new()));
    proxy.rule("GET", "/blobs/", 1, Fault::Answer(503, String::new()));
    proxy.rule(
        "GET",
        "/blobs/",
        1,
        Fault::Answer(429, "Retry-After: 2\r\n".into()),
    );
    let start = Instant::now();
    program.run(&["pull", "--plain-http", &name]);
    assert!(
        start.elapsed() >= Duration::from_secs(2),
        "Retry-After was not obeyed"
    );

    proxy.clear();
    proxy.rule(
        "GET",
        "/manifests/",
        9,
        Fault::Answer(429, "Retry-After: 7200\r\n".into()),
    );
    let error = program
        .try_run(&["pull", "--plain-http", &name])
        .unwrap_err();
    assert!(error.contains("7200 s"), "{error}");

    proxy.clear();
    proxy.rule("GET", "/manifests/", 99, Fault::Answer(500, String::new()));
    let error = program
        .try_run(&["pull", "--plain-http", "--retries", "2", &name])
        .unwrap_err();
    assert!(
        error.contains("answered 500") && error.contains("2 attempts"),
        "{error}"
    );
    assert_eq!(proxy.seen("/manifests/").len(), 2);
}

#[test]
fn stalled_connections_are_given_up_and_continued() {
    let Some((registry, proxy, name)) = setup(Protection::None) else {
        return;
    };
    let program = Program::new();
    proxy.rule("GET", &layer(&registry), 1, Fault::Stall(4_000_000));
    let start = Instant::now();
    program.run(&["pull", "--plain-http", "--timeout", "1", &name]);
    assert!(
        start.elapsed() < Duration::from_secs(15),
        "waited for a stalled connection"
    );
    assert!(
        proxy
            .headers("/blobs/", "range")
            .iter()
            .any(|r| r == "bytes=4000000-")
    );
}

#[test]
fn sources_that_send_single_bytes_are_given_up() {
    let Some((registry, proxy, name)) = setup(Protection::None) else {
        return;
    };
    let program = Program::new();
    proxy.rule("GET", &layer(&registry), 1, Fault::Trickle(4_000_000));
    let start = Instant::now();
    program.run(&[
        "pull",
        "--plain-http",
        "--timeout",
        "1",
        "--min-bytes",
        "1000",
        &name,
    ]);
    assert!(
        start.elapsed() < Duration::from_secs(15),
        "waited for single bytes"
    );
    assert_eq!(proxy.headers("/blobs/", "range").len(), 1);
}

#[test]
fn slow_documents_and_tokens_are_given_up() {
    let Some((registry, proxy, name)) = setup(Protection::None) else {
        return;
    };
    let config = {
        let place = format!("docker://{}/app", registry.address);
        let shown = Program::new().run(&["inspect", "--plain-http", &place]);
        let shown: serde_json::Value = serde_json::from_str(&shown).unwrap();
        let digest = shown["manifest"]["config"]["digest"].clone();
        digest.as_str().unwrap().to_string()
    };
    let (gate, _) = crate::proxy::token_gate(&registry.address, 9);
    let token = Proxy::start(&gate);
    for (proxy, path, name) in [
        (&proxy, "/manifests/", name.clone()),
        (&proxy, config.as_str(), name.clone()),
        (&token, "/v2/", format!("{}/app", token.address)),
    ] {
        proxy.clear();
        if path == "/v2/" {
            // The service for tokens is another address: it is led through the proxy, too.
            let challenge = format!(
                "WWW-Authenticate: Bearer realm=\"http://{}/token\",service=\"test\"\r\n",
                token.address
            );
            proxy.rule("GET", path, 99, Fault::Answer(401, challenge));
            proxy.rule("GET", "/token", 99, Fault::Trickle(0));
        } else {
            proxy.rule("GET", path, 99, Fault::Trickle(0));
        }
        let program = Program::new();
        let auth = format!(
            "{{\"auths\":{{\"{}\":{{\"auth\":\"dXNlcjpzZWNyZXQ=\"}}}}}}",
            token.address
        );
        std::fs::write(program.path("auth.json"), auth).unwrap();
        let start = Instant::now();
        let arguments = ["pull", "--plain-http", "--timeout", "1", "--retries", "1"];
        let error = program.try_run(&[&arguments[..], &[&name]].concat());
        let error = error.unwrap_err();
        assert!(
            error.contains("fewer than 4096 bytes came within 2s"),
            "{path}: {error}"
        );
        let took = start.elapsed();
        assert!(took < Duration::from_secs(30), "{path}: {took:?}");
    }
}

#[test]
fn a_killed_pull_goes_on_and_leaves_nothing_half() {
    let Some((_registry, proxy, name)) = setup(Protection::None) else {
        return;
    };
    for connections in ["1", "3"] {
        proxy.clear();
        let program = Program::new();
        proxy.rule("GET", "/blobs/", 99, Fault::Slow(Duration::from_millis(20)));
        let mut child = program
            .command(&["pull", "--plain-http", "--connections", connections, &name])
            .spawn()
            .unwrap();
        let start = Instant::now();
        // Somewhere in the middle of the layer.
        while partial_bytes(&program) < 3_000_000 {
            assert!(start.elapsed() < Duration::from_secs(20));
            std::thread::sleep(Duration::from_millis(5));
        }
        child.kill().unwrap();
        child.wait().unwrap();
        assert!(program.run(&["list"]).is_empty());
        proxy.clear();
        program.run(&["pull", "--plain-http", "--connections", connections, &name]);
        assert_eq!(program.counts(), [3, 0, 1, 0]);
        if connections == "1" {
            let range = proxy.headers("/blobs/", "range").join(" ");
            let from: u64 = range
                .trim_start_matches("bytes=")
                .trim_end_matches('-')
                .parse()
                .unwrap();
            assert!(from >= 3_000_000, "{range}");
        }
    }
}

fn partial_bytes(program: &Program) -> u64 {
    use std::os::unix::fs::MetadataExt;
    let entries = std::fs::read_dir(program.store().join("ingest"))
        .into_iter()
        .flatten()
        .flatten();
    entries
        .map(|e| e.metadata().map_or(0, |m| m.blocks() * 512))
        .sum()
}

#[test]
fn several_connections_fetch_one_layer() {
    let Some(registry) = Registry::start(Protection::None) else {
        return;
    };
    let maker = Program::new();
    make_image(&maker, "localhost/large", 40);
    let proxy = Proxy::start(&registry.address);
    maker.run(&[
        "push",
        "--plain-http",
        "localhost/large",
        &format!("{}/large", registry.address),
    ]);
    let name = format!("{}/large", proxy.address);
    proxy.rule("GET", "/blobs/", 1, Fault::Cut(100));
    proxy.rule("GET", "/blobs/", 1, Fault::Cut(1_000_000));
    let program = Program::new();
    program.run(&["pull", "--plain-http", "--connections", "4", &name]);
    let ranges = proxy.headers("/blobs/", "range");
    assert!(
        ranges.iter().any(|r| r == "bytes=8388608-16777215"),
        "{ranges:?}"
    );
    assert!(ranges.len() >= 6, "{ranges:?}");
    assert_eq!(program.counts(), [3, 0, 1, 0]);

    // Killed in the middle: finished pieces are not fetched again.
    proxy.clear();
    let program = Program::new();
    proxy.rule("GET", "/blobs/", 99, Fault::Slow(Duration::from_millis(10)));
    let mut child = program
        .command(&["pull", "--plain-http", "--connections", "2", &name])
        .spawn()
        .unwrap();
    let list = || {
        let entries = std::fs::read_dir(program.store().join("ingest"))
            .into_iter()
            .flatten()
            .flatten();
        entries
            .filter(|e| e.path().extension().is_some_and(|x| x == "pieces"))
            .map(|e| e.metadata().map_or(0, |m| m.len()))
            .sum::<u64>()
    };
    let start = Instant::now();
    while list() < 8 {
        assert!(start.elapsed() < Duration::from_secs(30));
        std::thread::sleep(Duration::from_millis(5));
    }
    child.kill().unwrap();
    child.wait().unwrap();
    proxy.clear();
    program.run(&["pull", "--plain-http", "--connections", "2", &name]);
    // The last request of the one that was killed may be counted here, too.
    let ranges = BTreeSet::from_iter(proxy.headers("/blobs/", "range"));
    assert!(
        ranges.len() <= 4 && !ranges.iter().any(|r| r.starts_with("bytes=0-")),
        "{ranges:?}"
    );
    assert_eq!(program.counts(), [3, 0, 1, 0]);
}

#[test]
fn copies_are_fetched_as_pulls_are() {
    let Some((registry, proxy, name)) = setup(Protection::None) else {
        return;
    };
    let layer = layer(&registry);
    let from = format!("docker://{name}");
    let program = Program::new();
    let layout = format!("oci:{}", program.path("layout").display());
    for to in [&layout, "localhost/copied"] {
        proxy.clear();
        proxy.rule("GET", &layer, 99, Fault::Answer(500, String::new()));
        let arguments = ["copy", "--plain-http", "--retries", "2", &from, to];
        let error = program.try_run(&arguments).unwrap_err();
        assert!(error.contains("2 attempts"), "{error}");
        assert_eq!(proxy.seen(&layer).len(), 2, "{to}");
    }
}

#[test]
fn uploads_are_continued() {
    let Some(registry) = Registry::start(Protection::None) else {
        return;
    };
    let maker = Program::new();
    make_image(&maker, "localhost/app", 12);
    for (n, options) in [
        &["--push-chunk", "1000000"][..],
        &["--push-chunk", "100000000"],
    ]
    .iter()
    .enumerate()
    {
        let proxy = Proxy::start(&registry.address);
        let name = format!("{}/app{n}", proxy.address);
        proxy.rule("P", "/blobs/uploads/", 2, Fault::CutUpload(500_000));
        proxy.rule("P", "/blobs/uploads/", 1, Fault::Answer(500, String::new()));
        let mut arguments = vec!["push", "--plain-http", "localhost/app", &name];
        arguments.extend(*options);
        maker.run(&arguments);
        if n == 0 {
            assert!(
                proxy.seen("PATCH").len() > 12,
                "{}",
                proxy.seen("PATCH").len()
            );
        }
        let program = Program::new();
        program.run(&[
            "pull",
            "--plain-http",
            &format!("{}/app{n}", registry.address),
        ]);
        assert_eq!(program.counts(), [3, 0, 1, 0]);
    }
}

/// Gives content in pieces that end at a chosen byte.
struct Cutting {
    content: Vec<u8>,
    cut: usize,
    ranges: bool,
}

impl Source for Cutting {
    fn root(&self) -> tare_image::Result<Document> {
        Err(Error::new(Kind::NotFound, "no root"))
    }

    fn document(&self, _: &Descriptor) -> tare_image::Result<Document> {
        self.root()
    }

    fn open(&self, _: &Descriptor, start: u64, _: Option<u64>) -> tare_image::Result<Content> {
        let start = if self.ranges { start as usize } else { 0 };
        let end = if start < self.cut {
            self.cut
        } else {
            self.content.len()
        };
        // Without ranges the second attempt must get further than the first, or there is no end.
        let end = if self.ranges || self.cut == self.content.len() {
            end
        } else {
            self.content.len()
        };
        let piece = self.content[start..end].to_vec();
        Ok(Content {
            reader: Box::new(std::io::Cursor::new(piece)),
            start: start as u64,
        })
    }
}

#[test]
fn a_stream_cut_at_each_byte_is_completed() {
    let content: Vec<u8> = (0..200u8).collect();
    let descriptor = Descriptor::new(MediaType::ImageLayer, 200, digest::of(&content));
    let options = transfer::Options {
        patience: Patience {
            attempts: 3,
            first: Duration::from_micros(1),
            longest: Duration::from_millis(1),
        },
        ..transfer::Options::default()
    };
    for ranges in [true, false] {
        for cut in 0..=200 {
            let temporary = tempfile::tempdir().unwrap();
            let layout = Layout::create(temporary.path()).unwrap();
            let source = Cutting {
                content: content.clone(),
                cut,
                ranges,
            };
            let mut seen = Vec::new();
            transfer::fetch(&source, &descriptor, &layout, &options, &mut |b| {
                seen.extend_from_slice(b);
                Ok(())
            })
            .unwrap_or_else(|e| panic!("cut at {cut}: {e}"));
            assert_eq!(seen, content, "cut at {cut}");
            let mut stored = Vec::new();
            layout
                .open_blob(&descriptor)
                .unwrap()
                .read_to_end(&mut stored)
                .unwrap();
            assert_eq!(stored, content);
        }
    }
    // Too much and too little are both wrong, and nothing of them is kept.
    for wrong in [199u64, 201] {
        let temporary = tempfile::tempdir().unwrap();
        let layout = Layout::create(temporary.path()).unwrap();
        let descriptor = Descriptor::new(MediaType::ImageLayer, wrong, digest::of(&content));
        let source = Cutting {
            content: content.clone(),
            cut: 200,
            ranges: true,
        };
        assert!(
            transfer::fetch(&source, &descriptor, &layout, &options, &mut |_| Ok(())).is_err(),
            "{wrong}"
        );
        assert!(!layout.has(&descriptor).unwrap());
    }
}
