//! What an image may cost, at most. Every figure can be changed by the caller.

/// Makes the type, its defaults, and what finds a limit by its name, of one table.
macro_rules! limits {
    ($($(#[$about:meta])* $name:ident: $kind:ty = $default:expr;)*) => {
        /// Hard limits for everything that comes from a registry or an archive.
        ///
        /// The defaults are far above any image known to be in use, and far below what harms a machine.
        #[derive(Clone, Debug)]
        pub struct Limits {
            $($(#[$about])* pub $name: $kind,)*
            /// The ratio is looked at from this many uncompressed bytes on: small layers of zeros are common and harmless.
            pub ratio_from: u64,
        }

        impl Default for Limits {
            fn default() -> Self {
                Limits { $($name: $default,)* ratio_from: 256 << 20 }
            }
        }

        impl Limits {
            /// What [`Limits::set`] knows.
            pub const NAMES: &[&str] = &[$(stringify!($name)),*];

            /// Changes the limit called `name`, with hyphens or underscores; false when there is none.
            pub fn set(&mut self, name: &str, value: u64) -> bool {
                match name.replace('-', "_").as_str() {
                    $(stringify!($name) => self.$name = <$kind>::try_from(value).unwrap_or(<$kind>::MAX),)*
                    _ => return false,
                }
                if name == "ratio" {
                    self.ratio = self.ratio.max(1);
                    // Who thinks of a ratio does not think of large layers only.
                    self.ratio_from = self.ratio_from.min(1 << 20);
                }
                true
            }
        }
    };
}

limits! {
    /// Bytes of a manifest or an index. distribution-spec asks for at least 4 MiB.
    manifest_bytes: u64 = 8 << 20;
    /// Bytes of an image configuration.
    config_bytes: u64 = 8 << 20;
    /// Layers of one image. overlayfs itself stops at 500.
    layers: usize = 500;
    /// Entries of one layer.
    entries: u64 = 10_000_000;
    /// Uncompressed bytes of one layer, holes of sparse files included.
    layer_bytes: u64 = 128 << 30;
    /// How many times larger than its compressed form a layer may be.
    ratio: u64 = 500;
    /// Bytes of one path or link target.
    path_bytes: usize = 4096;
    /// Components of one path.
    depth: usize = 1024;
    /// Bytes of the extended headers (PAX, GNU long name) of one entry.
    header_bytes: usize = 1 << 20;
    /// Bytes of all extended attributes of one entry.
    xattr_bytes: usize = 128 << 10;
    /// Data segments of one sparse file.
    sparse_segments: usize = 65_536;
    /// Bytes of `/etc/passwd` and `/etc/group` when a user is looked up.
    account_file_bytes: u64 = 4 << 20;
    /// Files of an archive with images.
    archive_files: usize = 65_536;
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
