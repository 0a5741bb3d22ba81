//! Users and groups of an image, from its own files: never from the host, never followed out of the image, never unbounded.

use std::io::{BufRead, BufReader, Read};
use std::os::fd::OwnedFd;
use std::path::Path;

use rustix::fs::{Mode, OFlags, ResolveFlags};

use crate::error::{Doing, Error, Kind, Result};
use crate::limits::Limits;
use crate::unpack::open_directory;

/// Whom a process runs as.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct User {
    /// User id.
    pub uid: u32,
    /// Group id.
    pub gid: u32,
    /// Further groups.
    pub additional: Vec<u32>,
    /// Home directory, when the user is in the image's list.
    pub home: Option<String>,
}

/// Groups that one user may have; the kernel's own limit is 65536.
const GROUPS: usize = 1024;

/// Resolves `user[:group]` of an image configuration (image-spec, conversion.md, "Process.User") in the file systems
/// `roots`, the uppermost first.
///
/// A number is an id and never looked up as a name (CVE-2016-3697).
///
/// # Errors
/// [`Kind::NotFound`] for names that the image does not have, [`Kind::Usage`] for ids out of range.
pub fn resolve(text: &str, roots: &[&Path], limits: &Limits) -> Result<User> {
    let (name, group) = match text.split_once(':') {
        Some((name, group)) => (name, Some(group).filter(|g| !g.is_empty())),
        None => (text, None),
    };
    let mut user = User::default();
    let mut known_name = None;
    match number(name)? {
        Some(uid) => user.uid = uid,
        None if name.is_empty() => {}
        None => known_name = Some(name.to_string()),
    }
    let mut found = false;
    each_line(roots, "etc/passwd", limits, &mut |fields| {
        let [entry, _, uid, gid, _, home, ..] = fields else {
            return;
        };
        let (Ok(uid), Ok(gid)) = (uid.parse::<u32>(), gid.parse::<u32>()) else {
            return;
        };
        let matches = match &known_name {
            Some(name) => name == entry,
            None => uid == user.uid,
        };
        if matches && !found {
            found = true;
            user.uid = uid;
            user.home = Some((*home).to_string());
            // Without a group of its own, a user in the list has the list's group.
            user.gid = gid;
            known_name.get_or_insert_with(|| (*entry).to_string());
        }
    })?;
    let named = number(name)?.is_none() && !name.is_empty();
    if named && !found {
        return Err(unknown("user", name));
    }
    match group {
        Some(group) => user.gid = resolve_group(group, roots, limits)?,
        None if named => {
            let name = known_name.unwrap_or_default();
            each_line(roots, "etc/group", limits, &mut |fields| {
                let [_, _, gid, members, ..] = fields else {
                    return;
                };
                if let Ok(gid) = gid.parse::<u32>()
                    && members.split(',').any(|m| m == name)
                    && gid != user.gid
                    && user.additional.len() < GROUPS
                    && !user.additional.contains(&gid)
                {
                    user.additional.push(gid);
                }
            })?;
        }
        None => {}
    }
    Ok(user)
}

fn resolve_group(group: &str, roots: &[&Path], limits: &Limits) -> Result<u32> {
    if let Some(gid) = number(group)? {
        return Ok(gid);
    }
    let mut found = None;
    each_line(roots, "etc/group", limits, &mut |fields| {
        if let [entry, _, gid, ..] = fields
            && *entry == group
        {
            found = found.or(gid.parse().ok());
        }
    })?;
    found.ok_or_else(|| unknown("group", group))
}

fn unknown(what: &str, name: &str) -> Error {
    failure!(NotFound: "{what} {name:?} is not in the image" => "Use a numeric id, or an image with this {what}")
}

/// An id if it consists of digits. The largest value is no id but "unchanged" (CVE-2024-40635 is about larger ones).
fn number(text: &str) -> Result<Option<u32>> {
    if text.is_empty() || !text.bytes().all(|b| b.is_ascii_digit()) {
        return Ok(None);
    }
    match text.parse::<u32>() {
        Ok(id) if id < u32::MAX => Ok(Some(id)),
        _ => Err(failure!(Usage: "{text} is not a user or group id")),
    }
}

fn each_line(
    roots: &[&Path],
    path: &str,
    limits: &Limits,
    each: &mut dyn FnMut(&[&str]),
) -> Result<()> {
    let Some(file) = open(roots, path)? else {
        return Ok(());
    };
    let mut reader = BufReader::new(std::fs::File::from(file).take(limits.account_file_bytes + 1));
    let mut total = 0;
    loop {
        let mut line = Vec::new();
        let n = reader
            .read_until(b'\n', &mut line)
            .map_err(|e| Error::system(format!("read /{path} of the image"), e))?;
        total += n as u64;
        if n == 0 {
            return Ok(());
        }
        if total > limits.account_file_bytes {
            let most = limits.account_file_bytes;
            let what = format!("/{path} of the image has more than {most} bytes");
            return Err(Error::new(Kind::Limit, what)
                .hint("--max-account-file-bytes allows more, if the image can be trusted"));
        }
        if let Ok(text) = std::str::from_utf8(&line) {
            let text = text.trim_end_matches(['\n', '\r']);
            if !text.starts_with('#') {
                each(&text.split(':').collect::<Vec<_>>());
            }
        }
    }
}

/// The file in the uppermost root that has it. Links stay inside; pipes and devices are not waited for.
fn open(roots: &[&Path], path: &str) -> Result<Option<OwnedFd>> {
    for root in roots {
        let root_fd = open_directory(root)?;
        let flags = OFlags::RDONLY | OFlags::NONBLOCK | OFlags::CLOEXEC | OFlags::NOCTTY;
        let resolve = ResolveFlags::IN_ROOT | ResolveFlags::NO_MAGICLINKS;
        match rustix::fs::openat2(&root_fd, path, flags, Mode::empty(), resolve) {
            Ok(fd) => {
                let stat = rustix::fs::fstat(&fd).doing("read attributes")?;
                if rustix::fs::FileType::from_raw_mode(stat.st_mode)
                    == rustix::fs::FileType::RegularFile
                {
                    return Ok(Some(fd));
                }
                // A whiteout, or something that is no list of anything.
                return Ok(None);
            }
            Err(rustix::io::Errno::NOENT | rustix::io::Errno::NOTDIR) => {}
            Err(rustix::io::Errno::LOOP | rustix::io::Errno::NXIO) => return Ok(None),
            Err(e) => return Err(Error::system(format!("open /{path} of the image"), e)),
        }
    }
    Ok(None)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn root() -> tempfile::TempDir {
        let temporary = tempfile::tempdir().unwrap();
        std::fs::create_dir(temporary.path().join("etc")).unwrap();
        let write = |name: &str, text: &str| {
            std::fs::write(temporary.path().join("etc").join(name), text).unwrap()
        };
        write(
            "passwd",
            "# x\nroot:x:0:0:root:/root:/bin/sh\nweb:x:33:34::/srv:/bin/false\n1000:x:0:0::/evil:/bin/sh\nbroken\nneg:x:-1:0::/:\n",
        );
        write(
            "group",
            "root:x:0:web\nweb:x:34:web\nextra:x:50:other,web\nmore:x:51:webb\nnum:x:99:1000\n",
        );
        temporary
    }

    fn look(text: &str) -> Result<User> {
        let root = root();
        resolve(text, &[root.path()], &Limits::default())
    }

    #[test]
    fn table() {
        let ids = |text: &str| look(text).map(|u| (u.uid, u.gid, u.additional)).unwrap();
        assert_eq!(ids(""), (0, 0, vec![]));
        assert_eq!(ids("web"), (33, 34, vec![0, 50]));
        assert_eq!(ids("web:extra"), (33, 50, vec![]));
        assert_eq!(ids("web:7"), (33, 7, vec![]));
        assert_eq!(
            ids("33"),
            (33, 34, vec![]),
            "a number has the list's group and no further ones"
        );
        assert_eq!(
            ids("1000"),
            (1000, 0, vec![]),
            "digits are an id, whoever is called so"
        );
        assert_eq!(ids("4000:web"), (4000, 34, vec![]));
        assert_eq!(ids("web:"), (33, 34, vec![0, 50]));
        assert_eq!(look("web").unwrap().home.as_deref(), Some("/srv"));
        for text in [
            "nobody",
            "web:nobody",
            "4294967295",
            "4294967296",
            "99999999999999999999",
            "0:4294967295",
            "neg",
        ] {
            assert!(look(text).is_err(), "{text}");
        }
    }

    #[test]
    fn a_group_may_have_many_members() {
        let root = root();
        let members: Vec<String> = (0..20_000).map(|n| format!("member{n}")).collect();
        let text = format!("many:x:70:{},web\nafter:x:71:web\n", members.join(","));
        std::fs::write(root.path().join("etc/group"), text).unwrap();
        let user = resolve("web", &[root.path()], &Limits::default()).unwrap();
        assert_eq!(user.additional, [70, 71]);
    }

    #[test]
    fn lists_that_are_traps() {
        let limits = Limits {
            account_file_bytes: 1000,
            ..Limits::default()
        };
        let root = root();
        let passwd = root.path().join("etc/passwd");
        std::fs::write(&passwd, "x:x:1:1::/:/\n".repeat(1000)).unwrap();
        assert_eq!(
            resolve("x", &[root.path()], &limits).unwrap_err().kind(),
            Kind::Limit
        );
        std::fs::remove_file(&passwd).unwrap();
        std::os::unix::fs::symlink("/../../../../../../etc/passwd", &passwd).unwrap();
        assert!(
            resolve("root", &[root.path()], &limits).is_err(),
            "the host's list is not the image's"
        );
        std::fs::remove_file(&passwd).unwrap();
        rustix::fs::mknodat(
            rustix::fs::CWD,
            &passwd,
            rustix::fs::FileType::Fifo,
            Mode::RUSR,
            0,
        )
        .unwrap();
        assert!(
            resolve("root", &[root.path()], &limits).is_err(),
            "a pipe is not waited for"
        );
        assert_eq!(resolve("5", &[root.path()], &limits).unwrap().uid, 5);
    }
}
