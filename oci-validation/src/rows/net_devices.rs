//! E9 to E12: network devices that are moved into the container.

use std::process::Command;
use std::time::Duration;

use serde_json::{Value, json};

use crate::bundle::Bundle;
use crate::case::Case;
use crate::namespaces::Holder;
use crate::row::{Row, must};
use crate::runtime::finish;
use crate::verdict::{Verdict, ensure, skip};

const DEVICES: &str = "config-linux.md#network-devices";
const LIFE: &str = "config-linux.md#namespace-lifecycle-and-container-termination";

#[rustfmt::skip]
pub(crate) const ROWS: &[Row] = &[
    must("E9", DEVICES, "a device moves into the container and keeps its name", |c| {
        let device = Device::new(c)?;
        with(c.bundle(), &device, json!({})).see("cat /proc/net/dev")?.has(&format!("{}:", device.0))?;
        ensure(!device.exists(c)?, || "the device is on the host as well".to_owned())
    }),
    must("E9.name", DEVICES, "a device gets its new name", |c| {
        let device = Device::new(c)?;
        let seen = with(c.bundle(), &device, json!({"name": "inside0"})).see("cat /proc/net/dev")?;
        seen.has("inside0:")
    }),
    must("E9.template", DEVICES, "`%d` in a name lets the kernel choose the number", |c| {
        let device = Device::new(c)?;
        with(c.bundle(), &device, json!({"name": "eth%d"})).see("cat /proc/net/dev")?.has("eth0:")
    }),
    must("E9.taken", DEVICES, "a name that is taken in the container is an error, and the device stays on the host", |c| {
        let device = Device::new(c)?;
        with(c.bundle(), &device, json!({"name": "lo"})).refused()?;
        ensure(device.exists(c)?, || "the device is gone".to_owned())
    }),
    must("E9.missing", DEVICES, "a device that the host does not have is an error", |c| {
        c.bundle().set("/linux/netDevices", json!({"nosuchdev": {}})).refused().map(drop)
    }),
    must("E9.joined", DEVICES, "a device moves into a joined network namespace", |c| {
        let device = Device::new(c)?;
        let holder = Holder::new(c, nix::sched::CloneFlags::CLONE_NEWNET)?;
        let entry = json!({"type": "network", "path": holder.path("net")});
        let bundle = c.bundle().without_mount("/sys").without_namespace("network").add("/linux/namespaces", entry);
        with(bundle, &device, json!({})).see("cat /proc/net/dev")?.has(&format!("{}:", device.0))
    }),
    must("E10", DEVICES, "a device keeps its permanent global addresses, of both families", |c| {
        let device = Device::new(c)?;
        device.set(c, &["addr", "add", "10.77.0.5/24", "dev"])?;
        device.set(c, &["-6", "addr", "add", "fd77::5/64", "nodad", "dev"])?;
        let seen = with(c.bundle(), &device, json!({"name": "kept0"})).see("cat /proc/net/fib_trie -- cat /proc/net/if_inet6")?;
        seen.has("10.77.0.5")?;
        seen.has("fd770000000000000000000000000005")
    }),
    must("E10.attributes", DEVICES, "a device keeps its MTU and hardware address", |c| {
        let device = Device::new(c)?;
        device.set(c, &["link", "set", "mtu", "1400", "address", "02:00:00:00:00:07", "dev"])?;
        let bundle = c.bundle();
        let seen = with(bundle, &device, json!({"name": "kept0"})).see("cat /sys/class/net/kept0/mtu -- cat /sys/class/net/kept0/address")?;
        seen.is(&["1400", "02:00:00:00:00:07"])
    }),
    must("E11", DEVICES, "a device is up after the move", |c| {
        let device = Device::new(c)?;
        let seen = with(c.bundle(), &device, json!({"name": "up0"})).see("cat /sys/class/net/up0/flags")?;
        let flags = u32::from_str_radix(seen.text.trim().trim_start_matches("0x"), 16).unwrap_or(0);
        ensure(flags & 1 == 1, || format!("its flags are {}", seen.text.trim()))
    }),
    must("E12", LIFE, "a device is not moved out before the namespace ends", |c| {
        let device = Device::new(c)?;
        let holder = Holder::new(c, nix::sched::CloneFlags::CLONE_NEWNET)?;
        let entry = json!({"type": "network", "path": holder.path("net")});
        let bundle = c.bundle().without_mount("/sys").without_namespace("network").add("/linux/namespaces", entry);
        with(bundle, &device, json!({})).see("true")?;
        // The container is deleted, the namespace still there: so is the device in it.
        let again = c.bundle().without_mount("/sys").without_namespace("network")
            .add("/linux/namespaces", json!({"type": "network", "path": holder.path("net")}));
        again.see("cat /proc/net/dev")?.has(&format!("{}:", device.0))
    }),
];

fn with<'a>(bundle: Bundle<'a>, device: &Device, value: Value) -> Bundle<'a> {
    // The name differs from run to run: the mutants take all devices away.
    let pointer = "/linux/netDevices".to_owned();
    bundle.case.set.borrow_mut().insert(pointer.clone());
    bundle.aid(&format!("{pointer}/{}", device.0), value)
}

/// A device of the host's network namespace, which is the tests' own.
struct Device(String);

impl Device {
    fn new(c: &Case) -> Verdict<Device> {
        let number = c.id().rsplit('-').nth(1).unwrap_or("0").to_owned();
        let device = Device(format!("ov{number}"));
        let (name, peer) = (&device.0, format!("ovp{number}"));
        let made = ip(
            c,
            &["link", "add", name, "type", "veth", "peer", "name", &peer],
        )?;
        if !made {
            return skip("kernel or machine: no veth devices, or no ip(8)");
        }
        Ok(device)
    }

    fn set(&self, c: &Case, words: &[&str]) -> Verdict {
        let mut all = words.to_vec();
        all.push(&self.0);
        let done = ip(c, &all)?;
        ensure(done, || format!("the suite could not set {words:?}"))
    }

    fn exists(&self, c: &Case) -> Verdict<bool> {
        ip(c, &["link", "show", "dev", &self.0])
    }
}

fn ip(c: &Case, words: &[&str]) -> Verdict<bool> {
    if Command::new("ip").arg("-V").output().is_err() {
        return Ok(false);
    }
    let output = finish(c, Command::new("ip").args(words), Duration::from_secs(20))?;
    Ok(output.ok())
}
