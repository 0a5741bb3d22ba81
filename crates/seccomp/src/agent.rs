//! What a notify agent is told (config-linux.md, "The Container Process State").

use serde::Serialize;

/// Name of the descriptor in [`ProcessState::fds`] that is the listener of the filter.
pub const SECCOMP_FD: &str = "seccompFd";

/// The message to the agent; the descriptors named by `fds` go with its first byte, in the same order.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ProcessState<'a> {
    /// Version of the specification.
    pub oci_version: &'a str,
    /// Names of the descriptors.
    pub fds: &'a [&'a str],
    /// The container's process, in the runtime's pid namespace.
    pub pid: i32,
    /// `listenerMetadata`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub metadata: Option<&'a str>,
    /// State of the container: `creating` for its first process, what it is for an `exec`.
    pub state: spec::State<'a>,
}

impl ProcessState<'_> {
    /// The JSON text of the message.
    pub fn to_json(&self) -> serde_json::Result<Vec<u8>> {
        serde_json::to_vec(self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_message_has_the_specifications_shape() {
        let annotations = spec::Words::default();
        let state = spec::State {
            oci_version: "1.3.0",
            id: "web",
            status: "creating",
            pid: Some(4422),
            bundle: "/containers/web",
            annotations: &annotations,
        };
        let message = ProcessState {
            oci_version: "1.3.0",
            fds: &[SECCOMP_FD],
            pid: 4422,
            metadata: Some("team=blue"),
            state,
        };
        assert_eq!(
            String::from_utf8(message.to_json().unwrap()).unwrap(),
            r#"{"ociVersion":"1.3.0","fds":["seccompFd"],"pid":4422,"metadata":"team=blue","state":{"ociVersion":"1.3.0","id":"web","status":"creating","pid":4422,"bundle":"/containers/web"}}"#
        );
    }
}
