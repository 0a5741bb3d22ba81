//! Commands about files.

use core::ffi::CStr;
use core::fmt::Write;

use kernel::file::{self, HERE, mode, open as flag};
use kernel::mount as mounts;
use kernel::{BorrowedFd, Stream};

use crate::Context;
use crate::out::Bytes;
use crate::text::{Answer, Wrong, need, number};

/// Prints a file. Files of /proc are read in pieces too.
pub fn copy(context: &mut Context, path: &'static CStr) -> Answer {
    let fd = file::open_at(HERE, path, flag::RDONLY, 0).map_err(Wrong::at(path))?;
    drain(context, fd.borrow(), path)
}

fn drain(context: &mut Context, fd: BorrowedFd<'_>, name: &'static CStr) -> Answer {
    let mut buffer = [0; 4096];
    loop {
        match file::read(fd, &mut buffer).map_err(Wrong::at(name))? {
            0 => return Ok(()),
            count => context.out.bytes(&buffer[..count]),
        }
    }
}

pub fn standard_input(context: &mut Context, _: &[&'static CStr]) -> Answer {
    drain(context, Stream::INPUT.borrow(), c"standard input")?;
    context.out.bytes(b"\n");
    Ok(())
}

pub fn log(context: &mut Context, mut arguments: &[&'static CStr]) -> Answer {
    let path = need(&mut arguments, "log FILE")?;
    let fd = file::open_at(HERE, path, flag::WRONLY | flag::CREAT | flag::APPEND, 0o666)
        .map_err(Wrong::at(path))?;
    context.out.flush();
    context.out = crate::out::Out::to(fd.leak());
    Ok(())
}

/// Runs `each` for all arguments; a failure is printed and the others still get their turn.
fn each(
    context: &mut Context,
    arguments: &[&'static CStr],
    each: fn(&mut Context, &'static CStr) -> Answer,
) -> Answer {
    let mut last = Ok(());
    for argument in arguments {
        if let Err(wrong) = core::mem::replace(&mut last, each(context, argument)) {
            context.out.line(format_args!("{wrong}"));
        }
    }
    last
}

pub fn cat(context: &mut Context, arguments: &[&'static CStr]) -> Answer {
    each(context, arguments, copy)
}

pub fn list(context: &mut Context, arguments: &[&'static CStr]) -> Answer {
    each(context, arguments, |context, path| {
        names(path, |name, _| {
            context.out.string(name);
            context.out.bytes(b"\n");
        })
    })
}

/// Calls `found` with each name in a directory and the directory's descriptor.
pub fn names(path: &'static CStr, mut found: impl FnMut(&CStr, BorrowedFd<'_>)) -> Answer {
    let directory =
        file::open_at(HERE, path, flag::RDONLY | flag::DIRECTORY, 0).map_err(Wrong::at(path))?;
    let mut buffer = [0; 2048];
    loop {
        let count =
            file::read_directory(directory.borrow(), &mut buffer).map_err(Wrong::at(path))?;
        if count == 0 {
            return Ok(());
        }
        for name in file::names(&buffer[..count]) {
            found(name, directory.borrow());
        }
    }
}

fn kind(bits: u32) -> &'static str {
    match bits & mode::TYPE {
        mode::REGULAR => "file",
        mode::DIRECTORY => "dir",
        mode::LINK => "link",
        mode::CHARACTER => "char",
        mode::BLOCK => "block",
        mode::FIFO => "fifo",
        mode::SOCKET => "socket",
        _ => "unknown",
    }
}

/// Major and minor number, as `gnu_dev_major` and `gnu_dev_minor` of makedev(3).
fn device(rdev: u64) -> (u64, u64) {
    (
        (rdev >> 8) & 0xfff | (rdev >> 32) & !0xfff,
        rdev & 0xff | (rdev >> 12) & !0xff,
    )
}

pub fn stat(context: &mut Context, arguments: &[&'static CStr]) -> Answer {
    each(context, arguments, |context, path| {
        let fd =
            file::open_at(HERE, path, flag::PATH | flag::NOFOLLOW, 0).map_err(Wrong::at(path))?;
        let status = file::status(fd.borrow()).map_err(Wrong::at(path))?;
        let (major, minor) = device(status.rdev);
        context.out.line(format_args!(
            "{} {} {:04o} uid={} gid={} rdev={major}:{minor} size={} inode={}",
            Bytes(path.to_bytes()),
            kind(status.mode),
            status.mode & 0o7777,
            status.uid,
            status.gid,
            status.size,
            status.inode
        ));
        Ok(())
    })
}

pub fn statfs(context: &mut Context, arguments: &[&'static CStr]) -> Answer {
    each(context, arguments, |context, path| {
        let filesystem = file::filesystem_at(path).map_err(Wrong::at(path))?;
        context
            .out
            .line(format_args!("{} {filesystem:x?}", Bytes(path.to_bytes())));
        Ok(())
    })
}

pub fn read_link(context: &mut Context, arguments: &[&'static CStr]) -> Answer {
    each(context, arguments, |context, path| {
        let mut buffer = [0; 1024];
        let length = file::read_link(HERE, path, &mut buffer).map_err(Wrong::at(path))?;
        context
            .out
            .line(format_args!("{}", Bytes(&buffer[..length])));
        Ok(())
    })
}

pub fn write(_: &mut Context, mut arguments: &[&'static CStr]) -> Answer {
    let path = need(&mut arguments, "write FILE TEXT")?;
    let text = need(&mut arguments, "write FILE TEXT")?;
    let fd = file::open_at(HERE, path, flag::WRONLY, 0)
        .or_else(|_| file::open_at(HERE, path, flag::WRONLY | flag::CREAT, 0o644))
        .map_err(Wrong::at(path))?;
    file::write(fd.borrow(), text.to_bytes()).map_err(Wrong::at(path))?;
    Ok(())
}

pub fn fill(_: &mut Context, mut arguments: &[&'static CStr]) -> Answer {
    static BLOCK: [u8; 1 << 16] = [b'x'; 1 << 16];
    let path = need(&mut arguments, "fill FILE MEGABYTES")?;
    let blocks = number(&mut arguments, "fill FILE MEGABYTES")? * 16;
    let flags = flag::WRONLY | flag::CREAT;
    let fd = file::open_at(HERE, path, flags, 0o644).map_err(Wrong::at(path))?;
    for _ in 0..blocks {
        file::write(fd.borrow(), &BLOCK).map_err(Wrong::at(path))?;
    }
    Ok(())
}

pub fn open(context: &mut Context, mut arguments: &[&'static CStr]) -> Answer {
    let path = need(&mut arguments, "open FILE r|w|rw")?;
    let access = match need(&mut arguments, "open FILE r|w|rw")?.to_bytes() {
        b"r" => flag::RDONLY,
        b"w" => flag::WRONLY,
        _ => flag::RDWR,
    };
    file::open_at(HERE, path, access | flag::NONBLOCK | flag::NOCTTY, 0)
        .map_err(Wrong::at(path))?;
    context
        .out
        .line(format_args!("open {}: ok", Bytes(path.to_bytes())));
    Ok(())
}

pub fn make_directory(context: &mut Context, arguments: &[&'static CStr]) -> Answer {
    each(context, arguments, |_, path| {
        file::make_directory(HERE, path, 0o777).map_err(Wrong::at(path))
    })
}

pub fn touch(context: &mut Context, arguments: &[&'static CStr]) -> Answer {
    each(context, arguments, |_, path| {
        file::open_at(HERE, path, flag::WRONLY | flag::CREAT, 0o666)
            .map(drop)
            .map_err(Wrong::at(path))
    })
}

pub fn make_node(_: &mut Context, mut arguments: &[&'static CStr]) -> Answer {
    const USAGE: &str = "mknod FILE c|b MAJOR MINOR";
    let path = need(&mut arguments, USAGE)?;
    let kind = if need(&mut arguments, USAGE)? == c"b" {
        mode::BLOCK
    } else {
        mode::CHARACTER
    };
    let major = number(&mut arguments, USAGE)? as u32;
    let minor = number(&mut arguments, USAGE)? as u32;
    file::make_node(HERE, path, kind | 0o666, file::device(major, minor)).map_err(Wrong::at(path))
}

pub fn change_mode(_: &mut Context, mut arguments: &[&'static CStr]) -> Answer {
    let permissions = number(&mut arguments, "chmod MODE FILE")? as u32;
    let path = need(&mut arguments, "chmod MODE FILE")?;
    file::set_permissions_at(HERE, path, permissions).map_err(Wrong::at(path))
}

pub fn meddle(context: &mut Context, arguments: &[&'static CStr]) -> Answer {
    each(context, arguments, |context, path| {
        let changed = [
            ("chmod", file::set_permissions_at(HERE, path, 0o600)),
            (
                "chown",
                file::set_owner(file_at(path)?.borrow(), 1234, 1234),
            ),
            ("utimes", file::set_times(HERE, path)),
            (
                "setxattr",
                file::set_attribute(path, c"security.probe", b"1"),
            ),
            (
                "truncate",
                file::open_at(HERE, path, flag::WRONLY | flag::TRUNC, 0).map(drop),
            ),
        ];
        let _ = write!(context.out, "{}:", Bytes(path.to_bytes()));
        for (name, answer) in changed {
            let answer = answer.map_or_else(|fault| fault.errno.name(), |()| "ok");
            let _ = write!(context.out, " {name}={answer}");
        }
        context.out.line(format_args!(""));
        Ok(())
    })
}

/// What of a process may lead out of where one is, with the way to the root.
const WAYS: [&str; 18] = [
    "root", "cwd", "fd/0", "fd/1", "fd/2", "fd/3", "fd/4", "fd/5", "fd/6", "fd/7", "fd/8", "fd/9",
    "fd/10", "fd/11", "fd/12", "fd/13", "fd/14", "fd/15",
];
const UP: &str = "/../../../../../../../../..";

pub fn snoop(context: &mut Context, mut arguments: &[&'static CStr]) -> Answer {
    let path = need(&mut arguments, "snoop PATH")?.to_bytes();
    let (mut count, mut foreign) = (0, 0);
    while count < 20 {
        names(c"/proc", |name, _| {
            if !name.to_bytes().first().is_some_and(u8::is_ascii_digit) {
                return;
            }
            let mut room = [0; 512];
            // Only who may trace a process is told which program it is.
            let link = joined(&mut room, &[b"/proc/", name.to_bytes(), b"/exe"]);
            let mut program = [0; 512];
            let length = file::read_link(HERE, link, &mut program).unwrap_or(0);
            let program = &program[..length];
            if length > 0 && !program.ends_with(b"probe") && foreign < 20 {
                foreign += 1;
                context.out.line(format_args!("traces {}", Bytes(program)));
                context.out.flush();
            }
            for way in WAYS {
                let up = if way == "root" { "" } else { UP };
                let parts = [
                    b"/proc/",
                    name.to_bytes(),
                    b"/",
                    way.as_bytes(),
                    up.as_bytes(),
                    path,
                ];
                if file::open_at(
                    HERE,
                    joined(&mut room, &parts),
                    flag::RDONLY | flag::NONBLOCK,
                    0,
                )
                .is_ok()
                {
                    count += 1;
                    context.out.line(format_args!("reached by {way}"));
                    context.out.flush();
                }
            }
        })?;
    }
    Ok(())
}

/// The parts one behind the other; nothing when there is no room.
fn joined<'a>(room: &'a mut [u8], parts: &[&[u8]]) -> &'a CStr {
    let mut end = 0;
    for part in parts.iter().copied().chain([&b"\0"[..]]) {
        let Some(place) = room.get_mut(end..end + part.len()) else {
            return c"";
        };
        place.copy_from_slice(part);
        end += part.len();
    }
    kernel::strings::first(room).unwrap_or_default()
}

fn file_at(path: &'static CStr) -> Result<kernel::Fd, Wrong> {
    file::open_at(HERE, path, flag::RDONLY | flag::NONBLOCK, 0).map_err(Wrong::at(path))
}

pub fn remove(context: &mut Context, arguments: &[&'static CStr]) -> Answer {
    each(context, arguments, |_, path| {
        file::remove(HERE, path).map_err(Wrong::at(path))
    })
}

pub fn mount(_: &mut Context, mut arguments: &[&'static CStr]) -> Answer {
    const USAGE: &str = "mount SOURCE TARGET TYPE FLAGS";
    let source = need(&mut arguments, USAGE)?;
    let target = need(&mut arguments, USAGE)?;
    let kind = need(&mut arguments, USAGE)?;
    let flags = number(&mut arguments, USAGE)? as u64;
    mounts::mount(Some(source), target, Some(kind), flags, None).map_err(Wrong::at(target))
}

pub fn current_directory(context: &mut Context, _: &[&'static CStr]) -> Answer {
    let mut buffer = [0; 4096];
    let length = file::current_directory(&mut buffer).map_err(Wrong::at(c"."))?;
    let path = buffer[..length]
        .split(|byte| *byte == 0)
        .next()
        .unwrap_or_default();
    context.out.line(format_args!("{}", Bytes(path)));
    Ok(())
}

/// Prints `N target` for each open descriptor besides the one used for looking.
pub fn descriptors(context: &mut Context, _: &[&'static CStr]) -> Answer {
    names(c"/proc/self/fd", |name, directory| {
        if name
            .to_str()
            .is_ok_and(|text| text.parse() == Ok(directory.raw()))
        {
            return;
        }
        let mut buffer = [0; 1024];
        let length = file::read_link(directory, name, &mut buffer).unwrap_or(0);
        let _ = write!(context.out, "{} ", Bytes(name.to_bytes()));
        context
            .out
            .line(format_args!("{}", Bytes(&buffer[..length])));
    })
}
