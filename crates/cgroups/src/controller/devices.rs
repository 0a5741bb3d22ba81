//! `devices`: which device nodes may be made, read and written.
//!
//! The rules of the config are a list where the last matching rule decides, separately for each kind of access. v1 takes
//! exceptions to one default (see [`crate::devices::exceptions`]), v2 a program (see [`crate::devices::program`]), systemd a list
//! of what is allowed.

use spec::{ConfigPath, DeviceRule};

use crate::SettingError;
use crate::devices::DeviceRules;
use crate::devices::exceptions::{Exceptions, for_systemd};
use crate::devices::rule::{ALL, Kind, MKNOD, Rule};
use crate::error::wrong;
use crate::setting::Draft;
use crate::systemd::{Property, Value};

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
        let at = at.clone().index(index);
        rules.extend(Rule::parse(rule, &at, &mut draft.settings.warnings)?);
    }
    let on_v1 = draft
        .place
        .locations
        .iter()
        .any(|location| location.has("devices"));
    let asked = on_v1.then(|| Exceptions::of(&rules)).flatten();
    rules.extend(defaults());
    let rules = after_last_reset(rules);
    let exceptions = Exceptions::of(&rules);
    if on_v1 && exceptions.is_none() {
        return wrong(
            at,
            "these rules deny a part of what an earlier rule allows (or the reverse), which cgroup v1 cannot express",
        );
    }
    match &exceptions {
        // Nobody would keep them, and to name devices takes its time.
        _ if draft.place.unit.is_none() => {}
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
        asked,
    };
    Ok(())
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
mod tests {
    use super::*;
    use crate::devices::rule::tests::rule;

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
}
