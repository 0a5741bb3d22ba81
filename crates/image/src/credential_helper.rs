//! Credential helpers: programs named `docker-credential-*` that keep secrets elsewhere (docker-credential-helpers, "Development").

use std::io::Write;
use std::process::{Command, Stdio};

use serde::Deserialize;

use crate::credentials::Credential;
use crate::error::{Error, Result};
use crate::json::parse_json;

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct HelperAnswer {
    username: String,
    secret: String,
}

/// What the helper has for `key`.
pub(crate) fn ask(helper: &str, key: &str) -> Result<Option<Credential>> {
    let output = match run(helper, "get", key) {
        Ok(output) => output,
        // The protocol has no other way to say "unknown".
        Err(e) if e.to_string().contains("credentials not found") => return Ok(None),
        Err(e) => return Err(e),
    };
    let answer: HelperAnswer =
        parse_json(&output, &format!("answer of docker-credential-{helper}"))?;
    Ok(match answer.username.as_str() {
        "" => None,
        "<token>" => Some(Credential::IdentityToken(answer.secret)),
        _ => Some(Credential::Basic {
            user: answer.username,
            password: answer.secret,
        }),
    })
}

/// Runs `docker-credential-HELPER VERB` with `input`, and returns what it prints.
pub(crate) fn run(helper: &str, verb: &str, input: &str) -> Result<Vec<u8>> {
    let name = format!("docker-credential-{helper}");
    if helper.contains('/') {
        fail!(Unsafe: "credential helper {helper:?} has a slash in its name");
    }
    let error = |e| Error::system(format!("run {name}"), e);
    let mut child = Command::new(&name)
        .arg(verb)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .map_err(|e| {
            error(e).hint("It is named in the credentials file; install it or take the entry out")
        })?;
    if let Some(mut stdin) = child.stdin.take() {
        // A helper that does not read its input says on its own why.
        let _ = stdin.write_all(input.as_bytes());
    }
    let output = child.wait_with_output().map_err(error)?;
    if !output.status.success() {
        let said = [output.stdout, output.stderr].concat();
        let said = String::from_utf8_lossy(&said[..said.len().min(1000)])
            .trim()
            .to_string();
        fail!(Denied: "{name} {verb} failed: {said}");
    }
    Ok(output.stdout)
}
