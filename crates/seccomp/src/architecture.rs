//! The architectures of the specification: what the kernel calls them and how their arguments lie in memory.

use crate::{slot, tables};

/// One architecture, by its index in [`ARCHITECTURES`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Architecture(u8);

struct Definition {
    /// `AUDIT_ARCH_…` of linux/audit.h: what a filter finds in `seccomp_data.arch`.
    audit: u32,
    table: &'static [u16; tables::NAMES.len()],
    wide: bool,
    big_endian: bool,
}

macro_rules! architectures {
    ($($name:literal $audit:literal $table:ident $bits:literal $endian:ident)*) => {
        /// Names of all architectures that can be compiled for.
        pub const ARCHITECTURES: &[&str] = &[$($name),*];
        static DEFINITIONS: [Definition; ARCHITECTURES.len()] = [$(Definition {
            audit: $audit,
            table: &tables::$table,
            wide: $bits == 64,
            big_endian: stringify!($endian).as_bytes()[0] == b'b',
        }),*];
    };
}

// The words and audit numbers are those of libseccomp's seccomp.h and of linux/audit.h. SH means little-endian SuperH.
architectures! {
    "SCMP_ARCH_X86"         0x4000_0003 X86         32 little
    "SCMP_ARCH_X86_64"      0xc000_003e X86_64      64 little
    "SCMP_ARCH_X32"         0xc000_003e X32         32 little
    "SCMP_ARCH_ARM"         0x4000_0028 ARM         32 little
    "SCMP_ARCH_AARCH64"     0xc000_00b7 AARCH64     64 little
    "SCMP_ARCH_MIPS"        0x0000_0008 MIPS        32 big
    "SCMP_ARCH_MIPS64"      0x8000_0008 MIPS64      64 big
    "SCMP_ARCH_MIPS64N32"   0xa000_0008 MIPS64N32   32 big
    "SCMP_ARCH_MIPSEL"      0x4000_0008 MIPS        32 little
    "SCMP_ARCH_MIPSEL64"    0xc000_0008 MIPS64      64 little
    "SCMP_ARCH_MIPSEL64N32" 0xe000_0008 MIPS64N32   32 little
    "SCMP_ARCH_PPC"         0x0000_0014 PPC         32 big
    "SCMP_ARCH_PPC64"       0x8000_0015 PPC64       64 big
    "SCMP_ARCH_PPC64LE"     0xc000_0015 PPC64       64 little
    "SCMP_ARCH_S390"        0x0000_0016 S390        32 big
    "SCMP_ARCH_S390X"       0x8000_0016 S390X       64 big
    "SCMP_ARCH_PARISC"      0x0000_000f PARISC      32 big
    "SCMP_ARCH_PARISC64"    0x8000_000f PARISC64    64 big
    "SCMP_ARCH_RISCV64"     0xc000_00f3 RISCV64     64 little
    "SCMP_ARCH_LOONGARCH64" 0xc000_0102 LOONGARCH64 64 little
    "SCMP_ARCH_M68K"        0x0000_0004 M68K        32 big
    "SCMP_ARCH_SH"          0x4000_002a SH          32 little
    "SCMP_ARCH_SHEB"        0x0000_002a SH          32 big
}

/// Bit 30 of the number tells x32 from x86-64 (arch/x86/include/uapi/asm/unistd.h).
pub(crate) const X32_BIT: u32 = 0x4000_0000;
/// First of the calls that only ARM has, far above all others (`__ARM_NR_BASE`).
const ARM_PRIVATE: u32 = 0x000f_0000;

impl Architecture {
    /// x86-64 without x32.
    pub const X86_64: Architecture = Architecture(1);
    /// The x32 ABI of x86-64.
    pub const X32: Architecture = Architecture(2);
    /// 32-bit ARM, EABI.
    pub const ARM: Architecture = Architecture(3);
    /// 64-bit ARM.
    pub const AARCH64: Architecture = Architecture(4);
    /// 64-bit RISC-V.
    pub const RISCV64: Architecture = Architecture(18);

    /// The architecture that this program was built for, if the specification has a word for it.
    pub const NATIVE: Option<Architecture> =
        if cfg!(all(target_arch = "x86_64", target_pointer_width = "64")) {
            Some(Architecture::X86_64)
        } else if cfg!(target_arch = "aarch64") {
            Some(Architecture::AARCH64)
        } else if cfg!(target_arch = "riscv64") {
            Some(Architecture::RISCV64)
        } else {
            None
        };

    /// By the specification's word, `SCMP_ARCH_…`.
    pub fn from_name(name: &str) -> Option<Architecture> {
        let index = ARCHITECTURES.iter().position(|known| *known == name)?;
        Some(Architecture(index as u8))
    }

    /// The specification's word.
    pub fn name(self) -> &'static str {
        ARCHITECTURES[self.0 as usize]
    }

    /// `AUDIT_ARCH_…`; x32 and x86-64 have the same.
    pub fn audit(self) -> u32 {
        self.definition().audit
    }

    /// Number of the call with this index in the table of names.
    pub(crate) fn number(self, name: Name) -> Option<u32> {
        match self.definition().table[name.0 as usize] {
            u16::MAX => None,
            number if self == Architecture::X32 => Some(u32::from(number) | X32_BIT),
            number if self == Architecture::ARM && number >= 0xff00 => {
                Some(ARM_PRIVATE + u32::from(number - 0xff00))
            }
            number => Some(u32::from(number)),
        }
    }

    /// Number of a call by name; none where the architecture does not have it.
    pub fn number_of(self, name: &str) -> Option<u32> {
        self.number(Name::find(name)?)
    }

    /// Name of a call by number: for printing, a walk through the table.
    pub fn name_of(self, number: u32) -> Option<&'static str> {
        self.calls()
            .find(|(known, _)| *known == number)
            .map(|(_, name)| name)
    }

    /// All calls of the architecture, in the order of their names.
    pub fn calls(self) -> impl Iterator<Item = (u32, &'static str)> {
        let names = (0..tables::NAMES.len() as u16).map(Name);
        names.filter_map(move |name| Some((self.number(name)?, name.text())))
    }

    /// Numbers set aside for calls that only this architecture has: those common to all never get them, however new they are.
    pub(crate) fn set_aside(self) -> Option<(u32, u32)> {
        match self {
            Architecture::ARM => Some((ARM_PRIVATE, u32::MAX)),
            // arch/x86/entry/syscalls/syscall_64.tbl keeps 512 to 547 for x32 and closes them to newcomers.
            Architecture::X32 => Some((X32_BIT + 512, X32_BIT + 548)),
            _ => None,
        }
    }

    /// Whether arguments have 64 bits that count. On all others only the low word is compared.
    pub(crate) fn wide(self) -> bool {
        self.definition().wide
    }

    /// Whether the high word of an argument comes first in memory.
    pub(crate) fn big_endian(self) -> bool {
        self.definition().big_endian
    }

    fn definition(self) -> &'static Definition {
        &DEFINITIONS[self.0 as usize]
    }
}

/// A system call by its index in the table of names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Name(u16);

impl Name {
    /// Looks a name up.
    pub(crate) fn find(text: &str) -> Option<Name> {
        let mut place = slot::slot(text.as_bytes());
        loop {
            // The table is four times as large as the list of names: a free place always ends the walk.
            let index = tables::SLOTS[place];
            if tables::NAMES.get(index as usize)? == &text {
                return Some(Name(index));
            }
            place = (place + 1) % slot::SLOTS;
        }
    }

    /// The name.
    pub(crate) fn text(self) -> &'static str {
        tables::NAMES[self.0 as usize]
    }
}

/// The old calls that stand for many.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Multiplexer {
    Socketcall,
    Ipc,
}

impl Multiplexer {
    /// Its number, where the architecture has it.
    pub(crate) fn number(self, architecture: Architecture) -> Option<u32> {
        architecture.number_of(match self {
            Multiplexer::Socketcall => "socketcall",
            Multiplexer::Ipc => "ipc",
        })
    }
}

/// Calls behind socketcall, by the number that it takes as first argument, less one (linux/net.h).
const SOCKETCALLS: [&str; 20] = [
    "socket",
    "bind",
    "connect",
    "listen",
    "accept",
    "getsockname",
    "getpeername",
    "socketpair",
    "send",
    "recv",
    "sendto",
    "recvfrom",
    "shutdown",
    "setsockopt",
    "getsockopt",
    "sendmsg",
    "recvmsg",
    "accept4",
    "recvmmsg",
    "sendmmsg",
];

/// Calls behind ipc, with the number that it takes as first argument (linux/ipc.h).
const IPC_CALLS: [(&str, u8); 12] = [
    ("semop", 1),
    ("semget", 2),
    ("semctl", 3),
    ("semtimedop", 4),
    ("msgsnd", 11),
    ("msgrcv", 12),
    ("msgget", 13),
    ("msgctl", 14),
    ("shmat", 21),
    ("shmdt", 22),
    ("shmget", 23),
    ("shmctl", 24),
];

/// Set in [`BEHIND`] for calls behind ipc.
const IPC: u8 = 0x80;

/// By index of the name: 0, or the number of the call behind its multiplexer. Every name of a profile is looked up here.
static BEHIND: [u8; tables::NAMES.len()] = {
    let mut behind = [0; tables::NAMES.len()];
    let mut at = 0;
    while at < SOCKETCALLS.len() {
        behind[index_of(SOCKETCALLS[at])] = at as u8 + 1;
        at += 1;
    }
    at = 0;
    while at < IPC_CALLS.len() {
        behind[index_of(IPC_CALLS[at].0)] = IPC | IPC_CALLS[at].1;
        at += 1;
    }
    behind
};

/// Index of a name that is in the table; the compiler stops where it is not.
const fn index_of(text: &str) -> usize {
    let mut place = slot::slot(text.as_bytes());
    loop {
        let index = tables::SLOTS[place] as usize;
        if same(tables::NAMES[index], text) {
            return index;
        }
        place = (place + 1) % slot::SLOTS;
    }
}

const fn same(one: &str, other: &str) -> bool {
    let (one, other) = (one.as_bytes(), other.as_bytes());
    let mut at = 0;
    while at < one.len() && at < other.len() && one[at] == other[at] {
        at += 1;
    }
    at == one.len() && at == other.len()
}

impl Name {
    /// How the call is reached on architectures that have a multiplexer for it.
    pub(crate) fn behind(self) -> Option<(Multiplexer, u8)> {
        match BEHIND[self.0 as usize] {
            0 => None,
            call if call & IPC != 0 => Some((Multiplexer::Ipc, call & !IPC)),
            call => Some((Multiplexer::Socketcall, call)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_name_is_found_and_no_other() {
        for (index, name) in tables::NAMES.iter().enumerate() {
            assert_eq!(Name::find(name), Some(Name(index as u16)), "{name}");
        }
        assert_eq!(Name::find("open_sesame"), None);
        assert_eq!(Name::find(""), None);
    }

    #[test]
    fn calls_behind_others() {
        let behind = |text| Name::find(text).unwrap().behind();
        assert_eq!(behind("sendmmsg"), Some((Multiplexer::Socketcall, 20)));
        assert_eq!(behind("shmctl"), Some((Multiplexer::Ipc, 24)));
        assert_eq!(behind("read"), None);
        assert_eq!(BEHIND.iter().filter(|call| **call != 0).count(), 32);
    }

    #[test]
    fn numbers_are_the_kernels() {
        let number = |architecture, name| {
            Architecture::from_name(architecture)
                .unwrap()
                .number_of(name)
        };
        assert_eq!(number("SCMP_ARCH_X86_64", "read"), Some(0));
        assert_eq!(number("SCMP_ARCH_X86", "read"), Some(3));
        assert_eq!(number("SCMP_ARCH_X32", "execve"), Some(0x4000_0000 + 520));
        assert_eq!(number("SCMP_ARCH_ARM", "set_tls"), Some(0x000f_0005));
        assert_eq!(number("SCMP_ARCH_ARM", "sync_file_range2"), Some(341));
        assert_eq!(number("SCMP_ARCH_MIPS64N32", "read"), Some(6000));
        assert_eq!(number("SCMP_ARCH_MIPSEL", "socketcall"), Some(4102));
        assert_eq!(number("SCMP_ARCH_AARCH64", "open"), None);
        assert_eq!(number("SCMP_ARCH_LOONGARCH64", "openat"), Some(56));
        assert_eq!(number("SCMP_ARCH_S390", "ipc"), Some(117));
        assert_eq!(Architecture::X86_64.name_of(59), Some("execve"));
    }

    #[test]
    fn constants_name_what_they_say() {
        assert_eq!(Architecture::X86_64.name(), "SCMP_ARCH_X86_64");
        assert_eq!(Architecture::X32.name(), "SCMP_ARCH_X32");
        assert_eq!(Architecture::ARM.name(), "SCMP_ARCH_ARM");
        assert_eq!(Architecture::AARCH64.name(), "SCMP_ARCH_AARCH64");
        assert_eq!(Architecture::RISCV64.name(), "SCMP_ARCH_RISCV64");
    }
}
