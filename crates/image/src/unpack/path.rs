//! Names in archives: cleaned before any use, refused when they cannot be meant honestly.

#[cfg(doc)]
use crate::error::Kind;
use crate::error::Result;
use crate::limits::Limits;

/// Joins the real components with single slashes; the root is empty. Leading slashes are dropped, as everywhere. What a hard link
/// leads to may go `up` again, as long as it stays inside.
///
/// # Errors
/// [`Kind::Unsafe`] for other `..`, [`Kind::Limit`] for what is too deep or has a component that no file system takes.
pub(super) fn clean(path: &[u8], limits: &Limits, up: bool) -> Result<Vec<u8>> {
    let mut into = Vec::with_capacity(path.len());
    let mut depth = 0;
    for component in path.split(|b| *b == b'/') {
        match component {
            b"" | b"." => continue,
            b".." if up && depth > 0 => {
                into.truncate(split(&into).0.len());
                depth -= 1;
                continue;
            }
            b".." => {
                fail!(Unsafe: "the name leads upwards with \"..\"");
            }
            c if c.len() > 255 => {
                fail!(Limit: "a component of the name is longer than 255 bytes");
            }
            _ => {}
        }
        depth += 1;
        if depth > limits.depth {
            fail!(Limit: "the name has more than {} components", limits.depth);
        }
        if !into.is_empty() {
            into.push(b'/');
        }
        into.extend_from_slice(component);
    }
    Ok(into)
}

/// Folder and last component.
pub(super) fn split(path: &[u8]) -> (&[u8], &[u8]) {
    match path.iter().rposition(|b| *b == b'/') {
        Some(slash) => (&path[..slash], &path[slash + 1..]),
        None => (b"", path),
    }
}

/// What a name says about lower layers (image-spec, layer.md, "Whiteouts").
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Whiteout<'a> {
    /// An ordinary name.
    None,
    /// Hides one name.
    Name(&'a [u8]),
    /// Hides everything in the directory.
    Opaque,
    /// Bookkeeping of AUFS, which ended up in old layers; means nothing.
    Bookkeeping,
}

/// # Errors
/// [`Kind::Unsafe`] for whiteouts of nothing, of `.` and `..`, and for directories below a whiteout's name.
pub(super) fn whiteout(path: &[u8]) -> Result<Whiteout<'_>> {
    const PREFIX: &[u8] = b".wh.";
    let (folder, name) = split(path);
    if folder.starts_with(PREFIX) || folder.windows(5).any(|w| w == b"/.wh.") {
        let aufs = folder
            .split(|b| *b == b'/')
            .any(|c| c.starts_with(b".wh..wh."));
        return match aufs {
            true => Ok(Whiteout::Bookkeeping),
            false => Err(failure!(Unsafe: "an entry below a whiteout")),
        };
    }
    let Some(hidden) = name.strip_prefix(PREFIX) else {
        return Ok(Whiteout::None);
    };
    match hidden {
        b".wh..opq" => Ok(Whiteout::Opaque),
        b"" | b"." | b".." => Err(failure!(Unsafe: "a whiteout of nothing, \".\" or \"..\"")),
        h if h.starts_with(PREFIX) => Ok(Whiteout::Bookkeeping),
        h => Ok(Whiteout::Name(h)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::Kind;

    fn cleaned(path: &[u8]) -> Result<Vec<u8>> {
        clean(path, &Limits::default(), false)
    }

    #[test]
    fn names_are_cleaned() {
        let table: [(&[u8], &[u8]); 8] = [
            (b"a/b", b"a/b"),
            (b"/a//b/", b"a/b"),
            (b"./a/./b", b"a/b"),
            (b"/", b""),
            (b"/.", b""),
            (b"", b""),
            (b"a\xff\n", b"a\xff\n"),
            (b"...", b"..."),
        ];
        for (path, clean) in table {
            assert_eq!(cleaned(path).unwrap(), clean, "{}", path.escape_ascii());
        }
        for path in [&b".."[..], b"a/../b", b"/..", b"a/..", b"../a"] {
            assert_eq!(cleaned(path).unwrap_err().kind(), Kind::Unsafe);
        }
        assert!(cleaned(&[b'x'; 256]).is_err());
        assert!(cleaned(&b"d/".repeat(1000)).is_ok());
        assert!(cleaned(&b"d/".repeat(1025)).is_err());
    }

    #[test]
    fn targets_may_go_up_inside() {
        let target = |path: &[u8]| clean(path, &Limits::default(), true);
        for (path, cleaned) in [
            (&b"a/../b"[..], &b"b"[..]),
            (b"a/b/../../c/./d", b"c/d"),
            (b"a/b/..", b"a"),
            (b"a/..", b""),
        ] {
            assert_eq!(target(path).unwrap(), cleaned);
        }
        for path in [&b".."[..], b"/../a", b"a/../..", b"a/../../a"] {
            assert_eq!(target(path).unwrap_err().kind(), Kind::Unsafe);
        }
    }

    #[test]
    fn whiteouts() {
        assert_eq!(whiteout(b"a/.wh.b").unwrap(), Whiteout::Name(b"b"));
        assert_eq!(whiteout(b".wh.b").unwrap(), Whiteout::Name(b"b"));
        assert_eq!(whiteout(b"a/.wh..wh..opq").unwrap(), Whiteout::Opaque);
        assert_eq!(
            whiteout(b".wh..wh.plnk/1.2").unwrap(),
            Whiteout::Bookkeeping
        );
        assert_eq!(whiteout(b".wh..wh.aufs").unwrap(), Whiteout::Bookkeeping);
        assert_eq!(whiteout(b"a.wh.b").unwrap(), Whiteout::None);
        assert_eq!(whiteout(b"a/.whb").unwrap(), Whiteout::None);
        for path in [
            &b".wh."[..],
            b"a/.wh.",
            b".wh..",
            b"a/.wh...",
            b".wh.a/b",
            b"a/.wh.b/c",
        ] {
            assert_eq!(
                whiteout(path).unwrap_err().kind(),
                Kind::Unsafe,
                "{}",
                path.escape_ascii()
            );
        }
    }
}
