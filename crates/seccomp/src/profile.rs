//! From the specification's words to rules: everything that can be wrong with a profile is found here.

use spec::{ConfigPath, Seccomp, SeccompRule};

use crate::action::{Action, Refused};
use crate::architecture::{Architecture, Name};
use crate::condition::Condition;
use crate::{Error, Support, Warning, Why, flags};

/// Conditions that all must hold, on arguments in ascending order.
pub(crate) type Clause = Vec<Condition>;

/// One element of `linux.seccomp.syscalls`.
pub(crate) struct Rule {
    pub(crate) action: Action,
    /// The rule holds where any of these does. Empty: everywhere.
    pub(crate) clauses: Vec<Clause>,
    /// Where it stands in the profile.
    pub(crate) index: usize,
}

/// A profile that was understood.
pub(crate) struct Profile {
    pub(crate) default: Action,
    pub(crate) architectures: Vec<Architecture>,
    pub(crate) rules: Vec<Rule>,
    /// Every name with the rule (index into `rules`) that names it, in the order of the profile.
    pub(crate) names: Vec<(Name, u32)>,
    /// Names of the rules that say what the default says: without effect, but known to the profile's author.
    pub(crate) redundant: Vec<Name>,
    /// Whether calls newer than all named are answered ENOSYS.
    pub(crate) refuse_newer: bool,
    pub(crate) flags: u64,
    pub(crate) notify: bool,
    pub(crate) warnings: Vec<Warning>,
}

pub(crate) fn root() -> ConfigPath {
    ConfigPath::of("linux.seccomp")
}

fn rule_path(index: usize) -> ConfigPath {
    root().then("syscalls").index(index)
}

impl Profile {
    pub(crate) fn read(profile: &Seccomp<'_>, kernel: &Support) -> Result<Profile, Error> {
        let default = action(
            &profile.default_action,
            profile.default_errno_ret,
            kernel,
            ("defaultAction", "defaultErrnoRet"),
            root,
        )?;
        if default.is_notify() {
            return Err(Error {
                at: root().then("defaultAction"),
                why: Why::NotifyDefault,
            });
        }
        let mut read = Profile {
            default,
            architectures: architectures(profile, kernel)?,
            rules: Vec::with_capacity(profile.syscalls.len()),
            names: Vec::with_capacity(profile.syscalls.iter().map(|rule| rule.names.len()).sum()),
            redundant: Vec::new(),
            refuse_newer: !default.permits() && default != Action::ENOSYS,
            flags: 0,
            notify: false,
            warnings: Vec::new(),
        };
        for (index, rule) in profile.syscalls.iter().enumerate() {
            read.add(index, rule, kernel)?;
        }
        if read.notify
            && profile
                .listener_path
                .as_ref()
                .is_none_or(|path| path.is_empty())
        {
            return Err(Error {
                at: root().then("listenerPath"),
                why: Why::NoListener,
            });
        }
        if profile.listener_path.is_none() && profile.listener_metadata.is_some() {
            return Err(Error {
                at: root().then("listenerMetadata"),
                why: Why::MetadataWithoutListener,
            });
        }
        read.flags = flags::combine(
            profile.flags.as_deref(),
            kernel,
            read.notify,
            &mut read.warnings,
        )?;
        Ok(read)
    }

    fn add(&mut self, index: usize, rule: &SeccompRule<'_>, kernel: &Support) -> Result<(), Error> {
        let action = action(
            &rule.action,
            rule.errno_ret,
            kernel,
            ("action", "errnoRet"),
            || rule_path(index),
        )?;
        if rule.names.is_empty() {
            return Err(Error {
                at: rule_path(index).then("names"),
                why: Why::NoNames,
            });
        }
        let clauses = clauses(index, rule)?;
        // A rule that repeats the default changes nothing, not even for calls that other rules name (as in runc and crun).
        let redundant = action == self.default;
        let number = self.rules.len() as u32;
        for (position, text) in rule.names.iter().enumerate() {
            let Some(name) = Name::find(text) else {
                self.warnings.push(Warning {
                    at: rule_path(index).then("names").index(position),
                    text: format!(
                        "system call \"{}\" is not known and is left out",
                        text.escape_debug()
                    ),
                });
                continue;
            };
            if action.is_notify() && text == "write" {
                return Err(Error {
                    at: rule_path(index).then("names").index(position),
                    why: Why::NotifyWrite,
                });
            }
            if redundant {
                self.redundant.push(name);
            } else {
                self.names.push((name, number));
            }
        }
        self.notify |= action.is_notify();
        if !redundant {
            self.rules.push(Rule {
                action,
                clauses,
                index,
            });
        }
        Ok(())
    }
}

/// An argument index that stands twice makes every condition an alternative: libseccomp cannot say it otherwise, and so all
/// runtimes read it.
fn clauses(index: usize, rule: &SeccompRule<'_>) -> Result<Vec<Clause>, Error> {
    let mut conditions = Vec::with_capacity(rule.args.len());
    let mut seen = [false; 6];
    let mut repeated = false;
    for (position, argument) in rule.args.iter().enumerate() {
        let condition =
            Condition::parse(argument, || rule_path(index).then("args").index(position))?;
        repeated |= std::mem::replace(&mut seen[condition.argument as usize], true);
        conditions.push(condition);
    }
    if conditions.is_empty() {
        return Ok(Vec::new());
    }
    if repeated {
        return Ok(conditions
            .into_iter()
            .map(|condition| vec![condition])
            .collect());
    }
    conditions.sort_by_key(|condition| condition.argument);
    Ok(vec![conditions])
}

fn action(
    word: &str,
    data: Option<u32>,
    kernel: &Support,
    (word_field, data_field): (&'static str, &'static str),
    at: impl Fn() -> ConfigPath,
) -> Result<Action, Error> {
    let Some(action) = Action::from_name(word) else {
        return Err(Error {
            at: at().then(word_field),
            why: Why::Action(word.to_owned()),
        });
    };
    if !kernel.knows(action) {
        return Err(Error {
            at: at().then(word_field),
            why: Why::ActionOfKernel(word.to_owned()),
        });
    }
    action.with(data).map_err(|refused| Error {
        at: at().then(data_field),
        why: match refused {
            Refused::NotTaken => Why::ErrnoNotTaken(word.to_owned()),
            Refused::TooLarge(most) => Why::ErrnoTooLarge(most),
        },
    })
}

/// The kernel's own architecture is always part of the filter: without it no program could run.
fn architectures(profile: &Seccomp<'_>, kernel: &Support) -> Result<Vec<Architecture>, Error> {
    let mut found: Vec<Architecture> = kernel.native.into_iter().collect();
    for (index, word) in profile.architectures.iter().enumerate() {
        let Some(architecture) = Architecture::from_name(word) else {
            let at = root().then("architectures").index(index);
            return Err(Error {
                at,
                why: Why::Architecture(word.as_str().to_owned()),
            });
        };
        if !found.contains(&architecture) {
            found.push(architecture);
        }
    }
    if found.is_empty() {
        return Err(Error {
            at: root().then("architectures"),
            why: Why::NoArchitecture,
        });
    }
    Ok(found)
}
