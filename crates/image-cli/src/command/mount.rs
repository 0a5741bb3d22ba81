//! `mount`: an image's files in a directory, without copying them. `umount` takes them away.

use std::path::Path;

use tare_image::{Result, container};

use super::{Line, Options, place, put};

pub(super) const VERB: &str = "
mount LOCATION DIR  Show an image's files in a directory; what is written there can be committed
";

pub(super) const UMOUNT: &str = "
umount DIR  Take away what mount has shown, with all changes
";

pub(super) fn run(line: &Line, options: &Options) -> Result<u8> {
    if !rustix::process::geteuid().is_root() {
        fail!(Unsupported: "a mount made without privilege ends with this program"
            => "\"unpack\" copies the files");
    }
    let location = line.arguments[0].parse()?;
    let store = options.store_as_root()?;
    let image = place::local_or_pulled(&store, &location, options)?;
    let target = Path::new(&line.arguments[1]);
    put!(
        "{}",
        container::mount(&store, &image, target, &options.pull())?
    );
    Ok(0)
}

pub(super) fn umount(line: &Line, options: &Options) -> Result<u8> {
    container::unmount(&options.store_as_root()?, Path::new(&line.arguments[0]))?;
    Ok(0)
}
