//! Root file systems with mapped ids, as engines want them for containers in user namespaces.

use kernel::{BorrowedFd, Fd, file, mount};
use spec::{ConfigPath, IdMapping};

use super::{Place, Request, c_string, overlay};
use crate::Error;
use crate::environment::Environment;
use crate::own_mounts::in_own_mounts;
use crate::perform::{id_maps, trees};
use crate::plan::{IdMaps, validate_mappings};

const USERS: &str = "uidmap=";
const GROUPS: &str = "gidmap=";

/// Whether an option maps ids.
pub(super) fn is_about(word: &str) -> bool {
    word.starts_with(USERS) || word.starts_with(GROUPS)
}

/// The mappings that these options amount to, of which the last of each kind counts. One kind alone would leave a file with a
/// mapped owner to a group that is not.
pub(super) fn read(words: &[&str]) -> Result<Option<IdMaps>, String> {
    if words.is_empty() {
        return Ok(None);
    }
    let find = |kind: &str| {
        let mut lists = words.iter().filter_map(|word| word.strip_prefix(kind));
        let list = lists
            .next_back()
            .ok_or_else(|| format!("that map ids: {} is there, {kind} is not", words.join(", ")))?;
        let lines = list.split(',').map(mapping).collect::<Option<Vec<_>>>();
        let lines = lines
            .ok_or_else(|| format!("that map ids: {kind}{list} is not CONTAINER:HOST:SIZE"))?;
        let name = if kind == USERS { "uidmap" } else { "gidmap" };
        match validate_mappings(&ConfigPath::of(name), &lines) {
            Ok(()) => Ok(lines),
            Err(error) => Err(format!("that map ids: {error}")),
        }
    };
    Ok(Some(IdMaps {
        uids: find(USERS)?,
        gids: find(GROUPS)?,
        ..IdMaps::default()
    }))
}

fn mapping(text: &str) -> Option<IdMapping> {
    let numbers: Result<Vec<u32>, _> = text.split(':').map(str::parse).collect();
    match numbers.as_deref() {
        Ok(&[container_id, host_id, size]) => Some(IdMapping {
            container_id,
            host_id,
            size,
        }),
        _ => None,
    }
}

impl Request<'_> {
    /// The user namespace whose ids it gets.
    pub(super) fn ids(&self, maps: &IdMaps) -> Result<Fd, Error> {
        let at = ConfigPath::of("mounts").index(self.index).then("options");
        id_maps::namespace_with(&Environment::default(), maps, None, &at)
    }

    /// Maps the ids of a detached tree of `what`.
    pub(super) fn map(
        &self,
        what: &str,
        tree: &Fd,
        recursive: bool,
        ids: &Fd,
    ) -> Result<(), Error> {
        trees::map(tree.borrow(), recursive, ids).map_err(|fault| {
            Error::call(format!("mounts[{}]: map ids of {what}", self.index), fault)
        })
    }

    /// A new file system, detached: where nobody sees what is mounted on the way.
    pub(super) fn make_mapped(&self, place: &Place<'_>, ids: &Fd) -> Result<Fd, Error> {
        in_own_mounts(|| {
            let failed = |fault| self.failed(place, fault);
            // The same place, in the mount namespace of this thread.
            let own = Place::open(place.path)?;
            let at = own.root().map_err(failed)?;
            let (_layers, data) = self.map_layers(&at, ids)?;
            let tree = match self.create(&at, &data).map_err(failed)? {
                Some(tree) => tree,
                None => own
                    .root()
                    .and_then(|root| mount::clone_tree(root.borrow(), c"", false))
                    .map_err(failed)?,
            };
            if !self.is_overlay() {
                self.map(self.kind, &tree, false, ids)?;
            }
            Ok(tree)
        })
    }

    /// The options with id-mapped copies in the place of an overlay's layers. Before Linux 6.15 an overlay takes only what is
    /// mounted in the mount namespace of its maker: so the copies are, each on the one before, the first one at `at`.
    fn map_layers(&self, at: &Fd, ids: &Fd) -> Result<(Vec<Fd>, Vec<String>), Error> {
        let (mut copies, mut data) = (Vec::new(), Vec::new());
        for option in &self.options.data {
            let layers = match self.is_overlay() && option.starts_with("lowerdir=") {
                true => overlay::directories_of(option),
                false => Vec::new(),
            };
            let first = copies.len();
            for (_, layer) in &layers {
                let below = copies.last().unwrap_or(at).borrow();
                copies.push(self.map_layer(layer, below, ids)?);
            }
            data.push(overlay::by_descriptors(option, &layers, &copies[first..]));
        }
        Ok((copies, data))
    }

    fn map_layer(&self, layer: &str, below: BorrowedFd<'_>, ids: &Fd) -> Result<Fd, Error> {
        let failed = |fault| {
            let doing = format!("mounts[{}]: copy the layer {layer}", self.index);
            Error::call(doing, fault)
        };
        let path = c_string(layer).map_err(failed)?;
        let tree = mount::clone_tree(file::HERE, &path, false).map_err(failed)?;
        self.map(layer, &tree, false, ids)?;
        mount::attach(tree.borrow(), below).map_err(failed)?;
        Ok(tree)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn several_mappings_have_commas_between() {
        let maps = read(&["uidmap=0:1000:1,1:100000:65535", "gidmap=0:5:1"]);
        let maps = maps.unwrap().unwrap();
        assert_eq!(IdMaps::lines(&maps.uids), "0 1000 1\n1 100000 65535\n");
        assert_eq!(IdMaps::lines(&maps.gids), "0 5 1\n");
        assert_eq!(read(&[]), Ok(None));
        let last = read(&["gidmap=0:5:1", "uidmap=0:1:1", "gidmap=0:6:1"]);
        assert_eq!(last.unwrap().unwrap().gids[0].host_id, 6);
        for wrong in [
            "",
            "0",
            "0:1",
            "0:1:2:3",
            "0:1:x",
            "0:1:-1",
            "0:1:4294967296",
            "0:1:1,",
            "0:4294967295:2",
        ] {
            let users = format!("uidmap={wrong}");
            assert!(read(&[&users, "gidmap=0:1:1"]).is_err(), "{wrong}");
        }
    }
}
