//! The command `report`: what a process finds around it, for people.

use core::ffi::CStr;
use core::fmt::Write;

use kernel::{file, process};

use crate::Context;
use crate::out::Bytes;
use crate::processes::read_start;
use crate::text::Answer;

const CAPABILITIES: &[&str] = &[
    "chown",
    "dac_override",
    "dac_read_search",
    "fowner",
    "fsetid",
    "kill",
    "setgid",
    "setuid",
    "setpcap",
    "linux_immutable",
    "net_bind_service",
    "net_broadcast",
    "net_admin",
    "net_raw",
    "ipc_lock",
    "ipc_owner",
    "sys_module",
    "sys_rawio",
    "sys_chroot",
    "sys_ptrace",
    "sys_pacct",
    "sys_admin",
    "sys_boot",
    "sys_nice",
    "sys_resource",
    "sys_time",
    "sys_tty_config",
    "mknod",
    "lease",
    "audit_write",
    "audit_control",
    "setfcap",
    "mac_override",
    "mac_admin",
    "syslog",
    "wake_alarm",
    "block_suspend",
    "audit_read",
    "perfmon",
    "bpf",
    "checkpoint_restore",
];

const NAMESPACES: &[(&str, &CStr)] = &[
    ("cgroup", c"/proc/self/ns/cgroup"),
    ("ipc", c"/proc/self/ns/ipc"),
    ("mnt", c"/proc/self/ns/mnt"),
    ("net", c"/proc/self/ns/net"),
    ("pid", c"/proc/self/ns/pid"),
    ("time", c"/proc/self/ns/time"),
    ("user", c"/proc/self/ns/user"),
    ("uts", c"/proc/self/ns/uts"),
];

pub fn report(context: &mut Context, _: &[&'static CStr]) -> Answer {
    context.out.line(format_args!(
        "Hello from inside a container. This is what I see:\n"
    ));
    context
        .out
        .line(format_args!("pid           {}", process::id()));
    first_line(context, "hostname", c"/proc/sys/kernel/hostname");
    let mut buffer = [0; 8192];
    let status = read_start(c"/proc/self/status", &mut buffer).unwrap_or_default();
    let field = |name: &str| {
        status
            .split(|byte| *byte == b'\n')
            .find_map(|line| line.strip_prefix(name.as_bytes())?.strip_prefix(b":"))
            .unwrap_or_default()
            .trim_ascii()
    };
    for (name, key) in [
        ("user ids", "Uid"),
        ("group ids", "Gid"),
        ("groups", "Groups"),
    ] {
        context
            .out
            .line(format_args!("{name:<13} {}", Fields(field(key))));
    }
    first_line(context, "user id map", c"/proc/self/uid_map");
    let mut path = [0; 1024];
    let length = file::current_directory(&mut path).unwrap_or(1);
    context
        .out
        .line(format_args!("directory     {}", Bytes(&path[..length - 1])));
    capabilities(context, field("CapEff"));
    let no_new_privileges = if field("NoNewPrivs") == b"1" {
        "no new privileges"
    } else {
        "may gain privileges"
    };
    let filter = if field("Seccomp") == b"2" {
        "system calls are filtered"
    } else {
        "all system calls"
    };
    context
        .out
        .line(format_args!("restrictions  {no_new_privileges}, {filter}"));
    namespaces(context);
    table(context, "cgroups", c"/proc/self/cgroup", |out, line| {
        let _ = write!(out, "{}", Bytes(line));
    });
    table(context, "mounts", c"/proc/self/mounts", |out, line| {
        let mut words = line.split(|byte| *byte == b' ');
        let (_, target, kind, options) = (words.next(), words.next(), words.next(), words.next());
        let [target, kind, options] =
            [target, kind, options].map(|word| Bytes(word.unwrap_or_default()));
        let _ = write!(out, "{target} {kind} {options}");
    });
    Ok(())
}

fn first_line(context: &mut Context, name: &str, path: &'static CStr) {
    let mut buffer = [0; 512];
    let text = read_start(path, &mut buffer).unwrap_or_default();
    let line = text.split(|byte| *byte == b'\n').next().unwrap_or_default();
    context
        .out
        .line(format_args!("{name:<13} {}", Fields(line)));
}

/// Words with one space between them.
struct Fields<'a>(&'a [u8]);

impl core::fmt::Display for Fields<'_> {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        let words = self
            .0
            .split(u8::is_ascii_whitespace)
            .filter(|word| !word.is_empty());
        let mut separator = "";
        for word in words {
            write!(f, "{separator}{}", Bytes(word))?;
            separator = " ";
        }
        if separator.is_empty() {
            f.write_str("-")
        } else {
            Ok(())
        }
    }
}

fn capabilities(context: &mut Context, mask: &[u8]) {
    let mask = core::str::from_utf8(mask)
        .ok()
        .and_then(|text| u64::from_str_radix(text, 16).ok())
        .unwrap_or(0);
    let _ = write!(context.out, "capabilities  ");
    let mut separator = "";
    for (bit, name) in CAPABILITIES.iter().enumerate() {
        if mask & (1 << bit) != 0 {
            let _ = write!(context.out, "{separator}{name}");
            separator = " ";
        }
    }
    context
        .out
        .line(format_args!("{}", if mask == 0 { "none" } else { "" }));
}

fn namespaces(context: &mut Context) {
    let _ = write!(context.out, "namespaces    ");
    for (name, path) in NAMESPACES {
        let mut buffer = [0; 64];
        let length = file::read_link(file::HERE, path, &mut buffer).unwrap_or(0);
        let number = buffer[..length]
            .split(|byte| matches!(*byte, b'[' | b']'))
            .nth(1);
        let _ = write!(context.out, "{name} {}  ", Bytes(number.unwrap_or(b"-")));
    }
    context.out.bytes(b"\n");
}

/// Prints each line of a file below the others, with a name before the first.
fn table(
    context: &mut Context,
    name: &str,
    path: &'static CStr,
    print: fn(&mut crate::out::Out, &[u8]),
) {
    let mut buffer = [0; 16384];
    let text = read_start(path, &mut buffer).unwrap_or_default();
    let mut heading = name;
    for line in text
        .split(|byte| *byte == b'\n')
        .filter(|line| !line.is_empty())
    {
        let _ = write!(context.out, "{heading:<13} ");
        print(&mut context.out, line);
        context.out.bytes(b"\n");
        heading = "";
    }
}
