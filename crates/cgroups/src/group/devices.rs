//! Device rules: a program on v2, lists on v1.

use std::collections::HashMap;

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
        // Nothing is attached to it yet, so nothing needs to be asked for.
        let rules = &settings.devices;
        if rules.exceptions.is_none() && rules.rules.is_empty() {
            return Ok(());
        }
        let result = match self.dir_of("devices") {
            None => return Ok(()),
            Some(dir) if self.on_v1() => self.v1_devices(dir, rules),
            Some(dir) => load(dir, rules).and_then(|program| attach(dir, &program, None)),
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
            Some(dir) => replace(dir, rules),
        };
        match result {
            Err(error) if error.is_refusal() && (self.place.rootless || in_user_namespace()?) => {
                log::debug!("device rules are not changed, which takes privileges: {error}");
                Ok(())
            }
            result => result,
        }
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
fn access_of(list: &[Rule]) -> HashMap<Devices, u8> {
    let mut found = HashMap::new();
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

/// Our program is replaced atomically. systemd may have attached one of its own, which is left alone: the kernel asks all of
/// them.
fn replace(dir: &Dir, rules: &DeviceRules) -> Result<(), Error> {
    let fail = |fault| Error::file("look at the device programs of", dir.path(), fault);
    let new = load(dir, rules)?;
    let mut ids = [0; 64];
    let count = dir
        .descriptor()
        .and_then(|dir| bpf::attached_device_programs(dir, &mut ids))
        .map_err(fail)?;
    for &id in &ids[..count.min(ids.len())] {
        let program = bpf::program_by_id(id).map_err(fail)?;
        if bpf::program_name(program.borrow()).map_err(fail)? == bpf::NAME {
            return attach(dir, &new, Some(&program));
        }
    }
    attach(dir, &new, None)
}

/// Whether ids here are not those of the machine: then the kernel takes no device programs from anyone.
pub(super) fn in_user_namespace() -> Result<bool, Error> {
    let map = read_path("/proc/self/uid_map".as_ref())?;
    let words: Vec<&str> = map.split_whitespace().collect();
    Ok(words != ["0", "0", "4294967295"])
}
