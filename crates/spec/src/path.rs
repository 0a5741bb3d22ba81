//! Where in `config.json` something stands: `mounts[3].source`.

use std::fmt;

/// The path of a property, in the form users write it. Cheap to make: the names are static, only indexes vary, and hardly any
/// path has more parts than there is room for.
#[derive(Clone, PartialEq, Eq, Hash, Default)]
pub struct ConfigPath {
    parts: [Part; 4],
    more: Vec<Part>,
}

#[derive(Clone, PartialEq, Eq, Hash, Default)]
enum Part {
    /// There is no further one.
    #[default]
    End,
    Name(&'static str),
    Index(usize),
    Key(String),
    Unknown(String),
}

impl ConfigPath {
    /// The document itself: what comes from no property.
    pub const fn none() -> ConfigPath {
        ConfigPath {
            parts: [const { Part::End }; 4],
            more: Vec::new(),
        }
    }

    /// A property by its dotted name, such as `process.cwd`.
    pub fn of(name: &'static str) -> ConfigPath {
        ConfigPath::none().with(Part::Name(name))
    }

    fn with(mut self, part: Part) -> ConfigPath {
        match self.parts.iter_mut().find(|part| **part == Part::End) {
            Some(room) => *room = part,
            None => self.more.push(part),
        }
        self
    }

    /// A property of the property here.
    #[must_use]
    pub fn then(self, name: &'static str) -> ConfigPath {
        self.with(Part::Name(name))
    }

    /// An element of the list here.
    #[must_use]
    pub fn index(self, index: usize) -> ConfigPath {
        self.with(Part::Index(index))
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
        self.parts[0] == Part::End
    }
}

impl fmt::Display for ConfigPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (position, part) in self.parts.iter().chain(&self.more).enumerate() {
            match part {
                Part::End => {}
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
        let path = ConfigPath::of("a").then("b").index(0).then("c").index(1);
        assert_eq!(path.then("d").to_string(), "a.b[0].c[1].d");
    }
}
