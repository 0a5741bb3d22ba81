//! Starting the child: init and its plan in one file.

use std::ffi::CString;

use kernel::process::{Program, Started};
use kernel::{Call, Errno, Fault, file, process};

use crate::plan::Plan;

/// The init program, built by the build script.
static INIT: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/init"));

/// Starts init with a plan. `slots` are descriptors by slot, -1 for none.
pub(crate) fn start(
    plan: &Plan,
    slots: &[i32],
    namespaces: u64,
    cgroup: Option<i32>,
    preserve_fds: u32,
    standard: [Option<i32>; 3],
) -> kernel::Result<Started> {
    if INIT.is_empty() {
        return Err(Fault::found(Call::Execveat, Errno::ENOEXEC));
    }
    let encoded = plan.encode(slots);
    // One file for both: the program reads its plan behind its own end.
    let image = super::image::make(&[INIT, &encoded])?;
    let argument = CString::new(format!("{} {}", image.raw(), INIT.len()))
        .map_err(|_| Fault::found(Call::Execveat, Errno::EINVAL))?;
    let mut room = [std::ptr::null(); 3];
    let mut keep: Vec<i32> = slots.iter().copied().filter(|fd| *fd >= 0).collect();
    keep.push(image.raw());
    process::start(&Program {
        executable: image.raw(),
        arguments: process::pointers(&[c"init", &argument], &mut room),
        closed_from: 3 + preserve_fds,
        keep: &keep,
        standard,
        cgroup,
        namespaces,
    })
}

/// Starts a process in new namespaces that does nothing: init without a plan to walk, stopped at a read that nobody
/// answers. It leaves when the descriptor that comes with it is closed.
pub(crate) fn hold(namespaces: u64) -> kernel::Result<(Started, kernel::Fd)> {
    use crate::plan::{Entry, RuntimeStep, Step};
    use init::Slot;
    let entry = |step| Entry {
        step,
        from: spec::ConfigPath::none(),
    };
    let plan = Plan {
        entries: vec![
            entry(Step::Runtime(RuntimeStep::StartChild { namespaces })),
            // The child waits here for a turn that never comes.
            entry(Step::Runtime(RuntimeStep::Record)),
        ],
        ..Plan::default()
    };
    let report = report_page()?;
    let (ours, theirs) = kernel::socket::pair()?;
    let mut slots = [-1; 2];
    slots[usize::from(Slot::REPORT.0)] = report.raw();
    slots[usize::from(Slot::PEER.0)] = theirs.raw();
    let started = start(&plan, &slots, namespaces, None, 0, [None; 3])?;
    Ok((started, ours))
}

/// A report page for a process whose report nobody reads later: in memory, not in a container's folder.
pub(crate) fn report_page() -> kernel::Result<kernel::Fd> {
    let page = file::memory_file(c"tare-report", false)?;
    file::set_length(page.raw(), init::report::LENGTH as u64)?;
    Ok(page)
}
