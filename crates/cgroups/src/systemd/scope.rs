//! Starting, changing and stopping a container's scope.

use std::time::Duration;

use super::bus::{Bus, BusError, NO_SUCH_UNIT};
use super::message::Writer;
use super::{Property, Unit, Value, quota_per_second};
use crate::dir::Dir;
use crate::dir::number;
use crate::group::Group;
use crate::patience::Patience;
use crate::{Error, Settings, Version};

const UNIT_EXISTS: &str = "org.freedesktop.systemd1.UnitExists";

/// How long a job that starts a scope is waited for before what it starts is killed.
const SETTLING: Duration = Duration::from_secs(3);

impl Group {
    /// Starts the scope with its first process, then does what systemd does not: v1 hierarchies that it does not manage, and
    /// values that it has no property for or rounds.
    pub(crate) fn start_unit(&mut self, pid: i32, settings: &Settings) -> Result<(), Error> {
        let Some(unit) = self.place.unit.clone() else {
            return Ok(());
        };
        let v1 = self.place.version != Version::V2;
        let mut properties = base(&unit, pid, v1);
        for property in &settings.properties {
            let property = for_version(property, v1);
            // An annotation may say something else than we do.
            properties.retain(|known| known.name != property.name || is_list(&known.value));
            properties.push(property.clone());
        }
        let mut bus = Bus::connect(unit.session())?;
        match start(&mut bus, &unit, &mut properties) {
            Err(BusError::Refused { name, .. }) if name == UNIT_EXISTS => {
                self.reclaim(&mut bus, &unit)?;
                start(&mut bus, &unit, &mut properties)?;
            }
            result => result?,
        }
        self.make_beside_systemd(settings)?;
        self.place(pid)?;
        self.apply_early(settings)
    }

    /// A unit of this name is left from a crash. It may go unless something runs in it.
    fn reclaim(&self, bus: &mut Bus, unit: &Unit) -> Result<(), Error> {
        let left = Group::open(&self.place)?;
        let running = left.processes()?.len();
        if running > 0 {
            return Err(Error::NotEmpty(running));
        }
        stop(bus, unit)?;
        Ok(())
    }

    /// Stops the scope and forgets its failure. systemd removes the cgroups that are its own.
    pub(crate) fn stop_unit(&self) -> Result<(), Error> {
        let Some(unit) = &self.place.unit else {
            return Ok(());
        };
        // Stopping kills, and removing must not: whoever is still inside is to be ended before.
        self.wait_until_empty()?;
        let stopped = Bus::connect(unit.session()).and_then(|mut bus| stop(&mut bus, unit));
        match stopped {
            // Without systemd there are no units either; the directories are removed as they are.
            Err(BusError::Connect(_)) => Ok(()),
            result => Ok(result?),
        }
    }

    /// Tells systemd the new values, so that a reload does not bring back the old ones, and then writes the files again,
    /// since they have what systemd cannot say.
    pub(crate) fn update_unit(&self, settings: &Settings) -> Result<(), Error> {
        let Some(unit) = &self.place.unit else {
            return Ok(());
        };
        let v1 = self.place.version != Version::V2;
        let mut properties: Vec<Property> = settings
            .properties
            .iter()
            .filter(|property| !property.asked)
            .filter(|property| settings.devices.given || !property.name.starts_with("Device"))
            .map(|property| for_version(property, v1).clone())
            .collect();
        if properties.is_empty() {
            return Ok(());
        }
        let quota = self.quota()?.filter(|_| {
            let about = |property: &Property| property.name.starts_with("CPUQuota");
            properties.iter().any(about)
        });
        if let Some(Quota { quota, period }) = quota {
            // An update may have named one of the two only.
            properties.retain(|property| !property.name.starts_with("CPUQuota"));
            properties.push(Property::number("CPUQuotaPeriodUSec", period));
            let share = quota_per_second(quota, period);
            properties.push(Property::number("CPUQuotaPerSecUSec", share));
        }
        let mut bus = Bus::connect(unit.session())?;
        without_unknown(&mut properties, |properties| {
            let mut body = Writer::default();
            body.text(&unit.name);
            body.flag(true);
            list(&mut body, properties);
            bus.manager(
                "SetUnitProperties",
                "sba(sv)",
                &body,
                &format!("change unit {}", unit.name),
            )
            .map(drop)
        })?;
        self.write_all(settings, |setting| !setting.keep_first, None)?;
        if settings.devices.given && self.place.version != Version::V2 {
            // systemd cannot say every rule, and has just replaced the list of v1 by what it can.
            self.update_devices(&settings.devices)?;
        }
        match quota {
            Some(quota) => self.set_quota(quota),
            None => Ok(()),
        }
    }

    /// The present limit; `None` where there is none to be set.
    fn quota(&self) -> Result<Option<Quota>, Error> {
        let Some((dir, v1)) = self.dir_of_cpu() else {
            return Ok(None);
        };
        let text = if v1 {
            let quota = dir.read_if_there("cpu.cfs_quota_us")?;
            let period = dir.read_if_there("cpu.cfs_period_us")?;
            quota
                .zip(period)
                .map(|(quota, period)| quota.trim().to_owned() + " " + &period)
        } else {
            dir.read_if_there("cpu.max")?
        };
        let Some(text) = text else { return Ok(None) };
        let Some((quota, period)) = text.trim().split_once(' ') else {
            return Ok(None);
        };
        let path = dir.path();
        Ok(Some(Quota {
            quota: match quota {
                "max" => -1,
                quota => number(path, quota)?,
            },
            period: number(path, period)?,
        }))
    }

    fn set_quota(&self, Quota { quota, period }: Quota) -> Result<(), Error> {
        match self.dir_of_cpu() {
            Some((dir, true)) => {
                dir.write("cpu.cfs_period_us", &period.to_string())?;
                dir.write("cpu.cfs_quota_us", &quota.to_string())
            }
            Some((dir, false)) => {
                let quota = match quota {
                    ..0 => "max".to_owned(),
                    quota => quota.to_string(),
                };
                dir.write("cpu.max", &format!("{quota} {period}"))
            }
            None => Ok(()),
        }
    }

    /// The directory with the controller, and whether its files are those of v1.
    fn dir_of_cpu(&self) -> Option<(&Dir, bool)> {
        let index = self.place.location_of("cpu")?;
        let dir = self.dirs[index].as_ref()?;
        Some((dir, !self.place.locations[index].is_unified()))
    }

    /// Waits until systemd is done with starting the scope, if it is starting it. Its maker may have been killed right
    /// after having asked for it, and then the scope and its first process come when everybody has stopped looking.
    pub(crate) fn settle(&self) {
        let Some(unit) = &self.place.unit else {
            return;
        };
        let mut patience = Patience::of(SETTLING);
        // Without systemd nothing is going to happen any more.
        let Ok(mut bus) = Bus::connect(unit.session()) else {
            return;
        };
        // A unit that is known and inactive has a job waiting, or is about to be forgotten.
        while let Ok(Some("inactive" | "activating")) =
            bus.unit_state(&unit.name).as_ref().map(Option::as_deref)
            && patience.wait(Duration::from_millis(5))
        {}
    }
}

/// A limit of processor time: what may be used (-1: no limit) of each period, in microseconds.
#[derive(Clone, Copy)]
struct Quota {
    quota: i64,
    period: u64,
}

/// Has systemd move a process into a unit's cgroup or one below it.
pub(crate) fn attach(unit: &Unit, below: &str, pid: i32) -> Result<(), BusError> {
    let mut body = Writer::default();
    body.text(&unit.name);
    body.text(&if below.is_empty() {
        String::new()
    } else {
        format!("/{below}")
    });
    body.array(4, |out| out.number(pid as u32));
    let doing = format!("attach process {pid} to unit {}", unit.name);
    Bus::connect(unit.session())?
        .manager("AttachProcessesToUnit", "ssau", &body, &doing)
        .map(drop)
}

/// What every scope has.
fn base(unit: &Unit, pid: i32, v1: bool) -> Vec<Property> {
    vec![
        Property::text(
            "Description",
            &format!("container {}", unit.name.trim_end_matches(".scope")),
        ),
        Property::text("Slice", &unit.slice),
        // The cgroups inside are the container's business, and all controllers are there for it.
        Property::flag("Delegate"),
        Property::new("PIDs", Value::Numbers32(vec![pid as u32])),
        Property::flag("MemoryAccounting"),
        Property::flag("CPUAccounting"),
        Property::flag(if v1 {
            "BlockIOAccounting"
        } else {
            "IOAccounting"
        }),
        Property::flag("TasksAccounting"),
        Property::new("DefaultDependencies", Value::Bool(false)),
        // Nobody comes back to look at a failed scope, so it shall not stay.
        Property::text("CollectMode", "inactive-or-failed"),
    ]
}

fn for_version(property: &Property, v1: bool) -> &Property {
    match &property.v1 {
        Some(other) if v1 => other,
        _ => property,
    }
}

/// Properties that add up when they are given several times.
fn is_list(value: &Value) -> bool {
    matches!(value, Value::Limits(_) | Value::Pairs(_))
}

fn list(body: &mut Writer, properties: &[Property]) {
    body.array(8, |out| {
        for property in properties {
            out.structure();
            out.text(&property.name);
            out.variant(&property.value);
        }
    });
}

fn start(bus: &mut Bus, unit: &Unit, properties: &mut Vec<Property>) -> Result<(), BusError> {
    without_unknown(properties, |properties| {
        let mut body = Writer::default();
        body.text(&unit.name);
        body.text("replace");
        list(&mut body, properties);
        // Auxiliary units: none.
        body.array(8, |_| {});
        bus.job(
            "StartTransientUnit",
            "ssa(sv)a(sa(sv))",
            &body,
            &format!("start unit {}", unit.name),
        )
    })
}

/// Older managers do not know every property. Those that only repeat what the cgroup's files say are left out then; what
/// an annotation asked for is not.
fn without_unknown(
    properties: &mut Vec<Property>,
    mut attempt: impl FnMut(&[Property]) -> Result<(), BusError>,
) -> Result<(), BusError> {
    const NEEDED: [&str; 3] = ["Slice", "PIDs", "Delegate"];
    loop {
        let error = match attempt(properties) {
            Err(error @ BusError::Refused { .. }) => error,
            result => return result,
        };
        let BusError::Refused { text, .. } = &error else {
            return Err(error);
        };
        // "Cannot set property CPUWeight, or unknown property.", "CPUWeight= value is out of range"
        let named = |property: &Property| {
            text.split(|c: char| !c.is_ascii_alphanumeric())
                .any(|word| word == property.name)
        };
        match properties.iter().position(named) {
            Some(at)
                if !properties[at].asked && !NEEDED.contains(&properties[at].name.as_str()) =>
            {
                log::debug!("without {}: {error}", properties[at].name);
                properties.remove(at);
            }
            _ => return Err(error),
        }
    }
}

fn stop(bus: &mut Bus, unit: &Unit) -> Result<(), BusError> {
    let mut body = Writer::default();
    body.text(&unit.name);
    body.text("replace");
    match bus.job("StopUnit", "ss", &body, &format!("stop unit {}", unit.name)) {
        // A scope is gone by itself when its last process is.
        Err(BusError::Refused { name, .. }) if name == NO_SUCH_UNIT => {}
        result => result?,
    }
    let mut body = Writer::default();
    body.text(&unit.name);
    match bus.manager(
        "ResetFailedUnit",
        "s",
        &body,
        &format!("forget the failure of unit {}", unit.name),
    ) {
        Err(BusError::Refused { .. }) => Ok(()),
        result => result.map(drop),
    }
}
