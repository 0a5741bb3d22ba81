//! The layouts of structs.

use std::collections::BTreeMap;
use std::mem::offset_of;

use super::{modules, value};

/// Where a field is, and how long it is.
type Place = (usize, usize);

/// A struct as C lays it out.
#[derive(Debug, Default, PartialEq)]
struct Layout {
    fields: Vec<(String, Place)>,
    size: usize,
}

/// Size and alignment of a type as it is written.
fn type_of(text: &str) -> Option<(usize, usize)> {
    if text.starts_with('*') || text.starts_with('&') {
        return Some((8, 8));
    }
    if let Some(list) = text
        .strip_prefix('[')
        .and_then(|list| list.strip_suffix(']'))
    {
        let (element, count) = list.split_once("; ")?;
        let (size, align) = type_of(element)?;
        let count = match count {
            "MOST_FDS" => tare_kernel::socket::MOST_FDS,
            count => usize::try_from(value(count)?).ok()?,
        };
        return Some((size * count, align));
    }
    let size = match text {
        "u8" | "i8" => 1,
        "u16" | "i16" => 2,
        "u32" | "i32" => 4,
        "u64" | "i64" | "usize" | "isize" | "IdsOf<'a>" => 8,
        _ => return None,
    };
    Some((size, size))
}

/// All structs with the layout of C, by `module::Name`.
fn structs() -> BTreeMap<String, Layout> {
    let mut found = BTreeMap::new();
    for (module, text) in modules() {
        let mut rest = text.as_str();
        while let Some(at) = rest.find("#[repr(C") {
            rest = &rest[at..];
            let aligned = rest.starts_with("#[repr(C, align(8))]");
            let start = rest.find("struct ").unwrap() + "struct ".len();
            let (name, body) = rest[start..].split_once('{').unwrap();
            // A list of numbers, which has no layout to speak of.
            if name.contains(';') {
                rest = &rest[start..];
                continue;
            }
            let (body, after) = body.split_once('}').unwrap();
            let mut layout = Layout::default();
            let mut most = if aligned { 8 } else { 1 };
            for line in body
                .lines()
                .map(str::trim)
                .filter(|line| !line.starts_with("//"))
            {
                let line = line.trim_start_matches("pub ").trim_end_matches(',');
                let Some((field, kind)) = line.split_once(": ") else {
                    continue;
                };
                // What only Rust sees.
                if kind.starts_with("PhantomData<") {
                    continue;
                }
                let (size, align) =
                    type_of(kind).unwrap_or_else(|| panic!("{module}::{name}: {kind}"));
                let offset = layout.size.next_multiple_of(align);
                layout.fields.push((field.to_owned(), (offset, size)));
                layout.size = offset + size;
                most = most.max(align);
            }
            layout.size = layout.size.next_multiple_of(most);
            let name = name.trim().trim_end_matches("<'a>");
            found.insert(format!("{module}::{name}"), layout);
            rest = after;
        }
    }
    found
}

/// Size of a field of libc's.
macro_rules! field {
    ($struct:ty, $field:ident) => {{
        fn size_of_field<S, F>(_: fn(&S) -> &F) -> usize {
            size_of::<F>()
        }
        (
            offset_of!($struct, $field),
            size_of_field(|s: &$struct| &s.$field),
        )
    }};
}

/// Rows `our struct => theirs { our field: their field, … }`; the size is compared, too.
macro_rules! rows {
    ($($name:literal => $struct:ty { $($ours:literal: $theirs:ident),+ $(,)? }),+ $(,)?) => {
        vec![$((
            $name,
            size_of::<$struct>(),
            vec![$(($ours, field!($struct, $theirs))),+],
        )),+]
    };
}

/// What libc has no struct for: <linux/bpf.h>, <linux/capability.h> and <linux/loop.h>.
const NOT_IN_LIBC: &[&str] = &[
    "bpf::Attach",
    "bpf::Info",
    "bpf::Instruction",
    "bpf::Load",
    "bpf::Query",
    "identity::CapabilityHeader",
    "loop_device::Configuration",
];

/// Structs of ours that are longer than libc's, as the kernel permits: they say how long they are. (libc knows sched_attr
/// without the fields of Linux 5.3.)
const OTHER_SIZE: &[&str] = &["scheduling::Attributes", "socket::Control"];

#[test]
fn layouts_are_those_of_libc() {
    let rows = rows! {
        "file::RawStatus" => libc::stat {
            "device": st_dev, "inode": st_ino, "links": st_nlink, "mode": st_mode, "uid": st_uid, "gid": st_gid,
            "rdev": st_rdev, "size": st_size,
        },
        "mount::Change" => libc::mount_attr {
            "set": attr_set, "clear": attr_clr, "propagation": propagation, "ids": userns_fd,
        },
        "process::CloneArguments" => libc::clone_args {
            "flags": flags, "pidfd": pidfd, "child_tid": child_tid, "parent_tid": parent_tid, "exit_signal": exit_signal,
            "stack": stack, "stack_size": stack_size, "tls": tls, "set_tid": set_tid, "set_tid_size": set_tid_size,
            "cgroup": cgroup,
        },
        "process::PidfdInfo" => libc::pidfd_info { "mask": mask, "cgroup": cgroupid, "exit_code": exit_code },
        "process::PollFd" => libc::pollfd { "fd": fd, "events": events, "came": revents },
        "network::InterfaceRequest" => libc::ifreq { "name": ifr_name },
        "scheduling::Attributes" => libc::sched_attr {
            "size": size, "policy": sched_policy, "flags": sched_flags, "nice": sched_nice, "priority": sched_priority,
            "runtime": sched_runtime, "deadline": sched_deadline, "period": sched_period,
        },
        "seccomp::Instruction" => libc::sock_filter { "code": code, "jt": jt, "jf": jf, "k": k },
        "seccomp::Program" => libc::sock_fprog { "length": len, "filter": filter },
        "seccomp::Notification" => libc::seccomp_notif { "id": id, "pid": pid, "flags": flags },
        "seccomp::Answer" => libc::seccomp_notif_resp { "id": id, "value": val, "error": error, "flags": flags },
        "socket::Address" => libc::sockaddr_un { "family": sun_family, "path": sun_path },
        "socket::Vector" => libc::iovec { "base": iov_base, "length": iov_len },
        "socket::Header" => libc::msghdr {
            "name": msg_name, "vectors": msg_iov, "control": msg_control, "flags": msg_flags,
        },
        "socket::Control" => libc::cmsghdr { "level": cmsg_level, "kind": cmsg_type },
        "terminal::Size" => libc::winsize { "rows": ws_row, "columns": ws_col },
    };
    let ours = structs();
    let mut wrong = Vec::new();
    for (name, size, fields) in &rows {
        let Some(layout) = ours.get(*name) else {
            wrong.push(format!("there is no {name}"));
            continue;
        };
        if layout.size != *size && !OTHER_SIZE.contains(name) {
            wrong.push(format!("{name} has {} bytes, in libc {size}", layout.size));
        }
        for (field, place) in fields {
            let found = layout.fields.iter().find(|(known, _)| known == field);
            if found.map(|(_, found)| found) != Some(place) {
                wrong.push(format!("{name}.{field} is {found:?}, in libc {place:?}"));
            }
        }
    }
    for name in ours.keys() {
        let compared = rows.iter().any(|(known, _, _)| known == name);
        if !compared && !NOT_IN_LIBC.contains(&name.as_str()) {
            wrong.push(format!("{name} is not compared with libc"));
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

/// The data of a call that waits is a struct of its own in libc.
#[test]
fn notifications_hold_the_call() {
    let data = offset_of!(libc::seccomp_notif, data);
    let ours = structs();
    let ours = &ours["seccomp::Notification"];
    for (field, (offset, size)) in [
        ("number", field!(libc::seccomp_data, nr)),
        ("architecture", field!(libc::seccomp_data, arch)),
        (
            "instruction",
            field!(libc::seccomp_data, instruction_pointer),
        ),
        ("arguments", field!(libc::seccomp_data, args)),
    ] {
        let found = ours.fields.iter().find(|(known, _)| known == field);
        assert_eq!(
            found.map(|(_, place)| *place),
            Some((data + offset, size)),
            "{field}"
        );
    }
}
