//! One `criu swrk`: its start, the requests and the responses.

use std::ffi::{CString, OsStr};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use kernel::file::{self, open};
use kernel::process::{self, Program, Started, signals};
use kernel::{BorrowedFd, Call, Errno, Fault, Fd, StringList, socket};

use super::causes;
use super::message::{Message, fields};
use super::{Features, Options, Request};
use crate::Error;
use crate::environment::Environment;

/// Longer than any message of CRIU's.
const LONGEST: usize = 64 * 1024;

/// A point of CRIU's work that others take part in.
#[derive(Debug)]
pub(crate) struct Event {
    /// Its name, such as `post-restore`.
    pub(crate) script: String,
    /// The container's first process, if this is about it.
    pub(crate) pid: i32,
    /// A descriptor that came with it.
    pub(crate) fd: Option<Fd>,
}

/// What CRIU answers (`criu_resp`).
#[derive(Debug, Default)]
pub(super) struct Response {
    kind: i64,
    success: bool,
    notify: Option<(String, i32)>,
    errno: i64,
    message: String,
    features: Features,
    version: u32,
}

const NOTIFY: i64 = 6;

impl Response {
    pub(super) fn read(bytes: &[u8]) -> Response {
        let mut response = Response::default();
        for (field, value) in fields(bytes) {
            match field {
                1 => response.kind = value.number(),
                2 => response.success = value.number() != 0,
                5 => {
                    let (mut script, mut pid) = (String::new(), 0);
                    for (field, value) in fields(value.bytes()) {
                        match field {
                            1 => script = value.text(),
                            2 => pid = value.number() as i32,
                            _ => {}
                        }
                    }
                    response.notify = Some((script, pid));
                }
                7 => response.errno = value.number(),
                8 => {
                    for (field, value) in fields(value.bytes()) {
                        match field {
                            1 => response.features.mem_track = value.number() != 0,
                            2 => response.features.lazy_pages = value.number() != 0,
                            _ => {}
                        }
                    }
                }
                9 => response.message = value.text(),
                10 => {
                    let mut numbers = [0; 3];
                    for (field, value) in fields(value.bytes()) {
                        match field {
                            1 => numbers[0] = value.number() as u32,
                            2 => numbers[1] = value.number() as u32,
                            4 => numbers[2] = value.number() as u32,
                            _ => {}
                        }
                    }
                    response.version = [10_000, 100, 1]
                        .into_iter()
                        .zip(numbers)
                        .fold(0, |all: u32, (unit, number)| {
                            all.saturating_add(number.saturating_mul(unit))
                        });
                }
                _ => {}
            }
        }
        response
    }
}

/// Where the program is.
fn find(environment: &Environment) -> Result<PathBuf, Error> {
    environment
        .find_program("criu")
        .ok_or_else(|| Error::criu("exec: \"criu\": executable file not found in $PATH"))
}

/// Whether the kernel has what CRIU needs, by `criu check`.
pub(crate) fn check(environment: &Environment) -> Result<(), Error> {
    let path = find(environment)?;
    let output = std::process::Command::new(&path)
        .arg("check")
        .env_clear()
        .envs(environment.iter().map(|(name, value)| (name, value)))
        .stdin(std::process::Stdio::null())
        .output()
        .map_err(|error| Error::file("execute", &path, error))?;
    if output.status.success() {
        return Ok(());
    }
    let said = [output.stdout, output.stderr].concat();
    let lines: Vec<String> = String::from_utf8_lossy(&said)
        .lines()
        .map(str::to_owned)
        .collect();
    let cause = causes::cause(&lines).map_or(String::new(), |cause| format!(": {cause}"));
    Err(Error::criu(format!("criu check: {}{cause}", output.status)))
}

/// A `criu swrk` that runs. When this is dropped, it is gone.
#[derive(Debug)]
pub(crate) struct Session {
    process: Started,
    socket: Fd,
    /// Where its log is, once there is one.
    log: Option<PathBuf>,
    ended: bool,
}

/// How it is started.
#[derive(Default)]
pub(crate) struct Manner<'a> {
    /// Descriptors that it has, too, under the numbers that they have here.
    pub(crate) keep: Vec<BorrowedFd<'a>>,
    /// Its standard streams, where they are not ours.
    pub(crate) standard: [Option<BorrowedFd<'a>>; 3],
    /// A cgroup of v2.
    pub(crate) cgroup: Option<BorrowedFd<'a>>,
}

fn failed(doing: &'static str) -> impl Fn(Fault) -> Error {
    move |fault| Error::call(doing, fault)
}

fn c_string(text: &OsStr) -> kernel::Result<CString> {
    CString::new(text.as_bytes()).map_err(|_| Fault::found(Call::Openat, Errno::EINVAL))
}

impl Session {
    /// Starts it.
    pub(crate) fn start(environment: &Environment, manner: &Manner<'_>) -> Result<Session, Error> {
        let path = find(environment)?;
        log::debug!("criu: {}", path.display());
        start(&path, environment, manner).map_err(failed("start criu"))
    }

    pub(crate) fn pid(&self) -> i32 {
        self.process.pid
    }

    /// Where the log will be.
    pub(crate) fn logs_to(&mut self, path: PathBuf) {
        self.log = Some(path);
    }

    /// CRIU's version as one number: 31701 is 3.17.1.
    pub(crate) fn version(&self) -> Result<u32, Error> {
        let mut request = request(Request::Version);
        // keep_open: the request proper follows.
        request.flag(4, true);
        self.send(&request)?;
        let response = self.receive(Request::Version)?.0;
        log::debug!("criu: version {}", response.version);
        self.validate(Request::Version, &response)?;
        Ok(response.version)
    }

    /// Which of these abilities there are.
    pub(crate) fn features(&self, requested: Features) -> Result<Features, Error> {
        let mut request = request(Request::FeatureCheck);
        request.flag(4, true);
        request.bytes(5, requested.message().as_bytes());
        self.send(&request)?;
        let response = self.receive(Request::FeatureCheck)?.0;
        self.validate(Request::FeatureCheck, &response)?;
        Ok(response.features)
    }

    /// Sends the request proper, hands its events to `attend`, and waits until CRIU is done and gone.
    pub(crate) fn perform(
        mut self,
        kind: Request,
        options: &Options<'_>,
        attend: &mut dyn FnMut(Event) -> Result<(), Error>,
    ) -> Result<(), Error> {
        log::debug!("criu: {}: {options:?}", kind.name());
        let mut message = request(kind);
        message.bytes(2, options.message().as_bytes());
        self.send(&message)?;
        loop {
            let (response, fd) = self.receive(kind)?;
            let Some((script, pid)) = response.notify.clone() else {
                self.validate(kind, &response)?;
                break;
            };
            if !response.success || response.kind != NOTIFY {
                self.validate(kind, &response)?;
            }
            log::debug!("criu: {script}");
            let attended = attend(Event { script, pid, fd });
            let mut answer = Message::default();
            answer.number(1, NOTIFY).flag(3, attended.is_ok());
            let sent = self.send(&answer);
            if let Err(error) = attended {
                // It undoes what it has done, and says that it has failed, which is no news.
                if sent.is_ok()
                    && let Err(end) = self.end(false)
                {
                    log::debug!("{end}");
                }
                return Err(error);
            }
            sent?;
        }
        // A dump that keeps the memory's history would wait for the next request.
        self.end(kind == Request::PreDump)
    }

    /// The end of the process, which is killed if `now`.
    fn end(&mut self, now: bool) -> Result<(), Error> {
        use kernel::process::Exit;
        self.ended = true;
        if now {
            match process::signal(self.process.pidfd.borrow(), signals::KILL) {
                Err(fault) if !fault.is(Errno::ESRCH) => return Err(failed("end criu")(fault)),
                _ => {}
            }
        }
        let exit = loop {
            match process::wait(self.process.pidfd.borrow(), true) {
                Err(fault) if fault.is(Errno::EINTR) => {}
                // Where the caller ignores SIGCHLD, how it ended is not known.
                Err(fault) if fault.is(Errno::ECHILD) => break None,
                answer => break answer.map_err(failed("wait for criu"))?,
            }
        };
        match exit {
            Some(Exit::Code(code)) if code != 0 && !now => {
                Err(self.error(&format!("exit status {code}")))
            }
            Some(Exit::Signal(signal)) if !now => Err(self.error(&format!("signal {signal}"))),
            _ => Ok(()),
        }
    }

    fn send(&self, message: &Message) -> Result<(), Error> {
        match socket::send(self.socket.borrow(), message.as_bytes(), &[]) {
            Err(fault) if fault.is(Errno::EPIPE) => Err(self.error("it has ended")),
            answer => answer.map(drop).map_err(failed("send a request to criu")),
        }
    }

    fn receive(&self, kind: Request) -> Result<(Response, Option<Fd>), Error> {
        let mut bytes = vec![0; LONGEST];
        let mut fds = [const { None }; 1];
        let received = loop {
            match socket::receive(self.socket.borrow(), &mut bytes, &mut fds, true) {
                Err(fault) if fault.is(Errno::EINTR) => {}
                Err(fault) if fault.is(Errno::ECONNRESET) => return Err(self.gone(kind)),
                answer => break answer.map_err(failed("receive a response of criu"))?,
            }
        };
        if received.bytes == 0 {
            return Err(self.gone(kind));
        }
        let [fd] = fds;
        Ok((Response::read(&bytes[..received.bytes]), fd))
    }

    fn gone(&self, kind: Request) -> Error {
        self.error(&format!("type {}: it ended without an answer", kind.name()))
    }

    fn validate(&self, kind: Request, response: &Response) -> Result<(), Error> {
        if response.success && response.kind == kind as i64 {
            return Ok(());
        }
        let name = match response.kind {
            NOTIFY => "NOTIFY",
            _ => kind.name(),
        };
        let how = format!("type {name} errno {}", response.errno);
        Err(self.failure(&how, &response.message))
    }

    fn error(&self, how: &str) -> Error {
        self.failure(how, "")
    }

    /// A failure, with what the log says about it, or else CRIU itself.
    fn failure(&self, how: &str, message: &str) -> Error {
        let mut lines = self
            .log
            .as_deref()
            .map(causes::relevant)
            .unwrap_or_default();
        let said = lines.clone();
        lines.push(message.to_owned());
        let mut text = format!("criu failed: {how}");
        if let Some(cause) = causes::cause(&lines) {
            text.push_str(": ");
            text.push_str(cause.trim_end());
        }
        let log = self.log.clone();
        Error::Criu { text, log, said }
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        if !self.ended
            && let Err(error) = self.end(true)
        {
            log::debug!("{error}");
        }
    }
}

fn request(kind: Request) -> Message {
    let mut message = Message::default();
    message.number(1, kind as i64);
    message
}

fn start(path: &Path, environment: &Environment, manner: &Manner<'_>) -> kernel::Result<Session> {
    let path = c_string(path.as_os_str())?;
    let above = |fd: Fd| match kernel::Stream::has(fd.raw()) {
        true => file::duplicate_above(fd.borrow(), 3),
        false => Ok(fd),
    };
    // It stays open in the program: a script is read by its interpreter through it.
    let executable = above(file::open_at(file::HERE, &path, open::PATH, 0)?)?;
    let (ours, theirs) = socket::pair()?;
    let (ours, theirs) = (above(ours)?, above(theirs)?);
    let number = c_string(OsStr::new(&theirs.raw().to_string()))?;
    let arguments = [c"criu", c"swrk", number.as_c_str()];
    let mut room = [std::ptr::null(); 4];
    let (arguments, _) = StringList::lay_out(arguments.into_iter(), &mut room)?;
    // Ours, for the programs that CRIU calls.
    let variables = environment.strings().into_iter();
    let variables = variables.map(|string| c_string(OsStr::from_bytes(&string)));
    let variables: Vec<CString> = variables.collect::<kernel::Result<_>>()?;
    let mut room = vec![std::ptr::null(); variables.len() + 1];
    let variables = variables.iter().map(CString::as_c_str);
    let (environment, _) = StringList::lay_out(variables, &mut room)?;
    let mut keep = manner.keep.clone();
    keep.extend([executable.borrow(), theirs.borrow()]);
    let process = process::start(&Program {
        environment,
        // The caller may collect signals until the container is restored.
        unblocked: true,
        keep: &keep,
        standard: manner.standard,
        cgroup: manner.cgroup,
        ..Program::new(executable.borrow(), arguments)
    })?;
    Ok(Session {
        process,
        socket: ours,
        log: None,
        ended: false,
    })
}
