//! Who the user is to a registry: docker's `config.json`, containers' `auth.json`, and credential helpers.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde::Deserialize;
use serde_json::{Map, Value, json};

use crate::env;
use crate::error::{Doing, During, Error, Result};
use crate::files;
use crate::json::{parse_json, read_limited};
use crate::reference::Reference;

/// A way to prove who one is.
#[derive(Clone, PartialEq, Eq)]
pub enum Credential {
    /// Name and password, or name and access token.
    Basic {
        /// Name.
        user: String,
        /// Password.
        password: String,
    },
    /// A refresh token of an OAuth 2 service.
    IdentityToken(String),
    /// A token for the registry itself.
    RegistryToken(String),
}

impl std::fmt::Debug for Credential {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        // Secrets do not belong into logs.
        f.write_str("Credential")
    }
}

/// The files to look into, first match wins.
#[derive(Clone, Debug)]
pub struct Credentials {
    files: Vec<PathBuf>,
}

impl Default for Credentials {
    fn default() -> Self {
        if let Some(file) = env::path("REGISTRY_AUTH_FILE") {
            return Credentials { files: vec![file] };
        }
        let folders = [env::path("XDG_RUNTIME_DIR"), env::config()];
        let auth = folders.map(|f| f.map(|f| f.join("containers/auth.json")));
        let files = auth.into_iter().chain([docker_file()]).flatten();
        Credentials {
            files: files.collect(),
        }
    }
}

fn docker_file() -> Option<PathBuf> {
    let home = env::path("HOME").map(|h| h.join(".docker"));
    Some(env::path("DOCKER_CONFIG").or(home)?.join("config.json"))
}

impl Credentials {
    /// Only this file.
    pub fn from_file(path: &Path) -> Self {
        Credentials {
            files: vec![path.to_path_buf()],
        }
    }

    /// What is known for `host`, most specific first: an entry for `host/repository`, for each shorter path, for the host.
    pub fn find(&self, host: &str, repository: &str) -> Result<Option<Credential>> {
        for path in &self.files {
            if let Some(config) = Config::read(path)? {
                let found = config.find(host, repository);
                if let Some(found) = found.during(|| path.display().to_string())? {
                    return Ok(Some(found));
                }
            }
        }
        Ok(None)
    }

    /// Stores credentials for `host`, with the configured helper or in the file. Returns where they are now.
    pub fn store(&self, host: &str, user: &str, password: &str) -> Result<String> {
        // With one file given by the caller it is that, else docker's, which all programs read.
        let path = match &self.files[..] {
            [only] => only.clone(),
            _ => docker_file().ok_or_else(
                || failure!(Usage: "no home directory to keep credentials in" => "Set HOME"),
            )?,
        };
        let key = Reference::credential_key(host);
        let mut config = Config::read(&path)?.unwrap_or_default();
        if let Some(helper) = config.helper(key) {
            let request = json!({"ServerURL": key, "Username": user, "Secret": password});
            ask(&helper, "store", &request.to_string())?;
            return Ok(format!("docker-credential-{helper}"));
        }
        let auths = config.0.entry("auths").or_insert(Value::Null);
        if auths.is_null() {
            *auths = json!({});
        }
        let Some(auths) = auths.as_object_mut() else {
            fail!(Malformed: "{}: auths is no object", path.display());
        };
        let auth = STANDARD.encode(format!("{user}:{password}"));
        auths.insert(key.into(), json!({"auth": auth}));
        config.write(&path)?;
        Ok(path.display().to_string())
    }

    /// Forgets the credentials for `host`; false when there were none.
    pub fn erase(&self, host: &str) -> Result<bool> {
        let key = Reference::credential_key(host);
        let mut erased = false;
        for path in &self.files {
            let Some(mut config) = Config::read(path)? else {
                continue;
            };
            if let Some(helper) = config.helper(key) {
                ask(&helper, "erase", key)?;
                erased = true;
            }
            let auths = config.0.get_mut("auths").and_then(Value::as_object_mut);
            if auths.and_then(|a| a.remove(key)).is_some() {
                config.write(path)?;
                erased = true;
            }
        }
        Ok(erased)
    }
}

/// One file, with whatever else others have in it.
#[derive(Default)]
struct Config(Map<String, Value>);

/// What it says about a registry.
#[derive(Deserialize, Default)]
struct Entry {
    auth: Option<String>,
    identitytoken: Option<String>,
    registrytoken: Option<String>,
    username: Option<String>,
    password: Option<String>,
}

impl Config {
    fn read(path: &Path) -> Result<Option<Self>> {
        if std::fs::metadata(path).map_or(0, |m| m.len()) == 0 {
            return Ok(None);
        }
        let text = read_limited(path, 16 << 20)?;
        let config = parse_json(&text, &path.display().to_string());
        let config = config.map_err(|e| e.hint("Mend that file, or delete it and log in again"));
        Ok(Some(Config(config?)))
    }

    fn write(&self, path: &Path) -> Result<()> {
        let folder = files::folder_of(path);
        std::fs::create_dir_all(folder).at("make directory", folder)?;
        let text = serde_json::to_vec_pretty(&self.0).map_err(std::io::Error::from);
        files::write(path, 0o600, &text.at("write", path)?)
    }

    fn find(&self, host: &str, repository: &str) -> Result<Option<Credential>> {
        let key = Reference::credential_key(host);
        if let Some(helper) = self.helper(key)
            && let Some(found) = from_helper(&helper, key)?
        {
            return Ok(Some(found));
        }
        let Some(auths) = self.0.get("auths").and_then(Value::as_object) else {
            return Ok(None);
        };
        let scope = format!("{host}/{repository}");
        let ends = scope.rmatch_indices('/').map(|(slash, _)| slash);
        let mut scopes = [scope.len()]
            .into_iter()
            .chain(ends)
            .map(|end| &scope[..end]);
        let found = scopes.find_map(|scope| auths.get_key_value(scope));
        // Docker once wrote whole addresses.
        let is_address = |name: &str| {
            let rest = name.split_once("://").map(|(_, rest)| rest);
            rest.and_then(|rest| rest.split('/').next()) == Some(host)
        };
        let found = found
            .or_else(|| auths.get_key_value(key))
            .or_else(|| auths.iter().find(|(name, _)| is_address(name)));
        found.map_or(Ok(None), |(name, entry)| decode(entry, name))
    }

    fn helper(&self, key: &str) -> Option<String> {
        let host = key.trim_start_matches("https://").split('/').next()?;
        let own = |helpers: &Value| Some(helpers.get(key).or(helpers.get(host))?.clone());
        let helper = self.0.get("credHelpers").and_then(own);
        let helper = helper.or_else(|| self.0.get("credsStore").cloned())?;
        helper.as_str().filter(|h| !h.is_empty()).map(String::from)
    }
}

fn decode(entry: &Value, key: &str) -> Result<Option<Credential>> {
    let bad = |e| failure!(Malformed: "entry of {key}: {e}");
    let entry: Option<Entry> = serde_json::from_value(entry.clone()).map_err(bad)?;
    let entry = entry.unwrap_or_default();
    let some = |text: Option<String>| text.filter(|t| !t.is_empty());
    if let Some(token) = some(entry.identitytoken) {
        return Ok(Some(Credential::IdentityToken(token)));
    }
    if let Some(token) = some(entry.registrytoken) {
        return Ok(Some(Credential::RegistryToken(token)));
    }
    if let (Some(user), Some(password)) = (some(entry.username), entry.password) {
        return Ok(Some(Credential::Basic { user, password }));
    }
    let Some(auth) = some(entry.auth) else {
        return Ok(None);
    };
    let text = STANDARD.decode(auth.trim()).ok();
    let text = text.and_then(|t| String::from_utf8(t).ok());
    let text = text.as_deref().map(|t| t.trim_end_matches('\0'));
    match text.and_then(|t| t.split_once(':')) {
        Some((user, password)) => Ok(Some(Credential::Basic {
            user: user.into(),
            password: password.into(),
        })),
        None => Err(failure!(Malformed: "auth of {key} is not base64 of user:password")),
    }
}

/// What a helper says (docker-credential-helpers, "Development").
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Answer {
    username: String,
    secret: String,
}

fn from_helper(helper: &str, key: &str) -> Result<Option<Credential>> {
    let output = match ask(helper, "get", key) {
        Ok(output) => output,
        // The protocol has no other way to say "unknown".
        Err(e) if e.to_string().contains("credentials not found") => return Ok(None),
        Err(e) => return Err(e),
    };
    let what = format!("answer of docker-credential-{helper}");
    let Answer { username, secret } = parse_json(&output, &what)?;
    Ok(match username.as_str() {
        "" => None,
        "<token>" => Some(Credential::IdentityToken(secret)),
        _ => Some(Credential::Basic {
            user: username,
            password: secret,
        }),
    })
}

/// Runs `docker-credential-HELPER VERB` with `input`, and returns what it prints.
fn ask(helper: &str, verb: &str, input: &str) -> Result<Vec<u8>> {
    let name = format!("docker-credential-{helper}");
    if helper.contains('/') {
        fail!(Unsafe: "credential helper {helper:?} has a slash in its name");
    }
    let error = |e| Error::system(format!("run {name}"), e);
    let mut command = Command::new(&name);
    command.stdin(Stdio::piped()).stdout(Stdio::piped());
    let child = command.arg(verb).stderr(Stdio::piped()).spawn();
    let mut child = child.map_err(|e| {
        error(e).hint("It is named in the credentials file; install it or take the entry out")
    })?;
    if let Some(mut stdin) = child.stdin.take() {
        // A helper that does not read its input says on its own why.
        let _ = stdin.write_all(input.as_bytes());
    }
    let output = child.wait_with_output().map_err(error)?;
    if !output.status.success() {
        let said = [output.stdout, output.stderr].concat();
        let said = String::from_utf8_lossy(&said[..said.len().min(1000)]);
        fail!(Denied: "{name} {verb} failed: {}", said.trim());
    }
    Ok(output.stdout)
}

#[cfg(any(test, fuzzing))]
pub(crate) mod fuzzing {
    //! A way in for [`crate::fuzzing`].
    use super::*;

    /// `auth.json`, as far as it does not name programs to run.
    pub(crate) fn find(data: &[u8]) {
        let Ok(config) = parse_json(data, "file").map(Config) else {
            return;
        };
        for (host, repository) in [("a.example", "b/c"), ("docker.io", "library/b")] {
            if config.helper(Reference::credential_key(host)).is_none() {
                let _ = config.find(host, repository);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::Kind;

    fn file(text: &str) -> (tempfile::TempDir, Credentials) {
        let temporary = tempfile::tempdir().unwrap();
        let path = temporary.path().join("config.json");
        std::fs::write(&path, text).unwrap();
        (temporary, Credentials::from_file(&path))
    }

    fn basic(user: &str, password: &str) -> Option<Credential> {
        Some(Credential::Basic {
            user: user.into(),
            password: password.into(),
        })
    }

    #[test]
    fn the_most_specific_entry_wins() {
        let (_t, credentials) = file(
            r#"{"auths":{"h:1":{"auth":"aG9zdDpw"},"h:1/a":{"username":"a","password":"p:q"},"h:1/a/b":{"identitytoken":"T"},
               "https://old.test/v1/":{"auth":"b2xkOnA="},"https://index.docker.io/v1/":{"auth":"aHViOnA="},"empty.test":{}}}"#,
        );
        assert_eq!(credentials.find("h:1", "x").unwrap(), basic("host", "p"));
        assert_eq!(credentials.find("h:1", "a/c").unwrap(), basic("a", "p:q"));
        assert_eq!(
            credentials.find("h:1", "a/b/c").unwrap(),
            Some(Credential::IdentityToken("T".into()))
        );
        assert_eq!(
            credentials.find("old.test", "x").unwrap(),
            basic("old", "p")
        );
        assert_eq!(
            credentials.find("docker.io", "library/x").unwrap(),
            basic("hub", "p")
        );
        assert_eq!(credentials.find("empty.test", "x").unwrap(), None);
        assert_eq!(
            credentials.find("h", "a").unwrap(),
            None,
            "another port is another registry"
        );
    }

    #[test]
    fn storing_and_erasing_keep_the_rest_and_the_mode() {
        use std::os::unix::fs::PermissionsExt;
        let (temporary, credentials) =
            file(r#"{"auths":{"other":{"auth":"eDp5"}},"psFormat":"x"}"#);
        credentials.store("h:1", "me", "pa:ss").unwrap();
        assert_eq!(credentials.find("h:1", "a").unwrap(), basic("me", "pa:ss"));
        let path = temporary.path().join("config.json");
        assert_eq!(
            std::fs::metadata(&path).unwrap().permissions().mode() & 0o777,
            0o600
        );
        assert!(std::fs::read_to_string(&path).unwrap().contains("psFormat"));
        assert!(credentials.erase("h:1").unwrap());
        assert!(!credentials.erase("h:1").unwrap());
        assert_eq!(credentials.find("other", "a").unwrap(), basic("x", "y"));
    }

    #[test]
    fn tokens_for_the_registry_and_no_entries_at_all() {
        let (_t, credentials) = file(r#"{"auths":{"h":{"registrytoken":"T"}}}"#);
        let token = Some(Credential::RegistryToken("T".into()));
        assert_eq!(credentials.find("h", "a").unwrap(), token);
        let (_t, credentials) = file(r#"{"auths":null,"x":1}"#);
        assert_eq!(credentials.find("h", "a").unwrap(), None);
        credentials.store("h", "me", "p").unwrap();
        assert_eq!(credentials.find("h", "a").unwrap(), basic("me", "p"));
    }

    #[test]
    fn broken_files_are_reported() {
        let (_t, credentials) = file("{");
        assert_eq!(
            credentials.find("h", "a").unwrap_err().kind(),
            Kind::Malformed
        );
        let (_t, credentials) = file(r#"{"auths":{"h":{"auth":"!!"}}}"#);
        assert!(
            credentials
                .find("h", "a")
                .unwrap_err()
                .to_string()
                .contains("base64")
        );
        let (_t, credentials) = file(r#"{"credsStore":"../../bin/sh"}"#);
        assert_eq!(credentials.find("h", "a").unwrap_err().kind(), Kind::Unsafe);
        let (_t, credentials) = file(r#"{"credHelpers":{"h":"no-such-helper"}}"#);
        assert!(credentials.find("h", "a").is_err());
    }
}
