//! Writes the program. Jumps of BPF only go forward, so it is written from its end: every target is known when its jump is made.
//!
//! Until arguments decide, only instructions are used that the kernel can follow when it looks which calls are always allowed
//! (`seccomp_is_const_allow`): loads of number and architecture, comparisons with constants, returns. Those calls then cost no
//! filter at all.

use seccompiler::{BpfProgram, sock_filter};

use crate::action::Action;
use crate::arguments;
use crate::calls::{Group, Leaf};

/// `BPF_LD | BPF_W | BPF_ABS`.
const LOAD: u16 = 0x20;
/// `BPF_ALU | BPF_AND | BPF_K`.
const AND: u16 = 0x54;
/// `BPF_RET | BPF_K`.
const RETURN: u16 = 0x06;
/// `BPF_JMP | BPF_JA`.
const GO: u16 = 0x05;

/// Offsets in `struct seccomp_data`.
const NUMBER: u32 = 0;
const ARCHITECTURE: u32 = 4;

/// Comparisons of the accumulator with a constant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u16)]
pub(crate) enum Compare {
    /// `BPF_JMP | BPF_JEQ | BPF_K`.
    Equal = 0x15,
    /// `BPF_JMP | BPF_JGT | BPF_K`.
    Greater = 0x25,
    /// `BPF_JMP | BPF_JGE | BPF_K`.
    GreaterOrEqual = 0x35,
}

/// An instruction, by its distance from the end of the program.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Label(usize);

/// A program that grows towards its beginning.
#[derive(Default)]
pub(crate) struct Writer {
    reversed: Vec<sock_filter>,
    /// The latest return of each value.
    returns: Vec<(Action, Label)>,
}

/// The whole program.
pub(crate) fn assemble(groups: &[Group]) -> BpfProgram {
    let mut writer = Writer::default();
    let mut heads = Vec::with_capacity(groups.len());
    // The first group, the kernel's own, comes to lie next to the entrance.
    for group in groups.iter().rev() {
        let mut decided = vec![None; group.decisions.len()];
        writer.tree(&group.ranges, &mut |writer, leaf| match leaf {
            Leaf::Return(action) => writer.answer(action),
            Leaf::Decide(index) => match decided[index] {
                Some(label) => label,
                None => {
                    let label = arguments::decide(writer, &group.decisions[index]);
                    decided[index] = Some(label);
                    label
                }
            },
        });
        heads.push((group.audit, writer.load(NUMBER)));
    }
    let mut next = writer.answer(Action::WRONG_ARCHITECTURE);
    for (audit, head) in heads {
        next = writer.compare(Compare::Equal, audit, head, next);
    }
    writer.load(ARCHITECTURE);
    writer.reversed.reverse();
    writer.reversed
}

impl Writer {
    fn write(&mut self, code: u16, jt: u8, jf: u8, k: u32) -> Label {
        self.reversed.push(sock_filter { code, jt, jf, k });
        Label(self.reversed.len() - 1)
    }

    /// How far a jump written next would go.
    fn distance(&self, target: Label) -> usize {
        self.reversed.len() - 1 - target.0
    }

    /// A label with the same effect that conditional jumps, which go 255 instructions at most, can still reach when `spare` more
    /// instructions have been written.
    fn near(&mut self, target: Label, spare: usize) -> Label {
        let distance = self.distance(target);
        if distance + spare <= 255 {
            return target;
        }
        let instruction = &self.reversed[target.0];
        if instruction.code == RETURN {
            return self.answer(Action(instruction.k));
        }
        self.write(GO, 0, 0, distance as u32)
    }

    /// A return near enough for the next jump.
    pub(crate) fn answer(&mut self, action: Action) -> Label {
        let known = self.returns.iter().position(|(known, _)| *known == action);
        if let Some((_, label)) = known.map(|index| self.returns[index]) {
            // Two jumps may come between this and the one that uses it.
            if self.distance(label) + 2 <= 255 {
                return label;
            }
        }
        let label = self.write(RETURN, 0, 0, action.0);
        match known {
            Some(index) => self.returns[index].1 = label,
            None => self.returns.push((action, label)),
        }
        label
    }

    /// Compares the accumulator, which the code before this must have loaded.
    fn compare(&mut self, compare: Compare, value: u32, yes: Label, no: Label) -> Label {
        if yes == no {
            return yes;
        }
        let yes = self.near(yes, 1);
        let no = self.near(no, 0);
        let (jt, jf) = (self.distance(yes) as u8, self.distance(no) as u8);
        self.write(compare as u16, jt, jf, value)
    }

    /// Loads a word of `struct seccomp_data` for the instruction written last, which must be the one to go on with.
    pub(crate) fn load(&mut self, offset: u32) -> Label {
        self.write(LOAD, 0, 0, offset)
    }

    /// Loads a word, masks it and compares it with a constant.
    pub(crate) fn check(
        &mut self,
        offset: u32,
        mask: u32,
        compare: Compare,
        value: u32,
        yes: Label,
        no: Label,
    ) -> Label {
        if yes == no {
            return yes;
        }
        self.compare(compare, value, yes, no);
        if mask != u32::MAX {
            self.write(AND, 0, 0, mask);
        }
        self.load(offset)
    }

    /// Loads a word and goes three ways.
    pub(crate) fn check_more(
        &mut self,
        offset: u32,
        value: u32,
        greater: Label,
        equal: Label,
        less: Label,
    ) -> Label {
        let rest = self.compare(Compare::Equal, value, equal, less);
        if greater == rest {
            return rest;
        }
        self.compare(Compare::Greater, value, greater, rest);
        self.load(offset)
    }

    /// Goes to a label that is not the instruction written last.
    fn entrance(&mut self, target: Label) -> Label {
        if target.0 + 1 == self.reversed.len() {
            return target;
        }
        match self.reversed[target.0] {
            sock_filter {
                code: RETURN, k, ..
            } => self.write(RETURN, 0, 0, k),
            _ => {
                let distance = self.distance(target) as u32;
                self.write(GO, 0, 0, distance)
            }
        }
    }

    /// Finds the range that the accumulator lies in. Afterwards the instruction written last is the tree's first, so that a load
    /// can be put before it.
    pub(crate) fn tree<T: Copy + PartialEq>(
        &mut self,
        ranges: &[(u32, T)],
        leaf: &mut impl FnMut(&mut Writer, T) -> Label,
    ) -> Label {
        let head = self.branch(ranges, leaf);
        self.entrance(head)
    }

    fn branch<T: Copy + PartialEq>(
        &mut self,
        ranges: &[(u32, T)],
        leaf: &mut impl FnMut(&mut Writer, T) -> Label,
    ) -> Label {
        match *ranges {
            [(_, only)] => leaf(self, only),
            // One number between equal neighbours.
            [(_, around), (number, inside), (next, after)]
                if around == after && next == number.wrapping_add(1) =>
            {
                let no = leaf(self, around);
                let yes = leaf(self, inside);
                self.compare(Compare::Equal, number, yes, no)
            }
            _ => {
                // Threes are worth keeping together: see above.
                let half = ranges.len() / 2;
                let half = if ranges.len() > 6 {
                    half.next_multiple_of(3)
                } else {
                    half
                };
                let yes = self.branch(&ranges[half..], leaf);
                let no = self.branch(&ranges[..half], leaf);
                self.compare(Compare::GreaterOrEqual, ranges[half].0, yes, no)
            }
        }
    }
}
