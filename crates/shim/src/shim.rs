//! The daemon: one loop in one thread. Everything that waits is a descriptor here, or a thread that lasts as long as a call.

use std::collections::BTreeMap;
use std::io::ErrorKind;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use containerd_shim_protos::ttrpc::{Request, Response};
use libcontainer::Store;
use nix::sys::inotify::Inotify;
use nix::sys::signal::{SigSet, Signal};
use nix::sys::signalfd::{SfdFlags, SignalFd};
use protobuf::Message;

use crate::calls::{self, Answer, Waiting};
use crate::connection::{Connection, Interest};
use crate::events::Event;
use crate::frame::{self, Frame};
use crate::options::Options;
use crate::orphans;
use crate::peers::Peers;
use crate::poller::{Poller, Token};
use crate::publisher::Publisher;
use crate::status::Status;
use crate::task::Task;
use crate::workers::{STACK, Then, Workers};

/// Who asked, and is to be answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Caller {
    connection: Token,
    stream: u32,
}

/// A process: a container's id, and the name of one that was added, empty for the first.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Key {
    pub(crate) id: String,
    pub(crate) exec: String,
}

/// What an event is about.
#[derive(Debug)]
pub(crate) enum Source {
    Listener,
    Signals,
    Workers,
    Connection,
    /// A process has ended.
    End(Key),
    /// Memory has run out in a container.
    Memory(String),
    /// There is something to copy, or room.
    Copy(Key),
    /// Somebody has opened an output to read it.
    Readers,
    /// What stands in the way of a container's removal.
    Obstacle,
}

/// What the daemon is told at its start.
#[derive(Clone, Debug, Default)]
pub(crate) struct Identity {
    pub(crate) namespace: String,
    /// containerd's socket for events.
    pub(crate) events: Option<PathBuf>,
    /// Its own socket, removed at the end.
    pub(crate) socket: Option<PathBuf>,
}

/// How long the last events may take at the end.
const LAST_WORDS: Duration = Duration::from_secs(5);

/// How long a shim lives on for somebody who was told of it and has not come yet.
const EXPECTED: Duration = Duration::from_secs(10);

/// How long a shim lives on without a container and without anybody who is connected. It happens where containerd has started it and
/// then failed, or died.
const DESERTED: Duration = Duration::from_secs(30);

/// The most calls that wait at once: each has a thread.
const MOST_BUSY: usize = 1024;

pub(crate) const READ: Interest = Interest {
    read: true,
    write: false,
};

/// The daemon.
pub(crate) struct Shim {
    pub(crate) poller: Poller,
    pub(crate) sources: BTreeMap<Token, Source>,
    pub(crate) tasks: BTreeMap<String, Task>,
    pub(crate) identity: Identity,
    /// Those whose outputs somebody may come to read.
    pub(crate) readers: Option<(Token, Inotify)>,
    listener: UnixListener,
    listener_token: Token,
    /// Nobody can be let in before, for want of descriptors.
    closed_until: Option<Instant>,
    signals: SignalFd,
    peers: Peers,
    pub(crate) publisher: Publisher,
    pub(crate) workers: Workers,
    /// How many threads are at work.
    busy: usize,
    stores: BTreeMap<PathBuf, Store>,
    /// Containers that something stands in the way of the removal of.
    pub(crate) removals: Vec<Waiting>,
    /// Copies that have more to do at once.
    pub(crate) hasty: Vec<(Key, Token)>,
    /// Somebody has looked whether there is this shim, and will come.
    expects_until: Option<Instant>,
    /// Since it was asked to end, until when the last events are waited for.
    ends_at: Option<Instant>,
    /// Since there is no container, and nobody connected, until when somebody may come.
    pub(crate) alone_until: Option<Instant>,
}

impl Shim {
    /// Serves at this socket. From here on SIGCHLD is collected, so this is called in a program's first thread.
    pub(crate) fn new(listener: UnixListener, identity: Identity) -> std::io::Result<Shim> {
        listener.set_nonblocking(true)?;
        let mut set = SigSet::empty();
        set.add(Signal::SIGCHLD);
        set.thread_block()?;
        // Beyond RLIMIT_FSIZE a write is to fail, instead of ending the shim of all containers. Who is started has no mask.
        SigSet::from(Signal::SIGXFSZ).thread_block()?;
        let mut shim = Shim {
            poller: Poller::new()?,
            sources: BTreeMap::new(),
            tasks: BTreeMap::new(),
            publisher: Publisher::new(identity.events.clone(), &identity.namespace),
            identity,
            readers: None,
            listener,
            listener_token: 0,
            closed_until: None,
            signals: SignalFd::with_flags(&set, SfdFlags::SFD_CLOEXEC | SfdFlags::SFD_NONBLOCK)?,
            peers: Peers::default(),
            workers: Workers::new(STACK)?,
            busy: 0,
            stores: BTreeMap::new(),
            removals: Vec::new(),
            hasty: Vec::new(),
            expects_until: None,
            ends_at: None,
            alone_until: None,
        };
        for (source, token) in [
            (Source::Listener, shim.poller.token()),
            (Source::Signals, shim.poller.token()),
            (Source::Workers, shim.poller.token()),
        ] {
            match source {
                Source::Listener => {
                    shim.listener_token = token;
                    shim.poller.add(&shim.listener, token, READ)?;
                }
                Source::Signals => shim.poller.add(&shim.signals, token, READ)?,
                _ => shim.poller.add(&*shim.workers.news, token, READ)?,
            }
            shim.sources.insert(token, source);
        }
        Ok(shim)
    }

    /// The loop, until it was asked to end.
    pub(crate) fn run(&mut self) -> std::io::Result<()> {
        loop {
            if self.may_end() {
                return Ok(());
            }
            self.turn(self.deadline())?;
        }
    }

    /// Waits until then for something to happen, and does what is to be done.
    pub(crate) fn turn(&mut self, deadline: Option<Instant>) -> std::io::Result<()> {
        for token in self.poller.wait(deadline)? {
            self.handle(token);
        }
        for (key, token) in std::mem::take(&mut self.hasty) {
            self.copy(&key, token);
        }
        self.give_up_removals();
        let now = Instant::now();
        for token in self.peers.too_many(now) {
            self.hang_up(token);
        }
        if self.closed_until.is_some_and(|until| until <= now) {
            self.closed_until = None;
            self.poller
                .change(&self.listener, self.listener_token, READ)?;
        }
        self.publisher.go_on(&mut self.poller);
        Ok(())
    }

    fn deadline(&self) -> Option<Instant> {
        if !self.hasty.is_empty() {
            return Some(Instant::now());
        }
        let expected = self.ends_at.and(self.expects_until);
        let removals = self.removals.iter().map(|waiting| Some(waiting.until()));
        let others = [self.closed_until, self.alone_until, self.peers.deadline()];
        [self.publisher.deadline(), self.ends_at, expected]
            .into_iter()
            .chain(others)
            .chain(removals)
            .flatten()
            .min()
    }

    fn handle(&mut self, token: Token) {
        if self.publisher.token() == Some(token) {
            return self.publisher.go_on(&mut self.poller);
        }
        // Something that has gone since it was told about has no source any more.
        match self.sources.get(&token) {
            None => {}
            Some(Source::Listener) => drop(self.accept()),
            Some(Source::Signals) => {
                while let Ok(Some(_)) = self.signals.read_signal() {}
                self.reap();
            }
            Some(Source::Workers) => {
                for then in self.workers.take() {
                    self.busy -= 1;
                    then(self);
                }
                self.reap();
            }
            Some(Source::Connection) => self.serve(token),
            Some(Source::End(key)) => {
                let key = key.clone();
                self.ended(&key);
                self.reap();
            }
            Some(Source::Memory(id)) => {
                let id = id.clone();
                self.look_at_memory(&id);
            }
            Some(Source::Copy(key)) => {
                let key = key.clone();
                self.copy(&key, token);
            }
            Some(Source::Readers) => self.look_for_readers(),
            Some(Source::Obstacle) => self.obstacle_has_gone(token),
        }
    }

    /// Lets some of those in who wait; whether nobody waits any more, or none can be let in.
    fn accept(&mut self) -> bool {
        // Others have their turn, too.
        for _ in 0..64 {
            match self.listener.accept() {
                Ok((socket, _)) => self.meet(socket),
                Err(error) => match error.kind() {
                    ErrorKind::Interrupted | ErrorKind::ConnectionAborted => {}
                    ErrorKind::WouldBlock => return true,
                    _ => return self.make_room(),
                },
            }
        }
        false
    }

    /// There are no descriptors for more. Who has never said anything makes room; where everybody has, nobody is let in for a while:
    /// being told again and again that somebody waits would take all the time there is.
    fn make_room(&mut self) -> bool {
        const WHILE: Duration = Duration::from_millis(100);
        if let Some(token) = self.peers.most_silent() {
            // What it has said may not have been read yet.
            self.serve(token);
            if self.peers.get(token).is_some_and(|peer| !peer.has_spoken) {
                self.hang_up(token);
            }
            return false;
        }
        let none = Interest {
            read: false,
            write: false,
        };
        let changed = self
            .poller
            .change(&self.listener, self.listener_token, none);
        if changed.is_ok() {
            self.closed_until = Some(Instant::now() + WHILE);
        }
        true
    }

    /// Listens to somebody new.
    pub(crate) fn meet(&mut self, socket: UnixStream) {
        let Ok(connection) = Connection::new(socket) else {
            return;
        };
        let token = self.poller.token();
        if self.poller.add(&connection, token, READ).is_ok() {
            self.peers.add(token, connection, READ);
            self.sources.insert(token, Source::Connection);
        }
    }

    /// Answers what has come. A connection ends when the other side ends it, or as [`Peers`] says.
    fn serve(&mut self, token: Token) {
        let Some(peer) = self.peers.get(token) else {
            return;
        };
        let mut alive = peer.connection.flush();
        // Answers may be much longer than questions: more is read, and what has been read is taken, when there is room for them.
        alive &= !peer.connection.interest().read || peer.connection.receive();
        while let Some(peer) = self.peers.get(token)
            && peer.connection.interest().read
            && let Some(frame) = peer.connection.frame()
        {
            self.take(token, frame);
        }
        if let Some(peer) = self.peers.get(token) {
            // What has been asked is answered, if only half of the connection is closed.
            alive &= peer.connection.flush();
            if !alive {
                return self.hang_up(token);
            }
        }
        self.watch(token);
    }

    fn take(&mut self, connection: Token, frame: Frame) {
        let (stream, message) = match frame {
            Frame::Whole {
                stream,
                kind: frame::REQUEST,
                message,
            } => (stream, message),
            Frame::TooLong { stream, length } => {
                let text = format!(
                    "a message of {length} bytes: {} is the most",
                    frame::LONGEST
                );
                return self.answer(Caller { connection, stream }, Err(Status::too_much(text)));
            }
            Frame::Whole {
                kind: frame::KNOCK, ..
            } => {
                self.expects_until = Some(Instant::now() + EXPECTED);
                self.alone_until = None;
                return;
            }
            // Nothing else is ever asked for.
            Frame::Whole { .. } => return,
        };
        if let Some(peer) = self.peers.get(connection) {
            peer.has_spoken = true;
        }
        let caller = Caller { connection, stream };
        let answer = match Request::parse_from_bytes(&message) {
            Ok(request) => calls::dispatch(self, caller, &request),
            Err(error) => Err(Status::invalid(format!("not a request of ttrpc: {error}"))),
        };
        match answer {
            Ok(Answer::Now(message)) => self.answer(caller, Ok(message)),
            Ok(Answer::Later) => {}
            Err(status) => self.answer(caller, Err(status)),
        }
    }

    /// Answers a call. Whoever asked may be gone.
    pub(crate) fn answer(&mut self, caller: Caller, answer: Result<Vec<u8>, Status>) {
        let Some(peer) = self.peers.get(caller.connection) else {
            return;
        };
        let mut response = Response::new();
        match answer {
            Ok(message) => response.payload = message,
            Err(status) => response.status = protobuf::MessageField::some(status.to_message()),
        }
        let message = response.write_to_bytes().unwrap_or_default();
        // A connection that has broken is seen to when its end is read.
        let _ = peer
            .connection
            .send(frame::encode(caller.stream, frame::RESPONSE, &message));
        self.watch(caller.connection);
    }

    fn watch(&mut self, token: Token) {
        let Some(peer) = self.peers.get(token) else {
            return;
        };
        let interest = peer.connection.interest();
        if interest != peer.watched
            && self
                .poller
                .change(&peer.connection, token, interest)
                .is_ok()
        {
            peer.watched = interest;
        }
    }

    fn hang_up(&mut self, token: Token) {
        self.sources.remove(&token);
        if let Some(peer) = self.peers.remove(token) {
            self.poller.remove(&peer.connection);
        }
        // Whoever would have been told of an end is not there any more.
        let processes = self.tasks.values_mut().flat_map(Task::processes_mut);
        processes.for_each(|process| {
            let waiters = &mut process.waiters;
            waiters.retain(|caller| caller.connection != token);
        });
    }

    /// Does this in a thread; what it answers is done in the loop, unless there can be no more threads.
    pub(crate) fn work(
        &mut self,
        work: impl FnOnce() -> Then + Send + 'static,
    ) -> Result<(), Status> {
        if self.busy >= MOST_BUSY {
            let text = format!("{MOST_BUSY} calls are at work already");
            return Err(Status::too_much(text));
        }
        self.workers
            .start(work)
            .map_err(|error| Status::too_much(format!("start a thread: {error}")))?;
        self.busy += 1;
        Ok(())
    }

    pub(crate) fn publish(&mut self, event: &Event) {
        self.publisher.publish(event, &mut self.poller);
    }

    /// Takes note of a source.
    pub(crate) fn listen(
        &mut self,
        fd: impl std::os::fd::AsFd,
        source: Source,
    ) -> Result<Token, Status> {
        let token = self.poller.token();
        self.poller
            .add(fd, token, READ)
            .map_err(|errno| Status::failed(format!("watch a descriptor: {errno}")))?;
        self.sources.insert(token, source);
        Ok(token)
    }

    /// Where the state of a container with these options is. What is known of the host is found out once.
    pub(crate) fn store(&mut self, options: &Options) -> Result<Store, Status> {
        let root = options.store(&self.identity.namespace);
        if let Some(store) = self.stores.get(&root) {
            return Ok(store.clone());
        }
        let store = open_store(&root)?;
        self.stores.insert(root, store.clone());
        Ok(store)
    }

    /// Children of processes that have ended come to this one.
    fn reap(&mut self) {
        // A thread at work may have children of its own, and waits for them.
        if self.busy > 0 {
            return;
        }
        let tasks = &self.tasks;
        orphans::reap(|pid| {
            let mut known = tasks.values().flat_map(Task::processes);
            known.any(|process| process.handle.is_some() && process.pid == pid)
        });
    }

    /// Ends, if there is nothing left to do.
    pub(crate) fn end(&mut self) {
        self.ends_at = Some(Instant::now() + LAST_WORDS);
    }

    fn may_end(&mut self) -> bool {
        let now = Instant::now();
        let is_idle = self.tasks.is_empty() && self.busy == 0;
        let until = self.alone_until.unwrap_or(now + DESERTED);
        self.alone_until = (is_idle && self.peers.is_empty()).then_some(until);
        let is_deserted = self.alone_until.filter(|until| *until <= now);
        let Some(until) = self.ends_at.or(is_deserted) else {
            return false;
        };
        if !is_idle {
            self.ends_at = None;
            return false;
        }
        let is_done = self.publisher.is_done() && self.peers.are_flushed();
        if !is_done && now < until {
            return false;
        }
        // Nobody is told of this shim any more from here on, and who was told of it is waited for.
        let _lock = self.identity.socket.as_deref().map(crate::address::lock);
        let are_in = self.accept();
        for token in self.peers.tokens() {
            self.serve(token);
        }
        if !are_in || !self.tasks.is_empty() || self.busy > 0 {
            return false;
        }
        // Nobody has asked for this end: whoever has come now may want something.
        if self.ends_at.is_none() && (self.alone_until.is_none() || !self.peers.is_empty()) {
            return false;
        }
        if self.expects_until.is_some_and(|until| now < until) {
            self.ends_at = self.expects_until;
            return false;
        }
        if let Some(socket) = &self.identity.socket {
            let _ = std::fs::remove_file(socket);
        }
        true
    }
}

/// Opens a store as all parts of the shim do it.
pub(crate) fn open_store(root: &Path) -> Result<Store, Status> {
    let store = Store::open(root).map_err(|error| Status::of("", &error))?;
    Ok(store
        .with_environment(|| {
            let variables = std::env::vars_os();
            variables
                .filter(|(name, _)| name != "NOTIFY_SOCKET")
                .collect()
        })
        .with_warnings(|warning| crate::log::warn(&warning.container, &warning.to_string())))
}

/// A container as several threads have it.
pub(crate) type Shared = Arc<libcontainer::Container>;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_has_spoken_and_was_not_heard_yet_makes_no_room() {
        use std::io::{Read, Write};
        let folder = std::env::temp_dir().join(format!("tare-shim-room-{}", std::process::id()));
        std::fs::create_dir_all(&folder).expect("a folder");
        let listener = UnixListener::bind(folder.join("socket")).expect("a socket");
        let mut shim = Shim::new(listener, Identity::default()).expect("a shim");
        let mut meet = |said: &[u8]| {
            let (here, mut there) = UnixStream::pair().expect("sockets");
            there.write_all(said).expect("to send");
            shim.meet(here);
            there
        };
        let mut caller = meet(&frame::encode(1, frame::REQUEST, &[]));
        let mut silent = meet(&[]);
        // The one is heard; the other goes.
        assert!(!shim.make_room() && !shim.make_room());
        assert_eq!(silent.read(&mut [0; 1]).expect("the end"), 0);
        caller.read_exact(&mut [0; 10]).expect("an answer");
        assert!(shim.make_room() && !shim.peers.is_empty());
        std::fs::remove_dir_all(folder).expect("to remove");
    }

    #[test]
    fn it_ends_when_nobody_comes_and_not_when_somebody_does() {
        let folder = std::env::temp_dir().join(format!("tare-shim-alone-{}", std::process::id()));
        std::fs::create_dir_all(&folder).expect("a folder");
        let socket = folder.join("socket");
        let listener = UnixListener::bind(&socket).expect("a socket");
        let identity = Identity {
            socket: Some(socket.clone()),
            ..Identity::default()
        };
        let mut shim = Shim::new(listener, identity).expect("a shim");
        let past = Instant::now();
        assert!(!shim.may_end() && shim.alone_until > Some(past));
        // Somebody comes at the last moment.
        let visitor = UnixStream::connect(&socket).expect("to connect");
        shim.alone_until = Some(past);
        assert!(!shim.may_end() && socket.exists());
        assert!(!shim.may_end() && shim.alone_until.is_none());
        drop(visitor);
        shim.turn(None).expect("to go on");
        assert!(!shim.may_end() && shim.alone_until > Some(Instant::now()));
        shim.alone_until = Some(past);
        assert!(shim.may_end() && !socket.exists());
        std::fs::remove_dir_all(folder).expect("to remove");
    }
}
