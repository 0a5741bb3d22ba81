//! The words of docker and podman for what a container is to be like.

use std::path::Path;

use serde_json::Value;

use super::{Mount, Overrides};
use crate::error::{Doing, During, Error, Kind, Result};

/// A table of all that [`Overrides::set`] knows: names, what the value is called, two spaces, what it does.
pub const WORDS: &str = "
--env, -e NAME=VALUE  set a variable; NAME alone: as it is here
--env-file FILE  variables, one on a line
--user, -u USER[:GROUP]  run as somebody else
--workdir, -w DIR  start there
--entrypoint COMMAND  run this instead: one word, or a list in JSON; empty for nothing
--tty, -t  give it a terminal
--hostname, -h NAME  name of the machine inside
--network, --net none|host  no network but loopback (none), or the host's
--read-only  protect the root file system
--volume, -v DIR:TO[:ro]  show a folder or file of the host inside; TO alone: an empty one
--mount KEYS  the same in words: type=bind|tmpfs,source=DIR,destination=TO,readonly,…
--tmpfs TO[:OPTIONS]  an empty folder in memory
--memory, -m BYTES  most memory, with a suffix b, k, m or g
--memory-swap BYTES  most memory and swap together; -1: any
--cpus N  most processor time, in processors
--cpu-shares N  weight for processor time
--cpuset-cpus LIST  only these processors
--pids-limit N  most processes; -1: any
--cap-add CAP  a capability, or ALL
--cap-drop CAP  likewise, to take away
--security-opt OPTION  no-new-privileges[=false], seccomp=unconfined, apparmor=PROFILE, systempaths=unconfined
";

/// Every capability by its number (capabilities(7)).
const ALL: &str = "\
    CHOWN DAC_OVERRIDE DAC_READ_SEARCH FOWNER FSETID KILL SETGID SETUID SETPCAP LINUX_IMMUTABLE NET_BIND_SERVICE \
    NET_BROADCAST NET_ADMIN NET_RAW IPC_LOCK IPC_OWNER SYS_MODULE SYS_RAWIO SYS_CHROOT SYS_PTRACE SYS_PACCT SYS_ADMIN \
    SYS_BOOT SYS_NICE SYS_RESOURCE SYS_TIME SYS_TTY_CONFIG MKNOD LEASE AUDIT_WRITE AUDIT_CONTROL SETFCAP MAC_OVERRIDE \
    MAC_ADMIN SYSLOG WAKE_ALARM BLOCK_SUSPEND AUDIT_READ PERFMON BPF CHECKPOINT_RESTORE";

/// Those that containers usually have; the image specification leaves the choice to the implementation.
pub(super) const USUAL: &str = "\
    AUDIT_WRITE CHOWN DAC_OVERRIDE FOWNER FSETID KILL MKNOD NET_BIND_SERVICE NET_RAW SETFCAP SETGID SETPCAP SETUID \
    SYS_CHROOT";

fn has(list: &str, name: &str) -> bool {
    list.split(' ').any(|known| known == name)
}

/// Microseconds in which the processor time is counted, as engines have it.
pub(super) const PERIOD: u64 = 100_000;

impl Overrides {
    /// Takes an option by its first name in [`WORDS`], with its value if it has one; false when it is none of them.
    ///
    /// # Errors
    /// [`Kind::Usage`] for values that mean nothing, and what cannot be done without a daemon.
    pub fn set(&mut self, name: &str, value: &str) -> Result<bool> {
        match name {
            "--env" => self.env.extend(variable(value)?),
            "--env-file" => self.env.extend(file(Path::new(value))?),
            "--user" => self.user = Some(value.into()),
            "--workdir" => self.cwd = Some(value.into()),
            "--entrypoint" => self.entrypoint = Some(entrypoint(value)),
            "--tty" => self.terminal = true,
            "--hostname" => self.hostname = Some(value.into()),
            "--network" => match value {
                "host" => self.host_network = true,
                "none" => self.host_network = false,
                other => fail!(Usage: "--network {other}: there is no such network"
                    => "\"host\" is the host's, \"none\" has only loopback; there is no daemon that makes others"),
            },
            "--read-only" => self.read_only = true,
            "--volume" => self.mounts.push(volume(value)?),
            "--mount" => self.mounts.push(mount(value)?),
            "--tmpfs" => self.mounts.push(tmpfs(value)?),
            "--memory" => self.memory = limit(bytes(value)?),
            "--memory-swap" => self.memory_swap = limit(bytes_or_any(value)?),
            "--cpus" => self.cpu_quota = limit(processors(value)?),
            "--cpu-shares" => self.cpu_shares = limit(number(name, value)?),
            "--cpuset-cpus" => self.cpuset = Some(value.into()),
            "--pids-limit" => self.pids = limit(number(name, value)?),
            "--cap-add" => self.cap_add.extend(capabilities(value)?),
            "--cap-drop" => self.cap_drop.extend(capabilities(value)?),
            "--security-opt" => self.security(value)?,
            "--publish" | "--publish-all" => fail!(
                Usage: "ports cannot be published: there is no daemon that would pass them on"
                => "--network host gives the container the host's network"),
            _ => return Ok(false),
        }
        Ok(true)
    }

    fn security(&mut self, option: &str) -> Result<()> {
        // Engines of old write a colon.
        let (key, value) = option.split_once(['=', ':']).unwrap_or((option, "true"));
        match (key, value) {
            ("no-new-privileges", "true") => self.may_gain_privileges = false,
            ("no-new-privileges", "false") => self.may_gain_privileges = true,
            // Nothing else is done here without being asked for it.
            ("seccomp", "unconfined") | ("apparmor", "unconfined") | ("label", "disable") => {}
            ("systempaths", "unconfined") | ("unmask", "ALL") => self.open_system = true,
            ("apparmor", profile) => self.apparmor = Some(profile.into()),
            ("seccomp", _) => {
                fail!(Usage: "--security-opt {option}: engines' files with filters are not read"
                    => "Put a filter into the bundle's config.json (linux.seccomp)");
            }
            _ => fail!(Usage: "--security-opt {option}: there is no such option"),
        }
        Ok(())
    }
}

/// A name alone means the caller's own value, if there is one.
fn variable(text: &str) -> Result<Option<String>> {
    let name = text.split('=').next().unwrap_or_default();
    if name.is_empty() {
        fail!(Usage: "{text:?} is no variable" => "Write NAME=VALUE, or NAME alone");
    }
    Ok(match text.contains('=') {
        true => Some(text.into()),
        false => (std::env::var(name).ok()).map(|value| format!("{name}={value}")),
    })
}

fn file(path: &Path) -> Result<Vec<String>> {
    let text = std::fs::read_to_string(path).at("read", path)?;
    let lines = text.lines().map(str::trim_start);
    let lines = lines.filter(|line| !line.is_empty() && !line.starts_with('#'));
    let mut found = Vec::new();
    for line in lines {
        let name = line.split('=').next().unwrap_or_default();
        if name.contains(char::is_whitespace) {
            fail!(Usage: "{}: {line:?} is no variable", path.display());
        }
        found.extend(variable(line).during(|| path.display().to_string())?);
    }
    Ok(found)
}

/// A list in JSON, or one word: the name of a program may have spaces.
fn entrypoint(text: &str) -> Vec<String> {
    let word = || {
        Some(text.to_string())
            .filter(|t| !t.is_empty())
            .into_iter()
            .collect()
    };
    serde_json::from_str(text).unwrap_or_else(|_| word())
}

fn volume(text: &str) -> Result<Mount> {
    let bad = |why: &str| Error::new(Kind::Usage, format!("--volume {text}: {why}"));
    let mut parts = text.split(':');
    let (first, second, options) = (parts.next().unwrap_or_default(), parts.next(), parts.next());
    if parts.next().is_some() {
        return Err(bad("too many colons"));
    }
    let Some(destination) = second else {
        let (to, options) = (checked(first)?, "nosuid nodev tmpcopyup");
        return Ok(Mount::new(to, "tmpfs", "tmpfs", options));
    };
    let mut mount = bind(first, destination)?;
    for option in options.into_iter().flat_map(|o| o.split(',')) {
        match option {
            "ro" | "rw" | "noexec" | "nosuid" | "nodev" => mount.options.push(option.into()),
            "shared" | "slave" | "private" | "rshared" | "rslave" | "rprivate" => {
                mount.options.retain(|o| o != "rprivate");
                mount.options.push(option.into());
            }
            // For other systems, and for volumes that a daemon has.
            "consistent" | "cached" | "delegated" | "nocopy" => {}
            "z" | "Z" => return Err(bad("files are not given other SELinux labels here")),
            other => return Err(bad(&format!("there is no option {other:?}"))),
        }
    }
    Ok(mount)
}

/// Every mount is below the root, and not the root.
pub(super) fn is_place(destination: &str) -> bool {
    let clean = destination.starts_with('/') && !destination.split('/').any(|c| c == "..");
    clean && !destination.trim_matches('/').is_empty()
}

fn checked(destination: &str) -> Result<&str> {
    match is_place(destination) {
        true => Ok(destination),
        false => Err(
            failure!(Usage: "{destination:?} is no place for a mount" => "It is an absolute path inside"),
        ),
    }
}

fn bind(source: &str, destination: &str) -> Result<Mount> {
    if !source.contains('/') && ![".", ".."].contains(&source) {
        fail!(Usage: "{source:?} would be a volume of a daemon's, and there is none"
            => "Name a folder of the host, with a slash in it");
    }
    let path = std::fs::canonicalize(source).at("find", Path::new(source))?;
    let source = path.to_string_lossy();
    let destination = checked(destination)?;
    Ok(Mount::new(destination, "bind", &source, "rbind rprivate"))
}

fn tmpfs(text: &str) -> Result<Mount> {
    let (destination, options) = text.split_once(':').unwrap_or((text, ""));
    let mut mount = Mount::tmpfs(checked(destination)?);
    let options = options.split(',').filter(|o| !o.is_empty());
    mount.options.extend(options.map(String::from));
    Ok(mount)
}

fn mount(text: &str) -> Result<Mount> {
    let (mut kind, mut source, mut destination) = ("volume", None, None);
    let mut more = Vec::new();
    for part in text.split(',') {
        let (key, value) = part.split_once('=').unwrap_or((part, "true"));
        match key {
            "type" => kind = value,
            "source" | "src" => source = Some(value),
            "destination" | "dst" | "target" => destination = Some(value),
            "readonly" | "ro" if value == "true" => more.push("ro".to_string()),
            "readonly" | "ro" => {}
            "bind-propagation" => more.push(value.into()),
            "tmpfs-size" => more.push(format!("size={}", bytes(value)?)),
            "tmpfs-mode" => more.push(format!("mode={value}")),
            _ => fail!(Usage: "--mount {text}: there is no key {key:?}"),
        }
    }
    let destination =
        destination.ok_or_else(|| failure!(Usage: "--mount {text}: no destination"))?;
    let mut mount = match (kind, source) {
        ("bind", Some(source)) => bind(source, destination)?,
        ("bind", None) => fail!(Usage: "--mount {text}: no source"),
        ("tmpfs", None) => Mount::tmpfs(checked(destination)?),
        _ => {
            fail!(Usage: "--mount {text}: there is no such kind of mount"
                => "type=bind with a source and type=tmpfs without one exist");
        }
    };
    if more
        .iter()
        .any(|o| o.ends_with("shared") || o.ends_with("slave") || o.ends_with("private"))
    {
        mount.options.retain(|o| o != "rprivate");
    }
    mount.options.extend(more);
    Ok(mount)
}

/// To engines, 0 is none.
fn limit<T: Default + PartialEq>(value: T) -> Option<T> {
    Some(value).filter(|value| *value != T::default())
}

/// `512m`: a number of bytes, with a suffix in powers of 1024.
fn bytes(text: &str) -> Result<i64> {
    let lower = text.to_ascii_lowercase();
    let digits = lower.trim_end_matches(|c: char| !c.is_ascii_digit());
    let power = match lower[digits.len()..]
        .trim_end_matches('b')
        .trim_end_matches('i')
    {
        "" => 0,
        "k" => 10,
        "m" => 20,
        "g" => 30,
        "t" => 40,
        _ => 64,
    };
    let count = digits
        .parse::<i64>()
        .ok()
        .and_then(|n| n.checked_mul(1i64.checked_shl(power)?));
    count.filter(|n| *n >= 0).ok_or_else(
        || failure!(Usage: "{text:?} is no number of bytes" => "Write 1073741824, 1024m or 1g"),
    )
}

fn bytes_or_any(text: &str) -> Result<i64> {
    match text {
        "-1" => Ok(-1),
        text => bytes(text),
    }
}

fn processors(text: &str) -> Result<i64> {
    let count = text
        .parse::<f64>()
        .ok()
        .filter(|n| *n == 0.0 || (0.01..100_000.0).contains(n));
    let count = count.ok_or_else(|| failure!(Usage: "--cpus {text}: no number of processors"))?;
    Ok((count * PERIOD as f64).round() as i64)
}

fn number<T: std::str::FromStr>(name: &str, text: &str) -> Result<T> {
    text.parse()
        .map_err(|_| failure!(Usage: "{name} {text}: no number"))
}

/// `NET_ADMIN`, `cap_net_admin` or `ALL`, several with commas.
fn capabilities(text: &str) -> Result<Vec<String>> {
    let known = |name: &str| {
        let upper = name.trim().to_ascii_uppercase();
        let short = upper.strip_prefix("CAP_").unwrap_or(&upper);
        match short == "ALL" || has(ALL, short) {
            true => Ok(short.to_string()),
            false => Err(failure!(Usage: "{name:?} is no capability" => "See capabilities(7)")),
        }
    };
    text.split(',').map(known).collect()
}

/// The usual set, with what was added and taken away. ALL does not undo what was named.
pub(super) fn granted(usual: &str, add: &[String], drop: &[String]) -> Value {
    let named = |list: &[String], name: &str| list.iter().any(|n| n == name);
    let keep = |name: &&str| match (named(add, name), named(drop, name)) {
        (_, true) => false,
        (true, _) => true,
        _ => !named(drop, "ALL") && (has(usual, name) || named(add, "ALL")),
    };
    let kept = ALL.split(' ').filter(keep);
    let mut names: Vec<String> = kept.map(|n| format!("CAP_{n}")).collect();
    names.sort();
    names.into()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn set(words: &[(&str, &str)]) -> Result<Overrides> {
        let mut overrides = Overrides::default();
        for (name, value) in words {
            assert!(overrides.set(name, value)?, "{name}");
        }
        Ok(overrides)
    }

    #[test]
    fn nothing_is_no_limit() {
        let set = set(&[
            ("--memory", "0"),
            ("--memory-swap", "0"),
            ("--cpus", "0"),
            ("--cpu-shares", "0"),
            ("--pids-limit", "0"),
        ]);
        let set = set.unwrap();
        let (memory, cpu) = (
            (set.memory, set.memory_swap),
            (set.cpu_quota, set.cpu_shares),
        );
        assert_eq!((memory, cpu, set.pids), ((None, None), (None, None), None));
    }

    #[test]
    fn mounts_in_every_way_of_saying_it() {
        let shown = |name: &str, value: &str| {
            let mount = set(&[(name, value)]).unwrap().mounts.remove(0);
            let Mount {
                destination,
                kind,
                source,
                options,
            } = mount;
            format!("{kind} {source} {destination} {}", options.join(","))
        };
        for (name, value, wanted) in [
            ("--volume", "/tmp:/a", "bind /tmp /a rbind,rprivate"),
            (
                "--volume",
                "/usr/../tmp:/a:ro,rslave",
                "bind /tmp /a rbind,ro,rslave",
            ),
            ("--volume", "/a", "tmpfs tmpfs /a nosuid,nodev,tmpcopyup"),
            (
                "--mount",
                "type=bind,src=/tmp,dst=/a,readonly",
                "bind /tmp /a rbind,rprivate,ro",
            ),
            (
                "--mount",
                "type=bind,source=/tmp,target=/a,bind-propagation=shared",
                "bind /tmp /a rbind,shared",
            ),
            (
                "--mount",
                "type=tmpfs,destination=/a,tmpfs-size=1m,tmpfs-mode=700",
                "tmpfs tmpfs /a noexec,nosuid,nodev,size=1048576,mode=700",
            ),
            ("--tmpfs", "/a", "tmpfs tmpfs /a noexec,nosuid,nodev"),
            (
                "--tmpfs",
                "/a:size=1k,exec",
                "tmpfs tmpfs /a noexec,nosuid,nodev,size=1k,exec",
            ),
        ] {
            assert_eq!(shown(name, value), wanted, "{name} {value}");
        }
        for (name, value) in [
            ("--volume", "data:/a"),
            ("--volume", "/none/such:/a"),
            ("--volume", "/tmp:a"),
            ("--volume", "/tmp:/"),
            ("--volume", "/tmp:/a/../b"),
            ("--volume", "/tmp:/a:x"),
            ("--volume", "/tmp:/a:Z"),
            ("--volume", "/tmp:/a:ro:x"),
            ("--mount", "type=bind,dst=/a"),
            ("--mount", "dst=/a"),
            ("--mount", "type=tmpfs"),
            ("--mount", "type=tmpfs,dst=/a,x=y"),
            ("--tmpfs", "a"),
            ("--publish", "80:80"),
            ("--network", "bridge"),
        ] {
            assert_eq!(
                set(&[(name, value)]).unwrap_err().kind() == Kind::Usage,
                value != "/none/such:/a",
                "{name} {value}"
            );
        }
    }

    #[test]
    fn numbers() {
        for (text, wanted) in [
            ("0", 0),
            ("1", 1),
            ("2k", 2048),
            ("3KiB", 3072),
            ("1mb", 1 << 20),
            ("1G", 1 << 30),
        ] {
            assert_eq!(bytes(text).unwrap(), wanted);
        }
        for text in ["", "m", "-1", "1x", "1.5g", "9999999999g"] {
            assert!(bytes(text).is_err(), "{text}");
        }
        assert_eq!(processors("1.5").unwrap(), 150_000);
        for text in ["0.001", "-1", "x", "inf", "NaN"] {
            assert!(processors(text).is_err(), "{text}");
        }
    }

    #[test]
    fn capabilities_are_added_and_taken_away() {
        let of = |add: &[&str], drop: &[&str]| {
            let add = add.iter().map(|v| ("--cap-add", *v));
            let all: Vec<_> = add.chain(drop.iter().map(|v| ("--cap-drop", *v))).collect();
            let overrides = set(&all).unwrap();
            let granted = granted("CHOWN KILL", &overrides.cap_add, &overrides.cap_drop);
            serde_json::from_value::<Vec<String>>(granted).unwrap()
        };
        assert_eq!(of(&[], &[]), ["CAP_CHOWN", "CAP_KILL"]);
        assert_eq!(
            of(&["cap_sys_time"], &["KILL"]),
            ["CAP_CHOWN", "CAP_SYS_TIME"]
        );
        assert_eq!(
            of(&["NET_RAW,net_admin"], &["all"]),
            ["CAP_NET_ADMIN", "CAP_NET_RAW"]
        );
        assert_eq!(of(&["ALL"], &["SYS_ADMIN"]).len(), 40);
        assert!(set(&[("--cap-add", "FLY")]).is_err());
    }

    #[test]
    fn what_engines_know_of_security() {
        let overrides = set(&[
            ("--security-opt", "no-new-privileges=false"),
            ("--security-opt", "apparmor=mine"),
            ("--security-opt", "systempaths=unconfined"),
            ("--security-opt", "seccomp=unconfined"),
        ])
        .unwrap();
        assert!(overrides.may_gain_privileges && overrides.open_system);
        assert_eq!(overrides.apparmor.as_deref(), Some("mine"));
        for option in ["seccomp=/f.json", "label=type:x", "x"] {
            assert!(set(&[("--security-opt", option)]).is_err(), "{option}");
        }
    }

    #[test]
    fn files_with_variables() {
        let temporary = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(
            temporary.path(),
            "# x\n\nA=1 2\nPATH\nNOT_SET_ANYWHERE\n B=\n",
        )
        .unwrap();
        let path = temporary.path().display().to_string();
        let env = set(&[("--env-file", &path), ("--env", "C=3")]).unwrap().env;
        let path = format!("PATH={}", std::env::var("PATH").unwrap());
        assert_eq!(env, ["A=1 2", &path, "B=", "C=3"]);
        std::fs::write(temporary.path(), "a b=1\n").unwrap();
        assert!(file(temporary.path()).is_err());
        for nameless in ["=1", "="] {
            std::fs::write(temporary.path(), nameless).unwrap();
            assert!(file(temporary.path()).is_err());
            let error = set(&[("--env", nameless)]).unwrap_err();
            assert_eq!(error.kind(), Kind::Usage, "{nameless}");
        }
    }

    #[test]
    fn every_word_is_known() {
        for row in WORDS.lines().skip(1) {
            let name = row.split([',', ' ']).next().unwrap();
            let known = Overrides::default().set(name, "");
            assert!(known.unwrap_or(true), "{name}");
        }
    }
}
