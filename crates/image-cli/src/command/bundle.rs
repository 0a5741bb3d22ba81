//! `bundle`: a directory that a runtime can run.

use std::path::Path;

use tare_image::Result;
use tare_image::bundle::Overrides;
use tare_image::container::{self, Rootfs};
use tare_image::identity;

use super::{Line, Options, place};

pub(super) const VERB: &str = "
bundle LOCATION DIR [COMMAND...]  Make a bundle of an image: root file system and config.json
--overlay  mount the layers over each other instead of copying them together
--flat  copy them together, which is done anyway
";

/// What the line says about the container.
pub(super) fn overrides(line: &Line) -> Result<Overrides> {
    let mut overrides = Overrides {
        command: line.command.clone(),
        rootless: !rustix::process::getuid().is_root(),
        ..Overrides::default()
    };
    for (name, value) in line.given() {
        overrides.set(name, value)?;
    }
    Ok(overrides)
}

pub(super) fn run(line: &Line, options: &Options) -> Result<u8> {
    let mut overrides = overrides(line)?;
    let rootfs = match line.has("--overlay") && !line.has("--flat") {
        true => Rootfs::Overlay,
        false => Rootfs::Flat,
    };
    let location = line.arguments[0].parse()?;
    if overrides.rootless && rootfs == Rootfs::Overlay {
        fail!(Unsupported: "a mount made without privilege ends with this program"
            => "Leave --overlay out, or use \"run\"");
    }
    let store = options.store_to_use()?;
    if overrides.rootless {
        // What the files are unpacked with, the container is to see them with.
        overrides.mappings = Some([
            identity::mappings("uid_map")?,
            identity::mappings("gid_map")?,
        ]);
    }
    let image = place::local_or_pulled(&store, &location, options)?;
    let folder = Path::new(&line.arguments[1]);
    let options = options.pull();
    container::create(&store, &image, folder, rootfs, &overrides, &options)?;
    Ok(0)
}
