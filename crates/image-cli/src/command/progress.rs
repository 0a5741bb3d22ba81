//! How far content on its way is, on standard error.

use std::fmt::Write as _;
use std::io::{IsTerminal, Write};
use std::str::FromStr;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use oci_spec::image::Descriptor;
use serde_json::{Value, json};
use tare_image::progress::{Watch, size};
use tare_image::{Error, Result};

/// Bars and events come no more often.
const PAUSE: Duration = Duration::from_millis(100);
/// Characters of a line with a bar.
const WIDTH: usize = 78;

/// In which way it is shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Form {
    /// A bar for each layer.
    Bar,
    /// A line for each layer when it is there.
    Plain,
    /// Events for programs, each an object on a line.
    Json,
    None,
}

impl Default for Form {
    fn default() -> Self {
        match std::io::stderr().is_terminal() {
            true => Form::Bar,
            false => Form::Plain,
        }
    }
}

impl FromStr for Form {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        Ok(match text {
            "bar" => Form::Bar,
            "plain" => Form::Plain,
            "json" => Form::Json,
            "none" => Form::None,
            _ => fail!(Usage: "progress {text:?}" => "bar, plain, json and none exist"),
        })
    }
}

/// Shows it as long as it lives.
#[derive(Debug)]
pub(super) struct Shown {
    form: Form,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    rows: Vec<Row>,
    /// Lines that are to be written over.
    drawn: usize,
    last: Instant,
}

#[derive(Debug)]
struct Row {
    content: Descriptor,
    done: u64,
    begun: Instant,
    took: Option<Duration>,
    /// It stays on the screen.
    told: bool,
}

impl Shown {
    pub(super) fn new(form: Form) -> Self {
        let state = State {
            rows: Vec::new(),
            drawn: 0,
            last: Instant::now(),
        };
        Shown {
            form,
            state: Mutex::new(state),
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn event(&self, event: &Value) {
        if self.form == Form::Json {
            tell(&format!("{event}\n"));
        }
    }
}

/// Nobody may be listening any more; that is no reason to fail.
fn tell(text: &str) {
    let _ = std::io::stderr().write_all(text.as_bytes());
}

impl Watch for Shown {
    fn expect(&self, layers: usize, bytes: u64) {
        self.event(&json!({"event": "expect", "layers": layers, "bytes": bytes}));
    }

    fn begin(&self, content: &Descriptor) -> Result<()> {
        let mut state = self.lock();
        state
            .rows
            .retain(|row| row.content.digest() != content.digest());
        state.rows.push(Row {
            content: content.clone(),
            done: 0,
            begun: Instant::now(),
            took: None,
            told: false,
        });
        let (digest, size) = (content.digest(), content.size());
        self.event(&json!({"event": "begin", "digest": digest, "size": size}));
        Ok(())
    }

    fn bytes(&self, content: &Descriptor, count: u64) -> Result<()> {
        let mut state = self.lock();
        let mut rows = state.rows.iter_mut();
        let row = rows.find(|row| row.content.digest() == content.digest());
        let done = row.map_or(0, |row| {
            row.done += count;
            row.done
        });
        if state.last.elapsed() >= PAUSE {
            state.last = Instant::now();
            let (digest, size) = (content.digest(), content.size());
            self.event(&json!({"event": "bytes", "digest": digest, "size": size, "done": done}));
            if self.form == Form::Bar {
                tell(&state.draw());
            }
        }
        Ok(())
    }

    fn end(&self, content: &Descriptor) {
        let mut state = self.lock();
        let mut rows = state.rows.iter_mut();
        let Some(row) = rows.find(|row| row.content.digest() == content.digest()) else {
            return;
        };
        let took = row.begun.elapsed();
        row.took = Some(took);
        let (digest, size) = (content.digest(), content.size());
        let seconds = took.as_secs_f64();
        self.event(&json!({"event": "end", "digest": digest, "size": size, "seconds": seconds}));
        if [Form::Bar, Form::Plain].contains(&self.form) {
            tell(&state.draw());
        }
    }
}

impl Drop for Shown {
    fn drop(&mut self) {
        let mut state = self.lock();
        state.rows.retain(|row| row.took.is_some());
        if state.drawn > 0 {
            tell(&state.draw());
        }
    }
}

impl State {
    /// What to write to have the finished layers above, for good, and bars for the others below.
    fn draw(&mut self) -> String {
        let mut out = String::new();
        if self.drawn > 0 {
            let _ = write!(out, "\x1b[{}A\r\x1b[J", self.drawn);
        }
        for row in self
            .rows
            .iter_mut()
            .filter(|row| row.took.is_some() && !row.told)
        {
            row.told = true;
            out.push_str(&row.line());
            out.push('\n');
        }
        self.drawn = 0;
        if std::io::stderr().is_terminal() {
            for row in self.rows.iter().filter(|row| row.took.is_none()) {
                out.push_str(&row.line());
                out.push('\n');
                self.drawn += 1;
            }
        }
        out
    }
}

impl Row {
    /// Name, size, rate and time; with a bar as long as it is not finished.
    fn line(&self) -> String {
        let took = self.took.unwrap_or_else(|| self.begun.elapsed());
        let seconds = took.as_secs_f64();
        let whole = self.content.size();
        let rate = size((self.done as f64 / seconds.max(0.001)) as u64);
        let name = format!("{:.12}", self.content.digest().digest());
        if self.took.is_some() && self.done == 0 {
            // Of another repository of the registry.
            return format!("{name}  {:>9}  was there", size(whole));
        }
        if self.took.is_some() {
            return format!("{name}  {:>9}  {seconds:.1} s  {rate}/s", size(whole));
        }
        let done = self.done;
        let figures = format!(" {}/{} {rate}/s", size(done), size(whole));
        let room = WIDTH.saturating_sub(name.len() + figures.len() + 3);
        let full = room as u64 * done.min(whole);
        let full = full.checked_div(whole).unwrap_or(0) as usize;
        let (full, rest) = ("#".repeat(full), " ".repeat(room - full));
        format!("{name} [{full}{rest}]{figures}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_have_one_width_and_tell_size_rate_and_time() {
        let digest = format!("sha256:{}", "ab".repeat(32));
        let row = |size: u64, done: u64, took: Option<u64>| Row {
            content: Descriptor::new(
                "x".into(),
                size,
                digest.parse::<oci_spec::image::Digest>().unwrap(),
            ),
            done,
            begun: Instant::now(),
            took: took.map(Duration::from_secs),
            told: false,
        };
        for (size, done) in [
            (0, 0),
            (10, 0),
            (10, 5),
            (10, 10),
            (10, 20),
            (1 << 40, 1 << 30),
        ] {
            let line = row(size, done, None).line();
            assert!(line.len() == WIDTH && line.contains('['), "{line}");
        }
        assert_eq!(
            row(5_000_000, 5_000_000, Some(2)).line(),
            "abababababab     5.0 MB  2.0 s  2.5 MB/s"
        );
    }

    #[test]
    fn what_is_finished_is_told_once() {
        let shown = Shown::new(Form::None);
        let content = Descriptor::new(
            "x".into(),
            3u64,
            format!("sha256:{}", "0".repeat(64))
                .parse::<oci_spec::image::Digest>()
                .unwrap(),
        );
        shown.begin(&content).unwrap();
        shown.bytes(&content, 3).unwrap();
        shown.end(&content);
        let mut state = shown.lock();
        assert_eq!(state.draw().lines().count(), 1);
        assert_eq!(state.draw(), "");
    }
}
