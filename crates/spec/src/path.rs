//! Where in `config.json` something stands: `mounts[3].source`.

use std::fmt;

/// The path of a property, in the form users write it. Cheap to make: the names are static, only indexes vary.
#[derive(Clone, PartialEq, Eq, Hash, Default)]
pub struct ConfigPath {
    parts: Vec<Part>,
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
        ConfigPath { parts: Vec::new() }
    }

    /// A property by its dotted name, such as `process.cwd`.
    pub fn of(name: &'static str) -> ConfigPath {
        ConfigPath {
            parts: vec![Part::Name(name)],
        }
    }

    /// A property of the property here.
    #[must_use]
    pub fn then(mut self, name: &'static str) -> ConfigPath {
        self.parts.push(Part::Name(name));
        self
    }

    /// An element of the list here.
    #[must_use]
    pub fn index(mut self, index: usize) -> ConfigPath {
        self.parts.push(Part::Index(index));
        self
    }

    /// An entry of the map here, shown as `sysctl["net.ipv4.ip_forward"]`.
    #[must_use]
    pub fn key(mut self, key: &str) -> ConfigPath {
        self.parts.push(Part::Key(key.to_owned()));
        self
    }

    /// A property of the object here that the specification does not know.
    #[must_use]
    pub fn unknown(mut self, name: &str) -> ConfigPath {
        self.parts.push(Part::Unknown(name.to_owned()));
        self
    }

    /// True for [`ConfigPath::none`].
    pub fn is_none(&self) -> bool {
        self.parts.is_empty()
    }
}

impl fmt::Display for ConfigPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (position, part) in self.parts.iter().enumerate() {
            match part {
                Part::Name(name) if position == 0 => f.write_str(name)?,
                Part::Name(name) => write!(f, ".{name}")?,
                Part::Index(index) => write!(f, "[{index}]")?,
                Part::Key(key) => write!(f, "[{key:?}]")?,
                Part::Unknown(name) if position == 0 => write!(f, "{}", name.escape_debug())?,
                Part::Unknown(name) => write!(f, ".{}", name.escape_debug())?,
            }
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
    }
}
