//! What an image may cost, at most. Every figure can be changed by the caller.

/// Hard limits for everything that comes from a registry or an archive.
///
/// The defaults are far above any image known to be in use, and far below what harms a machine.
#[derive(Clone, Debug)]
pub struct Limits {
    /// Bytes of a manifest or an index. distribution-spec asks for at least 4 MiB.
    pub manifest_bytes: u64,
    /// Bytes of an image configuration.
    pub config_bytes: u64,
    /// Layers of one image. overlayfs itself stops at 500.
    pub layers: usize,
    /// Entries of one layer.
    pub entries: u64,
    /// Uncompressed bytes of one layer, holes of sparse files included.
    pub layer_bytes: u64,
    /// How many times larger than its compressed form a layer may be.
    pub ratio: u64,
    /// The ratio is looked at from this many uncompressed bytes on: small layers of zeros are common and harmless.
    pub ratio_from: u64,
    /// Bytes of one path or link target.
    pub path_bytes: usize,
    /// Components of one path.
    pub depth: usize,
    /// Bytes of the extended headers (PAX, GNU long name) of one entry.
    pub header_bytes: usize,
    /// Bytes of all extended attributes of one entry.
    pub xattr_bytes: usize,
    /// Data segments of one sparse file.
    pub sparse_segments: usize,
    /// Bytes of `/etc/passwd` and `/etc/group` when a user is looked up.
    pub account_file_bytes: u64,
    /// Files of an archive with images.
    pub archive_files: usize,
}

impl Limits {
    /// What [`Limits::set`] knows, with hyphens as in options.
    pub const NAMES: [&str; 13] = [
        "manifest-bytes",
        "config-bytes",
        "layers",
        "entries",
        "layer-bytes",
        "ratio",
        "path-bytes",
        "depth",
        "header-bytes",
        "xattr-bytes",
        "sparse-segments",
        "account-file-bytes",
        "archive-files",
    ];

    /// Changes the limit called `name`; false when there is none.
    pub fn set(&mut self, name: &str, value: u64) -> bool {
        let count = usize::try_from(value).unwrap_or(usize::MAX);
        match name {
            "manifest-bytes" => self.manifest_bytes = value,
            "config-bytes" => self.config_bytes = value,
            "layers" => self.layers = count,
            "entries" => self.entries = value,
            "layer-bytes" => self.layer_bytes = value,
            "ratio" => {
                self.ratio = value.max(1);
                // Who thinks of a ratio does not think of large layers only.
                self.ratio_from = self.ratio_from.min(1 << 20);
            }
            "path-bytes" => self.path_bytes = count,
            "depth" => self.depth = count,
            "header-bytes" => self.header_bytes = count,
            "xattr-bytes" => self.xattr_bytes = count,
            "sparse-segments" => self.sparse_segments = count,
            "account-file-bytes" => self.account_file_bytes = value,
            "archive-files" => self.archive_files = count,
            _ => return false,
        }
        true
    }
}

impl Default for Limits {
    fn default() -> Self {
        Limits {
            manifest_bytes: 8 << 20,
            config_bytes: 8 << 20,
            layers: 500,
            entries: 10_000_000,
            layer_bytes: 128 << 30,
            ratio: 500,
            ratio_from: 256 << 20,
            path_bytes: 4096,
            depth: 1024,
            header_bytes: 1 << 20,
            xattr_bytes: 128 << 10,
            sparse_segments: 65_536,
            account_file_bytes: 4 << 20,
            archive_files: 65_536,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_limit_can_be_set() {
        let fields = format!("{:?}", Limits::default()).matches(": ").count();
        // The threshold of the ratio goes with the ratio.
        assert_eq!(Limits::NAMES.len() + 1, fields);
        for name in Limits::NAMES {
            let mut limits = Limits::default();
            assert!(limits.set(name, 7), "{name}");
            let text = format!("{limits:?}");
            assert!(
                text.contains(&format!("{}: 7", name.replace('-', "_"))),
                "{text}"
            );
        }
        assert!(!Limits::default().set("none", 1));
    }
}
