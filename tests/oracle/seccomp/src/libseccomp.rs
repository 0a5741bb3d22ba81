//! libseccomp, used as runc uses it: a rule that repeats the default is left out, an argument index that stands twice makes
//! every condition a rule of its own, names that are not known are skipped.

use std::ffi::{CString, c_char, c_int, c_uint, c_void};
use std::fs::File;
use std::io::{Read as _, Seek as _};
use std::os::fd::{AsRawFd as _, FromRawFd as _};

use seccomp::Architecture;
use seccompiler::sock_filter;
use spec::Seccomp;

/// `struct scmp_arg_cmp`.
#[repr(C)]
#[derive(Clone, Copy)]
struct Compare {
    argument: c_uint,
    operator: c_int,
    first: u64,
    second: u64,
}

unsafe extern "C" {
    fn seccomp_init(default: u32) -> *mut c_void;
    fn seccomp_release(context: *mut c_void);
    fn seccomp_arch_native() -> u32;
    fn seccomp_arch_add(context: *mut c_void, token: u32) -> c_int;
    fn seccomp_arch_remove(context: *mut c_void, token: u32) -> c_int;
    fn seccomp_attr_set(context: *mut c_void, attribute: c_int, value: u32) -> c_int;
    fn seccomp_rule_add_array(
        context: *mut c_void,
        action: u32,
        number: c_int,
        count: c_uint,
        compares: *const Compare,
    ) -> c_int;
    fn seccomp_export_bpf(context: *mut c_void, fd: c_int) -> c_int;
    fn seccomp_load(context: *mut c_void) -> c_int;
    fn seccomp_syscall_resolve_name(name: *const c_char) -> c_int;
    fn seccomp_syscall_resolve_name_arch(token: u32, name: *const c_char) -> c_int;
}

const BAD_ARCHITECTURE: c_int = 2;
const NO_NEW_PRIVS: c_int = 3;
const OPTIMIZE: c_int = 8;
const UNKNOWN: c_int = -1;

/// A filter of libseccomp.
pub struct Context(*mut c_void);

impl Drop for Context {
    fn drop(&mut self) {
        // SAFETY: the context was made by seccomp_init and is released once.
        unsafe { seccomp_release(self.0) };
    }
}

/// libseccomp's own numbers for architectures: the kernel's, but x32 has one of its own.
pub fn token(architecture: Architecture) -> u32 {
    if architecture == Architecture::X32 {
        0x4000_003e
    } else {
        architecture.audit()
    }
}

/// Number of a call as libseccomp has it; negative ones are its own.
pub fn number(architecture: Architecture, name: &str) -> i32 {
    let name = CString::new(name).unwrap();
    // SAFETY: a C string that outlives the call.
    unsafe { seccomp_syscall_resolve_name_arch(token(architecture), name.as_ptr()) }
}

/// Whether libseccomp has the same number for a call on every architecture that it knows (2.5.4: not loongarch, m68k, sh).
/// A negative number of its own stands for "not there" or for "behind socketcall or ipc".
pub fn agrees(name: &str) -> bool {
    let architectures = seccomp::ARCHITECTURES
        .iter()
        .filter_map(|word| Architecture::from_name(word));
    let known = architectures.filter(|one| number(*one, "read") >= 0);
    let mut same = true;
    for architecture in known {
        let (ours, theirs) = (architecture.number_of(name), number(architecture, name));
        same &= if theirs >= 0 {
            ours == Some(theirs as u32)
        } else {
            ours.is_none() || theirs > -300 && theirs <= -100
        };
    }
    same && number(Architecture::X86_64, name) != UNKNOWN
}

/// The kernel's number of an action.
pub fn action(word: &str, data: Option<u32>) -> u32 {
    match word {
        "SCMP_ACT_KILL" | "SCMP_ACT_KILL_THREAD" => 0,
        "SCMP_ACT_KILL_PROCESS" => 0x8000_0000,
        "SCMP_ACT_TRAP" => 0x0003_0000,
        "SCMP_ACT_ERRNO" => 0x0005_0000 | data.unwrap_or(1),
        "SCMP_ACT_TRACE" => 0x7ff0_0000 | data.unwrap_or(1),
        "SCMP_ACT_LOG" => 0x7ffc_0000,
        "SCMP_ACT_ALLOW" => 0x7fff_0000,
        "SCMP_ACT_NOTIFY" => 0x7fc0_0000,
        other => panic!("{other}"),
    }
}

fn operator(word: &str) -> c_int {
    let words = ["", "NE", "LT", "LE", "EQ", "GE", "GT", "MASKED_EQ"];
    words
        .iter()
        .position(|known| word == format!("SCMP_CMP_{known}"))
        .unwrap() as c_int
}

/// Builds the filter; the error is libseccomp's, negative.
pub fn build(
    profile: &Seccomp<'_>,
    architectures: &[Architecture],
    tree: bool,
) -> Result<Context, i32> {
    let check = |code: c_int| if code < 0 { Err(code) } else { Ok(()) };
    let default = action(&profile.default_action, profile.default_errno_ret);
    // SAFETY: seccomp_init takes a number; every other call takes the context that it made, and arrays that outlive the call.
    unsafe {
        let context = Context(seccomp_init(default));
        assert!(!context.0.is_null());
        if !architectures
            .iter()
            .any(|one| token(*one) == seccomp_arch_native())
        {
            check(seccomp_arch_remove(context.0, seccomp_arch_native()))?;
        }
        for architecture in architectures {
            if token(*architecture) != seccomp_arch_native() {
                check(seccomp_arch_add(context.0, token(*architecture)))?;
            }
        }
        // The one deliberate difference: a wrong architecture kills the process, not only the thread.
        check(seccomp_attr_set(context.0, BAD_ARCHITECTURE, 0x8000_0000))?;
        check(seccomp_attr_set(context.0, NO_NEW_PRIVS, 0))?;
        if tree {
            check(seccomp_attr_set(context.0, OPTIMIZE, 2))?;
        }
        for rule in &profile.syscalls {
            let action = action(&rule.action, rule.errno_ret);
            if action == default {
                continue;
            }
            let compares: Vec<Compare> = rule
                .args
                .iter()
                .map(|one| Compare {
                    argument: one.index,
                    operator: operator(&one.op),
                    first: one.value,
                    second: one.value_two,
                })
                .collect();
            let repeated =
                (0..6).any(|index| compares.iter().filter(|one| one.argument == index).count() > 1);
            for name in &rule.names {
                let name = CString::new(name.as_str()).unwrap();
                let number = seccomp_syscall_resolve_name(name.as_ptr());
                if number == UNKNOWN {
                    continue;
                }
                if repeated {
                    for one in &compares {
                        check(seccomp_rule_add_array(context.0, action, number, 1, one))?;
                    }
                } else {
                    check(seccomp_rule_add_array(
                        context.0,
                        action,
                        number,
                        compares.len() as c_uint,
                        compares.as_ptr(),
                    ))?;
                }
            }
        }
        Ok(context)
    }
}

impl Context {
    /// The program; libseccomp writes it in the byte order of the filter's architectures.
    pub fn program(&self, big_endian: bool) -> Result<Vec<sock_filter>, i32> {
        // SAFETY: a new descriptor, owned by the File; the context is valid.
        let mut file = unsafe {
            let fd = libc::memfd_create(c"filter".as_ptr(), libc::MFD_CLOEXEC);
            assert!(fd >= 0);
            let file = File::from_raw_fd(fd);
            let code = seccomp_export_bpf(self.0, file.as_raw_fd());
            if code < 0 {
                return Err(code);
            }
            file
        };
        let mut bytes = Vec::new();
        file.rewind().unwrap();
        file.read_to_end(&mut bytes).unwrap();
        Ok(bytes
            .chunks_exact(8)
            .map(|one| {
                let code = [one[0], one[1]];
                let k = [one[4], one[5], one[6], one[7]];
                sock_filter {
                    code: if big_endian {
                        u16::from_be_bytes(code)
                    } else {
                        u16::from_le_bytes(code)
                    },
                    jt: one[2],
                    jf: one[3],
                    k: if big_endian {
                        u32::from_be_bytes(k)
                    } else {
                        u32::from_le_bytes(k)
                    },
                }
            })
            .collect())
    }

    /// Loads the filter into this process.
    pub fn load(&self) -> i32 {
        // SAFETY: the context is valid.
        unsafe { seccomp_load(self.0) }
    }
}
