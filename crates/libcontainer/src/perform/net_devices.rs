//! Moving a network device of the host into the container, and back when the container cannot be created
//! (config-linux.md, "Network Devices").

use kernel::namespace::flags::NEWNET;
use kernel::{Call, Errno, Fault, Fd};

use super::namespace;
use super::netlink::{Address, Link, Netlink};

/// A device that is in the container now, with what it takes to bring it back.
#[derive(Debug)]
pub(super) struct Moved {
    there: Netlink,
    home: Fd,
    /// Its number there; `None` as long as it has not left.
    index: Option<i32>,
    name: String,
    was_up: bool,
    addresses: Vec<Address>,
}

/// Moves a device to the network namespace of a process. It keeps its permanent addresses of global scope, is renamed
/// (`%d` in the new name stands for the first free number) and set up.
///
/// `EEXIST` when the name is taken there. On an error the device is where it was.
pub(super) fn take(name: &str, new_name: &str, pid: i32) -> kernel::Result<Moved> {
    let target = namespace::open(&format!("/proc/{pid}/ns/net"), NEWNET)?;
    let mut here = Netlink::open()?;
    let link = here.link(name)?;
    let addresses = here.addresses(link.index)?;
    let mut there = Netlink::open_in(&target)?;
    match there.link(new_name) {
        Ok(_) => return Err(Fault::found(Call::Sendmsg, Errno::EEXIST)),
        Err(fault) if fault.is(Errno::ENODEV) => {}
        Err(fault) => return Err(fault),
    }
    let home = namespace::open("/proc/thread-self/ns/net", NEWNET)?;
    let mut moved = Moved {
        there,
        home,
        index: None,
        name: name.to_owned(),
        was_up: link.up,
        addresses,
    };
    match moved.arrive(&mut here, link, &target, new_name) {
        Ok(()) => Ok(moved),
        Err(fault) => {
            moved.bring_back();
            Err(fault)
        }
    }
}

impl Moved {
    fn arrive(
        &mut self,
        here: &mut Netlink,
        link: Link,
        target: &Fd,
        new_name: &str,
    ) -> kernel::Result<()> {
        // Under a name that nobody else has: neither the old name nor the old number need be free there, and the kernel
        // does not say which ones the device got.
        let passing = format!("t{:x}.{:x}", std::process::id(), link.index);
        here.hand_over(link.index, target, &passing)?;
        let index = self.there.link(&passing)?.index;
        self.index = Some(index);
        self.there.rename(index, new_name)?;
        for address in &self.addresses {
            self.there.add_address(index, address)?;
        }
        self.there.set_up(index)
    }

    /// Gives the device back to the host as it was. Without a container it would be lost: what is not hardware goes with
    /// its namespace.
    pub(super) fn bring_back(mut self) {
        let Some(index) = self.index else { return };
        let returned = self
            .there
            .hand_over(index, &self.home, &self.name)
            .and_then(|()| Netlink::open_in(&self.home))
            .and_then(|mut home| {
                let index = home.link(&self.name)?.index;
                for address in &self.addresses {
                    home.add_address(index, address)?;
                }
                match self.was_up {
                    true => home.set_up(index),
                    false => Ok(()),
                }
            });
        if let Err(fault) = returned {
            log::debug!("bring network device {} back: {fault}", self.name);
        }
    }
}
