//! Calls what a fuzz target calls (`fuzz/README.md`), without a fuzzer: with the target's seeds, with each beginning of them,
//! and with what comes of changing and mixing them. The same bytes each time, so that a change is judged by itself.
#![allow(clippy::unwrap_used, reason = "a failing test may panic")]
#![allow(clippy::print_stderr, reason = "what was tried is worth to be known")]

use std::fs;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::path::{Path, PathBuf};
use std::sync::mpsc::{RecvTimeoutError, channel};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

mod random;

pub use random::Random;

/// Longer files are none to start from: the fuzzer's inputs are no longer, either.
const LONGEST: usize = 8192;

/// How long changed seeds are tried.
const TIME: Duration = Duration::from_secs(2);

/// How long one input may take.
const PATIENCE: Duration = Duration::from_secs(20);

/// Calls `body` with all that comes of the files of this ending in a folder of the repository; without the folder (the
/// crate is tested outside of it) with what comes of nothing. Fails with the bytes, as text that Rust reads, when the body
/// panics or does not end.
pub fn any_bytes(folder: &str, ending: &str, body: fn(&[u8])) {
    let mut seeds = vec![Vec::new()];
    collect(&repository().join(folder), ending, &mut seeds);
    let tried = Arc::new(Mutex::new((0_u64, Vec::new())));
    let (done, end) = channel::<()>();
    let watch = std::thread::spawn({
        let tried = tried.clone();
        move || {
            let mut last = 0;
            while let Err(RecvTimeoutError::Timeout) = end.recv_timeout(PATIENCE) {
                let now = tried.lock().unwrap();
                if now.0 == last {
                    eprintln!("does not end with b\"{}\"", now.1.escape_ascii());
                    std::process::abort();
                }
                last = now.0;
            }
        }
    });
    let attempt = |bytes: &[u8]| {
        {
            let mut tried = tried.lock().unwrap();
            tried.0 += 1;
            tried.1 = bytes.to_vec();
        }
        if let Err(panic) = catch_unwind(AssertUnwindSafe(|| body(bytes))) {
            eprintln!("panics with b\"{}\"", bytes.escape_ascii());
            resume_unwind(panic);
        }
    };
    for seed in &seeds {
        attempt(seed);
        let step = seed.len().div_ceil(200).max(1);
        (0..seed.len())
            .step_by(step)
            .for_each(|end| attempt(&seed[..end]));
    }
    let mut random = Random::new(0x9e37_79b9_7f4a_7c15);
    let begin = Instant::now();
    let mut count = 0;
    while count < 20_000 && begin.elapsed() < TIME {
        attempt(&changed(&seeds, &mut random));
        count += 1;
    }
    drop(done);
    watch.join().unwrap();
    eprintln!("{folder}: {} seeds, {count} changed", seeds.len() - 1);
}

fn repository() -> PathBuf {
    // This file is tests/property/src/lib.rs.
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

/// The files below a folder, always in the same order.
fn collect(folder: &Path, ending: &str, seeds: &mut Vec<Vec<u8>>) {
    let Ok(entries) = fs::read_dir(folder) else {
        return;
    };
    let mut paths: Vec<PathBuf> = entries.map(|entry| entry.unwrap().path()).collect();
    paths.sort();
    for path in paths {
        if path.is_dir() {
            collect(&path, ending, seeds);
        } else if path.to_str().is_some_and(|path| path.ends_with(ending)) {
            seeds.push(fs::read(&path).unwrap());
            seeds.retain(|seed| seed.len() <= LONGEST);
        }
    }
}

/// What often stands at the border of something.
const PIECES: [&[u8]; 24] = [
    b"0",
    b"-1",
    b"18446744073709551616",
    b"9223372036854775808",
    b"4294967295",
    b"1e9",
    b"\0",
    b"\n",
    b"\n\n",
    b" ",
    b":",
    b"/",
    b"../",
    b"\"",
    b"\\",
    b"\\u0000",
    b"{}",
    b"[]",
    b"null",
    b",",
    b"\xff\xff\xff\xff",
    b"\0\0\0\0",
    b"\x01\0\0\0\0\0\0\x80",
    b"\xc3\xa4",
];

fn changed(seeds: &[Vec<u8>], random: &mut Random) -> Vec<u8> {
    let mut bytes = seeds[random.below(seeds.len())].clone();
    for _ in 0..=random.below(5) {
        let place = random.range(bytes.len());
        match random.below(7) {
            0 if !bytes.is_empty() => {
                let at = random.below(bytes.len());
                bytes[at] ^= 1 << random.below(8);
            }
            1 if !bytes.is_empty() => {
                let at = random.below(bytes.len());
                bytes[at] = random.below(256) as u8;
            }
            2 => drop(bytes.drain(place)),
            3 => {
                let twice = bytes[place.clone()].to_vec();
                bytes.splice(place.end..place.end, twice);
            }
            4 => {
                let other = &seeds[random.below(seeds.len())];
                let from = random.range(other.len());
                bytes.splice(place, other[from].iter().copied());
            }
            5 => {
                let piece = PIECES[random.below(PIECES.len())];
                bytes.splice(place, piece.iter().copied());
            }
            _ => {
                let new: Vec<u8> = (0..random.below(9))
                    .map(|_| random.below(256) as u8)
                    .collect();
                bytes.splice(place, new);
            }
        }
    }
    bytes.truncate(2 * LONGEST);
    bytes
}
