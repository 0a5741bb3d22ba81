//! The running kernel: filters are installed in a child that makes calls.

use std::io::{Read as _, Write as _};
use std::os::fd::FromRawFd as _;

use oracle::generate::{Random, value};
use oracle::interpreter::{Call, run};
use oracle::vectors::is_big_endian;
use seccomp::{Architecture, Support, compile};
use spec::Seccomp;

/// How a child ended.
#[derive(Debug, PartialEq, Eq)]
enum Ending {
    /// With what it wrote.
    Exit(Vec<u8>),
    Signal(i32),
}

/// Runs `work` in a child, after it has set no_new_privs; what it returns is written to the parent.
///
/// The child of a test with threads may only make system calls: `work` must not allocate or lock.
fn in_child<const N: usize>(work: impl FnOnce(&mut [u8; N])) -> Ending {
    let mut ends = [0; 2];
    // SAFETY: two descriptors, owned by this function; the child only makes system calls before it exits.
    unsafe {
        assert_eq!(libc::pipe2(ends.as_mut_ptr(), libc::O_CLOEXEC), 0);
        let child = libc::fork();
        assert!(child >= 0);
        if child == 0 {
            libc::prctl(libc::PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
            let mut answer = [0; N];
            work(&mut answer);
            libc::write(ends[1], answer.as_ptr().cast(), N);
            libc::_exit(0);
        }
        libc::close(ends[1]);
        let mut read = Vec::new();
        std::fs::File::from_raw_fd(ends[0])
            .read_to_end(&mut read)
            .unwrap();
        let mut status = 0;
        assert_eq!(libc::waitpid(child, &mut status, 0), child);
        if libc::WIFSIGNALED(status) {
            Ending::Signal(libc::WTERMSIG(status))
        } else {
            Ending::Exit(read)
        }
    }
}

fn filter(json: &str) -> (Vec<u8>, u64, seccompiler::BpfProgram) {
    let profile: Seccomp<'_> = serde_json::from_str(json).unwrap();
    let filter = compile(&profile, &Support::default()).unwrap();
    (filter.bytes(), filter.flags, filter.program)
}

fn install(bytes: &[u8], flags: u64) {
    if kernel::seccomp::install(bytes, flags).is_err() {
        // SAFETY: leaves the child.
        unsafe { libc::_exit(9) };
    }
}

/// A raw call; the answer is minus the errno where it fails.
fn raw(number: u32, arguments: &[u64; 6]) -> i64 {
    let [a, b, c, d, e, f] = *arguments;
    // SAFETY: only calls that take no pointers are made through this.
    let answer = unsafe { libc::syscall(number as i64, a, b, c, d, e, f) };
    // SAFETY: the thread's own errno.
    if answer == -1 {
        -i64::from(unsafe { *libc::__errno_location() })
    } else {
        answer
    }
}

#[cfg(target_arch = "x86_64")]
fn raw_32bit(number: u32, first: u32) -> i64 {
    let answer: i32;
    // SAFETY: the 32-bit entry of the kernel; only calls that take no pointers are made through this.
    unsafe {
        std::arch::asm!("xchg r12, rbx", "int 0x80", "xchg r12, rbx",
            inout("eax") number as i32 => answer, inout("r12") u64::from(first) => _, in("ecx") 0, in("edx") 0,
            out("r8") _, out("r9") _, out("r10") _, out("r11") _);
    }
    i64::from(answer)
}

/// Calls without effect, whose arguments nobody looks at but the filter.
const NAMES: [&str; 6] = [
    "getppid",
    "getuid",
    "geteuid",
    "getgid",
    "getegid",
    "sched_yield",
];

#[test]
fn the_kernel_answers_as_the_interpreter() {
    const CALLS: usize = 200;
    let native = Architecture::NATIVE.unwrap();
    let mut random = Random::new(7);
    let (mut compared, mut denied) = (0, 0);
    for _ in 0..150 {
        let rules: Vec<String> = (0..1 + random.below(6))
            .map(|_| {
                let operators = ["NE", "LT", "LE", "EQ", "GE", "GT", "MASKED_EQ"];
                let arguments: Vec<String> = (0..random.below(3))
                    .map(|_| {
                        let (one, two, operator) = (value(&mut random), value(&mut random), random.pick(&operators));
                        format!(r#"{{"index":{},"value":{one},"valueTwo":{two},"op":"SCMP_CMP_{operator}"}}"#, random.below(6))
                    })
                    .collect();
                let name = random.pick(&NAMES);
                format!(r#"{{"names":["{name}"],"action":"SCMP_ACT_ERRNO","errnoRet":77,"args":[{}]}}"#, arguments.join(","))
            })
            .collect();
        let json = format!(
            r#"{{"defaultAction":"SCMP_ACT_ALLOW","syscalls":[{}]}}"#,
            rules.join(",")
        );
        let (bytes, flags, program) = filter(&json);
        let mut calls = [(0, [0; 6]); CALLS];
        let profile: Seccomp<'_> = serde_json::from_str(&json).unwrap();
        for call in &mut calls {
            let number = native.number_of(random.pick(&NAMES)).unwrap();
            *call = (
                number,
                oracle::vectors::call(&mut random, &profile, &[native]).arguments,
            );
        }
        let Ending::Exit(answers) = in_child(|answers: &mut [u8; CALLS]| {
            install(&bytes, flags);
            for (answer, (number, arguments)) in answers.iter_mut().zip(&calls) {
                *answer = u8::from(raw(*number, arguments) == -77);
            }
        }) else {
            panic!("{json}")
        };
        assert_eq!(answers.len(), CALLS, "{json}");
        for (answer, (number, arguments)) in answers.iter().zip(&calls) {
            let call = Call {
                number: *number,
                audit: native.audit(),
                arguments: *arguments,
            };
            let expected = run(&program, &call, is_big_endian(native)).0 == 0x0005_004d;
            assert_eq!(*answer == 1, expected, "{json}\n{call:x?}");
            compared += 1;
            denied += usize::from(expected);
        }
    }
    std::io::stdout()
        .lock()
        .write_all(
            format!("kernel: {compared} calls made, {denied} denied, 0 differences\n").as_bytes(),
        )
        .unwrap();
    assert!(denied > 1000);
}

/// `write` and `exit_group` must work for the child to report; the rest is as the test says.
fn acting(rule: &str) -> (Vec<u8>, u64) {
    let json = format!(
        r#"{{"defaultAction":"SCMP_ACT_ERRNO","syscalls":[{{"names":["write","exit_group","sched_setaffinity"],"action":"SCMP_ACT_ALLOW"}},{rule}]}}"#
    );
    let (bytes, flags, _) = filter(&json);
    (bytes, flags)
}

fn act(rule: &str) -> Ending {
    let (bytes, flags) = acting(rule);
    in_child(|answer: &mut [u8; 1]| {
        install(&bytes, flags);
        *answer = [match raw(libc::SYS_getppid as u32, &[0; 6]) {
            positive if positive >= 0 => 0,
            negative => (-negative) as u8,
        }];
    })
}

#[test]
fn actions() {
    let rule = |action: &str| format!(r#"{{"names":["getppid"],"action":{action}}}"#);
    assert_eq!(act(&rule(r#""SCMP_ACT_ALLOW""#)), Ending::Exit(vec![0]));
    assert_eq!(act(&rule(r#""SCMP_ACT_LOG""#)), Ending::Exit(vec![0]));
    assert_eq!(
        act(&rule(r#""SCMP_ACT_ERRNO","errnoRet":33"#)),
        Ending::Exit(vec![33])
    );
    assert_eq!(
        act(&rule(r#""SCMP_ACT_TRACE""#)),
        Ending::Exit(vec![libc::ENOSYS as u8]),
        "no tracer"
    );
    for deadly in [
        "SCMP_ACT_KILL",
        "SCMP_ACT_KILL_THREAD",
        "SCMP_ACT_KILL_PROCESS",
        "SCMP_ACT_TRAP",
    ] {
        assert_eq!(
            act(&rule(&format!("{deadly:?}"))),
            Ending::Signal(libc::SIGSYS),
            "{deadly}"
        );
    }
}

#[test]
fn a_call_newer_than_the_profile_does_not_exist() {
    let (bytes, flags) = acting(r#"{"names":["getppid"],"action":"SCMP_ACT_ALLOW"}"#);
    let ending = in_child(|answers: &mut [u8; 2]| {
        install(&bytes, flags);
        *answers = [
            raw(libc::SYS_getuid as u32, &[0; 6]),
            raw(libc::SYS_pidfd_open as u32, &[u64::MAX; 6]),
        ]
        .map(|answer| (-answer) as u8);
    });
    assert_eq!(
        ending,
        Ending::Exit(vec![libc::EPERM as u8, libc::ENOSYS as u8])
    );
}

#[cfg(target_arch = "x86_64")]
#[test]
fn the_other_abis_of_x86_64() {
    const GETPPID_X86: u32 = 64;
    if in_child(|answer: &mut [u8; 1]| *answer = [u8::from(raw_32bit(GETPPID_X86, 0) > 0)])
        != Ending::Exit(vec![1])
    {
        eprintln!("skipped: this kernel runs no 32-bit programs");
        return;
    }
    let rule = r#"{"names":["getppid"],"action":"SCMP_ACT_ERRNO","errnoRet":44,"args":[{"index":0,"value":4294967303,"op":"SCMP_CMP_EQ"}]},
        {"names":["getppid"],"action":"SCMP_ACT_ALLOW","args":[{"index":0,"value":4294967303,"op":"SCMP_CMP_NE"}]}"#;
    let only = acting(rule);
    let killed = in_child(|answer: &mut [u8; 1]| {
        install(&only.0, only.1);
        *answer = [raw_32bit(GETPPID_X86, 0) as u8];
    });
    assert_eq!(
        killed,
        Ending::Signal(libc::SIGSYS),
        "32-bit calls are not in the filter"
    );
    let killed = in_child(|answer: &mut [u8; 1]| {
        install(&only.0, only.1);
        *answer = [raw(libc::SYS_getppid as u32 | 0x4000_0000, &[0; 6]) as u8];
    });
    assert_eq!(
        killed,
        Ending::Signal(libc::SIGSYS),
        "x32 calls are not in the filter"
    );
    let json = format!(
        r#"{{"defaultAction":"SCMP_ACT_ERRNO","architectures":["SCMP_ARCH_X86"],"syscalls":[{{"names":["write","exit_group"],"action":"SCMP_ACT_ALLOW"}},{rule}]}}"#
    );
    let (bytes, flags, _) = filter(&json);
    let ending = in_child(|answers: &mut [u8; 4]| {
        install(&bytes, flags);
        let wide = |first| raw(libc::SYS_getppid as u32, &[first, 0, 0, 0, 0, 0]);
        *answers = [
            raw_32bit(GETPPID_X86, 7),
            raw_32bit(GETPPID_X86, 8),
            wide(7),
            wide(0x1_0000_0007),
        ]
        .map(|answer| if answer > 0 { 0 } else { (-answer) as u8 });
    });
    // Only the low word exists for a 32-bit call; both count for one of 64 bits.
    assert_eq!(ending, Ending::Exit(vec![44, 0, 0, 44]));
}

#[test]
fn engines_profiles_load_and_run() {
    for (name, text) in oracle::PROFILES {
        let (bytes, flags, _) = filter(text);
        let ending = in_child(|answers: &mut [u8; 3]| {
            install(&bytes, flags);
            *answers = [
                u8::from(raw(libc::SYS_getppid as u32, &[0; 6]) > 0),
                (-raw(libc::SYS_personality as u32, &[1, 0, 0, 0, 0, 0])) as u8,
                (-raw(libc::SYS_socket as u32, &[40, 1, 0, 0, 0, 0])) as u8,
            ];
        });
        let Ending::Exit(answers) = ending else {
            panic!("{name}: {ending:?}")
        };
        assert_eq!(answers[0], 1, "{name}");
        assert!(
            [libc::EPERM as u8, libc::ENOSYS as u8, libc::EINVAL as u8].contains(&answers[1]),
            "{name}: {answers:?}"
        );
        assert_ne!(answers[2], 0, "{name}");
    }
}
