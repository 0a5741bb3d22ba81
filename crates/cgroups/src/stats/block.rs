//! Statistics of block devices.

use super::read::pressure;
use super::{Blkio, BlkioEntry};
use crate::dir::Dir;
use crate::{Error, Group};

pub(super) fn read(group: &Group, blkio: &mut Blkio) -> Result<(), Error> {
    blkio.psi = pressure(group, "io.pressure")?;
    let Some(index) = group.place.location_of("blkio") else {
        return Ok(());
    };
    let Some(dir) = &group.dirs[index] else {
        return Ok(());
    };
    if group.place.locations[index].is_unified() {
        let text = dir.read_if_there("io.stat")?.unwrap_or_default();
        v2(&text, blkio);
        return Ok(());
    }
    for (name, list) in [
        (
            "io_service_bytes_recursive",
            &mut blkio.io_service_bytes_recursive,
        ),
        ("io_serviced_recursive", &mut blkio.io_serviced_recursive),
        ("io_queued_recursive", &mut blkio.io_queued_recursive),
        (
            "io_service_time_recursive",
            &mut blkio.io_service_time_recursive,
        ),
        ("io_wait_time_recursive", &mut blkio.io_wait_time_recursive),
        ("io_merged_recursive", &mut blkio.io_merged_recursive),
        ("time_recursive", &mut blkio.io_time_recursive),
        ("sectors_recursive", &mut blkio.sectors_recursive),
    ] {
        *list = v1(dir, name)?;
    }
    Ok(())
}

/// Who schedules a device counts for it: BFQ, CFQ in old kernels, or only the throttling layer, which every kernel has.
fn v1(dir: &Dir, name: &str) -> Result<Vec<BlkioEntry>, Error> {
    for prefix in ["blkio.bfq.", "blkio.", "blkio.throttle."] {
        if let Some(text) = dir.read_if_there(&format!("{prefix}{name}"))? {
            let entries: Vec<BlkioEntry> = text.lines().filter_map(v1_line).collect();
            if !entries.is_empty() {
                return Ok(entries);
            }
        }
    }
    Ok(Vec::new())
}

/// `8:0 Read 1024`, or `8:0 16` where kinds are not told apart. The last line is the sum of all devices.
pub(super) fn v1_line(line: &str) -> Option<BlkioEntry> {
    let mut words = line.split_whitespace();
    let (major, minor) = words.next()?.split_once(':')?;
    let (first, second) = (words.next()?, words.next());
    let (op, value) = match second {
        Some(value) => (first, value),
        None => ("", first),
    };
    Some(BlkioEntry {
        major: major.parse().ok()?,
        minor: minor.parse().ok()?,
        op: op.to_owned(),
        value: value.parse().ok()?,
    })
}

/// `8:0 rbytes=90430464 wbytes=299008000 rios=8950 wios=1252 dbytes=50331648 dios=3021`.
pub(super) fn v2(text: &str, blkio: &mut Blkio) {
    for line in text.lines() {
        let mut words = line.split_whitespace();
        let Some((major, minor)) = words.next().and_then(|device| device.split_once(':')) else {
            continue;
        };
        let (Ok(major), Ok(minor)) = (major.parse(), minor.parse()) else {
            continue;
        };
        for (key, value) in words.filter_map(|word| word.split_once('=')) {
            let (list, op) = match key {
                "rbytes" => (&mut blkio.io_service_bytes_recursive, "Read"),
                "wbytes" => (&mut blkio.io_service_bytes_recursive, "Write"),
                "dbytes" => (&mut blkio.io_service_bytes_recursive, "Discard"),
                "rios" => (&mut blkio.io_serviced_recursive, "Read"),
                "wios" => (&mut blkio.io_serviced_recursive, "Write"),
                "dios" => (&mut blkio.io_serviced_recursive, "Discard"),
                _ => continue,
            };
            if let Ok(value) = value.parse() {
                let op = op.to_owned();
                list.push(BlkioEntry {
                    major,
                    minor,
                    op,
                    value,
                });
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_forms_are_read() {
        let entry = v1_line("8:0 Read 1024").unwrap();
        assert_eq!(
            (entry.major, entry.op.as_str(), entry.value),
            (8, "Read", 1024)
        );
        assert_eq!(v1_line("8:16 7").unwrap().value, 7);
        assert_eq!(v1_line("Total 1024"), None);
        let mut blkio = Blkio::default();
        v2(
            "8:0 rbytes=1 wbytes=2 rios=3 wios=4 dbytes=5 dios=6 cost.usage=9\nbroken\n7:0 \n",
            &mut blkio,
        );
        let short = |list: &[BlkioEntry]| {
            list.iter()
                .map(|e| format!("{} {}", e.op, e.value))
                .collect::<Vec<_>>()
        };
        assert_eq!(
            short(&blkio.io_service_bytes_recursive),
            ["Read 1", "Write 2", "Discard 5"]
        );
        assert_eq!(
            short(&blkio.io_serviced_recursive),
            ["Read 3", "Write 4", "Discard 6"]
        );
    }
}
