//! What is known about directories of a layer besides what is in them, until the layers below are there.

use std::collections::HashSet;
use std::os::fd::AsFd;

use rustix::fs::{self, XattrFlags};
use rustix::io::Errno;

use super::attributes::opaque_name;
use crate::error::{Doing, Error, Result};

/// Directories without an entry of their own, at most: these are kept in memory, each by a number.
const MOST: usize = 1 << 20;

/// What an unpacked layer is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// To be mounted over others by overlayfs, which finds what it needs in extended attributes.
    Overlay,
    /// To be moved over others into one root file system: nothing is written that is not in the image.
    Flat,
}

/// Directories by inode number: names may lead to them through links.
pub(super) struct Marks {
    form: Form,
    opaque_name: String,
    implicit: HashSet<u64>,
    replaced: HashSet<u64>,
    opaque: HashSet<u64>,
    hide_something: bool,
}

impl Marks {
    pub(super) fn new(form: Form) -> Self {
        Marks {
            form,
            opaque_name: opaque_name(),
            implicit: HashSet::new(),
            replaced: HashSet::new(),
            opaque: HashSet::new(),
            hide_something: false,
        }
    }

    /// The attribute of directories that hide, where that is how layers say it; else all below is one tree already.
    pub(super) fn opaque_name(&self) -> Option<&str> {
        (self.form == Form::Overlay).then_some(&self.opaque_name)
    }

    pub(super) fn form(&self) -> Form {
        self.form
    }

    /// The directory was just made: its number may have been another's.
    pub(super) fn fresh(&mut self, fd: impl AsFd) -> Result<()> {
        if self.implicit.len() + self.replaced.len() + self.opaque.len() > 0 {
            let number = number(fd)?;
            for set in [&mut self.implicit, &mut self.replaced, &mut self.opaque] {
                set.remove(&number);
            }
        }
        Ok(())
    }

    /// No entry has described it yet.
    pub(super) fn implicit(&mut self, fd: impl AsFd) -> Result<()> {
        if self.implicit.len() >= MOST {
            fail!(Limit: "more than {MOST} directories without an entry of their own");
        }
        self.implicit.insert(number(fd)?);
        Ok(())
    }

    /// An entry describes it, or its time has come. True if none had before.
    pub(super) fn described(&mut self, fd: impl AsFd) -> Result<bool> {
        Ok(!self.implicit.is_empty() && self.implicit.remove(&number(fd)?))
    }

    /// What the layers below have in this directory is hidden.
    pub(super) fn make_opaque(&mut self, fd: impl AsFd) -> Result<()> {
        self.hide_something = true;
        if self.form == Form::Flat {
            self.opaque.insert(number(fd)?);
            return Ok(());
        }
        fs::fsetxattr(fd, &self.opaque_name, b"y", XattrFlags::empty()).map_err(|e| {
            Error::system(format!("set {}", self.opaque_name), e)
                .hint("The store must be on a file system with extended attributes")
        })
    }

    /// It has nothing to do with what the layers below have under its name.
    pub(super) fn replace(&mut self, fd: impl AsFd) -> Result<()> {
        self.replaced.insert(number(&fd)?);
        self.make_opaque(fd)
    }

    pub(super) fn is_replaced(&self, fd: impl AsFd) -> Result<bool> {
        Ok(!self.replaced.is_empty() && self.replaced.contains(&number(fd)?))
    }

    /// True if there was ever an opaque directory: only then it makes sense to look for some.
    pub(super) fn hide_something(&self) -> bool {
        self.hide_something
    }

    pub(super) fn is_opaque(&self, fd: impl AsFd) -> Result<bool> {
        match self.form {
            Form::Overlay => has_opaque_mark(fd, &self.opaque_name),
            Form::Flat => Ok(!self.opaque.is_empty() && self.opaque.contains(&number(fd)?)),
        }
    }

    /// The directories that hide, of a layer that is to be moved.
    pub(super) fn into_opaque(self) -> HashSet<u64> {
        self.opaque
    }
}

/// True if overlayfs looks no further below this directory.
pub(crate) fn has_opaque_mark(fd: impl AsFd, name: &str) -> Result<bool> {
    let mut value = [0u8; 2];
    match fs::fgetxattr(fd, name, &mut value) {
        Ok(n) => Ok(&value[..n] == b"y"),
        Err(Errno::NODATA | Errno::OPNOTSUPP | Errno::RANGE) => Ok(false),
        Err(e) => Err(Error::system("read extended attribute", e)),
    }
}

pub(super) fn number(fd: impl AsFd) -> Result<u64> {
    let stat = fs::fstat(fd).doing("read attributes")?;
    Ok(stat.st_ino)
}
