//! What filters cost, measured in children that install them.

use std::io::Read as _;
use std::os::fd::FromRawFd as _;
use std::time::Instant;

/// Nanoseconds that a child needs to install a filter, and for one allowed, one denied and one conditional call under it.
#[derive(Clone, Copy, Debug, Default)]
pub struct Cost {
    /// seccomp(2) itself.
    pub load: u64,
    /// getppid.
    pub allowed: f64,
    /// quotactl with a wrong number of everything: refused by the filter, or without one by the kernel at once.
    pub denied: f64,
    /// personality(0xffffffff), which asks what the personality is.
    pub conditional: f64,
}

const ROUNDS: u64 = 20_000;

/// The median of `children` measurements each; `None` measures without a filter.
pub fn measure(filter: Option<&[u8]>, children: usize) -> Cost {
    let mut costs: Vec<[u64; 4]> = (0..children).map(|_| child(filter)).collect();
    let mut median = |column: usize| {
        costs.sort_unstable_by_key(|row| row[column]);
        costs[costs.len() / 2][column]
    };
    let per_call = |nanoseconds: u64| nanoseconds as f64 / ROUNDS as f64;
    Cost {
        load: median(0),
        allowed: per_call(median(1)),
        denied: per_call(median(2)),
        conditional: per_call(median(3)),
    }
}

fn child(filter: Option<&[u8]>) -> [u64; 4] {
    let mut ends = [0; 2];
    // SAFETY: two descriptors, owned by this function; the child only makes system calls before it exits.
    unsafe {
        assert_eq!(libc::pipe2(ends.as_mut_ptr(), libc::O_CLOEXEC), 0);
        let child = libc::fork();
        assert!(child >= 0);
        if child == 0 {
            libc::prctl(libc::PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
            let start = Instant::now();
            if let Some(filter) = filter
                && kernel::seccomp::install(filter, kernel::seccomp::flags::SPEC_ALLOW).is_err()
            {
                libc::_exit(9);
            }
            let load = start.elapsed().as_nanos() as u64;
            let allowed = repeat(libc::SYS_getppid, 0);
            let denied = repeat(libc::SYS_quotactl, u64::MAX);
            let conditional = repeat(libc::SYS_personality, 0xffff_ffff);
            let row = [load, allowed, denied, conditional];
            libc::write(ends[1], row.as_ptr().cast(), size_of_val(&row));
            libc::_exit(0);
        }
        libc::close(ends[1]);
        let mut bytes = [0; 32];
        std::fs::File::from_raw_fd(ends[0])
            .read_exact(&mut bytes)
            .unwrap();
        assert_eq!(libc::waitpid(child, std::ptr::null_mut(), 0), child);
        std::array::from_fn(|at| u64::from_ne_bytes(bytes[at * 8..at * 8 + 8].try_into().unwrap()))
    }
}

fn repeat(number: i64, argument: u64) -> u64 {
    let start = Instant::now();
    for _ in 0..ROUNDS {
        // SAFETY: these calls take no pointers, or refuse what they are given before they look at one.
        unsafe { libc::syscall(number, argument, 0, 0, 0, 0, 0) };
    }
    start.elapsed().as_nanos() as u64
}
