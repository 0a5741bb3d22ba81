//! `-v` and `-info`: what this shim is, and what its runtime can do.

use std::io::{Read, Write};

use containerd_shim_protos::types::introspection::{RuntimeInfo, RuntimeRequest, RuntimeVersion};
use protobuf::well_known_types::any::Any;
use protobuf::{Message, MessageField};

const NAME: &str = "containerd-shim-tare-v2";

/// The lines that `-v` prints.
pub(crate) fn version() -> String {
    let version = env!("CARGO_PKG_VERSION");
    format!("{NAME}:\n  Version:  {version}\n  Revision: \n")
}

/// Prints the message that `-info` asks for. A request with options may come on standard input; they change nothing.
pub(crate) fn info() -> Result<(), String> {
    let mut input = Vec::new();
    // Who asks by hand gives none.
    if !std::io::IsTerminal::is_terminal(&std::io::stdin()) {
        let _ = std::io::stdin().take(1 << 20).read_to_end(&mut input);
    }
    let options = RuntimeRequest::parse_from_bytes(&input)
        .unwrap_or_default()
        .options;
    let mut version = RuntimeVersion::new();
    version.version = env!("CARGO_PKG_VERSION").to_owned();
    let mut features = Any::new();
    features.type_url =
        "types.containerd.io/opencontainers/runtime-spec/1/features/Features".to_owned();
    features.value =
        serde_json::to_vec(&libcontainer::features()).map_err(|error| error.to_string())?;
    let mut info = RuntimeInfo::new();
    info.name = NAME.to_owned();
    info.version = MessageField::some(version);
    info.options = options;
    info.features = MessageField::some(features);
    let message = info.write_to_bytes().map_err(|error| error.to_string())?;
    let written = std::io::stdout().write_all(&message);
    written.map_err(|error| format!("write the answer: {error}"))
}
