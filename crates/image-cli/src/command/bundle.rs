//! `bundle`: a directory that a runtime can run.

use std::path::Path;
use std::process::ExitCode;

use tare_image::bundle::Overrides;
use tare_image::container::{self, Rootfs};
use tare_image::error::During;
use tare_image::failure;
use tare_image::location::Location;
use tare_image::{Result, identity};

use super::options::{self, Options, Outcome, text};
use super::place;

/// Options that change the configuration, shared with `run`.
pub(super) const OVERRIDES: [(&str, &str); 9] = [
    ("--env, -e NAME=VALUE", "set a variable"),
    ("--user, -u USER[:GROUP]", "run as somebody else"),
    ("--workdir, -w DIR", "start there"),
    (
        "--entrypoint COMMAND",
        "run this instead: one word, or a list in JSON; empty for nothing",
    ),
    ("--tty, -t", "give it a terminal"),
    ("--hostname NAME", "name of the machine inside"),
    ("--net host", "use the host's network"),
    ("--read-only", "protect the root file system"),
    (
        "--flat",
        "all layers in one directory instead of an overlay",
    ),
];

pub(super) const COMMAND: super::Command = super::Command {
    name: "bundle",
    usage: "LOCATION DIR [COMMAND...]",
    about: "Make a bundle of an image: root file system and config.json",
    options: &[
        (
            "--overlay",
            "mount the layers over each other instead of copying them together",
        ),
        OVERRIDES[0],
        OVERRIDES[1],
        OVERRIDES[2],
        OVERRIDES[3],
        OVERRIDES[4],
        OVERRIDES[5],
        OVERRIDES[6],
        OVERRIDES[7],
    ],
    run,
};

/// Takes an option that changes the configuration; false when it is none.
pub(super) fn change(
    overrides: &mut Overrides,
    name: &str,
    parser: &mut lexopt::Parser,
) -> Result<bool> {
    match name {
        "env" | "e" => overrides.env.push(variable(text(parser)?)),
        "user" | "u" => overrides.user = Some(text(parser)?),
        "workdir" | "w" => overrides.cwd = Some(text(parser)?),
        "entrypoint" => {
            // A list in JSON, or one word: the name of a program may have spaces.
            let text = text(parser)?;
            let list = serde_json::from_str(&text);
            let word = || Some(text.clone()).filter(|t| !t.is_empty());
            overrides.entrypoint = Some(list.unwrap_or_else(|_| word().into_iter().collect()));
        }
        "tty" | "t" => overrides.terminal = true,
        "hostname" => overrides.hostname = Some(text(parser)?),
        "net" => match text(parser)?.as_str() {
            "host" => overrides.host_network = true,
            other => {
                return Err(failure!(Usage, "--net {other}: there is no such network")
                    .hint("\"host\" is the host's; without the option there is only loopback"));
            }
        },
        "read-only" => overrides.read_only = true,
        _ => return Ok(false),
    }
    Ok(true)
}

/// A name alone means the caller's own value.
fn variable(text: String) -> String {
    if text.contains('=') {
        return text;
    }
    let value = std::env::var(&text).unwrap_or_default();
    format!("{text}={value}")
}

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
                if !change(&mut overrides, other, &mut parser)? {
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
        return Err(failure!(
            Unsupported,
            "a mount made without privilege ends with this program"
        )
        .hint("Leave --overlay out, or use \"run\"")
        .into());
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
