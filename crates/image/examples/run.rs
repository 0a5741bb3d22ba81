//! Pulls an image, verifies it by the policy, unpacks it and runs it:
//!
//! ```sh
//! cargo run -p tare-image --example run -- localhost:5000/busybox:1 echo hello
//! ```
//!
//! All calls block. What comes is told to a `Watch`, which can end the work by an error: here after a minute.
#![allow(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "an example for the terminal"
)]

use std::path::Path;
use std::process::{Command, ExitCode};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use oci_spec::image::Descriptor;
use tare_image::bundle::Overrides;
use tare_image::container::{self, Rootfs};
use tare_image::policy::Policy;
use tare_image::progress::{Watch, size};
use tare_image::pull;
use tare_image::reference::Reference;
use tare_image::registry::{self, PlainHttp, Registry, RegistrySource};
use tare_image::source::Source;
use tare_image::store::{Staging, Store};
use tare_image::{Error, Result};

/// Says what is there, and ends what takes too long.
#[derive(Debug)]
struct Told {
    done: AtomicU64,
    until: Instant,
}

impl Watch for Told {
    fn bytes(&self, _content: &Descriptor, count: u64) -> Result<()> {
        self.done.fetch_add(count, Ordering::Relaxed);
        match Instant::now() < self.until {
            true => Ok(()),
            false => Err(Error::cancelled()),
        }
    }

    fn end(&self, content: &Descriptor) {
        let done = size(self.done.load(Ordering::Relaxed));
        eprintln!("{} is here, {done} in all", content.digest());
    }
}

fn run(name: &str, command: Vec<String>) -> Result<i32> {
    let reference: Reference = name.parse()?;
    let registry = Registry::new(registry::Options {
        plain_http: PlainHttp::For(vec!["localhost:5000".into()]),
        ..registry::Options::default()
    });
    let store = Store::open(&Store::default_root())?;
    let mut options = pull::Options::default();
    options.transfer.watch = Some(Arc::new(Told {
        done: AtomicU64::new(0),
        until: Instant::now() + Duration::from_secs(60),
    }));

    // What a policy accepts is the only thing that the source has from then on.
    let source = RegistrySource::new(registry.repository(&reference)?);
    let source: Box<dyn Source> = match Policy::default_file() {
        Some(file) => Box::new(Policy::read(&file)?.approve(source, &reference)?),
        None => Box::new(source),
    };
    let pulled = pull::pull(&*source, &store, &reference, false, &options)?;

    // A directory with config.json and rootfs; all of it goes when `bundle` does.
    let bundle = Staging::at(std::env::temp_dir().join(format!("example-{}", std::process::id())))?;
    let overrides = Overrides {
        command,
        ..Overrides::default()
    };
    let folder: &Path = bundle.path();
    container::create(
        &store,
        &pulled.image,
        folder,
        Rootfs::Flat,
        &overrides,
        &options,
    )?;
    let mut runtime = Command::new("tare");
    let id = format!("example-{}", std::process::id());
    let status = runtime
        .args(["run", "--bundle"])
        .arg(folder)
        .arg(id)
        .status();
    let status = status.map_err(|e| Error::system("start tare", e))?;
    Ok(status.code().unwrap_or(1))
}

fn main() -> ExitCode {
    let mut arguments = std::env::args().skip(1);
    let Some(name) = arguments.next() else {
        eprintln!("usage: run REFERENCE [COMMAND...]");
        return ExitCode::FAILURE;
    };
    match run(&name, arguments.collect()) {
        Ok(status) => ExitCode::from(status as u8),
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}
