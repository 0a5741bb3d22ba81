//! Ids that an ordinary user may map: subuid(5), subgid(5), newuidmap(1).

use spec::IdMapping;

/// Whether a caller without privileges may write this mapping itself: one line with just its own id
/// (user_namespaces(7)).
pub(crate) fn is_own_only(mappings: &[IdMapping], own: u32) -> bool {
    matches!(mappings, [only] if only.host_id == own && only.size == 1)
}
