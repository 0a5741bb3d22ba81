//! `check`: look for damage in the store.

use tare_image::{Result, check};

use super::{Line, Options, put};

pub(super) const VERB: &str = "
check  Look for damaged blobs and unpacked layers in the store
--repair  replace damaged layers; remove damaged blobs, to be pulled again
";

pub(super) fn run(line: &Line, options: &Options) -> Result<u8> {
    let repair = line.has("--repair");
    let store = match repair {
        true => options.store_as_root()?,
        false => options.store_to_use()?,
    };
    let report = check::check(&store, repair, &options.pull())?;
    for line in &report.damage {
        put!("{line}");
    }
    let check::Report { blobs, layers, .. } = report;
    let damaged = report.damage.len();
    put!("checked {blobs} blobs and {layers} unpacked layers, {damaged} damaged");
    if !repair {
        check::damaged(&report)?;
    }
    Ok(0)
}
