//! The environment variables that the library goes by: those that its caller hands over.

use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::OsStringExt;
use std::path::{Path, PathBuf};
use std::sync::LazyLock;

/// What a program without PATH searches.
const USUAL_PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// Variables and their values, which are asked for when somebody needs them: most commands do not.
#[derive(Debug)]
pub(crate) struct Environment(LazyLock<Variables, Source>);

type Variables = Vec<(OsString, OsString)>;
type Source = Box<dyn FnOnce() -> Variables + Send>;

impl Default for Environment {
    fn default() -> Environment {
        Environment::new(Vec::new)
    }
}

impl Environment {
    pub(crate) fn new(variables: impl FnOnce() -> Variables + Send + 'static) -> Environment {
        Environment(LazyLock::new(Box::new(variables)))
    }

    /// The value of one.
    pub(crate) fn get(&self, name: &str) -> Option<&OsStr> {
        let mut variables = self.0.iter();
        let found = variables.find(|(known, _)| known == name);
        found.map(|(_, value)| value.as_os_str())
    }

    /// All variables.
    pub(crate) fn iter(&self) -> impl Iterator<Item = &(OsString, OsString)> {
        self.0.iter()
    }

    /// As programs get them, `NAME=value`.
    pub(crate) fn strings(&self) -> Vec<Vec<u8>> {
        let string = |(name, value): &(OsString, OsString)| {
            [name.clone().into_vec(), value.clone().into_vec()].join(&b'=')
        };
        self.0.iter().map(string).collect()
    }

    /// Where a program is, as execvp(3) finds it; `None` when it is not there.
    pub(crate) fn find_program(&self, name: &str) -> Option<PathBuf> {
        let directories = self.get("PATH").unwrap_or(OsStr::new(USUAL_PATH));
        std::env::split_paths(directories)
            .map(|directory| directory.join(name))
            .find(|path| is_executable(path))
    }

    /// Where the user's systemd is.
    pub(crate) fn session(&self) -> cgroups::Session {
        let mut session = cgroups::Session::default();
        session.runtime_directory = self.get("XDG_RUNTIME_DIR").map(PathBuf::from);
        let address = self.get("DBUS_SESSION_BUS_ADDRESS").and_then(OsStr::to_str);
        session.bus_address = address.map(str::to_owned);
        session
    }
}

fn is_executable(path: &Path) -> bool {
    use std::os::unix::fs::PermissionsExt;
    std::fs::metadata(path)
        .is_ok_and(|data| data.is_file() && data.permissions().mode() & 0o111 != 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn programs_are_found_as_execvp_finds_them() {
        let with = |path: &str| {
            let path = path.into();
            Environment::new(|| vec![("PATH".into(), path)])
        };
        assert_eq!(
            with("/nowhere:/bin").find_program("sh"),
            Some("/bin/sh".into())
        );
        assert_eq!(with("/nowhere").find_program("sh"), None);
        assert!(Environment::default().find_program("sh").is_some());
        assert_eq!(with("/").find_program("bin"), None);
    }

    #[test]
    fn variables_become_strings_and_a_session() {
        let runtime = ("XDG_RUNTIME_DIR".into(), "/run/user/7".into());
        let environment = Environment::new(|| vec![runtime, ("A".into(), "b=c".into())]);
        assert_eq!(environment.strings()[1], b"A=b=c");
        let session = environment.session();
        assert_eq!(session.runtime_directory, Some("/run/user/7".into()));
        assert_eq!(session.bus_address, None);
    }
}
