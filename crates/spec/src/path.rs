//! Where in `config.json` something stands: `mounts[3].source`.

use std::fmt;

/// The path of a property, in the form users write it. Cheap to make: the names are static, only indexes vary, and most paths
/// are `name`, `name.name`, `name[index]` or `name[index].name`, which need no memory. Small, for errors hold it.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct ConfigPath {
    head: &'static str,
    index: Option<u32>,
    rest: Rest,
}

#[derive(Clone, PartialEq, Eq, Hash)]
enum Rest {
    /// Empty: nothing follows.
    Name(&'static str),
    #[expect(
        clippy::box_collection,
        reason = "a vector itself would be the larger part of each path"
    )]
    Parts(Box<Vec<Part>>),
}

#[derive(Clone, PartialEq, Eq, Hash)]
enum Part {
    Name(&'static str),
    Index(usize),
    Key(String),
    Unknown(String),
}

impl ConfigPath {
    /// The document itself: what comes from no property.
    pub const fn none() -> ConfigPath {
        ConfigPath::of("")
    }

    /// A property by its dotted name, such as `process.cwd`.
    pub const fn of(name: &'static str) -> ConfigPath {
        ConfigPath {
            head: name,
            index: None,
            rest: Rest::Name(""),
        }
    }

    fn with(mut self, part: Part) -> ConfigPath {
        match &mut self.rest {
            Rest::Parts(parts) => parts.push(part),
            Rest::Name("") => self.rest = Rest::Parts(Box::new(vec![part])),
            Rest::Name(name) => self.rest = Rest::Parts(Box::new(vec![Part::Name(name), part])),
        }
        self
    }

    /// A property of the property here.
    #[must_use]
    pub fn then(self, name: &'static str) -> ConfigPath {
        match self.rest {
            Rest::Name("") if self.is_none() => ConfigPath::of(name),
            Rest::Name("") => ConfigPath {
                rest: Rest::Name(name),
                ..self
            },
            _ => self.with(Part::Name(name)),
        }
    }

    /// An element of the list here.
    #[must_use]
    pub fn index(self, index: usize) -> ConfigPath {
        let fits = self.index.is_none() && self.rest == Rest::Name("");
        match u32::try_from(index) {
            Ok(index) if fits => ConfigPath {
                index: Some(index),
                ..self
            },
            _ => self.with(Part::Index(index)),
        }
    }

    /// An entry of the map here, shown as `sysctl["net.ipv4.ip_forward"]`.
    #[must_use]
    pub fn key(self, key: &str) -> ConfigPath {
        self.with(Part::Key(key.to_owned()))
    }

    /// A property of the object here that the specification does not know.
    #[must_use]
    pub fn unknown(self, name: &str) -> ConfigPath {
        self.with(Part::Unknown(name.to_owned()))
    }

    /// True for [`ConfigPath::none`].
    pub fn is_none(&self) -> bool {
        *self == ConfigPath::none()
    }
}

impl Default for ConfigPath {
    fn default() -> ConfigPath {
        ConfigPath::none()
    }
}

impl fmt::Display for ConfigPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.head)?;
        if let Some(index) = self.index {
            write!(f, "[{index}]")?;
        }
        let parts = match &self.rest {
            Rest::Name("") => return Ok(()),
            Rest::Name(name) => return write!(f, ".{name}"),
            Rest::Parts(parts) => parts,
        };
        let is_first = self.head.is_empty() && self.index.is_none();
        let mut dot = if is_first { "" } else { "." };
        for part in parts.iter() {
            match part {
                Part::Name(name) => write!(f, "{dot}{name}")?,
                Part::Index(index) => write!(f, "[{index}]")?,
                Part::Key(key) => write!(f, "[{key:?}]")?,
                Part::Unknown(name) => write!(f, "{dot}{}", name.escape_debug())?,
            }
            dot = ".";
        }
        Ok(())
    }
}

impl fmt::Debug for ConfigPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

#[cfg(test)]
mod tests {
    use super::ConfigPath;

    #[test]
    fn paths_read_as_users_write_them() {
        let path = ConfigPath::of("mounts").index(3).then("source");
        assert_eq!(path.to_string(), "mounts[3].source");
        let path = ConfigPath::of("linux.sysctl").key("net.core.somaxconn");
        assert_eq!(path.to_string(), "linux.sysctl[\"net.core.somaxconn\"]");
        assert_eq!(ConfigPath::none().to_string(), "");
        let path = ConfigPath::of("a").then("b").index(0).then("c").index(1);
        assert_eq!(path.then("d").to_string(), "a.b[0].c[1].d");
        let path = ConfigPath::none().unknown("x\ny").then("z").index(7);
        assert_eq!(path.to_string(), "x\\ny.z[7]");
        let large = usize::try_from(u64::from(u32::MAX) + 1).unwrap_or(usize::MAX);
        let path = ConfigPath::of("a").index(large).index(1).then("b");
        assert_eq!(path.to_string(), format!("a[{large}][1].b"));
        let path = ConfigPath::none().index(2).then("a").unknown("b");
        assert_eq!(path.to_string(), "[2].a.b");
        assert!(size_of::<ConfigPath>() <= 40);
        assert!(ConfigPath::none().is_none() && !ConfigPath::none().index(0).is_none());
    }
}
