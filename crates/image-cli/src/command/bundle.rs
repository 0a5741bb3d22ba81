//! `bundle`: a directory that a runtime can run.

use std::path::Path;
use std::process::ExitCode;

use tare_image::bundle::Overrides;
use tare_image::container::{self, Rootfs};
use tare_image::error::During;
use tare_image::identity;
use tare_image::location::Location;

use super::options::{self, Options, Outcome, text};
use super::place;

pub(super) const COMMAND: super::Command = super::Command {
    name: "bundle",
    usage: "LOCATION DIR [COMMAND...]",
    about: "Make a bundle of an image: root file system and config.json",
    options: &[(
        "--overlay",
        "mount the layers over each other instead of copying them together",
    )],
    run,
};

fn run(mut parser: lexopt::Parser) -> Outcome<ExitCode> {
    let mut options = Options::default();
    let mut overrides = Overrides::default();
    let mut rootfs = Rootfs::Flat;
    let mut values = Vec::new();
    // What follows the directory belongs to the command.
    while values.len() < 2 {
        let Some(argument) = options::next(&mut parser)? else {
            break;
        };
        if let lexopt::Arg::Value(value) = argument {
            values.push(value.to_string_lossy().into_owned());
            continue;
        }
        let owned = options::own(&argument);
        match owned.name().as_str() {
            "overlay" => rootfs = Rootfs::Overlay,
            "flat" => rootfs = Rootfs::Flat,
            other => {
                if !overrides.set(other, &mut || text(&mut parser))? {
                    options.take(owned.borrow(), &mut parser)?;
                }
            }
        }
    }
    let rest = parser.raw_args().map_err(|e| options::usage(&e))?;
    overrides.command = rest.map(|a| a.to_string_lossy().into_owned()).collect();
    let [location, folder] = options::exactly(values, ["LOCATION", "DIR"])?;
    let location: Location = location.parse()?;
    overrides.rootless = !rustix::process::getuid().is_root();
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
    let (image, reference) = place::local_or_pulled(&store, &location, &options)?;
    container::create(
        &store,
        &image,
        Path::new(&folder),
        rootfs,
        &overrides,
        &options.pull(None),
    )
    .during(|| format!("bundle {reference}"))?;
    Ok(ExitCode::SUCCESS)
}
