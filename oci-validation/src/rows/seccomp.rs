//! H. Filters of system calls.

use serde_json::{Value, json};

use crate::bundle::Bundle;
use crate::case::Case;
use crate::row::{Row, may, must, should};
use crate::verdict::{Verdict, ensure, same, skip};

const SECCOMP: &str = "config-linux.md#seccomp";

/// What plain programs and runtimes need between the filter's installation and execve(2), and the probe after it.
const NEEDED: &[&str] = &[
    "access",
    "arch_prctl",
    "brk",
    "capget",
    "capset",
    "chdir",
    "clock_gettime",
    "clone",
    "clone3",
    "close",
    "close_range",
    "dup",
    "dup2",
    "dup3",
    "epoll_create1",
    "epoll_ctl",
    "epoll_pwait",
    "epoll_wait",
    "eventfd2",
    "execve",
    "execveat",
    "exit",
    "exit_group",
    "faccessat",
    "faccessat2",
    "fchdir",
    "fchown",
    "fcntl",
    "fdatasync",
    "fstat",
    "fstatfs",
    "futex",
    "getcwd",
    "getdents64",
    "getegid",
    "geteuid",
    "getgid",
    "getpgrp",
    "getpid",
    "getppid",
    "getrandom",
    "getrlimit",
    "gettid",
    "getuid",
    "ioctl",
    "lseek",
    "lstat",
    "madvise",
    "mmap",
    "mprotect",
    "munmap",
    "nanosleep",
    "newfstatat",
    "open",
    "openat",
    "openat2",
    "pipe2",
    "poll",
    "ppoll",
    "prctl",
    "pread64",
    "prlimit64",
    "pwrite64",
    "read",
    "readlink",
    "readlinkat",
    "readv",
    "recvmsg",
    "restart_syscall",
    "rseq",
    "rt_sigaction",
    "rt_sigprocmask",
    "rt_sigreturn",
    "sched_getaffinity",
    "sched_yield",
    "seccomp",
    "sendmsg",
    "set_robust_list",
    "set_tid_address",
    "setgid",
    "setgroups",
    "setresgid",
    "setresuid",
    "setsid",
    "setuid",
    "sigaltstack",
    "stat",
    "statfs",
    "statx",
    "tgkill",
    "umask",
    "wait4",
    "waitid",
    "write",
    "writev",
];

macro_rules! operator {
    ($op:literal, $args:tt, [$($value:literal => $blocked:literal),*]) => {
        must(concat!("H7.", $op), SECCOMP, concat!("operator SCMP_CMP_", $op), |c| {
            compares(c, $op, json!($args), &[$(($value, $blocked)),*])
        })
    };
}

#[rustfmt::skip]
pub(crate) const ROWS: &[Row] = &[
    must("H1", SECCOMP, "`defaultAction` is for all calls without a rule, with `defaultErrnoRet`", |c| {
        let rule = json!([{"names": NEEDED, "action": "SCMP_ACT_ALLOW"}]);
        let bundle = c.bundle().aid("/linux/seccomp/syscalls", rule).set("/linux/seccomp/defaultAction", "SCMP_ACT_ERRNO");
        bundle.set("/linux/seccomp/defaultErrnoRet", 99).see("mkdir /tmp/x")?.has("EADDRNOTAVAIL")
    }),
    must("H1.eperm", SECCOMP, "without `defaultErrnoRet` the error is EPERM", |c| {
        let rule = json!([{"names": NEEDED, "action": "SCMP_ACT_ALLOW"}]);
        let bundle = c.bundle().aid("/linux/seccomp/syscalls", rule).set("/linux/seccomp/defaultAction", "SCMP_ACT_ERRNO");
        bundle.see("mkdir /tmp/x")?.has("EPERM")
    }),
    must("H1.default-errno", SECCOMP, "`defaultErrnoRet` with an action that has no error is an error", |c| {
        let filter = json!({"defaultAction": "SCMP_ACT_ALLOW", "syscalls": [{"names": ["mkdirat"], "action": "SCMP_ACT_ERRNO"}]});
        c.bundle().aid("/linux/seccomp", filter).set("/linux/seccomp/defaultErrnoRet", 1).refused_in_the_end().map(drop)
    }),
    must("H1.errno", SECCOMP, "`errnoRet` with an action that has no error is an error", |c| {
        let rule = json!({"names": ["mkdirat"], "action": "SCMP_ACT_KILL"});
        let bundle = c.bundle().aid("/linux/seccomp", json!({"defaultAction": "SCMP_ACT_ALLOW", "syscalls": [rule]}));
        bundle.set("/linux/seccomp/syscalls/0/errnoRet", 1).refused_in_the_end().map(drop)
    }),
    must("H1.missing", SECCOMP, "a filter without `defaultAction` is an error", |c| {
        c.bundle().aid("/linux/seccomp", json!({"syscalls": [{"names": ["mkdirat"], "action": "SCMP_ACT_ERRNO"}]})).refused_in_the_end().map(drop)
    }),
    must("H2", SECCOMP, "the filter is for calls of all `architectures`", |c| {
        // What another of them calls can be tried where the machine's own programs can make such calls.
        let (all, others) = match std::env::consts::ARCH {
            "x86_64" => (json!(["SCMP_ARCH_X86_64", "SCMP_ARCH_X86", "SCMP_ARCH_X32"]), &["i386", "x32"][..]),
            "aarch64" => (json!(["SCMP_ARCH_AARCH64", "SCMP_ARCH_ARM"]), &[][..]),
            "riscv64" => (json!(["SCMP_ARCH_RISCV64"]), &[][..]),
            _ => return skip("machine: its architecture is not known to the suite"),
        };
        let bundle = || rule(c.bundle().set("/linux/seccomp/architectures", all.clone()), json!({"action": "SCMP_ACT_ERRNO", "errnoRet": 99}));
        bundle().see("mkdir /tmp/x")?.has("EADDRNOTAVAIL")?;
        for other in others {
            let seen = bundle().see(&format!("foreign {other}"))?;
            // 11 is SIGSEGV: the kernel was built or booted without that entry.
            if seen.code != Some(128 + 11) {
                seen.has(&format!("{other} EADDRNOTAVAIL"))?;
            }
        }
        Ok(())
    }),
    may("H2.all", SECCOMP, "every architecture of the specification is accepted, or an error", |c| {
        for name in ["X86", "X86_64", "X32", "ARM", "AARCH64", "MIPS", "MIPS64", "MIPS64N32", "MIPSEL", "MIPSEL64", "MIPSEL64N32", "PPC", "PPC64",
            "PPC64LE", "S390", "S390X", "PARISC", "PARISC64", "RISCV64", "LOONGARCH64", "M68K", "SH", "SHEB"] {
            let bundle = c.bundle().aid("/linux/seccomp/architectures", json!([format!("SCMP_ARCH_{name}")]));
            super::general::named(name, rule(bundle, json!({"action": "SCMP_ACT_ERRNO"})).create())?;
        }
        Ok(())
    }),
    may("H3.log", SECCOMP, "flag SECCOMP_FILTER_FLAG_LOG", |c| flag(c, "LOG")),
    may("H3.spec-allow", SECCOMP, "flag SECCOMP_FILTER_FLAG_SPEC_ALLOW", |c| flag(c, "SPEC_ALLOW")),
    may("H3.tsync", SECCOMP, "flag SECCOMP_FILTER_FLAG_TSYNC", |c| flag(c, "TSYNC")),
    may("H3.wait", SECCOMP, "flag SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV", super::seccomp_agent::waits_killable),
    should("H4", SECCOMP, "without `flags` the filter is in force", |c| {
        let seen = rule(c.bundle(), json!({"action": "SCMP_ACT_ERRNO"})).see("status Seccomp -- mkdir /tmp/x")?;
        same("Seccomp", seen.after("Seccomp:")?.as_str(), "2")?;
        seen.has("EPERM")
    }),
    must("H7.errno", SECCOMP, "action SCMP_ACT_ERRNO with `errnoRet`", |c| act(c, json!({"action": "SCMP_ACT_ERRNO", "errnoRet": 99}))?.has("EADDRNOTAVAIL")),
    must("H7.eperm", SECCOMP, "without `errnoRet` the error is EPERM", |c| act(c, json!({"action": "SCMP_ACT_ERRNO"}))?.has("EPERM")),
    must("H7.allow", SECCOMP, "action SCMP_ACT_ALLOW is an exception from the default", |c| {
        let rules = json!([{"names": NEEDED, "action": "SCMP_ACT_ALLOW"}, {"names": ["mkdirat", "mkdir"], "action": "SCMP_ACT_ALLOW"}]);
        let bundle = c.bundle().aid("/linux/seccomp/defaultAction", "SCMP_ACT_ERRNO").set("/linux/seccomp/syscalls", rules);
        bundle.see("mkdir /tmp/x -- ls /tmp")?.is(&["x"])
    }),
    must("H7.log", SECCOMP, "action SCMP_ACT_LOG lets the call through", |c| {
        let seen = rule(c.bundle(), json!({"action": "SCMP_ACT_LOG"})).see("mkdir /tmp/x -- ls /tmp -- status Seccomp")?;
        seen.has("x\n")?;
        seen.has("Seccomp:\t2")
    }),
    must("H7.trace", SECCOMP, "action SCMP_ACT_TRACE without a tracer is ENOSYS", |c| act(c, json!({"action": "SCMP_ACT_TRACE"}))?.has("ENOSYS")),
    must("H7.trap", SECCOMP, "action SCMP_ACT_TRAP ends the program by SIGSYS", |c| dies(c, "SCMP_ACT_TRAP")),
    must("H7.kill", SECCOMP, "action SCMP_ACT_KILL", |c| dies(c, "SCMP_ACT_KILL")),
    must("H7.kill-thread", SECCOMP, "action SCMP_ACT_KILL_THREAD", |c| dies(c, "SCMP_ACT_KILL_THREAD")),
    must("H7.kill-process", SECCOMP, "action SCMP_ACT_KILL_PROCESS", |c| dies(c, "SCMP_ACT_KILL_PROCESS")),
    must("H7.several", SECCOMP, "a rule holds for all its names", |c| {
        let rules = json!([{"names": ["mkdirat", "mkdir", "mknodat", "mknod"], "action": "SCMP_ACT_ERRNO", "errnoRet": 99}]);
        let bundle = c.bundle().aid("/linux/seccomp/defaultAction", "SCMP_ACT_ALLOW").set("/linux/seccomp/syscalls", rules);
        let seen = bundle.see("mkdir /tmp/x -- mknod /tmp/y c 1 3")?;
        same("errors", seen.text.matches("EADDRNOTAVAIL").count(), 2)
    }),
    operator!("EQ", [{"index": 0, "value": 4, "op": "SCMP_CMP_EQ"}], [3 => false, 4 => true, 5 => false]),
    operator!("NE", [{"index": 0, "value": 4, "op": "SCMP_CMP_NE"}], [3 => true, 4 => false, 5 => true]),
    operator!("LT", [{"index": 0, "value": 4, "op": "SCMP_CMP_LT"}], [3 => true, 4 => false, 5 => false]),
    operator!("LE", [{"index": 0, "value": 4, "op": "SCMP_CMP_LE"}], [3 => true, 4 => true, 5 => false]),
    operator!("GE", [{"index": 0, "value": 4, "op": "SCMP_CMP_GE"}], [3 => false, 4 => true, 5 => true]),
    operator!("GT", [{"index": 0, "value": 4, "op": "SCMP_CMP_GT"}], [3 => false, 4 => false, 5 => true]),
    operator!("MASKED_EQ", [{"index": 0, "value": 6, "valueTwo": 4, "op": "SCMP_CMP_MASKED_EQ"}], [4 => true, 5 => true, 6 => false, 3 => false]),
    must("H7.wide", SECCOMP, "values of arguments have 64 bits", |c| compares(c, "wide", json!([{"index": 0, "value": 4_294_967_300_u64, "op": "SCMP_CMP_EQ"}]), &[(4, false)])),
    may("H8", SECCOMP, "conditions on the same argument are alternatives, or an error", |c| compares(c, "twice", json!([
        {"index": 0, "value": 3, "op": "SCMP_CMP_EQ"}, {"index": 0, "value": 5, "op": "SCMP_CMP_EQ"},
    ]), &[(3, true), (4, false), (5, true)])),
    should("H9", SECCOMP, "a call that the runtime does not know is no error: profiles are older or newer than runtimes", |c| {
        let bundle = c.bundle().aid("/linux/seccomp/defaultAction", "SCMP_ACT_ALLOW");
        let bundle = bundle.set("/linux/seccomp/syscalls", json!([{"names": ["oci_validation_call", "mkdirat", "mkdir"], "action": "SCMP_ACT_ERRNO"}]));
        bundle.see("mkdir /tmp/x")?.has("EPERM")
    }),
    must("H10", SECCOMP, "a filter is installed for an ordinary user without `noNewPrivileges`", |c| {
        let bundle = c.bundle().aid("/process/user/uid", 1000).aid("/process/noNewPrivileges", false);
        let seen = rule(bundle, json!({"action": "SCMP_ACT_ERRNO"})).see("status Seccomp NoNewPrivs -- mkdir /tmp/x")?;
        same("Seccomp", seen.after("Seccomp:")?.as_str(), "2")?;
        same("NoNewPrivs", seen.after("NoNewPrivs:")?.as_str(), "0")?;
        seen.has("EPERM")
    }),
    must("H10.last", SECCOMP, "with `noNewPrivileges` a filter that forbids what runtimes do themselves does not hinder the start", |c| {
        let names = ["setuid", "setresuid", "setgid", "setresgid", "setgroups", "capset", "umask", "chdir", "mount", "mkdirat", "mkdir"];
        let bundle = c.bundle().aid("/process/user/uid", 1000).aid("/process/noNewPrivileges", true).aid("/linux/seccomp/defaultAction", "SCMP_ACT_ALLOW");
        let bundle = bundle.set("/linux/seccomp/syscalls", json!([{"names": names, "action": "SCMP_ACT_ERRNO"}]));
        let seen = bundle.see("status Uid -- mkdir /tmp/x")?;
        seen.has("Uid:\t1000")?;
        seen.has("EPERM")
    }),
];

/// Adds a filter with one rule about mkdir(2).
pub(crate) fn rule<'a>(bundle: Bundle<'a>, mut rule: Value) -> Bundle<'a> {
    rule["names"] = json!(["mkdirat", "mkdir"]);
    let bundle = bundle.aid("/linux/seccomp/defaultAction", "SCMP_ACT_ALLOW");
    bundle.set("/linux/seccomp/syscalls", json!([rule]))
}

fn act(c: &Case, value: Value) -> Verdict<crate::container::Seen> {
    rule(c.bundle(), value).see("mkdir /tmp/x")
}

fn dies(c: &Case, action: &str) -> Verdict {
    let seen = rule(c.bundle(), json!({"action": action}))
        .see("echo before -- sleep 0 -- mkdir /tmp/x -- echo after")?;
    seen.has("before")?;
    seen.lacks("after")?;
    // 31 is SIGSYS.
    ensure(seen.code.is_none_or(|code| code == 128 + 31), || {
        format!("it ended with {:?}", seen.code)
    })
}

fn flag(c: &Case, name: &str) -> Verdict {
    let bundle = c.bundle().set(
        "/linux/seccomp/flags",
        json!([format!("SECCOMP_FILTER_FLAG_{name}")]),
    );
    let seen = rule(bundle, json!({"action": "SCMP_ACT_ERRNO"}))
        .see("status Seccomp Speculation_Store_Bypass -- mkdir /tmp/x")?;
    same("Seccomp", seen.after("Seccomp:")?.as_str(), "2")?;
    seen.has("EPERM")?;
    match name {
        "SPEC_ALLOW" => seen.lacks("force mitigated"),
        _ => Ok(()),
    }
}

/// A rule about the argument of personality(2), tried with values: whether each is blocked.
fn compares(c: &Case, _: &str, arguments: Value, tries: &[(u32, bool)]) -> Verdict {
    let rule = json!([{"names": ["personality"], "action": "SCMP_ACT_ERRNO", "errnoRet": 99, "args": arguments}]);
    let bundle = c
        .bundle()
        .aid("/linux/seccomp/defaultAction", "SCMP_ACT_ALLOW")
        .set("/linux/seccomp/syscalls", rule);
    let commands: Vec<String> = tries
        .iter()
        .map(|(value, _)| format!("echo {value} -- personality {value}"))
        .collect();
    let seen = bundle.see(&commands.join(" -- "))?;
    let mut lines = seen.text.lines().peekable();
    for (value, blocked) in tries {
        same("order", lines.next(), Some(value.to_string().as_str()))?;
        let found = lines
            .next_if(|line| line.contains("EADDRNOTAVAIL"))
            .is_some();
        same(&format!("value {value} is blocked"), found, *blocked)?;
    }
    Ok(())
}
