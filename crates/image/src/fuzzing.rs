//! What the fuzz targets (`fuzz/`) and the tests below do with bytes of others.
#![allow(missing_docs, reason = "nobody but the fuzzer sees it")]
#![allow(clippy::unwrap_used, reason = "what fails here is a finding")]

use std::fs;
use std::path::Path;

use crate::location::Location;
use crate::manifest::{Content, Document, Image};
use crate::reference::Reference;
use crate::tar::{Entry, Reader};
use crate::unpack::{Form, Layer, Owner, merge, remove_tree};
use crate::{Limits, digest};

pub use crate::registry::fuzzing::{headers, hosts};

/// The tar reader: it neither panics nor loops, and what it passes on keeps its promises.
pub fn tar(data: &[u8]) {
    let limits = Limits::default();
    // Small pieces, so that everything is split somewhere.
    let input = std::io::BufReader::with_capacity(700, data);
    let mut reader = Reader::new(input, limits.clone());
    let mut entry = Entry::default();
    let mut entries = 0;
    while let Ok(true) = reader.next(&mut entry) {
        entries += 1;
        assert!(entries <= data.len() / 512, "an entry is at least a block");
        assert!(!entry.path.contains(&0) && entry.path.len() <= limits.path_bytes);
        assert!(!entry.link.contains(&0) && entry.link.len() <= limits.path_bytes);
        let mut read = 0u64;
        loop {
            let Ok(piece) = reader.data() else { return };
            let n = piece.len();
            if n == 0 {
                break;
            }
            read += n as u64;
            reader.consume(n);
        }
        match &entry.sparse {
            None => assert_eq!(read, entry.size),
            Some(segments) => {
                assert_eq!(read, segments.iter().map(|s| s.length).sum::<u64>());
                let mut end = 0;
                for segment in segments {
                    assert!(segment.offset >= end);
                    end = segment.offset + segment.length;
                }
                assert!(end <= entry.size);
            }
        }
    }
}

/// Manifests, indexes and configurations.
pub fn manifest(data: &[u8]) {
    for announced in [None, Some("application/vnd.oci.image.index.v1+json")] {
        let Ok(document) = Document::parse(data.to_vec(), announced) else {
            continue;
        };
        assert_eq!(document.descriptor.digest(), &digest::of(data));
        let _ = (document.children(), document.subject());
        if let Content::Manifest(manifest) = document.content {
            // The configuration's digest cannot be guessed: the bytes are both.
            let mut own = manifest.config().clone();
            own.set_digest(digest::of(data));
            own.set_size(data.len() as u64);
            let mut manifest = *manifest;
            manifest.set_config(own);
            let _ = Image::assemble(document.descriptor, manifest, data, &Limits::default());
        }
    }
}

/// References, locations and digests: what is printed is read again as the same.
pub fn reference(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else {
        return;
    };
    if let Ok(reference) = text.parse::<Reference>() {
        let printed = reference.to_string();
        assert_eq!(printed.parse::<Reference>().unwrap(), reference);
        assert!(
            !reference
                .repository()
                .split('/')
                .any(|c| c.starts_with('.'))
        );
    }
    if let Ok(location) = text.parse::<Location>() {
        assert_eq!(location.to_string().parse::<Location>().unwrap(), location);
    }
    if let Ok(digest) = digest::parse(text) {
        assert!(!digest.digest().contains('/'), "it becomes a file name");
    }
}

/// A whole layer, twice over each other, into a directory in memory: nothing outside changes.
pub fn unpack(data: &[u8]) {
    let folder = Folder::new("unpack");
    fs::write(folder.0.join("canary"), "untouched").unwrap();
    attempt(&folder.0, data);
    assert_eq!(fs::read(folder.0.join("canary")).unwrap(), b"untouched");
    let mut names: Vec<_> = fs::read_dir(&folder.0)
        .unwrap()
        .map(|e| e.unwrap().file_name())
        .collect();
    names.sort();
    assert_eq!(names, ["canary", "target"]);
}

fn attempt(folder: &Path, data: &[u8]) {
    let root = folder.join("target");
    fs::create_dir(&root).unwrap();
    let limits = Limits {
        layer_bytes: 1 << 20,
        entries: 200,
        ..Limits::default()
    };
    let owner = Owner::for_caller();
    for n in 0..2 {
        let staging = folder.join(format!("staging{n}"));
        fs::create_dir(&staging).unwrap();
        let run = || -> crate::Result<()> {
            let mut layer = Layer::new(&staging, Form::Flat, owner, &limits)?;
            layer.unpack(data)?;
            let summary = layer.settle(&[fs::File::open(&root).unwrap().into()])?;
            merge::merge(&staging, &root, owner, &summary)
        };
        let _ = run();
        remove_tree(&staging).unwrap();
    }
}

/// `/etc/passwd` and, behind an empty line, `/etc/group` of an image.
pub fn accounts(data: &[u8]) {
    let folder = Folder::new("accounts");
    let middle = data.windows(2).position(|two| two == b"\n\n");
    let (users, groups) = data.split_at(middle.unwrap_or(data.len()));
    fs::create_dir(folder.0.join("etc")).unwrap();
    fs::write(folder.0.join("etc/passwd"), users).unwrap();
    fs::write(folder.0.join("etc/group"), groups).unwrap();
    let limits = Limits::default();
    let resolve = |text: &str| crate::accounts::resolve(text, &[&folder.0], &limits);
    for text in [
        "",
        "0",
        "1000",
        "web",
        "web:web",
        "0:web",
        "4294967295",
        "-1",
    ] {
        if let Ok(user) = resolve(text) {
            assert!(user.additional.len() <= 1024);
            // A number is an id, whatever stands in the files (CVE-2016-3697).
            assert!(text.parse() != Ok(1000) || user.uid == 1000);
        }
    }
}

/// What the administrator and the user have written: `policy.json`, `registries.conf`, `hosts.toml` and `auth.json`.
pub fn settings(data: &[u8]) {
    let folder = Folder::new("settings");
    let file = folder.0.join("file");
    fs::write(&file, data).unwrap();
    if let Ok(policy) = crate::policy::Policy::read(&file) {
        let _ = policy.allow("oci", Path::new("/a/b"));
    }
    crate::registry::fuzzing::registries(&file);
    crate::credentials::fuzzing::find(data);
}

/// What says which images there are and who signed them: `index.json`, docker's `manifest.json`, signed documents and keys,
/// alone and as an archive.
pub fn documents(data: &[u8]) {
    crate::archive::fuzzing::list(data);
    crate::sigstore::fuzzing::signed(data);
    if let Ok(index) = serde_json::from_slice::<oci_spec::image::ImageIndex>(data) {
        for name in [None, Some("a"), Some("docker.io/library/a:1")] {
            let _ = crate::layout::pick(&index, name);
        }
        for entry in index.manifests() {
            let _ = crate::layout::image_name(entry);
        }
        let wanted = crate::platform::Wanted::host();
        let offered: Vec<_> = (index.manifests().iter())
            .filter_map(|entry| entry.platform().clone())
            .collect();
        let _ = crate::platform::candidates(&index, &wanted);
        let _ = crate::platform::nothing(&offered, &wanted);
    }
    let folder = Folder::new("documents");
    let file = folder.0.join("file");
    fs::write(&file, data).unwrap();
    if let Ok(archive) = crate::archive::Archive::any(&file, &Limits::default()) {
        let count = archive.names().len();
        (0..count.min(9)).for_each(|n| drop(archive.image(n)));
        assert!(archive.image(count).is_err());
    }
}

/// A directory in memory.
struct Folder(std::path::PathBuf);

impl Folder {
    fn new(name: &str) -> Folder {
        let path = Path::new("/dev/shm").join(format!("tare-{name}-{}", std::process::id()));
        if path.exists() {
            remove_tree(&path).unwrap();
        }
        fs::create_dir(&path).unwrap();
        Folder(path)
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        remove_tree(&self.0).unwrap();
    }
}

#[cfg(test)]
mod tests {
    use property::any_bytes;

    #[test]
    fn any_tar() {
        any_bytes("crates/image/fuzz/seeds/tar", "", super::tar);
    }

    #[test]
    fn any_unpack() {
        any_bytes("crates/image/fuzz/seeds/unpack", "", super::unpack);
    }

    #[test]
    fn any_manifest() {
        any_bytes("crates/image/fuzz/seeds/manifest", "", super::manifest);
    }

    #[test]
    fn any_reference() {
        any_bytes("crates/image/fuzz/seeds/reference", "", super::reference);
    }

    #[test]
    fn any_headers() {
        any_bytes("crates/image/fuzz/seeds/headers", "", super::headers);
    }

    #[test]
    fn any_hosts() {
        any_bytes("crates/image/fuzz/seeds/hosts", "", super::hosts);
    }

    #[test]
    fn any_accounts() {
        any_bytes("crates/image/fuzz/seeds/accounts", "", super::accounts);
    }

    #[test]
    fn any_settings() {
        any_bytes("crates/image/fuzz/seeds/settings", "", super::settings);
    }

    #[test]
    fn any_documents() {
        any_bytes("crates/image/fuzz/seeds/documents", "", super::documents);
    }
}
