//! `delete`: cleans up behind a container whose shim is dead, or has come to its end.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use containerd_shim_protos::api::DeleteResponse;
use libcontainer::Container;
use protobuf::Message;

use crate::events::timestamp;
use crate::invocation::Invocation;
use crate::options::Options;
use crate::{address, rootfs, shim};

/// As that of a process that was killed.
const KILLED: u32 = 128 + 9;

/// Ends the container if it runs, removes what is left of it, and prints how it ended.
pub(crate) fn delete(invocation: &Invocation) -> Result<(), String> {
    if invocation.id.is_empty() {
        return Err("the container has no id (-id)".to_owned());
    }
    let bundle = match invocation.bundle.as_str() {
        "" => PathBuf::from("."),
        path => PathBuf::from(path),
    };
    let root = Options::kept(&bundle).store(&invocation.namespace);
    let store = shim::open_store(&root).map_err(|status| status.text)?;
    let mut answer = DeleteResponse::new();
    // One that is gone has no process either.
    if let Ok(container) = Container::open(&store, &invocation.id) {
        answer.pid = container.record().pid as u32;
    }
    let deleted =
        Container::delete(&store, &invocation.id, true).map_err(|error| error.to_string());
    rootfs::unmount(&bundle).map_err(|status| status.text)?;
    deleted?;
    if let Some(socket) = left_socket(&bundle) {
        address::remove_dead(&socket);
    }
    answer.exit_status = KILLED;
    answer.exited_at = timestamp(SystemTime::now());
    let message = answer.write_to_bytes().map_err(|error| error.to_string())?;
    let mut stdout = std::io::stdout();
    let written = stdout.write_all(&message).and_then(|()| stdout.flush());
    written.map_err(|error| format!("write the answer: {error}"))
}

fn left_socket(bundle: &Path) -> Option<PathBuf> {
    let text = std::fs::read_to_string(bundle.join("address")).ok()?;
    address::from_uri(text.trim())
}
