//! Images and registries: from a registry, a layout or an archive to a bundle that a runtime can run, and back, without a daemon.
//!
//! ```no_run
//! use tare_image::bundle::Overrides;
//! use tare_image::container::{self, Rootfs};
//! use tare_image::pull::{self, Options};
//! use tare_image::reference::Reference;
//! use tare_image::registry::{self, Registry, RegistrySource};
//! use tare_image::store::Store;
//!
//! fn main() -> tare_image::Result<()> {
//!     let reference: Reference = "registry.example:5000/tools/busybox:1.36".parse()?;
//!     let registry = Registry::new(registry::Options::default());
//!     let store = Store::open(&Store::default_root())?;
//!     let options = Options::default();
//!
//!     // Fetch, verify and unpack, all at the same time. What is there already is not fetched again.
//!     let source = RegistrySource::new(registry.repository(&reference)?);
//!     let pulled = pull::pull(&source, &store, &reference, true, &options)?;
//!
//!     // A directory with config.json and rootfs, ready for `tare run --bundle`.
//!     let overrides = Overrides { command: vec!["echo".into(), "hello".into()], ..Overrides::default() };
//!     container::create(&store, &pulled.image, "bundle".as_ref(), Rootfs::Overlay, &overrides, &options)
//! }
//! ```
//!
//! # Shape
//!
//! ```text
//! Source ──────────────▶ transfer ─▶ layout (blobs)       registry, layout, archive: anything that is a Source
//!   registry, layout,       │
//!   archive                 └─▶ decompress ─▶ unpack ─▶ store (layers) ─▶ container (overlay or one directory)
//! ```
//!
//! * Nothing is trusted: every document and blob is compared with the digest it was asked for by, every uncompressed layer
//!   with its DiffID, and every name in a layer is looked up below a directory descriptor.
//! * Nothing is half there: what appears under its final name is complete. Interrupted downloads go on where they stopped.
//! * Nothing grows with the image: memory is bounded by the number of layers handled at the same time.
//!
//! What can fail returns [`Error`], whose [`Kind`] says who can act on it: a source reports [`Kind::NotFound`], [`Kind::Denied`],
//! [`Kind::Network`] and [`Kind::Protocol`], content [`Kind::Integrity`], [`Kind::Malformed`], [`Kind::Unsafe`], [`Kind::Limit`] and
//! [`Kind::Unsupported`], the system [`Kind::Local`]. Functions have a section about errors only where theirs surprise.
//!
//! What takes time tells a [`progress::Watch`], which can end it by an error: see `examples/run.rs`. All functions block: asynchronous
//! programs call them on a thread for blocking work (`spawn_blocking` and the like); all types can be shared between threads. Documents have the types of the `oci-spec` crate.

#[macro_use]
pub mod error;

pub mod accounts;
pub mod archive;
pub mod artifact;
pub mod bundle;
pub mod changes;
pub mod check;
mod chunks;
pub mod commit;
pub mod compression;
pub mod container;
pub mod convert;
pub mod copy;
pub mod credentials;
pub mod diff;
pub mod digest;
mod env;
mod files;
pub mod flatten;
mod frames;
#[cfg(any(test, fuzzing))]
pub mod fuzzing;
pub mod gc;
pub mod identity;
pub mod index;
mod ingest;
mod json;
mod layer;
pub mod layout;
pub mod limits;
pub mod location;
pub mod manifest;
pub mod overlay;
pub mod pace;
mod parallel;
pub mod platform;
pub mod policy;
pub mod progress;
pub mod prune;
pub mod pull;
pub mod reference;
pub mod registry;
pub mod retry;
pub mod sigstore;
pub mod source;
pub mod store;
pub mod stubs;
pub mod tar;
pub mod transfer;
pub mod unpack;
mod windows;
pub use error::{Error, Kind, Result};
pub use limits::Limits;

#[cfg(doctest)]
#[doc = include_str!("../README.md")]
mod readme {}
