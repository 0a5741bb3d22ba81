//! `login`: keep credentials for a registry, after trying them. `logout`: forget them.

use std::io::{BufRead, IsTerminal, Write};

use tare_image::reference::Reference;
use tare_image::{Error, Result};

use super::{Line, Options, put};

pub(super) const VERB: &str = "
login HOST  Keep credentials for a registry
--username, -u NAME  asked for when missing
--password-stdin  read the password from standard input
";

pub(super) const LOGOUT: &str = "
logout HOST  Forget the credentials for a registry
";

/// A repository is only needed to have a whole reference.
fn host(line: &Line) -> Result<Reference> {
    format!("{}/login", line.arguments[0]).parse()
}

pub(super) fn logout(line: &Line, options: &Options) -> Result<u8> {
    let reference = host(line)?;
    let credentials = &options.registry.options().credentials;
    if !credentials.erase(reference.host())? {
        fail!(NotFound: "there are no credentials for {}", line.arguments[0]);
    }
    Ok(0)
}

pub(super) fn run(line: &Line, options: &Options) -> Result<u8> {
    let reference = host(line)?;
    let user = match line.text("--username") {
        Some(user) => user.to_string(),
        None => ask("User: ", true)?,
    };
    let password = match line.has("--password-stdin") || !std::io::stdin().is_terminal() {
        true => ask("", true)?,
        false => ask("Password: ", false)?,
    };
    if user.is_empty() || password.is_empty() || user.contains(':') {
        fail!(Usage: "name and password must not be empty, and a name has no colon");
    }
    let registry = &options.registry;
    registry.try_credentials(&reference, &user, &password)?;
    let credentials = &registry.options().credentials;
    let place = credentials.store(reference.host(), &user, &password)?;
    put!("kept in {place}");
    Ok(0)
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
