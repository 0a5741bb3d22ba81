//! The hash that finds a system call's name in the generated table; the generator uses this same file.

/// Number of places in the hash table: a power of two, about four times the number of names.
pub(crate) const SLOTS: usize = 2048;

/// The place where the search for `name` starts (FNV-1a, folded).
pub(crate) const fn slot(name: &[u8]) -> usize {
    let mut hash: u32 = 0x811c_9dc5;
    let mut at = 0;
    while at < name.len() {
        hash = (hash ^ name[at] as u32).wrapping_mul(0x0100_0193);
        at += 1;
    }
    ((hash ^ (hash >> 15)) as usize) % SLOTS
}
