//! `diff`: which files two images have in different ways.

use std::path::{Path, PathBuf};

use tare_image::store::{Staging, Store};
use tare_image::{Result, diff, flatten::flatten};

use super::{Line, Options, output, place, put};

pub(super) const VERB: &str = "
diff LOCATION LOCATION  List the files that the second image adds (A), changes (C) and has not (D)
--stat  only how many
";

pub(super) fn run(line: &Line, options: &Options) -> Result<u8> {
    let store = options.store_to_use()?;
    let [a, b] = [&line.arguments[0], &line.arguments[1]].map(|l| tree(&store, l, options));
    let ((a, _a), (b, _b)) = (a?, b?);
    let (mut written, mut counts) = (Ok(()), [0u64; 3]);
    diff::trees(&a, &b, &mut |change, path| {
        counts[change as usize] += 1;
        if !line.has("--stat") {
            let path = String::from_utf8_lossy(path);
            written = output::write(format_args!("{change} /{path}\n"));
        }
        written.is_ok()
    })?;
    written?;
    if line.has("--stat") {
        let [added, deleted, changed] = counts;
        put!("{added} added, {changed} changed, {deleted} deleted");
    }
    Ok(0)
}

/// All files of an image, as long as the folder that they are in.
pub(super) fn tree(store: &Store, text: &str, options: &Options) -> Result<(PathBuf, Staging)> {
    let image = place::local_or_pulled(store, &text.parse()?, options)?;
    let staging = store.staging()?;
    let root: &Path = &staging.path().join("root");
    flatten(store, &image, root, &options.pull())?;
    Ok((root.to_path_buf(), staging))
}
