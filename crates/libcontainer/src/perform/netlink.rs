//! Questions and orders to rtnetlink(7), about the network devices of one network namespace.

use std::os::fd::AsRawFd;

use kernel::{Call, Errno, Fault, Fd, namespace, network, socket};

/// Room for the largest datagram that the kernel sends (`NLMSG_GOODSIZE` with 64 KiB pages, netlink(7)).
const ROOM: usize = 64 * 1024;

const ERROR: u16 = 2;
const DONE: u16 = 3;
const NEW_LINK: u16 = 16;
const GET_LINK: u16 = 18;
const SET_LINK: u16 = 19;
const NEW_ADDRESS: u16 = 20;
const GET_ADDRESS: u16 = 22;

const REQUEST: u16 = 1;
const ACKNOWLEDGE: u16 = 4;
const DUMP: u16 = 0x300;
const CREATE: u16 = 0x400;

const LINK_NAME: u16 = 3;
const LINK_NAMESPACE: u16 = 28;
const ADDRESS_LABEL: u16 = 3;
const ADDRESS_CACHE: u16 = 6;
const ADDRESS_FLAGS: u16 = 8;

const UP: u32 = 1;
const PERMANENT: u32 = 0x80;

/// A network device.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Link {
    /// Its number in its namespace.
    pub(super) index: i32,
    /// Whether it is set up.
    pub(super) up: bool,
}

/// An address as the kernel describes it: `struct ifaddrmsg` without the device, and its attributes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Address {
    head: [u8; 4],
    attributes: Vec<u8>,
}

/// A socket in one network namespace.
#[derive(Debug)]
pub(super) struct Netlink {
    socket: Fd,
    sequence: u32,
}

impl Netlink {
    /// In the caller's network namespace.
    pub(super) fn open() -> kernel::Result<Netlink> {
        Ok(Netlink {
            socket: network::route_socket()?,
            sequence: 0,
        })
    }

    /// In another one. A socket stays in the namespace in which it was made, so a thread of its own goes there and comes
    /// back with one: no other thread of the program notices.
    pub(super) fn open_in(target: &Fd) -> kernel::Result<Netlink> {
        let there = || {
            namespace::join(target.borrow(), namespace::flags::NEWNET)?;
            Netlink::open()
        };
        let started = std::thread::scope(|scope| {
            std::thread::Builder::new()
                .spawn_scoped(scope, there)
                .map(|thread| thread.join())
        });
        match started {
            Ok(Ok(answer)) => answer,
            _ => Err(Fault::found(Call::Clone3, Errno::EAGAIN)),
        }
    }

    /// The device of this name. `ENODEV` when there is none.
    pub(super) fn link(&mut self, name: &str) -> kernel::Result<Link> {
        let mut message = Message::new(GET_LINK, 0);
        message.link(0, 0, 0).attribute(LINK_NAME, &c_name(name));
        let mut found = None;
        self.call(message, |kind, body| {
            if kind == NEW_LINK {
                found = link_in(body).or(found);
            }
        })?;
        found.ok_or(Fault::found(Call::Recvmsg, Errno::ENODEV))
    }

    /// Renames a device, which must be down.
    pub(super) fn rename(&mut self, index: i32, name: &str) -> kernel::Result<()> {
        let mut message = Message::new(SET_LINK, ACKNOWLEDGE);
        message
            .link(index, 0, 0)
            .attribute(LINK_NAME, &c_name(name));
        self.call(message, |_, _| {})
    }

    /// Moves a device to another namespace, where it gets this name and is down.
    pub(super) fn hand_over(&mut self, index: i32, to: &Fd, name: &str) -> kernel::Result<()> {
        let mut message = Message::new(SET_LINK, ACKNOWLEDGE);
        message
            .link(index, 0, 0)
            .attribute(LINK_NAMESPACE, &to.as_raw_fd().to_ne_bytes())
            .attribute(LINK_NAME, &c_name(name));
        self.call(message, |_, _| {})
    }

    /// Sets a device up.
    pub(super) fn set_up(&mut self, index: i32) -> kernel::Result<()> {
        let mut message = Message::new(SET_LINK, ACKNOWLEDGE);
        message.link(index, UP, UP);
        self.call(message, |_, _| {})
    }

    /// A device's addresses that do not come and go by themselves, of global scope (`RT_SCOPE_UNIVERSE`).
    pub(super) fn addresses(&mut self, index: i32) -> kernel::Result<Vec<Address>> {
        let mut message = Message::new(GET_ADDRESS, DUMP);
        message.body.extend_from_slice(&[0; 8]);
        let mut found = Vec::new();
        self.call(message, |kind, body| {
            if kind == NEW_ADDRESS {
                found.extend(address_in(body, index));
            }
        })?;
        Ok(found)
    }

    /// Gives a device an address.
    pub(super) fn add_address(&mut self, index: i32, address: &Address) -> kernel::Result<()> {
        let mut message = Message::new(NEW_ADDRESS, ACKNOWLEDGE | CREATE);
        message.body.extend_from_slice(&address.head);
        message.body.extend_from_slice(&index.to_ne_bytes());
        message.body.extend_from_slice(&address.attributes);
        self.call(message, |_, _| {})
    }

    /// Sends a message and reads what comes back: `each` gets the type and the body of all that is no acknowledgement.
    fn call(&mut self, message: Message, mut each: impl FnMut(u16, &[u8])) -> kernel::Result<()> {
        self.sequence += 1;
        let many = message.flags & DUMP == DUMP;
        let acknowledged = message.flags & ACKNOWLEDGE != 0;
        socket::send(self.socket.borrow(), &message.encode(self.sequence), &[])?;
        let mut room = vec![0; ROOM];
        loop {
            let received = socket::receive(self.socket.borrow(), &mut room, &mut [], true)?;
            let mut rest = &room[..received.bytes];
            while !rest.is_empty() {
                let broken = Fault::found(Call::Recvmsg, Errno::EBADMSG);
                let (kind, body) = take_message(&mut rest).ok_or(broken)?;
                match kind {
                    DONE => return Ok(()),
                    ERROR => {
                        return match number(body, 0).ok_or(broken)? as i32 {
                            0 => Ok(()),
                            error => Err(Fault::found(Call::Sendmsg, Errno(error.wrapping_neg()))),
                        };
                    }
                    _ => each(kind, body),
                }
            }
            if !many && !acknowledged {
                return Ok(());
            }
        }
    }
}

/// A message under construction.
struct Message {
    kind: u16,
    flags: u16,
    body: Vec<u8>,
}

impl Message {
    fn new(kind: u16, flags: u16) -> Message {
        Message {
            kind,
            flags,
            body: Vec::new(),
        }
    }

    /// `struct ifinfomsg`: a device, or 0 for the one that an attribute names.
    fn link(&mut self, index: i32, flags: u32, change: u32) -> &mut Message {
        self.body.extend_from_slice(&[0; 4]);
        self.body.extend_from_slice(&index.to_ne_bytes());
        self.body.extend_from_slice(&flags.to_ne_bytes());
        self.body.extend_from_slice(&change.to_ne_bytes());
        self
    }

    fn attribute(&mut self, kind: u16, value: &[u8]) -> &mut Message {
        let length = (4 + value.len()) as u16;
        self.body.extend_from_slice(&length.to_ne_bytes());
        self.body.extend_from_slice(&kind.to_ne_bytes());
        self.body.extend_from_slice(value);
        self.body.resize(aligned(self.body.len()), 0);
        self
    }

    fn encode(&self, sequence: u32) -> Vec<u8> {
        let length = (16 + self.body.len()) as u32;
        let mut bytes = Vec::with_capacity(length as usize);
        bytes.extend_from_slice(&length.to_ne_bytes());
        bytes.extend_from_slice(&self.kind.to_ne_bytes());
        bytes.extend_from_slice(&(self.flags | REQUEST).to_ne_bytes());
        bytes.extend_from_slice(&sequence.to_ne_bytes());
        bytes.extend_from_slice(&0u32.to_ne_bytes());
        bytes.extend_from_slice(&self.body);
        bytes
    }
}

/// Messages and attributes begin at multiples of four.
fn aligned(length: usize) -> usize {
    length.next_multiple_of(4)
}

/// The number at an offset, in the machine's order.
fn number(bytes: &[u8], offset: usize) -> Option<u32> {
    let four = bytes.get(offset..)?.first_chunk::<4>()?;
    Some(u32::from_ne_bytes(*four))
}

/// Takes a message, its type and its body, from the front; `None` when there is no whole one.
fn take_message<'a>(rest: &mut &'a [u8]) -> Option<(u16, &'a [u8])> {
    let length = number(rest, 0)? as usize;
    let taken = (number(rest, 4)? as u16, rest.get(16..length)?);
    *rest = rest.get(aligned(length)..).unwrap_or_default();
    Some(taken)
}

/// The device that a message describes.
fn link_in(body: &[u8]) -> Option<Link> {
    Some(Link {
        index: number(body, 4)? as i32,
        up: number(body, 8)? & UP != 0,
    })
}

/// The address that a message describes, if it is one of those of a device that do not come and go by themselves.
fn address_in(body: &[u8], index: i32) -> Option<Address> {
    let [family, prefix, flags, scope] = *body.first_chunk::<4>()?;
    if number(body, 4) != Some(index as u32) || scope != 0 {
        return None;
    }
    let all = attributes(body.get(8..)?);
    let wide = all.iter().find(|(kind, _)| *kind == ADDRESS_FLAGS);
    let flags = wide
        .and_then(|(_, value)| number(value, 0))
        .unwrap_or(flags.into());
    if flags & PERMANENT == 0 {
        return None;
    }
    // The label is made of the old name, and the cache's ages are not the new one's.
    let kept = all
        .iter()
        .filter(|(kind, _)| !matches!(*kind, ADDRESS_LABEL | ADDRESS_CACHE));
    let mut copy = Message::new(0, 0);
    for (kind, value) in kept {
        copy.attribute(*kind, value);
    }
    Some(Address {
        head: [family, prefix, 0, scope],
        attributes: copy.body,
    })
}

/// Attributes, as far as they are whole.
fn attributes(mut bytes: &[u8]) -> Vec<(u16, &[u8])> {
    let mut all = Vec::new();
    while let Some([l0, l1, k0, k1]) = bytes.first_chunk::<4>() {
        let length = usize::from(u16::from_ne_bytes([*l0, *l1]));
        let Some(value) = bytes.get(4..length) else {
            break;
        };
        all.push((u16::from_ne_bytes([*k0, *k1]), value));
        bytes = bytes.get(aligned(length)..).unwrap_or_default();
    }
    all
}

fn c_name(name: &str) -> Vec<u8> {
    [name.as_bytes(), &[0]].concat()
}

#[cfg(any(test, fuzzing))]
pub(crate) mod fuzzing {
    //! Ways in for [`crate::fuzzing`].
    use super::*;

    /// A datagram of the kernel's.
    pub fn any_bytes(bytes: &[u8]) {
        let (mut rest, mut count) = (bytes, 0);
        while let Some((_, body)) = take_message(&mut rest) {
            count += 1;
            assert!(count * 16 <= bytes.len(), "a message has a head");
            let _ = link_in(body);
            let Some(address) = address_in(body, 2) else {
                continue;
            };
            // What is given to the new device is what was read.
            let head = [&address.head[..], &2i32.to_ne_bytes()].concat();
            let flags = 8u16.to_ne_bytes();
            let permanent = [&8u16.to_ne_bytes()[..], &flags, &PERMANENT.to_ne_bytes()].concat();
            let again = [&head[..], &permanent, &address.attributes].concat();
            let read = address_in(&again, 2).expect("a permanent address");
            assert_eq!(read.attributes, [permanent, address.attributes].concat());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn attributes_are_read_as_they_were_written() {
        let mut message = Message::new(0, 0);
        message
            .attribute(1, b"a")
            .attribute(2, b"")
            .attribute(3, b"four");
        assert_eq!(message.body.len() % 4, 0);
        let read = attributes(&message.body);
        assert_eq!(read, [(1, &b"a"[..]), (2, &b""[..]), (3, &b"four"[..])]);
    }

    #[test]
    fn broken_attributes_end_the_reading() {
        for bytes in [&[0; 4][..], &[3, 0, 0, 0], &[9, 0, 1, 0, 1], &[1]] {
            assert_eq!(attributes(bytes), []);
        }
    }

    #[test]
    fn a_message_without_a_head_is_none() {
        // This length once made the same message come for ever.
        for length in [0u32, 15, 17] {
            let bytes = [&length.to_ne_bytes()[..], &[0; 12]].concat();
            assert_eq!(take_message(&mut &bytes[..]), None, "{length}");
        }
    }

    #[test]
    fn loopback_is_found_and_others_are_not() {
        let mut netlink = Netlink::open().unwrap();
        assert_eq!(netlink.link("lo").unwrap().index, 1);
        let missing = netlink.link("no-such-device").unwrap_err();
        assert_eq!(missing.errno, Errno::ENODEV);
        // 127.0.0.1 is of host scope.
        assert_eq!(netlink.addresses(1).unwrap(), []);
    }
}
