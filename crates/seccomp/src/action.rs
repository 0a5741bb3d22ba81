//! What a filter answers: the nine actions of the specification, as the kernel's return values.

/// A return value of a filter, `SECCOMP_RET_…` of linux/seccomp.h with its data.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Action(pub(crate) u32);

const KILL_PROCESS: u32 = 0x8000_0000;
const KILL_THREAD: u32 = 0x0000_0000;
const TRAP: u32 = 0x0003_0000;
const ERRNO: u32 = 0x0005_0000;
const USER_NOTIF: u32 = 0x7fc0_0000;
const TRACE: u32 = 0x7ff0_0000;
const LOG: u32 = 0x7ffc_0000;
const ALLOW: u32 = 0x7fff_0000;

/// Words of the specification, in its order.
const TABLE: [(&str, u32); 9] = [
    ("SCMP_ACT_KILL", KILL_THREAD),
    ("SCMP_ACT_KILL_PROCESS", KILL_PROCESS),
    ("SCMP_ACT_KILL_THREAD", KILL_THREAD),
    ("SCMP_ACT_TRAP", TRAP),
    ("SCMP_ACT_ERRNO", ERRNO),
    ("SCMP_ACT_TRACE", TRACE),
    ("SCMP_ACT_ALLOW", ALLOW),
    ("SCMP_ACT_LOG", LOG),
    ("SCMP_ACT_NOTIFY", USER_NOTIF),
];

/// Names of all actions.
pub const ACTIONS: &[&str] = &{
    let mut names = [""; TABLE.len()];
    let mut at = 0;
    while at < names.len() {
        names[at] = TABLE[at].0;
        at += 1;
    }
    names
};

const EPERM: u32 = 1;
const ENOSYS: u32 = 38;
/// The kernel cuts larger numbers down to this (MAX_ERRNO), so they cannot be meant.
const MAX_ERRNO: u32 = 4095;

/// Why an `errnoRet` cannot be.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Refused {
    NotTaken,
    TooLarge(u32),
}

impl Action {
    /// For a call made through an architecture that the profile does not name. The whole process, not only the thread: a
    /// program that tries this must not go on with the rest of its threads.
    pub(crate) const WRONG_ARCHITECTURE: Action = Action(KILL_PROCESS);
    /// For calls newer than the profile.
    pub(crate) const ENOSYS: Action = Action(ERRNO | ENOSYS);

    /// The action of a word, without data.
    pub(crate) fn from_name(name: &str) -> Option<Action> {
        TABLE
            .iter()
            .find(|(known, _)| *known == name)
            .map(|(_, value)| Action(*value))
    }

    /// With the `errnoRet` of a rule: an error number, or the message for a tracer. Without one both are EPERM.
    pub(crate) fn with(self, data: Option<u32>) -> Result<Action, Refused> {
        let most = match (self.0, data) {
            (ERRNO, _) => MAX_ERRNO,
            (TRACE, _) => 0xffff,
            (_, None) => return Ok(self),
            (_, Some(_)) => return Err(Refused::NotTaken),
        };
        let data = data.unwrap_or(EPERM);
        if data > most {
            Err(Refused::TooLarge(most))
        } else {
            Ok(Action(self.0 | data))
        }
    }

    /// The kernel's number without data, as SECCOMP_GET_ACTION_AVAIL takes it.
    pub(crate) fn kind(self) -> u32 {
        self.0 & 0xffff_0000
    }

    pub(crate) fn is_notify(self) -> bool {
        self.kind() == USER_NOTIF
    }

    /// Whether a call newer than the profile may reach the kernel anyway, or a tracer that can answer ENOSYS itself.
    pub(crate) fn permits(self) -> bool {
        matches!(self.kind(), ALLOW | LOG | TRACE)
    }
}

impl std::fmt::Display for Action {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let data = self.0 & 0xffff;
        match self.kind() {
            KILL_PROCESS => f.write_str("kill process"),
            KILL_THREAD => f.write_str("kill thread"),
            TRAP => f.write_str("trap"),
            ERRNO if data == EPERM => f.write_str("errno 1 (EPERM)"),
            ERRNO if data == ENOSYS => f.write_str("errno 38 (ENOSYS)"),
            ERRNO => write!(f, "errno {data}"),
            TRACE => write!(f, "trace {data}"),
            LOG => f.write_str("log"),
            ALLOW => f.write_str("allow"),
            _ => f.write_str("notify"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_the_kernels() {
        let value = |name| Action::from_name(name).unwrap().with(None).unwrap().0;
        assert_eq!(value("SCMP_ACT_ALLOW"), 0x7fff_0000);
        assert_eq!(value("SCMP_ACT_ERRNO"), 0x0005_0001);
        assert_eq!(value("SCMP_ACT_TRACE"), 0x7ff0_0001);
        assert_eq!(value("SCMP_ACT_KILL"), value("SCMP_ACT_KILL_THREAD"));
        assert_eq!(ACTIONS.len(), 9);
        assert!(Action::from_name("SCMP_ACT_SMILE").is_none());
    }

    #[test]
    fn only_errno_and_trace_take_a_number() {
        for (name, value) in TABLE {
            let answer = Action(value).with(Some(7));
            let takes = name == "SCMP_ACT_ERRNO" || name == "SCMP_ACT_TRACE";
            assert_eq!(answer.is_ok(), takes, "{name}");
        }
        assert_eq!(Action(ERRNO).with(Some(4096)), Err(Refused::TooLarge(4095)));
        assert_eq!(Action(TRACE).with(Some(65535)), Ok(Action(TRACE | 65535)));
    }
}
