//! `linux.resources` compiled to a flat list of writes.

use std::borrow::Cow;
use std::fmt;

use spec::ConfigPath;

use crate::devices::DeviceRules;
use crate::systemd::Property;
use crate::{Place, SettingError};

/// When a value is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum When {
    /// Before anything enters the cgroup.
    Early,
    /// At the last moment before the user's program: a limit that the runtime itself might not fit in.
    Late,
}

/// What to do when the file is not there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Missing {
    /// Enable the controller, or fail.
    Fail,
    /// The kernel has no such thing, and what was asked for is what it does anyway.
    Fine,
    /// The kernel has given this limit up, and with it everybody who asks for it: that is said, and it goes without.
    Warn,
    /// Write this instead.
    Else(&'static str, String),
}

/// How the old value is found, to be put back when an update fails.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Old {
    /// The file's content is what one writes to it.
    Content,
    /// The file has a line for each key; without one, this is written.
    Line {
        /// The first word of the line.
        key: String,
        /// What to write when there is no such line.
        absent: String,
    },
    /// The word after this one.
    Word(&'static str),
}

impl Old {
    /// The line's key; empty for files with one value.
    pub(crate) fn key(&self) -> &str {
        match self {
            Old::Line { key, .. } => key,
            Old::Content | Old::Word(_) => "",
        }
    }
}

/// One value for one file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Setting {
    /// The property that it comes from.
    pub at: ConfigPath,
    /// Controller, as v2 or v1 name it.
    pub controller: Cow<'static, str>,
    /// File in the cgroup's directory.
    pub file: Cow<'static, str>,
    /// What is written, in one write.
    pub value: String,
    /// When.
    pub when: When,
    /// Index into the place's locations.
    pub(crate) location: usize,
    pub(crate) missing: Missing,
    pub(crate) old: Old,
    /// The kernel may refuse this value (`EINVAL`) until a later one of the list has been written.
    pub(crate) again: bool,
    /// The value's first word is to be kept as it is: `cpu.max` when only the period changes.
    pub(crate) keep_first: bool,
}

impl fmt::Display for Setting {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} = {}", self.file, self.value.trim_end())
    }
}

/// What `checkBeforeUpdate` compares with the present use.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct UsageCheck {
    pub(crate) at: ConfigPath,
    pub(crate) location: usize,
    /// Limit of memory.
    pub(crate) memory: Option<u64>,
    /// Limit of memory and swap.
    pub(crate) total: Option<u64>,
}

/// What `linux.resources` asks for on this host, as a list. Compiling judges values; writing them is the drivers' part.
#[derive(Clone, Debug, Default)]
pub struct Settings {
    pub(crate) list: Vec<Setting>,
    pub(crate) devices: DeviceRules,
    pub(crate) check: Option<UsageCheck>,
    pub(crate) properties: Vec<Property>,
    pub(crate) warnings: Vec<(ConfigPath, String)>,
}

impl Settings {
    /// What is worth a warning but no error, by field.
    pub fn warnings(&self) -> &[(ConfigPath, String)] {
        &self.warnings
    }

    /// The writes, in order.
    pub fn iter(&self) -> impl Iterator<Item = &Setting> {
        self.list.iter()
    }

    /// Leaves device nodes alone: for groups of processes that are no containers, such as a build's or a service's.
    /// (The runtime's containers always have rules.)
    pub fn leave_devices(&mut self) {
        self.devices = DeviceRules::default();
        self.properties
            .retain(|property| !property.name.starts_with("Device"));
    }

    /// True when no limit was asked for. (Device rules are always there: everything but the default devices is denied.)
    pub fn is_empty(&self) -> bool {
        self.list.is_empty()
    }

    /// Whether some of them are held back until [`crate::Group::restrict`].
    pub fn restricts(&self) -> bool {
        self.list.iter().any(|setting| setting.when == When::Late)
    }
}

/// The list under construction.
pub(crate) struct Draft<'a> {
    pub(crate) place: &'a Place,
    pub(crate) settings: Settings,
}

/// Which dialect a controller's files speak.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Dialect {
    V1,
    V2,
}

impl<'a> Draft<'a> {
    pub(crate) fn new(place: &'a Place) -> Draft<'a> {
        Draft {
            place,
            settings: Settings::default(),
        }
    }

    /// The dialect of a controller (v1 name); an error when this host does not have it at all.
    pub(crate) fn dialect(
        &self,
        controller: &str,
        at: &ConfigPath,
    ) -> Result<Dialect, SettingError> {
        match self.place.location_of(controller) {
            Some(index) if self.place.locations[index].is_unified() => Ok(Dialect::V2),
            Some(_) => Ok(Dialect::V1),
            None => Err(SettingError {
                at: at.clone(),
                why: format!("no cgroup hierarchy with the {controller} controller is mounted"),
            }),
        }
    }

    /// Appends a write. The caller has asked for the dialect before, so that the location exists.
    pub(crate) fn write(
        &mut self,
        at: &ConfigPath,
        controller: impl Into<Cow<'static, str>>,
        file: impl Into<Cow<'static, str>>,
        value: impl ToString,
    ) -> &mut Setting {
        let controller = controller.into();
        let location = self.place.location_of(&controller).unwrap_or_default();
        self.settings.list.push(Setting {
            at: at.clone(),
            controller,
            file: file.into(),
            value: value.to_string(),
            when: When::Early,
            location,
            missing: Missing::Fail,
            old: Old::Content,
            again: false,
            keep_first: false,
        });
        let last = self.settings.list.len() - 1;
        &mut self.settings.list[last]
    }

    /// Appends a property for systemd, if that is the driver.
    pub(crate) fn property(&mut self, property: Property) {
        if self.place.unit.is_some() {
            self.settings.properties.push(property);
        }
    }
}

impl Setting {
    pub(crate) fn late(&mut self) -> &mut Setting {
        self.when = When::Late;
        self
    }

    pub(crate) fn again(&mut self) -> &mut Setting {
        self.again = true;
        self
    }

    pub(crate) fn or_else(&mut self, file: &'static str, value: impl ToString) -> &mut Setting {
        self.missing = Missing::Else(file, value.to_string());
        self
    }

    pub(crate) fn fine_without(&mut self) -> &mut Setting {
        self.missing = Missing::Fine;
        self
    }

    pub(crate) fn warn_without(&mut self) -> &mut Setting {
        self.missing = Missing::Warn;
        self
    }

    pub(crate) fn line(&mut self, key: impl ToString, absent: impl ToString) -> &mut Setting {
        self.old = Old::Line {
            key: key.to_string(),
            absent: absent.to_string(),
        };
        self
    }
}
