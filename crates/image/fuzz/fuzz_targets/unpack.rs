//! A whole layer, twice over each other, into a directory in memory: nothing outside changes.
#![no_main]

use std::fs;
use std::path::Path;

use libfuzzer_sys::fuzz_target;
use tare_image::Limits;
use tare_image::unpack::{Form, Layer, Owner, merge, remove_tree};

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
        let run = || -> tare_image::Result<()> {
            let mut layer = Layer::new(&staging, Form::Flat, owner, &limits)?;
            layer.unpack(data)?;
            let summary = layer.settle(&[fs::File::open(&root).unwrap().into()])?;
            merge::merge(&staging, &root, owner, &summary)
        };
        let _ = run();
        remove_tree(&staging).unwrap();
    }
}

fuzz_target!(|data: &[u8]| {
    let folder = Path::new("/dev/shm").join(format!("tare-fuzz-{}", std::process::id()));
    if folder.exists() {
        remove_tree(&folder).unwrap();
    }
    fs::create_dir(&folder).unwrap();
    fs::write(folder.join("canary"), "untouched").unwrap();
    attempt(&folder, data);
    assert_eq!(fs::read(folder.join("canary")).unwrap(), b"untouched");
    let mut names: Vec<_> = fs::read_dir(&folder)
        .unwrap()
        .map(|e| e.unwrap().file_name())
        .collect();
    names.sort();
    assert_eq!(names, ["canary", "target"]);
    remove_tree(&folder).unwrap();
});
