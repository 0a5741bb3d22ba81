//! `list`: the containers of one store.

use std::fmt::Write;
use std::io::ErrorKind;

use libcontainer::{Container, StateReport, Store};

use super::{Arguments, Command};
use crate::failure::Failure;
use crate::flag::Flag;
use crate::global::{Global, RootFrom};
use crate::invocation::{Invocation, Order};
use crate::{logger, output};

static FORMAT: Flag = Flag::text("format", "FORMAT", "table or json (default: table)")
    .short("f")
    .one_of(&["table", "json"]);
static QUIET: Flag = Flag::switch("quiet", "print ids only").short("q");

pub(crate) static COMMAND: Command = Command {
    name: "list",
    summary: "list containers",
    synopsis: "",
    about: "Lists the containers below the directory that the global flag --root names.",
    examples: &[
        ("list", "all containers of this caller"),
        (
            "--root /run/runc list --format json",
            "those of another directory, as JSON",
        ),
        ("list --quiet", "only the ids"),
    ],
    flags: &[&FORMAT, &QUIET],
    order: Order::Anywhere,
    arguments: Arguments::Exactly(0),
    run,
};

fn run(global: &Global, invocation: &Invocation) -> Result<i32, Failure> {
    must_be_there(global)?;
    if invocation.switch(&QUIET) {
        let ids = global.store().ids()?;
        let text: String = ids.iter().flat_map(|id| [id.as_str(), "\n"]).collect();
        return output::print(&text).map(|()| 0);
    }
    let text = match invocation.text(&FORMAT) {
        None | Some("table") => table(&reports(global.store())?),
        Some("json") => match reports(global.store())? {
            reports if reports.is_empty() => "null\n".to_owned(),
            reports => output::line(&reports)?,
        },
        Some(_) => return Err(Failure::new("invalid format option")),
    };
    output::print(&text).map(|()| 0)
}

/// A directory that somebody named should exist; others appear with the first container.
fn must_be_there(global: &Global) -> Result<(), Failure> {
    match std::fs::metadata(&global.root) {
        Err(error) if error.kind() != ErrorKind::NotFound || global.root_from == RootFrom::Flag => {
            let doing = format!("open {}", global.root.display());
            Err(Failure::io(&doing, &error))
        }
        _ => Ok(()),
    }
}

/// The states of all containers that can be read. One that cannot be must not hide the others.
fn reports(store: &Store) -> Result<Vec<StateReport>, Failure> {
    let mut users = Users::default();
    let mut reports = Vec::new();
    for (id, container) in Container::all(store)? {
        let report = container
            .and_then(|container| container.state())
            .map_err(Failure::from)
            .and_then(|mut report| {
                report.owner = users.name(report.owner_id)?;
                Ok(report)
            });
        match report {
            Ok(report) => reports.push(report),
            Err(failure) => {
                let message = failure.message;
                logger::to_standard_error(&format!("load container {id}: {message}\n"));
            }
        }
    }
    Ok(reports)
}

/// Columns are at least 12 wide and three spaces apart; the last one is not padded.
fn table(reports: &[StateReport]) -> String {
    let header = ["ID", "PID", "STATUS", "BUNDLE", "CREATED", "OWNER"].map(str::to_owned);
    let mut rows = vec![header];
    rows.extend(reports.iter().map(|report| {
        [
            report.id.clone(),
            report.pid.to_string(),
            report.status.to_string(),
            report.bundle.clone(),
            report.created.clone(),
            report.owner.clone(),
        ]
    }));
    let width = |column: usize| {
        let longest = rows.iter().map(|row| row[column].chars().count()).max();
        (longest.unwrap_or(0) + 3).max(12)
    };
    let widths: Vec<usize> = (0..5).map(width).collect();
    let mut text = String::new();
    for row in &rows {
        for (cell, width) in row.iter().zip(&widths) {
            let _ = write!(text, "{cell:width$}");
        }
        let _ = writeln!(text, "{}", row[5]);
    }
    text
}

/// Names of users, from /etc/passwd, which is read once and only when there is somebody to name.
#[derive(Default)]
struct Users {
    passwd: Option<String>,
}

impl Users {
    /// A user without a name is shown as `#1000`.
    fn name(&mut self, uid: u32) -> Result<String, Failure> {
        const PASSWD: &str = "/etc/passwd";
        if self.passwd.is_none() {
            let text = match std::fs::read(PASSWD) {
                Err(error) if error.kind() == ErrorKind::NotFound => Vec::new(),
                answer => answer.map_err(|error| Failure::io(&format!("read {PASSWD}"), &error))?,
            };
            self.passwd = Some(String::from_utf8_lossy(&text).into_owned());
        }
        let passwd = self.passwd.as_deref().unwrap_or_default();
        Ok(user_name(passwd, uid))
    }
}

fn user_name(passwd: &str, uid: u32) -> String {
    let name = passwd.lines().find_map(|line| {
        let mut parts = line.split(':');
        let name = parts.next()?;
        (parts.nth(1)?.parse() == Ok(uid)).then_some(name)
    });
    name.map_or_else(|| format!("#{uid}"), str::to_owned)
}

#[cfg(test)]
mod tests {
    use libcontainer::Status;

    use super::*;

    #[test]
    fn an_empty_table_is_its_header() {
        assert_eq!(
            table(&[]),
            "ID          PID         STATUS      BUNDLE      CREATED     OWNER\n"
        );
    }

    #[test]
    fn columns_grow_with_their_words() {
        let report = StateReport {
            oci_version: "1.3.0".to_owned(),
            id: "a-rather-long-id".to_owned(),
            pid: 12,
            status: Status::Running,
            bundle: "/bündel".to_owned(),
            rootfs: "/bündel/rootfs".to_owned(),
            created: "2026-11-21T10:00:00.5Z".to_owned(),
            annotations: Vec::new(),
            owner: "root".to_owned(),
            owner_id: 0,
        };
        let table = table(&[report]);
        let lines: Vec<&str> = table.lines().collect();
        assert_eq!(
            lines,
            [
                "ID                 PID         STATUS      BUNDLE      CREATED                  OWNER",
                "a-rather-long-id   12          running     /bündel     2026-11-21T10:00:00.5Z   root",
            ]
        );
    }

    #[test]
    fn users_have_names_or_numbers() {
        let passwd = "root:x:0:0:root:/root:/bin/sh\nbroken\nbob:x:1000:1000::/:\n";
        assert_eq!(user_name(passwd, 0), "root");
        assert_eq!(user_name(passwd, 1000), "bob");
        assert_eq!(user_name(passwd, 7), "#7");
    }
}
