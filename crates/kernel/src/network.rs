//! Network devices: netdevice(7), rtnetlink(7).

use crate::{Fd, Result, syscall};

const AF_INET: usize = 2;
const AF_NETLINK: usize = 16;
const SOCK_RAW: usize = 3;
const SOCK_DGRAM: usize = 2;
const SOCK_CLOEXEC: usize = 0o2000000;
const SIOCSIFFLAGS: usize = 0x8914;
const IFF_UP: u16 = 1;
const IFF_RUNNING: u16 = 0x40;

/// socket(2): a netlink socket for the devices of the calling thread's network namespace.
pub fn route_socket() -> Result<Fd> {
    // SAFETY: no pointers.
    unsafe { syscall!(Socket, SOCKET, AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, 0) }.map(Fd::fresh)
}

#[repr(C)]
struct InterfaceRequest {
    name: [u8; 16],
    flags: u16,
    padding: [u8; 22],
}

/// Sets the interface `lo` of the calling thread's network namespace up.
pub fn loopback_up() -> Result<()> {
    // SAFETY: no pointers.
    let socket =
        unsafe { syscall!(Socket, SOCKET, AF_INET, SOCK_DGRAM | SOCK_CLOEXEC) }.map(Fd::fresh)?;
    let mut request = InterfaceRequest {
        name: [0; 16],
        flags: IFF_UP | IFF_RUNNING,
        padding: [0; 22],
    };
    request.name[..2].copy_from_slice(b"lo");
    // SAFETY: `request` is a whole `struct ifreq` (40 bytes).
    unsafe { syscall!(Ioctl, IOCTL, socket.raw(), SIOCSIFFLAGS, &raw const request) }.map(drop)
}
