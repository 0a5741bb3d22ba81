//! The rules about devices that hold for a container.

pub(crate) mod exceptions;
pub(crate) mod program;
pub(crate) mod rule;

use exceptions::Exceptions;
use rule::Rule;

/// The rules for one container, in order; what no rule matches is denied.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct DeviceRules {
    pub(crate) rules: Vec<Rule>,
    /// The config has rules. Otherwise these are the defaults, which an update leaves alone.
    pub(crate) given: bool,
    /// For v1, and for systemd: the same as one default and exceptions to it.
    pub(crate) exceptions: Option<Exceptions>,
    /// What of them the config asks for by itself, on v1.
    pub(crate) asked: Option<Exceptions>,
}

impl DeviceRules {
    /// Whether a container can do without this exception: the config did not ask for it, and a parent may deny it to all below.
    pub(crate) fn is_extra(&self, rule: &Rule) -> bool {
        let asked =
            |asked: &Exceptions| asked.allow || asked.list.iter().any(|one| one.covers(rule));
        !self.asked.as_ref().is_none_or(asked)
    }
}
