//! The table of mount options (config.md, "Linux mount options").

use init::step::Attributes;
use kernel::mount::{attributes, flags};

/// What a word means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Meaning {
    /// Sets or clears a flag of mount(2), and the attribute of mount_setattr(2) for the same thing (0: there is none).
    Flag {
        /// On or off.
        on: bool,
        /// Flag of mount(2).
        flag: u64,
        /// Attribute of mount_setattr(2).
        attribute: u64,
    },
    /// Sets or clears an attribute of the mount and of all below it.
    Recursive {
        /// On or off.
        on: bool,
        /// Attribute of mount_setattr(2).
        attribute: u64,
    },
    /// A bind mount, perhaps recursive.
    Bind(bool),
    /// A propagation type, perhaps recursive.
    Propagation(u64),
    /// Map ids, perhaps recursively.
    IdMap(bool),
    /// Start a tmpfs with a copy of what it covers.
    CopyUp,
    /// The default; says nothing.
    Nothing,
}

const fn flag(on: bool, flag: u64, attribute: u64) -> Meaning {
    Meaning::Flag {
        on,
        flag,
        attribute,
    }
}

const fn recursive(on: bool, attribute: u64) -> Meaning {
    Meaning::Recursive { on, attribute }
}

/// All words that are options of mounts and not of single file systems, sorted.
pub const TABLE: &[(&str, Meaning)] = &[
    ("async", flag(false, flags::SYNCHRONOUS, 0)),
    ("atime", flag(false, flags::NOATIME, attributes::NOATIME)),
    ("bind", Meaning::Bind(false)),
    ("defaults", Meaning::Nothing),
    ("dev", flag(false, flags::NODEV, attributes::NODEV)),
    (
        "diratime",
        flag(false, flags::NODIRATIME, attributes::NODIRATIME),
    ),
    ("dirsync", flag(true, flags::DIRSYNC, 0)),
    ("exec", flag(false, flags::NOEXEC, attributes::NOEXEC)),
    ("idmap", Meaning::IdMap(false)),
    ("iversion", flag(true, flags::I_VERSION, 0)),
    ("lazytime", flag(true, flags::LAZYTIME, 0)),
    ("loud", flag(false, flags::SILENT, 0)),
    ("mand", flag(true, flags::MANDLOCK, 0)),
    ("noatime", flag(true, flags::NOATIME, attributes::NOATIME)),
    ("nodev", flag(true, flags::NODEV, attributes::NODEV)),
    (
        "nodiratime",
        flag(true, flags::NODIRATIME, attributes::NODIRATIME),
    ),
    ("noexec", flag(true, flags::NOEXEC, attributes::NOEXEC)),
    ("noiversion", flag(false, flags::I_VERSION, 0)),
    ("nolazytime", flag(false, flags::LAZYTIME, 0)),
    ("nomand", flag(false, flags::MANDLOCK, 0)),
    ("norelatime", flag(false, flags::RELATIME, 0)),
    (
        "nostrictatime",
        flag(false, flags::STRICTATIME, attributes::STRICTATIME),
    ),
    ("nosuid", flag(true, flags::NOSUID, attributes::NOSUID)),
    (
        "nosymfollow",
        flag(true, flags::NOSYMFOLLOW, attributes::NOSYMFOLLOW),
    ),
    ("private", Meaning::Propagation(flags::PRIVATE)),
    ("ratime", recursive(false, attributes::NOATIME)),
    ("rbind", Meaning::Bind(true)),
    ("rdev", recursive(false, attributes::NODEV)),
    ("rdiratime", recursive(false, attributes::NODIRATIME)),
    ("relatime", flag(true, flags::RELATIME, 0)),
    ("remount", flag(true, flags::REMOUNT, 0)),
    ("rexec", recursive(false, attributes::NOEXEC)),
    ("ridmap", Meaning::IdMap(true)),
    ("rnoatime", recursive(true, attributes::NOATIME)),
    ("rnodev", recursive(true, attributes::NODEV)),
    ("rnodiratime", recursive(true, attributes::NODIRATIME)),
    ("rnoexec", recursive(true, attributes::NOEXEC)),
    ("rnorelatime", recursive(false, 0)),
    ("rnostrictatime", recursive(false, attributes::STRICTATIME)),
    ("rnosuid", recursive(true, attributes::NOSUID)),
    ("rnosymfollow", recursive(true, attributes::NOSYMFOLLOW)),
    ("ro", flag(true, flags::RDONLY, attributes::RDONLY)),
    (
        "rprivate",
        Meaning::Propagation(flags::PRIVATE | flags::REC),
    ),
    ("rrelatime", recursive(true, 0)),
    ("rro", recursive(true, attributes::RDONLY)),
    ("rrw", recursive(false, attributes::RDONLY)),
    ("rshared", Meaning::Propagation(flags::SHARED | flags::REC)),
    ("rslave", Meaning::Propagation(flags::SLAVE | flags::REC)),
    ("rstrictatime", recursive(true, attributes::STRICTATIME)),
    ("rsuid", recursive(false, attributes::NOSUID)),
    ("rsymfollow", recursive(false, attributes::NOSYMFOLLOW)),
    (
        "runbindable",
        Meaning::Propagation(flags::UNBINDABLE | flags::REC),
    ),
    ("rw", flag(false, flags::RDONLY, attributes::RDONLY)),
    ("shared", Meaning::Propagation(flags::SHARED)),
    ("silent", flag(true, flags::SILENT, 0)),
    ("slave", Meaning::Propagation(flags::SLAVE)),
    (
        "strictatime",
        flag(true, flags::STRICTATIME, attributes::STRICTATIME),
    ),
    ("suid", flag(false, flags::NOSUID, attributes::NOSUID)),
    (
        "symfollow",
        flag(false, flags::NOSYMFOLLOW, attributes::NOSYMFOLLOW),
    ),
    ("sync", flag(true, flags::SYNCHRONOUS, 0)),
    ("tmpcopyup", Meaning::CopyUp),
    ("unbindable", Meaning::Propagation(flags::UNBINDABLE)),
];

/// The words that concern the kind of access time, of which a mount has one.
fn is_atime(word: &str) -> bool {
    matches!(
        word,
        "atime" | "noatime" | "relatime" | "norelatime" | "strictatime" | "nostrictatime"
    )
}

/// What a list of options amounts to; later words win, at each mount that they concern.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Options {
    /// Flags of mount(2) that are set on a new file system.
    pub flags: u64,
    /// Attributes to set on a bind mount itself.
    pub set: u64,
    /// Attributes to clear on a bind mount itself.
    pub clear: u64,
    /// Attributes to set on all below it, and on itself where the other two do not say otherwise.
    pub deep_set: u64,
    /// Attributes to clear on all below it.
    pub deep_clear: u64,
    /// There is a word about a flag.
    pub has_flag: bool,
    /// There is a word that turns a flag of access times on.
    pub has_access_time: bool,
    /// `Some(recursive)` for a bind mount.
    pub bind: Option<bool>,
    /// Propagation types in the order given.
    pub propagation: Vec<u64>,
    /// `Some(recursive)` for an id-mapped mount.
    pub id_map: Option<bool>,
    /// `tmpcopyup`.
    pub copy_up: bool,
    /// Words that are not in the table: options of the file system.
    pub data: Vec<String>,
}

impl Options {
    /// Reads a list of options. A word with commas counts as several, as in fstab(5).
    pub fn read<'t>(words: impl Iterator<Item = &'t str>) -> Options {
        let mut options = Options::default();
        for word in words {
            match TABLE.binary_search_by_key(&word, |(name, _)| name) {
                Ok(index) => options.add(word, TABLE[index].1),
                Err(_) if word.is_empty() => {}
                Err(_) => options.data.push(word.to_owned()),
            }
        }
        options
    }

    fn add(&mut self, word: &str, meaning: Meaning) {
        match meaning {
            Meaning::Flag {
                on,
                flag,
                attribute,
            } => {
                self.has_flag = true;
                self.has_access_time |= on && flag & ACCESS_TIMES != 0;
                self.flags = if on {
                    self.flags | flag
                } else {
                    self.flags & !flag
                };
                let change = if is_atime(word) { change_atime } else { change };
                change(&mut self.set, &mut self.clear, on, attribute);
            }
            Meaning::Recursive { on, attribute } => {
                let change = if is_atime(&word[1..]) {
                    change_atime
                } else {
                    change
                };
                change(&mut self.deep_set, &mut self.deep_clear, on, attribute);
                // It concerns the mount itself, too, and may take back what an earlier word said about that.
                change(&mut self.set, &mut self.clear, on, attribute);
                // On a new file system there is nothing below yet.
                self.flags &= !flags_of(self.clear);
                self.flags |= flags_of(self.set);
            }
            Meaning::Bind(recursive) => self.bind = Some(recursive || self.bind == Some(true)),
            Meaning::Propagation(value) => self.propagation.push(value),
            Meaning::IdMap(recursive) => self.id_map = Some(recursive),
            Meaning::CopyUp => self.copy_up = true,
            Meaning::Nothing => {}
        }
    }
}

/// The words about a flag that is on.
const ACCESS_TIMES: u64 = flags::NOATIME | flags::NODIRATIME | flags::RELATIME | flags::STRICTATIME;

/// What a bind mount has from its source, and what a flag word makes it forget.
const FORGOTTEN: u64 = attributes::RDONLY
    | attributes::NOSUID
    | attributes::NODEV
    | attributes::NOEXEC
    | attributes::NOSYMFOLLOW;

impl Options {
    /// An existing mount is to be changed.
    pub fn is_remount(&self) -> bool {
        self.flags & flags::REMOUNT != 0
    }

    /// Attributes that a bind mount loses without a word about them.
    ///
    /// A list without a word about a flag leaves the mount as its source is. With one, the list is all that there is to
    /// say: what it does not name is cleared, unless the kernel has it locked (mount_namespaces(7)). Access times stay as
    /// they are until one of their words turns something on. That is how mount(2) with MS_REMOUNT and MS_BIND
    /// behaves, and so what engines that write only `rw` or `ro` rely on.
    pub fn release(&self) -> u64 {
        let mut release = 0;
        if self.has_flag {
            release |= FORGOTTEN & !self.set & !self.clear;
        }
        if self.has_access_time {
            release |= attributes::NODIRATIME & !self.set;
            if (self.set | self.clear) & attributes::ATIME == 0 {
                release |= attributes::ATIME;
            }
        }
        release & !self.clear
    }
}

impl Options {
    /// All of them, as the steps that change a mount have them.
    pub fn attributes(&self) -> Attributes {
        Attributes {
            release: self.release(),
            set: self.set,
            clear: self.clear,
            deep_set: self.deep_set,
            deep_clear: self.deep_clear,
        }
    }
}

/// The flags of mount(2) that stand for attributes: the reverse of [`attributes::of`].
fn flags_of(attributes: u64) -> u64 {
    TABLE
        .iter()
        .filter_map(|(_, meaning)| match meaning {
            Meaning::Flag {
                on: true,
                flag,
                attribute,
            } if *attribute & attributes != 0 => Some(flag),
            _ => None,
        })
        .fold(0, |all, flag| all | flag)
}

fn change(set: &mut u64, clear: &mut u64, on: bool, attribute: u64) {
    if on {
        *set |= attribute;
        *clear &= !attribute;
    } else {
        *clear |= attribute;
        *set &= !attribute;
    }
}

/// The kinds of access time share bits, of which 0 is relatime: to change the kind, all are cleared and one is set
/// (mount_setattr(2)). Turning a kind off means relatime, the kernel's default.
fn change_atime(set: &mut u64, clear: &mut u64, on: bool, attribute: u64) {
    *clear |= attributes::ATIME;
    *set &= !attributes::ATIME;
    if on {
        *set |= attribute;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_is_sorted() {
        assert!(TABLE.windows(2).all(|pair| pair[0].0 < pair[1].0));
    }

    #[test]
    fn later_words_win() {
        let read = |words: &str| Options::read(words.split(','));
        let options = read("rbind,ro,rw,nosuid,noexec,exec,size=4k,rro,mode=755,rprivate");
        assert_eq!(
            (options.set, options.clear),
            (attributes::NOSUID | attributes::RDONLY, attributes::NOEXEC)
        );
        assert_eq!(options.deep_set, attributes::RDONLY);
        assert_eq!(options.bind, Some(true));
        assert_eq!(options.propagation, [flags::PRIVATE | flags::REC]);
        assert_eq!(options.data, ["size=4k", "mode=755"]);
        assert_eq!(read("ro,rw").flags, 0);
        assert_eq!(read("strictatime,noatime").set, attributes::NOATIME);
        assert_eq!(
            read("noatime,relatime"),
            Options {
                clear: attributes::ATIME,
                flags: flags::NOATIME | flags::RELATIME,
                has_flag: true,
                has_access_time: true,
                ..Options::default()
            }
        );
    }

    /// Top: set, clear; below: set, clear; and the flags of a new file system.
    #[test]
    fn a_word_and_its_recursive_opposite() {
        use attributes::{NODEV, NOEXEC, NOSUID, NOSYMFOLLOW, RDONLY};
        for (plain, opposite, deep, attribute) in [
            ("ro", "rw", "rrw", RDONLY),
            ("nosuid", "suid", "rsuid", NOSUID),
            ("nodev", "dev", "rdev", NODEV),
            ("noexec", "exec", "rexec", NOEXEC),
            ("nosymfollow", "symfollow", "rsymfollow", NOSYMFOLLOW),
        ] {
            let read = |words: [&str; 3]| {
                let options = Options::read(words.into_iter());
                let all = [
                    options.set,
                    options.clear,
                    options.deep_set,
                    options.deep_clear,
                ];
                (all, attributes::of(options.flags))
            };
            let recursive = format!("r{plain}");
            assert_eq!(
                read(["rbind", opposite, &recursive]),
                ([attribute, 0, attribute, 0], attribute)
            );
            assert_eq!(
                read(["rbind", &recursive, opposite]),
                ([0, attribute, attribute, 0], 0)
            );
            assert_eq!(
                read(["rbind", plain, deep]),
                ([0, attribute, 0, attribute], 0)
            );
            assert_eq!(
                read(["rbind", deep, plain]),
                ([attribute, 0, 0, attribute], attribute)
            );
        }
        let read = |words: &str| Options::read(words.split(','));
        assert_eq!(read("noatime,rstrictatime").set, attributes::STRICTATIME);
        assert_eq!(read("rstrictatime,noatime").set, attributes::NOATIME);
        assert_eq!(read("noatime,rrelatime").flags, 0);
    }
}
