//! `restore`: a container comes back from disk, with CRIU.

use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use init::Report;
use kernel::file::{self, open};
use kernel::namespace::flags::{NEWNET, NEWTIME};
use kernel::process::{self, Started};
use kernel::{BorrowedFd, Call, Errno, Fault, Fd, socket};
use spec::ConfigPath;

use super::checkpoint::{
    CgroupMode, LEAST_VERSION, STREAMS, config_file, directory, judge_version, make,
};
use super::create::{clean_up, this_process};
use super::prepare::{CreateOptions, Prepared};
use super::{Locked, pid_file};
use crate::bundle::Bundle;
use crate::criu::{self, Event, External, Options, Request, Session};
use crate::foreground::{self, Terminal, Waiting};
use crate::perform::{Console, HookState, Inside, Network, WayIn, own, run_hooks};
use crate::plan::{HookKind, PlanError, RuntimeStep, Step, Why};
use crate::state::{Held, Record, Store, observe};
use crate::{Error, notify};

/// How a container is restored.
#[derive(Clone, Debug, Default)]
pub struct RestoreOptions {
    /// The directory of the images.
    pub image_path: PathBuf,
    /// The directory of CRIU's logs; unset: the images'.
    pub work_path: Option<PathBuf>,
    /// Bring open TCP connections back.
    pub tcp_established: bool,
    /// Bring unix sockets back that were connected to the outside.
    pub ext_unix_sk: bool,
    /// Bring processes back that belonged to a session or a terminal outside.
    pub shell_job: bool,
    /// Bring locks on files back.
    pub file_locks: bool,
    /// Memory is asked for later, from a server of pages.
    pub lazy_pages: bool,
    /// Free in the images what has been restored.
    pub auto_dedup: bool,
    /// What becomes of cgroups.
    pub cgroups: CgroupMode,
    /// `TYPE:NAME` of a security module's profile instead of the one of the dump.
    pub lsm_profile: Option<String>,
    /// SELinux context of mounts instead of the one of the dump.
    pub lsm_mount_context: Option<String>,
    /// The socket that gets the terminal.
    pub console_socket: Option<PathBuf>,
    /// A file that gets the number of the container's process.
    pub pid_file: Option<PathBuf>,
    /// Return when it runs, instead of when it has ended.
    pub detach: bool,
    /// Do not become the reaper of the container's orphans.
    pub no_subreaper: bool,
    /// Have systemd make the cgroup.
    pub systemd_cgroup: bool,
    /// Whether to do without privileges; unset: as the caller's privileges are.
    pub rootless: Option<bool>,
}

/// Brings a container back from the images of a checkpoint; unless it is detached, passes signals and the terminal through,
/// waits for its end and deletes it. The answer is its status as a shell shows it. (criu(8))
///
/// # Errors
/// As [`crate::Container::create`]; criu is missing or fails. Nothing is left behind then.
pub fn restore(
    store: &Store,
    id: &str,
    bundle: &Bundle,
    options: &RestoreOptions,
) -> Result<i32, Error> {
    let spec = bundle.spec()?;
    let process = spec.process.as_ref();
    let wants_terminal = process.is_some_and(|process| process.terminal);
    let socket = options.console_socket.as_deref();
    foreground::judge_terminal(wants_terminal, options.detach, socket.is_some())?;
    let (console, terminal) = Terminal::prepare(wants_terminal, socket)?;
    if !options.detach && !options.no_subreaper {
        kernel::identity::set_child_subreaper(true)
            .map_err(|fault| own("become a subreaper", fault))?;
    }
    let create = CreateOptions {
        systemd_cgroup: options.systemd_cgroup,
        rootless: options.rootless,
        ..CreateOptions::default()
    };
    let prepared = Prepared::new(id, bundle, &spec, &create)?;
    for (at, text) in &prepared.plan.warnings {
        log::warn!("{at}: {text}");
    }
    let mut record = prepared.record()?;
    // CRIU gives the clocks back as they were, which takes a namespace for them.
    record.namespaces |= NEWTIME;
    if !options.detach {
        record.waiter = Some(this_process()?);
    }
    let streams = streams(&options.image_path)?;
    let folder = store.make(id)?;
    let mut restoration = Restoration {
        prepared: &prepared,
        spec: &spec,
        folder: &folder,
        options,
        console,
        record,
        network: Network::default(),
        has_group: false,
        child: None,
    };
    let child = match restoration.perform(bundle, &streams) {
        Ok(child) => child,
        Err(error) => {
            restoration.undo();
            let record = restoration.record;
            clean_up(&prepared, folder, &record, &error);
            return Err(error);
        }
    };
    let record = restoration.record;
    let container = Locked { folder, record }.unlock();
    if options.detach {
        return Ok(0);
    }
    let status = Waiting::begin()?.wait(&child, terminal, None);
    match container.lock() {
        Ok(locked) => locked.discard(),
        // Somebody else has deleted it.
        Err(error) if error.is_not_found() => {}
        Err(error) => log::warn!("{error}"),
    }
    status
}

/// A restore at work.
struct Restoration<'a> {
    prepared: &'a Prepared<'a>,
    spec: &'a spec::Spec<'a>,
    folder: &'a Held,
    options: &'a RestoreOptions,
    console: Console,
    record: Record,
    network: Network,
    /// Its cgroup has been made: who is in there is ours.
    has_group: bool,
    child: Option<Started>,
}

impl<'a> Restoration<'a> {
    fn perform(&mut self, bundle: &Bundle, streams: &[String]) -> Result<Started, Error> {
        let options = self.options;
        let stored = self.folder.store(&self.record)?;
        self.folder.keep_config(bundle.text())?;
        let report = self.folder.make_report()?;
        self.folder.make_notify_directory()?;
        let root = self.folder.make_criu_root()?;
        let root_text = root.to_string_lossy().into_owned();
        let (mut request, opened) = self.request(&root_text)?;
        request.inherit_fd.extend(criu::pipes(streams));

        let mut group = match &self.prepared.place {
            Some(place) => Some(cgroups::Group::create(place, &self.prepared.settings)?),
            None => None,
        };
        self.has_group = group.is_some();
        for entry in &self.prepared.plan.entries {
            if let Step::Runtime(RuntimeStep::MakeResctrlGroup(wanted)) = &entry.step
                && let Some(group) = &self.prepared.resctrl
            {
                group.make(wanted)?;
            }
        }
        let (plan, rootfs) = (&self.prepared.plan, Path::new(&self.record.rootfs));
        let entry = group.as_ref().and_then(cgroups::Group::entry);
        let entry = entry.map(BorrowedFd::from);
        let keep: Vec<BorrowedFd<'_>> = opened.iter().map(Fd::borrow).collect();
        let logs = options.work_path.as_ref().unwrap_or(&options.image_path);
        make(logs)?;
        // CRIU mounts in these directories, which it can only in those of its own mount namespace.
        let (mut session, images, work) = criu::in_own_mounts(|| {
            criu::make_root(plan, rootfs, &root)?;
            criu::take_on(plan)?;
            let (images, work) = (directory(&options.image_path)?, directory(logs)?);
            Ok((Session::start(&keep, entry)?, images, work))
        })?;
        request.images_dir_fd = images.raw();
        request.work_dir_fd = Some(work.raw());
        let in_unified = entry.is_some();
        if let Some(group) = &mut group {
            match in_unified {
                true => group.place_rest(session.pid())?,
                false => group.place(session.pid())?,
            }
            request.cg_root = memberships(session.pid())?;
        }
        if let Some(group) = &self.prepared.resctrl {
            group.place(session.pid())?;
        }
        let version = session.version()?;
        judge_version(version, LEAST_VERSION, "restore")?;
        for (flag, value) in [
            ("--lsm-profile", &options.lsm_profile),
            ("--lsm-mount-context", &options.lsm_mount_context),
        ] {
            if value.is_some() {
                judge_version(version, 31_600, flag)?;
            }
        }
        session.logs_to(logs.join("restore.log"));
        session.perform(Request::Restore, &request, &mut |event| {
            self.attend(event, &stored, &report)
        })?;
        self.folder.remove_criu_root()?;
        let missing = || Error::Criu {
            text: "criu has not said which process it has restored".to_owned(),
            log: None,
        };
        let pid = self.child.as_ref().ok_or_else(missing)?.pid;
        if let Some(group) = group {
            self.delegate(&group, pid)?;
            group.restrict(&self.prepared.settings)?;
        }
        let child = self.child.take().ok_or_else(missing)?;
        match &options.pid_file {
            Some(path) => match pid_file::write(path, child.pid) {
                Ok(()) => Ok(child),
                Err(error) => {
                    self.child = Some(child);
                    Err(error)
                }
            },
            None => Ok(child),
        }
    }

    /// Gives the cgroup to whom the plan gives it.
    fn delegate(&self, group: &cgroups::Group, pid: i32) -> Result<(), Error> {
        for entry in &self.prepared.plan.entries {
            if let Step::Runtime(RuntimeStep::DelegateCgroup { user, outside }) = &entry.step {
                let owner = match outside {
                    Some(id) => Some(*id),
                    None => crate::perform::outside(pid, *user)?,
                };
                if let Some(owner) = owner {
                    group.delegate(owner)?;
                }
            }
        }
        Ok(())
    }

    /// What CRIU is asked for, and the descriptors that it is to have.
    fn request<'r>(&self, root: &'r str) -> Result<(Options<'r>, Vec<Fd>), Error>
    where
        'a: 'r,
    {
        let options = self.options;
        let mut request = Options {
            evasive_devices: true,
            rst_sibling: true,
            ext_unix_sk: options.ext_unix_sk,
            tcp_established: options.tcp_established,
            shell_job: options.shell_job,
            file_locks: options.file_locks,
            auto_dedup: options.auto_dedup,
            lazy_pages: options.lazy_pages,
            log_file: "restore.log",
            root,
            manage_cgroups_mode: options.cgroups as i32,
            empty_ns: NEWNET,
            config_file: config_file(&self.record.annotations),
            lsm_profile: options.lsm_profile.as_deref(),
            lsm_mount_context: options.lsm_mount_context.as_deref(),
            ..Options::default()
        };
        let mut opened = Vec::new();
        for namespace in criu::namespaces(self.spec) {
            let at = ConfigPath::of("linux.namespaces").index(namespace.index);
            match namespace.key() {
                Some(key) => {
                    let fd = open_namespace(Path::new(&namespace.file))?;
                    request.inherit_fd.push((key.to_owned(), fd.raw()));
                    opened.push(fd);
                }
                None if namespace.kind == "cgroup" => {
                    let why = "a cgroup namespace that is joined cannot be restored";
                    let why = Why::Unsupported(why.to_owned());
                    return Err(PlanError { at, why }.into());
                }
                None => request.join_ns.push((namespace.kind, namespace.file)),
            }
        }
        request.ext_mnt = criu::outside(&self.prepared.plan);
        let own = [
            (notify::INSIDE.to_owned(), self.folder.notify_directory()),
            // Images of runc's name what it puts over masked files.
            ("/dev/null".to_owned(), PathBuf::from("/dev/null")),
        ];
        for (key, path) in own {
            if request.ext_mnt.iter().all(|mount| mount.key != key) {
                let value = path.to_string_lossy().into_owned();
                request.ext_mnt.push(External { key, value });
            }
        }
        Ok((request, opened))
    }

    /// Takes part in the restore where CRIU asks for it.
    fn attend(
        &mut self,
        event: Event,
        stored: &crate::state::Stored,
        report: &Fd,
    ) -> Result<(), Error> {
        match event.script.as_str() {
            "setup-namespaces" => {
                self.network.fill(&self.prepared.plan, event.pid)?;
                let state = HookState {
                    folder: Some(self.folder),
                    ..self.prepared.hooks()?
                };
                let pidfd = process::open(event.pid)
                    .map_err(|fault| own("see which process the container is", fault))?;
                let inside = Inside {
                    way: WayIn {
                        pid: event.pid,
                        pidfd: &pidfd,
                        shared: &[],
                    },
                    // These hooks are the caller's.
                    seat: &|| Ok(None),
                };
                for kind in [HookKind::Prestart, HookKind::CreateRuntime] {
                    run_hooks(&state, kind, Some(&inside), &self.prepared.host)?;
                }
                Ok(())
            }
            "orphan-pts-master" => {
                let missing = Fault::found(Call::Recvmsg, Errno::EBADMSG);
                let master = event.fd.ok_or(missing);
                let sent = master.and_then(|master| self.hand_on(&master));
                sent.map_err(|fault| own("hand the terminal on", fault))
            }
            "post-restore" => {
                let failed = |fault| own("see which process the container is", fault);
                let pidfd = process::open(event.pid).map_err(failed)?;
                let identity = observe::identity_of(event.pid, &pidfd).map_err(failed)?;
                let gone = Fault::found(Call::PidfdOpen, Errno::ESRCH);
                self.record.pid = event.pid;
                self.record.identity = identity.ok_or_else(|| failed(gone))?;
                stored.identify(self.record.pid, self.record.identity)?;
                // As init leaves it: past the fence, in the program.
                let page = Report::map(report.borrow(), false)
                    .map_err(|fault| own("map the report page", fault))?;
                page.enter(self.record.fence + 1);
                self.child = Some(Started {
                    pid: event.pid,
                    pidfd,
                });
                Ok(())
            }
            _ => Ok(()),
        }
    }

    fn hand_on(&self, master: &Fd) -> kernel::Result<()> {
        let connected;
        let socket = match &self.console {
            Console::None => return Ok(()),
            Console::Connected(fd) => fd,
            Console::Socket(path) => {
                connected = socket::connect(path.as_os_str().as_bytes())?;
                &connected
            }
        };
        let name = b"orphan-pts-master";
        socket::send(socket.borrow(), name, &[master.borrow()]).map(drop)
    }

    /// Ends what has been restored so far.
    fn undo(&mut self) {
        self.network.undo();
        let ended = (|| {
            if let Some(child) = &self.child {
                super::kill::end(&child.pidfd)?;
            }
            let place = self.prepared.place.as_ref().filter(|_| self.has_group);
            let Some(group) = place.map(cgroups::Group::open).transpose()? else {
                return Ok(());
            };
            // Its first process may be our child, which waits for others, and for being reaped.
            for pid in group.processes()?.into_iter().rev() {
                match process::open(pid) {
                    Ok(pidfd) => drop(super::kill::end(&pidfd)?),
                    Err(fault) => log::debug!("process {pid}: {fault}"),
                }
            }
            Ok::<(), Error>(())
        })();
        if let Err(error) = ended {
            log::warn!("{error}");
        }
    }
}

fn open_namespace(path: &Path) -> Result<Fd, Error> {
    let failed = |fault: Fault| Error::file("open namespace", path, fault.into());
    let name = std::ffi::CString::new(path.as_os_str().as_bytes())
        .map_err(|_| Error::invalid("contains a NUL byte", path))?;
    let fd = file::open_at(file::HERE, &name, open::RDONLY, 0).map_err(failed)?;
    // CRIU has its standard streams at the numbers below.
    match kernel::Stream::has(fd.raw()) {
        true => file::duplicate_above(fd.borrow(), 3).map_err(failed),
        false => Ok(fd),
    }
}

/// What the standard streams were.
fn streams(images: &Path) -> Result<Vec<String>, Error> {
    let path = images.join(STREAMS);
    let text = std::fs::read(&path).map_err(|error| Error::file("read", &path, error))?;
    serde_json::from_slice(&text).map_err(|error| Error::invalid(&error.to_string(), &path))
}

/// Where a process is in each hierarchy: controllers and path.
fn memberships(pid: i32) -> Result<Vec<(String, String)>, Error> {
    let path = PathBuf::from(format!("/proc/{pid}/cgroup"));
    let text = std::fs::read_to_string(&path).map_err(|error| Error::file("read", &path, error))?;
    let entry = |line: &str| {
        let (_, rest) = line.split_once(':')?;
        let (controllers, path) = rest.split_once(':')?;
        Some((controllers.to_owned(), path.to_owned()))
    };
    Ok(text.lines().filter_map(entry).collect())
}
