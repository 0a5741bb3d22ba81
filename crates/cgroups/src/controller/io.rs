//! `blkio` (v1), `io` (v2): weights and throttles of block devices.

use spec::{ConfigPath, LinuxBlockIo, ThrottleDevice};

use crate::SettingError;
use crate::error::wrong;
use crate::setting::{Dialect, Draft};
use crate::systemd::{Property, Value};

/// A weight of 0 means "not set".
pub(crate) fn compile(
    draft: &mut Draft<'_>,
    io: &LinuxBlockIo,
    at: &ConfigPath,
) -> Result<(), SettingError> {
    let throttles = throttles(io);
    let nothing = io.weight.unwrap_or(0) == 0
        && io.leaf_weight.unwrap_or(0) == 0
        && io.weight_device.is_empty()
        && throttles.iter().all(|throttle| throttle.devices.is_empty());
    if nothing {
        return Ok(());
    }
    for (name, weight) in [("weight", io.weight), ("leafWeight", io.leaf_weight)] {
        check_weight(&at.clone().then(name), weight)?;
    }
    for (index, device) in io.weight_device.iter().enumerate() {
        let at = at.clone().then("weightDevice").index(index);
        if device.weight.is_none() && device.leaf_weight.is_none() {
            return wrong(&at, "needs a weight or a leafWeight");
        }
        check_weight(&at.clone().then("weight"), device.weight)?;
        check_weight(&at.clone().then("leafWeight"), device.leaf_weight)?;
        check_device(&at, device.major, device.minor)?;
    }
    for throttle in &throttles {
        for (index, device) in throttle.devices.iter().enumerate() {
            check_device(
                &at.clone().then(throttle.property).index(index),
                device.major,
                device.minor,
            )?;
        }
    }
    match draft.dialect("blkio", at)? {
        Dialect::V1 => v1(draft, io, &throttles, at),
        Dialect::V2 => v2(draft, io, &throttles, at)?,
    }
    systemd(draft, io, &throttles);
    Ok(())
}

/// One of the four lists of throttles.
struct Throttle<'a> {
    property: &'static str,
    devices: &'a [ThrottleDevice],
    v1: &'static str,
    v2: &'static str,
    systemd: &'static str,
}

#[rustfmt::skip]
fn throttles(io: &LinuxBlockIo) -> [Throttle<'_>; 4] {
    let row = |property, devices, v1, v2, systemd| Throttle { property, devices, v1, v2, systemd };
    [
        row("throttleReadBpsDevice", &io.throttle_read_bps_device[..], "blkio.throttle.read_bps_device", "rbps", "IOReadBandwidthMax"),
        row("throttleWriteBpsDevice", &io.throttle_write_bps_device, "blkio.throttle.write_bps_device", "wbps", "IOWriteBandwidthMax"),
        row("throttleReadIOPSDevice", &io.throttle_read_iops_device, "blkio.throttle.read_iops_device", "riops", "IOReadIOPSMax"),
        row("throttleWriteIOPSDevice", &io.throttle_write_iops_device, "blkio.throttle.write_iops_device", "wiops", "IOWriteIOPSMax"),
    ]
}

fn check_weight(at: &ConfigPath, weight: Option<u16>) -> Result<(), SettingError> {
    match weight {
        None | Some(0 | 10..=1000) => Ok(()),
        Some(weight) => wrong(at, format!("{weight} is not between 10 and 1000")),
    }
}

fn check_device(at: &ConfigPath, major: i64, minor: i64) -> Result<(), SettingError> {
    for (name, number) in [("major", major), ("minor", minor)] {
        if u32::try_from(number).is_err() {
            let why = format!("{major}:{minor} is not a device number");
            return wrong(&at.clone().then(name), why);
        }
    }
    Ok(())
}

fn v1(draft: &mut Draft<'_>, io: &LinuxBlockIo, throttles: &[Throttle<'_>], at: &ConfigPath) {
    let set = |weight: Option<u16>| weight.filter(|&weight| weight != 0);
    // The plain names are CFQ's, which kernels since 5.0 have not; those of its successor are the same with `bfq`.
    if let Some(weight) = set(io.weight) {
        let at = at.clone().then("weight");
        draft
            .write(&at, "blkio", "blkio.weight", weight)
            .or_else("blkio.bfq.weight", weight);
    }
    if let Some(weight) = set(io.leaf_weight) {
        draft.write(
            &at.clone().then("leafWeight"),
            "blkio",
            "blkio.leaf_weight",
            weight,
        );
    }
    for (index, device) in io.weight_device.iter().enumerate() {
        let at = at.clone().then("weightDevice").index(index);
        let key = format!("{}:{}", device.major, device.minor);
        if let Some(weight) = set(device.weight) {
            let value = format!("{key} {weight}");
            draft
                .write(
                    &at.clone().then("weight"),
                    "blkio",
                    "blkio.weight_device",
                    &value,
                )
                .line(&key, format!("{key} default"))
                .or_else("blkio.bfq.weight_device", &value);
        }
        if let Some(weight) = set(device.leaf_weight) {
            draft
                .write(
                    &at.then("leafWeight"),
                    "blkio",
                    "blkio.leaf_weight_device",
                    format!("{key} {weight}"),
                )
                .line(&key, format!("{key} 0"));
        }
    }
    for throttle in throttles {
        for (index, device) in throttle.devices.iter().enumerate() {
            let key = format!("{}:{}", device.major, device.minor);
            draft
                .write(
                    &at.clone().then(throttle.property).index(index),
                    "blkio",
                    throttle.v1,
                    format!("{key} {}", device.rate),
                )
                .line(&key, format!("{key} 0"));
        }
    }
}

fn v2(
    draft: &mut Draft<'_>,
    io: &LinuxBlockIo,
    throttles: &[Throttle<'_>],
    at: &ConfigPath,
) -> Result<(), SettingError> {
    let set = |weight: Option<u16>| weight.filter(|&weight| weight != 0);
    let no_leaves = "cgroup v2 has no weights of leaves";
    if set(io.leaf_weight).is_some() {
        return wrong(&at.clone().then("leafWeight"), no_leaves);
    }
    // Where the BFQ scheduler is built in, its file has the old scale; else io.cost has a new one.
    if let Some(weight) = set(io.weight) {
        draft
            .write(&at.clone().then("weight"), "io", "io.bfq.weight", weight)
            .or_else("io.weight", format!("default {}", scaled(weight)))
            .line("default", "default 100");
    }
    for (index, device) in io.weight_device.iter().enumerate() {
        let at = at.clone().then("weightDevice").index(index);
        if set(device.leaf_weight).is_some() {
            return wrong(&at.then("leafWeight"), no_leaves);
        }
        if let Some(weight) = set(device.weight) {
            let key = format!("{}:{}", device.major, device.minor);
            draft
                .write(
                    &at.then("weight"),
                    "io",
                    "io.bfq.weight",
                    format!("{key} {weight}"),
                )
                .or_else("io.weight", format!("{key} {}", scaled(weight)))
                .line(&key, format!("{key} default"));
        }
    }
    for throttle in throttles {
        for (index, device) in throttle.devices.iter().enumerate() {
            let key = format!("{}:{}", device.major, device.minor);
            // 0 lifts the limit on v1; on v2 that is spelt `max`, and 0 is refused.
            let rate = match device.rate {
                0 => "max".to_owned(),
                rate => rate.to_string(),
            };
            draft
                .write(
                    &at.clone().then(throttle.property).index(index),
                    "io",
                    "io.max",
                    format!("{key} {}={rate}", throttle.v2),
                )
                .line(&key, format!("{key} rbps=max wbps=max riops=max wiops=max"));
        }
    }
    Ok(())
}

/// `io.weight` (1..=10000) for a v1 weight (10..=1000).
fn scaled(weight: u16) -> u64 {
    1 + (u64::from(weight) - 10) * 9999 / 990
}

fn systemd(draft: &mut Draft<'_>, io: &LinuxBlockIo, throttles: &[Throttle<'_>]) {
    if let Some(weight) = io.weight.filter(|&weight| weight != 0) {
        draft.property(Property::either(
            Property::number("IOWeight", scaled(weight)),
            Property::number("BlockIOWeight", weight.into()),
        ));
    }
    // systemd wants a path; it understands these without looking at them when they do not exist.
    let path = |major: i64, minor: i64| format!("/dev/block/{major}:{minor}");
    for device in &io.weight_device {
        if let Some(weight) = device.weight.filter(|&weight| weight != 0) {
            let value = Value::Limits(vec![(path(device.major, device.minor), scaled(weight))]);
            draft.property(Property::new("IODeviceWeight", value));
        }
    }
    for throttle in throttles {
        for device in throttle.devices {
            let rate = if device.rate == 0 {
                u64::MAX
            } else {
                device.rate
            };
            let value = Value::Limits(vec![(path(device.major, device.minor), rate)]);
            draft.property(Property::new(throttle.systemd, value));
        }
    }
}

#[cfg(test)]
mod tests {
    #[test]
    fn weights_are_scaled_from_end_to_end() {
        assert_eq!([10, 500, 1000].map(super::scaled), [1, 4950, 10_000]);
    }
}
