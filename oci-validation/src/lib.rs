//! What drives any OCI runtime, for suites: a private world (`frame`), bundles, containers, and what the machine looks like
//! before and after. `oci-validation` and `tests/attack` are made of it.

pub mod bundle;
pub mod case;
pub mod container;
pub mod format;
pub mod frame;
pub mod host;
pub mod launch;
pub mod mutant;
pub mod runtime;
pub mod tree;
pub mod verdict;
