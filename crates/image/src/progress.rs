//! What is told about work that takes time.

use oci_spec::image::Descriptor;

use crate::error::Result;

/// Is told about content on its way, from several threads. An error that it returns ends the work, and is what that fails with: so
/// a caller cancels.
pub trait Watch: Send + Sync + std::fmt::Debug {
    /// How many layers are to come, and their bytes.
    fn expect(&self, _layers: usize, _bytes: u64) {}

    /// Content is going to be read.
    fn begin(&self, _content: &Descriptor) -> Result<()> {
        Ok(())
    }

    /// Some of it came.
    fn bytes(&self, _content: &Descriptor, _count: u64) -> Result<()> {
        Ok(())
    }

    /// All of it is there and right.
    fn end(&self, _content: &Descriptor) {}
}

/// Bytes for people.
pub fn size(bytes: u64) -> String {
    let mut value = bytes as f64;
    let mut unit = "B";
    for next in ["kB", "MB", "GB", "TB"] {
        if value < 1000.0 {
            break;
        }
        value /= 1000.0;
        unit = next;
    }
    match unit {
        "B" => format!("{bytes} B"),
        unit => format!("{value:.1} {unit}"),
    }
}
