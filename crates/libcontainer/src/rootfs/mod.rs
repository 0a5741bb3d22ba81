//! Mounts of a root file system: made before its container is, removed when that is gone, perhaps by another process.
//!
//! Engines hand over a root file system as a list of mounts, most often one overlay of an image's layers.
//!
//! ```no_run
//! use tare_libcontainer::{rootfs, spec::Mount};
//!
//! # fn main() -> Result<(), tare_libcontainer::Error> {
//! let overlay = Mount {
//!     kind: Some("overlay".into()),
//!     source: Some("overlay".into()),
//!     options: ["lowerdir=/layers/2:/layers/1", "upperdir=/web/upper", "workdir=/web/work"].map(Into::into).to_vec(),
//!     ..Mount::default()
//! };
//! let root = std::path::Path::new("/var/lib/bundles/web/rootfs");
//! rootfs::mount(root, &[overlay])?;
//! // … a container, from its creation to its removal …
//! rootfs::unmount(root)?;
//! # Ok(())
//! # }
//! ```
//!
//! Nothing here follows a symbolic link out of the root file system, and none in the place of the root directory itself.
#![cfg_attr(not(test), deny(clippy::disallowed_methods))]

use std::ffi::CString;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use init::inside;
use kernel::file::{self, open, resolve};
use kernel::mount::{self, Change, flags, how};
use kernel::{BorrowedFd, Call, Errno, Fault, Fd};
use spec::Mount;

use crate::Error;
use crate::plan::IdMaps;
use crate::plan::mounts::options::Options;

mod ids;
mod loop_device;
mod overlay;

/// Longest data of mount(2): a page, less the end.
const LONGEST_DATA: usize = 4095;

/// Mounts all in the order of the list. A destination counts from the root directory, and none (or `/`) is that itself; it has to
/// be there. Types and options are those of `mounts` in `config.json`, but for what concerns ids and `tmpcopyup`; options that
/// begin with `x-` or `X-` are notes of other programs (mount(8)). The options of an overlay may be longer than a page.
///
/// With the options `uidmap=CONTAINER:HOST:SIZE` and `gidmap=CONTAINER:HOST:SIZE`, each perhaps several with commas between, files
/// of the users and groups on the left side belong to those on the right. Of an overlay these are the files of its layers, but
/// not those of its `upperdir`, which belong to the container's ids already; `rbind` maps all that it copies.
///
/// With `loop` the source is a file with a file system in it, which gets a loop device for as long as it is mounted, with `direct-io` one
/// that bypasses the page cache.
///
/// Bind mounts share no mount events with their sources unless their options say so: what is unmounted here later is not
/// unmounted there.
///
/// # Errors
/// `rootfs` or an entry of `mounts` cannot be; the kernel refuses one of them. Nothing is left mounted then.
pub fn mount(rootfs: &Path, mounts: &[Mount<'_>]) -> Result<(), Error> {
    let place = Place::open(rootfs)?;
    let requests = mounts.iter().enumerate();
    let requests: Vec<Request<'_>> = requests
        .map(|(index, mount)| Request::read(index, mount))
        .collect::<Result<_, _>>()?;
    let mut made = Made(Vec::new());
    for request in &requests {
        // There is always one on the root directory, with which the others can be taken away.
        if made.0.is_empty() && !request.is_root() {
            let tree = place
                .root()
                .and_then(|root| mount::clone_tree(root.borrow(), c"", true))
                .and_then(|tree| isolate(tree.borrow()).map(|()| tree))
                .and_then(|tree| {
                    mount::attach(tree.borrow(), place.root()?.borrow()).map(|()| tree)
                });
            made.0.push(tree.map_err(|fault| {
                Error::call(format!("mount {} on itself", place.path.display()), fault)
            })?);
        }
        made.0.push(request.make(&place)?);
    }
    made.0.clear();
    Ok(())
}

/// Takes away all that is mounted on a root directory, the last one first, with all that is mounted below. What somebody still
/// uses goes from sight at once, and is released with its last user. Where nothing is mounted, nothing happens: this can be
/// called again, and by who did not mount.
///
/// # Errors
/// `rootfs` is no absolute path; umount2(2) is refused.
pub fn unmount(rootfs: &Path) -> Result<(), Error> {
    let failed = |fault| Error::call(format!("unmount {}", rootfs.display()), fault);
    let place = match Place::open(rootfs) {
        Err(Error::Call { fault, .. }) if fault.is(Errno::ENOENT) || fault.is(Errno::ENOTDIR) => {
            return Ok(());
        }
        place => place?,
    };
    while place.is_mounted().map_err(failed)? {
        match place.unmount_one() {
            // Somebody else was faster.
            Err(fault) if fault.is(Errno::EINVAL) && !place.is_mounted().map_err(failed)? => {}
            answer => answer.map_err(failed)?,
        }
    }
    Ok(())
}

/// A root directory by the one above it: what is mounted on it covers it.
struct Place<'a> {
    path: &'a Path,
    above: Fd,
    name: CString,
}

impl Place<'_> {
    fn open(path: &Path) -> Result<Place<'_>, Error> {
        let invalid = |why| Error::argument("rootfs", format_args!("{path:?} {why}"));
        let (Some(above), Some(name)) = (path.parent(), path.file_name()) else {
            return Err(invalid("does not end with a name"));
        };
        if !path.is_absolute() {
            return Err(invalid("is not absolute"));
        }
        let c_string = |part: &[u8]| CString::new(part).map_err(|_| invalid("contains a NUL byte"));
        let (above, name) = (
            c_string(above.as_os_str().as_bytes())?,
            c_string(name.as_bytes())?,
        );
        let above = file::open_at(file::HERE, &above, open::PATH | open::DIRECTORY, 0).map_err(
            |fault| Error::call(format!("open the directory of {}", path.display()), fault),
        )?;
        Ok(Place { path, above, name })
    }

    /// The root directory, as what is mounted on it shows it.
    fn root(&self) -> kernel::Result<Fd> {
        let access = open::PATH | open::DIRECTORY;
        file::open_how(
            self.above.borrow(),
            &self.name,
            access,
            0,
            resolve::NO_SYMLINKS,
        )
    }

    fn is_mounted(&self) -> kernel::Result<bool> {
        let access = open::PATH | open::NOFOLLOW;
        match file::open_how(self.above.borrow(), &self.name, access, 0, resolve::NO_XDEV) {
            Ok(_) => Ok(false),
            Err(fault) if fault.is(Errno::ENOENT) => Ok(false),
            Err(fault) if fault.is(Errno::EXDEV) => Ok(true),
            Err(fault) => Err(fault),
        }
    }

    fn unmount_one(&self) -> kernel::Result<()> {
        let path = format!("{}/", path_of(self.above.borrow())).into_bytes();
        let path = CString::new([path, self.name.to_bytes().to_vec()].concat())
            .map_err(|_| invalid(Call::Umount))?;
        match mount::unmount(&path, how::NOFOLLOW) {
            Err(fault) if fault.is(Errno::EBUSY) => {
                // What lies on it goes with it. If that is a copy which shares mount events with its source, as a container
                // can have it, the source is not to be unmounted.
                isolate(self.root()?.borrow())?;
                mount::unmount(&path, how::NOFOLLOW | how::DETACH)
            }
            answer => answer,
        }
    }
}

/// Ends the sharing of mount events of a mount and all below it.
fn isolate(tree: BorrowedFd<'_>) -> kernel::Result<()> {
    propagate(tree, flags::PRIVATE | flags::REC)
}

fn propagate(tree: BorrowedFd<'_>, propagation: u64) -> kernel::Result<()> {
    let change = Change {
        propagation: propagation & !flags::REC,
        ..Change::default()
    };
    mount::set_attributes(tree, c"", propagation & flags::REC != 0, &change)
}

/// What has been mounted so far; it is taken away again when this is dropped.
struct Made(Vec<Fd>);

impl Drop for Made {
    fn drop(&mut self) {
        while let Some(tree) = self.0.pop() {
            if let Ok(path) = CString::new(path_of(tree.borrow())) {
                // It was mounted a moment ago: what may be mounted may be unmounted.
                let _ = mount::detach(&path);
            }
        }
    }
}

/// A descriptor as a path, for calls that take nothing else.
fn path_of(fd: BorrowedFd<'_>) -> String {
    format!("/proc/thread-self/fd/{}", fd.raw())
}

fn invalid(call: Call) -> Fault {
    Fault::found(call, Errno::EINVAL)
}

fn c_string(text: &str) -> kernel::Result<CString> {
    CString::new(text).map_err(|_| invalid(Call::Mount))
}

/// An entry of the list that can be.
struct Request<'a> {
    index: usize,
    kind: &'a str,
    source: &'a str,
    target: CString,
    options: Options,
    ids: Option<IdMaps>,
    /// The source is a file that has to become a device, perhaps one without the page cache.
    on_loop_device: Option<bool>,
}

impl<'a> Request<'a> {
    fn read(index: usize, mount: &'a Mount<'_>) -> Result<Request<'a>, Error> {
        let wrong = |field: &str, why: &str| {
            Error::argument("mounts", format_args!("entry {index}: {field} {why}"))
        };
        let words = mount.options.iter().map(|word| word.as_str());
        let words = words.filter(|word| !word.starts_with("x-") && !word.starts_with("X-"));
        let (about_ids, words): (Vec<&str>, Vec<&str>) =
            words.partition(|word| ids::is_about(word));
        let mut options = Options::read(words.into_iter());
        let mut take = |word: &str| {
            let before = options.data.len();
            options.data.retain(|other| other != word);
            options.data.len() < before
        };
        let on_loop_device = take("loop").then(|| take("direct-io"));
        let ids = ids::read(&about_ids).map_err(|why| wrong("options", &why))?;
        let kind = mount.kind.as_deref().unwrap_or_default();
        let source = mount.source.as_deref().unwrap_or(kind);
        let texts = options.data.iter().map(String::as_str);
        if texts.chain([kind, source]).any(|text| text.contains('\0')) {
            return Err(wrong("a value", "contains a NUL byte"));
        }
        let target = CString::new(mount.destination.as_str())
            .map_err(|_| wrong("destination", "contains a NUL byte"))?;
        if options.id_map.is_some()
            || !mount.uid_mappings.is_empty()
            || !mount.gid_mappings.is_empty()
        {
            let why = "map ids by uidmap=CONTAINER:HOST:SIZE and gidmap=… only";
            return Err(wrong("options", why));
        }
        for (is_there, word) in [
            (options.copy_up, "tmpcopyup"),
            (options.is_remount(), "remount"),
            (
                on_loop_device.is_some() && options.bind.is_some(),
                "bind and loop",
            ),
        ] {
            if is_there {
                let why = format!("with {word:?} are not supported here");
                return Err(wrong("options", &why));
            }
        }
        let is_single = |option: &String| overlay::is_single_layer(option);
        if ids.is_some() && options.data.iter().any(is_single) {
            let why = "that map ids are known with layers in one list: lowerdir=…";
            return Err(wrong("options", why));
        }
        match options.bind {
            Some(_) if !source.starts_with('/') => {
                return Err(wrong("source", "of a bind mount is not an absolute path"));
            }
            Some(_) if !options.data.is_empty() => {
                let why = format!("of a bind mount are none of it: {}", options.data.join(","));
                return Err(wrong("options", &why));
            }
            None if on_loop_device.is_some() && !source.starts_with('/') => {
                return Err(wrong("source", "of a loop device is not an absolute path"));
            }
            None if kind.is_empty() => return Err(wrong("type", "is missing")),
            None if kind == "bind" => {
                return Err(wrong("options", "of type bind need bind or rbind"));
            }
            _ => {}
        }
        Ok(Request {
            index,
            kind,
            source,
            target,
            options,
            ids,
            on_loop_device,
        })
    }

    fn is_overlay(&self) -> bool {
        self.kind == "overlay"
    }

    fn is_root(&self) -> bool {
        self.target.to_bytes().iter().all(|byte| *byte == b'/')
    }

    /// What is mounted at the destination, or what is to be covered there.
    fn target(&self, place: &Place<'_>) -> kernel::Result<Fd> {
        let root = place.root()?;
        match self.is_root() {
            true => Ok(root),
            false => inside::open(root.borrow(), &self.target, open::PATH),
        }
    }

    /// Mounts it; the answer is what was mounted.
    fn make(&self, place: &Place<'_>) -> Result<Fd, Error> {
        let failed = |fault| self.failed(place, fault);
        let target = self.target(place).map_err(failed)?;
        let tree = match (&self.ids, self.options.bind) {
            (None, None) => return self.make_in_place(place, &target).map_err(failed),
            (None, Some(recursive)) => self.copy(recursive).map_err(failed)?,
            (Some(maps), Some(recursive)) => {
                let tree = self.copy(recursive).map_err(failed)?;
                self.map(self.source, &tree, recursive, &self.ids(maps)?)?;
                tree
            }
            (Some(maps), None) => self.make_mapped(place, &self.ids(maps)?)?,
        };
        mount::attach(tree.borrow(), target.borrow()).map_err(failed)?;
        self.finish(tree).map_err(failed)
    }

    /// A new file system, attached.
    fn make_in_place(&self, place: &Place<'_>, target: &Fd) -> kernel::Result<Fd> {
        if let Some(tree) = self.create(target, &self.options.data)? {
            mount::attach(tree.borrow(), target.borrow())?;
            return self.finish(tree);
        }
        match self.target(place) {
            Ok(tree) => self.finish(tree),
            Err(fault) => mount::detach(&c_string(&path_of(target.borrow()))?).and(Err(fault)),
        }
    }

    /// A new file system: by mount(2), which attaches it to `target`, or where its options are too long for that, detached.
    fn create(&self, target: &Fd, data: &[String]) -> kernel::Result<Option<Fd>> {
        if !self.is_overlay() || data.join(",").len() <= LONGEST_DATA {
            return self.mount(target, data).map(|()| None);
        }
        match overlay::configure(self.source, self.options.flags, data) {
            // Before Linux 6.5 there is no option for a single layer.
            Err(fault) if fault.is(Errno::EINVAL) => {
                let (_directories, data) = overlay::shortened(data)?;
                self.mount(target, &data).map(|()| None)
            }
            tree => tree.map(Some),
        }
    }

    /// mount(2).
    fn mount(&self, target: &Fd, data: &[String]) -> kernel::Result<()> {
        let flags = self.options.flags;
        let (_device, source) = match self.on_loop_device {
            Some(direct) => {
                let read_only = flags & flags::RDONLY != 0;
                let (device, path) = loop_device::make(self.source, read_only, direct)?;
                (Some(device), path)
            }
            None => (None, c_string(self.source)?),
        };
        let kind = c_string(self.kind)?;
        let path = c_string(&path_of(target.borrow()))?;
        let data = c_string(&data.join(","))?;
        if data.count_bytes() > LONGEST_DATA {
            return Err(Fault::found(Call::Mount, Errno::E2BIG));
        }
        mount::mount(Some(&source), &path, Some(&kind), flags, Some(&data))
    }

    /// What the options say of mount events, once it is mounted.
    fn finish(&self, tree: Fd) -> kernel::Result<Fd> {
        let mut made = Made(vec![tree]);
        for propagation in &self.options.propagation {
            propagate(made.0[0].borrow(), *propagation)?;
        }
        Ok(made.0.remove(0))
    }

    /// A copy of the source, with its attributes.
    fn copy(&self, recursive: bool) -> kernel::Result<Fd> {
        let tree = mount::clone_tree(file::HERE, &c_string(self.source)?, recursive)?;
        self.options.attributes().apply(tree.borrow())?;
        isolate(tree.borrow())?;
        Ok(tree)
    }

    fn failed(&self, place: &Place<'_>, fault: Fault) -> Error {
        let target = self.target.to_string_lossy();
        let target = format!("{}/{}", place.path.display(), target.trim_matches('/'));
        if self.on_loop_device.is_some() && matches!(fault.call, Call::Openat | Call::Ioctl) {
            let devices = "a loop device (/dev/loop-control, /dev/loopN)";
            let doing = format!("mounts[{}]: make {devices} of {}", self.index, self.source);
            return Error::call(doing, fault);
        }
        let mut doing = format!("mounts[{}]: mount ", self.index);
        doing += match (self.options.bind, &self.ids) {
            (Some(_), _) => self.source,
            (None, Some(_)) if self.is_overlay() => {
                "overlay of id-mapped layers, which Linux 5.19 and newer know,"
            }
            (None, _) => self.kind,
        };
        doing += &format!(" at {}", target.trim_end_matches('/'));
        let directories = self
            .options
            .data
            .iter()
            .flat_map(|option| overlay::directories_of(option));
        // Which of its many directories it is, the kernel does not say.
        for (key, path) in directories.filter(|_| self.is_overlay() && fault.is(Errno::ENOENT)) {
            if let Err(missing) = overlay::open_directory(&path) {
                let key = key.trim_end_matches('+');
                return Error::call(format!("{doing}: {key} {path}"), missing);
            }
        }
        Error::call(doing, fault)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::own_mounts::in_own_mounts;

    #[test]
    fn what_cannot_be_is_said_before_anything_is_mounted() {
        let entry = |destination: &'static str,
                     kind: &'static str,
                     source: &'static str,
                     options: &[&'static str]| Mount {
            destination: destination.into(),
            kind: Some(kind.into()),
            source: Some(source.into()),
            options: options.iter().map(|word| (*word).into()).collect(),
            ..Mount::default()
        };
        let place = std::env::temp_dir();
        for (wrong, said) in [
            (entry("", "", "/a", &[]), "type is missing"),
            (entry("", "bind", "/a", &["ro"]), "need bind or rbind"),
            (entry("", "bind", "a", &["rbind"]), "not an absolute path"),
            (entry("", "bind", "/a", &["rbind", "size=1"]), "size=1"),
            (entry("", "bind", "/a", &["rbind", "idmap"]), "map ids"),
            (entry("", "overlay", "o", &["uidmap=0:1:1"]), "gidmap"),
            (entry("", "overlay", "o", &["gidmap=0:1:1"]), "uidmap"),
            (
                entry("", "tmpfs", "t", &["uidmap=0:1", "gidmap=0:1:1"]),
                "uidmap=0:1",
            ),
            (
                entry("", "tmpfs", "t", &["uidmap=0:1:1", "gidmap=-1:1:1"]),
                "gidmap=-1:1:1",
            ),
            (
                entry("", "tmpfs", "t", &["uidmap=0:1:0", "gidmap=0:1:1"]),
                "must be positive",
            ),
            (
                entry("", "tmpfs", "t", &["uidmap=0:1:1,0:2:1", "gidmap=0:1:1"]),
                "overlap",
            ),
            (
                entry(
                    "",
                    "overlay",
                    "o",
                    &["lowerdir+=/a", "uidmap=0:1:1", "gidmap=0:1:1"],
                ),
                "lowerdir=",
            ),
            (entry("", "tmpfs", "t", &["tmpcopyup"]), "tmpcopyup"),
            (entry("", "tmpfs", "t", &["remount"]), "remount"),
            (entry("", "ext4", "a", &["loop"]), "loop"),
            (entry("", "bind", "/a", &["rbind", "loop"]), "loop"),
            (entry("a\0b", "tmpfs", "t", &[]), "NUL"),
            (entry("", "tmpfs", "t\0", &[]), "NUL"),
        ] {
            let right = entry("", "tmpfs", "t", &["x-note", "X-other=1"]);
            let error = mount(&place, &[right, wrong]).unwrap_err();
            assert!(
                matches!(error, Error::Argument { name: "mounts", .. }),
                "{error}"
            );
            let text = error.to_string();
            assert!(text.contains("entry 1: ") && text.contains(said), "{text}");
        }
        for path in ["", "/", "a/rootfs", "/a/..", "/a\0/rootfs"] {
            for error in [mount(Path::new(path), &[]), unmount(Path::new(path))] {
                let error = error.unwrap_err();
                assert!(
                    matches!(error, Error::Argument { name: "rootfs", .. }),
                    "{error}"
                );
            }
        }
        assert!(unmount(Path::new("/nowhere/at/all")).is_ok());
    }

    /// What kernels before 6.5 get: this one takes it as well.
    #[test]
    fn directories_have_short_names() {
        if kernel::identity::effective_user() != 0 {
            return;
        }
        let place = std::env::temp_dir().join(format!("tare-short-{}", std::process::id()));
        let root = place.join("rootfs");
        std::fs::create_dir_all(&root).unwrap();
        let layers: Vec<String> = (0..60)
            .map(|n| format!("{}/{}{n}", place.display(), "long".repeat(20)))
            .collect();
        for layer in &layers {
            std::fs::create_dir(layer).unwrap();
        }
        std::fs::write(format!("{}/file", layers[59]), "").unwrap();
        let list = Mount {
            kind: Some("overlay".into()),
            options: [
                format!("lowerdir={}", layers.join(":")),
                "index=off".to_owned(),
            ]
            .map(Into::into)
            .to_vec(),
            ..Mount::default()
        };
        in_own_mounts(|| {
            let place = Place::open(&root)?;
            let request = Request::read(0, &list)?;
            let (held, data) = overlay::shortened(&request.options.data).unwrap();
            assert_eq!((held.len(), data[1].as_str()), (60, "index=off"));
            let target = request.target(&place).unwrap();
            request.mount(&target, &data).unwrap();
            assert!(root.join("file").exists());
            drop(held);
            unmount(&root)
        })
        .unwrap();
        std::fs::remove_dir_all(&place).unwrap();
    }
}
