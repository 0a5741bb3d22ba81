//! `create`: everything but the user's program.

use std::path::{Path, PathBuf};

use init::ChildStep;
use kernel::process::Started;
use kernel::{Fd, file};
use spec::{ConfigPath, LinuxResources, Spec};

use super::Container;
use crate::Error;
use crate::bundle::Bundle;
use crate::host::{Hierarchy, HostFacts};
use crate::perform::{Cgroup, Console, HookState, Performed, Setting, run_hooks, walk};
use crate::plan::{self, Creation, HookKind, Namespaces, Plan, PlanError, Step};
use crate::state::{Folder, Record, Store, identity_of, judge_id, time};

/// How a container is created.
#[derive(Clone, Debug, Default)]
pub struct CreateOptions {
    /// The socket that gets the terminal, if the process wants one.
    pub console_socket: Option<PathBuf>,
    /// A socket that gets a pidfd of the container's process.
    pub pidfd_socket: Option<PathBuf>,
    /// A file that gets the number of the container's process.
    pub pid_file: Option<PathBuf>,
    /// How many descriptors from 3 on the container gets.
    pub preserve_fds: u32,
    /// How many of them come from socket activation (sd_listen_fds(3)).
    pub listen_fds: u32,
    /// Do not use pivot_root(2).
    pub no_pivot: bool,
    /// Keep the caller's session keyring.
    pub no_new_keyring: bool,
    /// Have systemd make the cgroup.
    pub systemd_cgroup: bool,
    /// Whether to do without privileges; unset: as the caller's privileges are.
    pub rootless: Option<bool>,
}

/// What is known before anything is done.
pub(super) struct Prepared<'a> {
    spec: &'a Spec<'a>,
    host: HostFacts,
    cgroup_host: Option<cgroups::Host>,
    place: Option<cgroups::Place>,
    settings: cgroups::Settings,
    creation: Creation,
    plan: Plan,
}

impl<'a> Prepared<'a> {
    pub(super) fn new(
        id: &str,
        bundle: &Bundle,
        spec: &'a Spec<'a>,
        options: &CreateOptions,
    ) -> Result<Prepared<'a>, Error> {
        let mut host = HostFacts::probe();
        let rootless = options.rootless.unwrap_or(host.rootless());
        let driver = match options.systemd_cgroup {
            true => cgroups::Driver::Systemd { user: rootless },
            false => cgroups::Driver::Direct,
        };
        let cgroup_host = match cgroups::Host::probe() {
            Ok(found) => Some(found),
            Err(error) if rootless => {
                log::debug!("no cgroups: {error}");
                None
            }
            Err(error) => return Err(error.into()),
        };
        let mut prepared = Prepared {
            spec,
            host: HostFacts::default(),
            cgroup_host,
            place: None,
            settings: cgroups::Settings::default(),
            creation: Creation::default(),
            plan: Plan::default(),
        };
        prepared.place_cgroup(id, driver, rootless)?;
        prepared.tell_hierarchies(&mut host);
        if options.no_pivot {
            host.exposed = exposed_mounts();
        }
        prepared.host = host;
        prepared.creation = prepared.creation(id, bundle, options)?;
        prepared.plan = plan::create(spec, &prepared.creation, &prepared.host)?;
        Ok(prepared)
    }

    fn place_cgroup(
        &mut self,
        id: &str,
        driver: cgroups::Driver,
        rootless: bool,
    ) -> Result<(), Error> {
        let Some(host) = &self.cgroup_host else {
            return Ok(());
        };
        let linux = self.spec.linux.as_ref();
        let path = linux.and_then(|linux| linux.cgroups_path.as_deref());
        if rootless && path.is_none_or(str::is_empty) && host.version() != cgroups::Version::V2 {
            // Hierarchies of v1 cannot be delegated safely, so an ordinary user's container stays where its caller is.
            return Ok(());
        }
        let place = cgroups::Place::resolve(host, driver, path, id, rootless)?;
        let none = LinuxResources::default();
        let resources = linux
            .and_then(|linux| linux.resources.as_ref())
            .unwrap_or(&none);
        self.settings = cgroups::settings(resources, host, &place).map_err(|error| PlanError {
            at: error.at,
            why: plan::Why::Invalid(error.why),
        })?;
        if matches!(driver, cgroups::Driver::Systemd { .. }) {
            self.settings
                .annotate(&self.spec.annotations)
                .map_err(|error| PlanError {
                    at: error.at,
                    why: plan::Why::Invalid(error.why),
                })?;
        }
        self.place = Some(place);
        Ok(())
    }

    /// Where the container's cgroup is in each hierarchy, for mounts of type cgroup.
    fn tell_hierarchies(&self, facts: &mut HostFacts) {
        let Some(host) = &self.cgroup_host else {
            return;
        };
        let Some(place) = &self.place else {
            facts.hierarchies = host
                .hierarchies()
                .iter()
                .filter(|one| !one.is_unified())
                .map(as_mounted)
                .collect();
            return;
        };
        let unified = host.version() == cgroups::Version::V2;
        facts.hierarchies = place
            .mounts(host)
            .filter(|mount| unified || !mount.controllers.is_empty())
            .map(|mount| Hierarchy {
                name: match mount.mount.file_name() {
                    Some(name) if !unified => name.to_string_lossy().into_owned(),
                    _ => String::new(),
                },
                path: mount.directory.to_string_lossy().into_owned(),
                links: mount.links,
            })
            .collect();
    }

    fn creation(
        &self,
        id: &str,
        bundle: &Bundle,
        options: &CreateOptions,
    ) -> Result<Creation, Error> {
        let direct = self
            .place
            .as_ref()
            .is_some_and(|place| place.driver() == cgroups::Driver::Direct);
        let unified = self
            .cgroup_host
            .as_ref()
            .is_some_and(|host| host.version() == cgroups::Version::V2);
        Ok(Creation {
            id: id.to_owned(),
            root: root_directory(self.spec, bundle)?,
            bundle: bundle.directory().to_string_lossy().into_owned(),
            no_pivot: options.no_pivot,
            no_new_keyring: options.no_new_keyring,
            has_cgroup: self.place.is_some(),
            cloned_into_cgroup: direct && unified,
            preserve_fds: options.preserve_fds,
            listen_fds: options.listen_fds,
        })
    }

    fn fence(&self) -> u32 {
        let is_fence = |step: &Step| matches!(step, Step::Child(ChildStep::AwaitStart(_)));
        self.plan
            .entries
            .iter()
            .position(|entry| is_fence(&entry.step))
            .unwrap_or(0) as u32
    }

    fn record(&self) -> Record {
        let spec = self.spec;
        let paths = self.place.iter().flat_map(cgroups::Place::paths);
        let namespaces = Namespaces::read(spec).unwrap_or_default();
        Record {
            id: self.creation.id.clone(),
            pid: 0,
            identity: 0,
            created: time::now(),
            oci_version: spec.oci_version.as_deref().unwrap_or_default().to_owned(),
            bundle: self.creation.bundle.clone(),
            rootfs: self.creation.root.clone(),
            owner: self.host.uid,
            annotations: spec
                .annotations
                .iter()
                .map(|(key, value)| (key.to_owned(), value.to_owned()))
                .collect(),
            cgroup: self.place.clone(),
            cgroup_paths: paths
                .map(|(name, path)| (name.to_owned(), path.to_string_lossy().into_owned()))
                .collect(),
            namespaces: namespaces.all(),
            set_groups: plan::sets_groups(spec, &self.host, &namespaces),
            has_process: spec.process.is_some(),
            has_hooks: spec.hooks.is_some(),
            fence: self.fence(),
        }
    }

    fn hooks(&self) -> HookState<'_> {
        HookState {
            spec: self.spec,
            id: &self.creation.id,
            bundle: &self.creation.bundle,
            status: "creating",
            namespaces: Namespaces::read(self.spec).unwrap_or_default().all(),
        }
    }
}

/// A whole hierarchy, for a container without a group in it.
fn as_mounted(hierarchy: &cgroups::Hierarchy) -> Hierarchy {
    Hierarchy {
        name: hierarchy
            .mount
            .file_name()
            .unwrap_or_default()
            .to_string_lossy()
            .into_owned(),
        path: hierarchy.mount.to_string_lossy().into_owned(),
        links: hierarchy.links().map(str::to_owned).collect(),
    }
}

/// The root directory as an absolute path; it must exist.
fn root_directory(spec: &Spec<'_>, bundle: &Bundle) -> Result<String, Error> {
    let at = ConfigPath::of("root.path");
    let missing = || PlanError {
        at: ConfigPath::of("root"),
        why: plan::Why::Missing,
    };
    let given = &spec.root.as_ref().ok_or_else(missing)?.path;
    if given.is_empty() {
        return Err(PlanError {
            at,
            why: plan::Why::Missing,
        }
        .into());
    }
    let path = bundle.directory().join(given.as_str());
    let failed = |why: String| {
        Error::Plan(PlanError {
            at: at.clone(),
            why: plan::Why::Invalid(why),
        })
    };
    let resolved = path.canonicalize().map_err(|error| {
        let text = error.raw_os_error().map_or_else(
            || error.to_string(),
            |number| kernel::Errno(number).text().to_owned(),
        );
        failed(format!("{}: {text}", path.display()))
    })?;
    if !resolved.is_dir() {
        return Err(failed(format!("{}: not a directory", path.display())));
    }
    if resolved == Path::new("/") {
        return Err(failed("the host's root cannot be a container's".to_owned()));
    }
    resolved
        .into_os_string()
        .into_string()
        .map_err(|_| failed("is not UTF-8".to_owned()))
}

/// Mount points of proc and sysfs, the innermost first.
fn exposed_mounts() -> Vec<String> {
    let text = std::fs::read_to_string("/proc/self/mountinfo").unwrap_or_default();
    let mut found: Vec<String> = text
        .lines()
        .filter_map(|line| {
            let (before, after) = line.split_once(" - ")?;
            matches!(after.split(' ').next()?, "proc" | "sysfs").then_some(())?;
            before.split(' ').nth(4).map(unescape)
        })
        .collect();
    found.reverse();
    found
}

/// Spaces and such stand as octal numbers in mountinfo.
fn unescape(path: &str) -> String {
    [
        ("\\040", " "),
        ("\\011", "\t"),
        ("\\012", "\n"),
        ("\\134", "\\"),
    ]
    .iter()
    .fold(path.to_owned(), |path, (code, character)| {
        path.replace(code, character)
    })
}

/// The plan that `create` would walk, without touching anything: for people and for tests.
///
/// # Errors
/// As [`Container::create`] before it does anything.
pub fn plan_of(bundle: &Bundle, id: &str, options: &CreateOptions) -> Result<Plan, Error> {
    let spec = bundle.spec()?;
    Prepared::new(id, bundle, &spec, options).map(|prepared| prepared.plan)
}

/// The bundle's system call filter as readable text: for each architecture, which calls get which answer.
///
/// # Errors
/// The bundle has no filter, or one that cannot be compiled.
pub fn seccomp_text(bundle: &Bundle) -> Result<String, Error> {
    let spec = bundle.spec()?;
    let at = ConfigPath::of("linux.seccomp");
    let profile = spec.linux.as_ref().and_then(|linux| linux.seccomp.as_ref());
    let profile = profile.ok_or(PlanError {
        at,
        why: plan::Why::Missing,
    })?;
    let described = seccomp::describe(profile, &seccomp::Support::default());
    described.map_err(|error| {
        PlanError {
            at: error.at,
            why: plan::Why::Invalid(error.why.to_string()),
        }
        .into()
    })
}

/// Where the child waits for `start`.
pub(super) enum Fence {
    /// At a FIFO in the container's folder, which any process can open later.
    Fifo,
    /// At a pipe, which only this process can use.
    Pipe,
}

impl Fence {
    /// The child's end and ours.
    fn make(&self, folder: &Folder) -> Result<(Fd, Fd), Error> {
        match self {
            Fence::Pipe => pipe_fence(),
            Fence::Fifo => {
                let fifo = folder.make_fence()?;
                let copy = Fd::adopt(file::duplicate_above(fifo.raw(), 3).map_err(no_fence)?);
                fill(fifo, copy)
            }
        }
    }
}

fn no_fence(fault: kernel::Fault) -> Error {
    crate::perform::own("make the start fence", fault)
}

/// A fence that only this process can open: the child's end and ours.
pub(super) fn pipe_fence() -> Result<(Fd, Fd), Error> {
    let (read, write) = nix::unistd::pipe2(nix::fcntl::OFlag::O_CLOEXEC).map_err(|errno| {
        no_fence(kernel::Fault::found(
            kernel::Call::Openat,
            kernel::Errno(errno as i32),
        ))
    })?;
    fill(read.into(), write.into())
}

/// One byte is in the pipe, which has room for no more: see the step `AwaitStart`.
fn fill(theirs: Fd, ours: Fd) -> Result<(Fd, Fd), Error> {
    // Room is counted in pages, and one byte takes a whole one.
    file::set_pipe_size(ours.raw(), 4096).map_err(no_fence)?;
    file::write(ours.raw(), b"r").map_err(no_fence)?;
    // Init is to wait in its read; both ends of a FIFO share this flag.
    file::set_nonblocking(theirs.raw(), false).map_err(no_fence)?;
    Ok((theirs, ours))
}

/// A bundle with its config, parsed once.
#[derive(Clone, Copy)]
pub(super) struct Source<'a> {
    pub(super) bundle: &'a Bundle,
    pub(super) spec: &'a Spec<'a>,
}

impl Container {
    /// Creates a container: namespaces, mounts, cgroup and all that the config says, up to the user's program, which
    /// waits for [`Container::start`]. (runtime.md, "Create")
    ///
    /// # Errors
    /// An id that is taken or malformed, a config that cannot be planned, or a step that failed. Nothing is left behind
    /// then.
    pub fn create(
        store: &Store,
        id: &str,
        bundle: &Bundle,
        options: &CreateOptions,
    ) -> Result<Container, Error> {
        let spec = bundle.spec()?;
        let terminal = spec
            .process
            .as_ref()
            .is_some_and(|process| process.terminal);
        crate::foreground::judge_terminal(terminal, true, options.console_socket.is_some())?;
        let console = match &options.console_socket {
            Some(path) => Console::Socket(path.clone()),
            None => Console::None,
        };
        let (container, _) = Container::create_with(
            store,
            id,
            &Source {
                bundle,
                spec: &spec,
            },
            options,
            console,
            &Fence::Fifo,
        )?;
        container.folder.unlock();
        Ok(container)
    }

    pub(super) fn create_with(
        store: &Store,
        id: &str,
        source: &Source<'_>,
        options: &CreateOptions,
        console: Console,
        fence: &Fence,
    ) -> Result<(Container, Performed), Error> {
        judge_id(id)?;
        let Source { bundle, spec } = *source;
        let prepared = Prepared::new(id, bundle, spec, options)?;
        for (at, text) in &prepared.plan.warnings {
            log::warn!("{at}: {text}");
        }
        let folder = store.make(id)?;
        let mut record = prepared.record();
        match perform(
            &prepared,
            &folder,
            bundle,
            &mut record,
            options,
            console,
            fence,
        ) {
            Ok(performed) => Ok((Container { folder, record }, performed)),
            Err(error) => {
                clean_up(&prepared, folder);
                Err(error)
            }
        }
    }
}

fn perform(
    prepared: &Prepared<'_>,
    folder: &Folder,
    bundle: &Bundle,
    record: &mut Record,
    options: &CreateOptions,
    console: Console,
    fence: &Fence,
) -> Result<Performed, Error> {
    folder.keep_config(bundle.text())?;
    // The record comes before the effects that it describes.
    folder.store(record)?;
    let cgroup = prepared.place.as_ref().zip(prepared.cgroup_host.as_ref());
    let setting = Setting {
        host: &prepared.host,
        report: folder.make_report()?,
        fence: Some(fence.make(folder)?),
        console,
        cgroup: cgroup.map(|(place, host)| Cgroup {
            place,
            host,
            settings: &prepared.settings,
            group: None,
            seat: None,
        }),
        preserve_fds: options.preserve_fds,
        standard: [None; 3],
        given: Vec::new(),
        state: Some(prepared.hooks()),
    };
    let (performed, group) = walk(&prepared.plan, setting, &mut |child: &Started| {
        record.pid = child.pid;
        record.identity = identity_of(child.pid, &child.pidfd).unwrap_or(0);
        Ok(())
    })?;
    if performed.missing_ambient != 0 {
        warn_about_ambient(performed.missing_ambient);
    }
    let finished = finish(group, prepared, &performed, options);
    if finished.is_err() {
        super::kill::end(&performed.child.pidfd);
    }
    finished.map(|()| performed)
}

/// What comes last, when the container is ready: tight limits, then the pid file, whose existence tells that all is done.
fn finish(
    group: Option<cgroups::Group>,
    prepared: &Prepared<'_>,
    performed: &Performed,
    options: &CreateOptions,
) -> Result<(), Error> {
    if let Some(group) = group {
        group.restrict(&prepared.settings)?;
    }
    if let Some(path) = &options.pidfd_socket {
        send_pidfd(path, &performed.child)?;
    }
    match &options.pid_file {
        Some(path) => write_pid_file(path, performed.child.pid),
        None => Ok(()),
    }
}

pub(super) fn send_pidfd(path: &Path, child: &Started) -> Result<(), Error> {
    use std::os::unix::ffi::OsStrExt;
    let sent = kernel::socket::connect(path.as_os_str().as_bytes())
        .and_then(|socket| kernel::socket::send(socket.raw(), b"pidfd", &[child.pidfd.raw()]));
    sent.map(drop)
        .map_err(|fault| Error::file("send the pidfd to", path, fault.into()))
}

/// Written beside and renamed, so that a reader sees a whole number.
pub(super) fn write_pid_file(path: &Path, pid: i32) -> Result<(), Error> {
    let failed = |error| Error::file("write the pid file", path, error);
    let name = path
        .file_name()
        .ok_or_else(|| failed(std::io::ErrorKind::InvalidInput.into()))?;
    let beside = path.with_file_name(format!(".{}", name.to_string_lossy()));
    std::fs::write(&beside, pid.to_string()).map_err(failed)?;
    std::fs::rename(&beside, path).map_err(failed)
}

fn warn_about_ambient(missing: u64) {
    for (number, name) in plan::capability_names().iter().enumerate() {
        if missing >> number & 1 == 1 {
            log::warn!("can't raise ambient capability CAP_{name}: operation not permitted");
        }
    }
}

/// A failed create leaves nothing. Hooks after the end run also then (runtime.md, "Lifecycle").
fn clean_up(prepared: &Prepared<'_>, folder: Folder) {
    if let (Some(place), Some(host)) = (&prepared.place, &prepared.cgroup_host)
        && let Ok(group) = cgroups::Group::open(place, host)
        && !group.is_none()
    {
        // A group that held others before is theirs; the error said so.
        if let Err(error) = group.remove() {
            log::warn!("{error}");
        }
    }
    let mut hooks = prepared.hooks();
    hooks.status = "stopped";
    let _ = run_hooks(&hooks, HookKind::Poststop, None, &prepared.host);
    if let Err(error) = folder.remove() {
        log::warn!("{error}");
    }
}
