//! One container's folder: its files, and the lock that whoever changes something must hold.

use std::ffi::{CStr, OsStr};
use std::ops::Deref;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use kernel::file::{self, open};
use kernel::process::Started;
use kernel::{Call, Errno, Fault, Fd};
use spec::ConfigPath;

use super::observe::{identity_of, is_of_this_boot, start_time};
use super::store::c_path;
use super::{Record, Store, runc, time};
use crate::Error;
use crate::notify;

const RECORD: &CStr = c"state.json";
pub(super) const CONFIG: &CStr = c"config.json";
pub(super) const REPORT: &CStr = c"report";
pub(super) const FENCE: &CStr = c"exec.fifo";

/// The hook that was run last.
pub(super) const HOOK: &CStr = c"hook";

/// The directory in which the container finds a socket, and that.
const NOTIFY: &CStr = c"notify";
const NOTIFY_SOCKET: &CStr = c"notify/notify.sock";

/// Where criu(8) sees the container's root directory.
const CRIU_ROOT: &CStr = c"criu-root";

/// In the order in which they are removed. The record last: a crash in between leaves what can be deleted again.
const OURS: [&CStr; 5] = [HOOK, FENCE, REPORT, CONFIG, RECORD];

/// A FIFO of that name, in a directory that is not ours, is not waited for.
const TO_READ: u64 = open::RDONLY | open::NOFOLLOW | open::NONBLOCK;

/// A container's folder, to look at.
#[derive(Clone, Debug)]
pub(crate) struct Folder {
    id: String,
    path: PathBuf,
    directory: Arc<Fd>,
    /// The store's directory.
    parent: Arc<Fd>,
    store: Store,
}

impl Folder {
    /// Opens the folder of this name in a store's directory.
    pub(super) fn open(store: &Store, parent: &Arc<Fd>, id: &str) -> Result<Folder, Error> {
        let path = store.root().join(id);
        let flags = open::RDONLY | open::DIRECTORY | open::NOFOLLOW;
        match file::open_at(parent.borrow(), &c_path(Path::new(id))?, flags, 0) {
            Ok(directory) => Ok(Folder {
                id: id.to_owned(),
                directory: Arc::new(directory),
                parent: Arc::clone(parent),
                path,
                store: store.clone(),
            }),
            Err(fault) if fault.is(Errno::ENOENT) || fault.is(Errno::ENOTDIR) => {
                Err(Error::NotFound { id: id.to_owned() })
            }
            Err(fault) => Err(Error::file("open", &path, fault.into())),
        }
    }

    pub(crate) fn id(&self) -> &str {
        &self.id
    }

    /// The store that it is in.
    pub(crate) fn store(&self) -> &Store {
        &self.store
    }

    /// Says something about the container to whoever gets warnings.
    pub(crate) fn warn(&self, text: impl std::fmt::Display) {
        self.store.warnings().warn(&self.id, text);
    }

    /// As [`Folder::warn`], about config fields.
    pub(crate) fn warn_at(&self, warnings: &[(ConfigPath, String)]) {
        for (at, text) in warnings {
            self.store.warnings().warn_at(&self.id, at, text);
        }
    }

    /// The user who owns it.
    pub(super) fn owner(&self) -> Result<u32, Error> {
        let failed = |fault: Fault| Error::file("look at", &self.path, fault.into());
        Ok(file::status(self.directory.borrow()).map_err(failed)?.uid)
    }

    pub(super) fn path_of(&self, name: &CStr) -> PathBuf {
        self.path.join(OsStr::from_bytes(name.to_bytes()))
    }

    fn failed(&self, doing: &'static str, name: &CStr, fault: Fault) -> Error {
        Error::file(doing, &self.path_of(name), fault.into())
    }

    /// The same folder once more, for a lock. It is closed with the lock: were it used for anything else, a lock that could not
    /// be given back would be in the way of the next one of this program.
    fn again(&self) -> Result<Fd, Error> {
        let flags = open::RDONLY | open::DIRECTORY;
        match file::open_at(self.directory.borrow(), c".", flags, 0) {
            // Deleted: then there is no `.` in it any more.
            Err(fault) if fault.is(Errno::ENOENT) => Err(self.gone()),
            answer => answer.map_err(|fault| Error::file("open", &self.path, fault.into())),
        }
    }

    /// Waits until nobody else works on this container.
    ///
    /// The folder may have been deleted meanwhile, and one of the same name made: that is another container.
    pub(crate) fn lock(&self) -> Result<Held, Error> {
        let file = self.again()?;
        loop {
            match file::lock(file.borrow()) {
                Err(fault) if fault.is(Errno::EINTR) => {}
                Err(fault) => return Err(Error::file("lock", &self.path, fault.into())),
                Ok(()) => return self.held(Lock(file)),
            }
        }
    }

    /// As [`Folder::lock`], at once; `None` when somebody else has it.
    pub(crate) fn try_lock(&self) -> Result<Option<Held>, Error> {
        let file = self.again()?;
        match file::try_lock(file.borrow()) {
            Err(fault) if fault.is(Errno::EAGAIN) => Ok(None),
            Err(fault) => Err(Error::file("lock", &self.path, fault.into())),
            Ok(()) => self.held(Lock(file)).map(Some),
        }
    }

    /// The lock is had; is this still the folder of that name? From here on it stays so, for only who has the lock
    /// removes it.
    fn held(&self, lock: Lock) -> Result<Held, Error> {
        let failed = |fault: Fault| Error::file("look at", &self.path, fault.into());
        let mine = file::status(self.directory.borrow()).map_err(failed)?;
        let name = c_path(Path::new(&self.id))?;
        let there = match file::status_at(self.parent.borrow(), &name) {
            Err(fault) if fault.is(Errno::ENOENT) => return Err(self.gone()),
            answer => answer.map_err(failed)?,
        };
        if (mine.device, mine.inode) != (there.device, there.inode) {
            return Err(self.gone());
        }
        Ok(Held {
            folder: self.clone(),
            lock,
        })
    }

    fn gone(&self) -> Error {
        Error::NotFound {
            id: self.id.clone(),
        }
    }

    /// The whole content of a file; `None` when there is none.
    pub(super) fn read(&self, name: &CStr) -> Result<Option<Vec<u8>>, Error> {
        let fd = match file::open_at(self.directory.borrow(), name, TO_READ, 0) {
            Ok(fd) => fd,
            Err(fault) if fault.is(Errno::ENOENT) => return Ok(None),
            Err(fault) => return Err(self.failed("open", name, fault)),
        };
        let failed = |fault| self.failed("read", name, fault);
        let too_large = |_| failed(Fault::found(Call::Fstat, Errno::EFBIG));
        let size = file::status(fd.borrow()).map_err(failed)?.size;
        let mut bytes = vec![0; usize::try_from(size).map_err(too_large)? + 1];
        let mut length = 0;
        loop {
            let room = bytes.len() - length;
            match file::read(fd.borrow(), &mut bytes[length..]) {
                Err(fault) if fault.is(Errno::EINTR) => {}
                // Less than there was room for is the end of a file.
                Ok(got) if got < room => {
                    bytes.truncate(length + got);
                    return Ok(Some(bytes));
                }
                Ok(got) => {
                    length += got;
                    bytes.resize(length * 2, 0);
                }
                Err(fault) => return Err(failed(fault)),
            }
        }
    }

    pub(super) fn has(&self, name: &CStr) -> Result<bool, Error> {
        match file::status_at(self.directory.borrow(), name) {
            Ok(_) => Ok(true),
            Err(fault) if fault.is(Errno::ENOENT) => Ok(false),
            Err(fault) => Err(self.failed("look at", name, fault)),
        }
    }

    /// Whether there is a record.
    pub(crate) fn is_taken(&self) -> Result<bool, Error> {
        self.has(RECORD)
    }

    /// Whether the record, which was read before and has a process, is still there, and not that of a later container for which
    /// the folder was used again.
    pub(crate) fn keeps(&self, record: &Record) -> Result<bool, Error> {
        let fd = match file::open_at(self.directory.borrow(), RECORD, TO_READ, 0) {
            Err(fault) if fault.is(Errno::ENOENT) => return Ok(false),
            answer => answer.map_err(|fault| self.failed("open", RECORD, fault))?,
        };
        let begin = Record::process_begin(record.pid, record.identity);
        let mut bytes = [0; 128];
        let bytes = &mut bytes[..begin.len()];
        let length = loop {
            match file::read_at(fd.borrow(), bytes, 0) {
                Err(fault) if fault.is(Errno::EINTR) => {}
                length => break length.map_err(|fault| self.failed("read", RECORD, fault))?,
            }
        };
        if bytes[..length] == *begin.as_bytes() {
            return Ok(true);
        }
        // As somebody else writes numbers.
        let found = self.record()?;
        Ok(found.is_some_and(|found| (found.pid, found.identity) == (record.pid, record.identity)))
    }

    /// The record; `None` where there is none yet, because the runtime is about to write it or was killed before it had
    /// done so. Nothing had been made then.
    ///
    /// # Errors
    /// It cannot be read, or is not what was written. Also where it is missing beside what is made after it: there may be
    /// a process that nobody knows any more.
    pub(crate) fn record(&self) -> Result<Option<Record>, Error> {
        const MOST_TRIES: u32 = 20;
        let mut tries = 0;
        loop {
            let bytes = self.read(RECORD)?.unwrap_or_default();
            let (damage, is_cut) = match Record::read(&bytes) {
                Ok(Some(mut record)) => {
                    if !is_of_this_boot(&record)? {
                        // Groups of that name are somebody else's now.
                        record.cgroup = None;
                        record.resctrl = None;
                    }
                    if let Some(place) = &mut record.cgroup
                        && place.driver() == (cgroups::Driver::Systemd { user: true })
                    {
                        place.use_session(&self.store.environment().session());
                    }
                    return Ok(Some(record));
                }
                Ok(None) => ("half a process".to_owned(), false),
                Err(error) => match runc::read(&bytes) {
                    Some(found) => return found.record(self.owner()?).map(Some),
                    None => (error.to_string(), error.is_eof()),
                },
            };
            if is_cut && !self.has(CONFIG)? && !self.has(REPORT)? && !self.has(FENCE)? {
                return Ok(None);
            }
            // It may have been read while it was being written.
            if tries == MOST_TRIES {
                let path = self.path_of(RECORD);
                let text = format!(
                    "the record is damaged ({damage}), so the container's process is not known: \
                     end what runs in the container, then remove its directory"
                );
                return Err(Error::invalid(&text, &path));
            }
            tries += 1;
            std::thread::yield_now();
        }
    }

    /// Where the container's socket for readiness is to be: its path for people, and one of any length by which it is
    /// reached as long as this is open. `None` where there is no directory for it.
    pub(crate) fn notify_socket(&self) -> Result<Option<(PathBuf, PathBuf)>, Error> {
        if !self.has(NOTIFY)? {
            return Ok(None);
        }
        let below = Path::new(notify::DIRECTORY).join(notify::SOCKET);
        let reached = PathBuf::from(format!("/proc/self/fd/{}", self.directory.raw()));
        Ok(Some((self.path.join(&below), reached.join(&below))))
    }

    /// Opens the FIFO to let the container go; `None` when nobody waits at it.
    pub(crate) fn open_fence(&self) -> Result<Option<Fd>, Error> {
        self.open_fence_to(open::WRONLY)
    }

    pub(super) fn open_fence_to(&self, how: u64) -> Result<Option<Fd>, Error> {
        match file::open_at(
            self.directory.borrow(),
            FENCE,
            how | open::NONBLOCK | open::NOFOLLOW,
            0,
        ) {
            Ok(fd) => Ok(Some(fd)),
            Err(fault) if fault.is(Errno::ENXIO) || fault.is(Errno::ENOENT) => Ok(None),
            Err(fault) => Err(self.failed("open", FENCE, fault)),
        }
    }
}

/// A lock on a folder, until it is dropped. The lock belongs to an open file: it is given back in words, so that a copy
/// that some child still has for a moment does not keep it.
#[derive(Debug)]
struct Lock(Fd);

impl Drop for Lock {
    fn drop(&mut self) {
        // Where the file system cannot do it, closing the file does.
        if let Err(fault) = file::unlock(self.0.borrow()) {
            log::debug!("{fault}");
        }
    }
}

/// A folder that nobody else works on: only this can change what is in it, or remove it.
#[derive(Debug)]
pub(crate) struct Held {
    folder: Folder,
    lock: Lock,
}

impl Deref for Held {
    type Target = Folder;

    fn deref(&self) -> &Folder {
        &self.folder
    }
}

impl Held {
    /// Lets others work on it.
    pub(crate) fn release(self) -> Folder {
        self.folder
    }

    /// Whether nothing of a container is in it.
    pub(super) fn is_bare(&self) -> Result<bool, Error> {
        let names = self.names()?;
        // A directory of ours may be empty.
        let in_directory = is_among(&names, NOTIFY) && self.has(NOTIFY_SOCKET)?;
        Ok(!in_directory && !OURS.iter().any(|ours| is_among(&names, ours)))
    }

    /// A file that is not there yet.
    fn write_new(&self, name: &CStr, bytes: &[u8], flags: u64) -> Result<Fd, Error> {
        let failed = |fault| self.failed("write", name, fault);
        let flags = flags | open::CREAT | open::EXCL | open::NOFOLLOW;
        let fd = file::open_at(self.directory.borrow(), name, flags, 0o600).map_err(failed)?;
        let mut rest = bytes;
        while !rest.is_empty() {
            rest = &rest[file::write(fd.borrow(), rest).map_err(failed)?..];
        }
        Ok(fd)
    }

    /// Writes the record of a new container, in one write(2): a runtime that is killed leaves all of it or none. It is
    /// not synced to the disk: what a record describes does not survive the machine's own crash either.
    pub(crate) fn keep_record(&self, record: &Record) -> Result<Stored, Error> {
        let path = self.path_of(RECORD);
        let text = record
            .written()
            .map_err(|error| Error::invalid(&error.to_string(), &path))?;
        let file = self.write_new(RECORD, &text, open::WRONLY)?;
        Ok(Stored { file, path })
    }

    /// Keeps the config as it was: later changes to the bundle do not matter.
    pub(crate) fn keep_config(&self, text: &str) -> Result<(), Error> {
        self.write_new(CONFIG, text.as_bytes(), open::WRONLY)
            .map(drop)
    }

    /// Makes the file that holds the report page. It is written, not just made long: a page that the file system has no
    /// room for would end whoever touches it.
    pub(crate) fn make_report(&self) -> Result<Fd, Error> {
        self.write_new(REPORT, &[0; init::report::LENGTH], open::RDWR)
    }

    /// Makes the FIFO at which the container waits for `start`, opened for reading and writing.
    pub(crate) fn make_fence(&self) -> Result<Fd, Error> {
        let failed = |fault| self.failed("make", FENCE, fault);
        file::make_fifo(self.directory.borrow(), FENCE, 0o600).map_err(failed)?;
        file::open_at(
            self.directory.borrow(),
            FENCE,
            open::RDWR | open::NONBLOCK | open::NOFOLLOW,
            0,
        )
        .map_err(failed)
    }

    /// Makes the directory that the container is shown.
    pub(crate) fn make_notify_directory(&self) -> Result<(), Error> {
        let failed = |fault| self.failed("make", NOTIFY, fault);
        file::make_directory(self.directory.borrow(), NOTIFY, 0o755).map_err(failed)?;
        file::set_permissions_at(self.directory.borrow(), NOTIFY, 0o755).map_err(failed)
    }

    /// Makes the directory on which criu(8) finds the container's root directory.
    pub(crate) fn make_criu_root(&self) -> Result<PathBuf, Error> {
        file::make_directory(self.directory.borrow(), CRIU_ROOT, 0o755)
            .map_err(|fault| self.failed("make", CRIU_ROOT, fault))?;
        Ok(self.path_of(CRIU_ROOT))
    }

    pub(crate) fn remove_criu_root(&self) -> Result<(), Error> {
        self.remove_one_directory(CRIU_ROOT)
    }

    /// Where [`Held::make_notify_directory`] makes it.
    pub(crate) fn notify_directory(&self) -> PathBuf {
        self.path_of(NOTIFY)
    }

    /// Notes which process a hook is, since when, and of which kind.
    pub(crate) fn note_hook(&self, hook: &Started, kind: &str) -> Result<(), Error> {
        let failed = |fault| self.failed("write", HOOK, fault);
        // One that has been reaped already cannot be ended any more.
        let Some(identity) = identity_of(hook.pid, &hook.pidfd).map_err(failed)? else {
            return Ok(());
        };
        let flags = open::WRONLY | open::CREAT | open::TRUNC | open::NOFOLLOW;
        let since = time::since_boot()?.as_secs();
        let text = format!("{} {identity} {since} {kind}", hook.pid);
        file::open_at(self.directory.borrow(), HOOK, flags, 0o600)
            .and_then(|fd| file::write(fd.borrow(), text.as_bytes()))
            .map(drop)
            .map_err(failed)
    }

    /// The FIFO has served.
    pub(crate) fn remove_fence(&self) -> Result<(), Error> {
        self.remove_one(FENCE)
    }

    fn remove_one(&self, name: &CStr) -> Result<(), Error> {
        match file::remove(self.directory.borrow(), name) {
            Err(fault) if !fault.is(Errno::ENOENT) => Err(self.failed("remove", name, fault)),
            _ => Ok(()),
        }
    }

    fn remove_one_directory(&self, name: &CStr) -> Result<(), Error> {
        match file::remove_directory(self.directory.borrow(), name) {
            Err(fault) if fault.is(Errno::ENOTEMPTY) || fault.is(Errno::ENOENT) => Ok(()),
            answer => answer.map_err(|fault| self.failed("remove", name, fault)),
        }
    }

    /// Removes all that this library puts into the folder, and then the folder. What a stranger keeps there stays, and a
    /// warning names it.
    pub(crate) fn remove(self) -> Result<(), Error> {
        let names = self.names()?;
        if is_among(&names, NOTIFY) {
            self.remove_one(NOTIFY_SOCKET)?;
        }
        for name in OURS.iter().filter(|ours| is_among(&names, ours)) {
            self.remove_one(name)?;
        }
        for name in [NOTIFY, CRIU_ROOT] {
            if is_among(&names, name) {
                self.remove_one_directory(name)?;
            }
        }
        let name = c_path(Path::new(&self.id))?;
        match file::remove_directory(self.parent.borrow(), &name) {
            Err(fault) if fault.is(Errno::ENOTEMPTY) => {
                let names = self.names()?.join(", ");
                let path = self.path.display();
                self.warn(format_args!("{path} stays: not made here: {names}"));
                Ok(())
            }
            Err(fault) if !fault.is(Errno::ENOENT) => {
                Err(Error::file("remove", &self.path, fault.into()))
            }
            _ => Ok(()),
        }
    }

    /// Whether there is something in it that this library did not put there.
    pub(crate) fn has_strangers(&self) -> Result<bool, Error> {
        let names = self.names()?;
        let ours = |name: &String| OURS.iter().any(|ours| ours.to_bytes() == name.as_bytes());
        Ok(!names.iter().all(ours))
    }

    /// What is in it.
    fn names(&self) -> Result<Vec<String>, Error> {
        let failed = |fault: Fault| Error::file("list", &self.path, fault.into());
        let directory = self.lock.0.borrow();
        let mut buffer = [0; 1024];
        let mut found = Vec::new();
        // From the beginning, whoever has listed it before.
        file::seek(directory, 0).map_err(failed)?;
        loop {
            match file::read_directory(directory, &mut buffer).map_err(failed)? {
                0 => return Ok(found),
                length => found.extend(
                    file::names(&buffer[..length]).map(|name| name.to_string_lossy().into_owned()),
                ),
            }
        }
    }
}

fn is_among(names: &[String], name: &CStr) -> bool {
    names
        .iter()
        .any(|known| known.as_bytes() == name.to_bytes())
}

/// A record that was stored, and waits to be told which process the container became.
#[derive(Debug)]
pub(crate) struct Stored {
    file: Fd,
    path: PathBuf,
}

impl Stored {
    /// Notes the process. Nobody else has this file: the container's process never has a descriptor or mapping of it.
    pub(crate) fn identify(&self, pid: i32, identity: u64) -> Result<(), Error> {
        let start = match start_time(pid) {
            Ok(start) => start.unwrap_or_default(),
            // Only other runtimes ask.
            Err(fault) => {
                log::debug!("runc would not know the process: {fault}");
                0
            }
        };
        let text = Record::process_text(pid, identity, start);
        match file::write_at(self.file.borrow(), text.as_bytes(), 0) {
            Ok(written) if written == text.len() => Ok(()),
            Ok(_) => Err(Fault::found(Call::Pwrite, Errno::ENOSPC)),
            Err(fault) => Err(fault),
        }
        .map_err(|fault: Fault| Error::file("write", &self.path, fault.into()))
    }
}
