//! Becoming root of a user namespace, for callers without privilege.
//!
//! The ids of `/etc/subuid` and `/etc/subgid` are mapped by `newuidmap` and `newgidmap`, which have the privilege for that. They
//! must be started from outside the new namespace, therefore a helper process waits there for the moment.

use std::io::{Read, Write};
use std::process::{Command, Stdio};

use nix::sched::{CloneFlags, unshare};

use tare_image::{Error, Result};

/// Argument by which this program knows that it is the helper.
pub(crate) const HELPER: &str = "__map-ids";

/// A range of ids that a user may use besides the own one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Range {
    first: u32,
    count: u32,
}

/// Becomes root of a new user and mount namespace, with all ids mapped that the caller may use. To be called before any
/// thread is started; does nothing for root. False when there are no subordinate ids: only one's own is mapped then.
pub(crate) fn become_root() -> Result<bool> {
    if rustix::process::geteuid().is_root() {
        return Ok(true);
    }
    let (uid, gid) = (
        rustix::process::getuid().as_raw(),
        rustix::process::getgid().as_raw(),
    );
    let name = user_name(uid);
    let uids = ranges("/etc/subuid", &name, uid);
    let gids = ranges("/etc/subgid", &name, uid);
    let mapped = !uids.is_empty() && !gids.is_empty();
    let map = |own: u32, ranges: &[Range]| {
        let mut args = vec!["0".to_string(), own.to_string(), "1".into()];
        let mut inside = 1;
        for range in ranges {
            args.extend([
                inside.to_string(),
                range.first.to_string(),
                range.count.to_string(),
            ]);
            inside += range.count;
        }
        args.join(" ")
    };
    let error = |e| Error::system("start the helper that maps ids", e);
    let program = std::env::current_exe().map_err(error)?;
    let mut helper = Command::new(program)
        .args([
            HELPER,
            &std::process::id().to_string(),
            &map(uid, &uids),
            &map(gid, &gids),
        ])
        .stdin(Stdio::piped())
        .spawn()
        .map_err(error)?;
    unshare(CloneFlags::CLONE_NEWUSER | CloneFlags::CLONE_NEWNS).map_err(|e| {
        let _ = helper.kill();
        Error::system("make a user namespace", e)
            .hint("The system must allow user namespaces to users: sysctl user.max_user_namespaces")
    })?;
    if mapped {
        let mut go = helper
            .stdin
            .take()
            .ok_or_else(|| failure!(Local: "the helper has no input"))?;
        go.write_all(b"g").map_err(error)?;
        drop(go);
        let status = helper.wait().map_err(error)?;
        if !status.success() {
            fail!(Local: "mapping the ids of /etc/subuid and /etc/subgid failed ({status})"
                => "newuidmap and newgidmap must be installed");
        }
        return Ok(true);
    }
    drop(helper.stdin.take());
    let _ = helper.wait();
    let write = |file: &str, text: String| {
        std::fs::write(format!("/proc/self/{file}"), text)
            .map_err(|e| Error::system(format!("write {file}"), e))
    };
    write("setgroups", "deny".into())?;
    write("uid_map", format!("0 {uid} 1"))?;
    write("gid_map", format!("0 {gid} 1"))?;
    Ok(false)
}

/// The helper's part: waits for the word, then maps the ids of `arguments` = process, users, groups.
///
/// # Errors
/// [`tare_image::Kind::Local`] when a program fails or is missing.
pub(crate) fn help(arguments: &[String]) -> Result<()> {
    let [process, uids, gids] = arguments else {
        fail!(Usage: "three arguments are needed");
    };
    let mut word = [0u8];
    if std::io::stdin().read(&mut word).unwrap_or(0) == 0 {
        return Ok(());
    }
    for (program, map) in [("newuidmap", uids), ("newgidmap", gids)] {
        let status = Command::new(program)
            .arg(process)
            .args(map.split(' '))
            .status()
            .map_err(|e| Error::system(format!("run {program}"), e))?;
        if !status.success() {
            fail!(Local: "{program} failed ({status})");
        }
    }
    Ok(())
}

fn user_name(uid: u32) -> String {
    nix::unistd::User::from_uid(nix::unistd::Uid::from_raw(uid))
        .ok()
        .flatten()
        .map(|u| u.name)
        .unwrap_or_default()
}

fn ranges(path: &str, name: &str, uid: u32) -> Vec<Range> {
    parse(
        &std::fs::read_to_string(path).unwrap_or_default(),
        name,
        uid,
    )
}

/// `name:first:count` or `uid:first:count` (subuid(5)).
fn parse(text: &str, name: &str, uid: u32) -> Vec<Range> {
    let owner = uid.to_string();
    text.lines()
        .filter_map(|line| {
            let mut fields = line.trim().split(':');
            let who = fields.next()?;
            let (first, count) = (
                fields.next()?.parse().ok()?,
                fields.next()?.parse::<u32>().ok()?,
            );
            (who == owner || (!name.is_empty() && who == name)).then_some(Range { first, count })
        })
        .filter(|r| r.count > 0)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn subordinate_ids() {
        let text = "root:1:2\nme:100000:65536\n# x\nbroken\n1000:300000:10\nme:5:0\n";
        let found = parse(text, "me", 1000);
        assert_eq!(
            found,
            [
                Range {
                    first: 100_000,
                    count: 65_536
                },
                Range {
                    first: 300_000,
                    count: 10
                }
            ]
        );
        assert!(parse(text, "", 7).is_empty());
    }
}
