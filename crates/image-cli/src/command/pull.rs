//! `pull`: bring an image into the store and unpack its layers.

use tare_image::Result;
use tare_image::location::Location;

use super::{Line, Options, place, put};

pub(super) const VERB: &str = "
pull LOCATION [REFERENCE]  Bring an image into the store, ready to run
--no-unpack  only the compressed layers
";

pub(super) fn run(line: &Line, options: &Options) -> Result<u8> {
    // Here a bare reference means the registry.
    let location = line.arguments[0].parse::<Location>()?.or_remote();
    let reference = match (line.arguments.get(1), location.reference()) {
        (Some(name), _) => name.parse()?,
        (None, Some(reference)) => reference.clone(),
        (None, None) => fail!(Usage: "give a name for what is in {location}"),
    };
    let store = options.store_as_root()?;
    let unpack = !line.has("--no-unpack");
    let pulled = place::pull(&store, &location, &reference, unpack, options)?;
    put!("{}", pulled.root.digest());
    Ok(0)
}
