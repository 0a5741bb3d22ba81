//! Mounts of root file systems, made and removed in mount namespaces of the tests' own.
#![allow(clippy::unwrap_used, reason = "a test's helpers fail as the test does")]

mod sandbox;

use std::fs;
use std::io::Write;
use std::os::unix::fs::{MetadataExt, chown, symlink};
use std::path::{Path, PathBuf};

use kernel::mount::{self, flags};
use kernel::namespace;
use sandbox::{missing, read};
use tare_libcontainer::spec::Mount;
use tare_libcontainer::{Config, Container, CreateOptions, Error, Exit, Stdio, Store, rootfs};

/// Runs in a thread with mounts of its own, of which all are shared as systemd has them, on an empty file system.
fn in_own_mounts(name: &'static str, test: impl FnOnce(&Path) + Send) {
    if let Some(why) = missing() {
        let _ = std::io::stdout().write_all(format!("skipped: {name}: {why}\n").as_bytes());
        return;
    }
    let place = std::env::temp_dir().join(format!("tare-rootfs-{name}-{}", std::process::id()));
    fs::create_dir(&place).unwrap();
    let run = || {
        namespace::unshare(namespace::flags::NEWNS).unwrap();
        let all = |kind| mount::mount(None, c"/", None, kind | flags::REC, None).unwrap();
        all(flags::PRIVATE);
        all(flags::SHARED);
        mount_tmpfs(&place);
        fs::create_dir_all(place.join("bundle/rootfs")).unwrap();
        test(&place);
    };
    let ended = std::thread::scope(|scope| scope.spawn(run).join());
    fs::remove_dir(&place).unwrap();
    if let Err(panic) = ended {
        std::panic::resume_unwind(panic);
    }
}

fn mount_tmpfs(at: &Path) {
    let at = std::ffi::CString::new(at.to_str().unwrap()).unwrap();
    mount::mount(Some(c"tmpfs"), &at, Some(c"tmpfs"), 0, None).unwrap();
}

fn entry(kind: &str, source: impl AsRef<Path>, at: &str, options: &[String]) -> Mount<'static> {
    Mount {
        destination: at.to_owned().into(),
        kind: Some(kind.to_owned().into()),
        source: Some(source.as_ref().to_str().unwrap().to_owned().into()),
        options: options.iter().cloned().map(Into::into).collect(),
        ..Mount::default()
    }
}

fn words(words: &str) -> Vec<String> {
    words.split(',').map(str::to_owned).collect()
}

/// Writable over these layers, of which the first is the top one.
fn overlay(place: &Path, layers: &[PathBuf]) -> Mount<'static> {
    for folder in ["upper", "work"] {
        fs::create_dir_all(place.join(folder)).unwrap();
    }
    let layers: Vec<String> = layers
        .iter()
        .map(|layer| layer.to_str().unwrap().replace(':', "\\:"))
        .collect();
    let options = [
        "index=off".to_owned(),
        format!("lowerdir={}", layers.join(":")),
        format!("upperdir={}", place.join("upper").display()),
        format!("workdir={}", place.join("work").display()),
    ];
    entry("overlay", "overlay", "", &options)
}

/// A layer with a file of its own, and one that all have.
fn layer(place: &Path, name: &str) -> PathBuf {
    let layer = place.join(name);
    fs::create_dir_all(&layer).unwrap();
    let own = name.replace('/', "-");
    fs::write(layer.join(&own[own.len().saturating_sub(60)..]), "").unwrap();
    fs::write(layer.join("name"), name).unwrap();
    layer
}

/// The lines of mountinfo about mounts here.
fn mounts_below(place: &Path) -> Vec<String> {
    let text = fs::read_to_string("/proc/thread-self/mountinfo").unwrap();
    let below = format!("{}/", place.display());
    let lines = text
        .lines()
        .filter(|line| line.split(' ').nth(4).unwrap().starts_with(&below));
    lines.map(str::to_owned).collect()
}

#[test]
fn an_overlay_is_mounted_and_removed() {
    in_own_mounts("overlay", |place| {
        let root = place.join("bundle/rootfs");
        let layers = [layer(place, "b"), layer(place, "a")];
        let list = [overlay(place, &layers)];
        for _ in 0..2 {
            rootfs::mount(&root, &list).unwrap();
            assert_eq!(fs::read_to_string(root.join("name")).unwrap(), "b");
            fs::write(root.join("new"), "x").unwrap();
            assert_eq!(mounts_below(place).len(), 1);
            rootfs::unmount(&root).unwrap();
            rootfs::unmount(&root).unwrap();
            assert_eq!(mounts_below(place).len(), 0);
        }
        assert!(place.join("upper/new").exists() && !layers[0].join("new").exists());
        let mut view = overlay(place, &layers);
        view.options.truncate(2);
        view.options.extend(["ro".into(), "noexec".into()]);
        rootfs::mount(&root, &[view]).unwrap();
        let line = &mounts_below(place)[0];
        assert!(line.contains(" ro,") && line.contains("noexec"), "{line}");
        rootfs::unmount(&root).unwrap();
    });
}

/// Their names are longer than a page together, one of them is longer than fsconfig(2) takes, and one has a colon.
#[test]
fn an_overlay_of_130_layers() {
    in_own_mounts("layers", |place| {
        let root = place.join("bundle/rootfs");
        let folder = "long/".repeat(20);
        let mut names: Vec<String> = (0..130).map(|n| format!("{folder}{n}")).collect();
        names[7] = format!("{}/deep", "x".repeat(250));
        names[9] = "with:a colon, and a comma".to_owned();
        let layers: Vec<PathBuf> = names.iter().map(|name| layer(place, name)).collect();
        rootfs::mount(&root, &[overlay(place, &layers)]).unwrap();
        assert_eq!(fs::read_to_string(root.join("name")).unwrap(), names[0]);
        assert_eq!(fs::read_dir(&root).unwrap().count(), 131);
        fs::write(root.join("name"), "changed").unwrap();
        rootfs::unmount(&root).unwrap();
        assert_eq!(mounts_below(place).len(), 0);
        assert_eq!(
            fs::read_to_string(place.join("upper/name")).unwrap(),
            "changed"
        );

        let mut view = overlay(place, &layers);
        view.options.truncate(2);
        view.options
            .extend(["ro".into(), "nodev".into(), "wrong".into()]);
        let error = rootfs::mount(&root, &[view.clone()]).unwrap_err();
        assert!(
            error
                .to_string()
                .starts_with("mounts[0]: mount overlay at "),
            "{error}"
        );
        view.options.pop();
        rootfs::mount(&root, &[view]).unwrap();
        let line = &mounts_below(place)[0];
        assert!(line.contains(" ro,nodev,"), "{line}");
        rootfs::unmount(&root).unwrap();

        fs::remove_dir_all(&layers[50]).unwrap();
        let error = rootfs::mount(&root, &[overlay(place, &layers)]).unwrap_err();
        assert!(
            error
                .to_string()
                .contains(&format!("lowerdir {}: ", layers[50].display())),
            "{error}"
        );
        assert_eq!(mounts_below(place).len(), 0);
    });
}

/// A mount with ids from 0 on mapped, users to 200,000 and more, groups to 300,000 and more.
fn mapped(mut mount: Mount<'static>) -> Mount<'static> {
    let words = [
        "uidmap=0:200000:65536",
        "gidmap=0:300000:1000,1000:301000:64536",
    ];
    mount.options.extend(words.map(Into::into));
    mount
}

fn owner(path: &Path) -> (u32, u32) {
    let status = fs::symlink_metadata(path).unwrap();
    (status.uid(), status.gid())
}

/// Those of the container's own upper directory are the container's already.
#[test]
fn ids_of_layers_are_mapped() {
    in_own_mounts("mapped", |place| {
        let root = place.join("bundle/rootfs");
        let layers = [layer(place, "c"), layer(place, "b"), layer(place, "a")];
        chown(layers[0].join("name"), Some(1000), Some(1001)).unwrap();
        chown(layers[2].join("a"), Some(65535), Some(0)).unwrap();
        chown(layers[1].join("b"), Some(65536), Some(0)).unwrap();
        symlink("/etc/passwd", layers[1].join("link")).unwrap();
        let list = [mapped(overlay(place, &layers))];
        for upper in ["name", "again"] {
            rootfs::mount(&root, &list).unwrap();
            assert_eq!(mounts_below(place).len(), 1);
            assert_eq!(owner(&root.join("c")), (200_000, 300_000));
            assert_eq!(owner(&root.join("a")), (265_535, 300_000));
            assert_eq!(owner(&root.join("b")).0, 65534, "nobody");
            assert_eq!(owner(&root.join("link")), (200_000, 300_000));
            assert_eq!(owner(&root.join("name")), (201_000, 301_001));
            if upper == "name" {
                fs::write(root.join("new"), "").unwrap();
                chown(root.join("new"), Some(200_007), Some(300_008)).unwrap();
                fs::write(root.join("name"), "copied up").unwrap();
            }
            assert_eq!(owner(&root.join("new")), (200_007, 300_008));
            rootfs::unmount(&root).unwrap();
            assert_eq!(mounts_below(place).len(), 0);
        }
        assert_eq!(owner(&place.join("upper/new")), (200_007, 300_008));
        assert_eq!(owner(&place.join("upper/name")), (201_000, 301_001));
        assert_eq!(owner(&layers[0].join("name")), (1000, 1001));
        assert_eq!(fs::read_to_string(layers[0].join("name")).unwrap(), "c");
    });
}

/// More than mount(2) has room for, even with short names.
#[test]
fn ids_of_200_layers_are_mapped() {
    in_own_mounts("mapped-layers", |place| {
        let root = place.join("bundle/rootfs");
        let folder = "long/".repeat(20);
        for count in [130, 200] {
            let layers: Vec<PathBuf> = (0..count)
                .map(|n| layer(place, &format!("{folder}{n}")))
                .collect();
            let mut view = mapped(overlay(place, &layers));
            view.options
                .retain(|word| !word.contains("dir=") || word.starts_with("lowerdir="));
            for mount in [mapped(overlay(place, &layers)), view] {
                rootfs::mount(&root, &[mount]).unwrap();
                assert_eq!(fs::read_dir(&root).unwrap().count(), count + 1);
                for entry in fs::read_dir(&root).unwrap() {
                    assert_eq!(owner(&entry.unwrap().path()), (200_000, 300_000));
                }
                rootfs::unmount(&root).unwrap();
                assert_eq!(mounts_below(place).len(), 0);
            }
        }
    });
}

#[test]
fn ids_of_other_mounts_are_mapped() {
    in_own_mounts("mapped-binds", |place| {
        let (root, source) = (place.join("bundle/rootfs"), layer(place, "source"));
        fs::create_dir(source.join("inner")).unwrap();
        mount_tmpfs(&source.join("inner"));
        fs::write(source.join("inner/file"), "").unwrap();
        for options in ["rbind,ro", "rbind,rw", "bind"] {
            let list = [mapped(entry("bind", &source, "", &words(options)))];
            rootfs::mount(&root, &list).unwrap();
            assert_eq!(owner(&root.join("name")), (200_000, 300_000));
            let inner = root.join("inner/file");
            assert_eq!(inner.exists(), options.contains("rbind"));
            if inner.exists() {
                assert_eq!(owner(&inner), (200_000, 300_000));
            }
            assert_eq!(
                fs::write(root.join("name"), "").is_ok(),
                !options.ends_with("ro")
            );
            rootfs::unmount(&root).unwrap();
            assert_eq!(mounts_below(place).len(), 1, "{options}");
            assert_eq!(owner(&source.join("name")), (0, 0));
        }
        let tmpfs = mapped(entry("tmpfs", "t", "", &words("size=4k,mode=750,nodev")));
        rootfs::mount(&root, &[tmpfs]).unwrap();
        assert_eq!(owner(&root), (200_000, 300_000));
        let lines = mounts_below(place);
        assert!(lines.len() == 2 && lines[1].contains("nodev"), "{lines:?}");
        rootfs::unmount(&root).unwrap();
        assert_eq!(mounts_below(place).len(), 1);
    });
}

/// An empty ext4 in a file, or nothing where nobody can make one.
fn image_file(path: &Path) -> Option<()> {
    fs::File::create(path).unwrap().set_len(8 << 20).unwrap();
    let made = std::process::Command::new("mke2fs")
        .args(["-q", "-F", "-t", "ext4"])
        .arg(path)
        .status();
    made.is_ok_and(|status| status.success()).then_some(())
}

/// The loop devices that are this file.
fn devices_of(file: &Path) -> usize {
    let devices = fs::read_dir("/sys/block").unwrap().flatten();
    let files = devices.map(|device| device.path().join("loop/backing_file"));
    let files = files.filter_map(|path| fs::read_to_string(path).ok());
    files
        .filter(|text| text.trim_end() == file.to_str().unwrap())
        .count()
}

#[test]
fn a_file_is_mounted_by_a_loop_device() {
    in_own_mounts("loop", |place| {
        let (root, file) = (place.join("bundle/rootfs"), place.join("image.ext4"));
        let missing = match image_file(&file) {
            Some(()) if Path::new("/dev/loop-control").exists() => None,
            Some(()) => Some("there are no loop devices"),
            None => Some("there is no mke2fs"),
        };
        if let Some(why) = missing {
            let line = format!("skipped: a_file_is_mounted_by_a_loop_device: {why}\n");
            let _ = std::io::stdout().write_all(line.as_bytes());
            return;
        }
        let gone = || {
            // The last close frees it, which may be that of a worker of the kernel's.
            (0..200).any(|_| {
                std::thread::sleep(std::time::Duration::from_millis(10));
                devices_of(&file) == 0
            })
        };
        let looped = |options| entry("ext4", &file, "", &words(options));
        rootfs::mount(&root, &[looped("loop")]).unwrap();
        fs::write(root.join("new"), "x").unwrap();
        assert_eq!(devices_of(&file), 1);
        rootfs::unmount(&root).unwrap();
        assert!(gone());
        for list in [looped("ro,loop"), mapped(looped("loop,ro"))] {
            let is_mapped = list.options.len() > 2;
            rootfs::mount(&root, &[list]).unwrap();
            assert_eq!(fs::read_to_string(root.join("new")).unwrap(), "x");
            assert!(fs::write(root.join("new"), "").is_err());
            let ids = if is_mapped {
                (200_000, 300_000)
            } else {
                (0, 0)
            };
            assert_eq!(owner(&root.join("new")), ids);
            rootfs::unmount(&root).unwrap();
            assert_eq!(mounts_below(place).len(), 0);
            assert!(gone());
        }
        let broken = place.join("broken");
        fs::write(&broken, [0; 8192]).unwrap();
        for (path, said) in [
            (
                place.join("missing"),
                "/missing: openat: no such file or directory",
            ),
            (broken, "mounts[0]: mount ext4 at "),
        ] {
            let error = rootfs::mount(&root, &[entry("ext4", &path, "", &words("loop"))]);
            let text = error.unwrap_err().to_string();
            assert!(text.contains(said), "{text}");
            assert_eq!((mounts_below(place).len(), devices_of(&path)), (0, 0));
        }
    });
}

#[test]
fn ids_that_cannot_be_mapped_leave_nothing_mounted() {
    in_own_mounts("unmapped", |place| {
        let (root, data) = (place.join("bundle/rootfs"), layer(place, "data"));
        let image = layer(place, "image");
        fs::create_dir_all(image.join("srv/data")).unwrap();
        symlink(place.join("outside"), image.join("out")).unwrap();
        let outside = layer(place, "outside");
        let over = mapped(overlay(place, &[image]));
        let bind = |source: &Path, at| mapped(entry("bind", source, at, &words("rbind,ro")));
        let proc = mapped(overlay(place, &[data.clone(), "/proc".into()]));
        let missing = mapped(overlay(place, &[data.clone(), place.join("missing")]));
        for (list, said) in [
            (vec![over.clone(), bind(&data, "/out")], "mounts[1]: mount "),
            (
                vec![
                    over.clone(),
                    bind(&data, "../srv"),
                    bind("/proc".as_ref(), "srv"),
                ],
                "mounts[2]: map ids of /proc: ",
            ),
            (
                vec![over.clone(), mapped(entry("sysfs", "s", "srv", &[]))],
                "mounts[1]: map ids of sysfs: ",
            ),
            (vec![proc], "mounts[0]: map ids of /proc: "),
            (
                vec![missing],
                "/missing: open_tree: no such file or directory",
            ),
        ] {
            let error = rootfs::mount(&root, &list).unwrap_err();
            assert!(matches!(error, Error::Call { .. }), "{error}");
            assert!(error.to_string().contains(said), "{error}");
            assert_eq!(mounts_below(place), [""; 0]);
        }
        assert_eq!(fs::read_dir(outside).unwrap().count(), 2);
        rootfs::mount(&root, &[over, bind(&data, "srv/data")]).unwrap();
        assert_eq!(owner(&root.join("srv/data/name")), (200_000, 300_000));
        rootfs::unmount(&root).unwrap();
        assert_eq!(mounts_below(place).len(), 0);
    });
}

/// What is unmounted in the root file system stays at its source, though all mounts share their events.
#[test]
fn a_bound_root_leaves_its_source_alone() {
    in_own_mounts("bind", |place| {
        let (root, source) = (place.join("bundle/rootfs"), layer(place, "source"));
        fs::create_dir(source.join("inner")).unwrap();
        mount_tmpfs(&source.join("inner"));
        fs::write(source.join("inner/file"), "").unwrap();
        for (options, writable) in [
            ("rbind,ro", false),
            ("rbind,rw", true),
            ("bind,rshared", true),
        ] {
            rootfs::mount(&root, &[entry("bind", &source, "", &words(options))]).unwrap();
            assert_eq!(root.join("inner/file").exists(), options.contains("rbind"));
            assert_eq!(
                fs::write(root.join("name"), "").is_ok(),
                writable,
                "{options}"
            );
            rootfs::unmount(&root).unwrap();
            assert_eq!(mounts_below(place).len(), 1, "{options}");
            assert!(source.join("inner/file").exists());
        }
        // As a container can have it.
        rootfs::mount(&root, &[entry("bind", &source, "", &words("bind"))]).unwrap();
        let (from, to) = (source.join("inner"), root.join("inner"));
        let path = |path: &Path| std::ffi::CString::new(path.to_str().unwrap()).unwrap();
        mount::mount(
            Some(&path(&from)),
            &path(&to),
            None,
            flags::BIND | flags::REC,
            None,
        )
        .unwrap();
        mount_tmpfs(&{
            fs::create_dir(from.join("innermost")).unwrap();
            from.join("innermost")
        });
        assert_eq!(mounts_below(place).len(), 5);
        rootfs::unmount(&root).unwrap();
        assert_eq!(mounts_below(place).len(), 2);
    });
}

#[test]
fn what_lies_below_counts_from_the_root() {
    in_own_mounts("below", |place| {
        let (root, data) = (place.join("bundle/rootfs"), layer(place, "data"));
        let image = layer(place, "image");
        fs::create_dir_all(image.join("srv/data")).unwrap();
        symlink("/srv/data", image.join("link")).unwrap();
        symlink(place.join("outside"), image.join("out")).unwrap();
        symlink("../../../../outside", image.join("up")).unwrap();
        let outside = layer(place, "outside");
        let over = overlay(place, &[image]);
        let data = |at| entry("bind", &data, at, &words("rbind,ro"));
        rootfs::mount(
            &root,
            &[
                over.clone(),
                data("/link"),
                entry("tmpfs", "t", "srv", &words("size=4k,mode=700")),
            ],
        )
        .unwrap();
        let lines = mounts_below(place);
        assert!(
            lines[1].contains("rootfs/srv/data ") && lines[2].contains("rootfs/srv "),
            "{lines:?}"
        );
        rootfs::unmount(&root).unwrap();
        assert_eq!(mounts_below(place).len(), 0);

        for wrong in ["/out", "up", "/nowhere", "../outside"] {
            let list = [over.clone(), data("srv/data"), data(wrong)];
            let error = rootfs::mount(&root, &list).unwrap_err();
            assert!(matches!(error, Error::Call { .. }), "{error}");
            assert!(
                error.to_string().starts_with("mounts[2]: mount "),
                "{error}"
            );
            assert_eq!(mounts_below(place).len(), 0);
        }
        assert_eq!(fs::read_dir(outside).unwrap().count(), 2);

        // Only below the root.
        fs::create_dir(root.join("srv")).unwrap();
        rootfs::mount(&root, &[data("srv"), data("srv")]).unwrap();
        assert!(root.join("srv/data").exists());
        rootfs::unmount(&root).unwrap();
        assert_eq!(mounts_below(place).len(), 0);
        assert_eq!(fs::read_dir(&root).unwrap().count(), 1);
    });
}

#[test]
fn what_is_in_use_goes_with_its_last_user() {
    in_own_mounts("busy", |place| {
        let root = place.join("bundle/rootfs");
        rootfs::mount(&root, &[overlay(place, &[layer(place, "a")])]).unwrap();
        let held = fs::File::open(root.join("name")).unwrap();
        rootfs::unmount(&root).unwrap();
        assert_eq!(mounts_below(place).len(), 0);
        assert_eq!(std::io::read_to_string(held).unwrap(), "a");
    });
}

#[test]
fn the_root_directory_itself_is_no_link() {
    in_own_mounts("link", |place| {
        let (bundle, elsewhere) = (place.join("bundle"), place.join("elsewhere"));
        fs::create_dir(&elsewhere).unwrap();
        fs::remove_dir(bundle.join("rootfs")).unwrap();
        symlink("../elsewhere", bundle.join("rootfs")).unwrap();
        let tmpfs = entry("tmpfs", "t", "", &[]);
        let error = rootfs::mount(&bundle.join("rootfs"), &[tmpfs]).unwrap_err();
        assert!(
            error.to_string().contains("mounts[0]: mount tmpfs at"),
            "{error}"
        );
        mount_tmpfs(&elsewhere);
        rootfs::unmount(&bundle.join("rootfs")).unwrap();
        assert_eq!(mounts_below(place).len(), 1);
    });
}

#[test]
fn a_container_has_it_as_its_root() {
    in_own_mounts("container", |place| {
        let busybox = place.join("image/bin");
        fs::create_dir_all(&busybox).unwrap();
        fs::copy("/bin/busybox", busybox.join("busybox")).unwrap();
        let root = place.join("bundle/rootfs");
        rootfs::mount(&root, &[overlay(place, &[place.join("image")])]).unwrap();
        let store = Store::open(place.join("store")).unwrap();
        let config = Config::default_for(
            &root,
            [
                "/bin/busybox",
                "sh",
                "-c",
                "echo x > /made; busybox cat /made",
            ],
        );
        let config = config
            .without_mount("/dev/mqueue")
            .without_mount("/sys")
            .env("PATH", "/bin");
        let bundle = tare_libcontainer::Bundle::of(&config).unwrap();
        let mut options = CreateOptions::default();
        options.streams.stdout = Stdio::Piped;
        let id = format!("rootfs-{}", std::process::id());
        let mut created = Container::run(&store, &id, &bundle, options).unwrap();
        assert_eq!(read(created.process.stdout.take()), "x\n");
        assert_eq!(created.process.wait().unwrap(), Exit::Code(0));
        created.container.remove(false).unwrap();
        rootfs::unmount(&root).unwrap();
        assert_eq!(fs::read_to_string(place.join("upper/made")).unwrap(), "x\n");
    });
}
