//! `devices`: which device nodes may be made, read and written.
//!
//! The rules of the config are a list where the last matching rule decides, separately for each kind of access. v1 takes
//! exceptions to one default (see [`super::device_exceptions`]), v2 a program (see [`crate::device_program`]), systemd a list
//! of what is allowed.

use spec::{ConfigPath, DeviceRule};

use super::device_exceptions::{Exceptions, for_systemd};
use crate::SettingError;
use crate::setting::{Draft, wrong};
use crate::systemd::{Property, Value};

pub(crate) const MKNOD: u8 = 1;
pub(crate) const READ: u8 = 2;
pub(crate) const WRITE: u8 = 4;
pub(crate) const ALL: u8 = MKNOD | READ | WRITE;

/// Kinds of device nodes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Block,
    Character,
}

/// One rule. `None` matches everything.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Rule {
    pub(crate) allow: bool,
    pub(crate) kind: Option<Kind>,
    pub(crate) major: Option<u32>,
    pub(crate) minor: Option<u32>,
    pub(crate) access: u8,
}

/// The rules for one container, in order; what no rule matches is denied.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct DeviceRules {
    pub(crate) rules: Vec<Rule>,
    /// The config has rules. Otherwise these are the defaults, which an update leaves alone.
    pub(crate) given: bool,
    /// For v1, and for systemd: the same as one default and exceptions to it.
    pub(crate) exceptions: Option<Exceptions>,
}

/// What every container may use (config-linux.md, "Default Devices"): making any node, and using these.
fn defaults() -> impl Iterator<Item = Rule> {
    let any = [Kind::Character, Kind::Block].map(|kind| (kind, None, None, MKNOD));
    let known = [(1, 3), (1, 8), (1, 7), (5, 0), (1, 5), (1, 9), (5, 2)]
        .map(|(major, minor)| (Kind::Character, Some(major), Some(minor), ALL));
    // Terminals of the container's devpts.
    let terminals = [(Kind::Character, Some(136), None, ALL)];
    let all = any.into_iter().chain(known).chain(terminals);
    all.map(|(kind, major, minor, access)| Rule {
        allow: true,
        kind: Some(kind),
        major,
        minor,
        access,
    })
}

pub(crate) fn compile(
    draft: &mut Draft<'_>,
    given: &[DeviceRule<'_>],
    at: &ConfigPath,
) -> Result<(), SettingError> {
    let mut rules = Vec::with_capacity(given.len() + 10);
    for (index, rule) in given.iter().enumerate() {
        rules.push(parse(rule, &at.clone().index(index))?);
    }
    rules.extend(defaults());
    let rules = after_last_reset(rules);
    let exceptions = Exceptions::of(&rules);
    let on_v1 = draft
        .place
        .locations
        .iter()
        .any(|location| location.has("devices"));
    if on_v1 && exceptions.is_none() {
        return wrong(
            at,
            "these rules deny a part of what an earlier rule allows (or the reverse), which cgroup v1 cannot express",
        );
    }
    match &exceptions {
        Some(Exceptions { allow: false, list }) => {
            draft.property(Property::new("DevicePolicy", Value::Text("strict".into())));
            // An update adds to the list, unless an empty one comes first.
            draft.property(Property::new("DeviceAllow", Value::Pairs(Vec::new())));
            draft.property(Property::new(
                "DeviceAllow",
                Value::Pairs(for_systemd(list, on_v1)),
            ));
        }
        // systemd can only list what is allowed. Our own program decides.
        _ => {
            draft.property(Property::new("DevicePolicy", Value::Text("auto".into())));
            draft.property(Property::new("DeviceAllow", Value::Pairs(Vec::new())));
        }
    }
    draft.settings.devices = DeviceRules {
        rules,
        given: !given.is_empty(),
        exceptions,
    };
    Ok(())
}

fn parse(rule: &DeviceRule<'_>, at: &ConfigPath) -> Result<Rule, SettingError> {
    let kind = match rule.kind.as_deref() {
        None | Some("" | "a") => None,
        Some("b") => Some(Kind::Block),
        Some("c" | "u") => Some(Kind::Character),
        Some(other) => {
            return wrong(
                &at.clone().then("type"),
                format!("{other:?} is none of a, b, c"),
            );
        }
    };
    let number = |name, value: Option<i64>| match value {
        None | Some(-1) => Ok(None),
        Some(value) => match u32::try_from(value) {
            Ok(value) => Ok(Some(value)),
            Err(_) => wrong(
                &at.clone().then(name),
                format!("{value} is not a device number"),
            ),
        },
    };
    let mut access = 0;
    for letter in rule.access.as_deref().unwrap_or("rwm").chars() {
        access |= match letter {
            'r' => READ,
            'w' => WRITE,
            'm' => MKNOD,
            other => {
                return wrong(
                    &at.clone().then("access"),
                    format!("{other:?} is none of r, w, m"),
                );
            }
        };
    }
    if access == 0 {
        return wrong(&at.clone().then("access"), "is empty");
    }
    Ok(Rule {
        allow: rule.allow,
        kind,
        major: number("major", rule.major)?,
        minor: number("minor", rule.minor)?,
        access,
    })
}

impl Rule {
    /// Whether the rule decides about everything.
    pub(crate) fn is_reset(&self) -> bool {
        self.kind.is_none() && self.major.is_none() && self.minor.is_none() && self.access == ALL
    }

    /// Every device that `other` matches is matched by this rule too.
    pub(super) fn covers(&self, other: &Rule) -> bool {
        let all = |mine: Option<u32>, its: Option<u32>| mine.is_none() || mine == its;
        (self.kind.is_none() || self.kind == other.kind)
            && all(self.major, other.major)
            && all(self.minor, other.minor)
    }

    /// Some device is matched by both.
    pub(super) fn meets(&self, other: &Rule) -> bool {
        let meet = |a: Option<u32>, b: Option<u32>| a.is_none() || b.is_none() || a == b;
        (self.kind.is_none() || other.kind.is_none() || self.kind == other.kind)
            && meet(self.major, other.major)
            && meet(self.minor, other.minor)
    }

    pub(super) fn same_devices(&self, other: &Rule) -> bool {
        self.covers(other) && other.covers(self)
    }
}

/// Drops what a later rule about everything makes meaningless. A final "deny everything" is the default anyway.
fn after_last_reset(mut rules: Vec<Rule>) -> Vec<Rule> {
    if let Some(last) = rules.iter().rposition(Rule::is_reset) {
        let keep = if rules[last].allow { last } else { last + 1 };
        rules.drain(..keep);
    }
    rules
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    /// A rule in the words of v1's lists.
    pub(crate) fn rule(allow: bool, text: &str) -> Rule {
        let mut words = text.split(' ');
        let (kind, numbers, access) = (
            words.next().unwrap(),
            words.next().unwrap(),
            words.next().unwrap(),
        );
        let (major, minor) = numbers.split_once(':').unwrap();
        let number = |n: &str| n.parse::<i64>().ok();
        let given = DeviceRule {
            allow,
            kind: Some(kind.into()),
            major: number(major),
            minor: number(minor),
            access: Some(access.into()),
        };
        parse(&given, &ConfigPath::none()).unwrap()
    }

    #[test]
    fn a_rule_about_everything_forgets_what_was_before() {
        let rules = vec![
            rule(true, "c 1:3 rwm"),
            rule(false, "a *:* rwm"),
            rule(true, "c 1:5 r"),
        ];
        assert_eq!(after_last_reset(rules), [rule(true, "c 1:5 r")]);
        let rules = vec![rule(false, "c 1:3 rwm"), rule(true, "a *:* rwm")];
        assert_eq!(after_last_reset(rules), [rule(true, "a *:* rwm")]);
        assert!(!rule(true, "a *:* rw").is_reset());
    }

    #[test]
    fn wrong_rules_name_their_field() {
        let check = |given: DeviceRule<'_>| {
            parse(&given, &ConfigPath::of("d"))
                .unwrap_err()
                .at
                .to_string()
        };
        let some = |kind: &'static str| Some(kind.into());
        assert_eq!(
            check(DeviceRule {
                kind: some("x"),
                ..Default::default()
            }),
            "d.type"
        );
        assert_eq!(
            check(DeviceRule {
                major: Some(-2),
                ..Default::default()
            }),
            "d.major"
        );
        assert_eq!(
            check(DeviceRule {
                minor: Some(1 << 33),
                ..Default::default()
            }),
            "d.minor"
        );
        assert_eq!(
            check(DeviceRule {
                access: some("rx"),
                ..Default::default()
            }),
            "d.access"
        );
        assert_eq!(
            check(DeviceRule {
                access: some(""),
                ..Default::default()
            }),
            "d.access"
        );
    }
}
