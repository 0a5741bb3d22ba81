//! resctrl, the kernel's interface to cache and memory bandwidth allocation (Intel RDT): groups of tasks, as directories of a
//! file system (Documentation/filesystems/resctrl.rst).
//!
//! The config's words become a [`Requested`] in the planner; `create` makes or joins the [`Group`] that the record names, `exec`
//! joins it, `update` changes it, `delete` removes what was made.
#![cfg_attr(
    not(test),
    deny(clippy::disallowed_methods, clippy::let_underscore_must_use)
)]

use std::fs;
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};

use kernel::file;
use serde::{Deserialize, Serialize};
use spec::{ConfigPath, IntelRdt};

use crate::Error;
use crate::environment::Environment;
use crate::plan::{PlanError, Why};
use crate::state::observe;

/// What a config wants.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Requested {
    /// The directory of the group; empty for the root group.
    pub group: String,
    /// The group is the container's own: nobody else has asked for it by name.
    pub own: bool,
    /// `l3CacheSchema` and `memBwSchema`, lines.
    pub shares: String,
    /// `schemata`, lines.
    pub schemata: String,
    /// The directory of the monitoring group.
    pub monitor: Option<String>,
    /// What must be measured: field, and features of the kernel of which one is enough.
    pub measured: Vec<(&'static str, &'static [&'static str])>,
}

/// A container's group, as its record has it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Group {
    /// Where the file system is mounted.
    mount: PathBuf,
    /// Its directory.
    path: PathBuf,
    /// Its monitoring group.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    monitor: Option<PathBuf>,
    /// It was not there before.
    made: bool,
    /// It has the container's name.
    own: bool,
    /// It is a directory like any other, of a test.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pretended: bool,
}

fn field(name: &'static str) -> ConfigPath {
    ConfigPath::of("linux.intelRdt").then(name)
}

fn wrong(name: &'static str, why: impl Into<String>) -> PlanError {
    let (at, why) = (field(name), Why::Invalid(why.into()));
    PlanError { at, why }
}

/// Names that the kernel has taken in each group.
const RESERVED: [&str; 5] = [".", "..", "info", "mon_data", "mon_groups"];

fn validate_name(name: &str) -> Result<(), &'static str> {
    if RESERVED.contains(&name) {
        return Err("the kernel has this name for something else");
    }
    if name.contains(['/', '\n', '\0']) {
        return Err("must be the name of one directory, or /");
    }
    Ok(())
}

impl Requested {
    /// Reads the config.
    pub(crate) fn read(given: &IntelRdt<'_>, id: &str) -> Result<Requested, PlanError> {
        let class = given.clos_id.as_deref().filter(|class| !class.is_empty());
        validate_name(class.filter(|class| *class != "/").unwrap_or("-"))
            .map_err(|why| wrong("closID", why))?;
        let own = class.is_none();
        if own || given.enable_monitoring {
            validate_name(id).map_err(|why| wrong("closID", format!("the id {id:?}: {why}")))?;
        }
        let group = match class {
            Some("/") => "",
            Some(class) => class,
            None => id,
        };
        let mut measured: Vec<(&'static str, &'static [&'static str])> = Vec::new();
        if given.enable_cmt {
            measured.push(("enableCMT", &["llc_occupancy"]));
        }
        if given.enable_mbm {
            measured.push(("enableMBM", &["mbm_total_bytes", "mbm_local_bytes"]));
        }
        Ok(Requested {
            group: group.to_owned(),
            own,
            shares: shares(
                given.l3_cache_schema.as_deref(),
                given.mem_bw_schema.as_deref(),
            )?,
            schemata: schemata(&given.schemata)?,
            monitor: given.enable_monitoring.then(|| id.to_owned()),
            measured,
        })
    }
}

fn schemata(given: &[spec::Text<'_>]) -> Result<String, PlanError> {
    let mut lines = String::new();
    for (index, line) in given.iter().enumerate() {
        if line.trim().is_empty() || line.contains(['\n', '\0']) {
            let at = field("schemata").index(index);
            let why = Why::Invalid(format!("{line:?} must be one line, such as L3:0=7f0;1=1f"));
            return Err(PlanError { at, why });
        }
        lines += line.trim();
        lines.push('\n');
    }
    Ok(lines)
}

/// The lines of both; of the memory bandwidth only `memBwSchema` speaks, if it is given (config-linux.md, "IntelRdt").
fn shares(l3: Option<&str>, memory: Option<&str>) -> Result<String, PlanError> {
    let (l3, memory) = (l3.unwrap_or_default(), memory.unwrap_or_default());
    for (name, text) in [("l3CacheSchema", l3), ("memBwSchema", memory)] {
        if text.contains('\0') {
            return Err(wrong(name, "holds a NUL byte"));
        }
    }
    if !memory.is_empty() && (!memory.starts_with("MB:") || memory.trim_end().contains('\n')) {
        let why = format!("{memory:?} must be one line that begins with MB:");
        return Err(wrong("memBwSchema", why));
    }
    let about_cache = |line: &&str| {
        let line = line.trim();
        !line.is_empty() && (memory.is_empty() || !line.starts_with("MB:"))
    };
    let mut lines = String::new();
    for line in l3.lines().filter(about_cache).chain(memory.lines()) {
        lines += line.trim();
        lines.push('\n');
    }
    Ok(lines)
}

/// The new shares of a container that exists.
#[derive(Clone, Debug, Default)]
pub struct ResctrlShares {
    /// Of the L3 cache, as `linux.intelRdt.l3CacheSchema`.
    pub l3_cache_schema: Option<String>,
    /// Of memory bandwidth, as `linux.intelRdt.memBwSchema`.
    pub mem_bw_schema: Option<String>,
}

impl ResctrlShares {
    /// As lines; empty when none is given.
    pub(crate) fn lines(&self) -> Result<String, PlanError> {
        shares(
            self.l3_cache_schema.as_deref(),
            self.mem_bw_schema.as_deref(),
        )
    }
}

/// Where the file system is mounted: the first in the list of mounts that really is one.
fn mounted() -> Result<PathBuf, Error> {
    for path in observe::mounts_of("resctrl")? {
        // Others may be mounted over it.
        let there = std::ffi::CString::new(path.as_str()).map(|path| file::filesystem_at(&path));
        if let Ok(Ok(found)) = there
            && found.kind == file::magic::RESCTRL
        {
            return Ok(path.into());
        }
    }
    let why = "no resctrl file system is mounted: mount -t resctrl resctrl /sys/fs/resctrl, where the processor has it";
    Err(PlanError {
        at: ConfigPath::of("linux.intelRdt"),
        why: Why::Unsupported(why.to_owned()),
    }
    .into())
}

/// Removes a group's directory. The files in it go with it, as in cgroups.
fn remove_directory(path: &Path, pretended: bool) -> io::Result<()> {
    let removed = match pretended {
        true => fs::remove_dir_all(path),
        false => fs::remove_dir(path),
    };
    match removed {
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(()),
        answer => answer,
    }
}

impl Group {
    /// The group that a config wants; makes nothing yet.
    pub(crate) fn find(requested: &Requested, environment: &Environment) -> Result<Group, Error> {
        // A directory that tests use instead, for few machines have the real thing. Programs that are built to be used do not
        // know it.
        match environment.get("TARE_TEST_RESCTRL") {
            Some(path) if cfg!(debug_assertions) => Ok(Group {
                pretended: true,
                ..Group::below(path.into(), requested)?
            }),
            _ => Group::below(mounted()?, requested),
        }
    }

    fn below(mount: PathBuf, requested: &Requested) -> Result<Group, Error> {
        let path = mount.join(&requested.group);
        let there = fs::exists(&path).map_err(|error| Error::file("look at", &path, error))?;
        if !there && !requested.own && requested.shares.is_empty() && requested.schemata.is_empty()
        {
            let why = format!(
                "there is no group {}, and no schema to make one with",
                path.display()
            );
            return Err(wrong("closID", why).into());
        }
        let monitor = requested.monitor.as_ref();
        Ok(Group {
            monitor: monitor.map(|name| path.join("mon_groups").join(name)),
            made: !there,
            own: requested.own,
            mount,
            path,
            pretended: false,
        })
    }

    /// A group that another runtime has recorded, if it is one of the file system that is mounted. `own`: it goes with its
    /// container.
    pub(crate) fn recorded(path: &str, own: bool) -> Result<Option<Group>, Error> {
        Ok(Group::found(mounted()?, PathBuf::from(path), own))
    }

    fn found(mount: PathBuf, path: PathBuf, own: bool) -> Option<Group> {
        let is_group = match path.strip_prefix(&mount).map(Path::to_str) {
            Ok(Some(name)) => {
                !name.is_empty()
                    && matches!(validate_name(name), Ok(()))
                    && mount.join(name) == path
            }
            Ok(None) | Err(_) => false,
        };
        is_group.then_some(Group {
            mount,
            path,
            monitor: None,
            made: own,
            own,
            pretended: false,
        })
    }

    /// Its directory.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// The name by which the config asks for it; empty for the container's own.
    pub(crate) fn class(&self) -> &str {
        match self.path.strip_prefix(&self.mount).map(Path::to_str) {
            _ if self.own => "",
            Ok(Some(name)) if !name.is_empty() => name,
            // The root group.
            _ => "/",
        }
    }

    /// Makes what is not there, and gives it its shares.
    pub(crate) fn make(&self, requested: &Requested) -> Result<(), Error> {
        for (name, features) in &requested.measured {
            self.validate_measured(name, features)?;
        }
        let made = match fs::create_dir(&self.path) {
            Ok(()) => true,
            Err(error) if error.kind() == ErrorKind::AlreadyExists => false,
            Err(error) => return Err(self.failed("closID", "make", &self.path, error)),
        };
        if !requested.shares.is_empty() {
            if !made && !requested.own {
                self.compare(&requested.shares)?;
            }
            self.write_shares(&requested.shares)?;
        }
        if !requested.schemata.is_empty() {
            self.write("schemata", "schemata", &requested.schemata)?;
        }
        if let Some(monitor) = &self.monitor {
            if self.pretended {
                fs::create_dir_all(self.path.join("mon_groups"))
                    .map_err(|error| self.failed("enableMonitoring", "make", monitor, error))?;
            }
            fs::create_dir(monitor)
                .map_err(|error| self.failed("enableMonitoring", "make", monitor, error))?;
        }
        Ok(())
    }

    /// Puts a process into the group. Its children follow by themselves.
    pub(crate) fn place(&self, pid: i32) -> Result<(), Error> {
        for (name, path) in [
            ("closID", Some(&self.path)),
            ("enableMonitoring", self.monitor.as_ref()),
        ] {
            if let Some(path) = path {
                let tasks = path.join("tasks");
                fs::write(&tasks, format!("{pid}\n"))
                    .map_err(|error| self.failed(name, "write", &tasks, error))?;
            }
        }
        Ok(())
    }

    /// Changes the shares.
    pub(crate) fn write_shares(&self, lines: &str) -> Result<(), Error> {
        let name = match lines.starts_with("MB:") {
            true => "memBwSchema",
            false => "l3CacheSchema",
        };
        self.write(name, "schemata", lines)
    }

    /// The shares as they are.
    pub(crate) fn shares(&self) -> Result<String, Error> {
        let path = self.path.join("schemata");
        fs::read_to_string(&path).map_err(|error| Error::file("read", &path, error))
    }

    /// Removes what `create` made. A group that has a name of its own may have got other users meanwhile: then it is theirs.
    pub(crate) fn remove(&self) -> Result<(), Error> {
        let failed = |path: &Path| {
            let path = path.to_owned();
            move |error| Error::file("remove", &path, error)
        };
        if let Some(monitor) = &self.monitor {
            remove_directory(monitor, self.pretended).map_err(failed(monitor))?;
        }
        if self.made && (self.own || !self.is_used()?) {
            remove_directory(&self.path, self.pretended).map_err(failed(&self.path))?;
        }
        Ok(())
    }

    fn is_used(&self) -> Result<bool, Error> {
        let failed = |path: &Path, error| Error::file("look at", path, error);
        let tasks = self.path.join("tasks");
        match fs::read_to_string(&tasks) {
            Ok(text) if text.trim().is_empty() => {}
            Ok(_) => return Ok(true),
            Err(error) if error.kind() == ErrorKind::NotFound => {}
            Err(error) => return Err(failed(&tasks, error)),
        }
        let monitors = self.path.join("mon_groups");
        match fs::read_dir(&monitors) {
            Ok(mut entries) => Ok(entries.next().is_some()),
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(false),
            Err(error) => Err(failed(&monitors, error)),
        }
    }

    fn validate_measured(&self, name: &'static str, features: &[&str]) -> Result<(), Error> {
        let path = self.mount.join("info/L3_MON/mon_features");
        let text = match fs::read_to_string(&path) {
            Err(error) if error.kind() == ErrorKind::NotFound => String::new(),
            answer => answer.map_err(|error| Error::file("read", &path, error))?,
        };
        if features
            .iter()
            .any(|feature| text.lines().any(|line| line == *feature))
        {
            return Ok(());
        }
        let why = format!("this machine does not measure {}", features.join(" or "));
        let (at, why) = (field(name), Why::Unsupported(why));
        Err(PlanError { at, why }.into())
    }

    /// Shares of a group that others may be in must be those that it has.
    fn compare(&self, requested: &str) -> Result<(), Error> {
        let there = self.shares()?;
        match requested.lines().find(|line| !agrees(&there, line)) {
            None => Ok(()),
            Some(line) => {
                let name = match line.starts_with("MB:") {
                    true => "memBwSchema",
                    false => "l3CacheSchema",
                };
                let has: Vec<&str> = there.lines().map(str::trim).collect();
                let path = self.path.display();
                let why = format!(
                    "{line:?}, but the group {path} is there with {}",
                    has.join(", ")
                );
                Err(wrong(name, why).into())
            }
        }
    }

    fn write(&self, name: &'static str, to: &str, text: &str) -> Result<(), Error> {
        let path = self.path.join(to);
        fs::write(&path, text).map_err(|error| self.failed(name, "write", &path, error))
    }

    /// An error that names the field, with what the kernel says about it beyond the errno.
    fn failed(&self, name: &'static str, doing: &str, path: &Path, error: io::Error) -> Error {
        let said = fs::read_to_string(self.mount.join("info/last_cmd_status"));
        let said = match said.as_deref().map(str::trim) {
            Ok(said) if !said.is_empty() && said != "ok" => format!(" ({said})"),
            _ => String::new(),
        };
        let why = format!("{doing} {}: {}{said}", path.display(), text_of(&error));
        wrong(name, why).into()
    }
}

fn text_of(error: &io::Error) -> String {
    match error.raw_os_error() {
        Some(number) => kernel::Errno(number).text().to_owned(),
        None => error.to_string(),
    }
}

/// Whether a schema says of a line's domains what the line says: `L3:0=f` of `L3:0=00f;1=7ff`.
fn agrees(schemata: &str, line: &str) -> bool {
    let split = |line: &str| {
        let (resource, domains) = line.trim().split_once(':')?;
        let domains = domains.split(';').map(|domain| {
            let (id, value) = domain.split_once('=')?;
            let value = value.trim().to_ascii_lowercase();
            // Masks are written with any number of zeros in front.
            let value = value.trim_start_matches("0x").trim_start_matches('0');
            Some((
                id.trim().trim_start_matches('0').to_owned(),
                value.to_owned(),
            ))
        });
        Some((
            resource.trim().to_owned(),
            domains.collect::<Option<Vec<_>>>()?,
        ))
    };
    let Some((resource, requested)) = split(line) else {
        return false;
    };
    let mut there = schemata.lines().filter_map(split);
    there
        .find(|(name, _)| *name == resource)
        .is_some_and(|(_, has)| requested.iter().all(|domain| has.contains(domain)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn given<'a>(json: &'a str) -> IntelRdt<'a> {
        let text = format!(r#"{{"ociVersion":"1.3.0","linux":{{"intelRdt":{json}}}}}"#);
        let text: &'static str = Box::leak(text.into_boxed_str());
        let linux = spec::Spec::parse(text).unwrap().linux.unwrap();
        linux.intel_rdt.unwrap()
    }

    fn read(json: &str) -> Result<Requested, String> {
        Requested::read(&given(json), "box").map_err(|error| Error::from(error).to_string())
    }

    /// A tree as the kernel shows it, with a group that others have made.
    struct Tree(PathBuf);

    impl Tree {
        fn new() -> Tree {
            static COUNT: std::sync::atomic::AtomicU32 = std::sync::atomic::AtomicU32::new(0);
            let number = COUNT.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
            let name = format!("tare-resctrl-{}-{number}", std::process::id());
            let tree = Tree(std::env::temp_dir().join(name));
            for folder in ["info/L3_MON", "there/mon_groups", "mon_groups"] {
                fs::create_dir_all(tree.0.join(folder)).unwrap();
            }
            for (file, text) in [
                ("schemata", "    MB:0=100;1=100\n    L3:0=7ff;1=7ff\n"),
                ("tasks", "1\n"),
                ("there/schemata", "    MB:0= 20;1=100\n    L3:0=00f;1=7ff\n"),
                ("there/tasks", ""),
                ("info/last_cmd_status", "ok\n"),
                ("info/L3_MON/mon_features", "llc_occupancy\n"),
            ] {
                fs::write(tree.0.join(file), text).unwrap();
            }
            tree
        }

        fn make(&self, json: &str) -> Result<Group, String> {
            let requested = read(json)?;
            let made = Group::below(self.0.clone(), &requested)
                .and_then(|group| group.make(&requested).map(|()| group));
            made.map_err(|error| error.to_string())
        }

        fn text(&self, name: &str) -> String {
            fs::read_to_string(self.0.join(name)).unwrap()
        }

        fn has(&self, name: &str) -> bool {
            self.0.join(name).exists()
        }

        /// As the kernel does, which keeps files in its directories.
        fn empty(&self, name: &str) {
            for file in ["schemata", "tasks"] {
                let _ = fs::remove_file(self.0.join(name).join(file));
            }
        }
    }

    impl Drop for Tree {
        fn drop(&mut self) {
            fs::remove_dir_all(&self.0).unwrap();
        }
    }

    #[test]
    fn wrong_values_name_their_field() {
        for (json, requested) in [
            (r#"{"closID":"a/b"}"#, "linux.intelRdt.closID"),
            (r#"{"closID":".."}"#, "linux.intelRdt.closID"),
            (r#"{"closID":"info"}"#, "linux.intelRdt.closID"),
            (r#"{"memBwSchema":"L3:0=f"}"#, "linux.intelRdt.memBwSchema"),
            (
                r#"{"memBwSchema":"MB:0=1\nMB:1=2"}"#,
                "linux.intelRdt.memBwSchema",
            ),
            (
                r#"{"schemata":["L3:0=f",""]}"#,
                "linux.intelRdt.schemata[1]",
            ),
            (
                r#"{"schemata":["L3:0=f\nMB:0=1"]}"#,
                "linux.intelRdt.schemata[0]",
            ),
            (
                r#"{"l3CacheSchema":"L3:\u00000=f"}"#,
                "linux.intelRdt.l3CacheSchema",
            ),
        ] {
            let error = read(json).unwrap_err();
            assert!(error.contains(requested), "{json}: {error}");
        }
    }

    #[test]
    fn both_schemas_are_written_at_once() {
        let shares = |json| read(json).unwrap().shares;
        let both = r#"{"l3CacheSchema":"L3:0=f\nMB:0=50\n","memBwSchema":"MB:0=20"}"#;
        assert_eq!(shares(both), "L3:0=f\nMB:0=20\n");
        assert_eq!(
            shares(r#"{"l3CacheSchema":"L3:0=f\nMB:0=50"}"#),
            "L3:0=f\nMB:0=50\n"
        );
        assert_eq!(shares(r#"{"memBwSchema":"MB:0=20"}"#), "MB:0=20\n");
        assert_eq!(shares("{}"), "");
    }

    #[test]
    fn a_group_of_the_containers_own() {
        let tree = Tree::new();
        let json = r#"{"l3CacheSchema":"L3:0=f","schemata":["MB:0=10","L2:0=3"]}"#;
        let group = tree.make(json).unwrap();
        // The last to be written.
        assert_eq!(tree.text("box/schemata"), "MB:0=10\nL2:0=3\n");
        group.place(4711).unwrap();
        assert_eq!(tree.text("box/tasks"), "4711\n");
        tree.empty("box");
        group.remove().unwrap();
        assert!(!tree.has("box"));
        // Without a schema none is written.
        let group = tree.make("{}").unwrap();
        assert!(tree.has("box") && !tree.has("box/schemata"));
        group.remove().unwrap();
        group.remove().unwrap();
    }

    #[test]
    fn a_group_that_is_there() {
        let tree = Tree::new();
        let group = tree.make(r#"{"closID":"there"}"#).unwrap();
        group.place(4711).unwrap();
        assert_eq!(tree.text("there/tasks"), "4711\n");
        group.remove().unwrap();
        assert!(tree.has("there"));
        for json in [
            r#"{"closID":"there","l3CacheSchema":"L3:0=f"}"#,
            r#"{"closID":"there","l3CacheSchema":"L3:0=0xF;1=7ff","memBwSchema":"MB:0=20"}"#,
        ] {
            tree.make(json).unwrap();
            // As the kernel would show it again.
            fs::write(
                tree.0.join("there/schemata"),
                "MB:0= 20;1=100\nL3:0=00f;1=7ff\n",
            )
            .unwrap();
        }
        for (json, field) in [
            (
                r#"{"closID":"there","l3CacheSchema":"L3:0=ff"}"#,
                "linux.intelRdt.l3CacheSchema",
            ),
            (
                r#"{"closID":"there","l3CacheSchema":"L2:0=f"}"#,
                "linux.intelRdt.l3CacheSchema",
            ),
            (
                r#"{"closID":"there","memBwSchema":"MB:0=21"}"#,
                "linux.intelRdt.memBwSchema",
            ),
            (r#"{"closID":"missing"}"#, "linux.intelRdt.closID"),
        ] {
            let error = tree.make(json).unwrap_err();
            assert!(error.contains(field), "{json}: {error}");
        }
        assert!(!tree.has("missing"));
    }

    #[test]
    fn a_group_that_containers_share() {
        let tree = Tree::new();
        let json = r#"{"closID":"shared","l3CacheSchema":"L3:0=f"}"#;
        let (first, second) = (tree.make(json).unwrap(), tree.make(json).unwrap());
        second.place(4712).unwrap();
        first.remove().unwrap();
        assert!(tree.has("shared"), "the second is in it");
        tree.empty("shared");
        second.remove().unwrap();
        assert!(tree.has("shared"), "the second did not make it");
        first.remove().unwrap();
        assert!(!tree.has("shared"));
    }

    #[test]
    fn the_root_group_stays() {
        let tree = Tree::new();
        let group = tree
            .make(r#"{"closID":"/","enableMonitoring":true}"#)
            .unwrap();
        group.place(4711).unwrap();
        assert_eq!(tree.text("tasks"), "4711\n");
        assert_eq!(tree.text("mon_groups/box/tasks"), "4711\n");
        tree.empty("mon_groups/box");
        group.remove().unwrap();
        assert!(tree.has("info") && !tree.has("mon_groups/box"));
    }

    #[test]
    fn monitoring_that_cannot_be_had_is_an_error() {
        let tree = Tree::new();
        fs::remove_dir(tree.0.join("there/mon_groups")).unwrap();
        let requested = [
            (
                r#"{"closID":"there","enableMonitoring":true}"#,
                "enableMonitoring",
            ),
            (r#"{"closID":"there","enableMBM":true}"#, "enableMBM"),
        ];
        for (json, field) in requested {
            let error = tree.make(json).unwrap_err();
            assert!(
                error.contains(&format!("linux.intelRdt.{field}")),
                "{error}"
            );
        }
        tree.make(r#"{"closID":"there","enableCMT":true}"#).unwrap();
    }

    #[test]
    fn the_kernels_reason_is_told() {
        let tree = Tree::new();
        fs::write(tree.0.join("info/last_cmd_status"), "out of CLOSIDs\n").unwrap();
        fs::write(tree.0.join("box"), "in the way").unwrap();
        let error = tree.make(r#"{"schemata":["L3:0=f"]}"#).unwrap_err();
        assert!(
            error.contains("linux.intelRdt.schemata") && error.contains("out of CLOSIDs"),
            "{error}"
        );
    }

    /// A record is a file: what it names is a group only right below the file system.
    #[test]
    fn groups_of_other_runtimes_are_those_of_the_mounted_file_system() {
        let mount = Path::new("/sys/fs/resctrl");
        let found = |path: &str, own| Group::found(mount.to_owned(), path.into(), own);
        let made = found("/sys/fs/resctrl/made", true).unwrap();
        assert!(made.made && made.class().is_empty());
        let there = found("/sys/fs/resctrl/there", false).unwrap();
        assert!(!there.made && there.class() == "there");
        for outside in [
            "/sys/fs/resctrl",
            "/sys/fs/resctrl/../outside",
            "/sys/fs/resctrl/a/b",
            "/etc",
            "",
        ] {
            assert!(found(outside, true).is_none(), "{outside}");
        }
    }
}
