//! `login`: keep credentials for a registry, after trying them.

use std::io::{BufRead, IsTerminal, Write};
use std::process::ExitCode;

use tare_image::reference::Reference;
use tare_image::{Error, Result};

use super::options::{self, Options, Outcome, text};
use super::output::put;

pub(super) const COMMAND: super::Command = super::Command {
    name: "login",
    usage: "HOST",
    about: "Keep credentials for a registry",
    options: &[
        ("--username, -u NAME", "asked for when missing"),
        ("--password-stdin", "read the password from standard input"),
    ],
    run,
};

fn run(parser: lexopt::Parser) -> Outcome<ExitCode> {
    let mut options = Options::default();
    let (mut user, mut from_input) = (None, false);
    let values = options::parse(parser, &mut options, |name, parser| {
        match name {
            "username" | "u" => user = Some(text(parser)?),
            "password-stdin" => from_input = true,
            _ => return Ok(false),
        }
        Ok(true)
    })?;
    let [host] = options::exactly(values, ["HOST"])?;
    // A repository is only needed to have a whole reference.
    let reference: Reference = format!("{host}/login").parse()?;
    let user = match user {
        Some(user) => user,
        None => ask("User: ", true)?,
    };
    let password = if from_input || !std::io::stdin().is_terminal() {
        ask("", true)?
    } else {
        ask("Password: ", false)?
    };
    if user.is_empty() || password.is_empty() || user.contains(':') {
        fail!(Usage: "name and password must not be empty, and a name has no colon");
    }
    options
        .registry()?
        .try_credentials(&reference, &user, &password)?;
    let place = options
        .credentials()
        .store(reference.host(), &user, &password)?;
    put!("kept in {place}");
    Ok(ExitCode::SUCCESS)
}

/// One line of input; without echo when it is a secret.
fn ask(prompt: &str, echo: bool) -> Result<String> {
    use rustix::termios::{LocalModes, OptionalActions, tcgetattr, tcsetattr};
    let error = |e| Error::system("read input", e);
    eprint!("{prompt}");
    let _ = std::io::stderr().flush();
    let input = std::io::stdin();
    let before = if echo { None } else { tcgetattr(&input).ok() };
    if let Some(before) = &before {
        let mut silent = before.clone();
        silent.local_modes.remove(LocalModes::ECHO);
        let _ = tcsetattr(&input, OptionalActions::Flush, &silent);
    }
    let mut line = String::new();
    let result = input.lock().read_line(&mut line).map_err(error);
    if let Some(before) = &before {
        let _ = tcsetattr(&input, OptionalActions::Flush, before);
        eprintln!();
    }
    result?;
    Ok(line.trim_end_matches(['\n', '\r']).to_string())
}
