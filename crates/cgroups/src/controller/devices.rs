//! `devices`: which device nodes may be made, read and written.
//!
//! The rules of the config are a list where the last matching rule decides, separately for each kind of access. v1 takes
//! exceptions to one default, v2 a program (see [`crate::device_program`]), systemd a list of what is allowed.

use spec::{ConfigPath, DeviceRule};

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

/// One default, and what differs from it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Exceptions {
    pub(crate) allow: bool,
    pub(crate) list: Vec<Rule>,
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
    let exceptions = exceptions(&rules);
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
    fn covers(&self, other: &Rule) -> bool {
        let all = |mine: Option<u32>, its: Option<u32>| mine.is_none() || mine == its;
        (self.kind.is_none() || self.kind == other.kind)
            && all(self.major, other.major)
            && all(self.minor, other.minor)
    }

    /// Some device is matched by both.
    fn meets(&self, other: &Rule) -> bool {
        let meet = |a: Option<u32>, b: Option<u32>| a.is_none() || b.is_none() || a == b;
        (self.kind.is_none() || other.kind.is_none() || self.kind == other.kind)
            && meet(self.major, other.major)
            && meet(self.minor, other.minor)
    }

    fn same_devices(&self, other: &Rule) -> bool {
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

/// Turns an ordered list into one default and exceptions whose order does not matter; `None` when a rule takes only
/// a part of an exception back.
fn exceptions(rules: &[Rule]) -> Option<Exceptions> {
    let mut state = Exceptions::default();
    for rule in rules {
        if rule.is_reset() {
            state = Exceptions {
                allow: rule.allow,
                list: Vec::new(),
            };
        } else if rule.allow == state.allow {
            // Back to the default: exceptions that it covers lose these kinds of access.
            for exception in &mut state.list {
                if exception.access & rule.access == 0 || !rule.meets(exception) {
                    continue;
                }
                if !rule.covers(exception) {
                    return None;
                }
                exception.access &= !rule.access;
            }
            state.list.retain(|exception| exception.access != 0);
        } else {
            for part in by_kind(rule) {
                match state
                    .list
                    .iter_mut()
                    .find(|known| known.same_devices(&part))
                {
                    Some(known) => known.access |= part.access,
                    None => state.list.push(part),
                }
            }
        }
    }
    Some(state)
}

/// v1 treats a rule for both kinds as one for all devices, so write two.
fn by_kind(rule: &Rule) -> impl Iterator<Item = Rule> {
    let kinds = match rule.kind {
        Some(kind) => [Some(kind), None],
        None => [Some(Kind::Block), Some(Kind::Character)],
    };
    let rule = *rule;
    kinds.into_iter().flatten().map(move |kind| Rule {
        kind: Some(kind),
        ..rule
    })
}

/// A line for `devices.allow` and `devices.deny` of v1.
pub(crate) fn v1_line(rule: &Rule) -> String {
    let kind = match rule.kind {
        None => 'a',
        Some(Kind::Block) => 'b',
        Some(Kind::Character) => 'c',
    };
    let number = |n: Option<u32>| n.map_or("*".to_owned(), |n| n.to_string());
    let (major, minor) = (number(rule.major), number(rule.minor));
    format!("{kind} {major}:{minor} {}", letters(rule.access))
}

/// The rules of a `devices.list`; the single line `a *:* rwm` means that everything is allowed.
pub(crate) fn parse_v1_list(list: &str) -> Exceptions {
    let mut found = Exceptions::default();
    for line in list.lines() {
        let mut words = line.split_whitespace();
        let (Some(kind), Some(numbers), Some(access)) = (words.next(), words.next(), words.next())
        else {
            continue;
        };
        let kind = match kind {
            "b" => Some(Kind::Block),
            "c" => Some(Kind::Character),
            _ => {
                found.allow = true;
                continue;
            }
        };
        let mut numbers = numbers.split(':').map(|n| n.parse().ok());
        let mut bits = 0;
        for letter in access.chars() {
            bits |= match letter {
                'r' => READ,
                'w' => WRITE,
                _ => MKNOD,
            };
        }
        found.list.push(Rule {
            allow: true,
            kind,
            major: numbers.next().flatten(),
            minor: numbers.next().flatten(),
            access: bits,
        });
    }
    found
}

fn letters(access: u8) -> String {
    [(READ, 'r'), (WRITE, 'w'), (MKNOD, 'm')]
        .into_iter()
        .filter_map(|(bit, letter)| (access & bit != 0).then_some(letter))
        .collect()
}

/// How systemd names devices: by a path that need not exist, or by a major number. A name may come once only: of several
/// the last would count.
fn for_systemd(list: &[Rule], on_v1: bool) -> Vec<(String, String)> {
    let mut names: Vec<(String, u8)> = Vec::new();
    for rule in list {
        let kind = match rule.kind {
            Some(Kind::Block) => "block",
            _ => "char",
        };
        let name = match (rule.major, rule.minor) {
            (Some(major), Some(minor)) => format!("/dev/{kind}/{major}:{minor}"),
            (Some(major), None) => format!("{kind}-{major}"),
            // There is no name for these. On v2 our own program decides as well; on v1 there is one list, and what
            // systemd makes of it should rather be too short.
            (None, Some(_)) if on_v1 => continue,
            (None, _) => format!("{kind}-*"),
        };
        match names.iter_mut().find(|(known, _)| *known == name) {
            Some((_, access)) => *access |= rule.access,
            None => names.push((name, rule.access)),
        }
    }
    let names = names.into_iter();
    names
        .map(|(name, access)| (name, letters(access)))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rule(allow: bool, text: &str) -> Rule {
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
    fn lists_become_a_default_and_exceptions_where_that_is_possible() {
        let found = exceptions(&[
            rule(true, "c 1:3 rw"),
            rule(true, "c 1:3 m"),
            rule(false, "c 1:* w"),
        ])
        .unwrap();
        assert_eq!(
            (found.allow, found.list),
            (false, vec![rule(true, "c 1:3 rm")])
        );
        let found = exceptions(&[rule(true, "a *:* rwm"), rule(false, "b 8:0 w")]).unwrap();
        assert_eq!(
            (found.allow, found.list),
            (true, vec![rule(false, "b 8:0 w")])
        );
        // A hole in an exception.
        assert_eq!(
            exceptions(&[rule(true, "c 1:* rw"), rule(false, "c 1:3 w")]),
            None
        );
        let found = exceptions(&[rule(true, "a 1:3 r")]).unwrap();
        assert_eq!(found.list, [rule(true, "b 1:3 r"), rule(true, "c 1:3 r")]);
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

    #[test]
    fn lists_of_v1_are_read_back() {
        let line = v1_line(&rule(true, "c 136:* rw"));
        assert_eq!(line, "c 136:* rw");
        assert_eq!(
            parse_v1_list(&line),
            Exceptions {
                allow: false,
                list: vec![rule(true, "c 136:* rw")]
            }
        );
        assert!(parse_v1_list("a *:* rwm\n").allow);
    }
}
