//! What an update leaves to the values that are there.

use spec::{LinuxMemory, LinuxResources};

use super::Group;
use crate::Error;
use crate::dir::{Dir, number};

impl Group {
    /// Fills in what an update does not say but depends on. Call it before [`settings`](crate::settings) for an update.
    ///
    /// That is one thing: the config and v1 limit the sum of memory and swap, while v2 limits swap alone. So there the limit
    /// of swap follows from that of memory: whoever changes one of both limits keeps the other, as on v1.
    ///
    /// # Errors
    /// The present values cannot be read.
    pub fn complete(&self, resources: &mut LinuxResources<'_>) -> Result<(), Error> {
        let Some(memory) = &mut resources.memory else {
            return Ok(());
        };
        let place = &self.place;
        let unified = place
            .location_of("memory")
            .filter(|&index| place.locations[index].is_unified());
        let Some(dir) = unified.and_then(|index| self.dirs[index].as_ref()) else {
            return Ok(());
        };
        if !is_half(memory) {
            return Ok(());
        }
        let (limit, swap) = (bytes(dir, "memory.max")?, bytes(dir, "memory.swap.max")?);
        complete(memory, limit, swap);
        Ok(())
    }
}

/// The number in a file; `None` for no limit, or no such file.
fn bytes(dir: &Dir, file: &str) -> Result<Option<i64>, Error> {
    match dir.read_if_there(file)?.as_deref().map(str::trim) {
        None | Some("max") => Ok(None),
        Some(text) => number(&dir.path().join(file), text).map(Some),
    }
}

fn given(value: Option<i64>) -> bool {
    value.is_some_and(|value| value > 0)
}

/// Whether one of both limits is given and not the other.
fn is_half(memory: &LinuxMemory) -> bool {
    let absent = |value: Option<i64>| value.is_none_or(|value| value == 0);
    given(memory.limit) && absent(memory.swap) || given(memory.swap) && absent(memory.limit)
}

/// `limit` and `swap` are what v2 has: memory, and swap alone.
fn complete(memory: &mut LinuxMemory, limit: Option<i64>, swap: Option<i64>) {
    match limit {
        Some(limit) if given(memory.swap) => memory.limit = Some(limit),
        Some(limit) => memory.swap = swap.map(|swap| limit.saturating_add(swap)),
        // Nothing was limited.
        None => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn half_an_update_keeps_the_other_half() {
        let after = |limit: i64, swap: i64, present: (Option<i64>, Option<i64>)| {
            let some = |value: i64| Some(value).filter(|&value| value != 0);
            let mut memory = LinuxMemory {
                limit: some(limit),
                swap: some(swap),
                ..LinuxMemory::default()
            };
            if is_half(&memory) {
                complete(&mut memory, present.0, present.1);
            }
            (memory.limit, memory.swap)
        };
        let present = (Some(100), Some(50));
        assert_eq!(after(0, 180, present), (Some(100), Some(180)));
        assert_eq!(after(120, 0, present), (Some(120), Some(150)));
        assert_eq!(after(100, 0, (Some(100), None)), (Some(100), None));
        assert_eq!(after(0, 180, (None, None)), (None, Some(180)));
        // Both, no limit, and nothing are whole.
        assert_eq!(after(1, 2, present), (Some(1), Some(2)));
        assert_eq!(after(-1, 0, present), (Some(-1), None));
        assert_eq!(after(0, -1, present), (None, Some(-1)));
        assert_eq!(after(0, 0, present), (None, None));
    }
}
