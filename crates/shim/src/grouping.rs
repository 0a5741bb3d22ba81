//! Which containers have a shim in common.

use std::collections::BTreeMap;
use std::path::Path;

use serde::Deserialize;

/// The choice of whoever runs the machine: `/etc/tare/shim.toml`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Settings {
    group: Group,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Group {
    /// A shim for each pod, and for each container that is in none.
    #[default]
    Pod,
    /// One for all containers of a namespace of containerd's.
    Node,
}

/// Where the settings are.
pub(crate) const FILE: &str = "/etc/tare/shim.toml";

/// By which containers say what they belong to: as the shim for runc understands it.
const LABELS: [&str; 2] = [
    "io.containerd.runc.v2.group",
    "io.kubernetes.cri.sandbox-id",
];

impl Settings {
    /// Reads them; without a file they are the defaults.
    ///
    /// # Errors
    /// A file that cannot be read or understood.
    pub(crate) fn load(path: &Path) -> Result<Settings, String> {
        let text = match std::fs::read_to_string(path) {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => String::new(),
            text => text.map_err(|error| format!("read {}: {error}", path.display()))?,
        };
        Settings::parse(&text).map_err(|error| format!("{}: {error}", path.display()))
    }

    fn parse(text: &str) -> Result<Settings, String> {
        toml::from_str(text).map_err(|error| error.message().to_owned())
    }

    /// The group that a container belongs to, by its id and its configuration.
    pub(crate) fn group(self, id: &str, config: &str) -> String {
        match self.group {
            // No id is this.
            Group::Node => "/".to_owned(),
            Group::Pod => label(config).unwrap_or_else(|| id.to_owned()),
        }
    }
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Annotated {
    annotations: BTreeMap<String, String>,
}

/// A configuration that cannot be read is judged when the container is created.
fn label(config: &str) -> Option<String> {
    let config: Annotated = serde_json::from_str(config).unwrap_or_default();
    let mut labels = LABELS
        .iter()
        .filter_map(|label| config.annotations.get(*label));
    labels.find(|label| !label.is_empty()).cloned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn groups() {
        let pod =
            r#"{"ociVersion": "1.0.2", "annotations": {"io.kubernetes.cri.sandbox-id": "pod-1"}}"#;
        let settings = Settings::parse("").expect("settings");
        assert_eq!(settings.group("one", pod), "pod-1");
        assert_eq!(settings.group("one", "{}"), "one");
        assert_eq!(settings.group("one", "no JSON"), "one");
        let settings = Settings::parse("group = \"node\"\n").expect("settings");
        assert_eq!(settings.group("one", pod), settings.group("two", "{}"));
        assert!(Settings::parse("group = \"all\"").is_err());
        assert!(Settings::parse("gruop = \"pod\"").is_err());
    }
}
