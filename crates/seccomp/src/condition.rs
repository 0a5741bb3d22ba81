//! Conditions on arguments: the seven operators, what is left of them on 32 bits, and the order of overlapping rules.

use spec::{ConfigPath, SeccompArgument};

use crate::{Error, Why};

/// Names of all operators.
pub const OPERATORS: &[&str] = &[
    "SCMP_CMP_NE",
    "SCMP_CMP_LT",
    "SCMP_CMP_LE",
    "SCMP_CMP_EQ",
    "SCMP_CMP_GE",
    "SCMP_CMP_GT",
    "SCMP_CMP_MASKED_EQ",
];

/// The test that a condition makes; the other operators are these, negated.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Test {
    /// `argument & mask == value`; the mask is all ones for EQ and NE.
    Masked(u64),
    Greater,
    GreaterOrEqual,
}

/// One condition on one argument.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Condition {
    pub(crate) argument: u8,
    pub(crate) test: Test,
    pub(crate) value: u64,
    /// The condition holds where the test fails: NE, LT, LE.
    pub(crate) negated: bool,
}

impl Condition {
    /// `value` is the mask and `valueTwo` the value for SCMP_CMP_MASKED_EQ (config-linux.md, "Seccomp").
    pub(crate) fn parse(
        argument: &SeccompArgument<'_>,
        at: impl Fn() -> ConfigPath,
    ) -> Result<Condition, Error> {
        if argument.index > 5 {
            return Err(Error {
                at: at().then("index"),
                why: Why::Index(argument.index),
            });
        }
        let (test, negated) = match argument.op.as_str() {
            "SCMP_CMP_NE" => (Test::Masked(u64::MAX), true),
            "SCMP_CMP_LT" => (Test::GreaterOrEqual, true),
            "SCMP_CMP_LE" => (Test::Greater, true),
            "SCMP_CMP_EQ" => (Test::Masked(u64::MAX), false),
            "SCMP_CMP_GE" => (Test::GreaterOrEqual, false),
            "SCMP_CMP_GT" => (Test::Greater, false),
            "SCMP_CMP_MASKED_EQ" => (Test::Masked(argument.value), false),
            unknown => {
                return Err(Error {
                    at: at().then("op"),
                    why: Why::Operator(unknown.to_owned()),
                });
            }
        };
        let masked = argument.op == "SCMP_CMP_MASKED_EQ";
        let value = if masked {
            argument.value & argument.value_two
        } else {
            argument.value
        };
        Ok(Condition {
            argument: argument.index as u8,
            test,
            value,
            negated,
        })
    }

    /// `argument == value`.
    pub(crate) fn equal(argument: u8, value: u64) -> Condition {
        Condition {
            argument,
            test: Test::Masked(u64::MAX),
            value,
            negated: false,
        }
    }

    /// What is compared where only the low word counts.
    pub(crate) fn low_word(mut self) -> Condition {
        self.value &= 0xffff_ffff;
        if let Test::Masked(mask) = &mut self.test {
            *mask &= 0xffff_ffff;
        }
        self
    }

    /// A masked comparison that looks at no bit holds always.
    pub(crate) fn always(self) -> bool {
        self.test == Test::Masked(0)
    }

    /// Whether the values for which this holds are a range or all but a range: no true mask.
    pub(crate) fn is_range(self, wide: bool) -> bool {
        let full = if wide { u64::MAX } else { 0xffff_ffff };
        !matches!(self.test, Test::Masked(mask) if mask != full)
    }

    /// For [`Condition::is_range`]: the first and last value for which the test (not negated) holds, if any does.
    pub(crate) fn range(self, wide: bool) -> Option<(u64, u64)> {
        let last = if wide { u64::MAX } else { 0xffff_ffff };
        match self.test {
            Test::Masked(_) => Some((self.value, self.value)),
            Test::GreaterOrEqual => Some((self.value, last)),
            Test::Greater if self.value == last => None,
            Test::Greater => Some((self.value + 1, last)),
        }
    }

    /// Equality is asked before "less", and that before "greater".
    fn rank(self) -> u8 {
        match (self.test, self.negated) {
            (Test::Masked(_), _) => 2,
            (_, true) => 1,
            (_, false) => 0,
        }
    }

    /// The comparisons of 32-bit words by which overlapping rules are ordered.
    fn words(self, wide: bool) -> impl Iterator<Item = Word> {
        let word = move |high: bool| {
            let shift = if high { 32 } else { 0 };
            let test = match self.test {
                Test::Masked(mask) => Test::Masked(mask >> shift & 0xffff_ffff),
                // The high words of all four inequalities are compared alike.
                _ if high => Test::Greater,
                other => other,
            };
            Word {
                place: self.argument * 2 + u8::from(high),
                rank: self.rank(),
                value: (self.value >> shift) as u32,
                test,
            }
        };
        wide.then(|| word(true)).into_iter().chain([word(false)])
    }
}

impl std::fmt::Display for Condition {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Condition {
            argument, value, ..
        } = self;
        match (self.test, self.negated) {
            (Test::Masked(mask), false) if mask == u64::MAX || mask == 0xffff_ffff => {
                write!(f, "arg{argument} == {value:#x}")
            }
            (Test::Masked(mask), true) if mask == u64::MAX || mask == 0xffff_ffff => {
                write!(f, "arg{argument} != {value:#x}")
            }
            (Test::Masked(mask), _) => write!(f, "arg{argument} & {mask:#x} == {value:#x}"),
            (Test::Greater, false) => write!(f, "arg{argument} > {value:#x}"),
            (Test::Greater, true) => write!(f, "arg{argument} <= {value:#x}"),
            (Test::GreaterOrEqual, false) => write!(f, "arg{argument} >= {value:#x}"),
            (Test::GreaterOrEqual, true) => write!(f, "arg{argument} < {value:#x}"),
        }
    }
}

/// One comparison of a 32-bit word.
#[derive(Clone, Copy)]
struct Word {
    place: u8,
    rank: u8,
    value: u32,
    test: Test,
}

impl Word {
    fn same(self, other: Word) -> bool {
        (self.place, self.test, self.value) == (other.place, other.test, other.value)
    }

    /// Whether this is asked after `other`.
    fn later(self, other: Word) -> bool {
        (
            self.place,
            self.rank,
            if self.rank == 1 {
                !self.value
            } else {
                self.value
            },
        ) < (
            other.place,
            other.rank,
            if other.rank == 1 {
                !other.value
            } else {
                other.value
            },
        )
    }
}

/// Comparisons that are asked one after the other, each with those that follow where it holds.
#[derive(Default)]
struct Level(Vec<(Word, Level, Vec<usize>)>);

impl Level {
    fn insert(&mut self, mut words: impl Iterator<Item = Word>, clause: usize) {
        let Some(word) = words.next() else { return };
        let mut at = self.0.len();
        for (index, (known, ..)) in self.0.iter().enumerate() {
            if known.same(word) || known.later(word) {
                at = index;
                break;
            }
        }
        if !self.0.get(at).is_some_and(|(known, ..)| known.same(word)) {
            self.0.insert(at, (word, Level::default(), Vec::new()));
        }
        let (_, below, here) = &mut self.0[at];
        let mut words = words.peekable();
        if words.peek().is_none() {
            here.push(clause);
        } else {
            below.insert(&mut words as &mut dyn Iterator<Item = Word>, clause);
        }
    }

    fn walk(&self, order: &mut Vec<usize>) {
        for (_, below, here) in &self.0 {
            order.extend(here);
            below.walk(order);
        }
    }
}

/// The order in which clauses of one call with different actions are asked, first match wins: a clause that starts at a later
/// argument first; at the same argument equality and masks (larger value first), then "less" (smaller value first), then
/// "greater" (larger value first); a clause before those that only add conditions to it. This is the order of libseccomp's
/// programs. Clauses that none of this separates stay in the order of the profile.
pub(crate) fn order(clauses: &[Vec<Condition>], wide: bool) -> Vec<usize> {
    let mut level = Level::default();
    for (index, conditions) in clauses.iter().enumerate() {
        let mut words = conditions
            .iter()
            .flat_map(|condition| condition.words(wide));
        level.insert(&mut words as &mut dyn Iterator<Item = Word>, index);
    }
    let mut order = Vec::with_capacity(clauses.len());
    level.walk(&mut order);
    order
}
