//! The loop: note the step, perform it, take turns with the runtime.

use kernel::process::Alone;
use kernel::{Fd, file, process};

use crate::passwd::number;
use crate::slots::{COUNT, Slots, kind};
use crate::step::{Context, perform_next};
use crate::wire::{AHEAD, Header, Image, RUNTIMES, take_bytes};
use crate::{Report, Slot, turn};

/// Exit status when a step failed; the report page says which and how.
pub const FAILED: i32 = 70;
/// Exit status when there is no plan, or not a whole one.
pub const BAD_PLAN: i32 = 71;
/// Exit status when init itself is broken.
pub const PANICKED: i32 = 72;

/// The whole life of init. `argument` is `FD OFFSET` in decimal: where the plan is.
pub fn main(alone: Alone, argument: &[u8]) -> ! {
    let mut slots = Slots::default();
    match start(&alone, argument, &mut slots) {
        Some((image, report, peer)) => {
            let mut home = [0; 512];
            let mut context = Context::new(image.text, alone, peer, slots, &report, &mut home);
            walk(image.header, image.entries, &mut context)
        }
        None => process::exit(BAD_PLAN),
    }
}

#[expect(
    clippy::disallowed_methods,
    reason = "there is no report yet that could say more than the status BAD_PLAN"
)]
fn start(
    alone: &Alone,
    argument: &[u8],
    slots: &mut Slots,
) -> Option<(Image<'static>, Report, Fd)> {
    let mut numbers = argument
        .split(|byte| *byte == b' ')
        .map(|digits| number(digits, 10));
    let plan = alone.inherit(numbers.next()?? as i32)?;
    let offset = numbers.next()?? as usize;
    let image = Image::read(alone.map_program(plan.borrow()).ok()?.get(offset..)?)?;
    let mut source = image.slots;
    for index in 0..(image.header.slots as usize).min(COUNT) {
        let number = i32::from_ne_bytes(*take_bytes(&mut source)?);
        if number >= 0 {
            slots.set(
                Slot::<kind::Any>::numbered(index as u8),
                alone.inherit(number)?,
            );
        }
    }
    let peer = slots.take(Slot::PEER)?;
    // The mapping is all that is needed, and a descriptor of the host's file system is not to stay around.
    let report = Report::map(slots.take(Slot::REPORT)?.borrow(), image.header.stamped).ok()?;
    Some((image, report, peer))
}

/// A process starts with the actions and the mask that its starter had; the user's program is to find the default. Until
/// then SIGHUP, SIGINT, SIGQUIT and SIGTERM end init even as the first process of a pid namespace, which a default action
/// cannot.
#[expect(
    clippy::let_underscore_must_use,
    reason = "refused for SIGKILL and SIGSTOP only"
)]
fn reset_signals() {
    const ENDING: u32 = 1 << 1 | 1 << 2 | 1 << 3 | 1 << 15;
    for signal in 1..=64 {
        let set = match ENDING.checked_shr(signal) {
            Some(bits) if bits & 1 == 1 => process::end_on,
            _ => process::default_action,
        };
        let _ = set(signal as i32);
    }
    let _ = process::set_signal_mask(0);
}

fn walk(header: Header, mut entries: &[u8], context: &mut Context<'_>) -> ! {
    reset_signals();
    file::set_mask(0);
    let report = context.report;
    let mut runtimes_turn = false;
    for index in 0..header.entries {
        if let Some(&whose @ (RUNTIMES | AHEAD)) = entries.first() {
            entries = &entries[1..];
            // What the runtime did before it started us is past, and its steps in a row are one turn.
            if index < header.first || runtimes_turn {
                continue;
            }
            runtimes_turn = true;
            report.enter(index);
            // At the very beginning the runtime does not wait for us.
            let is_awaited = whose == RUNTIMES && index != header.first;
            settle(hand_over(context, is_awaited), report);
        } else {
            runtimes_turn = false;
            report.enter(index);
            match perform_next(&mut entries, context) {
                Some(outcome) => settle(outcome, report),
                None => break,
            }
        }
    }
    process::exit(BAD_PLAN)
}

fn settle(outcome: kernel::Result<()>, report: &Report) {
    if let Err(fault) = outcome {
        report.fail(fault);
        process::exit(FAILED);
    }
}

fn hand_over(context: &mut Context<'_>, announce: bool) -> kernel::Result<()> {
    if announce && !context.announced {
        context.announce()?;
    }
    context.announced = false;
    let slots = &mut context.slots;
    turn::receive(context.peer.borrow(), |slot, fd| slots.set(slot, fd)).map(drop)
}
