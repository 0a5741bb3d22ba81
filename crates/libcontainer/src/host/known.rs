//! What the host can do, found out when it is first needed, and then known.

use std::sync::OnceLock;

use super::HostFacts;
use crate::Error;

/// What is known of the host and the caller.
#[derive(Debug, Default)]
pub(crate) struct Known {
    facts: OnceLock<HostFacts>,
    cgroups: OnceLock<cgroups::Host>,
}

impl Known {
    /// The facts on which plans depend.
    pub(crate) fn facts(&self) -> Result<&HostFacts, Error> {
        if let Some(facts) = self.facts.get() {
            return Ok(facts);
        }
        let facts = HostFacts::probe()?;
        Ok(self.facts.get_or_init(|| facts))
    }

    /// The cgroup hierarchies.
    pub(crate) fn cgroups(&self) -> Result<&cgroups::Host, cgroups::Error> {
        if let Some(host) = self.cgroups.get() {
            return Ok(host);
        }
        let host = cgroups::Host::probe()?;
        Ok(self.cgroups.get_or_init(|| host))
    }
}
