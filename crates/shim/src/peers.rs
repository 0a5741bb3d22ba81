//! Who is connected: how many there may be, and what is kept for them.
//!
//! To containerd, a connection that ends is a container that has died. So one is ended from here only where it cannot be
//! containerd's: containerd makes a call as soon as it is connected, sends its messages whole, and reads what it is answered.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use crate::connection::{Connection, Interest};
use crate::poller::Token;

/// So many may be silent for longer than [`SHY`].
const MOST_SILENT: usize = 64;

/// So many may be silent at all: what they have, descriptors, is needed for other things.
const MOST_NEW: usize = 256;

/// How long somebody may take to make a first call before others have precedence.
const SHY: Duration = Duration::from_secs(10);

/// The most memory for what is half sent and half read, by all of them. The longest message is a sixteenth of it.
const MOST_HELD: usize = 64 << 20;

/// Somebody who is connected.
#[derive(Debug)]
pub(crate) struct Peer {
    pub(crate) connection: Connection,
    pub(crate) watched: Interest,
    came: Instant,
    /// Has made a call.
    pub(crate) has_spoken: bool,
    /// Since when something has been on its way to or from them.
    holds_since: Option<Instant>,
}

/// All of them, in the order in which they came.
#[derive(Debug, Default)]
pub(crate) struct Peers(BTreeMap<Token, Peer>);

impl Peers {
    pub(crate) fn add(&mut self, token: Token, connection: Connection, watched: Interest) {
        let peer = Peer {
            connection,
            watched,
            came: Instant::now(),
            has_spoken: false,
            holds_since: None,
        };
        self.0.insert(token, peer);
    }

    pub(crate) fn get(&mut self, token: Token) -> Option<&mut Peer> {
        self.0.get_mut(&token)
    }

    pub(crate) fn remove(&mut self, token: Token) -> Option<Peer> {
        self.0.remove(&token)
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(crate) fn tokens(&self) -> Vec<Token> {
        self.0.keys().copied().collect()
    }

    /// Whether all that is to be sent has been.
    pub(crate) fn are_flushed(&self) -> bool {
        self.0.values().all(|peer| peer.connection.is_flushed())
    }

    /// Who has been silent for longest.
    pub(crate) fn most_silent(&self) -> Option<Token> {
        self.silent().next().map(|(token, _)| token)
    }

    fn silent(&self) -> impl Iterator<Item = (Token, &Peer)> {
        let silent = self.0.iter().filter(|(_, peer)| !peer.has_spoken);
        silent.map(|(token, peer)| (*token, peer))
    }

    /// Who is one too many by now.
    pub(crate) fn too_many(&mut self, now: Instant) -> Vec<Token> {
        let count = self.silent().count();
        let left = (1..).map(|gone| count.saturating_sub(gone));
        let silent = self.silent().zip(left).take_while(|((_, peer), left)| {
            *left >= MOST_NEW || *left >= MOST_SILENT && peer.came + SHY <= now
        });
        let mut all: Vec<Token> = silent.map(|((token, _), _)| token).collect();
        let mut held: usize = 0;
        let mut holders = Vec::new();
        for (token, peer) in &mut self.0 {
            match peer.connection.held() {
                0 => peer.holds_since = None,
                bytes => {
                    held += bytes;
                    let since = *peer.holds_since.get_or_insert(now);
                    holders.push((since, *token, bytes));
                }
            }
        }
        holders.sort_unstable();
        for (_, token, bytes) in holders {
            if held <= MOST_HELD {
                break;
            }
            held -= bytes;
            all.push(token);
        }
        all
    }

    /// When to look again whether there are too many, if nothing else happens.
    pub(crate) fn deadline(&self) -> Option<Instant> {
        let excess = self.silent().count().saturating_sub(MOST_SILENT);
        let (_, oldest) = self.silent().next().filter(|_| excess > 0)?;
        Some(oldest.came + SHY)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::shim::READ;
    use std::io::Write;
    use std::os::unix::net::UnixStream;

    fn with(count: u64) -> (Peers, Vec<UnixStream>) {
        let mut peers = Peers::default();
        let connect = |token| {
            let (here, there) = UnixStream::pair().expect("sockets");
            let connection = Connection::new(there).expect("a connection");
            peers.add(token, connection, READ);
            here
        };
        let others = (0..count).map(connect).collect();
        (peers, others)
    }

    #[test]
    fn the_silent_go_when_there_are_too_many_and_not_at_once() {
        let (mut peers, _others) = with(70);
        peers.get(0).expect("one").has_spoken = true;
        let now = Instant::now();
        assert!(peers.too_many(now).is_empty());
        assert!(peers.deadline().is_some());
        assert_eq!(peers.too_many(now + SHY), [1, 2, 3, 4, 5]);
        assert_eq!(peers.most_silent(), Some(1));
        for token in 1..=5 {
            peers.remove(token);
        }
        assert!(peers.too_many(now + SHY).is_empty());
        assert_eq!(peers.deadline(), None);
        let (mut peers, _others) = with(258);
        assert_eq!(peers.too_many(Instant::now()), [0, 1]);
    }

    #[test]
    fn of_those_who_send_halves_the_first_go() {
        let (mut peers, mut others) = with(20);
        // The beginning of a message of four megabytes each, but for the last byte.
        let mut half = vec![0; 10 + (4 << 20) - 1];
        half[..4].copy_from_slice(&(4u32 << 20).to_be_bytes());
        let mut gone = Vec::new();
        for (token, other) in others.iter_mut().enumerate() {
            let token = token as Token;
            for piece in half.chunks(64 << 10) {
                let Some(peer) = peers.get(token) else { break };
                other.write_all(piece).expect("to send");
                assert!(peer.connection.receive());
                assert!(peer.connection.frame().is_none());
                for token in peers.too_many(Instant::now()) {
                    peers.remove(token);
                    gone.push(token);
                }
                let held: usize = peers.0.values().map(|peer| peer.connection.held()).sum();
                assert!(held <= MOST_HELD, "{held}");
            }
        }
        assert!(!gone.is_empty() && gone.is_sorted(), "{gone:?}");
        assert!(peers.get(19).is_some(), "the last one has its turn");
    }
}
