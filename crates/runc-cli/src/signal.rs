//! Signals by name and number.

/// Names by number, from 1 on, as in signal(7) for all architectures that tare runs on.
const NAMES: [&str; 31] = [
    "HUP", "INT", "QUIT", "ILL", "TRAP", "ABRT", "BUS", "FPE", "KILL", "USR1", "SEGV", "USR2",
    "PIPE", "ALRM", "TERM", "STKFLT", "CHLD", "CONT", "STOP", "TSTP", "TTIN", "TTOU", "URG",
    "XCPU", "XFSZ", "VTALRM", "PROF", "WINCH", "IO", "PWR", "SYS",
];

const ALIASES: [(&str, i32); 4] = [("CLD", 17), ("IOT", 6), ("POLL", 29), ("UNUSED", 31)];

/// The first real-time signal that programs may use: the C libraries keep 32 and 33 for themselves.
const REAL_TIME_FIRST: i32 = 34;
const REAL_TIME_LAST: i32 = 64;

/// The names that have no number in them, for those who list them.
#[cfg(test)]
pub(crate) fn names() -> &'static [&'static str] {
    &NAMES
}

/// Sent by `kill` when nothing else is asked for.
pub(crate) const TERM: i32 = 15;

/// Reads `KILL`, `SIGKILL`, `kill`, `9`, `RTMIN+1`, `RTMAX-2`. 0 asks whether the process exists.
pub(crate) fn parse(text: &str) -> Option<i32> {
    if text.bytes().all(|byte| byte.is_ascii_digit()) {
        return text.parse().ok().filter(|n| *n <= REAL_TIME_LAST);
    }
    let upper = text.to_ascii_uppercase();
    let name = upper.strip_prefix("SIG").unwrap_or(&upper);
    if let Some(at) = NAMES.iter().position(|known| *known == name) {
        return Some(at as i32 + 1);
    }
    if let Some((_, number)) = ALIASES.iter().find(|(alias, _)| *alias == name) {
        return Some(*number);
    }
    real_time(name)
}

fn real_time(name: &str) -> Option<i32> {
    let (base, rest, sign) = match (name.strip_prefix("RTMIN"), name.strip_prefix("RTMAX")) {
        (Some(rest), _) => (REAL_TIME_FIRST, rest, '+'),
        (_, Some(rest)) => (REAL_TIME_LAST, rest, '-'),
        _ => return None,
    };
    let offset: u8 = match rest.strip_prefix(sign) {
        Some(digits) if digits.bytes().all(|byte| byte.is_ascii_digit()) => digits.parse().ok()?,
        None if rest.is_empty() => 0,
        _ => return None,
    };
    let number = match sign {
        '+' => base + i32::from(offset),
        _ => base - i32::from(offset),
    };
    (REAL_TIME_FIRST..=REAL_TIME_LAST)
        .contains(&number)
        .then_some(number)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_numbers_and_real_time_signals() {
        for (text, number) in [
            ("KILL", Some(9)),
            ("SIGKILL", Some(9)),
            ("kill", Some(9)),
            ("sigterm", Some(15)),
            ("9", Some(9)),
            ("0", Some(0)),
            ("64", Some(64)),
            ("CHLD", Some(17)),
            ("CLD", Some(17)),
            ("SYS", Some(31)),
            ("RTMIN", Some(34)),
            ("SIGRTMIN+1", Some(35)),
            ("rtmin+3", Some(37)),
            ("RTMAX-2", Some(62)),
            ("RTMIN+30", Some(64)),
            ("RTMIN+31", None),
            ("RTMAX-31", None),
            ("RTMAX+1", None),
            ("RTMIN+", None),
            ("RTMIN++1", None),
            ("65", None),
            ("-9", None),
            ("99999999999", None),
            ("SIG", None),
            ("", None),
            ("FOO", None),
        ] {
            assert_eq!(parse(text), number, "{text}");
        }
    }
}
