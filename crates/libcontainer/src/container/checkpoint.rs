//! `checkpoint`: the container's processes go to disk, with CRIU.

use std::fs::File;
use std::io::Write;
use std::path::{Path, PathBuf};

use cgroups::Driver;
use kernel::Fd;
use kernel::file::{self, open};
use kernel::namespace::flags::{NEWNET, NEWUSER};

use super::group::group_of;
use super::prepare::plan_of;
use super::{Container, CreateOptions, Locked};
use crate::criu::{self, External, Features, Manner, Options, Request, Session};
use crate::state::{Folder, Record, Status, observe};
use crate::{Bundle, Error, argument, notify};

/// How a checkpoint is taken.
#[derive(Debug, Default)]
#[non_exhaustive]
pub struct CheckpointOptions {
    /// The directory of the images, made if it is missing.
    pub image_path: PathBuf,
    /// The directory of CRIU's logs; unset: the images'.
    pub work_path: Option<PathBuf>,
    /// The images of an earlier `pre_dump`, relative to these.
    pub parent_path: Option<PathBuf>,
    /// The container runs on.
    pub leave_running: bool,
    /// Take open TCP connections along.
    pub tcp_established: bool,
    /// Leave TCP connections out that are being made.
    pub tcp_skip_in_flight: bool,
    /// Take open files along that have no name any more.
    pub link_remap: bool,
    /// Take unix sockets along that are connected to the outside.
    pub ext_unix_sk: bool,
    /// Take processes along that belong to a session or a terminal outside.
    pub shell_job: bool,
    /// Take locks on files along.
    pub file_locks: bool,
    /// Memory is left here and asked for later.
    pub lazy_pages: bool,
    /// What gets a byte when memory can be asked for.
    pub status: Option<File>,
    /// A page server that gets the memory: address and port.
    pub page_server: Option<(String, u16)>,
    /// Only memory, and the container runs on.
    pub pre_dump: bool,
    /// What becomes of cgroups.
    pub cgroups: CgroupMode,
    /// Free in the parent's images what is superseded.
    pub auto_dedup: bool,
}

/// What CRIU does with cgroups, with the numbers of its protocol.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum CgroupMode {
    /// Nothing.
    Ignore = 0,
    /// Makes those that are missing, with their properties.
    Soft = 3,
    /// Makes all, with their properties.
    Full = 4,
    /// Demands that those that there are have the same properties.
    Strict = 5,
    /// As CRIU likes: soft.
    #[default]
    Default = 6,
}

/// Its annotation names a configuration file of CRIU; an empty one: none.
const CONFIG_ANNOTATION: &str = "org.criu.config";

/// The configuration file for containers of runtimes that are called as runc is, if it is there.
const CONFIG_FILE: &str = "/etc/criu/runc.conf";

/// Of the images, what the standard streams of the container were.
pub(super) const STREAMS: &str = "descriptors.json";

/// The least version of CRIU whose protocol is this.
pub(super) const LEAST_VERSION: u32 = 30_000;

/// The configuration file that CRIU is to read.
pub(super) fn config_file(annotations: &[(String, String)]) -> Option<String> {
    let named = annotations.iter().find(|(key, _)| key == CONFIG_ANNOTATION);
    match named {
        Some((_, path)) if path.is_empty() => None,
        Some((_, path)) => Some(path.clone()),
        None => Some(CONFIG_FILE.to_owned()),
    }
}

pub(super) fn require_version(version: u32, least: u32, what: &str) -> Result<(), Error> {
    if version >= least {
        return Ok(());
    }
    let (major, minor) = (least / 10_000, least / 100 % 100);
    Err(Error::criu(format!(
        "{what} requires at least CRIU {major}.{minor}"
    )))
}

/// What criu's log says about a failure are warnings before the error.
pub(super) fn warn_of(folder: &Folder, error: &Error) {
    if let Error::Criu { said, .. } = error {
        for line in said {
            folder.warn(format_args!("criu: {line}"));
        }
    }
}

/// Opens a directory of images or logs.
pub(super) fn directory(path: &Path) -> Result<Fd, Error> {
    use std::os::unix::ffi::OsStrExt;
    let failed = |fault: kernel::Fault| Error::file("open", path, fault.into());
    let invalid = |_| Error::invalid("contains a NUL byte", path);
    let name = std::ffi::CString::new(path.as_os_str().as_bytes()).map_err(invalid)?;
    file::open_at(file::HERE, &name, open::RDONLY | open::DIRECTORY, 0).map_err(failed)
}

/// `passable`: root of another user namespace may look up in it what it knows the name of, as CRIU does when it restores.
pub(super) fn make(path: &Path, passable: bool) -> Result<(), Error> {
    use std::os::unix::fs::DirBuilderExt;
    let mut builder = std::fs::DirBuilder::new();
    builder
        .mode(if passable { 0o711 } else { 0o700 })
        .recursive(true)
        .create(path)
        .map_err(|error| Error::file("make", path, error))
}

impl Container {
    /// Writes the container's processes to disk; without `leave_running` and `pre_dump` they and the container are gone
    /// then. (criu(8))
    ///
    /// # Errors
    /// It does not run, criu is missing or fails: then the container runs on, and of the images nothing is left.
    pub fn checkpoint(&self, options: &CheckpointOptions) -> Result<(), Error> {
        argument::path("image_path", &options.image_path)?;
        argument::paths([("work_path", &options.work_path)])?;
        let locked = self.lock()?;
        let status = locked.look()?.status;
        if !matches!(status, Status::Running | Status::Paused) {
            let text = format!("Container cannot be checkpointed in {status} state");
            return Err(Error::wrong_status(self.id(), text));
        }
        let passable = locked.record.namespaces & NEWUSER != 0;
        let images = Images::open(&options.image_path, passable)?;
        let dumped = validate(options).and_then(|()| locked.dump(options, &images));
        if let Err(error) = dumped {
            warn_of(&locked.folder, &error);
            images.discard(&locked.folder);
            locked.go_on(status);
            return Err(error);
        }
        match options.leave_running || options.pre_dump {
            true => Ok(()),
            false => locked.destroy(true),
        }
    }
}

fn validate(options: &CheckpointOptions) -> Result<(), Error> {
    if let Some(parent) = &options.parent_path {
        if parent.is_absolute() {
            let text = "--parent-path must be relative to the images";
            return Err(Error::invalid(text, parent));
        }
        let real = options.image_path.join(parent);
        let invalid = |error| Error::file("invalid --parent-path: look at", &real, error);
        if !std::fs::metadata(&real).map_err(invalid)?.is_dir() {
            return Err(Error::invalid(
                "invalid --parent-path: not a directory",
                &real,
            ));
        }
    }
    Ok(())
}

/// The directory of the images.
struct Images {
    path: PathBuf,
    fd: Fd,
    /// It was not there.
    is_new: bool,
    /// There was nothing in it before: what is in it afterwards has come from us.
    ours: bool,
}

impl Images {
    fn open(path: &Path, passable: bool) -> Result<Images, Error> {
        let seen = path
            .try_exists()
            .map_err(|error| Error::file("look at", path, error))?;
        make(path, passable)?;
        let failed = |error| Error::file("list", path, error);
        let ours = std::fs::read_dir(path).map_err(failed)?.next().is_none();
        Ok(Images {
            path: path.to_owned(),
            fd: directory(path)?,
            is_new: !seen,
            ours,
        })
    }

    /// Removes what a failed dump has left, but for the log that tells why.
    fn discard(&self, folder: &Folder) {
        if !self.ours {
            return;
        }
        let entries = match std::fs::read_dir(&self.path) {
            Ok(entries) => entries,
            Err(error) => return folder.warn(format_args!("{}: {error}", self.path.display())),
        };
        for entry in entries.flatten() {
            let path = entry.path();
            let is_log = path.extension().is_some_and(|extension| extension == "log");
            if !is_log && let Err(error) = std::fs::remove_file(&path) {
                folder.warn(format_args!("remove {}: {error}", path.display()));
            }
        }
        // With a log in it, it stays.
        if self.is_new
            && let Err(error) = std::fs::remove_dir(&self.path)
        {
            log::debug!("{} stays: {error}", self.path.display());
        }
    }
}

/// Where the freezer of a container is, which stops all of its processes at once.
fn freezer(record: &Record) -> Result<Option<String>, Error> {
    if group_of(record)?.is_none() {
        return Ok(None);
    }
    let named = |key: &str| {
        let mut paths = record.cgroup.iter().flat_map(cgroups::Place::paths);
        paths.find(|(name, _)| *name == key)
    };
    let found = named("freezer").or_else(|| named(""));
    Ok(found.map(|(_, path)| path.to_string_lossy().into_owned()))
}

impl Locked {
    /// The plan that the container was made by.
    pub(super) fn plan(&self, bundle: &Bundle) -> Result<crate::plan::Plan, Error> {
        let driver = self.record.cgroup.as_ref().map(cgroups::Place::driver);
        let options = CreateOptions {
            systemd_cgroup: matches!(driver, Some(Driver::Systemd { .. })),
            ..CreateOptions::default()
        };
        plan_of(self.folder.store(), bundle, self.id(), &options)
    }

    /// The bundle as it was when the container was created.
    pub(super) fn bundle(&self) -> Result<Bundle, Error> {
        let text = observe::config(&self.folder)?.into_text();
        Ok(Bundle::from_text(&self.record.bundle, text))
    }

    fn dump(&self, options: &CheckpointOptions, images: &Images) -> Result<(), Error> {
        let bundle = self.bundle()?;
        let spec = bundle.spec()?;
        let mut session = Session::start(self.folder.store().environment(), &Manner::default())?;
        require_version(session.version()?, LEAST_VERSION, "checkpoint")?;
        let requested = Features {
            mem_track: options.pre_dump,
            lazy_pages: options.lazy_pages,
        };
        if requested != Features::default() {
            let missing = requested.missing(session.features(requested)?);
            if !missing.is_empty() {
                let text = format!("criu is missing features: {missing:?}");
                return Err(Error::criu(text));
            }
        }
        let log_path = options.work_path.as_ref().unwrap_or(&options.image_path);
        make(log_path, false)?;
        let work = directory(log_path)?;
        session.logs_to(log_path.join("dump.log"));
        let parent = options
            .parent_path
            .as_ref()
            .map(|path| path.to_string_lossy());
        let mut request = Options {
            images_dir_fd: images.fd.raw(),
            work_dir_fd: Some(work.raw()),
            pid: Some(self.record.pid),
            leave_running: options.leave_running,
            ext_unix_sk: options.ext_unix_sk,
            tcp_established: options.tcp_established,
            tcp_skip_in_flight: options.tcp_skip_in_flight,
            shell_job: options.shell_job,
            file_locks: options.file_locks,
            link_remap: options.link_remap,
            auto_dedup: options.auto_dedup,
            lazy_pages: options.lazy_pages,
            log_file: "dump.log",
            page_server: options
                .page_server
                .as_ref()
                .map(|(address, port)| (address.as_str(), *port)),
            root: &self.record.rootfs,
            parent_img: parent.as_deref(),
            manage_cgroups_mode: options.cgroups as i32,
            freeze_cgroup: freezer(&self.record)?,
            // Devices and addresses are the engine's, which gives them to the restored container, too.
            empty_ns: NEWNET,
            config_file: config_file(&self.record.annotations),
            ..Options::default()
        };
        for namespace in criu::namespaces(&spec) {
            request.external.extend(namespace.option()?);
        }
        if !options.pre_dump {
            request.ext_mnt = self.external_mounts(&bundle)?;
            let streams = criu::streams(self.record.pid)?;
            request.external.extend(criu::left_out(&streams).cloned());
            let path = images.path.join(STREAMS);
            let text = serde_json::to_string(&streams)
                .map_err(|error| Error::invalid(&error.to_string(), &path))?;
            std::fs::write(&path, text).map_err(|error| Error::file("write", &path, error))?;
        }
        let kind = match options.pre_dump {
            true => Request::PreDump,
            false => Request::Dump,
        };
        session.perform(
            kind,
            &request,
            &mut |event| match (event.script.as_str(), &options.status) {
                ("status-ready", Some(status)) => (&*status)
                    .write_all(&[0])
                    .map_err(|error| Error::argument("status", error)),
                _ => Ok(()),
            },
        )
    }

    /// Mounts from outside are left out of the images under the names of their places.
    fn external_mounts(&self, bundle: &Bundle) -> Result<Vec<External>, Error> {
        let places = criu::outside(&self.plan(bundle)?).into_iter();
        let places = places.map(|mount| mount.key);
        // A container that tells when it is ready has one more mount than its config says.
        let all = places.chain([notify::INSIDE.to_owned()]);
        let named = all.map(|key| External {
            value: key.clone(),
            key,
        });
        Ok(named.collect())
    }

    /// After a dump that failed everything is as it was.
    fn go_on(&self, before: Status) {
        let thawed = (|| match group_of(&self.record)? {
            Some(group) if before == Status::Running && group.is_frozen()? => Ok(group.thaw()?),
            _ => Ok::<(), Error>(()),
        })();
        if let Err(error) = thawed {
            self.folder.warn(error);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_annotation_names_the_configuration() {
        let with = |path: &str| config_file(&[(CONFIG_ANNOTATION.to_owned(), path.to_owned())]);
        assert_eq!(with("/a").as_deref(), Some("/a"));
        assert_eq!(with(""), None);
        assert_eq!(config_file(&[]).as_deref(), Some(CONFIG_FILE));
    }

    #[test]
    fn versions_are_compared_as_numbers() {
        assert!(require_version(31_701, 31_600, "x").is_ok());
        let error = require_version(30_900, 31_600, "--lsm-profile").unwrap_err();
        assert_eq!(
            error.to_string(),
            "--lsm-profile requires at least CRIU 3.16"
        );
    }
}
