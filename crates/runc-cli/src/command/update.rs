//! `update`: change resource limits of a container.

use std::io::Read;

use libcontainer::{Container, ResctrlShares, Resources};
use serde_json::{Map, Value};

use super::{Arguments, Command};
use crate::failure::Failure;
use crate::flag::Flag;
use crate::global::Global;
use crate::invocation::{Invocation, Order};

static RESOURCES: Flag = Flag::text(
    "resources",
    "FILE",
    "read JSON like `linux.resources` in config.json from FILE (- is standard input); \
     other flags are then ignored",
)
.short("r");
static BLKIO_WEIGHT: Flag = Flag::text(
    "blkio-weight",
    "N",
    "weight of the container's disk accesses, 10 to 1000",
);
static CPU_PERIOD: Flag = Flag::text(
    "cpu-period",
    "N",
    "length of the period that cpu-quota counts in, in microseconds",
);
static CPU_QUOTA: Flag = Flag::text(
    "cpu-quota",
    "N",
    "processor time in each period, in microseconds; -1 is unlimited",
);
static CPU_BURST: Flag = Flag::text(
    "cpu-burst",
    "N",
    "unused time that may be spent in a later period, in microseconds",
);
static CPU_SHARE: Flag = Flag::text(
    "cpu-share",
    "N",
    "weight of the container's processor time, 2 to 262144",
);
static CPU_RT_PERIOD: Flag = Flag::text(
    "cpu-rt-period",
    "N",
    "length of the period that cpu-rt-runtime counts in, in microseconds",
);
static CPU_RT_RUNTIME: Flag = Flag::text(
    "cpu-rt-runtime",
    "N",
    "real-time processor time in each period, in microseconds",
);
static CPUSET_CPUS: Flag = Flag::text("cpuset-cpus", "LIST", "processors to run on, as 0-3,7");
static CPUSET_MEMS: Flag = Flag::text("cpuset-mems", "LIST", "memory nodes to use");
static CPU_IDLE: Flag = Flag::text(
    "cpu-idle",
    "N",
    "1: run only when nothing else wants to; 0: as others do",
)
.one_of(&["0", "1"]);
static KERNEL_MEMORY: Flag = Flag::text("kernel-memory", "SIZE", "ignored").hidden();
static KERNEL_MEMORY_TCP: Flag = Flag::text("kernel-memory-tcp", "SIZE", "ignored").hidden();
static MEMORY: Flag = Flag::text(
    "memory",
    "SIZE",
    "limit of memory, in bytes or with k, m, g or t behind it; -1 is unlimited",
);
static MEMORY_RESERVATION: Flag = Flag::text(
    "memory-reservation",
    "SIZE",
    "memory to keep when memory runs short",
);
static MEMORY_SWAP: Flag = Flag::text(
    "memory-swap",
    "SIZE",
    "limit of memory and swap together; -1 is unlimited",
);
static PIDS_LIMIT: Flag = Flag::text("pids-limit", "N", "most tasks; -1 is unlimited");
static L3_CACHE_SCHEMA: Flag = Flag::text(
    "l3-cache-schema",
    "SCHEMA",
    "Intel RDT: share of the L3 cache, such as L3:0=7f0;1=1f",
);
static MEM_BW_SCHEMA: Flag = Flag::text(
    "mem-bw-schema",
    "SCHEMA",
    "Intel RDT: share of memory bandwidth, such as MB:0=20;1=70",
);

pub(crate) static COMMAND: Command = Command {
    name: "update",
    summary: "change resource limits of a container",
    synopsis: "ID",
    about: "What is not given stays as it is.",
    examples: &[
        (
            "update --memory 512M --pids-limit 200 web",
            "new limits for web",
        ),
        (
            "update --resources limits.json web",
            "limits from a file, - is standard input",
        ),
    ],
    flags: &[
        &RESOURCES,
        &BLKIO_WEIGHT,
        &CPU_PERIOD,
        &CPU_QUOTA,
        &CPU_BURST,
        &CPU_SHARE,
        &CPU_RT_PERIOD,
        &CPU_RT_RUNTIME,
        &CPUSET_CPUS,
        &CPUSET_MEMS,
        &CPU_IDLE,
        &KERNEL_MEMORY,
        &KERNEL_MEMORY_TCP,
        &MEMORY,
        &MEMORY_RESERVATION,
        &MEMORY_SWAP,
        &PIDS_LIMIT,
        &L3_CACHE_SCHEMA,
        &MEM_BW_SCHEMA,
    ],
    order: Order::Anywhere,
    arguments: Arguments::Exactly(1),
    run,
};

/// How the value of a flag becomes a value of the document.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Reading {
    Unsigned,
    Signed,
    Bytes,
    Word,
}

/// Flag, object and property in `linux.resources`, reading.
type Row = (&'static Flag, &'static str, &'static str, Reading);

static ROWS: &[Row] = &[
    (&BLKIO_WEIGHT, "blockIO", "weight", Reading::Unsigned),
    (&CPU_PERIOD, "cpu", "period", Reading::Unsigned),
    (&CPU_QUOTA, "cpu", "quota", Reading::Signed),
    (&CPU_BURST, "cpu", "burst", Reading::Unsigned),
    (&CPU_SHARE, "cpu", "shares", Reading::Unsigned),
    (&CPU_RT_PERIOD, "cpu", "realtimePeriod", Reading::Unsigned),
    (&CPU_RT_RUNTIME, "cpu", "realtimeRuntime", Reading::Signed),
    (&CPUSET_CPUS, "cpu", "cpus", Reading::Word),
    (&CPUSET_MEMS, "cpu", "mems", Reading::Word),
    (&CPU_IDLE, "cpu", "idle", Reading::Signed),
    (&MEMORY, "memory", "limit", Reading::Bytes),
    (&MEMORY_RESERVATION, "memory", "reservation", Reading::Bytes),
    (&MEMORY_SWAP, "memory", "swap", Reading::Bytes),
    (&PIDS_LIMIT, "pids", "limit", Reading::Signed),
];

fn run(global: &Global, invocation: &Invocation) -> Result<i32, Failure> {
    let container = Container::open(global.store(), invocation.id()?)?;
    let text = match invocation.text(&RESOURCES) {
        Some(file) if !file.is_empty() => read(file)?,
        _ => from_flags(invocation)?,
    };
    let resources = Resources::from_json(&text)?;
    let shares = ResctrlShares {
        l3_cache_schema: invocation.text(&L3_CACHE_SCHEMA).map(str::to_owned),
        mem_bw_schema: invocation.text(&MEM_BW_SCHEMA).map(str::to_owned),
    };
    container.update_with(&resources, &shares)?;
    Ok(0)
}

fn read(file: &str) -> Result<String, Failure> {
    let text = if file == "-" {
        let mut text = String::new();
        std::io::stdin()
            .lock()
            .read_to_string(&mut text)
            .map(|_| text)
    } else {
        std::fs::read_to_string(file)
    };
    text.map_err(|error| Failure::io(&format!("read {file}"), &error))
}

fn from_flags(invocation: &Invocation) -> Result<String, Failure> {
    for flag in [&KERNEL_MEMORY, &KERNEL_MEMORY_TCP] {
        if invocation.has(flag) {
            log::warn!(
                "--{} is ignored: the kernel no longer has this limit",
                flag.name
            );
        }
    }
    let mut document = Map::new();
    for (flag, object, property, reading) in ROWS {
        let Some(text) = invocation.text(flag).filter(|text| !text.is_empty()) else {
            continue;
        };
        let value = value(text, *reading).ok_or_else(|| {
            let form = match reading {
                Reading::Unsigned => "a number",
                Reading::Signed => "a number, -1 for no limit",
                Reading::Bytes => {
                    "bytes, or a number with k, m, g or t, such as 512M; -1 for no limit"
                }
                Reading::Word => "a word",
            };
            Failure::new(format!(
                "invalid value for --{}: \"{text}\" ({form})",
                flag.name
            ))
        })?;
        let object = document
            .entry(*object)
            .or_insert_with(|| Value::Object(Map::new()));
        if let Some(object) = object.as_object_mut() {
            object.insert((*property).to_owned(), value);
        }
    }
    Ok(Value::Object(document).to_string())
}

fn value(text: &str, reading: Reading) -> Option<Value> {
    match reading {
        Reading::Unsigned => text.parse::<u64>().ok().map(Value::from),
        Reading::Signed => text.parse::<i64>().ok().map(Value::from),
        Reading::Bytes => bytes(text).map(Value::from),
        Reading::Word => Some(Value::from(text)),
    }
}

/// Reads `-1`, `1048576`, `64M`, `1.5g`, `512kb`, `1GiB`: powers of 1024, whatever the case.
fn bytes(text: &str) -> Option<i64> {
    if text == "-1" {
        return Some(-1);
    }
    let end = text.find(|c: char| !c.is_ascii_digit() && c != '.');
    let (number, unit) = text.split_at(end.unwrap_or(text.len()));
    let unit = unit.strip_prefix(' ').unwrap_or(unit).to_ascii_lowercase();
    let power = match unit
        .strip_suffix("ib")
        .or(unit.strip_suffix('b'))
        .unwrap_or(&unit)
    {
        "" if unit != "ib" => 0,
        "k" => 1,
        "m" => 2,
        "g" => 3,
        "t" => 4,
        "p" => 5,
        _ => return None,
    };
    let scale = 1024i64.pow(power);
    if let Ok(number) = number.parse::<i64>() {
        return number.checked_mul(scale);
    }
    let product = number.parse::<f64>().ok()? * scale as f64;
    (product < i64::MAX as f64).then_some(product as i64)
}

#[cfg(test)]
mod tests {
    use std::ffi::OsString;

    use super::*;

    fn resources(words: &[&str]) -> Result<String, Failure> {
        let words: Vec<OsString> = words.iter().map(OsString::from).collect();
        from_flags(&Invocation::parse(COMMAND.flags, COMMAND.order, &words).unwrap())
    }

    #[test]
    fn flags_become_a_document() {
        for (words, expected) in [
            (&["c"][..], "{}"),
            (&["c", "--memory", "-1"], r#"{"memory":{"limit":-1}}"#),
            (
                &[
                    "--memory-swap=1g",
                    "c",
                    "--memory",
                    "64M",
                    "--pids-limit",
                    "7",
                ],
                r#"{"memory":{"limit":67108864,"swap":1073741824},"pids":{"limit":7}}"#,
            ),
            (
                &[
                    "--cpu-share=2",
                    "--cpuset-cpus",
                    "0-3",
                    "--cpu-quota=-1",
                    "--cpu-idle",
                    "1",
                    "c",
                ],
                r#"{"cpu":{"cpus":"0-3","idle":1,"quota":-1,"shares":2}}"#,
            ),
            (
                &["--blkio-weight", "500", "c"],
                r#"{"blockIO":{"weight":500}}"#,
            ),
            (&["--kernel-memory", "1", "c"], "{}"),
        ] {
            assert_eq!(resources(words).unwrap(), expected, "{words:?}");
        }
        for words in [&["c", "--memory", "much"][..], &["c", "--cpu-share", "-2"]] {
            assert!(resources(words).is_err(), "{words:?}");
        }
    }

    #[test]
    fn sizes_have_suffixes() {
        for (text, expected) in [
            ("0", Some(0)),
            ("-1", Some(-1)),
            ("100", Some(100)),
            ("100b", Some(100)),
            ("2k", Some(2048)),
            ("2K", Some(2048)),
            ("2kb", Some(2048)),
            ("2KiB", Some(2048)),
            ("1.5m", Some(1_572_864)),
            ("3 g", Some(3 << 30)),
            ("1T", Some(1 << 40)),
            ("9223372036854775807", Some(i64::MAX)),
            ("9223372036854775807k", None),
            ("-2", None),
            ("ib", None),
            ("k", None),
            ("1.2.3", None),
            ("5x", None),
            ("", None),
        ] {
            assert_eq!(bytes(text), expected, "{text}");
        }
    }
}
