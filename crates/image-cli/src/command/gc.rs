//! `gc`: free what nothing leads to.

use tare_image::{Result, gc};

use super::{Line, Options, put};

pub(super) const VERB: &str = "
gc  Remove content that no name and no container leads to, and half-fetched layers
";

pub(super) fn run(_: &Line, options: &Options) -> Result<u8> {
    put!("{}", gc::collect(&options.store_as_root()?)?);
    Ok(0)
}
