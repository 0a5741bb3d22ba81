//! The one error type of the command line: a sentence, its parts for machines, and the exit code.

use std::io;

use kernel::Errno;

/// Why a command did not do what it was asked.
#[derive(Debug)]
pub(crate) struct Failure {
    /// One line, as it is printed.
    pub(crate) message: String,
    /// The parts of the message that the library knows by name; they go into JSON logs.
    pub(crate) fields: Vec<(&'static str, String)>,
    /// What the process exits with.
    pub(crate) status: i32,
    /// The message is complete with the folder of the containers' state.
    pub(crate) about_the_store: bool,
}

impl Failure {
    /// A failure that exits with 1, as all do unless told otherwise.
    pub(crate) fn new(message: impl Into<String>) -> Failure {
        Failure {
            message: message.into(),
            fields: Vec::new(),
            status: 1,
            about_the_store: false,
        }
    }

    /// A failed call of the standard library, in the words of errno(3) and without "os error".
    pub(crate) fn io(doing: &str, error: &io::Error) -> Failure {
        match error.raw_os_error() {
            Some(number) => Failure {
                fields: vec![("errno", Errno(number).name().to_owned())],
                ..Failure::new(format!("{doing}: {}", Errno(number).text()))
            },
            None => Failure::new(format!("{doing}: {error}")),
        }
    }

    /// The same failure, its message preceded by `prefix`.
    pub(crate) fn prefix(mut self, prefix: &str) -> Failure {
        self.message.insert_str(0, prefix);
        self
    }

    /// The same failure with one more part before the others, unless the library named it already.
    pub(crate) fn field(mut self, name: &'static str, value: &str) -> Failure {
        if self.fields.iter().all(|(known, _)| *known != name) {
            self.fields.insert(0, (name, value.to_owned()));
        }
        self
    }

    /// The same failure with another exit code.
    pub(crate) fn status(mut self, status: i32) -> Failure {
        self.status = status;
        self
    }
}

impl From<libcontainer::Error> for Failure {
    fn from(error: libcontainer::Error) -> Failure {
        let message = match &error {
            // Here it is a flag.
            libcontainer::Error::Argument {
                name: "preserve_fds",
                text,
            } => format!("--preserve-fds {text}"),
            error => error.to_string(),
        };
        Failure {
            fields: error.fields(),
            about_the_store: error.is_about_the_store(),
            ..Failure::new(message)
        }
    }
}
