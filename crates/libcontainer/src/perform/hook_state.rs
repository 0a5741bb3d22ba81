//! What a hook is told, and where it runs.

use spec::{Spec, State};

use super::namespace::WayIn;
use crate::Error;
use crate::state::{Held, Record, Store};

/// What hooks need to know about the container.
#[derive(Clone, Copy)]
pub(crate) struct HookState<'a> {
    pub(crate) store: &'a Store,
    pub(crate) spec: &'a Spec<'a>,
    pub(crate) id: &'a str,
    pub(crate) bundle: &'a str,
    /// The container's root directory, outside.
    pub(crate) root: &'a str,
    pub(crate) status: &'a str,
    /// Types of namespaces in which the container differs from the runtime.
    pub(crate) namespaces: u64,
    /// setgroups(2) works in it.
    pub(crate) set_groups: bool,
    /// Its resctrl group.
    pub(crate) resctrl: Option<&'a crate::resctrl::Group>,
    /// The container's first process, where another one is started.
    pub(crate) init: Option<i32>,
    /// Where a hook that runs is noted, so that `delete --force` can end it.
    pub(crate) folder: Option<&'a Held>,
}

/// Where a hook runs that runs in the container.
pub(crate) struct Inside<'a> {
    pub(crate) way: WayIn<'a>,
    /// The container's cgroup.
    pub(crate) seat: &'a dyn Fn() -> Result<Option<cgroups::Seat>, Error>,
}

impl<'a> HookState<'a> {
    /// Of a container that exists.
    pub(crate) fn new(
        store: &'a Store,
        spec: &'a Spec<'a>,
        record: &'a Record,
        status: &'a str,
    ) -> HookState<'a> {
        HookState {
            store,
            spec,
            id: &record.id,
            bundle: &record.bundle,
            root: &record.rootfs,
            status,
            namespaces: record.namespaces,
            set_groups: record.set_groups,
            resctrl: record.resctrl.as_ref(),
            init: None,
            folder: None,
        }
    }
}

impl HookState<'_> {
    /// As the specification's type.
    pub(crate) fn as_spec(&self, pid: Option<i32>) -> State<'_> {
        State {
            oci_version: self.spec.oci_version.as_deref().unwrap_or(spec::VERSION),
            id: self.id,
            status: self.status,
            pid,
            bundle: self.bundle,
            annotations: &self.spec.annotations,
        }
    }

    /// The profile of the system call filter.
    pub(super) fn filter(&self) -> Option<&spec::Seccomp<'_>> {
        self.spec.linux.as_ref()?.seccomp.as_ref()
    }

    pub(super) fn json(&self, pid: Option<i32>) -> Result<String, Error> {
        serde_json::to_string(&self.as_spec(pid))
            .map_err(|error| Error::invalid(&error.to_string(), self.bundle.as_ref()))
    }
}
