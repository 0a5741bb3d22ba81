//! Random profiles: few names and few values, so that rules meet.

use seccomp::Architecture;

/// xorshift64*: the same numbers for the same seed, on every machine.
pub struct Random(u64);

impl Random {
    /// A sequence.
    pub fn new(seed: u64) -> Random {
        Random(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1)
    }

    /// The next number.
    pub fn number(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 11
    }

    /// Less than `end`.
    pub fn below(&mut self, end: usize) -> usize {
        (self.number() % end as u64) as usize
    }

    /// One of a list.
    pub fn pick<'a, T: ?Sized>(&mut self, list: &[&'a T]) -> &'a T {
        list[self.below(list.len())]
    }

    /// True once in `times`.
    pub fn once_in(&mut self, times: usize) -> bool {
        self.below(times) == 0
    }
}

/// Which profiles are wanted.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Kind {
    /// Conditions on one call only, one condition a rule, all with the same action.
    Plain,
    /// Up to three conditions a rule; all conditional rules of one profile have the same action.
    SameAction,
    /// Conditional rules with several actions, one condition each.
    Overlapping,
    /// Several actions, several conditions, values of 64 bits.
    Wild,
}

/// A profile as JSON, and the architectures it is for, the kernel's own first.
pub struct Generated {
    pub json: String,
    pub architectures: Vec<Architecture>,
}

const ARCHITECTURES: [&[&str]; 15] = [
    &["X86_64"],
    &["X86_64", "X86"],
    &["X86_64", "X86", "X32"],
    &["X86_64", "X32"],
    &["AARCH64"],
    &["AARCH64", "ARM"],
    &["ARM"],
    &["MIPS", "MIPS64", "MIPS64N32"],
    &["MIPSEL64", "MIPSEL", "MIPSEL64N32"],
    &["PPC64LE"],
    &["PPC64", "PPC"],
    &["S390X", "S390"],
    &["PARISC64", "PARISC"],
    &["RISCV64"],
    &["X86", "RISCV64", "AARCH64", "X86_64"],
];

/// Met often: neighbours, calls of one ABI only, multiplexed ones, and calls at the ends of tables.
const NAMES: [&str; 22] = [
    "read",
    "write",
    "open",
    "close",
    "stat",
    "fstat",
    "dup",
    "dup2",
    "dup3",
    "socket",
    "bind",
    "socketpair",
    "socketcall",
    "ipc",
    "shmat",
    "semget",
    "semtimedop",
    "accept4",
    "sendmmsg",
    "waitpid",
    "execve",
    "set_mempolicy_home_node",
];

const VALUES: [u64; 16] = [
    0,
    1,
    2,
    3,
    5,
    7,
    8,
    0x7fff_ffff,
    0x8000_0000,
    0xffff_fffe,
    0xffff_ffff,
    0x1_0000_0000,
    0x1_0000_0005,
    0x5_0000_0001,
    0xffff_ffff_0000_0000,
    u64::MAX,
];

const OPERATORS: [&str; 7] = ["NE", "LT", "LE", "EQ", "GE", "GT", "MASKED_EQ"];

const ACTIONS: [&str; 7] = [
    r#""SCMP_ACT_ALLOW""#,
    r#""SCMP_ACT_ERRNO""#,
    r#""SCMP_ACT_ERRNO","errnoRet":13"#,
    r#""SCMP_ACT_LOG""#,
    r#""SCMP_ACT_TRAP""#,
    r#""SCMP_ACT_TRACE","errnoRet":7"#,
    r#""SCMP_ACT_KILL_PROCESS""#,
];

const DEFAULTS: [&str; 6] = [
    r#""SCMP_ACT_ALLOW""#,
    r#""SCMP_ACT_ERRNO""#,
    r#""SCMP_ACT_ERRNO","defaultErrnoRet":38"#,
    r#""SCMP_ACT_KILL""#,
    r#""SCMP_ACT_LOG""#,
    r#""SCMP_ACT_TRACE""#,
];

/// A value for conditions: 32 bits, but where everything is tried.
fn operand(random: &mut Random, kind: Kind) -> u64 {
    let value = value(random);
    if kind == Kind::Wild {
        value
    } else {
        value & 0xffff_ffff
    }
}

/// A value for calls, of 64 bits.
pub fn value(random: &mut Random) -> u64 {
    let value = VALUES[random.below(VALUES.len())];
    if random.once_in(8) {
        value ^ 1 << random.below(64)
    } else {
        value
    }
}

/// A random profile.
pub fn profile(random: &mut Random, kind: Kind) -> Generated {
    let words = ARCHITECTURES[random.below(ARCHITECTURES.len())];
    let words = if kind == Kind::Plain && words.len() > 3 {
        ARCHITECTURES[2]
    } else {
        words
    };
    let known: Vec<&str> = Architecture::X86_64
        .calls()
        .map(|(_, name)| name)
        .filter(|name| crate::libseccomp::agrees(name))
        .collect();
    let conditional = random.pick(&ACTIONS);
    let lonely = random.pick(&["dup", "dup3", "execve", "socket", "personality"]);
    let mut rules = Vec::new();
    for _ in 0..1 + random.below(12) {
        let names: Vec<String> = (0..1 + random.below(4))
            .map(|_| {
                if random.once_in(3) {
                    random.pick(&known)
                } else {
                    random.pick(&NAMES)
                }
            })
            .map(|name| format!("{name:?}"))
            .collect();
        let arguments = arguments(random, kind);
        let names = if kind == Kind::Plain && !arguments.is_empty() {
            vec![format!("{lonely:?}")]
        } else {
            names
        };
        let action = match kind {
            Kind::Plain | Kind::SameAction if arguments.is_empty() => random.pick(&ACTIONS),
            Kind::Plain | Kind::SameAction => conditional,
            Kind::Overlapping | Kind::Wild => random.pick(&ACTIONS),
        };
        rules.push(format!(
            r#"{{"names":[{}],"action":{action},"args":[{}]}}"#,
            names.join(","),
            arguments.join(",")
        ));
    }
    let listed: Vec<String> = words
        .iter()
        .map(|word| format!("\"SCMP_ARCH_{word}\""))
        .collect();
    let json = format!(
        r#"{{"defaultAction":{},"architectures":[{}],"syscalls":[{}]}}"#,
        random.pick(&DEFAULTS),
        listed.join(","),
        rules.join(",")
    );
    let architectures = words
        .iter()
        .map(|word| Architecture::from_name(&format!("SCMP_ARCH_{word}")).unwrap())
        .collect();
    Generated {
        json,
        architectures,
    }
}

fn arguments(random: &mut Random, kind: Kind) -> Vec<String> {
    let count = match kind {
        Kind::SameAction | Kind::Wild => [0, 0, 0, 1, 1, 2, 2, 3][random.below(8)],
        Kind::Plain => usize::from(random.once_in(3)),
        Kind::Overlapping => usize::from(!random.once_in(6)),
    };
    (0..count)
        .map(|_| {
            let operator = OPERATORS[random.below(OPERATORS.len())];
            format!(
                r#"{{"index":{},"value":{},"valueTwo":{},"op":"SCMP_CMP_{operator}"}}"#,
                if random.once_in(4) {
                    random.below(6)
                } else {
                    random.below(2)
                },
                operand(random, kind),
                operand(random, kind)
            )
        })
        .collect()
}
