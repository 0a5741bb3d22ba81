//! What is said where execve(2) refuses the program: one line for the container's standard error, with the cause that the
//! errno alone does not tell.

use kernel::file::{self, HERE, open};
use kernel::{Errno, Fault, Stream};

use crate::step::Found;

/// The machine that this program is for (`e_machine`, elf(5)).
const OWN: u16 = if cfg!(target_arch = "x86_64") {
    62
} else if cfg!(target_arch = "aarch64") {
    183
} else {
    243
};

/// Names of machines, each behind a byte with its number, for those that a byte holds.
const MACHINES: &[u8] =
    b"\x03i386\0\x15ppc64\0\x16s390x\0\x28arm\0\x3ex86-64\0\xb7aarch64\0\xf3riscv64\0";

/// Writes `exec PATH: ERROR (CAUSE)` to standard error. As far as a filter permits: nothing depends on it.
pub(crate) fn print(path: &core::ffi::CStr, fault: Fault) {
    let mut head = [0u8; 1024];
    let read = file::open_at(HERE, path, open::RDONLY | open::NONBLOCK | open::NOCTTY, 0)
        .and_then(|fd| file::read(fd.borrow(), &mut head));
    // What cannot be read has no cause that could be told.
    #[expect(clippy::disallowed_methods, reason = "only words depend on it")]
    let length = read.unwrap_or(0);
    let (what, name) = cause(&head[..length], fault);
    let error: &[u8] = match fault.errno {
        Errno::ENOENT => b"no such file or directory",
        Errno::E2BIG => b"argument list too long",
        Errno::ENOEXEC => b"exec format error",
        Errno::EACCES => b"permission denied",
        Errno::EPERM => b"operation not permitted",
        _ => b"cannot be executed",
    };
    let end: &[u8] = if what.is_empty() { b"\n" } else { b")\n" };
    let mut line = Found::<6144>::none();
    let path = path.to_bytes();
    if line.set(&[b"exec ", path, b": ", error, what, name, end]) {
        // Closed, or forbidden: then nobody is told.
        match file::write(Stream::ERROR.borrow(), line.bytes()) {
            Ok(_) | Err(_) => {}
        }
    }
}

/// The bytes before the first of these, or all.
#[inline(never)]
fn until<'a>(bytes: &'a [u8], stops: &[u8]) -> &'a [u8] {
    let end = bytes.iter().position(|byte| stops.contains(byte));
    &bytes[..end.unwrap_or(bytes.len())]
}

/// Words for the cause, and what they are about. `head` is the beginning of the file.
fn cause(head: &[u8], fault: Fault) -> (&'static [u8], &[u8]) {
    let missing = fault.is(Errno::ENOENT);
    if let [b'#', b'!', line @ ..] = head {
        let mut line = until(line, b"\n\0");
        while let [b' ' | b'\t', rest @ ..] = line {
            line = rest;
        }
        return match until(line, b" \t") {
            [before @ .., b'\r'] => (b" (carriage return in the #! line, after ", before),
            [] => (b" (no interpreter in the #! line", b""),
            interpreter if missing => (b" (no interpreter ", interpreter),
            interpreter => (b" (interpreter ", interpreter),
        };
    }
    match elf(head) {
        Some(Elf::Foreign(name)) => (b" (program for ", name),
        Some(Elf::Interpreter(path)) if missing && !path.is_empty() => (b" (no interpreter ", path),
        None if fault.is(Errno::ENOEXEC) => {
            (b" (neither a program nor a script with a #! line", b"")
        }
        _ => (b"", b""),
    }
}

enum Elf<'a> {
    /// For another machine.
    Foreign(&'static [u8]),
    /// Of this machine, with this dynamic linker; empty: none.
    Interpreter(&'a [u8]),
}

fn elf(head: &[u8]) -> Option<Elf<'_>> {
    const PROGRAM_HEADER: usize = 56;
    const INTERPRETER: u16 = 3;
    if !head.starts_with(b"\x7fELF") {
        return None;
    }
    let number = |at: usize| Some(u16::from_le_bytes([*head.get(at)?, *head.get(at + 1)?]));
    let machine = number(18)?;
    if machine != OWN {
        let mut rest = MACHINES;
        while let [number, names @ ..] = rest {
            let name = until(names, b"\0");
            if u16::from(*number) == machine {
                return Some(Elf::Foreign(name));
            }
            rest = &names[name.len() + 1..];
        }
        return Some(Elf::Foreign(b"another machine"));
    }
    // What is read is the beginning, where linkers put the headers and the name.
    let mut header = usize::from(number(32)?);
    for _ in 0..number(56)? {
        if number(header)? == INTERPRETER {
            let path = head.get(usize::from(number(header + 8)?)..)?;
            return Some(Elf::Interpreter(until(path, b"\0")));
        }
        header += PROGRAM_HEADER;
    }
    Some(Elf::Interpreter(b""))
}

#[cfg(test)]
mod tests {
    use super::*;
    use kernel::Call;

    fn words(head: &[u8], errno: Errno) -> String {
        let call = Call::Execve;
        let (what, name) = cause(head, Fault { call, errno });
        String::from_utf8_lossy(&[what, name].concat()).into_owned()
    }

    #[test]
    fn causes_have_words() {
        let mut foreign = [0; 64];
        foreign[..4].copy_from_slice(b"\x7fELF");
        foreign[18..20].copy_from_slice(&22u16.to_le_bytes());
        for (head, errno, expected) in [
            (
                &b"#!/bin/nosuch -x\necho"[..],
                Errno::ENOENT,
                " (no interpreter /bin/nosuch",
            ),
            (
                b"#! /bin/sh\r\necho",
                Errno::ENOENT,
                " (carriage return in the #! line, after /bin/sh",
            ),
            (b"#!/etc", Errno::EACCES, " (interpreter /etc"),
            (b"#!", Errno::ENOEXEC, " (no interpreter in the #! line"),
            (
                b"echo",
                Errno::ENOEXEC,
                " (neither a program nor a script with a #! line",
            ),
            (
                b"",
                Errno::ENOEXEC,
                " (neither a program nor a script with a #! line",
            ),
            (&foreign, Errno::ENOEXEC, " (program for s390x"),
            (
                b"\x7fELF",
                Errno::ENOEXEC,
                " (neither a program nor a script with a #! line",
            ),
            (b"", Errno::E2BIG, ""),
        ] {
            assert_eq!(words(head, errno), expected);
        }
    }

    #[test]
    fn any_bytes_are_looked_at() {
        let own = std::fs::read("/proc/self/exe").unwrap();
        for length in (0..1024).step_by(7) {
            words(&own[..length], Errno::ENOENT);
        }
        let whole = words(&own[..1024], Errno::ENOENT);
        assert!(whole.is_empty() || whole.contains("/ld-"), "{whole}");
        for seed in 0..255u8 {
            let mut head: Vec<u8> = (0..200).map(|index: u8| index.wrapping_mul(seed)).collect();
            head[..4].copy_from_slice(b"\x7fELF");
            head[18..20].copy_from_slice(&OWN.to_le_bytes());
            words(&head, Errno::ENOENT);
        }
    }
}
