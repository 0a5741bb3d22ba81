//! What a call that failed is answered with: a code of gRPC and one clear line.

use containerd_shim_protos::ttrpc::{Code, Status as Message};
use libcontainer::{Error, ErrorKind};

/// A failure as the caller gets it.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Status {
    code: Code,
    pub(crate) text: String,
}

impl Status {
    fn new(code: Code, text: impl Into<String>) -> Status {
        let text = text.into();
        Status { code, text }
    }

    /// The caller's mistake.
    pub(crate) fn invalid(text: impl Into<String>) -> Status {
        Status::new(Code::INVALID_ARGUMENT, text)
    }

    pub(crate) fn not_found(text: impl Into<String>) -> Status {
        Status::new(Code::NOT_FOUND, text)
    }

    pub(crate) fn exists(text: impl Into<String>) -> Status {
        Status::new(Code::ALREADY_EXISTS, text)
    }

    /// Not in this state.
    pub(crate) fn refused(text: impl Into<String>) -> Status {
        Status::new(Code::FAILED_PRECONDITION, text)
    }

    pub(crate) fn unimplemented(text: impl Into<String>) -> Status {
        Status::new(Code::UNIMPLEMENTED, text)
    }

    pub(crate) fn too_much(text: impl Into<String>) -> Status {
        Status::new(Code::RESOURCE_EXHAUSTED, text)
    }

    pub(crate) fn failed(text: impl Into<String>) -> Status {
        Status::new(Code::UNKNOWN, text)
    }

    /// A failure of the runtime's, with what engines look for before it.
    pub(crate) fn of(prefix: &str, error: &Error) -> Status {
        let text = format!("{prefix}{error}");
        match error.kind() {
            ErrorKind::NotFound => Status::not_found(text),
            ErrorKind::AlreadyExists => Status::exists(text),
            ErrorKind::WrongStatus => Status::refused(text),
            ErrorKind::InvalidArgument => Status::invalid(text),
            _ => Status::failed(text),
        }
    }

    pub(crate) fn to_message(&self) -> Message {
        let mut message = Message::new();
        message.set_code(self.code);
        message.message = self.text.clone();
        message
    }
}
