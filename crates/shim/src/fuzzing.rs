//! Whatever may come at the socket, to a daemon that can start no thread: what calls would do to the machine is not done.

use std::collections::BTreeSet;
use std::io::{ErrorKind, Read, Write};
use std::os::linux::net::SocketAddrExt;
use std::os::unix::net::{SocketAddr, UnixListener, UnixStream};
use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use containerd_shim_protos::ttrpc::{Request, Response};
use protobuf::Message;

use crate::calls::{CALLS, SERVICES};
use crate::frame::{self, Frame, Frames};
use crate::options::Options;
use crate::shim::{Identity, Shim};
use crate::task::{Phase, Running, Task};
use crate::workers::Workers;

/// More than there are addresses for.
const NO_STACK: usize = 1 << 47;

/// Sends pieces of any kind: calls with any payload, frames of any kind, and bytes that are no frames. Each piece is two bytes,
/// what and how long it is, and its content.
///
/// # Panics
/// A call is not answered, or what answers is no answer, or the shim does not live on.
pub fn at_socket(mut data: &[u8]) {
    let mut client = Client::new();
    while let [what, length, rest @ ..] = data {
        let (content, rest) = rest.split_at(rest.len().min(usize::from(*length)));
        data = rest;
        let what = usize::from(*what);
        if let Some((method, _)) = CALLS.get(what % 32) {
            client.call(SERVICES[what / 32 % SERVICES.len()], method, content);
        } else if what % 32 < 24 {
            client.send(&frame::encode(client.stream, (what % 8) as u8, content));
            client.is_regular &= what % 8 != usize::from(frame::REQUEST);
        } else {
            client.is_regular = false;
            client.send(content);
        }
    }
    client.end();
    // Another one finds a shim that knows what it knew.
    let mut client = Client::with(client.shim);
    client.call(SERVICES[0], "Connect", &[]);
    assert_eq!(client.answered.len(), 1, "a call is answered");
    assert!(
        client.shim.tasks.contains_key("one"),
        "the container is there"
    );
    client.end();
}

struct Client {
    shim: Shim,
    socket: UnixStream,
    frames: Frames,
    stream: u32,
    asked: BTreeSet<u32>,
    answered: BTreeSet<u32>,
    /// Nothing was sent but calls, and frames that are passed over.
    is_regular: bool,
}

impl Client {
    /// With a shim that has a container, and a process that was added to it.
    fn new() -> Client {
        static COUNT: AtomicU64 = AtomicU64::new(0);
        let number = COUNT.fetch_add(1, Ordering::Relaxed);
        let name = format!("tare-shim-fuzzing-{}-{number}", std::process::id());
        let address = SocketAddr::from_abstract_name(name).expect("an address");
        let listener = UnixListener::bind_addr(&address).expect("a socket");
        let mut shim = Shim::new(listener, Identity::default()).expect("a shim");
        shim.workers = Workers::new(NO_STACK).expect("an eventfd");
        let process = |phase| Running {
            phase,
            ..Running::default()
        };
        let task = Task {
            bundle: PathBuf::from("/nowhere"),
            options: Options::default(),
            container: None,
            init: process(Phase::Running),
            execs: [("e".to_owned(), process(Phase::Created))].into(),
            is_paused: false,
            checkpoint: String::new(),
            memory: None,
        };
        shim.tasks.insert("one".to_owned(), task);
        Client::with(shim)
    }

    fn with(mut shim: Shim) -> Client {
        let (socket, other) = UnixStream::pair().expect("sockets");
        socket.set_nonblocking(true).expect("not to wait");
        shim.meet(other);
        Client {
            shim,
            socket,
            frames: Frames::default(),
            stream: 1,
            asked: BTreeSet::new(),
            answered: BTreeSet::new(),
            is_regular: true,
        }
    }

    fn call(&mut self, service: &str, method: &str, payload: &[u8]) {
        let mut request = Request::new();
        request.service = service.to_owned();
        request.method = method.to_owned();
        request.payload = payload.to_vec();
        let message = request.write_to_bytes().expect("a message");
        // Who waits for a process that does not end has no answer.
        if method != "Wait" {
            self.asked.insert(self.stream);
        }
        self.send(&frame::encode(self.stream, frame::REQUEST, &message));
        self.stream += 2;
    }

    /// The shim does not close a connection, whatever comes.
    fn send(&mut self, bytes: &[u8]) {
        self.socket.write_all(bytes).expect("to send");
        self.turn();
    }

    fn turn(&mut self) {
        self.shim.turn(Some(Instant::now())).expect("to go on");
        let mut buffer = [0; 8192];
        loop {
            match self.socket.read(&mut buffer) {
                Ok(0) => break,
                Ok(length) => self.frames.feed(&buffer[..length]),
                Err(error) if error.kind() == ErrorKind::WouldBlock => break,
                Err(error) => panic!("the connection has broken: {error}"),
            }
        }
        while let Some(frame) = self.frames.next() {
            let Frame::Whole {
                stream,
                kind: frame::RESPONSE,
                message,
            } = frame
            else {
                panic!("no answer: {frame:?}");
            };
            Response::parse_from_bytes(&message).expect("an answer");
            let is_first = self.answered.insert(stream);
            assert!(is_first || !self.is_regular, "answered twice: {stream}");
        }
    }

    fn end(&mut self) {
        self.socket
            .shutdown(std::net::Shutdown::Write)
            .expect("to close");
        self.turn();
        self.turn();
        if self.is_regular {
            let missing: Vec<_> = self.asked.difference(&self.answered).collect();
            assert!(missing.is_empty(), "not answered: {missing:?}");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn piece() -> impl Strategy<Value = Vec<u8>> {
        let content = prop_oneof![
            prop::collection::vec(any::<u8>(), 0..80),
            // A message with an id, and perhaps the name of a process.
            Just(b"\x0a\x03one".to_vec()),
            Just(b"\x0a\x03one\x12\x01e".to_vec()),
            Just(b"\x0a\x03new".to_vec()),
        ];
        (any::<u8>(), content).prop_map(|(what, content)| {
            let mut piece = vec![what, content.len() as u8];
            piece.extend(content);
            piece
        })
    }

    proptest! {
        #[test]
        fn whatever_comes_is_answered(pieces in prop::collection::vec(piece(), 0..20)) {
            at_socket(&pieces.concat());
        }
    }
}
