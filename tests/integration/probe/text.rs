//! Numbers and paths without an allocator.

use core::ffi::CStr;

use crate::out::Bytes;

/// What a command answers: nothing, or what went wrong.
pub type Answer = Result<(), Wrong>;

/// Why a command failed; printed as `open /x: ENOENT`.
pub enum Wrong {
    /// A system call, with what it was about.
    Call(kernel::Fault, &'static CStr),
    /// The command line makes no sense.
    Usage(&'static str),
}

impl Wrong {
    /// For `map_err`.
    pub fn at(what: &'static CStr) -> impl FnOnce(kernel::Fault) -> Wrong {
        move |fault| Wrong::Call(fault, what)
    }
}

impl core::fmt::Display for Wrong {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        match self {
            Wrong::Call(fault, what) => {
                // The names of the calls as a person would say them.
                let name = match fault.call.name() {
                    "openat" => "open",
                    "mkdirat" => "mkdir",
                    "mknodat" => "mknod",
                    "readlinkat" => "readlink",
                    "symlinkat" => "symlink",
                    "unlinkat" => "unlink",
                    other => other,
                };
                write!(
                    f,
                    "{name} {}: {}",
                    Bytes(what.to_bytes()),
                    fault.errno.name()
                )
            }
            Wrong::Usage(text) => write!(f, "usage: {text}"),
        }
    }
}

/// The next argument, or how the command is used.
pub fn need(arguments: &mut &[&'static CStr], usage: &'static str) -> Result<&'static CStr, Wrong> {
    let (first, rest) = arguments.split_first().ok_or(Wrong::Usage(usage))?;
    *arguments = rest;
    Ok(first)
}

/// The next argument as a number: decimal, or octal after a leading 0.
pub fn number(arguments: &mut &[&'static CStr], usage: &'static str) -> Result<i64, Wrong> {
    let text = need(arguments, usage)?
        .to_str()
        .map_err(|_| Wrong::Usage(usage))?;
    let radix = if text.len() > 1 && text.starts_with('0') {
        8
    } else {
        10
    };
    i64::from_str_radix(text, radix).map_err(|_| Wrong::Usage(usage))
}
