//! Where the time of an operation goes: recorded when somebody asks for it, by a counter that costs no system call.

use std::cell::RefCell;
use std::fmt;
use std::mem::ManuallyDrop;
use std::time::Duration;

use init::report::{self, STAMPED_LENGTH};
use kernel::{Fd, clock, file};
use serde::{Serialize, Serializer};
use spec::ConfigPath;

use crate::plan::{Plan, Step};

/// Who was at work.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum By {
    /// This program.
    Runtime,
    /// The container's first process, before it became the user's program.
    Child,
}

/// Something that took time.
#[derive(Clone, Debug, Serialize)]
pub struct Span {
    /// When it began, from the beginning of the recording.
    #[serde(rename = "begin_ns", serialize_with = "nanoseconds")]
    pub begin: Duration,
    /// How long it took.
    #[serde(rename = "length_ns", serialize_with = "nanoseconds")]
    pub length: Duration,
    /// Who did it.
    pub by: By,
    /// What was done, in words.
    pub name: String,
    /// The config field that it comes from; may be empty.
    pub config: String,
}

fn nanoseconds<S: Serializer>(time: &Duration, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_u64(time.as_nanos() as u64)
}

/// What was recorded.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Timings {
    /// When the recording began: the time of CLOCK_MONOTONIC, so that recordings of several processes fit together.
    #[serde(rename = "began_ns", serialize_with = "nanoseconds")]
    pub began: Duration,
    /// How long it took.
    #[serde(rename = "length_ns", serialize_with = "nanoseconds")]
    pub length: Duration,
    /// The parts, in the order in which they began. Parts of the two sides overlap: one waits while the other works.
    pub spans: Vec<Span>,
}

/// Records what the calling thread does in this library meanwhile. Where the debug log is on, that tells every part as it
/// begins, and how long it took.
pub fn record<T>(work: impl FnOnce() -> T) -> (T, Timings) {
    let recorder = Recorder {
        began: now(),
        zero: clock::ticks(),
        marks: Vec::with_capacity(16),
    };
    let before = RECORDER.replace(ManuallyDrop::new(Some(Box::new(recorder))));
    let answer = work();
    let recorder = RECORDER.replace(before);
    let timings = ManuallyDrop::into_inner(recorder)
        .map_or_else(Timings::default, |recorder| recorder.finish());
    (answer, timings)
}

fn now() -> Duration {
    clock::monotonic().unwrap_or_default()
}

/// What turns the counter's ticks into time: both are read at the beginning and at the end.
struct Scale {
    zero: u64,
    nanoseconds: f64,
}

impl Scale {
    fn time(&self, ticks: u64) -> Duration {
        Duration::from_nanos((ticks as f64 * self.nanoseconds) as u64)
    }

    fn span(&self, mark: Mark) -> Span {
        Span {
            begin: self.time(mark.begin.saturating_sub(self.zero)),
            length: self.time(mark.end.saturating_sub(mark.begin)),
            by: mark.by,
            name: mark.name,
            config: mark.config.to_string(),
        }
    }
}

/// As [`Span`], in ticks.
struct Mark {
    begin: u64,
    end: u64,
    by: By,
    name: String,
    config: ConfigPath,
}

/// A recording in progress.
struct Recorder {
    began: Duration,
    /// The counter at that time.
    zero: u64,
    marks: Vec<Mark>,
}

impl Recorder {
    /// What the counter is worth, as far as can be told by now.
    fn scale(&self) -> Scale {
        let elapsed = now().saturating_sub(self.began).as_nanos() as f64;
        let ticks = clock::ticks().saturating_sub(self.zero).max(1);
        Scale {
            zero: self.zero,
            nanoseconds: elapsed / ticks as f64,
        }
    }

    fn finish(self) -> Timings {
        let (scale, length) = (self.scale(), now().saturating_sub(self.began));
        let spans = self.marks.into_iter().map(|mark| scale.span(mark));
        let mut spans: Vec<Span> = spans.collect();
        spans.sort_by_key(|span| span.begin);
        Timings {
            began: self.began,
            length,
            spans,
        }
    }

    fn push(&mut self, mark: Mark) -> usize {
        self.marks.push(mark);
        self.marks.len() - 1
    }

    fn log_end(&self, mark: &Mark) {
        if log::log_enabled!(log::Level::Debug) {
            let length = self.scale().time(mark.end.saturating_sub(mark.begin));
            log::debug!("{mark}: took {length:?}");
        }
    }
}

impl fmt::Display for Mark {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let by = match self.by {
            By::Runtime => "runtime",
            By::Child => "child process in init()",
        };
        write!(f, "{by}: {}", self.name)?;
        match self.config.is_none() {
            true => Ok(()),
            false => write!(f, " ({})", self.config),
        }
    }
}

thread_local! {
    /// [`record`] takes it out again: there is nothing to be dropped at the end of the thread, for which each thread would have to be
    /// registered at its first part.
    static RECORDER: RefCell<ManuallyDrop<Option<Box<Recorder>>>> =
        const { RefCell::new(ManuallyDrop::new(None)) };
}

/// Whether somebody asked for it.
pub(crate) fn is_on() -> bool {
    RECORDER.with_borrow(|recorder| recorder.is_some())
}

/// A part of the runtime's work, until this is dropped.
#[derive(Debug)]
#[must_use = "the part ends when this is dropped"]
pub struct Part(Option<usize>);

impl Drop for Part {
    fn drop(&mut self) {
        let Some(index) = self.0 else { return };
        RECORDER.with_borrow_mut(|recorder| {
            let Some(recorder) = &mut **recorder else {
                return;
            };
            if let Some(mark) = recorder.marks.get_mut(index) {
                mark.end = clock::ticks();
            }
            if let Some(mark) = recorder.marks.get(index) {
                recorder.log_end(mark);
            }
        });
    }
}

/// A part of the calling thread's work begins: for programs that do something between their calls which should stand in the
/// recording, too.
pub fn part(name: &str) -> Part {
    begin(|| (name.to_owned(), ConfigPath::none()))
}

/// A step of a plan begins, one of the runtime's.
pub(crate) fn step(plan: &Plan, index: usize) -> Part {
    begin(|| (plan.describe(index), plan.entries[index].from.clone()))
}

fn begin(what: impl FnOnce() -> (String, ConfigPath)) -> Part {
    RECORDER.with_borrow_mut(|recorder| {
        let Some(recorder) = &mut **recorder else {
            return Part(None);
        };
        let (name, config) = what();
        let mut mark = Mark {
            begin: 0,
            end: 0,
            by: By::Runtime,
            name,
            config,
        };
        log::debug!("{mark}");
        mark.begin = clock::ticks();
        mark.end = mark.begin;
        Part(Some(recorder.push(mark)))
    })
}

/// The child's steps, from the stamps in its report: when each began (0: it did not). The last one ends now.
pub(crate) fn child(plan: &Plan, report: &Fd) {
    RECORDER.with_borrow_mut(|recorder| {
        let Some(recorder) = &mut **recorder else {
            return;
        };
        let mut page = [0; STAMPED_LENGTH];
        let length = file::read_at(report.borrow(), &mut page, 0).unwrap_or(0);
        let stamps = report::stamps(&page[..length]).zip(0..);
        let stamps = stamps.filter(|(ticks, _)| *ticks != 0);
        let mut began: Vec<(u64, usize)> = stamps.collect();
        began.sort_unstable();
        let ends = began.iter().skip(1).map(|(ticks, _)| *ticks);
        let ends: Vec<u64> = ends.chain([clock::ticks()]).collect();
        for ((begin, index), end) in began.into_iter().zip(ends) {
            let Some(entry) = plan.entries.get(index) else {
                continue;
            };
            let name = match entry.step {
                Step::Runtime(_) => "wait for the runtime".to_owned(),
                Step::Child(_) => plan.describe(index),
            };
            let mark = Mark {
                begin,
                end,
                by: By::Child,
                name,
                config: entry.from.clone(),
            };
            recorder.log_end(&mark);
            recorder.push(mark);
        }
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_are_recorded_when_somebody_asks() {
        drop(part("nobody asks"));
        assert!(!is_on());
        let pause = Duration::from_millis(20);
        let (answer, timings) = record(|| {
            let outer = part("outer");
            drop(part("inner"));
            std::thread::sleep(pause);
            drop(outer);
            7
        });
        assert_eq!(answer, 7);
        let names: Vec<&str> = timings
            .spans
            .iter()
            .map(|span| span.name.as_str())
            .collect();
        assert_eq!(names, ["outer", "inner"]);
        let [outer, inner] = &timings.spans[..] else {
            unreachable!()
        };
        assert!(
            outer.length >= pause && outer.length <= timings.length,
            "{timings:?}"
        );
        assert!(
            inner.length < pause && inner.begin >= outer.begin,
            "{timings:?}"
        );
        assert!(!is_on());
    }
}
