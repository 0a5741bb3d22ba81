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
    let pids = Container::open(&global.store(), invocation.id()?)?.processes()?;
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

/// The header of a table and the lines whose column `PID` names one of `pids`.
///
/// The column is found by counting words, which works as long as no column left of it holds spaces: true for the
/// formats of ps(1) by name.
fn only(table: &str, pids: &[i32]) -> Result<String, Failure> {
    let mut lines = table.lines();
    let header = lines.next().unwrap_or_default();
    let column = header
        .split_ascii_whitespace()
        .position(|word| word == "PID")
        .ok_or_else(|| Failure::new("couldn't find PID field in ps output"))?;
    let mut text = format!("{header}\n");
    for line in lines {
        let pid = line.split_ascii_whitespace().nth(column);
        let pid = pid.and_then(|word| word.parse::<i32>().ok());
        if pid.is_some_and(|pid| pids.contains(&pid)) {
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
        assert!(only("CMD\nsh\n", &[1]).is_err());
        assert!(only("", &[1]).is_err());
    }
}
