//! `cpuset`: which processors and memory nodes.

use spec::{ConfigPath, LinuxCpu};

use crate::SettingError;
use crate::error::wrong;
use crate::setting::Draft;
use crate::systemd::Property;

/// v1 and v2 share the files' names.
pub(crate) fn compile(
    draft: &mut Draft<'_>,
    cpu: &LinuxCpu<'_>,
    at: &ConfigPath,
) -> Result<(), SettingError> {
    for (list, name, file, property) in [
        (&cpu.cpus, "cpus", "cpuset.cpus", "AllowedCPUs"),
        (&cpu.mems, "mems", "cpuset.mems", "AllowedMemoryNodes"),
    ] {
        let Some(list) = list.as_ref().filter(|list| !list.is_empty()) else {
            continue;
        };
        let at = at.clone().then(name);
        let Some(mask) = mask(list) else {
            return wrong(
                &at,
                format!("{:?} is not a list such as 0-3,7", list.as_str()),
            );
        };
        draft.dialect("cpuset", &at)?;
        draft.write(&at, "cpuset", file, list.trim());
        draft.property(Property::bytes(property, mask));
    }
    Ok(())
}

/// The bit mask of a list such as `0-3,7`, lowest byte first, as systemd takes it. `None` for anything else.
pub(crate) fn mask(list: &str) -> Option<Vec<u8>> {
    // The kernel's own limit is far lower; this only bounds the memory that a wrong config can ask for.
    const MOST: usize = 1 << 16;
    let mut mask = Vec::new();
    for range in list.trim().split(',') {
        let (first, last) = match range.split_once('-') {
            Some((first, last)) => (number(first)?, number(last)?),
            None => (number(range)?, number(range)?),
        };
        if first > last || last >= MOST {
            return None;
        }
        if mask.len() <= last / 8 {
            mask.resize(last / 8 + 1, 0u8);
        }
        for bit in first..=last {
            mask[bit / 8] |= 1 << (bit % 8);
        }
    }
    Some(mask)
}

fn number(text: &str) -> Option<usize> {
    let text = text.trim();
    // `parse` would take a sign.
    text.bytes()
        .all(|b| b.is_ascii_digit())
        .then(|| text.parse().ok())?
}

#[cfg(test)]
mod tests {
    use super::mask;

    #[test]
    fn lists_become_masks() {
        assert_eq!(mask("0").unwrap(), [1]);
        assert_eq!(mask("0-3,7\n").unwrap(), [0x8f]);
        assert_eq!(mask("1, 8-9").unwrap(), [2, 3]);
        for wrong in [
            "",
            "a",
            "3-1",
            "0,,1",
            "-1",
            "+1",
            "0-",
            "99999999999999999999",
            "70000",
        ] {
            assert_eq!(mask(wrong), None, "{wrong:?}");
        }
    }
}
