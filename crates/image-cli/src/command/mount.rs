//! `mount`: an image's files in a directory, without copying them. `umount` takes them away.

use std::path::Path;

use tare_image::{Result, container};

use super::line::Line;
use super::options::Options;
use super::output::put;
use super::place;

pub(super) const COMMAND: super::Command = super::Command {
    name: "mount",
    usage: "LOCATION DIR",
    about: "Show an image's files in a directory; what is written there can be committed",
    options: "",
    run,
};

pub(super) const UMOUNT: super::Command = super::Command {
    name: "umount",
    usage: "DIR",
    about: "Take away what mount has shown, with all changes",
    options: "",
    run: umount,
};

fn run(line: &Line, options: &Options) -> Result<u8> {
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

fn umount(line: &Line, options: &Options) -> Result<u8> {
    container::unmount(&options.store_as_root()?, Path::new(&line.arguments[0]))?;
    Ok(0)
}
