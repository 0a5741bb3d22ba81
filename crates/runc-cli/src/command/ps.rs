//! `ps`: the processes of a container, as ps(1) sees them.

use std::process::{Command as Process, Stdio};

use libcontainer::Container;

use super::{Arguments, Command};
use crate::failure::Failure;
use crate::flag::Flag;
use crate::global::Global;
use crate::invocation::{Invocation, Order};
use crate::output;

static FORMAT: Flag = Flag::text("format", "FORMAT", "table or json (default: table)")
    .short("f")
    .one_of(&["table", "json"]);

pub(crate) static COMMAND: Command = Command {
    name: "ps",
    summary: "list the processes of a container",
    synopsis: "ID [PS OPTIONS]",
    about: "\
The table is what ps prints with the given options (-ef when there are none),
reduced to the container's processes. As JSON, it is a list of process ids.",
    examples: &[
        ("ps web", "processes of web, as ps -ef shows them"),
        ("ps web -o pid,rss,args", "with options of ps"),
        ("ps --format json web", "only the process ids"),
    ],
    flags: &[&FORMAT],
    order: Order::AnywhereElseArguments,
    arguments: Arguments::AtLeast(1),
    run,
};

fn run(global: &Global, invocation: &Invocation) -> Result<i32, Failure> {
    let pids = Container::open(global.store(), invocation.id()?)?.processes()?;
    let text = match invocation.text(&FORMAT) {
        Some("json") => output::line(&pids)?,
        None | Some("table") => {
            let mut options = invocation.arguments_from(1)?;
            if options.is_empty() {
                options.push("-ef".to_owned());
            }
            only(&table(&options)?, &pids)?
        }
        Some(_) => return Err(Failure::new("invalid format option")),
    };
    output::print(&text).map(|()| 0)
}

fn table(options: &[String]) -> Result<String, Failure> {
    let output = Process::new("ps")
        .args(options)
        .stdin(Stdio::null())
        .stderr(Stdio::inherit())
        .output()
        .map_err(|error| Failure::io("exec: \"ps\"", &error))?;
    if !output.status.success() {
        return Err(Failure::new(format!(
            "ps {}: {}",
            options.join(" "),
            output.status
        )));
    }
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}

/// From where the words of a line are counted.
#[derive(Clone, Copy)]
enum Side {
    Left,
    Right,
}

/// The header of a table and the lines whose column `PID` names one of `pids`.
///
/// The column is found by counting words from the left or, where a column on that side holds spaces (`-o cmd,pid`), from the
/// right: on the side that finds a number in every line.
fn only(table: &str, pids: &[i32]) -> Result<String, Failure> {
    let (header, lines) = table.split_once('\n').unwrap_or((table, ""));
    let words = header.split_ascii_whitespace();
    let missing = || Failure::new("couldn't find PID field in ps output");
    let from_left = words.clone().position(|word| word == "PID");
    let from_right = words.rev().position(|word| word == "PID");
    let (left, right) = from_left.zip(from_right).ok_or_else(missing)?;
    let pid_of = |line: &str, side| {
        let mut words = line.split_ascii_whitespace();
        let word = match side {
            Side::Left => words.nth(left),
            Side::Right => words.nth_back(right),
        };
        word.and_then(|word| word.parse::<i32>().ok())
    };
    let side = [Side::Left, Side::Right]
        .into_iter()
        .find(|side| lines.lines().all(|line| pid_of(line, *side).is_some()))
        .ok_or_else(missing)?;
    let mut text = format!("{header}\n");
    for line in lines.lines() {
        if pid_of(line, side).is_some_and(|pid| pids.contains(&pid)) {
            text.push_str(line);
            text.push('\n');
        }
    }
    Ok(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_chosen_by_the_pid_column() {
        let table =
            "UID   PID  PPID CMD\nroot    1     0 init 7\nroot    7     1 a\nbob    70     7 b\n";
        assert_eq!(
            only(table, &[7, 99]).unwrap(),
            "UID   PID  PPID CMD\nroot    7     1 a\n"
        );
        // Columns with spaces to the left of it, as of `-o cmd,ppid,pid`.
        let table = "CMD    PPID PID\nsh -c a 7  0   1\nb        1   7\n";
        assert_eq!(
            only(table, &[7]).unwrap(),
            "CMD    PPID PID\nb        1   7\n"
        );
        // On both sides: no telling.
        assert!(only("CMD PID ARGS\nsh -c 7 sh -c\n", &[7]).is_err());
        assert!(only("CMD\nsh\n", &[1]).is_err());
        assert!(only("", &[1]).is_err());
    }
}
