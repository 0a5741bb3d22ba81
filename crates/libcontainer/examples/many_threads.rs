//! Containers from many threads at once, in a program with a large heap in which other threads allocate all the time.
//!
//! Nothing here forks, so neither the size of the heap nor its locks matter. Needs root and a static busybox, or another
//! program that knows `sh -c`:
//!
//! ```sh
//! cargo run --release --example many_threads [THREADS [ROUNDS [MEBIBYTES]]]
//! ```

#[path = "many_threads/crowd.rs"]
mod crowd;

use std::process::ExitCode;

use crowd::Crowd;

fn main() -> ExitCode {
    let mut numbers = std::env::args().skip(1).map(|argument| argument.parse());
    let mut number = |default| numbers.next().map_or(Ok(default), |number| number);
    let mut crowd = || -> Result<Crowd, std::num::ParseIntError> {
        Ok(Crowd {
            threads: number(16)?,
            rounds: number(10)?,
            mebibytes: number(1024)?,
        })
    };
    let outcome = match (crowd(), crowd::missing()) {
        (Err(error), _) => Err(error.to_string()),
        (_, Some(missing)) => Err(missing.to_owned()),
        (Ok(crowd), None) => crowd.run(),
    };
    // Lines for people: this program is a command line.
    let (text, code) = match outcome {
        Ok(figures) => (figures.to_string(), ExitCode::SUCCESS),
        Err(error) => (format!("many_threads: {error}"), ExitCode::FAILURE),
    };
    let _ = std::io::Write::write_all(&mut std::io::stdout(), format!("{text}\n").as_bytes());
    code
}
