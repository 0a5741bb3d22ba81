//! Events on their way to containerd: in order, one at a time, kept until containerd has them, whether it runs or not.

use std::collections::VecDeque;
use std::os::fd::AsRawFd;
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use containerd_shim_protos::ttrpc::Request;
use nix::sys::socket::{AddressFamily, SockFlag, SockType, UnixAddr, connect, socket};
use protobuf::Message;

use crate::connection::{Connection, Interest};
use crate::events::Event;
use crate::frame::{self, Frame};
use crate::poller::{Poller, Token};

/// More are not kept while nobody takes them: the oldest go.
const MOST: usize = 8192;

/// Nor more bytes than these.
const MOST_BYTES: usize = 16 << 20;

/// Who does not answer for so long is asked anew.
const PATIENCE: Duration = Duration::from_secs(10);

const FIRST_DELAY: Duration = Duration::from_millis(50);
const LONGEST_DELAY: Duration = Duration::from_secs(5);

/// The queue and the connection.
#[derive(Debug)]
pub(crate) struct Publisher {
    /// containerd's socket; without one nobody wants to know.
    address: Option<PathBuf>,
    namespace: String,
    /// Requests as they are sent.
    queue: VecDeque<Vec<u8>>,
    link: Option<Link>,
    /// When to try again, after a failure.
    retry: Option<Instant>,
    delay: Duration,
}

#[derive(Debug)]
struct Link {
    token: Token,
    connection: Connection,
    watched: Interest,
    /// The stream of the last request; odd numbers are the caller's.
    stream: u32,
    /// Until when the first of the queue is to be answered, if it has been sent.
    asked: Option<Instant>,
}

impl Publisher {
    pub(crate) fn new(address: Option<PathBuf>, namespace: &str) -> Publisher {
        Publisher {
            address,
            namespace: namespace.to_owned(),
            queue: VecDeque::new(),
            link: None,
            retry: None,
            delay: FIRST_DELAY,
        }
    }

    /// Whether containerd has everything.
    pub(crate) fn is_done(&self) -> bool {
        self.queue.is_empty()
    }

    /// When to call [`Publisher::go_on`], whatever comes before.
    pub(crate) fn deadline(&self) -> Option<Instant> {
        match &self.link {
            Some(link) => link.asked,
            None => self.retry.filter(|_| !self.queue.is_empty()),
        }
    }

    /// The token of its connection.
    pub(crate) fn token(&self) -> Option<Token> {
        self.link.as_ref().map(|link| link.token)
    }

    pub(crate) fn publish(&mut self, event: &Event, poller: &mut Poller) {
        if self.address.is_none() {
            return;
        }
        let mut request = Request::new();
        request.service = "containerd.services.events.ttrpc.v1.Events".to_owned();
        request.method = "Forward".to_owned();
        request.timeout_nano = PATIENCE.as_nanos() as i64;
        request.payload = event.to_request(&self.namespace);
        self.keep(request.write_to_bytes().unwrap_or_default());
        self.go_on(poller);
    }

    fn keep(&mut self, request: Vec<u8>) {
        // The first one may be on its way.
        let sent = usize::from(self.link.as_ref().is_some_and(|link| link.asked.is_some()));
        let mut bytes = request.len() + self.queue.iter().map(Vec::len).sum::<usize>();
        while self.queue.len() >= MOST || bytes > MOST_BYTES {
            let Some(oldest) = self.queue.remove(sent) else {
                break;
            };
            bytes -= oldest.len();
        }
        self.queue.push_back(request);
    }

    /// Connects, sends, takes answers, as far as that goes without waiting.
    pub(crate) fn go_on(&mut self, poller: &mut Poller) {
        let now = Instant::now();
        if let Some(link) = &mut self.link {
            let alive = link.connection.receive() && link.connection.flush();
            let mut answered = false;
            while let Some(frame) = link.connection.frame() {
                if let Frame::Whole { stream, kind, .. } = frame {
                    answered |= kind == frame::RESPONSE && stream == link.stream;
                }
            }
            // An event that containerd refuses would be refused again.
            if answered && link.asked.take().is_some() {
                self.queue.pop_front();
                self.delay = FIRST_DELAY;
            }
            if !alive || link.asked.is_some_and(|until| until <= now) {
                self.disconnect(poller);
            }
        }
        if self.queue.is_empty() {
            self.queue = VecDeque::new();
            return self.watch(poller);
        }
        if self.link.is_none() && self.retry.is_none_or(|at| at <= now) {
            self.connect(poller);
        }
        if let (Some(link), Some(request)) = (&mut self.link, self.queue.front())
            && link.asked.is_none()
        {
            link.stream = link.stream.wrapping_add(2);
            link.asked = Some(now + PATIENCE);
            let frame = frame::encode(link.stream, frame::REQUEST, request);
            if !link.connection.send(frame) {
                self.disconnect(poller);
            }
        }
        self.watch(poller);
    }

    fn connect(&mut self, poller: &mut Poller) {
        let Some(address) = &self.address else { return };
        let flags = SockFlag::SOCK_CLOEXEC | SockFlag::SOCK_NONBLOCK;
        let connection = socket(AddressFamily::Unix, SockType::Stream, flags, None)
            .and_then(|socket| {
                connect(socket.as_raw_fd(), &UnixAddr::new(address)?).map(|()| socket)
            })
            .map_err(std::io::Error::from)
            .and_then(|socket| Connection::new(UnixStream::from(socket)));
        let token = poller.token();
        let watched = Interest {
            read: true,
            write: false,
        };
        match connection {
            Ok(connection) if poller.add(&connection, token, watched).is_ok() => {
                self.retry = None;
                self.link = Some(Link {
                    token,
                    connection,
                    watched,
                    stream: u32::MAX,
                    asked: None,
                });
            }
            _ => self.wait_longer(),
        }
    }

    fn wait_longer(&mut self) {
        self.retry = Some(Instant::now() + self.delay);
        self.delay = (self.delay * 2).min(LONGEST_DELAY);
    }

    fn disconnect(&mut self, poller: &Poller) {
        if let Some(link) = self.link.take() {
            poller.remove(&link.connection);
        }
        self.wait_longer();
    }

    fn watch(&mut self, poller: &Poller) {
        let Some(link) = &mut self.link else { return };
        let interest = link.connection.interest();
        if interest != link.watched
            && poller
                .change(&link.connection, link.token, interest)
                .is_ok()
        {
            link.watched = interest;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_too_many_events_and_of_too_long_ones_the_last_are_kept() {
        let mut publisher = Publisher::new(None, "test");
        for number in 0..MOST + 5 {
            publisher.keep(number.to_be_bytes().to_vec());
        }
        assert_eq!(publisher.queue.len(), MOST);
        assert_eq!(publisher.queue[0], 5usize.to_be_bytes());
        for length in 0..10 {
            publisher.keep(vec![length; 4 << 20]);
        }
        let first: Vec<u8> = publisher.queue.iter().map(|request| request[0]).collect();
        assert_eq!(first, [6, 7, 8, 9]);
        // One that is too long by itself is told, too.
        publisher.keep(vec![0; MOST_BYTES + 1]);
        assert_eq!(publisher.queue.len(), 1);
    }
}
