//! Archives that other programs write are read as they read them.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use tare_image::Limits;

use crate::support::*;

fn sample(root: &Path) {
    fs::create_dir_all(root.join("dir/sub")).unwrap();
    fs::write(root.join("dir/file"), "content").unwrap();
    fs::write(root.join("empty"), "").unwrap();
    let long = "n".repeat(120);
    fs::create_dir_all(root.join(&long).join(&long)).unwrap();
    fs::write(root.join(&long).join(&long).join(&long), "long").unwrap();
    std::os::unix::fs::symlink(format!("{long}/{long}/{long}"), root.join("long-link")).unwrap();
    fs::hard_link(root.join("dir/file"), root.join("hard")).unwrap();
    fs::write(root.join("Ünï"), "name").unwrap();
    fs::set_permissions(root.join("dir"), fs::Permissions::from_mode(0o2751)).unwrap();
    fs::set_permissions(root.join("empty"), fs::Permissions::from_mode(0o4711)).unwrap();
    // Data, hole, data, hole.
    let sparse = fs::File::create(root.join("sparse")).unwrap();
    use std::os::unix::fs::FileExt;
    for n in [0u64, 1 << 20, 5 << 20] {
        sparse.write_all_at(&[7; 5000], n).unwrap();
    }
    sparse.set_len(6 << 20).unwrap();
    whole_seconds(root);
}

fn compare(archive: &Path, root: &Path, what: &str) {
    let temporary = tempfile::tempdir().unwrap();
    let bytes = fs::read(archive).unwrap();
    unpack_layers(temporary.path(), &[bytes], &Limits::default())
        .unwrap_or_else(|e| panic!("{what}: {e}"));
    assert_eq!(
        snapshot(&temporary.path().join("target"), true),
        snapshot(root, true),
        "{what}"
    );
}

#[test]
fn archives_of_gnu_tar() {
    if !have("tar") {
        return;
    }
    let temporary = tempfile::tempdir().unwrap();
    let root = temporary.path().join("root");
    sample(&root);
    let out = temporary.path().join("a.tar");
    for format in ["gnu", "oldgnu", "posix"] {
        for sparse in [None, Some("0.0"), Some("0.1"), Some("1.0")] {
            let mut args = vec![
                "-C",
                root.to_str().unwrap(),
                "--format",
                format,
                "-cf",
                out.to_str().unwrap(),
            ];
            let version;
            if let Some(wanted) = sparse {
                version = format!("--sparse-version={wanted}");
                args.extend(["-S", &version]);
            }
            args.push(".");
            tool("tar", args);
            compare(&out, &root, &format!("{format} sparse {sparse:?}"));
        }
    }
}

#[test]
fn archives_of_bsdtar() {
    if !have("bsdtar") {
        return;
    }
    let temporary = tempfile::tempdir().unwrap();
    let root = temporary.path().join("root");
    sample(&root);
    let out = temporary.path().join("a.tar");
    for format in ["gnutar", "pax", "posix"] {
        tool(
            "bsdtar",
            [
                "-C",
                root.to_str().unwrap(),
                "--format",
                format,
                "-cf",
                out.to_str().unwrap(),
                ".",
            ],
        );
        compare(&out, &root, format);
    }
}

#[test]
fn archives_of_python() {
    if !have("python3") {
        return;
    }
    let temporary = tempfile::tempdir().unwrap();
    let root = temporary.path().join("root");
    sample(&root);
    let out = temporary.path().join("a.tar");
    for format in ["GNU_FORMAT", "PAX_FORMAT"] {
        let script = format!(
            "import tarfile,sys\nt=tarfile.open(sys.argv[2],'w',format=tarfile.{format})\nt.add(sys.argv[1],arcname='.')\nt.close()"
        );
        tool(
            "python3",
            ["-c", &script, root.to_str().unwrap(), out.to_str().unwrap()],
        );
        compare(&out, &root, format);
    }
}

#[test]
fn others_read_what_is_written_here() {
    let temporary = tempfile::tempdir().unwrap();
    let root = temporary.path().join("root");
    sample(&root);
    let write = || {
        tare_image::changes::write(&root, tare_image::changes::What::Tree, Vec::new())
            .unwrap()
            .0
    };
    let bytes = write();
    assert_eq!(bytes, write(), "the same tree gives the same archive");
    let archive = temporary.path().join("a.tar");
    fs::write(&archive, &bytes).unwrap();
    compare(&archive, &root, "ourselves");
    for name in ["tar", "bsdtar"] {
        if !have(name) {
            continue;
        }
        let out = temporary.path().join(name);
        fs::create_dir(&out).unwrap();
        tool(
            name,
            [
                "-C",
                out.to_str().unwrap(),
                "-xpf",
                archive.to_str().unwrap(),
            ],
        );
        let (mut read, mut wrote) = (snapshot(&out, true), snapshot(&root, true));
        // Not all restore the time of the folder that they unpack into.
        read.remove("");
        wrote.remove("");
        assert_eq!(read, wrote, "{name}");
    }
}
