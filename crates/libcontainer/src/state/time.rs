//! The date in records: the only place that asks the clock.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use crate::Error;

/// Now, as RFC 3339 in UTC, with as many digits of the second as say something: so runc writes them, who reads our record and
/// writes it anew.
#[expect(
    clippy::disallowed_methods,
    reason = "a clock before 1970 is no reason to run nothing"
)]
pub(crate) fn now() -> String {
    let since = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default();
    format(since.as_secs(), since.subsec_nanos())
}

/// How long the machine has run, which nobody sets.
pub(crate) fn since_boot() -> Result<Duration, Error> {
    kernel::clock::since_boot()
        .map_err(|fault| Error::call("ask how long the machine has run", fault))
}

fn format(seconds: u64, nanoseconds: u32) -> String {
    let (days, rest) = (seconds / 86_400, seconds % 86_400);
    let (year, month, day) = date_of(days as i64);
    let (hour, minute, second) = (rest / 3600, rest / 60 % 60, rest % 60);
    let part = format!(".{nanoseconds:09}");
    let part = part.trim_end_matches('0').trim_end_matches('.');
    format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}{part}Z")
}

/// Year, month and day of a day counted from 1970-01-01, by the Gregorian calendar: years are counted from March, so
/// that the leap day is the last of a year, in eras of 400 years, which all have 146,097 days.
fn date_of(days: i64) -> (i64, i64, i64) {
    let from_march_0 = days + 719_468;
    let (era, day_of_era) = (
        from_march_0.div_euclid(146_097),
        from_march_0.rem_euclid(146_097),
    );
    let year_of_era =
        (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month_from_march = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month_from_march + 2) / 5 + 1;
    let month = if month_from_march < 10 {
        month_from_march + 3
    } else {
        month_from_march - 9
    };
    (year_of_era + era * 400 + i64::from(month <= 2), month, day)
}

#[cfg(test)]
mod tests {
    use super::format;

    #[test]
    fn dates_are_those_of_date_1() {
        let cases = [
            (0, "1970-01-01T00:00:00Z"),
            (951_782_399, "2000-02-28T23:59:59Z"),
            (951_782_400, "2000-02-29T00:00:00Z"),
            (1_709_251_199, "2024-02-29T23:59:59Z"),
            (4_107_542_400, "2100-03-01T00:00:00Z"),
        ];
        for (seconds, expected) in cases {
            assert_eq!(format(seconds, 0), expected);
        }
        assert!(format(0, 5).ends_with(":00.000000005Z"));
        assert!(format(0, 500_000_000).ends_with(":00.5Z"));
    }
}
