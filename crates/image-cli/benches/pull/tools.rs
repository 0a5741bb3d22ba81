//! The programs that are compared, and how they are called.

use std::path::PathBuf;

use crate::daemons::have;

/// A way to pull.
pub(crate) struct Tool {
    pub(crate) name: &'static str,
    /// Runs in a fresh directory, once to pull and, where that means something, again with nothing to do.
    pub(crate) command: fn(&Place, &str, &[String]) -> Vec<Vec<String>>,
}

/// Where everything is.
pub(crate) struct Place {
    /// Address of the registry.
    pub(crate) registry: String,
    pub(crate) folder: PathBuf,
    pub(crate) floor: PathBuf,
}

fn words(text: &str) -> Vec<String> {
    text.split_whitespace().map(String::from).collect()
}

fn ours(place: &Place, image: &str, _: &[String]) -> Vec<Vec<String>> {
    let program = env!("CARGO_BIN_EXE_tare-image");
    vec![words(&format!(
        "{program} pull -q --plain-http --root {}/out/store {}/{image}",
        place.folder.display(),
        place.registry
    ))]
}

fn floor(place: &Place, image: &str, digests: &[String]) -> Vec<Vec<String>> {
    let (floor, folder, registry) = (
        place.floor.display(),
        place.folder.display(),
        &place.registry,
    );
    vec![words(&format!(
        "{floor} {registry} {image} {folder}/out 2 {}",
        digests.join(" ")
    ))]
}

fn skopeo_umoci(place: &Place, image: &str, _: &[String]) -> Vec<Vec<String>> {
    let (folder, registry) = (place.folder.display(), &place.registry);
    vec![
        words(&format!(
            "skopeo copy -q --src-tls-verify=false docker://{registry}/{image} oci:{folder}/out/layout:x"
        )),
        words(&format!(
            "umoci raw unpack --image {folder}/out/layout:x {folder}/out/rootfs"
        )),
    ]
}

fn podman(place: &Place, image: &str, _: &[String]) -> Vec<Vec<String>> {
    let (folder, registry) = (place.folder.display(), &place.registry);
    vec![words(&format!(
        "podman --root {folder}/out/root --runroot {folder}/out/run --storage-driver overlay pull -q --tls-verify=false {registry}/{image}:latest"
    ))]
}

fn ctr(place: &Place, image: &str, _: &[String]) -> Vec<Vec<String>> {
    let (folder, registry) = (place.folder.display(), &place.registry);
    vec![words(&format!(
        "ctr --address {folder}/containerd.sock images pull --plain-http {registry}/{image}:latest"
    ))]
}

pub(crate) const TOOLS: [Tool; 5] = [
    Tool {
        name: "floor",
        command: floor,
    },
    Tool {
        name: "tare-image",
        command: ours,
    },
    Tool {
        name: "containerd (ctr)",
        command: ctr,
    },
    Tool {
        name: "podman",
        command: podman,
    },
    Tool {
        name: "skopeo+umoci",
        command: skopeo_umoci,
    },
];

pub(crate) fn available(tool: &Tool, place: &Place) -> bool {
    match tool.name {
        "floor" => place.floor.exists(),
        "containerd (ctr)" => have("containerd") && have("ctr"),
        "skopeo+umoci" => have("skopeo") && have("umoci"),
        name => name == "tare-image" || have(name),
    }
}
