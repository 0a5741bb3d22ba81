//! What to try next, for failures whose errno alone does not say it. docs/troubleshooting.md shows this table.

use kernel::{Call, Errno, Fault};

/// A failure that is known, and what to say of it.
struct Hint {
    calls: &'static [Call],
    errno: Errno,
    /// Words of the step of which one is needed; `^` stands for its beginning. None: it is about every step.
    steps: &'static [&'static str],
    text: &'static str,
}

const fn hint(
    calls: &'static [Call],
    errno: Errno,
    steps: &'static [&'static str],
    text: &'static str,
) -> Hint {
    Hint {
        calls,
        errno,
        steps,
        text,
    }
}

/// The first that fits is taken.
#[rustfmt::skip]
const HINTS: &[Hint] = &[
    hint(&[Call::Unshare, Call::Clone3], Errno::ENOSPC, &[],
        "a limit in /proc/sys/user/ is reached: raise max_*_namespaces"),
    hint(&[Call::Unshare], Errno::EPERM, &["user"],
        "unprivileged user namespaces are disabled: see kernel.unprivileged_userns_clone, user.max_user_namespaces \
         and kernel.apparmor_restrict_unprivileged_userns"),
    hint(&[Call::Unshare, Call::Clone3], Errno::EPERM, &[],
        "new namespaces need CAP_SYS_ADMIN: add a user namespace with mappings to the config"),
    hint(&[Call::Mount, Call::Fsopen], Errno::ENODEV, &[],
        "the kernel does not know this file system"),
    hint(&[Call::Mount], Errno::EPERM, &["sysfs"],
        "sysfs needs a network namespace of the container's own: bind /sys instead"),
    hint(&[Call::Mount], Errno::EPERM, &["proc"],
        "procfs needs a pid namespace of the container's own, and a /proc outside of which nothing is hidden"),
    hint(&[Call::Mount, Call::Fsconfig], Errno::EINVAL, &["devpts&gid=", "devpts&uid="],
        "is the id of gid= or uid= mapped in the user namespace? map it (linux.gidMappings), or leave the option out"),
    hint(&[Call::Mount, Call::Fsconfig], Errno::EINVAL, &[],
        "an option that the file system does not know? see dmesg"),
    hint(&[Call::MountSetattr], Errno::EPERM, &["map ids", "with ids mapped"],
        "it takes root of the user namespace that the file system was mounted in"),
    hint(&[Call::MountSetattr], Errno::EPERM, &[],
        "the flag is locked: the source is mounted with it by a more privileged user"),
    hint(&[Call::MountSetattr], Errno::EINVAL, &["map ids", "with ids mapped"],
        "the file system does not support id-mapped mounts"),
    hint(&[Call::Mount, Call::MoveMount, Call::OpenTree], Errno::ENOSPC, &[],
        "the mount namespace has as many mounts as fs.mount-max allows"),
    hint(&[Call::MoveMount], Errno::EINVAL, &["^bind "],
        "is one of them a directory and the other a file?"),
    hint(&[Call::MoveMount], Errno::EBUSY, &["^hide "],
        "the root cannot be hidden from who is in it"),
    hint(&[Call::Openat], Errno::ESTALE, &[],
        "somebody changed what is copied while it was copied"),
    hint(&[Call::MountSetattr], Errno::EINVAL, &["^change mount at"],
        "nothing is mounted there"),
    hint(&[Call::Prlimit], Errno::EPERM, &[],
        "raising a hard limit needs CAP_SYS_RESOURCE"),
    hint(&[Call::SchedSetattr], Errno::EPERM, &["policy 6"],
        "SCHED_DEADLINE needs CAP_SYS_NICE; such a process scheduler can't be used together with AllowedCPUs \
         (linux.resources.cpu.cpus)"),
    hint(&[Call::SchedSetattr], Errno::EPERM, &["policy 1 ", "policy 2 "],
        "it needs CAP_SYS_NICE or RLIMIT_RTPRIO; and where the kernel allots real-time scheduling by cgroup \
         (CONFIG_RT_GROUP_SCHED), linux.resources.cpu.realtimeRuntime on version 1, or rt_group_sched=0 on the \
         kernel's command line"),
    hint(&[Call::SchedSetattr], Errno::EPERM, &[],
        "a nice value below the present one needs CAP_SYS_NICE or RLIMIT_NICE (process.scheduler.nice)"),
    hint(&[Call::Write], Errno::EACCES, &["oom"],
        "lowering the score needs CAP_SYS_RESOURCE"),
    hint(&[Call::PivotRoot], Errno::EINVAL, &[],
        "the root may be on an initial RAM disk: try --no-pivot"),
    hint(&[Call::Fstat], Errno::EPERM, &["^require device "],
        "the host's node is bound, and it has another one: leave the field out, or run as root of the machine"),
    hint(&[Call::Mknodat], Errno::EPERM, &[],
        "device nodes need CAP_MKNOD and no user namespace"),
    hint(&[Call::Setgroups], Errno::EPERM, &[],
        "groups cannot be set where the group mapping was written without privileges"),
    hint(&[Call::Setresuid, Call::Setresgid], Errno::EINVAL, &[],
        "the id is not mapped in the user namespace"),
    hint(&[Call::Keyctl], Errno::EDQUOT, &[],
        "too many keyrings: raise kernel.keys.maxkeys or use --no-new-keyring"),
    hint(&[Call::Fstatfs], Errno::ENODEV, &[],
        "a terminal needs a devpts mounted at /dev/pts"),
    hint(&[Call::Openat2], Errno::ENOSYS, &[],
        "Linux 5.14 or newer is needed"),
    hint(&[Call::Execveat, Call::MemfdCreate], Errno::EACCES, &[],
        "memory files may not be executed here: see vm.memfd_noexec"),
];

/// A hint for a failed step; `step` is the step in words.
pub(crate) fn find(step: &str, fault: Fault) -> Option<&'static str> {
    let is_there = |word: &str| match word.strip_prefix('^') {
        Some(beginning) => step.starts_with(beginning),
        None => word.split('&').all(|part| step.contains(part)),
    };
    let found = HINTS.iter().find(|hint| {
        hint.errno == fault.errno
            && hint.calls.contains(&fault.call)
            && (hint.steps.is_empty() || hint.steps.iter().any(|word| is_there(word)))
    });
    found.map(|hint| hint.text)
}

#[cfg(test)]
mod tests {
    use std::fmt::Write;
    use std::path::Path;

    use super::*;

    /// `cargo xtask dist --docs` writes the page anew; otherwise it has to be as the table is.
    #[test]
    fn the_page_shows_the_table() {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/troubleshooting.md");
        let before = std::fs::read_to_string(&path).unwrap();
        let mark = "<!-- from here on written by `cargo xtask dist --docs` -->\n";
        let (head, _) = before.split_once(mark).unwrap();
        let mut page = format!(
            "{head}{mark}\n| said | in steps with | what it means, what to do |\n|---|---|---|\n"
        );
        for hint in HINTS {
            let said = hint
                .calls
                .iter()
                .map(|call| format!("`{}`", Fault::found(*call, hint.errno)));
            let said: Vec<String> = said.collect();
            let steps: Vec<String> = hint
                .steps
                .iter()
                .map(|word| word.trim_matches(['^', ' ']).replace('&', " … "))
                .map(|word| format!("`{word}`"))
                .collect();
            let steps = match steps.is_empty() {
                true => "any step".to_owned(),
                false => steps.join(", "),
            };
            writeln!(page, "| {} | {steps} | {} |", said.join(", "), hint.text).unwrap();
        }
        if std::env::var_os("TARE_UPDATE_DOCS").is_some() {
            std::fs::write(&path, page).unwrap();
        } else {
            assert_eq!(before, page, "cargo xtask dist --docs writes it anew");
        }
    }

    /// A hint behind one that is about the same calls in every step would never be given.
    #[test]
    fn every_hint_can_be_given() {
        for (at, later) in HINTS.iter().enumerate() {
            let is_hidden = |call| {
                HINTS[..at].iter().any(|earlier| {
                    earlier.steps.is_empty()
                        && earlier.errno == later.errno
                        && earlier.calls.contains(call)
                })
            };
            assert!(!later.calls.iter().all(is_hidden), "{}", later.text);
        }
    }
}
