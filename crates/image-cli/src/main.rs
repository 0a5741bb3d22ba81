//! `tare-image`: images from registries to bundles and back, without a daemon.
#![allow(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a program for people and scripts prints"
)]

#[macro_use(fail, failure)]
extern crate tare_image;

mod command;
mod identity;

use std::io::Write;
use std::process::ExitCode;

use nix::sys::signal::{SigSet, Signal};

/// Messages for people go to standard error, plain: what is asked for goes to standard output.
struct Log;

impl log::Log for Log {
    fn enabled(&self, metadata: &log::Metadata<'_>) -> bool {
        metadata.level() <= log::max_level() && metadata.target().starts_with("tare_image")
    }

    fn log(&self, record: &log::Record<'_>) {
        if self.enabled(record.metadata()) {
            say(&format!(
                "{}: {}",
                record.level().as_str().to_lowercase(),
                record.args()
            ));
        }
    }

    fn flush(&self) {}
}

static LOG: Log = Log;

/// Says something on one line.
fn say(text: &str) {
    let text = format!(
        "tare-image: {}\n",
        command::shown(&text.replace('\n', "\\n"))
    );
    // Nobody may be listening any more; that is no reason to fail.
    let _ = std::io::stderr().write_all(text.as_bytes());
}

fn main() -> ExitCode {
    let _ = log::set_logger(&LOG);
    log::set_max_level(log::LevelFilter::Warn);
    let arguments: Vec<_> = std::env::args_os().skip(1).collect();
    let failure = command::failure(&arguments);
    // Beyond RLIMIT_FSIZE a write is to fail, so that the error says which, instead of ending us without a word. Who is started has
    // no mask.
    if let Err(errno) = SigSet::from(Signal::SIGXFSZ).thread_block() {
        say(&format!("go on after large files: {errno}"));
        return failure;
    }
    match command::run(arguments) {
        Ok(code) => code,
        Err(error) => {
            // Who ended the pipe knows.
            if error.errno() != Some(nix::errno::Errno::EPIPE as i32) {
                say(&error.to_string());
            }
            failure
        }
    }
}
