//! Who the user is to a registry: docker's `config.json`, containers' `auth.json`, and credential helpers.

use std::io::Write;
use std::path::{Path, PathBuf};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Map, Value};

use crate::credential_helper;
use crate::env;
use crate::error::{Error, Kind, Result};
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
        let variable = env::path;
        if let Some(file) = variable("REGISTRY_AUTH_FILE") {
            return Credentials { files: vec![file] };
        }
        let mut files = Vec::new();
        files.extend(variable("XDG_RUNTIME_DIR").map(|d| d.join("containers/auth.json")));
        files.extend(env::config().map(|d| d.join("containers/auth.json")));
        files.extend(docker_file());
        Credentials { files }
    }
}

fn docker_file() -> Option<PathBuf> {
    let variable = env::path;
    Some(
        variable("DOCKER_CONFIG")
            .or(variable("HOME").map(|h| h.join(".docker")))?
            .join("config.json"),
    )
}

impl Credentials {
    /// Only this file.
    pub fn from_file(path: &Path) -> Self {
        Credentials {
            files: vec![path.to_path_buf()],
        }
    }

    /// What is known for `host`, most specific first: an entry for `host/repository`, for each shorter path, for the host.
    ///
    /// # Errors
    /// A file that exists but cannot be read, or a helper that fails.
    pub fn find(&self, host: &str, repository: &str) -> Result<Option<Credential>> {
        for file in &self.files {
            let config = match read_config(file)? {
                Some(config) => config,
                None => continue,
            };
            if let Some(found) = lookup(&config, host, repository)
                .map_err(|e| e.during(file.display().to_string()))?
            {
                return Ok(Some(found));
            }
        }
        Ok(None)
    }

    /// Stores credentials for `host`, with the configured helper or in the file. Returns where they are now.
    pub fn store(&self, host: &str, user: &str, password: &str) -> Result<String> {
        let path = self.writable()?;
        let key = Reference::credential_key(host);
        let mut config = read_config(&path)?.unwrap_or_default();
        if let Some(helper) = helper_for(&config, key) {
            let request =
                serde_json::json!({"ServerURL": key, "Username": user, "Secret": password});
            credential_helper::run(&helper, "store", &request.to_string())?;
            return Ok(format!("docker-credential-{helper}"));
        }
        let auths = config.entry("auths").or_insert(Value::Null);
        if auths.is_null() {
            *auths = Value::Object(Map::new());
        }
        let Some(auths) = auths.as_object_mut() else {
            fail!(Malformed: "{}: auths is no object", path.display());
        };
        auths.insert(
            key.into(),
            serde_json::json!({"auth": STANDARD.encode(format!("{user}:{password}"))}),
        );
        write_config(&path, &config)?;
        Ok(path.display().to_string())
    }

    /// Forgets the credentials for `host`; false when there were none.
    pub fn erase(&self, host: &str) -> Result<bool> {
        let key = Reference::credential_key(host);
        let mut erased = false;
        for path in &self.files {
            let Some(mut config) = read_config(path)? else {
                continue;
            };
            if let Some(helper) = helper_for(&config, key) {
                credential_helper::run(&helper, "erase", key)?;
                erased = true;
            }
            let removed = config
                .get_mut("auths")
                .and_then(Value::as_object_mut)
                .and_then(|a| a.remove(key));
            if removed.is_some() {
                write_config(path, &config)?;
                erased = true;
            }
        }
        Ok(erased)
    }

    fn writable(&self) -> Result<PathBuf> {
        // With one file given by the caller it is that, else docker's, which all programs read.
        match &self.files[..] {
            [only] => Ok(only.clone()),
            _ => docker_file().ok_or_else(
                || failure!(Usage: "no home directory to keep credentials in" => "Set HOME"),
            ),
        }
    }
}

fn read_config(path: &Path) -> Result<Option<Map<String, Value>>> {
    match std::fs::metadata(path) {
        Err(_) => return Ok(None),
        Ok(m) if m.len() == 0 => return Ok(None),
        Ok(_) => {}
    }
    let text = read_limited(path, 16 << 20)?;
    let config = parse_json(&text, &path.display().to_string());
    config
        .map(Some)
        .map_err(|e| e.hint("Mend that file, or delete it and log in again"))
}

fn write_config(path: &Path, config: &Map<String, Value>) -> Result<()> {
    let error = |e| Error::file("write", path, e);
    if let Some(folder) = path.parent() {
        std::fs::create_dir_all(folder).map_err(error)?;
    }
    let text = serde_json::to_string_pretty(config)
        .map_err(|e| Error::new(Kind::Malformed, e.to_string()))?;
    files::replace(path, 0o600, |mut file| {
        file.write_all(text.as_bytes()).map_err(error)?;
        Ok(((), file))
    })
}

fn lookup(config: &Map<String, Value>, host: &str, repository: &str) -> Result<Option<Credential>> {
    let key = Reference::credential_key(host);
    if let Some(helper) = helper_for(config, key)
        && let Some(found) = credential_helper::ask(&helper, key)?
    {
        return Ok(Some(found));
    }
    let Some(auths) = config.get("auths").and_then(Value::as_object) else {
        return Ok(None);
    };
    let mut scope = format!("{host}/{repository}");
    loop {
        if let Some(entry) = auths
            .get(&scope)
            .or_else(|| auths.get(key).filter(|_| scope == host))
        {
            return decode(entry, &scope);
        }
        match scope.rfind('/') {
            Some(slash) => scope.truncate(slash),
            None => break,
        }
    }
    // Docker once wrote whole addresses.
    for (name, entry) in auths {
        let bare = name
            .trim_start_matches("https://")
            .trim_start_matches("http://");
        let bare = bare.split('/').next().unwrap_or(bare);
        if bare == host && name.contains("://") {
            return decode(entry, name);
        }
    }
    Ok(None)
}

fn decode(entry: &Value, key: &str) -> Result<Option<Credential>> {
    if let Some(token) = entry["identitytoken"].as_str().filter(|t| !t.is_empty()) {
        return Ok(Some(Credential::IdentityToken(token.into())));
    }
    if let Some(token) = entry["registrytoken"].as_str().filter(|t| !t.is_empty()) {
        return Ok(Some(Credential::RegistryToken(token.into())));
    }
    if let (Some(user), Some(password)) = (entry["username"].as_str(), entry["password"].as_str())
        && !user.is_empty()
    {
        return Ok(Some(Credential::Basic {
            user: user.into(),
            password: password.into(),
        }));
    }
    let Some(auth) = entry["auth"].as_str().filter(|a| !a.is_empty()) else {
        return Ok(None);
    };
    let text = STANDARD
        .decode(auth.trim())
        .ok()
        .and_then(|b| String::from_utf8(b).ok());
    match text
        .as_deref()
        .map(|t| t.trim_end_matches('\0'))
        .and_then(|t| t.split_once(':'))
    {
        Some((user, password)) => Ok(Some(Credential::Basic {
            user: user.into(),
            password: password.into(),
        })),
        None => Err(failure!(Malformed: "auth of {key} is not base64 of user:password")),
    }
}

fn helper_for(config: &Map<String, Value>, key: &str) -> Option<String> {
    let helper = config
        .get("credHelpers")
        .and_then(|h| {
            h.get(key)
                .or_else(|| h.get(key.trim_start_matches("https://").split('/').next()?))
        })
        .or_else(|| config.get("credsStore"))?;
    helper.as_str().filter(|h| !h.is_empty()).map(String::from)
}

#[cfg(test)]
mod tests {
    use super::*;

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
