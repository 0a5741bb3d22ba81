//! A pseudoterminal of the container's own, as its standard input, output and error.

use core::fmt;

use kernel::file::{self, magic, mode, open};
use kernel::terminal::{self, Size};
use kernel::{Call, Errno, Fault, Fd, Result, mount, socket};

use super::{Context, Step, step};
use crate::{Slot, Text, inside};

step! {
    /// Opens a pty of the container's devpts, makes it the controlling terminal, and sends the other end to whoever
    /// asked for it. `process.terminal`, `process.consoleSize`
    ///
    /// The peer is taken by descriptor (TIOCGPTPEER) and never by its name, which others could replace
    /// (CVE-2025-52565).
    Terminal {
        /// The console socket, connected.
        socket: Slot,
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
    if file::filesystem(devpts.raw())?.kind != magic::DEVPTS {
        return Err(Fault::found(Call::Fstatfs, Errno::ENODEV));
    }
    let master = terminal::open_master(devpts.raw(), c"ptmx")?;
    let peer = terminal::peer(master.raw())?;
    if file::status(peer.raw())?.kind() != mode::CHARACTER {
        return Err(Fault::found(Call::Fstat, Errno::ENODEV));
    }
    Ok((master, peer))
}

/// Binds the terminal on `/dev/console`, which is made without following a link at its end (CVE-2026-88264).
fn bind_console(context: &Context<'_>, peer: &Fd) -> Result<()> {
    let (dev, _) = inside::parent(context.root(), c"/dev/console")?;
    let flags = open::CREAT | open::EXCL | open::NOFOLLOW | open::WRONLY;
    match file::open_at(dev.raw(), c"console", flags, 0o600) {
        Err(fault) if !fault.is(Errno::EEXIST) => return Err(fault),
        _ => {}
    }
    let place = file::open_at(dev.raw(), c"console", open::PATH | open::NOFOLLOW, 0)?;
    if file::status(place.raw())?.kind() == mode::LINK {
        return Err(Fault::found(Call::Openat, Errno::ELOOP));
    }
    let tree = mount::clone_tree(peer.raw(), c"", false)?;
    mount::attach(tree.raw(), place.raw())
}

impl Step for Terminal {
    fn run(&self, context: &mut Context<'_>) -> Result<()> {
        let (master, peer) = open_pty(context)?;
        if self.rows > 0 {
            terminal::set_size(
                master.raw(),
                Size::new(self.rows as u16, self.columns as u16),
            )?;
        }
        if self.newlines {
            terminal::keep_newlines(peer.raw())?;
        }
        if self.console {
            bind_console(context, &peer)?;
        }
        file::set_owner(peer.raw(), self.uid, u32::MAX)?;
        terminal::make_controlling(peer.raw())?;
        for standard in 0..3 {
            file::duplicate_onto(peer.raw(), standard, false)?;
        }
        socket::send(
            context.slots.raw(self.socket)?,
            b"/dev/ptmx",
            &[master.raw()],
        )?;
        drop(context.slots.take(self.socket));
        Ok(())
    }

    fn describe(&self, _: Text<'_>, f: &mut fmt::Formatter<'_>) -> fmt::Result {
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
