//! What containerd and the shim tell each other at its start, in both of its protocols: flags and variables answered by a line, and
//! messages on standard input and output (containerd 2.3).

use containerd_shim_protos::bootstrap_api::{BootstrapParams, BootstrapResult};
use protobuf::Message;
use protobuf::well_known_types::any::Any;

use crate::invocation::Invocation;

/// What the shim is told.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Params {
    pub(crate) id: String,
    pub(crate) namespace: String,
    /// containerd's sockets.
    pub(crate) ttrpc: String,
    pub(crate) grpc: String,
    /// The runtime's options.
    pub(crate) options: Option<Any>,
    /// Where the shim's socket is to be; empty for the usual place.
    pub(crate) socket_dir: String,
    form: Form,
}

/// How the answer is given.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Form {
    /// An address alone, as containerd 1.6 wants it.
    #[default]
    Address,
    /// JSON with this version of the task service.
    Json(i32),
    /// A message.
    Message,
}

/// The newest version of the task service that is served.
const NEWEST: i32 = 3;

impl Params {
    /// Understands what came on standard input and in the environment. A message that is none, or about somebody else, is the old
    /// protocol's: there the runtime's options come.
    pub(crate) fn new(
        invocation: &Invocation,
        input: &[u8],
        variable: impl Fn(&str) -> Option<String>,
    ) -> Params {
        let given = BootstrapParams::parse_from_bytes(input).ok();
        if let Some(given) = given
            .filter(|given| !given.instance_id.is_empty() && given.instance_id == invocation.id)
        {
            return Params::from_message(given);
        }
        let most = variable("MAX_SHIM_VERSION").and_then(|version| version.parse().ok());
        let options = Any::parse_from_bytes(input).ok();
        Params {
            id: invocation.id.clone(),
            namespace: invocation.namespace.clone(),
            ttrpc: variable("TTRPC_ADDRESS").unwrap_or_default(),
            grpc: variable("GRPC_ADDRESS").unwrap_or_else(|| invocation.address.clone()),
            options: options.filter(|options| !options.type_url.is_empty()),
            socket_dir: String::new(),
            form: match most {
                None => Form::Address,
                Some(most) => Form::Json(NEWEST.min(most)),
            },
        }
    }

    fn from_message(given: BootstrapParams) -> Params {
        let is_options = |any: &Any| {
            any.type_url.ends_with("runc.v1.Options")
                || any.type_url.ends_with("runtimeoptions.v1.Options")
        };
        let values = given
            .extensions
            .into_iter()
            .filter_map(|extension| extension.value.into_option());
        Params {
            id: given.instance_id,
            namespace: given.namespace,
            ttrpc: given.containerd_ttrpc_address,
            grpc: given.containerd_grpc_address,
            options: values.into_iter().find(is_options),
            socket_dir: given.socket_dir.unwrap_or_default(),
            form: Form::Message,
        }
    }

    /// The answer: where the shim is.
    pub(crate) fn answer(&self, address: &str) -> Vec<u8> {
        match self.form {
            Form::Address => address.as_bytes().to_vec(),
            Form::Json(version) => {
                let answer = serde_json::json!({"version": version, "address": address, "protocol": "ttrpc"});
                answer.to_string().into_bytes()
            }
            Form::Message => {
                let mut answer = BootstrapResult::new();
                answer.version = NEWEST;
                answer.address = address.to_owned();
                answer.protocol = "ttrpc".to_owned();
                answer.write_to_bytes().unwrap_or_default()
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use containerd_shim_protos::bootstrap_api::Extension;
    use protobuf::MessageField;

    fn invocation() -> Invocation {
        Invocation {
            id: "one".to_owned(),
            namespace: "default".to_owned(),
            address: "/run/c.sock".to_owned(),
            ..Invocation::default()
        }
    }

    fn options() -> Any {
        let mut any = Any::new();
        any.type_url = "containerd.runc.v1.Options".to_owned();
        any
    }

    #[test]
    fn the_old_protocol() {
        let none = |_: &str| None;
        let params = Params::new(&invocation(), b"", none);
        assert_eq!(params.answer("unix:///x"), b"unix:///x");
        assert_eq!((&*params.grpc, params.options), ("/run/c.sock", None));
        let two = |name: &str| (name == "MAX_SHIM_VERSION").then(|| "2".to_owned());
        let input = options().write_to_bytes().expect("bytes");
        let params = Params::new(&invocation(), &input, two);
        assert_eq!(params.options, Some(options()));
        let answer: serde_json::Value =
            serde_json::from_slice(&params.answer("unix:///x")).expect("JSON");
        assert_eq!(
            answer,
            serde_json::json!({"version": 2, "address": "unix:///x", "protocol": "ttrpc"})
        );
    }

    #[test]
    fn the_new_protocol() {
        let mut message = BootstrapParams::new();
        message.instance_id = "one".to_owned();
        message.namespace = "k8s.io".to_owned();
        message.containerd_ttrpc_address = "/run/c.sock.ttrpc".to_owned();
        message.socket_dir = Some("/run/s".to_owned());
        let mut extension = Extension::new();
        extension.value = MessageField::some(options());
        message.extensions.push(extension);
        let input = message.write_to_bytes().expect("bytes");
        let params = Params::new(&invocation(), &input, |_| None);
        assert_eq!(
            (&*params.namespace, &*params.socket_dir),
            ("k8s.io", "/run/s")
        );
        assert_eq!(params.options, Some(options()));
        let answer =
            BootstrapResult::parse_from_bytes(&params.answer("unix:///x")).expect("a message");
        assert_eq!(
            (answer.version, &*answer.address, &*answer.protocol),
            (3, "unix:///x", "ttrpc")
        );
        // About somebody else: it is not meant.
        let other = Invocation {
            id: "two".to_owned(),
            ..invocation()
        };
        assert_eq!(Params::new(&other, &input, |_| None).answer("a"), b"a");
    }
}
