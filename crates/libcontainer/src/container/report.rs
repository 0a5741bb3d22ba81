//! What `state` and `list` say.

use std::collections::BTreeMap;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::{Container, Look};
use crate::Error;
use crate::state::Status;

/// The state of a container: the specification's fields and those that callers of runtimes expect beside them.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct StateReport {
    /// Version of the specification that the config complies with.
    pub oci_version: String,
    /// The container's id.
    pub id: String,
    /// Its first process; 0 when there is none.
    pub pid: i32,
    /// What it is doing.
    pub status: Status,
    /// The bundle's directory.
    pub bundle: String,
    /// The root directory.
    pub rootfs: String,
    /// When it was created: RFC 3339, UTC.
    pub created: String,
    /// The config's annotations, in order.
    #[serde(
        default,
        skip_serializing_if = "Vec::is_empty",
        serialize_with = "as_map",
        deserialize_with = "of_map"
    )]
    pub annotations: Vec<(String, String)>,
    /// Who created it; empty in `state`, a user's name in `list`.
    #[serde(default)]
    pub owner: String,
    /// The same as a user id.
    #[serde(skip)]
    pub owner_id: u32,
}

fn as_map<S: Serializer>(pairs: &[(String, String)], serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_map(pairs.iter().map(|(key, value)| (key, value)))
}

fn of_map<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<(String, String)>, D::Error> {
    let map = BTreeMap::<String, String>::deserialize(deserializer)?;
    Ok(map.into_iter().collect())
}

impl Container {
    /// The container's state.
    ///
    /// # Errors
    /// As [`Container::status`].
    pub fn state(&self) -> Result<StateReport, Error> {
        let Look { status, pid, .. } = self.look()?;
        let record = &self.record;
        Ok(StateReport {
            oci_version: record.oci_version.clone(),
            id: record.id.clone(),
            pid: if status == Status::Stopped { 0 } else { pid },
            status,
            bundle: record.bundle.clone(),
            rootfs: record.rootfs.clone(),
            created: record.created.clone(),
            annotations: record.annotations.clone(),
            owner: String::new(),
            owner_id: record.owner,
        })
    }
}
