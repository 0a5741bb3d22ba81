//! Device rules as one default and exceptions to it, whose order does not matter: all that v1's lists and systemd can say.

use std::collections::BTreeMap;

use crate::devices::rule::{Devices, Kind, MKNOD, READ, Rule, WRITE};

/// One default, and what differs from it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Exceptions {
    pub(crate) allow: bool,
    pub(crate) list: Vec<Rule>,
}

impl Exceptions {
    /// Turns an ordered list into one default and exceptions whose order does not matter; `None` when a rule takes only
    /// a part of an exception back.
    pub(crate) fn of(rules: &[Rule]) -> Option<Exceptions> {
        let mut state = Exceptions::default();
        let mut places: BTreeMap<Devices, usize> = BTreeMap::new();
        for rule in rules {
            if rule.is_reset() {
                state = Exceptions {
                    allow: rule.allow,
                    list: Vec::new(),
                };
                places.clear();
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
                let before = state.list.len();
                state.list.retain(|exception| exception.access != 0);
                if state.list.len() != before {
                    places = places_of(&state.list);
                }
            } else {
                for part in by_kind(rule) {
                    let place = *places.entry(part.devices()).or_insert(state.list.len());
                    match state.list.get_mut(place) {
                        Some(known) => known.access |= part.access,
                        None => state.list.push(part),
                    }
                }
            }
        }
        Some(state)
    }

    /// The rules of a `devices.list`; the single line `a *:* rwm` means that everything is allowed.
    pub(crate) fn parse(list: &str) -> Exceptions {
        let mut found = Exceptions::default();
        for line in list.lines() {
            let mut words = line.split_whitespace();
            let (Some(kind), Some(numbers), Some(access)) =
                (words.next(), words.next(), words.next())
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
}

fn places_of(list: &[Rule]) -> BTreeMap<Devices, usize> {
    let places = list.iter().enumerate();
    places
        .map(|(place, rule)| (rule.devices(), place))
        .collect()
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

fn letters(access: u8) -> String {
    [(READ, 'r'), (WRITE, 'w'), (MKNOD, 'm')]
        .into_iter()
        .filter_map(|(bit, letter)| (access & bit != 0).then_some(letter))
        .collect()
}

/// How systemd names devices: by a path that need not exist, or by a major number. A name may come once only: of several
/// the last would count.
pub(crate) fn for_systemd(list: &[Rule], on_v1: bool) -> Vec<(String, String)> {
    let mut names: Vec<(String, u8)> = Vec::new();
    let mut places: BTreeMap<String, usize> = BTreeMap::new();
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
        match places.get(&name) {
            Some(place) => names[*place].1 |= rule.access,
            None => {
                places.insert(name.clone(), names.len());
                names.push((name, rule.access));
            }
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
    use crate::devices::rule::tests::rule;

    #[test]
    fn lists_become_a_default_and_exceptions_where_that_is_possible() {
        let found = Exceptions::of(&[
            rule(true, "c 1:3 rw"),
            rule(true, "c 1:3 m"),
            rule(false, "c 1:* w"),
        ])
        .unwrap();
        assert_eq!(
            (found.allow, found.list),
            (false, vec![rule(true, "c 1:3 rm")])
        );
        let found = Exceptions::of(&[rule(true, "a *:* rwm"), rule(false, "b 8:0 w")]).unwrap();
        assert_eq!(
            (found.allow, found.list),
            (true, vec![rule(false, "b 8:0 w")])
        );
        // A hole in an exception.
        assert_eq!(
            Exceptions::of(&[rule(true, "c 1:* rw"), rule(false, "c 1:3 w")]),
            None
        );
        let found = Exceptions::of(&[rule(true, "a 1:3 r")]).unwrap();
        assert_eq!(found.list, [rule(true, "b 1:3 r"), rule(true, "c 1:3 r")]);
    }

    #[test]
    fn lists_of_v1_are_read_back() {
        let line = v1_line(&rule(true, "c 136:* rw"));
        assert_eq!(line, "c 136:* rw");
        assert_eq!(
            Exceptions::parse(&line),
            Exceptions {
                allow: false,
                list: vec![rule(true, "c 136:* rw")]
            }
        );
        assert!(Exceptions::parse("a *:* rwm\n").allow);
    }
}
