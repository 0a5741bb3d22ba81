//! Commands about processes, identity, signals and terminals.

use core::ffi::CStr;
use core::ffi::c_char;

use kernel::file::{self, HERE, open as flag};
use kernel::process::{self, Program};
use kernel::{Stream, StringList, identity, scheduling, terminal as tty};

use crate::Context;
use crate::out::{Bytes, Out};
use crate::text::{Answer, Wrong, need, number};

pub fn environment(context: &mut Context, _: &[&'static CStr]) -> Answer {
    for entry in context.environment {
        context
            .out
            .line(format_args!("{}", Bytes(entry.to_bytes())));
    }
    Ok(())
}

pub fn arguments(context: &mut Context, arguments: &[&'static CStr]) -> Answer {
    context
        .out
        .line(format_args!("{}", Bytes(context.program.to_bytes())));
    for argument in arguments {
        context
            .out
            .line(format_args!("{}", Bytes(argument.to_bytes())));
    }
    Ok(())
}

fn print(out: &mut Out, arguments: &[&'static CStr]) {
    for (index, argument) in arguments.iter().enumerate() {
        if index > 0 {
            out.bytes(b" ");
        }
        out.string(argument);
    }
    out.bytes(b"\n");
}

pub fn echo(context: &mut Context, arguments: &[&'static CStr]) -> Answer {
    print(&mut context.out, arguments);
    Ok(())
}

pub fn echo_error(_: &mut Context, arguments: &[&'static CStr]) -> Answer {
    print(&mut Out::to(Stream::ERROR.borrow()), arguments);
    Ok(())
}

/// The limits in the order of their numbers (asm-generic/resource.h).
const LIMITS: &[&str] = &[
    "CPU",
    "FSIZE",
    "DATA",
    "STACK",
    "CORE",
    "RSS",
    "NPROC",
    "NOFILE",
    "MEMLOCK",
    "AS",
    "LOCKS",
    "SIGPENDING",
    "MSGQUEUE",
    "NICE",
    "RTPRIO",
    "RTTIME",
];

pub fn limits(context: &mut Context, _: &[&'static CStr]) -> Answer {
    for (index, name) in LIMITS.iter().enumerate() {
        let (soft, hard) = scheduling::limit(index as u32).map_err(Wrong::at(c"limit"))?;
        context
            .out
            .line(format_args!("RLIMIT_{name} {soft} {hard}"));
    }
    Ok(())
}

/// The lines of /proc/self/status that begin with one of the names.
pub fn status(context: &mut Context, arguments: &[&'static CStr]) -> Answer {
    let mut buffer = [0; 8192];
    let text = read_start(c"/proc/self/status", &mut buffer)?;
    for line in text.split(|byte| *byte == b'\n') {
        let name = line.split(|byte| *byte == b':').next().unwrap_or_default();
        if arguments.iter().any(|wanted| wanted.to_bytes() == name) {
            context.out.line(format_args!("{}", Bytes(line)));
        }
    }
    Ok(())
}

/// Reads what fits into the buffer.
pub fn read_start<'a>(path: &'static CStr, buffer: &'a mut [u8]) -> Result<&'a [u8], Wrong> {
    let fd = file::open_at(HERE, path, flag::RDONLY, 0).map_err(Wrong::at(path))?;
    let mut used = 0;
    while used < buffer.len() {
        match file::read(fd.borrow(), &mut buffer[used..]).map_err(Wrong::at(path))? {
            0 => break,
            count => used += count,
        }
    }
    Ok(&buffer[..used])
}

pub fn io_priority(context: &mut Context, _: &[&'static CStr]) -> Answer {
    let (class, level) = scheduling::io_priority().map_err(Wrong::at(c"io-priority"))?;
    context.out.line(format_args!("{class} {level}"));
    Ok(())
}

pub fn personality(_: &mut Context, mut arguments: &[&'static CStr]) -> Answer {
    let persona = number(&mut arguments, "personality NUMBER")? as u32;
    scheduling::set_personality(persona).map_err(Wrong::at(c"personality"))
}

/// What a filter says to mkdir(2) when it is called in another way than the machine's own.
pub fn foreign(context: &mut Context, mut arguments: &[&'static CStr]) -> Answer {
    const USAGE: &str = "foreign i386|x32, on x86-64";
    let name = need(&mut arguments, USAGE)?;
    let answer = crate::entry::mkdir_as(name.to_bytes()).ok_or(Wrong::Usage(USAGE))?;
    let errno = kernel::Errno(-answer as i32);
    context
        .out
        .line(format_args!("{} {}", Bytes(name.to_bytes()), errno.name()));
    Ok(())
}

pub fn umask(context: &mut Context, _: &[&'static CStr]) -> Answer {
    let mask = file::set_mask(0);
    file::set_mask(mask);
    context.out.line(format_args!("{mask:04o}"));
    Ok(())
}

pub fn terminal(context: &mut Context, _: &[&'static CStr]) -> Answer {
    for (fd, stream) in Stream::all().enumerate() {
        match tty::size(stream.borrow()) {
            Ok(size) => context
                .out
                .line(format_args!("{fd} tty {} {}", size.rows, size.columns)),
            Err(fault) => context
                .out
                .line(format_args!("{fd} {}", fault.errno.name())),
        }
    }
    Ok(())
}

pub fn keyring(context: &mut Context, _: &[&'static CStr]) -> Answer {
    const SESSION: i32 = -3;
    let mut buffer = [0; 256];
    let length = kernel::keyring::describe(SESSION, &mut buffer).map_err(Wrong::at(c"keyring"))?;
    let text = buffer[..length]
        .split(|byte| *byte == 0)
        .next()
        .unwrap_or_default();
    context.out.line(format_args!("{}", Bytes(text)));
    Ok(())
}

pub fn sleep(context: &mut Context, mut arguments: &[&'static CStr]) -> Answer {
    context.out.flush();
    let text = need(&mut arguments, "sleep SECONDS")?
        .to_str()
        .unwrap_or_default();
    let (whole, part) = text.split_once('.').unwrap_or((text, "0"));
    let whole: u64 = whole.parse().map_err(|_| Wrong::Usage("sleep SECONDS"))?;
    let mut nanoseconds: u64 = part.parse().map_err(|_| Wrong::Usage("sleep SECONDS"))?;
    for _ in part.len()..9 {
        nanoseconds *= 10;
    }
    loop {
        match process::sleep(whole * 1_000_000_000 + nanoseconds) {
            // Who is traced or restored meanwhile is interrupted, and begins again.
            Err(fault) if fault.is(kernel::Errno::EINTR) => {}
            answer => return answer.map_err(Wrong::at(c"sleep")),
        }
    }
}

/// Starts the probe once more with the arguments.
pub fn spawn(context: &mut Context, arguments: &[&'static CStr]) -> Answer {
    context.out.flush();
    let executable = file::open_at(HERE, c"/proc/self/exe", flag::PATH, 0)
        .or_else(|_| file::open_at(HERE, context.program, flag::PATH, 0))
        .map_err(Wrong::at(context.program))?;
    let mut strings = [context.program; 64];
    let count = arguments.len().min(62);
    strings[1..=count].copy_from_slice(&arguments[..count]);
    let mut room: [*const c_char; 65] = [core::ptr::null(); 65];
    let arguments = list(&strings[..=count], &mut room)?;
    let started = process::start(&Program::new(executable.borrow(), arguments))
        .map_err(Wrong::at(context.program))?;
    context.out.line(format_args!("{}", started.pid));
    Ok(())
}

fn list<'a>(
    strings: &[&'static CStr],
    room: &'a mut [*const c_char],
) -> Result<StringList<'a>, Wrong> {
    let list = StringList::lay_out(strings.iter().copied(), room);
    list.map(|(list, _)| list).map_err(Wrong::at(c"arguments"))
}

pub fn reap(context: &mut Context, _: &[&'static CStr]) -> Answer {
    context.out.flush();
    loop {
        match process::wait_any() {
            Err(_) => return Ok(()),
            Ok(None) => process::sleep(1_000_000).map_err(Wrong::at(c"reap"))?,
            Ok(Some((pid, exit))) => context.out.line(format_args!("{pid} {exit:?}")),
        }
    }
}

pub fn kill_self(context: &mut Context, mut arguments: &[&'static CStr]) -> Answer {
    context.out.flush();
    let signal = number(&mut arguments, "kill-self SIGNAL")? as i32;
    process::set_signal_mask(0).map_err(Wrong::at(c"signal mask"))?;
    // The actions of KILL and STOP cannot be set.
    let _ = process::default_action(signal);
    process::kill(process::id(), signal).map_err(Wrong::at(c"signal"))
}

const SIGNALS: &[&str] = &[
    "HUP", "INT", "QUIT", "ILL", "TRAP", "ABRT", "BUS", "FPE", "KILL", "USR1", "SEGV", "USR2",
    "PIPE", "ALRM", "TERM", "STKFLT", "CHLD", "CONT", "STOP", "TSTP", "TTIN", "TTOU", "URG",
    "XCPU", "XFSZ", "VTALRM", "PROF", "WINCH", "IO", "PWR", "SYS",
];

/// Prints `ready`, then the name of each signal that arrives, until TERM. Blocked signals reach pid 1 too.
pub fn wait_signal(context: &mut Context, _: &[&'static CStr]) -> Answer {
    process::set_signal_mask(!0).map_err(Wrong::at(c"signal mask"))?;
    context.out.line(format_args!("ready"));
    loop {
        context.out.flush();
        let signal = match process::next_signal(!0) {
            // Being frozen and thawed interrupts the call.
            Err(fault) if fault.is(kernel::Errno::EINTR) => continue,
            answer => answer.map_err(Wrong::at(c"wait"))?,
        };
        match SIGNALS.get(signal as usize - 1) {
            Some(name) => context.out.line(format_args!("{name}")),
            None => context.out.line(format_args!("{signal}")),
        }
        if signal == 15 {
            context.out.flush();
            process::exit(42);
        }
    }
}

pub fn read_line(context: &mut Context, _: &[&'static CStr]) -> Answer {
    context.out.flush();
    let mut byte = [0];
    while file::read(Stream::INPUT.borrow(), &mut byte).map_err(Wrong::at(c"standard input"))? == 1
    {
        context.out.bytes(&byte);
        if byte[0] == b'\n' {
            break;
        }
    }
    Ok(())
}

pub fn set_user(_: &mut Context, mut arguments: &[&'static CStr]) -> Answer {
    let uid = number(&mut arguments, "setuid UID")? as u32;
    identity::set_user(uid).map_err(Wrong::at(c"setuid"))
}

pub fn execute(context: &mut Context, arguments: &[&'static CStr]) -> Answer {
    context.out.flush();
    let Some(program) = arguments.first() else {
        return Err(Wrong::Usage("exec PROGRAM ARG…"));
    };
    let mut room: [*const c_char; 65] = [core::ptr::null(); 65];
    let count = arguments.len().min(64);
    let list = list(&arguments[..count], &mut room)?;
    let fault = process::execute(program, list, StringList::EMPTY);
    Err(Wrong::Call(fault, program))
}

pub fn exit(context: &mut Context, mut arguments: &[&'static CStr]) -> Answer {
    context.out.flush();
    process::exit(number(&mut arguments, "exit STATUS")? as i32)
}
