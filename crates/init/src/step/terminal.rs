//! A pseudoterminal of the container's own, as its standard input, output and error.

use core::fmt;

use kernel::file::{self, magic, mode, open};
use kernel::terminal::{self, Size};
use kernel::{Call, Errno, Fault, Fd, Result, Stream, mount, socket};

use super::{Context, Step, step};
use crate::slots::{EMPTY, kind};
use crate::{Slot, StringTable, inside};

step! {
    /// Opens a pty of the container's devpts, makes it the controlling terminal, and sends the other end to whoever
    /// asked for it. `process.terminal`, `process.consoleSize`
    ///
    /// The peer is taken by descriptor (TIOCGPTPEER) and never by its name, which others could replace
    /// (CVE-2025-52565).
    Terminal {
        /// The console socket, connected.
        socket: Slot<kind::Socket>,
        /// Rows; 0 leaves the size alone.
        rows: u32,
        /// Columns.
        columns: u32,
        /// Who is to own it.
        uid: u32,
        /// A newline stays one: whoever reads the other end passes on what is written, to a file perhaps.
        newlines: bool,
        /// Bind it on `/dev/console`: for the container's first process.
        console: bool,
    }
}

fn open_pty(context: &Context<'_>) -> Result<(Fd, Fd)> {
    let devpts = inside::open(context.root(), c"/dev/pts", open::PATH | open::DIRECTORY)?;
    if file::filesystem(devpts.borrow())?.kind != magic::DEVPTS {
        return Err(Fault::found(Call::Fstatfs, Errno::ENODEV));
    }
    let master = terminal::open_master(devpts.borrow(), c"ptmx")?;
    let peer = terminal::peer(master.borrow())?;
    if file::status(peer.borrow())?.kind() != mode::CHARACTER {
        return Err(Fault::found(Call::Fstat, Errno::ENODEV));
    }
    Ok((master, peer))
}

/// Binds the terminal on `/dev/console`, which is made without following a link at its end (CVE-2026-88264).
fn bind_console(context: &Context<'_>, peer: &Fd) -> Result<()> {
    let (dev, _) = inside::parent(context.root(), c"/dev/console")?;
    let flags = open::CREAT | open::EXCL | open::NOFOLLOW | open::WRONLY;
    match file::open_at(dev.borrow(), c"console", flags, 0o600) {
        Err(fault) if !fault.is(Errno::EEXIST) => return Err(fault),
        _ => {}
    }
    let place = file::open_at(dev.borrow(), c"console", open::PATH | open::NOFOLLOW, 0)?;
    if file::status(place.borrow())?.kind() == mode::LINK {
        return Err(Fault::found(Call::Openat, Errno::ELOOP));
    }
    let tree = mount::clone_tree(peer.borrow(), c"", false)?;
    mount::attach(tree.borrow(), place.borrow())
}

impl Step for Terminal {
    fn run(&self, context: &mut Context<'_>) -> Result<()> {
        let (master, peer) = open_pty(context)?;
        if self.rows > 0 {
            terminal::set_size(
                master.borrow(),
                Size::new(self.rows as u16, self.columns as u16),
            )?;
        }
        if self.newlines {
            terminal::keep_newlines(peer.borrow())?;
        }
        if self.console {
            bind_console(context, &peer)?;
        }
        file::set_owner(peer.borrow(), self.uid, u32::MAX)?;
        terminal::make_controlling(peer.borrow())?;
        for stream in Stream::all() {
            file::duplicate_onto(peer.borrow(), stream)?;
        }
        let socket = context.slots.take(self.socket).ok_or(EMPTY)?;
        socket::send(socket.borrow(), b"/dev/ptmx", &[master.borrow()]).map(drop)
    }

    fn describe(&self, _: StringTable<'_>, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("terminal")?;
        if self.rows > 0 {
            write!(f, " {}x{}", self.columns, self.rows)?;
        }
        if self.newlines {
            f.write_str(", newlines as they are")?;
        }
        f.write_str(if self.console {
            ", bound on /dev/console"
        } else {
            ""
        })
    }
}
