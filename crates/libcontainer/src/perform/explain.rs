//! What is said when the child did not get to the end: the field, the step, and the words that callers look for.

use init::{ChildStep, Seen};
use kernel::process::Exit;
use kernel::{Call, Errno, Fault};
use spec::{ConfigPath, Seccomp};

use crate::Error;
use crate::plan::{Plan, Step};

/// The error for a child that did not get to the end of its plan. `filter` is the profile of its system call filter.
pub(super) fn explain(
    plan: &Plan,
    seen: Seen,
    exit: Option<Exit>,
    filter: Option<&Seccomp<'_>>,
) -> Error {
    let fault = seen.fault;
    let index = seen.step.map_or(0, |step| step as usize);
    let at = plan
        .entries
        .get(index)
        .map_or_else(ConfigPath::none, |entry| entry.from.clone());
    let words = plan.describe(index);
    let begun = plan.entries.iter().take(index);
    let filter = filter.filter(|_| {
        let loads = |step: &Step| matches!(step, Step::Child(ChildStep::Seccomp(_)));
        begun.map(|entry| &entry.step).any(loads)
    });
    if let Some(filter) = filter {
        if let Some(fault) = fault.filter(|fault| forbids(filter, fault.call)) {
            return forbidden(words, fault);
        }
        if fault.is_none() && exit == Some(Exit::Signal(kernel::process::signals::SYS)) {
            return Error::ChildDied {
                at: ConfigPath::of("linux.seccomp"),
                step: words,
                exit: exit.map(crate::Exit::from),
            };
        }
    }
    match fault {
        Some(fault) => {
            let text = plan
                .entries
                .get(index)
                .and_then(|entry| known_text(plan, &entry.step, fault));
            let hint = if text.is_some() {
                None
            } else {
                crate::hint::find(&words, fault)
            };
            Error::Step {
                at,
                step: words,
                text,
                fault,
                hint,
            }
        }
        None => Error::ChildDied {
            at,
            step: words,
            exit: exit.map(crate::Exit::from),
        },
    }
}

/// The error for a program that execve(2) refuses, with the text that callers look for.
pub(crate) fn execution_failed(name: &str, fault: Fault) -> Error {
    Error::Step {
        at: ConfigPath::of("process.args"),
        step: format!("execute {name}"),
        text: Some(format!("exec {name}: {}", fault.errno)),
        fault,
        hint: fault
            .is(Errno::ENOENT)
            .then_some("the program exists: its interpreter may be missing"),
    }
}

/// Whether a profile keeps init from a call that it makes with its filter loaded.
pub(crate) fn forbids(filter: &Seccomp<'_>, call: Call) -> bool {
    let passes = |action: &str| {
        let kind = ["ALLOW", "LOG", "TRACE", "NOTIFY"];
        action
            .strip_prefix("SCMP_ACT_")
            .is_some_and(|action| kind.contains(&action))
    };
    let named = |rule: &&spec::SeccompRule<'_>| rule.names.iter().any(|name| *name == call.name());
    let mut rules = filter.syscalls.iter().filter(named).peekable();
    match rules.peek() {
        None => !passes(&filter.default_action),
        Some(_) => rules.any(|rule| !passes(&rule.action)),
    }
}

/// The error for a call that the filter did not let init make.
pub(crate) fn forbidden(step: String, fault: Fault) -> Error {
    Error::Step {
        at: ConfigPath::of("linux.seccomp"),
        step,
        text: None,
        fault,
        hint: Some(
            "the filter forbids this call, which comes before the program's own; read, execve and exit_group are always \
             needed",
        ),
    }
}

/// Texts that callers of runtimes look for.
fn known_text(plan: &Plan, step: &Step, fault: Fault) -> Option<String> {
    let text = init::StringTable(&plan.text);
    let show = |span| String::from_utf8_lossy(text.bytes(span)).into_owned();
    let Step::Child(step) = step else { return None };
    Some(match step {
        ChildStep::FindProgram(find) => missing_program(&show(find.name), fault),
        ChildStep::Execute(execute) => {
            let name = text
                .strings(execute.arguments)
                .next()
                .map(|name| name.to_string_lossy().into_owned());
            format!("exec {}: {}", name.unwrap_or_default(), fault.errno)
        }
        ChildStep::Directory(directory) => {
            let outside = fault.call == Call::Getcwd;
            let why = if outside {
                "current working directory is outside of container mount namespace root"
            } else {
                fault.errno.text()
            };
            format!(
                "chdir to cwd ({:?}) set in config.json failed: {why}",
                show(directory.path)
            )
        }
        ChildStep::Attach(step) if leads_away(fault) => misled(&show(step.target)),
        ChildStep::Bind(step) if leads_away(fault) => misled(&show(step.target)),
        ChildStep::BindDevice(step) if leads_away(fault) => misled(&show(step.path)),
        ChildStep::Filesystem(step) if leads_away(fault) => misled(&show(step.target)),
        ChildStep::SetAttributes(step) if leads_away(fault) => misled(&show(step.target)),
        ChildStep::Filesystem(mount)
            if mount.plain && (fault.is(Errno::ELOOP) || fault.is(Errno::ENOTDIR)) =>
        {
            format!(
                "filesystem {:?} must be mounted on ordinary directory {}",
                show(mount.kind),
                show(mount.target)
            )
        }
        _ => return None,
    })
}

/// Whether a target was found to be where its path does not say.
fn leads_away(fault: Fault) -> bool {
    fault == Fault::found(Call::Fstatfs, Errno::ELOOP)
}

fn misled(target: &str) -> String {
    format!(
        "{target:?} cannot be mounted because a symbolic link in the root file system leads it into procfs, into sysfs \
         or to the root"
    )
}

/// What engines tell exit statuses 126 and 127 by.
fn missing_program(name: &str, fault: Fault) -> String {
    if !name.contains('/') && fault.is(Errno::ENOENT) {
        return format!("exec: {name:?}: executable file not found in $PATH");
    }
    match fault.errno {
        Errno::ENOENT => format!("exec: {name:?}: stat {name}: no such file or directory"),
        // Engines know no better word for a directory than a missing permission.
        Errno::EISDIR => format!("exec: {name:?}: is a directory: permission denied"),
        errno => format!("exec: {name:?}: {errno}"),
    }
}
