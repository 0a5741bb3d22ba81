//! Writes `src/tables.rs`: which number each system call has on which architecture.
//!
//! The numbers are facts of the kernel's exported headers, which Debian's `linux-libc-dev` (since 6.7, package of all
//! architectures) carries for every architecture under `usr/lib/linux/uapi`. Newest package first; a later one only adds what
//! the newer no longer shows (31-bit s390 left the kernel after 6.12):
//!
//! ```sh
//! apt-get download linux-libc-dev=VERSION && dpkg -x linux-libc-dev_*.deb newest
//! cargo run -p tare-seccomp --example syscall-tables -- crates/seccomp/src/tables.rs newest older
//! rustfmt --edition 2024 crates/seccomp/src/tables.rs
//! ```

use std::collections::{BTreeMap, BTreeSet};
use std::error::Error;
use std::fmt::Write as _;
use std::path::Path;
use std::{env, fs};

#[path = "../src/slot.rs"]
mod slot;

/// Name of the table, folder, files (all of them are read), number of the first call.
const TABLES: [(&str, &str, &[&str], u32); 18] = [
    ("X86", "x86", &["unistd_32.h"], 0),
    ("X86_64", "x86", &["unistd_64.h"], 0),
    ("X32", "x86", &["unistd_x32.h"], 0),
    ("ARM", "arm", &["unistd-eabi.h", "unistd.h"], 0),
    ("AARCH64", "arm64", &["unistd_64.h"], 0),
    ("MIPS", "mips", &["unistd_o32.h"], 4000),
    ("MIPS64", "mips", &["unistd_n64.h"], 5000),
    ("MIPS64N32", "mips", &["unistd_n32.h"], 6000),
    ("PPC", "powerpc", &["unistd_32.h"], 0),
    ("PPC64", "powerpc", &["unistd_64.h"], 0),
    ("S390", "s390", &["unistd_32.h"], 0),
    ("S390X", "s390", &["unistd_64.h"], 0),
    ("PARISC", "parisc", &["unistd_32.h"], 0),
    ("PARISC64", "parisc", &["unistd_64.h"], 0),
    ("RISCV64", "riscv", &["unistd_64.h"], 0),
    ("LOONGARCH64", "loongarch", &["unistd_64.h"], 0),
    ("M68K", "m68k", &["unistd_32.h"], 0),
    ("SH", "sh", &["unistd_32.h"], 0),
];

/// The calls of ARM's own range are stored as this plus their distance from 0xf0000, to fit into 16 bits.
const ARM_PRIVATE: u32 = 0xff00;

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = env::args().skip(1).collect();
    let [out, newest, older @ ..] = arguments.as_slice() else {
        return Err("usage: syscall-tables OUTPUT NEWEST-HEADERS [OLDER-HEADERS…]".into());
    };
    let mut tables: Vec<BTreeMap<String, u32>> = Vec::new();
    for (_, folder, files, first) in TABLES {
        let mut table = BTreeMap::new();
        for root in std::iter::once(newest).chain(older) {
            for file in files {
                let path = Path::new(root).join(format!("usr/lib/linux/uapi/{folder}/asm/{file}"));
                // A header that a kernel no longer has is what the older packages are for.
                if let Ok(text) = fs::read_to_string(&path) {
                    let found = defines(&text, first);
                    for (name, number) in found.numbers {
                        table.entry(name).or_insert(number);
                    }
                    for (name, other) in found.aliases {
                        if let Some(number) = table.get(&other).copied() {
                            table.entry(name).or_insert(number);
                        }
                    }
                }
            }
        }
        if table.len() < 200 {
            return Err(format!("only {} system calls for {folder}", table.len()).into());
        }
        tables.push(table);
    }
    fs::write(out, render(&tables, &version(newest)?))?;
    Ok(())
}

/// Names with their numbers, and second names with the first.
#[derive(Default)]
struct Defines {
    numbers: Vec<(String, u32)>,
    aliases: Vec<(String, String)>,
}

/// `#define __NR_read 0`, `(__X32_SYSCALL_BIT + 0)`, `(__ARM_NR_BASE+1)`, `__NR_arm_sync_file_range`.
fn defines(text: &str, first: u32) -> Defines {
    let mut found = Defines::default();
    for line in text.lines() {
        let mut words = line
            .trim()
            .strip_prefix("#define")
            .unwrap_or("")
            .trim()
            .splitn(2, char::is_whitespace);
        let (Some(name), Some(value)) = (words.next(), words.next()) else {
            continue;
        };
        let private = name.starts_with("__ARM_NR_");
        let Some(name) = name
            .strip_prefix("__NR_")
            .or(name.strip_prefix("__ARM_NR_"))
        else {
            continue;
        };
        if name == "syscalls"
            || name.contains(char::is_uppercase)
            || name.starts_with("reserved")
            || name.starts_with("unused")
        {
            continue;
        }
        let value = value.trim().trim_matches(['(', ')']);
        let value = value.rsplit('+').next().unwrap_or(value).trim();
        if let Ok(number) = value.parse::<u32>() {
            found.numbers.push((
                name.to_owned(),
                if private { ARM_PRIVATE } else { first } + number,
            ));
        } else if let Some(other) = value.strip_prefix("__NR_") {
            found.aliases.push((name.to_owned(), other.to_owned()));
        }
    }
    found
}

/// `7.2.13` from `linux/version.h`.
fn version(root: &str) -> Result<String, Box<dyn Error>> {
    let text = fs::read_to_string(Path::new(root).join("usr/include/linux/version.h"))?;
    let code = text
        .lines()
        .find_map(|line| line.strip_prefix("#define LINUX_VERSION_CODE "))
        .ok_or("no LINUX_VERSION_CODE")?;
    let code: u32 = code.trim().parse()?;
    Ok(format!("{}.{}.{}", code >> 16, code >> 8 & 255, code & 255))
}

fn render(tables: &[BTreeMap<String, u32>], version: &str) -> String {
    let names: BTreeSet<&String> = tables.iter().flat_map(|table| table.keys()).collect();
    let names: Vec<&String> = names.into_iter().collect();
    let mut slots = vec![u16::MAX; slot::SLOTS];
    for (index, name) in names.iter().enumerate() {
        let mut place = slot::slot(name.as_bytes());
        while slots[place] != u16::MAX {
            place = (place + 1) % slot::SLOTS;
        }
        slots[place] = index as u16;
    }
    let mut text = String::from(
        "//! System call numbers, written by `tables/generate.rs` from the kernel's exported headers. Do not edit.\n\n",
    );
    // Writing to a String cannot fail.
    let _ = writeln!(
        text,
        "/// The newest kernel whose headers were read.\npub const KERNEL: &str = {version:?};\n"
    );
    let _ = writeln!(
        text,
        "/// Names of all system calls, sorted.\npub(crate) static NAMES: [&str; {}] = {names:?};\n",
        names.len()
    );
    let _ = writeln!(
        text,
        "/// Hash table: [`slot`](crate::slot::slot) → index into [`NAMES`]; `u16::MAX` is free.\npub(crate) static SLOTS: [u16; {}] = {slots:?};\n",
        slots.len()
    );
    for ((table, ..), numbers) in TABLES.iter().zip(tables) {
        let row: Vec<u16> = names
            .iter()
            .map(|name| numbers.get(*name).map_or(u16::MAX, |number| *number as u16))
            .collect();
        let _ = writeln!(
            text,
            "/// By index of the name; `u16::MAX` where the architecture has no such call.\npub(crate) static {table}: [u16; {}] = {row:?};\n",
            row.len()
        );
    }
    text
}
