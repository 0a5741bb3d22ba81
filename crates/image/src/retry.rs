//! When to try again, and how long to wait before.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use crate::error::{Error, Result, Retry};

/// How persistent to be.
#[derive(Clone, Copy, Debug)]
pub struct Patience {
    /// Attempts in a row that bring nothing, until giving up.
    pub attempts: u32,
    /// The first pause; each further one is twice as long.
    pub first: Duration,
    /// The longest pause, and the longest `Retry-After` that is obeyed.
    pub longest: Duration,
}

/// For what is repeated together with what follows it, or not at all.
pub(crate) const ONCE: Patience = Patience {
    attempts: 1,
    first: Duration::ZERO,
    longest: Duration::MAX,
};

impl Default for Patience {
    fn default() -> Self {
        Patience {
            attempts: 6,
            first: Duration::from_millis(250),
            longest: Duration::from_secs(60),
        }
    }
}

impl Patience {
    /// Runs `attempt` until it succeeds, or trying again makes no sense.
    pub(crate) fn run<T>(self, mut attempt: impl FnMut() -> Result<T>) -> Result<T> {
        let mut attempts = Attempts::new(self);
        loop {
            match attempt() {
                Err(error) => attempts.pause(error)?,
                done => return done,
            }
        }
    }
}

/// Counts the attempts of one operation.
pub(crate) struct Attempts {
    patience: Patience,
    failed: u32,
}

impl Attempts {
    pub(crate) fn new(patience: Patience) -> Self {
        Attempts {
            patience,
            failed: 0,
        }
    }

    /// Something was achieved: start counting anew.
    pub(crate) fn progress(&mut self) {
        self.failed = 0;
    }

    /// Waits if the operation that failed with `error` should be tried again; else returns the error.
    pub(crate) fn pause(&mut self, error: Error) -> Result<()> {
        self.failed += 1;
        if self.failed >= self.patience.attempts {
            let hint = format!("Gave up after {} attempts", self.failed);
            let once = self.patience.attempts == 1 || error.retry() == Retry::Never;
            return Err(if once { error } else { error.and(&hint) });
        }
        let pause = match error.retry() {
            Retry::Never => return Err(error),
            Retry::After(seconds) if Duration::from_secs(seconds) > self.patience.longest => {
                return Err(error.and(&format!("The registry asks to wait {seconds} s")));
            }
            Retry::After(seconds) => Duration::from_secs(seconds),
            Retry::Later => self.backoff(),
        };
        log::info!("{error}; trying again in {} ms", pause.as_millis());
        std::thread::sleep(pause);
        Ok(())
    }

    /// Doubles, with up to a quarter added so that many clients do not come back at the same moment.
    fn backoff(&self) -> Duration {
        let base = self
            .patience
            .first
            .saturating_mul(1 << (self.failed - 1).min(16))
            .min(self.patience.longest);
        let noise = SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .map_or(0, |d| d.subsec_nanos())
            % 1000;
        base + base.mul_f64(f64::from(noise) / 4000.0)
    }
}

/// `Retry-After` (RFC 9110, section 10.2.3): seconds, or a date.
pub(crate) fn retry_after(value: &str, now: SystemTime) -> Option<u64> {
    let value = value.trim();
    if let Ok(seconds) = value.parse() {
        return Some(seconds);
    }
    let then = httpdate::parse_http_date(value).ok()?;
    Some(then.duration_since(now).map_or(0, |left| left.as_secs()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_and_seconds() {
        let now = UNIX_EPOCH + Duration::from_secs(784_111_777);
        assert_eq!(retry_after("120", now), Some(120));
        assert_eq!(retry_after("Sun, 06 Nov 1994 08:49:47 GMT", now), Some(10));
        assert_eq!(retry_after("Sun, 06 Nov 1994 08:00:00 GMT", now), Some(0));
        assert_eq!(retry_after("soon", now), None);
        for odd in [
            "Sun, 06 Nov 19988:8888888888888882 084:9:3 0GMT",
            "Sun, 06 Nov 99999 08:49:37 GMT",
            "Sun, 00 Nov 1994 08:49:37 GMT",
            "Sun, 06 Nov 1994 24:49:37 GMT",
        ] {
            assert_eq!(retry_after(odd, now), None);
        }
    }

    #[test]
    fn gives_up_after_the_given_number() {
        let patience = Patience {
            attempts: 3,
            first: Duration::from_millis(1),
            longest: Duration::from_secs(1),
        };
        let fail = || Error::network("cut", Retry::Later);
        let mut attempts = Attempts::new(patience);
        assert!(attempts.pause(fail()).is_ok());
        assert!(attempts.pause(fail()).is_ok());
        attempts.progress();
        assert!(attempts.pause(fail()).is_ok());
        assert!(attempts.pause(fail()).is_ok());
        assert!(
            attempts
                .pause(fail())
                .unwrap_err()
                .to_string()
                .contains("3 attempts")
        );
        let mut attempts = Attempts::new(patience);
        assert!(
            attempts
                .pause(Error::network("x", Retry::After(3600)))
                .unwrap_err()
                .to_string()
                .contains("3600 s")
        );
        assert!(attempts.pause(Error::network("x", Retry::Never)).is_err());
    }
}
