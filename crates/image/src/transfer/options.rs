//! How blobs are fetched.

use std::sync::Arc;

use crate::progress::Progress;
use crate::retry::Patience;

/// How blobs are fetched.
#[derive(Clone, Debug, Default)]
pub struct Options {
    /// When to give up.
    pub patience: Patience,
    /// Connections for one large blob; up to one means a single one.
    pub connections: usize,
    /// Told about every byte.
    pub progress: Option<Arc<Progress>>,
}
