//! The runtime's options: as the shim for runc gets them, under any name, and as containerd's configuration file has them.

use std::path::{Path, PathBuf};

use containerd_shim_protos::shim::oci::Options as Message;
use protobuf::Message as _;
use protobuf::well_known_types::any::Any;
use serde::Deserialize;

use crate::status::Status;

/// What can be chosen for a container.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
pub(crate) struct Options {
    /// Do not use pivot_root(2).
    pub(crate) no_pivot_root: bool,
    /// Keep the shim's session keyring.
    pub(crate) no_new_keyring: bool,
    /// The shim's own cgroup.
    pub(crate) shim_cgroup: String,
    /// Where containers' state is, above a directory for each namespace.
    pub(crate) root: String,
    /// Have systemd make the cgroups.
    pub(crate) systemd_cgroup: bool,
    /// Where images of checkpoints go, and CRIU's logs.
    pub(crate) criu_image_path: String,
    pub(crate) criu_work_path: String,
}

/// As the shim for runc has it: those who look for containers there find them.
const ROOT: &str = "/run/containerd/runc";

impl Options {
    /// From a message; none and an empty one are the defaults.
    pub(crate) fn parse(options: Option<&Any>) -> Result<Options, Status> {
        let Some(options) = options.filter(|options| !options.type_url.is_empty()) else {
            return Ok(Options::default());
        };
        let kind = options.type_url.rsplit('/').next().unwrap_or_default();
        let broken = |error: &dyn std::fmt::Display| {
            Status::invalid(format!("options of type {kind}: {error}"))
        };
        match kind {
            "containerd.runc.v1.Options" => Message::parse_from_bytes(&options.value)
                .map(Options::from)
                .map_err(|error| broken(&error)),
            // containerd's plugin for Kubernetes: the table of its configuration file as text.
            kind if kind.ends_with("runtimeoptions.v1.Options") => {
                let text = config_body(&options.value).map_err(|error| broken(&error))?;
                toml::from_str(&text).map_err(|error| broken(&error.message()))
            }
            _ => Err(Status::invalid(format!(
                "options of type {kind} are not known: containerd.runc.v1.Options are"
            ))),
        }
    }

    /// Where the state of the containers of a namespace is.
    pub(crate) fn store(&self, namespace: &str) -> PathBuf {
        let root = if self.root.is_empty() {
            ROOT
        } else {
            &self.root
        };
        Path::new(root).join(namespace)
    }
}

/// The file in the bundle that says to `delete` where the state is, if it is elsewhere than usual.
const KEPT: &str = "tare-root";

impl Options {
    /// Notes in the bundle what is needed to clean up once the shim is dead.
    pub(crate) fn keep(&self, bundle: &Path) -> Result<(), Status> {
        if self.root.is_empty() {
            return Ok(());
        }
        let path = bundle.join(KEPT);
        std::fs::write(&path, &self.root)
            .map_err(|error| Status::failed(format!("write {}: {error}", path.display())))
    }

    /// What was noted.
    pub(crate) fn kept(bundle: &Path) -> Options {
        Options {
            // Without a note it is where it usually is.
            root: std::fs::read_to_string(bundle.join(KEPT)).unwrap_or_default(),
            ..Options::default()
        }
    }
}

impl From<Message> for Options {
    fn from(message: Message) -> Options {
        Options {
            no_pivot_root: message.no_pivot_root,
            no_new_keyring: message.no_new_keyring,
            shim_cgroup: message.shim_cgroup,
            root: message.root,
            systemd_cgroup: message.systemd_cgroup,
            criu_image_path: message.criu_image_path,
            criu_work_path: message.criu_work_path,
        }
    }
}

/// `message Options { string type_url = 1; string config_path = 2; bytes config_body = 3; }`: the third field.
fn config_body(message: &[u8]) -> protobuf::Result<String> {
    let mut input = protobuf::CodedInputStream::from_bytes(message);
    let mut body = String::new();
    while let Some(tag) = input.read_raw_tag_or_eof()? {
        match tag {
            26 => body = String::from_utf8_lossy(&input.read_bytes()?).into_owned(),
            10 | 18 => drop(input.read_bytes()?),
            _ => break,
        }
    }
    Ok(body)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn given(kind: &str, value: &[u8]) -> Any {
        let mut any = Any::new();
        any.type_url = kind.to_owned();
        any.value = value.to_vec();
        any
    }

    #[test]
    fn options_of_all_kinds() {
        assert_eq!(Options::parse(None), Ok(Options::default()));
        let mut message = Message::new();
        message.systemd_cgroup = true;
        message.root = "/run/x".to_owned();
        let bytes = message.write_to_bytes().expect("bytes");
        let options =
            Options::parse(Some(&given("containerd.runc.v1.Options", &bytes))).expect("options");
        assert!(options.systemd_cgroup);
        assert_eq!(options.store("moby"), Path::new("/run/x/moby"));
        let text = "BinaryName = \"runc\"\nSystemdCgroup = true\n";
        let mut bytes = vec![10, 1, b'x', 26, text.len() as u8];
        bytes.extend_from_slice(text.as_bytes());
        let options =
            Options::parse(Some(&given("runtimeoptions.v1.Options", &bytes))).expect("options");
        assert!(options.systemd_cgroup);
    }

    #[test]
    fn what_is_wrong_is_said() {
        let status =
            Options::parse(Some(&given("type.googleapis.com/x.Other", b""))).expect_err("none");
        assert!(status.text.contains("x.Other"), "{}", status.text);
        assert!(Options::parse(Some(&given("containerd.runc.v1.Options", &[255]))).is_err());
        assert!(Options::parse(Some(&given("runtimeoptions.v1.Options", &[26, 1, b'[']))).is_err());
    }
}
