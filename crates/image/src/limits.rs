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
        }
    }
}
