//! Device rules: a program on v2, lists on v1.

use std::collections::BTreeMap;

use kernel::{Errno, Fd, bpf};

use super::Group;
use crate::devices::DeviceRules;
use crate::devices::exceptions::{Exceptions, v1_line};
use crate::devices::program;
use crate::devices::rule::{Devices, Rule};
use crate::dir::{Dir, read_path};
use crate::{Error, Settings};

impl Group {
    /// Applies the rules about devices to a cgroup of [`Group::create_before_devices`].
    ///
    /// # Errors
    /// What the kernel refuses. To a caller without privileges only what it refuses for another reason: see
    /// [`Group::skipped`].
    pub fn limit_devices(&mut self, settings: &Settings) -> Result<(), Error> {
        let rules = &settings.devices;
        if rules.exceptions.is_none() && rules.rules.is_empty() {
            return Ok(());
        }
        let result = match self.dir_of("devices") {
            None => return Ok(()),
            Some(dir) if self.on_v1() => self.v1_devices(dir, rules),
            Some(dir) => load(dir, rules)
                .and_then(|program| put(dir, &program, &self.worn).map(|()| program))
                .map(|program| self.worn = vec![program]),
        };
        match result {
            Err(error) if error.is_refusal() && (self.place.rootless || in_user_namespace()?) => {
                log::debug!("device rules are not applied, which takes privileges: {error}");
                self.skipped.push("linux.resources.devices");
                Ok(())
            }
            result => result,
        }
    }

    fn on_v1(&self) -> bool {
        self.place
            .locations
            .iter()
            .any(|location| location.has("devices"))
    }

    /// Changes the rules without a moment in which others hold.
    pub(crate) fn update_devices(&self, rules: &DeviceRules) -> Result<(), Error> {
        let result = match self.dir_of("devices") {
            None => return Ok(()),
            Some(dir) if self.on_v1() => self.v1_devices(dir, rules),
            Some(dir) => self.replace(dir, rules),
        };
        match result {
            Err(error) if error.is_refusal() && (self.place.rootless || in_user_namespace()?) => {
                log::debug!("device rules are not changed, which takes privileges: {error}");
                Ok(())
            }
            result => result,
        }
    }

    fn replace(&self, dir: &Dir, rules: &DeviceRules) -> Result<(), Error> {
        let new = load(dir, rules)?;
        put(dir, &new, &of_runtimes(dir, self.place.unit.is_some())?)
    }

    /// What is new is allowed first, then what is gone is denied: what is in both lists works throughout.
    fn v1_devices(&self, dir: &Dir, rules: &DeviceRules) -> Result<(), Error> {
        let Some(requested) = &rules.exceptions else {
            return Ok(());
        };
        let present = Exceptions::parse(&dir.read("devices.list")?);
        let (add, take) = match requested.allow {
            true => ("devices.deny", "devices.allow"),
            false => ("devices.allow", "devices.deny"),
        };
        // While everything is allowed the list does not show the exceptions: start again from the default.
        let known = if requested.allow || present.allow {
            dir.write(take, "a")?;
            Exceptions::default()
        } else {
            present
        };
        let known_access = access_of(&known.list);
        for rule in &requested.list {
            if rule.access & !known_access.get(&rule.devices()).unwrap_or(&0) != 0 {
                match dir.write(add, &v1_line(rule)) {
                    Err(error) if error.is_refusal() && rules.is_extra(rule) => {
                        log::debug!("a default device is not allowed: {error}");
                    }
                    answer => answer?,
                }
            }
        }
        let kept = access_of(&requested.list);
        for rule in &known.list {
            let mut gone = *rule;
            gone.access &= !kept.get(&rule.devices()).unwrap_or(&0);
            if gone.access != 0 {
                dir.write(take, &v1_line(&gone))?;
            }
        }
        Ok(())
    }
}

/// Kinds of access by devices.
fn access_of(list: &[Rule]) -> BTreeMap<Devices, u8> {
    let mut found = BTreeMap::new();
    for rule in list {
        *found.entry(rule.devices()).or_insert(0) |= rule.access;
    }
    found
}

/// No limit on locked memory is raised before: since Linux 5.11 programs are charged to the memory controller.
fn load(dir: &Dir, rules: &DeviceRules) -> Result<Fd, Error> {
    let too_long = || kernel::Fault::found(kernel::Call::Bpf, Errno::E2BIG);
    let program = program::compile(rules).ok_or_else(too_long);
    program
        .and_then(|program| bpf::load_device_program(&program))
        .map_err(|fault| Error::file("load the device program for", dir.path(), fault))
}

fn attach(dir: &Dir, program: &Fd, replaced: Option<&Fd>) -> Result<(), Error> {
    let (program, replaced) = (program.borrow(), replaced.map(Fd::borrow));
    dir.descriptor()
        .and_then(|dir| bpf::attach_device_program(dir, program, replaced))
        .map_err(|fault| Error::file("attach the device program to", dir.path(), fault))
}

/// In the place of these, which held until now: the kernel asks all that are attached, so that one that stays would deny what the
/// new one allows. The first is replaced, so that there is no moment without any.
fn put(dir: &Dir, new: &Fd, old: &[Fd]) -> Result<(), Error> {
    let is_gone = |error: &Error| error.is(Errno::ENOENT);
    let mut old = old.iter();
    loop {
        match old.next() {
            None => return attach(dir, new, None),
            Some(first) => match attach(dir, new, Some(first)) {
                Err(error) if is_gone(&error) => {}
                answer => break answer?,
            },
        }
    }
    for program in old {
        let detached = (dir.descriptor())
            .and_then(|dir| bpf::detach_device_program(dir, program.borrow()))
            .map_err(|fault| Error::file("detach a device program from", dir.path(), fault));
        match detached {
            Err(error) if is_gone(&error) => {}
            answer => answer?,
        }
    }
    Ok(())
}

/// The programs that a runtime has attached here: ours, and those without a name, as runc's are. Those of others are left alone.
/// systemd's are called `sd_devices`, but before its version 249 had no name either.
fn of_runtimes(dir: &Dir, is_unit: bool) -> Result<Vec<Fd>, Error> {
    const NAMELESS: [u8; 16] = [0; 16];
    let fail = |fault| Error::file("look at the device programs of", dir.path(), fault);
    let mut ids = [0; 64];
    let count = (dir.descriptor())
        .and_then(|dir| bpf::attached_device_programs(dir, &mut ids))
        .map_err(fail)?;
    let mut found = Vec::new();
    for &id in &ids[..count.min(ids.len())] {
        let program = match bpf::program_by_id(id) {
            // Replaced meanwhile.
            Err(fault) if fault.is(Errno::ENOENT) => continue,
            program => program.map_err(fail)?,
        };
        let name = bpf::program_name(program.borrow()).map_err(fail)?;
        found.push((name, program));
    }
    let has_name = !is_unit || found.iter().any(|(name, _)| name.starts_with(b"sd_"));
    let is_runtimes = |name: &[u8; 16]| *name == bpf::NAME || (has_name && *name == NAMELESS);
    found.retain(|(name, _)| is_runtimes(name));
    Ok(found.into_iter().map(|(_, program)| program).collect())
}

/// The programs in a cgroup that is used again, which whoever was in it before has left. Not those that are attached later: then
/// somebody else is about to use it, too, and is not to lose them.
pub(super) fn left_behind(dir: &Dir) -> Result<Vec<Fd>, Error> {
    match of_runtimes(dir, false) {
        // Who may not look may not attach either.
        Err(error) if error.is_refusal() => {
            log::debug!("{error}");
            Ok(Vec::new())
        }
        answer => answer,
    }
}

/// Whether ids here are not those of the machine: then the kernel takes no device programs from anyone.
pub(super) fn in_user_namespace() -> Result<bool, Error> {
    let map = read_path("/proc/self/uid_map".as_ref())?;
    let words: Vec<&str> = map.split_whitespace().collect();
    Ok(words != ["0", "0", "4294967295"])
}
