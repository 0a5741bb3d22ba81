//! Flags as data. Parsing, help texts, manual pages, completions and `docs/cli.md` all read the same rows, so they cannot disagree.

/// One flag of a command, or a global one.
#[derive(Debug)]
pub(crate) struct Flag {
    /// The name without dashes.
    pub(crate) name: &'static str,
    /// A second, one-letter name.
    pub(crate) short: Option<&'static str>,
    /// What may follow it.
    pub(crate) kind: Kind,
    /// What help texts call the value; empty for a switch.
    pub(crate) value: &'static str,
    /// The words that the value may be, where only a few have a meaning; empty when any may.
    #[cfg_attr(
        not(test),
        expect(dead_code, reason = "read where completions are made")
    )]
    pub(crate) choices: &'static [&'static str],
    /// One sentence without a full stop. `{name}` stands for the program.
    pub(crate) help: &'static str,
    /// Accepted, but left out of help texts: kept for callers written long ago.
    pub(crate) hidden: bool,
}

/// What a flag takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// Nothing, or `=true` and `=false`.
    Switch,
    /// A word; the last one given counts.
    Text,
    /// A path, relative to the caller's directory.
    Path,
    /// A word; all that are given count, in order.
    List,
    /// A whole number.
    Number,
    /// A time such as `5s` or `1m30s`.
    Duration,
}

impl Flag {
    const fn new(name: &'static str, kind: Kind, value: &'static str, help: &'static str) -> Flag {
        Flag {
            name,
            short: None,
            kind,
            value,
            choices: &[],
            help,
            hidden: false,
        }
    }

    pub(crate) const fn switch(name: &'static str, help: &'static str) -> Flag {
        Flag::new(name, Kind::Switch, "", help)
    }

    pub(crate) const fn text(name: &'static str, value: &'static str, help: &'static str) -> Flag {
        Flag::new(name, Kind::Text, value, help)
    }

    pub(crate) const fn path(name: &'static str, value: &'static str, help: &'static str) -> Flag {
        Flag::new(name, Kind::Path, value, help)
    }

    pub(crate) const fn list(name: &'static str, value: &'static str, help: &'static str) -> Flag {
        Flag::new(name, Kind::List, value, help)
    }

    pub(crate) const fn number(name: &'static str, help: &'static str) -> Flag {
        Flag::new(name, Kind::Number, "N", help)
    }

    pub(crate) const fn duration(name: &'static str, help: &'static str) -> Flag {
        Flag::new(name, Kind::Duration, "TIME", help)
    }

    /// The same flag with a one-letter name.
    pub(crate) const fn short(self, short: &'static str) -> Flag {
        Flag {
            short: Some(short),
            ..self
        }
    }

    /// The same flag, whose value is one of these words. Whoever uses the value says what it thinks of others.
    pub(crate) const fn one_of(self, choices: &'static [&'static str]) -> Flag {
        Flag { choices, ..self }
    }

    /// The same flag, not shown.
    pub(crate) const fn hidden(self) -> Flag {
        Flag {
            hidden: true,
            ..self
        }
    }

    /// `--bundle DIR, -b DIR`, as help texts show it.
    pub(crate) fn synopsis(&self) -> String {
        let value = match self.value {
            "" => String::new(),
            value => format!(" {value}"),
        };
        match self.short {
            Some(short) => format!("--{}{value}, -{short}{value}", self.name),
            None => format!("--{}{value}", self.name),
        }
    }
}

/// Every command has it.
pub(crate) static HELP: Flag = Flag::switch("help", "show help").short("h");

// Flags that several commands share.

pub(crate) static BUNDLE: Flag = Flag::path(
    "bundle",
    "DIR",
    "directory that holds config.json (default: the current directory)",
)
.short("b");

pub(crate) static CONSOLE_SOCKET: Flag = Flag::path(
    "console-socket",
    "SOCKET",
    "unix socket that receives the descriptor of the terminal's master end",
);

pub(crate) static PIDFD_SOCKET: Flag = Flag::path(
    "pidfd-socket",
    "SOCKET",
    "unix socket that receives a pidfd of the started process",
);

pub(crate) static PID_FILE: Flag =
    Flag::path("pid-file", "FILE", "file to write the process id to");

pub(crate) static NO_PIVOT: Flag = Flag::switch(
    "no-pivot",
    "enter the root file system without pivot_root, for roots on a ramdisk",
);

pub(crate) static NO_NEW_KEYRING: Flag = Flag::switch(
    "no-new-keyring",
    "stay in the caller's session keyring instead of making one",
);

pub(crate) static PRESERVE_FDS: Flag = Flag::number(
    "preserve-fds",
    "pass N more descriptors on, after standard input, output, error and $LISTEN_FDS (default: 0)",
);

pub(crate) static DETACH: Flag = Flag::switch(
    "detach",
    "return when the process runs, without waiting for its end",
)
.short("d");

pub(crate) static NO_SUBREAPER: Flag = Flag::switch(
    "no-subreaper",
    "do not become the parent of the container's orphaned processes",
);
