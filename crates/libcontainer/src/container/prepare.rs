//! Before anything is done: what a config means on this host, down to the plan.

use std::os::fd::{AsRawFd, BorrowedFd};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use init::ChildStep;
use kernel::namespace::flags::NEWPID;
use spec::{ConfigPath, LinuxResources, Spec};

use super::group::as_of;
use crate::bundle::{Bundle, without_links};
use crate::host::{Hierarchy, HostFacts};
use crate::perform::HookState;
use crate::plan::{self, Creation, Namespaces, Plan, PlanError, RuntimeStep, Step};
use crate::resctrl;
use crate::state::{PoststopHook, Record, Store, observe, time};
use crate::streams::Streams;
use crate::terminal::Console;
use crate::timings;
use crate::{Error, argument};

/// How a container is created.
#[derive(Debug, Default)]
#[non_exhaustive]
pub struct CreateOptions {
    /// The standard streams of its process. Those that are anonymous pipes become its user's, who could not open `/dev/stdout`
    /// again otherwise.
    pub streams: Streams,
    /// Where its terminal goes; needed if the config says that it has one.
    pub console: Option<Console>,
    /// A socket that gets a pidfd of the container's process.
    pub pidfd_socket: Option<PathBuf>,
    /// A file that gets the number of the container's process.
    pub pid_file: Option<PathBuf>,
    /// The service manager's socket that is to be told when the container is ready (sd_notify(3)): see [`Readiness`].
    ///
    /// [`Readiness`]: crate::Readiness
    pub notify_socket: Option<PathBuf>,
    /// How many of the caller's descriptors from 3 on the container gets. They must not be close-on-exec.
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
    /// This program will delete the container when its process has ended: if the program ends before, [`gc`] takes what is
    /// left for abandoned.
    ///
    /// [`gc`]: crate::gc
    pub attended: bool,
    /// Newlines that the process writes to its terminal stay as they are.
    pub(crate) relays_terminal: bool,
}

impl CreateOptions {
    /// What can be said of them without a config.
    pub(super) fn validate(&self) -> Result<(), Error> {
        argument::preserved(self.preserve_fds)?;
        if self.listen_fds > self.preserve_fds {
            let (listen, all) = (self.listen_fds, self.preserve_fds);
            let why = format!("{listen} of {all} descriptors (preserve_fds)");
            return Err(Error::argument("listen_fds", why));
        }
        let notify = self.notify_socket.as_deref();
        notify.map_or(Ok(()), |path| argument::socket_path("notify_socket", path))?;
        argument::paths([
            ("pid_file", &self.pid_file),
            ("pidfd_socket", &self.pidfd_socket),
        ])
    }
}

/// What is known before anything is done.
pub(super) struct Prepared<'a> {
    spec: &'a Spec<'a>,
    pub(super) host: HostFacts,
    pub(super) cgroup_host: Option<&'a cgroups::Host>,
    pub(super) place: Option<cgroups::Place>,
    pub(super) settings: cgroups::Settings,
    pub(super) resctrl: Option<resctrl::Group>,
    creation: Creation,
    pub(super) plan: Plan,
}

impl<'a> Prepared<'a> {
    pub(super) fn new(
        store: &'a Store,
        id: &str,
        bundle: &Bundle,
        spec: &'a Spec<'a>,
        options: &CreateOptions,
    ) -> Result<Prepared<'a>, Error> {
        let _part = timings::part("look at the host, and plan");
        let (prepared, problems) = Prepared::validate(store, id, bundle, spec, options)?;
        prepared.log();
        problems.into_iter().next().map_or(Ok(prepared), Err)
    }

    /// What the debug log says before anything is done.
    fn log(&self) {
        log::debug!("host: {:?}", self.host);
        match &self.place {
            Some(place) => {
                for (controller, path) in place.paths() {
                    let driver = place.driver();
                    log::debug!("cgroup: {driver:?} {controller} {}", path.display());
                }
            }
            None => log::debug!("cgroup: none"),
        }
        log::debug!("plan: {} steps", self.plan.entries.len());
        for entry in &self.plan.entries {
            if let Step::Child(ChildStep::Seccomp(step)) = &entry.step {
                // Eight bytes an instruction.
                let (flags, count) = (step.flags, step.program.length / 8);
                log::debug!("seccomp filter flags: {flags}, {count} instructions");
            }
        }
    }

    /// As [`Prepared::new`], with everything that stands in the way instead of the first.
    fn validate(
        store: &'a Store,
        id: &str,
        bundle: &Bundle,
        spec: &'a Spec<'a>,
        options: &CreateOptions,
    ) -> Result<(Prepared<'a>, Vec<Error>), Error> {
        let mut host = store.known().facts()?.clone();
        let mut problems = Vec::new();
        let rootless = options.rootless.unwrap_or(host.rootless());
        let cgroup_host = match store.known().cgroups() {
            Ok(found) => Some(found),
            Err(error) if rootless => {
                log::debug!("no cgroups: {error}");
                None
            }
            Err(error) => {
                problems.push(error.into());
                None
            }
        };
        let mut prepared = Prepared {
            spec,
            host: HostFacts::default(),
            cgroup_host,
            place: None,
            settings: cgroups::Settings::default(),
            resctrl: None,
            creation: Creation::default(),
            plan: Plan::default(),
        };
        prepared.place_cgroup(store, id, options.systemd_cgroup, rootless, &mut problems);
        prepared.add_hierarchies(&mut host);
        let namespaces = spec.linux.iter().flat_map(|linux| &linux.namespaces);
        for (index, namespace) in namespaces.enumerate() {
            if let Some(path) = namespace.path.as_deref().filter(|path| !path.is_empty())
                && let Err(error) = host.probe_joined(&namespace.kind, path)
            {
                let at = ConfigPath::of("linux.namespaces").index(index).then("path");
                problems.push(PlanError::invalid(at, error.to_string()).into());
            }
        }
        if options.no_pivot {
            host.exposed = observe::exposed_mounts()?;
        }
        prepared.host = host;
        let root = match root_directory(spec, bundle) {
            Ok(root) => root,
            Err(error) => {
                problems.push(error);
                String::new()
            }
        };
        prepared.creation = prepared.creation(id, bundle, root, options);
        let (plan, found) = plan::validate(spec, &prepared.creation, &prepared.host);
        prepared.plan = plan;
        prepared.find_resctrl(store, &mut problems);
        let warnings = prepared.settings.warnings();
        prepared.plan.warnings.extend_from_slice(warnings);
        problems.extend(found.into_iter().map(Error::Plan));
        Ok((prepared, problems))
    }

    fn place_cgroup(
        &mut self,
        store: &Store,
        id: &str,
        systemd: bool,
        rootless: bool,
        problems: &mut Vec<Error>,
    ) {
        let Some(host) = self.cgroup_host else {
            return;
        };
        let driver = match systemd {
            true => cgroups::Driver::Systemd { user: rootless },
            false => cgroups::Driver::Direct,
        };
        let in_session = (driver == cgroups::Driver::Systemd { user: true })
            .then(|| host.clone().with_session(store.environment().session()));
        let host = in_session.as_ref().unwrap_or(host);
        let linux = self.spec.linux.as_ref();
        let path = linux.and_then(|linux| linux.cgroups_path.as_deref());
        let unasked = !systemd && path.is_none_or(str::is_empty);
        let place = cgroups::Place::resolve(host, driver, path, id, rootless)
            .and_then(|mut place| place.note_missing().map(|()| place));
        let place = match place {
            Ok(place) => place,
            Err(error) => return problems.push(error.into()),
        };
        let none = LinuxResources::default();
        let resources = linux
            .and_then(|linux| linux.resources.as_ref())
            .unwrap_or(&none);
        let version = self.spec.oci_version.as_deref().unwrap_or(spec::VERSION);
        let resources = &as_of(version, resources);
        let (mut settings, mut mistakes) = cgroups::validate(resources, &place);
        if systemd {
            mistakes.extend(settings.annotate(&self.spec.annotations).err());
        }
        problems.extend(mistakes.into_iter().map(|mistake| {
            Error::Plan(PlanError {
                at: mistake.at,
                why: plan::Why::Invalid(mistake.why),
            })
        }));
        if rootless && unasked && settings.is_empty() && host.version() != cgroups::Version::V2 {
            // Hierarchies of v1 cannot be delegated safely, so an ordinary user's container without limits stays where its
            // caller is.
            return;
        }
        self.settings = settings;
        self.place = Some(place);
    }

    fn find_resctrl(&mut self, store: &Store, problems: &mut Vec<Error>) {
        let requested = self
            .plan
            .entries
            .iter()
            .find_map(|entry| match &entry.step {
                Step::Runtime(RuntimeStep::MakeResctrlGroup(requested)) => Some(requested),
                _ => None,
            });
        match requested.map(|requested| resctrl::Group::find(requested, store.environment())) {
            None => {}
            Some(Ok(group)) => self.resctrl = Some(group),
            Some(Err(error)) => problems.push(error),
        }
    }

    /// Where the container's cgroup is in each hierarchy, for mounts of type cgroup.
    fn add_hierarchies(&self, facts: &mut HostFacts) {
        let Some(host) = self.cgroup_host else {
            return;
        };
        let Some(place) = &self.place else {
            facts.hierarchies = host.hierarchies().iter().map(as_mounted).collect();
            return;
        };
        let unified = host.version() == cgroups::Version::V2;
        facts.hierarchies = place
            .mounts(host)
            .map(|mount| Hierarchy {
                // On a hybrid host, too, v2 has no controller of ours and no name.
                name: match mount.mount.file_name() {
                    Some(name) if !unified && !mount.controllers.is_empty() => {
                        name.to_string_lossy().into_owned()
                    }
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
        root: String,
        options: &CreateOptions,
    ) -> Creation {
        let direct = self
            .place
            .as_ref()
            .is_some_and(|place| place.driver() == cgroups::Driver::Direct);
        let unified = self
            .cgroup_host
            .as_ref()
            .is_some_and(|host| host.version() == cgroups::Version::V2);
        Creation {
            id: id.to_owned(),
            root,
            bundle: bundle.directory().to_string_lossy().into_owned(),
            relays_terminal: options.relays_terminal
                || options.console.as_ref().is_some_and(Console::relays),
            no_pivot: options.no_pivot,
            no_new_keyring: options.no_new_keyring,
            has_cgroup: self.place.is_some(),
            cloned_into_cgroup: direct && unified,
            preserve_fds: options.preserve_fds,
            listen_fds: options.listen_fds,
        }
    }

    /// The step at which the container waits for `start`.
    pub(super) fn fence(&self) -> Result<u32, Error> {
        let is_fence = |step: &Step| matches!(step, Step::Child(ChildStep::AwaitStart(_)));
        let mut entries = self.plan.entries.iter();
        match entries.position(|entry| is_fence(&entry.step)) {
            Some(index) => Ok(index as u32),
            None => Err(Error::invalid(
                "the plan has no place to wait for start",
                Path::new(&self.creation.bundle),
            )),
        }
    }

    /// Whether nobody has anything to do between the set-up and the program.
    pub(super) fn goes_on(&self, bundle: &Bundle, options: &CreateOptions) -> bool {
        let filter = self
            .spec
            .linux
            .iter()
            .flat_map(|linux| &linux.seccomp)
            .next();
        let tells_agent = filter.is_some_and(|filter| filter.listener_path.is_some());
        let tells_caller = options.pid_file.is_some()
            || options.pidfd_socket.is_some()
            || options.notify_socket.is_some();
        let has_hooks = self.spec.hooks.is_some();
        let is_confirmed = bundle.root().is_some();
        !(tells_agent || tells_caller || has_hooks || is_confirmed || self.settings.restricts())
    }

    pub(super) fn record(&self) -> Result<Record, Error> {
        let spec = self.spec;
        let paths = self.place.iter().flat_map(cgroups::Place::paths);
        let namespaces = Namespaces::read(spec, &self.host)?;
        let failed = |fault| Error::call("see which boot of the machine this is", fault);
        Ok(Record {
            id: self.creation.id.clone(),
            boot: observe::boot().map_err(failed)?.to_owned(),
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
            namespaces: namespaces.named(),
            owns_pids: namespaces.new & NEWPID != 0,
            set_groups: plan::sets_groups(spec, &self.host, &namespaces),
            resctrl: self.resctrl.clone(),
            has_process: spec.process.is_some(),
            has_hooks: spec.hooks.is_some(),
            fence: self.fence()?,
            poststop: spec
                .hooks
                .iter()
                .flat_map(|hooks| &hooks.poststop)
                .map(PoststopHook::of)
                .collect(),
            // Which process it is will be known later.
            ..Record::default()
        })
    }

    pub(super) fn id(&self) -> &str {
        &self.creation.id
    }

    pub(super) fn hooks<'s>(&'s self, store: &'s Store) -> Result<HookState<'s>, Error> {
        Ok(HookState {
            store,
            spec: self.spec,
            id: &self.creation.id,
            bundle: &self.creation.bundle,
            root: &self.creation.root,
            status: "creating",
            namespaces: Namespaces::read(self.spec, &self.host)?.all(),
            // Only who joins a container later asks.
            set_groups: false,
            resctrl: None,
            init: None,
            folder: None,
        })
    }
}

/// A whole hierarchy, for a container without a group in it.
fn as_mounted(hierarchy: &cgroups::Hierarchy) -> Hierarchy {
    let name = hierarchy.mount.file_name().unwrap_or_default();
    Hierarchy {
        name: match hierarchy.is_unified() {
            true => String::new(),
            false => name.to_string_lossy().into_owned(),
        },
        path: hierarchy.mount.to_string_lossy().into_owned(),
        links: hierarchy.links().map(str::to_owned).collect(),
    }
}

/// The root directory as an absolute path; it must exist.
fn root_directory(spec: &Spec<'_>, bundle: &Bundle) -> Result<String, Error> {
    argument::absolute("bundle", bundle.directory())?;
    let at = ConfigPath::of("root.path");
    let missing = || PlanError {
        at: ConfigPath::of("root"),
        why: plan::Why::Missing,
    };
    let given = &spec.root.as_ref().ok_or_else(missing)?.path;
    if let Some(root) = bundle.root() {
        return opened_root(root);
    }
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
    let resolved = without_links(&path).map_err(|error| {
        let text = error.raw_os_error().map_or_else(
            || error.to_string(),
            |number| kernel::Errno(number).text().to_owned(),
        );
        failed(format!("{}: {text}", path.display()))
    })?;
    let metadata =
        std::fs::metadata(&resolved).map_err(|error| Error::file("look at", &resolved, error))?;
    if !metadata.is_dir() {
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

/// The path that an open root directory has at the moment.
#[expect(
    clippy::disallowed_methods,
    reason = "what cannot be looked at is refused"
)]
fn opened_root(root: BorrowedFd<'_>) -> Result<String, Error> {
    let link = format!("/proc/self/fd/{}", root.as_raw_fd());
    let path = std::fs::read_link(&link)
        .map_err(|error| Error::file("look at", Path::new(&link), error))?;
    let is_it = |found: &Identity| identity_at(&link).is_ok_and(|own| own == *found);
    let wrong = match identity_at(&path) {
        _ if path == Path::new("/") => "the host's root cannot be a container's",
        Ok(found) if is_it(&found) => "",
        _ => "has no path any more",
    };
    if !wrong.is_empty() {
        return Err(Error::argument("root", wrong));
    }
    if !std::fs::metadata(&link).is_ok_and(|metadata| metadata.is_dir()) {
        return Err(Error::argument("root", "is not a directory"));
    }
    let path = path.into_os_string().into_string();
    path.map_err(|_| Error::argument("root", "its path is not UTF-8"))
}

/// Device and inode number.
pub(super) type Identity = (u64, u64);

/// Of what this path leads to.
pub(super) fn identity_at(path: impl AsRef<Path>) -> Result<Identity, Error> {
    let path = path.as_ref();
    let metadata = std::fs::metadata(path).map_err(|error| Error::file("look at", path, error))?;
    Ok((metadata.dev(), metadata.ino()))
}

/// The plan that `create` would walk, without touching anything: for people and for tests.
///
/// # Errors
/// As [`crate::Container::create`] before it does anything.
pub fn plan_of(
    store: &Store,
    bundle: &Bundle,
    id: &str,
    options: &CreateOptions,
) -> Result<Plan, Error> {
    let spec = bundle.spec()?;
    Prepared::new(store, id, bundle, &spec, options).map(|prepared| prepared.plan)
}

/// What comes of a config, for those who only ask.
pub(crate) struct Judged {
    /// All that stands in the way.
    pub(crate) problems: Vec<Error>,
    /// The plan; with problems it has gaps.
    pub(crate) plan: Plan,
    pub(crate) host: HostFacts,
    /// The root directory, empty when there is none.
    pub(crate) root: String,
}

/// Judges a bundle whose config has been parsed, without touching anything.
pub(crate) fn validate(
    store: &Store,
    bundle: &Bundle,
    spec: &Spec<'_>,
    options: &CreateOptions,
) -> Result<Judged, Error> {
    let (prepared, problems) = Prepared::validate(store, "check", bundle, spec, options)?;
    Ok(Judged {
        problems,
        plan: prepared.plan,
        host: prepared.host,
        root: prepared.creation.root,
    })
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
