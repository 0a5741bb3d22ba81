//! `process.terminal`, `process.consoleSize`.

use init::Slot;
use init::slots::kind;
use init::step::Terminal;
use spec::{ConfigPath, Process};

use super::{Draft, PlanError, RuntimeStep};

fn from() -> ConfigPath {
    ConfigPath::of("process.terminal")
}

/// Where the child finds the console socket.
pub(crate) struct Socket(Slot<kind::Socket>);

/// The console socket is connected before the child starts: its path is the host's.
pub(crate) fn connect(draft: &mut Draft<'_>) -> Result<Option<Socket>, PlanError> {
    let process = draft.spec.process.as_ref();
    if !process.is_some_and(|process| process.terminal) {
        return Ok(None);
    }
    let slot = draft.slot(&from())?;
    draft.runtime(&from(), RuntimeStep::ConnectConsole { slot });
    Ok(Some(Socket(slot)))
}

/// The container's first process opens its terminal once /dev/pts is there.
pub(crate) fn open(
    draft: &mut Draft<'_>,
    socket: Option<Socket>,
    relayed: bool,
) -> Result<(), PlanError> {
    if let (Some(socket), Some(process)) = (socket, &draft.spec.process) {
        let step = Terminal {
            console: true,
            ..step(process, socket, relayed)?
        };
        draft.child(&from(), step);
    }
    Ok(())
}

/// As [`open`], for a process added to a container.
pub(crate) fn open_for(
    draft: &mut Draft<'_>,
    process: &Process<'_>,
    socket: Option<Socket>,
    relayed: bool,
) -> Result<(), PlanError> {
    if let Some(socket) = socket {
        let step = step(process, socket, relayed)?;
        draft.child(&from(), step);
    }
    Ok(())
}

fn step(process: &Process<'_>, socket: Socket, relayed: bool) -> Result<Terminal, PlanError> {
    let size = process.console_size.unwrap_or_default();
    let fits = |value: u32| value <= u32::from(u16::MAX);
    if !fits(size.height) || !fits(size.width) {
        return Err(PlanError::invalid(
            ConfigPath::of("process.consoleSize"),
            "rows and columns are 65535 at most",
        ));
    }
    Ok(Terminal {
        socket: socket.0,
        rows: size.height,
        columns: size.width,
        uid: process.user.uid,
        newlines: relayed,
        console: false,
    })
}
