//! Counting bytes, and showing the count on a terminal.

use std::io::{IsTerminal, Write};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// Bytes done and to do, shared between threads.
#[derive(Debug, Default)]
pub struct Progress {
    done: AtomicU64,
    total: AtomicU64,
}

impl Progress {
    /// More to do.
    pub fn expect(&self, bytes: u64) {
        self.total.fetch_add(bytes, Ordering::Relaxed);
    }

    /// More done.
    pub fn add(&self, bytes: u64) {
        self.done.fetch_add(bytes, Ordering::Relaxed);
    }

    /// Bytes done and to do.
    pub fn get(&self) -> (u64, u64) {
        (
            self.done.load(Ordering::Relaxed),
            self.total.load(Ordering::Relaxed),
        )
    }
}

/// A bar on standard error while it lives; nothing at all when that is no terminal.
pub struct Bar {
    stop: Arc<(Mutex<bool>, std::sync::Condvar)>,
    thread: Option<JoinHandle<()>>,
    shown: Arc<AtomicBool>,
}

impl Bar {
    /// Shows `progress` under `title`, from a quarter of a second on: what is quicker needs no bar.
    pub fn start(title: &str, progress: Arc<Progress>) -> Self {
        let stop = Arc::new((Mutex::new(false), std::sync::Condvar::new()));
        let shown = Arc::new(AtomicBool::new(false));
        let thread = std::io::stderr().is_terminal().then(|| {
            let (stop, shown, title) = (stop.clone(), shown.clone(), title.to_string());
            std::thread::spawn(move || {
                let start = Instant::now();
                let mut stopped = stop.0.lock().unwrap_or_else(PoisonError::into_inner);
                while !*stopped {
                    let waited = stop.1.wait_timeout(stopped, Duration::from_millis(250));
                    stopped = waited.unwrap_or_else(PoisonError::into_inner).0;
                    if !*stopped {
                        let (done, total) = progress.get();
                        let line = line(&title, done, total, start.elapsed(), 80);
                        shown.store(true, Ordering::Relaxed);
                        let _ = write!(std::io::stderr(), "\r\x1b[K{line}");
                    }
                }
            })
        });
        Bar {
            stop,
            thread,
            shown,
        }
    }
}

impl Drop for Bar {
    fn drop(&mut self) {
        *self.stop.0.lock().unwrap_or_else(PoisonError::into_inner) = true;
        self.stop.1.notify_all();
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
        if self.shown.load(Ordering::Relaxed) {
            let _ = write!(std::io::stderr(), "\r\x1b[K");
        }
    }
}

fn line(title: &str, done: u64, total: u64, elapsed: Duration, width: usize) -> String {
    let rate = (done as f64 / elapsed.as_secs_f64().max(0.001)) as u64;
    let figures = format!(" {}/{} {}/s", size(done), size(total), size(rate));
    let room = width.saturating_sub(title.chars().count() + figures.len() + 3);
    let full = (room as u64 * done.min(total))
        .checked_div(total)
        .unwrap_or(0) as usize;
    format!(
        "{title} [{}{}]{figures}",
        "#".repeat(full),
        " ".repeat(room - full)
    )
}

/// Bytes for people.
pub fn size(bytes: u64) -> String {
    let mut value = bytes as f64;
    let mut unit = "B";
    for next in ["kB", "MB", "GB", "TB"] {
        if value < 1000.0 {
            break;
        }
        value /= 1000.0;
        unit = next;
    }
    if unit == "B" {
        format!("{bytes} B")
    } else {
        format!("{value:.1} {unit}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bars_have_one_width() {
        for (done, total) in [
            (0, 0),
            (0, 10),
            (5, 10),
            (10, 10),
            (20, 10),
            (123_456_789, 1_000_000_000),
        ] {
            let line = line("pull a", done, total, Duration::from_secs(1), 80);
            assert!(line.len() <= 80, "{line}");
            assert!(line.contains('['), "{line}");
        }
        assert_eq!(
            line("t", 5, 10, Duration::from_secs(1), 30),
            "t [#####      ] 5 B/10 B 5 B/s"
        );
        assert_eq!(size(999), "999 B");
        assert_eq!(size(1_500_000), "1.5 MB");
    }
}
