//! Starting the child: init and its plan in one file.

use std::ffi::CString;

use init::{ChildStep, Seen, Slot};
use kernel::process::{Program, Started};
use kernel::{BorrowedFd, Call, Errno, Fault, Fd, Stream, StringList, file, process};

use crate::plan::Plan;

/// The init program, built by the build script.
static INIT: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/init"));

/// Init with a plan, and what it finds when it starts.
pub(crate) struct Launch<'a> {
    pub(crate) plan: &'a Plan,
    /// The descriptors in its slots.
    pub(crate) slots: &'a [(Slot, BorrowedFd<'a>)],
    pub(crate) namespaces: u64,
    pub(crate) cgroup: Option<BorrowedFd<'a>>,
    pub(crate) tasks: &'a [BorrowedFd<'a>],
    pub(crate) preserve_fds: u32,
    /// Its standard streams, where they are not the caller's.
    pub(crate) standard: [Option<BorrowedFd<'a>>; 3],
}

/// Starts init, and does something for it while it is on its way.
pub(crate) fn start(
    launch: &Launch<'_>,
    meanwhile: &mut dyn FnMut(&Started),
) -> kernel::Result<Started> {
    if INIT.is_empty() {
        return Err(Fault::found(Call::Execveat, Errno::ENOEXEC));
    }
    // A caller without standard streams may have got their numbers, which init does not take for anything else.
    let (streams, others): (Vec<_>, Vec<_>) =
        launch.slots.iter().partition(|(_, fd)| is_stream(*fd));
    let copy = |(slot, fd): (Slot, _)| Ok((slot, file::duplicate_above(fd, 3)?));
    let copies: Vec<(Slot, Fd)> = streams.into_iter().map(copy).collect::<Result<_, _>>()?;
    let copies = copies.iter().map(|(slot, fd)| (*slot, fd.borrow()));
    let slots: Vec<(Slot, BorrowedFd<'_>)> = others.into_iter().chain(copies).collect();
    let encoded = launch.plan.encode(&numbers(&slots));
    // One file for both: the program reads its plan behind its own end.
    let mut image = super::image::make(&[INIT, &encoded])?;
    if is_stream(image.borrow()) {
        image = file::duplicate_above(image.borrow(), 3)?;
    }
    let argument = CString::new(format!("{} {}", image.raw(), INIT.len()))
        .map_err(|_| Fault::found(Call::Execveat, Errno::EINVAL))?;
    let mut room = [std::ptr::null(); 3];
    let (arguments, _) = StringList::lay_out([c"init", &argument].into_iter(), &mut room)?;
    let mut keep: Vec<BorrowedFd<'_>> = slots.iter().map(|(_, fd)| *fd).collect();
    keep.push(image.borrow());
    let program = Program {
        closed_from: 3 + launch.preserve_fds,
        keep: &keep,
        standard: launch.standard,
        cgroup: launch.cgroup,
        tasks: launch.tasks,
        namespaces: launch.namespaces,
        ..Program::new(image.borrow(), arguments)
    };
    process::start_beside(&program, meanwhile)
}

fn is_stream(fd: BorrowedFd<'_>) -> bool {
    Stream::has(fd.raw())
}

/// The descriptors' numbers by slot, -1 for an empty one.
fn numbers(slots: &[(Slot, BorrowedFd<'_>)]) -> Vec<i32> {
    let mut numbers = Vec::new();
    for (slot, fd) in slots {
        let index = usize::from(slot.number());
        numbers.resize(numbers.len().max(index + 1), -1);
        numbers[index] = fd.raw();
    }
    numbers
}

/// Starts a process in new namespaces that does nothing: init without a plan to walk, stopped at a read that nobody
/// answers. It leaves when the descriptor that comes with it is closed.
pub(crate) fn hold(namespaces: u64) -> kernel::Result<(Started, Fd)> {
    let helper = Helper::start(namespaces, &[], Vec::new(), &[])?;
    Ok((helper.started, helper.lifeline))
}

/// Starts a process that performs these steps, and then does nothing as one of [`hold`].
pub(crate) fn hold_after(
    steps: &[ChildStep],
    text: Vec<u8>,
    given: &[(Slot, BorrowedFd<'_>)],
) -> kernel::Result<(Started, Fd)> {
    let helper = Helper::start(0, steps, text, given)?;
    match init::turn::receive(helper.lifeline.borrow(), |_, _| {}) {
        Ok(_) => Ok((helper.started, helper.lifeline)),
        Err(gone) => {
            super::end(&helper.started)?;
            let fault = Seen::in_file(helper.report.borrow())?.fault;
            Err(fault.unwrap_or(gone))
        }
    }
}

/// A process of init's that is no container's.
struct Helper {
    started: Started,
    lifeline: Fd,
    report: Fd,
}

impl Helper {
    fn start(
        namespaces: u64,
        steps: &[ChildStep],
        text: Vec<u8>,
        given: &[(Slot, BorrowedFd<'_>)],
    ) -> kernel::Result<Helper> {
        use crate::plan::{Entry, RuntimeStep, Step};
        let first = Step::Runtime(RuntimeStep::StartChild { namespaces });
        // The child waits there for a turn that never comes.
        let last = Step::Runtime(RuntimeStep::RecordProcess);
        let steps = steps.iter().map(|step| Step::Child(*step));
        let steps = std::iter::once(first).chain(steps).chain([last]);
        let entry = |step| Entry {
            step,
            from: spec::ConfigPath::none(),
        };
        let plan = Plan {
            entries: steps.map(entry).collect(),
            text,
            ..Plan::default()
        };
        let report = report_page()?;
        let (lifeline, theirs) = kernel::socket::pair()?;
        let mut slots = vec![
            (Slot::REPORT.any(), report.borrow()),
            (Slot::PEER.any(), theirs.borrow()),
        ];
        slots.extend(given);
        let launch = Launch {
            plan: &plan,
            slots: &slots,
            namespaces,
            cgroup: None,
            tasks: &[],
            preserve_fds: 0,
            standard: [None; 3],
        };
        let started = start(&launch, &mut |_| {})?;
        Ok(Helper {
            started,
            lifeline,
            report,
        })
    }
}

/// A report page for a process whose report nobody reads later: in memory, not in a container's folder.
pub(crate) fn report_page() -> kernel::Result<Fd> {
    let page = file::memory_file(c"tare-report", false)?;
    file::set_length(page.borrow(), init::report::LENGTH as u64)?;
    Ok(page)
}
