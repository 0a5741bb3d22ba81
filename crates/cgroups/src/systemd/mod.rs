//! Scopes of systemd: one transient unit holds one container's cgroup.

mod property;
mod scope;
mod unit;

pub(crate) use property::{Property, Value};
pub(crate) use unit::Unit;
