//! One rule about devices: which ones, and which kinds of access.

use spec::{ConfigPath, DeviceRule};

use crate::SettingError;
use crate::error::wrong;

pub(crate) const MKNOD: u8 = 1;
pub(crate) const READ: u8 = 2;
pub(crate) const WRITE: u8 = 4;
pub(crate) const ALL: u8 = MKNOD | READ | WRITE;

/// Kinds of device nodes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
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

/// Which devices a rule is about: kind, major, minor.
pub(crate) type Devices = (Option<Kind>, Option<u32>, Option<u32>);

impl Rule {
    /// From the config, where `at` is. Letters that are no kind of access are left out with a warning, as engines write them;
    /// without any other the rule is about nothing, and left out, too.
    pub(crate) fn parse(
        rule: &DeviceRule<'_>,
        at: &ConfigPath,
        warnings: &mut Vec<(ConfigPath, String)>,
    ) -> Result<Option<Rule>, SettingError> {
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
        let letters = rule.access.as_deref().unwrap_or("rwm");
        let mut access = 0;
        let mut unknown = String::new();
        for letter in letters.chars() {
            match letter {
                'r' => access |= READ,
                'w' => access |= WRITE,
                'm' => access |= MKNOD,
                other => unknown.push(other),
            }
        }
        let (major, minor) = (number("major", rule.major)?, number("minor", rule.minor)?);
        let field = at.clone().then("access");
        if letters.is_empty() {
            return wrong(&field, "is empty: kinds of access are r, w and m");
        }
        if !unknown.is_empty() {
            let what = if access == 0 {
                "the rule is ignored"
            } else {
                "ignored"
            };
            let why = format!("{unknown:?} in {letters:?}: kinds of access are r, w and m; {what}");
            warnings.push((field, why));
        }
        if access == 0 {
            return Ok(None);
        }
        Ok(Some(Rule {
            allow: rule.allow,
            kind,
            major,
            minor,
            access,
        }))
    }

    /// Whether the rule decides about everything.
    pub(crate) fn is_reset(&self) -> bool {
        self.kind.is_none() && self.major.is_none() && self.minor.is_none() && self.access == ALL
    }

    /// Every device that `other` matches is matched by this rule too.
    pub(crate) fn covers(&self, other: &Rule) -> bool {
        let all = |mine: Option<u32>, its: Option<u32>| mine.is_none() || mine == its;
        (self.kind.is_none() || self.kind == other.kind)
            && all(self.major, other.major)
            && all(self.minor, other.minor)
    }

    /// Some device is matched by both.
    pub(crate) fn meets(&self, other: &Rule) -> bool {
        let meet = |a: Option<u32>, b: Option<u32>| a.is_none() || b.is_none() || a == b;
        (self.kind.is_none() || other.kind.is_none() || self.kind == other.kind)
            && meet(self.major, other.major)
            && meet(self.minor, other.minor)
    }

    pub(crate) fn devices(&self) -> Devices {
        (self.kind, self.major, self.minor)
    }
}

#[cfg(test)]
pub(crate) mod tests {
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
        let rule = Rule::parse(&given, &ConfigPath::none(), &mut Vec::new());
        rule.unwrap().unwrap()
    }

    #[test]
    fn wrong_rules_name_their_field() {
        let check = |given: DeviceRule<'_>| {
            Rule::parse(&given, &ConfigPath::of("d"), &mut Vec::new())
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
                access: some(""),
                ..Default::default()
            }),
            "d.access"
        );
    }

    #[test]
    fn unknown_letters_are_left_out_with_a_warning() {
        let check = |access: &'static str| {
            let given = DeviceRule {
                access: Some(access.into()),
                ..Default::default()
            };
            let mut warnings = Vec::new();
            let rule = Rule::parse(&given, &ConfigPath::of("d"), &mut warnings).unwrap();
            let warnings = warnings.iter().map(|(at, text)| format!("{at}: {text}"));
            (
                rule.map(|rule| rule.access),
                warnings.collect::<Vec<_>>().join("; "),
            )
        };
        assert_eq!(check("mrw"), (Some(ALL), String::new()));
        let warning = "d.access: \"a\" in \"rwa\": kinds of access are r, w and m; ignored";
        assert_eq!(check("rwa"), (Some(READ | WRITE), warning.to_owned()));
        let warning =
            "d.access: \"a\" in \"a\": kinds of access are r, w and m; the rule is ignored";
        assert_eq!(check("a"), (None, warning.to_owned()));
    }
}
