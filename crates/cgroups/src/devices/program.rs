//! Device rules as a program for BPF_PROG_TYPE_CGROUP_DEVICE.
//!
//! The verifier's time grows with the length, so what is usual is made short: rules that only allow (after a "deny
//! everything") are grouped by major number, with one bit test for the minor numbers below 32. Everything else walks the
//! rules from the last to the first, keeping in a register the kinds of access that no rule has decided yet.

use std::collections::BTreeMap;

use kernel::bpf::Instruction;

use crate::devices::DeviceRules;
use crate::devices::rule::{ALL, Kind, MKNOD, READ, Rule, WRITE};

/// What the kernel calls the kinds: BPF_DEVCG_DEV_BLOCK and BPF_DEVCG_DEV_CHAR.
const BLOCK: i32 = 1;
const CHARACTER: i32 = 2;

// The kernel's bits of access (BPF_DEVCG_ACC_…) are those of the rules here.
const _: () = assert!(MKNOD == 1 && READ == 2 && WRITE == 4);

/// Registers by number: 1 holds the context.
mod register {
    pub(super) const ANSWER: u8 = 0;
    pub(super) const CONTEXT: u8 = 1;
    pub(super) const KIND: u8 = 2;
    /// Kinds of access that are asked for and not decided yet.
    pub(super) const WANTED: u8 = 3;
    pub(super) const MAJOR: u8 = 4;
    pub(super) const MINOR: u8 = 5;
    pub(super) const BIT: u8 = 6;
}
use register::{ANSWER, BIT, CONTEXT, KIND, MAJOR, MINOR, WANTED};

/// Where a jump leads before the addresses are known.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Target {
    Allow,
    Deny,
    Label(usize),
}

#[derive(Default)]
struct Assembler {
    code: Vec<Instruction>,
    jumps: Vec<(usize, Target)>,
    labels: Vec<usize>,
}

/// The operations used: class, source and operation of `struct bpf_insn`.
mod op {
    pub(super) const LOAD_WORD: u8 = 0x61;
    pub(super) const MOVE: u8 = 0xb7;
    pub(super) const MOVE_REGISTER: u8 = 0xbf;
    pub(super) const AND: u8 = 0x57;
    pub(super) const SHIFT_RIGHT: u8 = 0x77;
    pub(super) const SHIFT_LEFT_REGISTER: u8 = 0x6f;
    pub(super) const JUMP: u8 = 0x05;
    pub(super) const IF_SET: u8 = 0x45;
    /// 32-bit comparisons: device numbers use all 32 bits, and 64-bit ones would extend the sign.
    pub(super) const IF_EQUAL: u8 = 0x16;
    pub(super) const IF_NOT_EQUAL: u8 = 0x56;
    pub(super) const IF_GREATER: u8 = 0x26;
    pub(super) const EXIT: u8 = 0x95;
}

impl Assembler {
    fn emit(&mut self, code: u8, destination: u8, source: u8, offset: i16, immediate: i32) {
        self.code.push(Instruction {
            code,
            registers: destination | source << 4,
            offset,
            immediate,
        });
    }

    fn jump(&mut self, code: u8, register: u8, immediate: i32, target: Target) {
        self.jumps.push((self.code.len(), target));
        self.emit(code, register, 0, 0, immediate);
    }

    fn label(&mut self) -> usize {
        self.labels.push(usize::MAX);
        self.labels.len() - 1
    }

    fn here(&mut self, label: usize) {
        self.labels[label] = self.code.len();
    }

    /// Reads the question: `access_type` holds the kind in its low and the access in its high half.
    fn start(&mut self, numbers: bool) {
        self.emit(op::LOAD_WORD, KIND, CONTEXT, 0, 0);
        self.emit(op::MOVE_REGISTER, WANTED, KIND, 0, 0);
        self.emit(op::AND, KIND, 0, 0, 0xffff);
        self.emit(op::SHIFT_RIGHT, WANTED, 0, 0, 16);
        if numbers {
            self.numbers();
        }
    }

    fn numbers(&mut self) {
        self.emit(op::LOAD_WORD, MAJOR, CONTEXT, 4, 0);
        self.emit(op::LOAD_WORD, MINOR, CONTEXT, 8, 0);
    }

    /// The two ends, falling into `default`, and the addresses. `None` when a jump is too long for its 16 bits.
    fn finish(mut self, default: bool) -> Option<Vec<Instruction>> {
        let first = self.code.len();
        for answer in [default, !default] {
            self.emit(op::MOVE, ANSWER, 0, 0, answer.into());
            self.emit(op::EXIT, 0, 0, 0, 0);
        }
        let end_of = |allow| if allow == default { first } else { first + 2 };
        let mut to = vec![None; self.code.len()];
        for (from, target) in self.jumps {
            to[from] = Some(match target {
                Target::Allow => end_of(true),
                Target::Deny => end_of(false),
                Target::Label(label) => self.labels[label],
            });
        }
        without_unreachable(&self.code, &to)
    }
}

/// Drops what cannot be reached, such as the end that no rule leads to: the verifier refuses it.
fn without_unreachable(code: &[Instruction], to: &[Option<usize>]) -> Option<Vec<Instruction>> {
    let mut reached = vec![false; code.len()];
    let mut open = vec![0];
    while let Some(at) = open.pop() {
        if std::mem::replace(&mut reached[at], true) {
            continue;
        }
        open.extend(to[at]);
        if !matches!(code[at].code, op::JUMP | op::EXIT) {
            open.push(at + 1);
        }
    }
    // How many instructions are left before each.
    let mut address = Vec::with_capacity(code.len());
    let mut count = 0;
    for &reached in &reached {
        address.push(count);
        count += usize::from(reached);
    }
    let mut kept = Vec::with_capacity(code.len());
    for (at, instruction) in code.iter().enumerate().filter(|(at, _)| reached[*at]) {
        let offset = match to[at] {
            Some(to) => i16::try_from(address[to] - address[at] - 1).ok()?,
            None => instruction.offset,
        };
        kept.push(Instruction {
            offset,
            ..*instruction
        });
    }
    Some(kept)
}

/// The program for these rules. `None` when there are so many rules that jumps do not reach.
pub(crate) fn compile(rules: &DeviceRules) -> Option<Vec<Instruction>> {
    match &rules.exceptions {
        Some(exceptions) if !exceptions.allow => allow_list(&exceptions.list),
        Some(exceptions) if exceptions.list.is_empty() => Assembler::default().finish(true),
        _ => ordered(&rules.rules),
    }
}

/// Everything is denied except what the list allows; the order does not matter.
fn allow_list(list: &[Rule]) -> Option<Vec<Instruction>> {
    let mut out = Assembler::default();
    let everywhere = |kind| {
        let of_kind = list.iter().filter(|rule| rule.kind == Some(kind));
        of_kind
            .filter(|rule| rule.major.is_none() && rule.minor.is_none())
            .fold(0, |access, rule| access | rule.access)
    };
    let of = |kind| -> Vec<Rule> {
        let everywhere = everywhere(kind);
        let of_kind = list.iter().filter(|rule| rule.kind == Some(kind));
        of_kind
            .filter(|rule| rule.major.is_some() || rule.minor.is_some())
            .map(|rule| Rule {
                access: rule.access | everywhere,
                ..*rule
            })
            .collect()
    };
    let both = everywhere(Kind::Block) & everywhere(Kind::Character);
    out.start(false);
    if both != 0 {
        out.emit(op::AND, WANTED, 0, 0, i32::from(!both));
        out.jump(op::IF_EQUAL, WANTED, 0, Target::Allow);
    }
    let mut kinds = Vec::new();
    for (kind, number) in [(Kind::Block, BLOCK), (Kind::Character, CHARACTER)] {
        let only = everywhere(kind) & !both;
        let rules = of(kind);
        if only != 0 || !rules.is_empty() {
            kinds.push((number, only, rules));
        }
    }
    let last = kinds.len();
    for (position, (number, only, rules)) in kinds.into_iter().enumerate() {
        let next = out.label();
        let otherwise = if position + 1 == last {
            Target::Deny
        } else {
            Target::Label(next)
        };
        out.jump(op::IF_NOT_EQUAL, KIND, number, otherwise);
        if only != 0 {
            out.emit(op::AND, WANTED, 0, 0, i32::from(!only));
            out.jump(op::IF_EQUAL, WANTED, 0, Target::Allow);
        }
        if !rules.is_empty() {
            out.numbers();
            by_major(&mut out, &rules);
        }
        if position + 1 != last {
            out.jump(op::JUMP, 0, 0, Target::Deny);
        }
        out.here(next);
    }
    out.finish(false)
}

/// What of one kind is allowed. Rules that allow everything come first: they end the program at the first match.
fn by_major(out: &mut Assembler, rules: &[Rule]) {
    let (full, partial): (Vec<&Rule>, Vec<&Rule>) =
        rules.iter().partition(|rule| rule.access == ALL);
    let mut majors: Vec<(u32, Vec<u32>)> = Vec::new();
    let mut places: BTreeMap<u32, usize> = BTreeMap::new();
    for rule in &full {
        match (rule.major, rule.minor) {
            (None, Some(minor)) => out.jump(op::IF_EQUAL, MINOR, minor as i32, Target::Allow),
            (Some(major), None) => out.jump(op::IF_EQUAL, MAJOR, major as i32, Target::Allow),
            (Some(major), Some(minor)) => {
                let place = *places.entry(major).or_insert(majors.len());
                if place == majors.len() {
                    majors.push((major, Vec::new()));
                }
                majors[place].1.push(minor);
            }
            _ => {}
        }
    }
    for (position, (major, minors)) in majors.iter().enumerate() {
        let next = out.label();
        let last = position + 1 == majors.len() && partial.is_empty();
        out.jump(
            op::IF_NOT_EQUAL,
            MAJOR,
            *major as i32,
            if last {
                Target::Deny
            } else {
                Target::Label(next)
            },
        );
        let (small, large): (Vec<u32>, Vec<u32>) = minors.iter().partition(|&&minor| minor < 31);
        if small.len() > 4 || (small.len() > 3 && last) {
            let mask = small.iter().fold(0, |mask, minor| mask | 1 << minor);
            for &minor in &large {
                out.jump(op::IF_EQUAL, MINOR, minor as i32, Target::Allow);
            }
            // A shift by more than the register's width would be cut to it.
            out.jump(
                op::IF_GREATER,
                MINOR,
                30,
                if partial.is_empty() {
                    Target::Deny
                } else {
                    Target::Label(next)
                },
            );
            out.emit(op::MOVE, BIT, 0, 0, 1);
            out.emit(op::SHIFT_LEFT_REGISTER, BIT, MINOR, 0, 0);
            out.jump(op::IF_SET, BIT, mask, Target::Allow);
        } else {
            for &minor in minors {
                out.jump(op::IF_EQUAL, MINOR, minor as i32, Target::Allow);
            }
        }
        if !last && partial.is_empty() {
            // No other major number can match any more.
            out.jump(op::JUMP, 0, 0, Target::Deny);
        }
        out.here(next);
    }
    for rule in partial {
        match_rule(out, rule);
    }
}

/// One rule of a walk: when it matches, an allowing rule settles its kinds of access, a denying one ends the walk if any of
/// them is still wanted.
fn match_rule(out: &mut Assembler, rule: &Rule) {
    let next = out.label();
    for (register, number) in [(MAJOR, rule.major), (MINOR, rule.minor)] {
        if let Some(number) = number {
            out.jump(
                op::IF_NOT_EQUAL,
                register,
                number as i32,
                Target::Label(next),
            );
        }
    }
    match (rule.allow, rule.access) {
        (true, ALL) => out.jump(op::JUMP, 0, 0, Target::Allow),
        (true, access) => {
            out.emit(op::AND, WANTED, 0, 0, i32::from(ALL & !access));
            out.jump(op::IF_EQUAL, WANTED, 0, Target::Allow);
        }
        (false, ALL) => out.jump(op::JUMP, 0, 0, Target::Deny),
        (false, access) => out.jump(op::IF_SET, WANTED, access.into(), Target::Deny),
    }
    out.here(next);
}

/// Any list: from the last rule to the first.
fn ordered(rules: &[Rule]) -> Option<Vec<Instruction>> {
    let mut out = Assembler::default();
    out.start(true);
    for rule in rules.iter().rev() {
        let next = out.label();
        match rule.kind {
            None => {}
            Some(Kind::Block) => out.jump(op::IF_NOT_EQUAL, KIND, BLOCK, Target::Label(next)),
            Some(Kind::Character) => {
                out.jump(op::IF_NOT_EQUAL, KIND, CHARACTER, Target::Label(next))
            }
        }
        match_rule(&mut out, rule);
        out.here(next);
        if rule.is_reset() {
            // Nothing before it can matter, and the verifier refuses code that cannot be reached.
            break;
        }
    }
    out.finish(false)
}

#[cfg(test)]
mod tests;
