//! The order rules: each with its reason, as data.
//!
//! What a planner must not get wrong stands here once, apart from the planners. The rules run on every plan in tests
//! and in debug builds; `violations` is empty for every plan that the planners make, whatever the config.

use std::collections::BTreeSet;

use init::{ChildStep, Slot, Span, StringTable};
use kernel::mount::flags;
use kernel::namespace::flags::{NEWCGROUP, NEWNET, NEWNS, NEWPID, NEWTIME, NEWUSER};

use super::{Plan, RuntimeStep, Step};

/// A rule: what it is called, why it holds, and whether a plan keeps it.
pub struct Rule {
    /// A few words.
    pub name: &'static str,
    /// Why the order matters.
    pub reason: &'static str,
    keeps: fn(&View<'_>) -> bool,
}

impl std::fmt::Debug for Rule {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}: {}", self.name, self.reason)
    }
}

/// The steps of a plan, to ask where things stand.
struct View<'a>(&'a Plan);

impl View<'_> {
    fn child(&self, test: impl Fn(&ChildStep) -> bool) -> Vec<usize> {
        self.all(|step| matches!(step, Step::Child(step) if test(step)))
    }

    fn runtime(&self, test: impl Fn(&RuntimeStep) -> bool) -> Vec<usize> {
        self.all(|step| matches!(step, Step::Runtime(step) if test(step)))
    }

    fn all(&self, test: impl Fn(&Step) -> bool) -> Vec<usize> {
        self.0
            .entries
            .iter()
            .enumerate()
            .filter(|(_, entry)| test(&entry.step))
            .map(|(index, _)| index)
            .collect()
    }
}

/// Every one of `first` stands before every one of `second`.
fn before(first: &[usize], second: &[usize]) -> bool {
    match (first.iter().max(), second.iter().min()) {
        (Some(last), Some(earliest)) => last < earliest,
        _ => true,
    }
}

fn is_join(step: &ChildStep) -> bool {
    matches!(step, ChildStep::Join(_))
}

fn changes(step: &ChildStep, flags: u64) -> bool {
    match step {
        ChildStep::Unshare(unshare) => unshare.flags & flags != 0,
        ChildStep::Join(join) => join.flags & flags != 0,
        _ => false,
    }
}

fn is_mount(step: &ChildStep) -> bool {
    use ChildStep::{Attach, Bind, BindDevice, CopyMount, Device, Filesystem, Symlink};
    matches!(
        step,
        Attach(_) | Bind(_) | BindDevice(_) | CopyMount(_) | Device(_) | Filesystem(_) | Symlink(_)
    )
}

/// The path below the root at which a step mounts something.
fn mounted_at(step: &ChildStep) -> Option<Span> {
    let (below, target) = match step {
        ChildStep::Attach(step) => (Slot::ROOT, step.target),
        ChildStep::Bind(step) => (step.below, step.target),
        ChildStep::Filesystem(step) if step.flags & flags::REMOUNT == 0 => {
            (step.below, step.target)
        }
        _ => return None,
    };
    (below == Slot::ROOT).then_some(target)
}

/// The path at which a step looks for a mount that is there already.
fn changed_at(step: &ChildStep) -> Option<Span> {
    match step {
        ChildStep::SetAttributes(step) if step.slot == Slot::NONE => Some(step.target),
        ChildStep::Filesystem(step)
            if step.flags & flags::REMOUNT != 0 && step.below == Slot::ROOT =>
        {
            Some(step.target)
        }
        _ => None,
    }
}

fn is_root_change(step: &ChildStep) -> bool {
    matches!(
        step,
        ChildStep::ChangeRoot(_) | ChildStep::EnterRoot(_) | ChildStep::MoveRoot(_)
    )
}

fn is_host_path(step: &ChildStep) -> bool {
    use ChildStep::{Bind, BindDevice, FetchNull, OpenRoot, ShareNamespaces};
    matches!(
        step,
        Bind(_) | BindDevice(_) | FetchNull(_) | OpenRoot(_) | ShareNamespaces(_)
    )
}

macro_rules! is {
    ($($name:ident)|+) => { |step: &ChildStep| matches!(step, $(ChildStep::$name(_))|+) };
}

/// All rules.
pub const RULES: &[Rule] = &[
    Rule {
        name: "one start, and only runtime steps before it",
        reason: "there is nobody else yet",
        keeps: |view| {
            let starts = view.runtime(|step| matches!(step, RuntimeStep::StartChild { .. }));
            starts.len() == 1 && before(&starts, &view.child(|_| true))
        },
    },
    Rule {
        name: "one execute, and it is last",
        reason: "after execve there is nobody left to perform anything",
        keeps: |view| view.child(is!(Execute | NoProgram)) == [view.0.entries.len() - 1],
    },
    Rule {
        name: "no runtime step after the start fence",
        reason: "create has returned by then, and perhaps nobody waits",
        keeps: |view| before(&view.runtime(|_| true), &view.child(is!(AwaitStart))),
    },
    Rule {
        name: "fork follows every change of pid or time namespace",
        reason: "only a new process is inside them",
        keeps: |view| {
            let changed = view.child(|step| changes(step, NEWPID | NEWTIME));
            changed.is_empty()
                || (before(&changed, &view.child(is!(Fork))) && !view.child(is!(Fork)).is_empty())
        },
    },
    Rule {
        name: "clocks are set between unshare and fork",
        reason: "the kernel fixes the offsets when the first process enters the time namespace",
        keeps: |view| {
            let set = view.runtime(|step| matches!(step, RuntimeStep::OffsetClocks { .. }));
            before(&view.child(|step| changes(step, NEWTIME)), &set)
                && before(&set, &view.child(is!(Fork)))
        },
    },
    Rule {
        name: "network devices come after every change of network namespace, and before hooks",
        reason: "they are moved to where the child is, and hooks set up the network",
        keeps: |view| {
            let moved = view.runtime(|step| matches!(step, RuntimeStep::MoveDevice { .. }));
            before(&view.child(|step| changes(step, NEWNET)), &moved)
                && before(
                    &moved,
                    &view.runtime(|step| matches!(step, RuntimeStep::RunHook { .. })),
                )
        },
    },
    Rule {
        name: "ids are mapped before becoming root",
        reason: "an unmapped id cannot be taken",
        keeps: |view| {
            before(
                &view.runtime(|step| matches!(step, RuntimeStep::MapIds(_))),
                &view.child(is!(BecomeRoot)),
            )
        },
    },
    Rule {
        name: "devices for another user namespace are made before it is entered, and alone",
        reason: "only root of the machine makes nodes that can be opened, and on the way they are mounted over the root",
        keeps: |view| {
            let made = view.child(is!(ForeignDevice));
            let alone =
                |step: &ChildStep| matches!(step, ChildStep::Unshare(u) if u.flags == NEWNS);
            made.is_empty()
                || (view.child(alone).first() < made.first()
                    && !view.child(alone).is_empty()
                    && before(
                        &made,
                        &view.child(|step| changes(step, NEWUSER) || is_join(step)),
                    ))
        },
    },
    Rule {
        name: "the process is recorded before anything is made inside",
        reason: "a runtime that is killed must leave a record of what to clean up",
        keeps: |view| {
            let recorded = view.runtime(|step| matches!(step, RuntimeStep::RecordProcess));
            before(&recorded, &view.child(is_mount))
        },
    },
    Rule {
        name: "placed in its cgroup before the cgroup namespace",
        reason: "the namespace's root is the group that the process is in",
        keeps: |view| {
            let placed = view.runtime(|step| matches!(step, RuntimeStep::PlaceChild));
            before(
                &placed,
                &view.child(
                    |step| matches!(step, ChildStep::Unshare(u) if u.flags & NEWCGROUP != 0),
                ),
            )
        },
    },
    Rule {
        name: "a cgroup is given away when the child is in it, or will be started in it",
        reason: "systemd makes the cgroup for the child",
        keeps: |view| {
            let given = view.runtime(|step| matches!(step, RuntimeStep::DelegateCgroup { .. }));
            let ready = view.runtime(|step| {
                matches!(
                    step,
                    RuntimeStep::MakeCgroup { .. } | RuntimeStep::PlaceChild
                )
            });
            given.is_empty() || (!ready.is_empty() && before(&ready, &given))
        },
    },
    Rule {
        name: "device rules hold before hooks, a filter and the fence",
        reason: "a hook may change them, the program may not run without them, and a filter need not let the child wait for them",
        keeps: |view| {
            let limited = view.runtime(|step| matches!(step, RuntimeStep::LimitDevices { .. }));
            let hooks = view.runtime(|step| matches!(step, RuntimeStep::RunHook { .. }));
            before(&limited, &view.child(is!(Seccomp | AwaitStart | Execute)))
                && before(&limited, &hooks)
        },
    },
    Rule {
        name: "what the runtime does ahead stands between steps of the child",
        reason: "the child does not say that it waits, so nothing for which it has to may be done in the same turn",
        keeps: |view| {
            let is_child = |index: Option<usize>| {
                let entry = index.and_then(|index| view.0.entries.get(index));
                entry.is_some_and(|entry| matches!(entry.step, Step::Child(_)))
            };
            let ahead = view.runtime(RuntimeStep::is_ahead);
            ahead
                .into_iter()
                .all(|index| is_child(index.checked_sub(1)) && is_child(index.checked_add(1)))
        },
    },
    Rule {
        name: "a resctrl group is made before the child starts, which is in it before it forks",
        reason: "what the child starts is in its group by itself, the child is not",
        keeps: |view| {
            let made = view.runtime(|step| matches!(step, RuntimeStep::MakeResctrlGroup(_)));
            let placed = view.runtime(|step| matches!(step, RuntimeStep::PlaceInResctrlGroup));
            before(
                &made,
                &view.runtime(|step| matches!(step, RuntimeStep::StartChild { .. })),
            ) && before(&placed, &view.child(is!(Fork)))
                && made.len() <= placed.len()
        },
    },
    Rule {
        name: "oom score before undumpable",
        reason: "the files in /proc/self belong to root afterwards",
        keeps: |view| before(&view.child(is!(OomScore)), &view.child(is!(Undumpable))),
    },
    Rule {
        name: "undumpable before joining what others live in",
        reason: "they could trace the process and reach the host through it (CVE-2016-9962)",
        keeps: |view| {
            // A hook is the caller's own program and joins as it is; so plans of hooks have no such step.
            let closed = view.child(is!(Undumpable));
            closed.is_empty() || {
                let joins = view.child(|step| is_join(step) && !changes(step, NEWUSER));
                before(&closed, &joins) || !view.child(is!(BecomeRoot)).is_empty()
            }
        },
    },
    Rule {
        name: "session before terminal",
        reason: "only a session leader gets a controlling terminal",
        keeps: |view| before(&view.child(is!(Session)), &view.child(is!(Terminal))),
    },
    Rule {
        name: "root is opened before anything is made in it",
        reason: "every path is resolved from its descriptor",
        keeps: |view| before(&view.child(is!(OpenRoot)), &view.child(is_mount)),
    },
    Rule {
        name: "mounts before the change of root",
        reason: "sources are the host's",
        keeps: |view| before(&view.child(is_mount), &view.child(is_root_change)),
    },
    Rule {
        name: "the null device is fetched after devices and before masks",
        reason: "a mask is to be the container's own device, through which nothing of the host can be changed",
        keeps: |view| {
            let fetched = view.child(is!(FetchNull));
            before(&view.child(is!(Device | BindDevice)), &fetched)
                && before(&fetched, &view.child(is!(Hide)))
        },
    },
    Rule {
        name: "standard streams after the change of root and the terminal, before filter and identity",
        reason: "the container's own null device replaces the host's, and giving a pipe away takes CAP_CHOWN",
        keeps: |view| {
            let streams = view.child(is!(StandardStreams));
            let given = view.runtime(|step| matches!(step, RuntimeStep::GiveStreams { .. }));
            before(&view.child(is_root_change), &streams)
                && before(&view.child(is!(Terminal)), &streams)
                && before(&given, &streams)
                && before(&streams, &view.child(is!(Seccomp | Identity)))
        },
    },
    Rule {
        name: "no host path after the change of root",
        reason: "the same name would be somebody else's file",
        keeps: |view| before(&view.child(is_host_path), &view.child(is_root_change)),
    },
    Rule {
        name: "a mount that was made is changed by its descriptor",
        reason: "by now its path may lead to somebody else's mount: a volume can have neighbours",
        keeps: |view| {
            let text = StringTable(&view.0.text);
            let mut made = BTreeSet::new();
            view.0.entries.iter().all(|entry| {
                let Step::Child(step) = &entry.step else {
                    return true;
                };
                made.extend(mounted_at(step).map(|target| text.bytes(target)));
                // The root itself is no path that somebody could change.
                changed_at(step).is_none_or(|target| {
                    let target = text.bytes(target);
                    target == b"/" || !made.contains(target)
                })
            })
        },
    },
    Rule {
        name: "nothing is mounted where the mount namespace is the caller's",
        reason: "it would be done to the host",
        keeps: |view| {
            let shared =
                |step: &ChildStep| matches!(step, ChildStep::OpenRoot(root) if root.only_open);
            view.child(shared).is_empty()
                || view
                    .child(is!(Attach
                        | Bind
                        | BindDevice
                        | CopyMount
                        | EnterRoot
                        | Filesystem
                        | Hide
                        | MoveRoot
                        | Propagation
                        | ReadOnlyPath
                        | SetAttributes
                        | Terminal))
                    .is_empty()
        },
    },
    Rule {
        name: "the terminal before the change of root",
        reason: "its device is bound in /dev, which may become read-only afterwards",
        keeps: |view| {
            // In `exec` the container has its root already.
            view.child(is!(OpenRoot)).is_empty()
                || before(&view.child(is!(Terminal)), &view.child(is_root_change))
        },
    },
    Rule {
        name: "masks after mounts and parameters",
        reason: "a later mount would uncover them, and /proc/sys is read-only afterwards",
        keeps: |view| {
            let masks = view.child(is!(ReadOnlyPath | Hide));
            before(
                &view.child(|step| is_mount(step) || matches!(step, ChildStep::Sysctl(_))),
                &masks,
            )
        },
    },
    Rule {
        name: "sysctl inside its namespaces",
        reason: "it would change the host's",
        keeps: |view| {
            let entered = view.child(|step| {
                is_join(step) || matches!(step, ChildStep::Unshare(_) | ChildStep::Fork(_))
            });
            before(&entered, &view.child(is!(Sysctl)))
        },
    },
    Rule {
        name: "limits, scheduling and personality before the filter",
        reason: "a filter need not allow the calls",
        keeps: |view| {
            let early = is!(Limit
                | Scheduler
                | IoPriority
                | Affinity
                | MemoryPolicy
                | Personality
                | Umask
                | FindHome);
            before(&view.child(early), &view.child(is!(Seccomp)))
        },
    },
    Rule {
        name: "without no_new_privs the filter precedes identity, with it only the fence and execute follow",
        reason: "loading it needs CAP_SYS_ADMIN or no_new_privs",
        keeps: |view| {
            let filter = view.child(is!(Seccomp));
            if view.child(is!(NoNewPrivileges)).is_empty() {
                before(&filter, &view.child(is!(Identity)))
            } else {
                let rest = view.child(|step| {
                    !matches!(
                        step,
                        ChildStep::AwaitStart(_) | ChildStep::Execute(_) | ChildStep::Seccomp(_)
                    )
                });
                before(&rest, &filter)
            }
        },
    },
    Rule {
        name: "limits and the bounding set before identity",
        reason: "raising a limit and dropping from the bounding set need capabilities",
        keeps: |view| {
            before(
                &view.child(is!(Limit | BoundingSet)),
                &view.child(is!(Identity)),
            )
        },
    },
    Rule {
        name: "nothing that needs a capability after capabilities",
        reason: "the program's own may be none",
        keeps: |view| {
            let free = is!(Directory
                | Dumpable
                | FindProgram
                | Seccomp
                | AwaitStart
                | Execute
                | Capabilities);
            let needy = view.child(|step| !free(step));
            before(&needy, &view.child(is!(Capabilities)))
        },
    },
    Rule {
        name: "identity before capabilities",
        reason: "a change of user clears them",
        keeps: |view| before(&view.child(is!(Identity)), &view.child(is!(Capabilities))),
    },
];

/// The rules that a plan breaks.
pub fn violations(plan: &Plan) -> Vec<&'static Rule> {
    RULES
        .iter()
        .filter(|rule| !(rule.keeps)(&View(plan)))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_broken_order_is_found() {
        let text = r#"{"ociVersion":"1.0.2","root":{"path":"r"},"process":{"args":["a"],"cwd":"/","user":{"uid":0,"gid":0},"noNewPrivileges":true},
            "linux":{"namespaces":[{"type":"mount"},{"type":"pid"}],"maskedPaths":["/proc/kcore"]}}"#;
        let spec = spec::Spec::parse(text).unwrap();
        let creation = crate::plan::Creation {
            root: "/r".into(),
            id: "a".into(),
            ..Default::default()
        };
        let good =
            crate::plan::create(&spec, &creation, &crate::host::HostFacts::default()).unwrap();
        assert!(violations(&good).is_empty());
        let mut found = 0;
        for from in 0..good.entries.len() {
            let mut bad = good.clone();
            let moved = bad.entries.remove(from);
            bad.entries.push(moved);
            found += usize::from(!violations(&bad).is_empty());
        }
        // Everything but the last entry itself, moved behind `execute`, breaks at least one rule.
        assert_eq!(found, good.entries.len() - 1);
    }
}
