//! Which points are tried: each harm at each call, a sample of them by a seed, or those that were named.

use harness::{Harm, Point, Whose};
use property::Random;

/// The same each time, so that a change is judged by itself; others are tried by `cargo xtask faults --seed`.
pub(super) fn seed() -> u64 {
    let given = std::env::var("TARE_TEST_SEED").ok();
    given.and_then(|text| text.parse().ok()).unwrap_or(1)
}

/// The points that are tried, in the order of the calls.
pub(super) fn chosen(calls: &[(Whose, u64)], seed: u64) -> Vec<Point> {
    let mut all = Vec::new();
    let mut counts = [0, 0];
    for (whose, number) in calls.iter().copied() {
        let at = &mut counts[whose as usize];
        *at += 1;
        let fails = errnos(number).iter().map(|errno| Harm::Fail(*errno));
        let harms = std::iter::once(Harm::Kill).chain(fails);
        all.extend(harms.map(|harm| Point {
            whose,
            at: *at,
            number,
            harm,
        }));
    }
    let wanted = std::env::var("TARE_TEST_POINTS").unwrap_or_default();
    if wanted.contains(' ') {
        all.retain(|point| wanted.split(", ").any(|name| name == name_of(point)));
    } else if wanted != "all" {
        let mut random = Random::new(seed);
        for _ in 0..all.len().saturating_sub(wanted.parse().unwrap_or(10)) {
            all.remove(random.below(all.len()));
        }
    }
    all
}

pub(super) fn name_of(point: &Point) -> String {
    format!("{:?} {} {:?}", point.whose, point.at, point.harm)
}

/// What a call may plausibly answer.
fn errnos(number: u64) -> &'static [i32] {
    use nix::libc::{self, EAGAIN, EINTR, EIO, EMFILE, ENOMEM, ENOSPC, EPERM};
    // These cannot fail, or it is done even if they say that it is not.
    let never = [
        libc::SYS_exit,
        libc::SYS_exit_group,
        libc::SYS_close,
        libc::SYS_rt_sigreturn,
        libc::SYS_getpid,
        libc::SYS_gettid,
        libc::SYS_getppid,
        libc::SYS_umask,
        libc::SYS_getuid,
        libc::SYS_geteuid,
        libc::SYS_getgid,
        libc::SYS_getegid,
        libc::SYS_munmap,
        libc::SYS_set_tid_address,
        libc::SYS_sched_yield,
        libc::SYS_clock_gettime,
        libc::SYS_rt_sigaction,
        libc::SYS_rt_sigprocmask,
    ];
    match i64::try_from(number) {
        Ok(number) if never.contains(&number) => &[],
        _ => &[ENOMEM, EINTR, EIO, ENOSPC, EMFILE, EPERM, EAGAIN],
    }
}
