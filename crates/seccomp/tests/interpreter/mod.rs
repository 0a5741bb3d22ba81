//! Runs a filter as the kernel would, and checks what the kernel's verifier checks (`seccomp_check_filter`,
//! `bpf_check_classic`). Independent of the compiler; the tests that ask libseccomp use it too.

use seccompiler::sock_filter;

/// `struct seccomp_data`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Call {
    /// Number.
    pub number: u32,
    /// `AUDIT_ARCH_…`.
    pub audit: u32,
    /// Arguments.
    pub arguments: [u64; 6],
}

/// The return value of a program for a call on a machine of this byte order, and how many instructions it took.
pub fn run(program: &[sock_filter], call: &Call, big_endian: bool) -> (u32, usize) {
    let mut accumulator = 0u32;
    let mut at = 0;
    let mut steps = 0;
    loop {
        let instruction = &program[at];
        steps += 1;
        at += 1;
        let k = instruction.k;
        let jump = |holds: bool| {
            usize::from(if holds {
                instruction.jt
            } else {
                instruction.jf
            })
        };
        match instruction.code {
            0x20 => accumulator = load(call, k, big_endian),
            0x54 => accumulator &= k,
            0x05 => at += k as usize,
            0x15 => at += jump(accumulator == k),
            0x25 => at += jump(accumulator > k),
            0x35 => at += jump(accumulator >= k),
            0x45 => at += jump(accumulator & k != 0),
            0x06 => return (k, steps),
            other => panic!("instruction {other:#x}"),
        }
    }
}

fn load(call: &Call, offset: u32, big_endian: bool) -> u32 {
    match offset {
        0 => call.number,
        4 => call.audit,
        16..64 => {
            let argument = call.arguments[(offset as usize - 16) / 8];
            let second = offset % 8 == 4;
            if second != big_endian {
                (argument >> 32) as u32
            } else {
                argument as u32
            }
        }
        other => panic!("load from {other}"),
    }
}

/// What the kernel's verifier would refuse.
pub fn verify(program: &[sock_filter]) -> Result<(), String> {
    if program.is_empty() || program.len() > 4096 {
        return Err(format!("{} instructions", program.len()));
    }
    for (index, instruction) in program.iter().enumerate() {
        let left = program.len() - index - 1;
        let fine = match instruction.code {
            0x20 => instruction.k.is_multiple_of(4) && instruction.k < 64,
            0x54 | 0x06 => true,
            0x05 => (instruction.k as usize) < left,
            0x15 | 0x25 | 0x35 | 0x45 => {
                usize::from(instruction.jt) < left && usize::from(instruction.jf) < left
            }
            _ => false,
        };
        if !fine {
            return Err(format!("instruction {index}: {instruction:?}"));
        }
    }
    match program.last() {
        Some(sock_filter { code: 0x06, .. }) => Ok(()),
        _ => Err("the last instruction does not return".to_owned()),
    }
}
