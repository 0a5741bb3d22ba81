//! What the distribution specification lets registries do, with a registry that does it.

use serde_json::Value;

use crate::own_registry::{Manner, Mishap, OwnRegistry, Tags};
use crate::proxy::Seen;
use crate::support::*;

/// A 4 MB image, its maker, and a registry without it.
fn setup(manner: Manner) -> (Program, OwnRegistry, String) {
    let program = Program::new();
    make_image(&program, "localhost/app", 3);
    let registry = OwnRegistry::start(manner);
    let name = format!("{}/team/app:1", registry.address);
    (program, registry, name)
}

fn push(program: &Program, name: &str, chunk: &str) {
    program.run(&[
        "push",
        "--plain-http",
        "--push-chunk",
        chunk,
        "localhost/app",
        name,
    ]);
}

/// Pulls it back, and compares the digest.
fn check(program: &Program, registry: &OwnRegistry, name: &str) {
    let pulled = Program::new().run(&["pull", "--plain-http", name]);
    let made: Value = serde_json::from_str(&program.run(&["inspect", "localhost/app"])).unwrap();
    assert_eq!(made["digest"], pulled.as_str());
    assert_eq!(registry.violations(), Vec::<String>::new());
    assert_eq!(registry.sessions(), 0, "no session stays open");
}

/// `Content-Range` of all pieces.
fn pieces(registry: &OwnRegistry) -> Vec<String> {
    let seen = registry.seen("PATCH");
    let ranges = seen.iter().map(|s| s.headers["content-range"].clone());
    ranges.collect()
}

#[test]
fn damage_of_another_image_is_no_reason_not_to_push() {
    let (program, registry, name) = setup(Manner::default());
    let other = format!("{}/team/other:1", registry.address);
    let manifest = program.run(&["squash", "localhost/app", &other, "--label", "other=1"]);
    let blob = manifest.replace(':', "/");
    let blob = program.store().join("blobs").join(blob);
    let length = std::fs::metadata(&blob).unwrap().len();
    std::fs::write(&blob, vec![b'x'; length as usize]).unwrap();
    push(&program, &name, "2000000");
    check(&program, &registry, &name);
}

#[test]
fn pieces_of_an_upload_go_on_where_they_broke() {
    let (program, registry, name) = setup(Manner::default());
    registry.mishap(Mishap::PieceBreaks(400_000));
    registry.mishap(Mishap::PieceBreaks(1_000_000));
    push(&program, &name, "2000000");
    let pieces = pieces(&registry);
    // Nothing is sent twice: the second piece starts in the middle of the first, and so on.
    assert_eq!(pieces[0], "0-1999999");
    assert_eq!(pieces[1], "400000-2399999");
    assert_eq!(pieces[2], "1400000-3399999");
    assert!(pieces[3].starts_with("3400000-"), "{pieces:?}");
    assert_eq!(pieces.len(), 4);
    assert_eq!(registry.seen("GET /v2/team/app/blobs/uploads/").len(), 2);
    check(&program, &registry, &name);
}

#[test]
fn a_piece_that_broke_after_one_byte_or_none() {
    for bytes in [0, 1] {
        let (program, registry, name) = setup(Manner::default());
        registry.mishap(Mishap::PieceBreaks(bytes));
        push(&program, &name, "2000000");
        check(&program, &registry, &name);
        // One byte cannot be told from none. A registry that does not take the first again gets the whole at once.
        let starts: Vec<_> = pieces(&registry)
            .iter()
            .map(|p| p.split('-').next().unwrap().to_string())
            .collect();
        match bytes {
            0 => assert_eq!(starts, ["0", "0", "2000000", "4000000"]),
            _ => {
                assert_eq!(starts, ["0", "0", "0"]);
                let puts = registry.seen("PUT /v2/team/app/blobs/uploads/");
                let large = |s: &&Seen| s.headers["content-length"].len() == 7;
                assert_eq!(puts.iter().filter(large).count(), 1);
            }
        }
    }
}

#[test]
fn pieces_are_as_long_as_the_registry_wants() {
    let manner = Manner {
        smallest_piece: 800_000,
        ..Manner::default()
    };
    let (program, registry, name) = setup(manner);
    registry.mishap(Mishap::PieceBreaks(123_456));
    push(&program, &name, "200000");
    let pieces = pieces(&registry);
    assert_eq!(pieces[..2], ["0-799999", "123456-923455"]);
    check(&program, &registry, &name);
}

#[test]
fn lost_answers_and_lost_sessions() {
    // The piece was taken, but the client does not know: it is not sent again.
    let (program, registry, name) = setup(Manner::default());
    registry.mishap(Mishap::AnswerLost);
    push(&program, &name, "2000000");
    assert_eq!(pieces(&registry).len(), 3);
    check(&program, &registry, &name);

    // The session is forgotten: another one is started.
    let (program, registry, name) = setup(Manner::default());
    registry.mishap(Mishap::SessionEnds);
    push(&program, &name, "2000000");
    assert_eq!(pieces(&registry).len(), 4);
    check(&program, &registry, &name);

    // The whole was taken: it is there, and not sent again.
    let (program, registry, name) = setup(Manner::default());
    registry.mishap(Mishap::AnswerLost);
    push(&program, &name, "50000000");
    assert_eq!(
        registry.seen("POST").len(),
        2,
        "the layer and the configuration"
    );
    check(&program, &registry, &name);

    let manner = Manner {
        forgets_locations: true,
        ..Manner::default()
    };
    let (program, registry, name) = setup(manner);
    push(&program, &name, "2000000");
    check(&program, &registry, &name);
}

#[test]
fn limits_on_the_size_of_requests() {
    const MB: usize = 1_000_000;
    for status in [413, 416] {
        // Smaller pieces; the whole at once; pieces where the whole is too much. The size that works is kept for what follows.
        for (piece, whole, chunk, requests) in [
            (2 * MB, usize::MAX, "4000000", 1 + 5),
            (0, usize::MAX, "4000000", 2),
            (2 * MB, 3 * MB, "50000000", 5),
        ] {
            if status == 416 && whole != usize::MAX {
                continue;
            }
            let manner = Manner {
                largest: (piece, whole, status),
                ..Manner::default()
            };
            let (program, registry, name) = setup(manner);
            push(&program, &name, chunk);
            let sent = registry.seen("PATCH").len();
            assert!(sent <= requests, "{status} {piece} {whole}: {sent}");
            check(&program, &registry, &name);
        }
        let manner = Manner {
            largest: (0, 0, status),
            ..Manner::default()
        };
        let (program, registry, name) = setup(manner);
        let chunk = ["--push-chunk", "2000000"];
        let arguments = ["push", "--plain-http", "localhost/app", &name];
        let error = program.try_run(&[&arguments[..], &chunk].concat());
        let error = error.unwrap_err();
        let wanted = if status == 413 {
            "limits the size"
        } else {
            "416"
        };
        assert!(error.contains(wanted), "{error}");
        let requests = registry.seen("PATCH").len() + registry.seen("PUT").len();
        assert!(requests <= 8, "{requests}");
    }
}

#[test]
fn layers_of_another_repository_are_mounted() {
    let (program, registry, name) = setup(Manner::default());
    push(&program, &name, "50000000");
    registry.forget();
    let (from, to) = (
        format!("docker://{name}"),
        format!("docker://{}/other/copy:2", registry.address),
    );
    program.run(&["copy", "--plain-http", &from, &to]);
    assert_eq!(registry.seen("from=team%2Fapp").len(), 2);
    assert_eq!(registry.seen("PUT /v2/other/copy/blobs/").len(), 0);
    check(&program, &registry, &to["docker://".len()..]);

    // A registry that wants to hear nothing of another repository is sent the content.
    registry.forget();
    registry.mishap(Mishap::MountDenied);
    let to = format!("docker://{}/other/copy2:2", registry.address);
    program.run(&["copy", "--plain-http", &from, &to]);
    assert_eq!(registry.seen("PUT /v2/other/copy2/blobs/").len(), 1);

    // Also when the image came through the store: what the registry has somewhere is not sent again.
    registry.forget();
    let program = Program::new();
    program.run(&["pull", "--plain-http", "--no-unpack", &name]);
    let third = format!("{}/third/copy:3", registry.address);
    program.run(&["tag", &name, &third]);
    program.run(&["push", "--plain-http", &third]);
    assert_eq!(registry.seen("from=team%2Fapp").len(), 2);
    assert_eq!(registry.seen("PUT /v2/third/copy/blobs/").len(), 0);
}

#[test]
fn downloads_go_on_whatever_the_etag() {
    let manner = Manner {
        changing_etags: true,
        ..Manner::default()
    };
    let (program, registry, name) = setup(manner);
    push(&program, &name, "50000000");
    registry.forget();
    registry.mishap(Mishap::BlobBreaks(1_500_000));
    registry.mishap(Mishap::BlobBreaks(1_200_000));
    check(&program, &registry, &name);
    let ranges: Vec<_> = registry
        .seen("GET /v2/team/app/blobs/")
        .iter()
        .filter_map(|s| s.headers.get("range").cloned())
        .collect();
    assert_eq!(ranges, ["bytes=1500000-", "bytes=2700000-"]);
}

#[test]
fn several_tags_in_one_push() {
    let wanted: Vec<String> = (1..=12).map(|n| n.to_string()).collect();
    for (tags, requests) in [
        (Tags::Each, 2),
        (Tags::Joined, 2),
        // Three of ten and both of two; the other seven one by one.
        (Tags::Some(3), 2 + 7),
        (Tags::Ignored, 1 + 12),
        (Tags::Refused, 1 + 12),
    ] {
        let (program, registry, name) = setup(Manner {
            tags,
            ..Manner::default()
        });
        let mut arguments = vec!["push", "--plain-http", "localhost/app", &name];
        for tag in &wanted {
            arguments.extend(["--also", tag]);
        }
        program.run(&arguments);
        let puts = registry.seen("PUT /v2/team/app/manifests/");
        assert_eq!(puts.len(), requests, "{tags:?}: {puts:?}");
        let found = program.run(&["tags", "--plain-http", &name]);
        assert_eq!(found.lines().count(), 12, "{tags:?}: {found}");
        check(
            &program,
            &registry,
            &format!("{}/team/app:12", registry.address),
        );
        check(&program, &registry, &name);
    }
    // One tag is pushed as ever.
    let (program, registry, name) = setup(Manner::default());
    push(&program, &name, "50000000");
    let puts = registry.seen("PUT /v2/team/app/manifests/");
    assert_eq!(puts.len(), 1);
    assert!(puts[0].line.starts_with("PUT /v2/team/app/manifests/1 "));
}

#[test]
fn a_list_of_tags_ends() {
    let (program, registry, name) = setup(Manner {
        page: 1,
        ..Manner::default()
    });
    let mut arguments = vec!["push", "--plain-http", "localhost/app", &name];
    let more: Vec<String> = (2..=12).map(|n| n.to_string()).collect();
    for tag in &more {
        arguments.extend(["--also", tag]);
    }
    program.run(&arguments);
    let list = ["tags", "--plain-http", &name];
    assert_eq!(program.run(&list).lines().count(), 12);
    let error = program.try_run(&[&list[..], &["--max-manifest-bytes", "40"]].concat());
    assert!(error.unwrap_err().contains("does not end"));
    assert!(registry.violations().is_empty());
}

#[test]
fn a_digest_in_the_reference_is_what_is_pushed() {
    let manner = Manner {
        tags: Tags::Each,
        ..Manner::default()
    };
    let (program, registry, name) = setup(manner);
    let made: Value = serde_json::from_str(&program.run(&["inspect", "localhost/app"])).unwrap();
    let own = made["digest"].as_str().unwrap();
    program.run(&[
        "push",
        "--plain-http",
        "localhost/app",
        &format!("{name}@{own}"),
    ]);
    check(&program, &registry, &name);
    let other = format!("{name}@sha256:{}", "0".repeat(64));
    let error = program.try_run(&["push", "--plain-http", "localhost/app", &other]);
    let error = error.unwrap_err();
    assert!(
        error.contains(&format!("the image is {own}, not sha256:000")),
        "{error}"
    );
    for (place, tag, said) in [
        ("oci:x.tar", "v", "--also is for registries"),
        (&*format!("docker://{name}"), "a/b", "\"a/b\" is not a tag"),
    ] {
        let error = program.try_run(&[
            "copy",
            "--plain-http",
            "--also",
            tag,
            "localhost/app",
            place,
        ]);
        let error = error.unwrap_err();
        assert!(error.contains(said), "{error}");
    }
}

/// Pushes two signatures and a bill of materials for the image, and returns what refers to it.
fn referrers(manner: Manner) -> (OwnRegistry, Vec<Value>, Vec<Value>) {
    let (program, registry, name) = setup(manner);
    push(&program, &name, "50000000");
    let place = format!("docker://{name}");
    let raw = program.run(&["inspect", "--plain-http", "--raw", &place]);
    let layout = tare_image::layout::Layout::create(&program.path("artifacts")).unwrap();
    for (n, kind) in ["test/signature", "test/sbom", "test/signature"]
        .iter()
        .enumerate()
    {
        let put = |media_type: &str, bytes: Vec<u8>| {
            let descriptor = oci_spec::image::Descriptor::new(
                media_type.into(),
                bytes.len() as u64,
                tare_image::digest::of(&bytes),
            );
            layout.put(&descriptor, &bytes).unwrap();
            descriptor
        };
        let empty = put("application/vnd.oci.empty.v1+json", b"{}".to_vec());
        let manifest_type = "application/vnd.oci.image.manifest.v1+json";
        let manifest = serde_json::json!({
            "schemaVersion": 2, "mediaType": manifest_type, "artifactType": kind, "config": empty, "layers": [empty],
            "subject": {"mediaType": manifest_type, "size": raw.len(), "digest": tare_image::digest::of(raw.as_bytes())},
            "annotations": {"n": n.to_string()},
        });
        let descriptor = put(manifest_type, manifest.to_string().into_bytes());
        let label = format!("a{n}");
        layout.tag(Some(&label), &descriptor).unwrap();
        program.run(&[
            "copy",
            "--plain-http",
            &format!("oci:{}:{label}", layout.root().display()),
            &format!("docker://{}/team/app:{label}", registry.address),
        ]);
    }
    let list = |more: &[&str]| {
        let mut arguments = vec!["inspect", "--plain-http", "--referrers", &place];
        arguments.extend(more);
        serde_json::from_str::<Vec<Value>>(&program.run(&arguments)).unwrap()
    };
    let (all, some) = (list(&[]), list(&["--artifact-type", "test/signature"]));
    // Deleting one keeps every kind of list right.
    program.run(&[
        "remove",
        "--plain-http",
        &format!("docker://{}/team/app:a0", registry.address),
    ]);
    assert_eq!(list(&[]).len(), all.len() - 1);
    assert_eq!(registry.violations(), Vec::<String>::new());
    let tags = program.run(&["tags", "--plain-http", &name]);
    let expected = if manner.referrers { 3 } else { 4 };
    assert_eq!(tags.lines().count(), expected, "{tags}");
    (registry, all, some)
}

#[test]
fn referrers_by_the_api_with_filters_and_pages() {
    for (filters, page) in [(true, 100), (true, 1), (false, 2)] {
        let (registry, all, some) = referrers(Manner {
            filters,
            page,
            ..Manner::default()
        });
        assert_eq!(
            (all.len(), some.len()),
            (3, 2),
            "filters {filters}, page {page}"
        );
        assert!(some.iter().all(|d| d["artifactType"] == "test/signature"));
        assert!(all.iter().any(|d| d["annotations"]["n"] == "1"));
        assert!(
            registry
                .seen("PUT /v2/team/app/manifests/sha256-")
                .is_empty(),
            "the registry keeps the list, so there is no tag for it"
        );
    }
}

#[test]
fn referrers_by_the_tag_where_there_is_no_api() {
    let (registry, all, some) = referrers(Manner {
        referrers: false,
        page: 2,
        ..Manner::default()
    });
    assert_eq!((all.len(), some.len()), (3, 2));
    assert_eq!(registry.seen("PUT /v2/team/app/manifests/sha256-").len(), 4);
}
