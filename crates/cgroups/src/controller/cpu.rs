//! `cpu`: shares of processor time, and limits to it.

use spec::{ConfigPath, LinuxCpu};

use crate::SettingError;
use crate::error::wrong;
use crate::setting::{Dialect, Draft};
use crate::systemd::{Property, quota_per_second};

const PERIOD: u64 = 100_000;

/// What v1 has. On v2 what is beyond becomes the nearest weight.
const SHARES: std::ops::RangeInclusive<u64> = 2..=262_144;

/// Zeros mean "not set": engines send them.
pub(crate) fn compile(
    draft: &mut Draft<'_>,
    cpu: &LinuxCpu<'_>,
    at: &ConfigPath,
) -> Result<(), SettingError> {
    let set = |value: Option<u64>| value.filter(|&value| value != 0);
    let quota = cpu.quota.filter(|&quota| quota != 0);
    let (shares, period, burst) = (set(cpu.shares), set(cpu.period), cpu.burst);
    if let (Some(burst), Some(quota)) = (burst, quota)
        && quota > 0
        && burst > quota.unsigned_abs()
    {
        return wrong(
            &at.clone().then("burst"),
            format!("burst {burst} must not be more than the quota {quota}"),
        );
    }
    if let Some(idle) = cpu.idle
        && !(0..=1).contains(&idle)
    {
        return wrong(
            &at.clone().then("idle"),
            format!("{idle} is neither 0 nor 1"),
        );
    }
    let realtime =
        cpu.realtime_runtime.is_some_and(|v| v != 0) || set(cpu.realtime_period).is_some();
    if shares.is_none()
        && quota.is_none()
        && period.is_none()
        && burst.is_none()
        && cpu.idle.is_none()
        && !realtime
    {
        return Ok(());
    }
    let values = Values {
        shares,
        quota,
        period,
        burst,
        idle: cpu.idle,
    };
    match draft.dialect("cpu", at)? {
        Dialect::V1 => v1(draft, cpu, &values, at)?,
        Dialect::V2 => v2(draft, cpu, &values, at)?,
    }
    systemd(draft, &values);
    Ok(())
}

struct Values {
    shares: Option<u64>,
    quota: Option<i64>,
    period: Option<u64>,
    burst: Option<u64>,
    idle: Option<i64>,
}

fn v1(
    draft: &mut Draft<'_>,
    cpu: &LinuxCpu<'_>,
    values: &Values,
    at: &ConfigPath,
) -> Result<(), SettingError> {
    let name = |name| at.clone().then(name);
    // The kernel would take the nearest that it has, and say nothing.
    if let Some(shares) = values.shares
        && !SHARES.contains(&shares)
    {
        let (end, bound) = match shares < *SHARES.start() {
            true => ("minimum", SHARES.start()),
            false => ("maximum", SHARES.end()),
        };
        return wrong(
            &name("shares"),
            format!("the {end} allowed cpu-shares is {bound}"),
        );
    }
    // Realtime first: a realtime task may enter only where there is runtime. Both may have to wait for the other.
    if let Some(period) = cpu.realtime_period.filter(|&period| period != 0) {
        draft
            .write(&name("realtimePeriod"), "cpu", "cpu.rt_period_us", period)
            .again();
    }
    if let Some(runtime) = cpu.realtime_runtime.filter(|&runtime| runtime != 0) {
        draft
            .write(
                &name("realtimeRuntime"),
                "cpu",
                "cpu.rt_runtime_us",
                runtime,
            )
            .again();
    }
    weight_and_idle(draft, values, at, "cpu.shares", |shares| shares);
    if let Some(burst) = values.burst {
        draft
            .write(&name("burst"), "cpu", "cpu.cfs_burst_us", burst)
            .again();
    }
    // A shorter period makes the old quota a larger part of it, perhaps more than the parent's: then quota goes first.
    if let Some(period) = values.period {
        draft
            .write(&name("period"), "cpu", "cpu.cfs_period_us", period)
            .again();
    }
    if let Some(quota) = values.quota {
        draft
            .write(&name("quota"), "cpu", "cpu.cfs_quota_us", quota.max(-1))
            .again();
    }
    Ok(())
}

fn v2(
    draft: &mut Draft<'_>,
    cpu: &LinuxCpu<'_>,
    values: &Values,
    at: &ConfigPath,
) -> Result<(), SettingError> {
    let name = |name| at.clone().then(name);
    for (property, given) in [
        (
            "realtimeRuntime",
            cpu.realtime_runtime.is_some_and(|v| v != 0),
        ),
        (
            "realtimePeriod",
            cpu.realtime_period.is_some_and(|v| v != 0),
        ),
    ] {
        if given {
            return wrong(
                &name(property),
                "cgroup v2 has no limits for realtime scheduling",
            );
        }
    }
    weight_and_idle(draft, values, at, "cpu.weight", weight);
    if let Some(burst) = values.burst {
        // It may not exceed the quota that stands in the file, which the next line may raise.
        draft
            .write(&name("burst"), "cpu", "cpu.max.burst", burst)
            .again();
    }
    match (values.quota, values.period) {
        (None, None) => {}
        (None, Some(period)) => {
            let value = format!("max {period}");
            draft
                .write(&name("period"), "cpu", "cpu.max", value)
                .keep_first = true;
        }
        (Some(quota), period) => {
            let quota = u64::try_from(quota).map_or("max".to_owned(), |quota| quota.to_string());
            let value = period.map_or(quota.clone(), |period| format!("{quota} {period}"));
            draft.write(&name("quota"), "cpu", "cpu.max", value).again();
        }
    }
    Ok(())
}

/// An idle cgroup has no weight of its own, and the kernel refuses to give it one: leave the idle state first.
fn weight_and_idle(
    draft: &mut Draft<'_>,
    values: &Values,
    at: &ConfigPath,
    file: &'static str,
    convert: fn(u64) -> u64,
) {
    let idle_at = at.clone().then("idle");
    if values.idle == Some(0) {
        draft.write(&idle_at, "cpu", "cpu.idle", 0).fine_without();
    }
    if let Some(shares) = values.shares.filter(|_| values.idle != Some(1)) {
        draft.write(&at.clone().then("shares"), "cpu", file, convert(shares));
    }
    if values.idle == Some(1) {
        draft.write(&idle_at, "cpu", "cpu.idle", 1);
    }
}

fn systemd(draft: &mut Draft<'_>, values: &Values) {
    if values.idle == Some(1) {
        // How systemd (since 252) spells "idle".
        draft.property(Property::number("CPUWeight", 0));
    } else if let Some(shares) = values.shares {
        draft.property(Property::either(
            Property::number("CPUWeight", weight(shares)),
            Property::number("CPUShares", shares),
        ));
    }
    if let Some(period) = values.period {
        draft.property(Property::number("CPUQuotaPeriodUSec", period));
    }
    if let Some(quota) = values.quota {
        let period = values.period.unwrap_or(PERIOD);
        draft.property(Property::number(
            "CPUQuotaPerSecUSec",
            quota_per_second(quota, period),
        ));
    }
}

/// `cpu.weight` (1..=10000, usually 100) for v1 shares (2..=262144, usually 1024).
///
/// A quadratic in log2 of the shares, fitted so that the ends and the usual values meet: 2 → 1, 1024 → 100,
/// 262144 → 10000. The older linear formula made 1024 shares 39, less than what everything else on the machine has.
pub(crate) fn weight(shares: u64) -> u64 {
    match shares {
        ..=2 => 1,
        262_144.. => 10_000,
        shares => {
            let l = (shares as f64).log2();
            let exponent = (l * l + 125.0 * l) / 612.0 - 7.0 / 34.0;
            10f64.powf(exponent).ceil() as u64
        }
    }
}

#[cfg(test)]
mod tests {
    use super::weight;
    use crate::systemd::quota_per_second;

    #[test]
    fn shares_become_weights_that_meet_the_usual_values() {
        for (shares, expected) in [
            (2, 1),
            (3, 2),
            (512, 59),
            (1024, 100),
            (2048, 174),
            (262_144, 10_000),
            (u64::MAX, 10_000),
        ] {
            assert_eq!(weight(shares), expected, "{shares} shares");
        }
        assert!((3..262_144).step_by(7).all(|s| weight(s) <= weight(s + 7)));
    }

    #[test]
    fn quotas_are_rounded_up_to_what_systemd_knows() {
        assert_eq!(quota_per_second(-1, 100_000), u64::MAX);
        assert_eq!(quota_per_second(50_000, 100_000), 500_000);
        assert_eq!(quota_per_second(1_000, 100_000), 10_000);
        assert_eq!(quota_per_second(33_333, 100_000), 340_000);
    }
}
