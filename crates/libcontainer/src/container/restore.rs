//! `restore`: a container comes back from disk, with CRIU.

use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use init::Report;
use kernel::file::{self, open};
use kernel::namespace::flags::{NEWNET, NEWTIME};
use kernel::process::{self, PollFd, Started, signals};
use kernel::{BorrowedFd, Call, Errno, Fault, Fd, Stream, socket};
use spec::{ConfigPath, Spec};

use super::checkpoint::{
    CgroupMode, LEAST_VERSION, STREAMS, config_file, directory, make, require_version, warn_of,
};
use super::create::{Created, clean_up, this_process};
use super::prepare::{CreateOptions, Prepared};
use super::{Container, Locked, pid_file};
use crate::bundle::Bundle;
use crate::criu::{self, Event, External, Manner, Options, Request, Session};
use crate::own_mounts::in_own_mounts;
use crate::perform::{Console as Way, HookState, Inside, Network, WayIn, own, run_hooks};
use crate::plan::{HookKind, IdMaps, PlanError, RuntimeStep, Step, Why};
use crate::process::Process;
use crate::state::{Held, Record, Store, observe};
use crate::streams::{Ends, Streams};
use crate::terminal::{Console, Expected, Terminal};
use crate::{Error, argument, notify};

/// How a container is restored.
#[derive(Debug, Default)]
#[non_exhaustive]
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
    /// What takes the places of its standard streams that were pipes, or files and FIFOs outside of its mounts.
    pub streams: Streams,
    /// Where its terminal goes; needed if the config says that it has one.
    pub console: Option<Console>,
    /// A file that gets the number of the container's process.
    pub pid_file: Option<PathBuf>,
    /// Have systemd make the cgroup.
    pub systemd_cgroup: bool,
    /// Whether to do without privileges; unset: as the caller's privileges are.
    pub rootless: Option<bool>,
    /// As [`CreateOptions::attended`].
    pub attended: bool,
}

impl Container {
    /// Brings a container back from the images of a checkpoint: it runs. (criu(8))
    ///
    /// # Errors
    /// As [`Container::create`]; criu is missing or fails. Nothing is left behind then.
    pub fn restore(
        store: &Store,
        id: &str,
        bundle: &Bundle,
        mut options: RestoreOptions,
    ) -> Result<Created, Error> {
        argument::id(id)?;
        argument::path("image_path", &options.image_path)?;
        argument::paths([
            ("work_path", &options.work_path),
            ("pid_file", &options.pid_file),
        ])?;
        let mut spec = bundle.spec()?;
        let (console, expected) = Console::open(options.console.take(), spec.process.as_mut())?;
        let has_terminal = !matches!(console, Way::None);
        let ends = std::mem::take(&mut options.streams).open(has_terminal)?;
        let create = CreateOptions {
            systemd_cgroup: options.systemd_cgroup,
            rootless: options.rootless,
            ..CreateOptions::default()
        };
        let prepared = Prepared::new(store, id, bundle, &spec, &create)?;
        for (at, text) in &prepared.plan.warnings {
            store.warnings().warn_at(id, at, text);
        }
        let mut record = prepared.record()?;
        // CRIU gives the clocks back as they were, which takes a namespace for them.
        record.namespaces |= NEWTIME;
        if options.attended {
            record.waiter = Some(this_process()?);
        }
        let streams = streams(&options.image_path)?;
        judge_passage(&options.image_path, &spec)?;
        let folder = store.make(id)?;
        let mut restoration = Restoration {
            prepared: &prepared,
            spec: &spec,
            folder: &folder,
            options: &options,
            console,
            record,
            network: Network::default(),
            has_begun: false,
            has_group: false,
            child: None,
        };
        let restored = restoration
            .perform(bundle, &streams, &ends)
            .and_then(|()| restoration.finish(expected));
        match restored {
            Ok(terminal) => {
                let Restoration { record, child, .. } = restoration;
                let child = child.ok_or_else(unknown)?;
                let process = Process::started(child, record.identity, true);
                Ok(Created {
                    container: Locked { folder, record }.unlock(),
                    process: process.with(ends, terminal),
                    readiness: None,
                })
            }
            Err(error) => {
                warn_of(&folder, &error);
                restoration.undo();
                let (record, has_begun) = (restoration.record, restoration.has_begun);
                clean_up(&prepared, folder, &record, has_begun, &error);
                Err(error)
            }
        }
    }
}

fn unknown() -> Error {
    Error::criu("criu has not said which process it has restored")
}

/// A restore at work.
struct Restoration<'a> {
    prepared: &'a Prepared<'a>,
    spec: &'a spec::Spec<'a>,
    folder: &'a Held,
    options: &'a RestoreOptions,
    console: Way,
    record: Record,
    network: Network,
    /// There may be something of its cgroup.
    has_begun: bool,
    /// Its cgroup has been made: who is in there is ours.
    has_group: bool,
    child: Option<Started>,
}

impl<'a> Restoration<'a> {
    fn perform(&mut self, bundle: &Bundle, streams: &[String], ends: &Ends) -> Result<(), Error> {
        let options = self.options;
        let stored = self.folder.keep_record(&self.record)?;
        self.folder.keep_config(bundle.text())?;
        let report = self.folder.make_report()?;
        self.folder.make_notify_directory()?;
        let root = self.folder.make_criu_root()?;
        let root_text = root.to_string_lossy().into_owned();
        let (mut request, mut opened) = self.request(&root_text)?;
        give_streams(streams, ends, &mut request, &mut opened)?;

        self.has_begun = true;
        let mut group = match &self.prepared.place {
            Some(place) => Some(cgroups::Group::create(place, &self.prepared.settings)?),
            None => None,
        };
        self.has_group = group.is_some();
        for entry in &self.prepared.plan.entries {
            if let Step::Runtime(RuntimeStep::MakeResctrlGroup(requested)) = &entry.step
                && let Some(group) = &self.prepared.resctrl
            {
                group.make(requested)?;
            }
        }
        let (plan, rootfs) = (&self.prepared.plan, Path::new(&self.record.rootfs));
        let entry = group.as_ref().and_then(cgroups::Group::entry);
        let manner = Manner {
            keep: opened.iter().map(Fd::borrow).collect(),
            standard: ends.theirs(),
            cgroup: entry.map(BorrowedFd::from),
        };
        let environment = self.folder.store().environment();
        let logs = options.work_path.as_ref().unwrap_or(&options.image_path);
        make(logs, false)?;
        // CRIU mounts in these directories, which it can only in those of its own mount namespace.
        let (mut session, images, work) = in_own_mounts(|| {
            criu::make_root(plan, rootfs, &root)?;
            criu::take_on(plan)?;
            let (images, work) = (directory(&options.image_path)?, directory(logs)?);
            Ok((Session::start(environment, &manner)?, images, work))
        })?;
        request.images_dir_fd = images.raw();
        request.work_dir_fd = Some(work.raw());
        let in_unified = manner.cgroup.is_some();
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
        require_version(version, LEAST_VERSION, "restore")?;
        for (flag, value) in [
            ("--lsm-profile", &options.lsm_profile),
            ("--lsm-mount-context", &options.lsm_mount_context),
        ] {
            if value.is_some() {
                require_version(version, 31_600, flag)?;
            }
        }
        session.logs_to(logs.join("restore.log"));
        session.perform(Request::Restore, &request, &mut |event| {
            self.attend(event, &stored, &report)
        })?;
        self.folder.remove_criu_root()?;
        let pid = self.child.as_ref().ok_or_else(unknown)?.pid;
        if let Some(group) = group {
            self.delegate(&group, pid)?;
            group.restrict(&self.prepared.settings)?;
            self.folder.warn_at(&group.take_warnings());
        }
        Ok(())
    }

    /// What comes last: the terminal, which has been sent by now, and the pid file, whose existence tells that all is done.
    fn finish(&self, expected: Option<Expected>) -> Result<Option<Terminal>, Error> {
        let terminal = expected.map(Expected::receive).transpose()?;
        if let (Some(path), Some(child)) = (&self.options.pid_file, &self.child) {
            pid_file::write(path, child.pid)?;
        }
        Ok(terminal)
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
                    ..self.prepared.hooks(self.folder.store())?
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
            Way::None => return Ok(()),
            Way::Connected(fd) => fd,
            Way::Socket(path) => {
                connected = crate::perform::connect(path.as_os_str().as_bytes())?;
                &connected
            }
        };
        let name = b"orphan-pts-master";
        socket::send(socket.borrow(), name, &[master.borrow()]).map(drop)
    }

    /// Ends what has been restored so far.
    fn undo(&mut self) {
        self.network.undo();
        let place = self.prepared.place.as_ref().filter(|_| self.has_group);
        let group = place.map(cgroups::Group::open).transpose();
        let others =
            group.and_then(|group| group.map_or(Ok(Vec::new()), |group| group.processes()));
        let others = match others {
            Ok(others) => others,
            Err(error) => {
                self.folder.warn(error);
                Vec::new()
            }
        };
        // The first process may be our child, which waits for the others, and for being reaped.
        let child = self.child.as_ref().map(|child| child.pid);
        for pid in others.into_iter().rev().chain(child) {
            if let Err(fault) = end(pid) {
                log::debug!("process {pid}: {fault}");
            }
        }
    }
}

/// Ends a process of the container, and takes note of its end if it is ours.
fn end(pid: i32) -> kernel::Result<()> {
    const PATIENCE: u64 = 10_000_000_000;
    let pidfd = process::open(pid)?;
    process::signal(pidfd.borrow(), signals::KILL)?;
    let mut watch = [PollFd::new(pidfd.borrow(), PollFd::IN)];
    process::poll(&mut watch, Some(PATIENCE))?;
    match process::wait(pidfd.borrow(), true) {
        Err(fault) if fault.is(Errno::ECHILD) => Ok(()),
        answer => answer.map(drop),
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

/// In a user namespace CRIU looks for images as its root, who is nobody outside.
fn judge_passage(images: &Path, spec: &Spec<'_>) -> Result<(), Error> {
    use std::os::unix::fs::MetadataExt;
    let mappings = spec.linux.as_ref().map(|linux| &linux.uid_mappings);
    let Some(root) = mappings.and_then(|mappings| IdMaps::outside(mappings, 0)) else {
        return Ok(());
    };
    let found = std::fs::metadata(images).map_err(|error| Error::file("look at", images, error))?;
    let bit = match found.uid() == root {
        true => 0o100,
        false => 0o001,
    };
    if root == 0 || found.mode() & bit != 0 {
        return Ok(());
    }
    let why = format!(
        "root of the container's user namespace, user {root} here, has to find the images: chmod o+x"
    );
    Err(Error::invalid(&why, images))
}

/// Has CRIU take our standard streams for those that were from outside: the first name is that of the stream itself.
fn give_streams(
    streams: &[String],
    ends: &Ends,
    request: &mut Options<'_>,
    opened: &mut Vec<Fd>,
) -> Result<(), Error> {
    for ((was, stream), theirs) in streams.iter().zip(Stream::all()).zip(ends.theirs()) {
        for (index, name) in criu::names_of(was).into_iter().enumerate() {
            let mut number = stream.borrow().raw();
            if index > 0 {
                let end = theirs.unwrap_or(stream.borrow());
                let copy = file::duplicate_above(end, 3)
                    .map_err(|fault| own("copy a standard stream", fault))?;
                number = copy.raw();
                opened.push(copy);
            }
            request.inherit_fd.push((name.to_owned(), number));
        }
    }
    Ok(())
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
