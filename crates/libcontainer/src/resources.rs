//! Limits of a container as values.

use spec::{LinuxCpu, LinuxMemory, LinuxPids, LinuxResources, Text};

use crate::Error;
use crate::plan::{PlanError, Why};

/// Limits of a container (`linux.resources`), to create it with or to change them later. What is not set stays as it is, or
/// unlimited. What has no method is changed in [`Resources::spec_mut`].
#[derive(Clone, Debug, Default)]
pub struct Resources<'a>(LinuxResources<'a>);

impl<'a> Resources<'a> {
    /// No limits.
    pub fn new() -> Resources<'a> {
        Resources::default()
    }

    /// From a `linux.resources` object in JSON.
    ///
    /// # Errors
    /// JSON that is none, or a property that is misspelt: who misspells a limit believes it to be set.
    pub fn from_json(text: &'a str) -> Result<Resources<'a>, Error> {
        let resources = LinuxResources::parse(text).map_err(|error| Error::Config {
            path: "resources".into(),
            error,
        })?;
        for remark in &resources.remarks {
            if let (Some(key), false) = (remark.meant, remark.taken) {
                let why = Why::Invalid(format!("unknown property: is `{key}` meant?"));
                let at = remark.at.clone();
                return Err(PlanError { at, why }.into());
            }
        }
        Ok(Resources(resources))
    }

    /// All of it.
    pub fn spec_mut(&mut self) -> &mut LinuxResources<'a> {
        &mut self.0
    }

    pub(crate) fn spec(&self) -> &LinuxResources<'a> {
        &self.0
    }

    pub(crate) fn into_spec(self) -> LinuxResources<'a> {
        self.0
    }

    fn memory(mut self, change: impl FnOnce(&mut LinuxMemory)) -> Resources<'a> {
        change(self.0.memory.get_or_insert_default());
        self
    }

    fn cpu(mut self, change: impl FnOnce(&mut LinuxCpu<'a>)) -> Resources<'a> {
        change(self.0.cpu.get_or_insert_default());
        self
    }

    /// Most memory, in bytes; -1 is unlimited.
    #[must_use]
    pub fn memory_bytes(self, limit: i64) -> Resources<'a> {
        self.memory(|memory| memory.limit = Some(limit))
    }

    /// Most memory and swap together, in bytes; -1 is unlimited.
    #[must_use]
    pub fn memory_and_swap_bytes(self, limit: i64) -> Resources<'a> {
        self.memory(|memory| memory.swap = Some(limit))
    }

    /// Memory that is left to it when memory is scarce, in bytes.
    #[must_use]
    pub fn memory_reservation_bytes(self, reservation: i64) -> Resources<'a> {
        self.memory(|memory| memory.reservation = Some(reservation))
    }

    /// Processor time that may be used in each period, both in microseconds; a quota of -1 is unlimited.
    #[must_use]
    pub fn cpu_quota_us(self, quota: i64, period: u64) -> Resources<'a> {
        self.cpu(|cpu| (cpu.quota, cpu.period) = (Some(quota), Some(period)))
    }

    /// Share of processor time when it is scarce, 2 to 262144; 1024 is usual.
    #[must_use]
    pub fn cpu_shares(self, shares: u64) -> Resources<'a> {
        self.cpu(|cpu| cpu.shares = Some(shares))
    }

    /// The processors to run on, such as `0-3,7`.
    #[must_use]
    pub fn cpus(self, list: impl Into<String>) -> Resources<'a> {
        self.cpu(|cpu| cpu.cpus = Some(Text::from(list.into())))
    }

    /// Most processes and threads; -1 is unlimited.
    #[must_use]
    pub fn pids(mut self, limit: i64) -> Resources<'a> {
        self.0.pids = Some(LinuxPids { limit: Some(limit) });
        self
    }

    /// A file of cgroup v2 and its value, such as `io.max`.
    #[must_use]
    pub fn unified(mut self, file: impl Into<String>, value: impl Into<String>) -> Resources<'a> {
        let file = Text::from(file.into());
        self.0.unified.0.retain(|(known, _)| *known != file);
        self.0.unified.0.push((file, Text::from(value.into())));
        self
    }
}

impl<'a> From<LinuxResources<'a>> for Resources<'a> {
    fn from(resources: LinuxResources<'a>) -> Resources<'a> {
        Resources(resources)
    }
}
