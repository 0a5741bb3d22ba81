//! C2, C3: terminals.

use std::fs::File;
use std::io::Read;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::net::UnixListener;

use nix::sys::termios::{LocalFlags, OutputFlags, tcgetattr};
use serde_json::json;

use crate::bundle::Bundle;
use crate::case::Case;
use crate::container::{Seen, wait_for};
use crate::row::{Row, must, should};
use crate::verdict::{Setup, Verdict, ensure, fail};

const PROCESS: &str = "config.md#process";
const DEVICES: &str = "config-linux.md#default-devices";

#[rustfmt::skip]
pub(crate) const ROWS: &[Row] = &[
    must("C2", PROCESS, "with `terminal` all three standard streams are one terminal", |c| {
        let (seen, _) = in_terminal(c.bundle().set("/process/terminal", true), "tty")?;
        for fd in 0..3 {
            seen.has(&format!("{fd} tty"))?;
        }
        Ok(())
    }),
    must("C2.without", PROCESS, "without `terminal` there is none", |c| c.bundle().see("tty")?.lacks("tty ")),
    must("C2.console", DEVICES, "/dev/console is the terminal", |c| {
        let (seen, _) = in_terminal(c.bundle().set("/process/terminal", true), "stat /dev/console -- open /dev/console rw")?;
        seen.has("/dev/console char")?;
        seen.has("open /dev/console: ok")
    }),
    must("C2.controlling", PROCESS, "the terminal controls the process: /dev/tty can be opened", |c| {
        let (seen, _) = in_terminal(c.bundle().set("/process/terminal", true), "open /dev/tty rw")?;
        seen.has("open /dev/tty: ok")
    }),
    must("C2.own", PROCESS, "the terminal belongs to the container's own devpts", |c| {
        let (seen, _) = in_terminal(c.bundle().set("/process/terminal", true), "ls /dev/pts")?;
        ensure(seen.text.lines().any(|line| line.trim() == "0"), || format!("/dev/pts holds {:?}", seen.text))
    }),
    must("C2.user", PROCESS, "the terminal can be opened by the process's user", |c| {
        let bundle = c.bundle().set("/process/terminal", true).aid("/process/user", json!({"uid": 1000, "gid": 1000}));
        let (seen, _) = in_terminal(bundle, "open /dev/pts/0 rw")?;
        seen.has("open /dev/pts/0: ok")
    }),
    should("C2.settings", PROCESS, "the line has a fresh terminal's settings: echo, signals, lines", |c| {
        let (_, master) = in_terminal(c.bundle().set("/process/terminal", true), "sleep 0")?;
        let settings = tcgetattr(&master).setup("ask for the line's settings")?;
        let wanted = LocalFlags::ECHO | LocalFlags::ICANON | LocalFlags::ISIG;
        ensure(settings.local_flags.contains(wanted) && settings.output_flags.contains(OutputFlags::OPOST), || {
            format!("{:?} {:?}", settings.local_flags, settings.output_flags)
        })
    }),
    must("C3", PROCESS, "`consoleSize` is the terminal's size", |c| {
        let bundle = c.bundle().aid("/process/terminal", true).set("/process/consoleSize", json!({"height": 33, "width": 111}));
        let (seen, _) = in_terminal(bundle, "tty")?;
        seen.has("0 tty 33 111")
    }),
    must("C3.ignored", PROCESS, "`consoleSize` is ignored without `terminal`", |c| {
        for terminal in [None, Some(false)] {
            let bundle = c.bundle().aid("/process/consoleSize", json!({"height": 33, "width": 111}));
            let bundle = match terminal {
                Some(value) => bundle.aid("/process/terminal", value),
                None => bundle,
            };
            bundle.see("echo seen")?.has("seen")?;
        }
        Ok(())
    }),
];

/// Runs a container with a terminal, whose master is received as runtimes hand it over; what was written to it.
fn in_terminal(bundle: Bundle, commands: &str) -> Verdict<(Seen, File)> {
    let case: &Case = bundle.case;
    let path = case.path(&format!("c{}", case.id().rsplit('-').next().unwrap_or("0")));
    let socket = UnixListener::bind(&path).setup("listen at a socket")?;
    socket.set_nonblocking(true).setup("set a socket")?;
    let path = path.display().to_string();
    let container = bundle
        .runs(commands)
        .flags(&["--console-socket", &path])
        .create()?;
    let (stream, _) = wait_for("a connection to the console socket", || {
        socket.accept().ok()
    })?;
    stream.set_nonblocking(false).setup("set a socket")?;
    let (mut name, mut fds) = ([0; 256], [None, None]);
    let received = kernel::socket::receive(stream.as_fd().into(), &mut name, &mut fds, true);
    received
        .map_err(|fault| fault.to_string())
        .setup("receive the terminal")?;
    let Some(master) = fds.into_iter().flatten().next() else {
        return fail("no descriptor was sent to the console socket");
    };
    let master = File::from(OwnedFd::from(master));
    container.start()?;
    let code = container.exit()?;
    kernel::file::set_nonblocking(master.as_fd().into(), true)
        .map_err(|fault| fault.to_string())
        .setup("set the terminal")?;
    let mut text = Vec::new();
    let _ = (&master).read_to_end(&mut text);
    let text = String::from_utf8_lossy(&text).replace('\r', "");
    Ok((Seen { text, code }, master))
}
