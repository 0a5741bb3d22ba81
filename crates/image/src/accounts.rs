//! Users and groups of an image, from its own files: never from the host, never followed out of the image, never unbounded.

use std::fs::File;
use std::os::fd::AsFd;
use std::path::Path;

use rustix::fs::{OFlags, ResolveFlags};
use rustix::io::Errno;

use crate::error::{Doing, Error, Result};
use crate::json::read_most;
use crate::limits::Limits;
use crate::unpack::{lookup, open_directory};

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
pub fn resolve(text: &str, roots: &[&Path], limits: &Limits) -> Result<User> {
    let (name, group) = text.split_once(':').unwrap_or((text, ""));
    let id = match number(name)? {
        None if name.is_empty() => Some(0),
        id => id,
    };
    let list = read(roots, "etc/passwd", limits)?;
    let known = list.lines().filter_map(|line| {
        let fields: Vec<&str> = line.split(':').collect();
        let [own, _, uid, gid, _, home, ..] = fields[..] else {
            return None;
        };
        let (uid, gid) = (uid.parse().ok()?, gid.parse().ok()?);
        let meant = id.map_or(own == name, |id| uid == id);
        (meant && !line.starts_with('#')).then_some((uid, gid, home))
    });
    let mut user = match ({ known }.next(), id) {
        // Without a group of its own, a user in the list has the list's group.
        (Some((uid, gid, home)), _) => User {
            uid,
            gid,
            home: Some(home.into()),
            additional: Vec::new(),
        },
        (None, Some(uid)) => User {
            uid,
            ..User::default()
        },
        (None, None) => return Err(unknown("user", name)),
    };
    if let Some(gid) = number(group)? {
        user.gid = gid;
        return Ok(user);
    }
    if group.is_empty() && id.is_some() {
        return Ok(user);
    }
    let list = read(roots, "etc/group", limits)?;
    let groups = list.lines().filter(|line| !line.starts_with('#'));
    let groups = groups.filter_map(|line| {
        let (own, rest) = line.split_once(':')?;
        let mut rest = rest.split(':').skip(1);
        let (gid, members) = (rest.next()?.parse::<u32>().ok()?, rest.next());
        Some((own, gid, members.unwrap_or_default()))
    });
    if !group.is_empty() {
        let found = { groups }.find(|(own, ..)| *own == group);
        user.gid = found.ok_or_else(|| unknown("group", group))?.1;
        return Ok(user);
    }
    for (_, gid, members) in groups {
        let is_member = members.split(',').any(|m| m == name);
        let known = gid == user.gid || user.additional.contains(&gid);
        if is_member && !known && user.additional.len() < GROUPS {
            user.additional.push(gid);
        }
    }
    Ok(user)
}

fn unknown(what: &str, name: &str) -> Error {
    failure!(NotFound: "{what} {name:?} is not in the image"
        => "Use a numeric id, or an image with this {what}")
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

/// The file in the uppermost root that has it; nothing when it is not there, or no file. Links stay inside; pipes and devices
/// are not waited for.
fn read(roots: &[&Path], path: &str, limits: &Limits) -> Result<String> {
    let flags = OFlags::RDONLY | OFlags::NONBLOCK | OFlags::CLOEXEC | OFlags::NOCTTY;
    for root in roots {
        match lookup(
            open_directory(root)?.as_fd(),
            path.as_bytes(),
            flags,
            ResolveFlags::empty(),
        ) {
            Ok(fd) => {
                let file = File::from(fd);
                // Else a whiteout, or something that is no list of anything.
                if !file.metadata().doing("read attributes")?.is_file() {
                    break;
                }
                let most = limits.account_file_bytes;
                let bytes = read_most(file, most).doing(&format!("read /{path} of the image"))?;
                let bytes = bytes.ok_or_else(|| {
                    failure!(Limit: "/{path} of the image has more than {most} bytes"
                        => "--max-account-file-bytes allows more, if the image can be trusted")
                })?;
                return Ok(String::from_utf8_lossy(&bytes).into_owned());
            }
            Err(Errno::NOENT | Errno::NOTDIR) => {}
            Err(Errno::LOOP | Errno::NXIO) => break,
            Err(e) => return Err(Error::system(format!("open /{path} of the image"), e)),
        }
    }
    Ok(String::new())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::Kind;

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
            rustix::fs::Mode::RUSR,
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
