//! Names as paths and back. Invariant: the paths of one kind sort as their names do; what is not a name is no one's.

use klamm_model::{Epoch, Slot};
use klamm_store::{Key, Name};
use object_store::path::Path;

/// The folder of all entries.
pub(crate) fn entries(prefix: &Path) -> Path {
    prefix.clone().join("entry")
}

/// The folder of a key-epoch's entries.
pub(crate) fn epoch(prefix: &Path, epoch: Epoch) -> Path {
    entries(prefix).join(format!("{:08x}", epoch.0))
}

/// The folder of all head markers.
pub(crate) fn heads(prefix: &Path) -> Path {
    prefix.clone().join("head")
}

/// Where a name's object is.
pub(crate) fn path(prefix: &Path, name: Name) -> Path {
    match name {
        Name::Entry(key) => epoch(prefix, key.epoch).join(format!("{:016x}", key.slot.0)),
        Name::Head(slot) => heads(prefix).join(format!("{:016x}", slot.0)),
    }
}

/// The name of an object; None if it is not one of this prefix.
pub(crate) fn name(prefix: &Path, path_of: &Path) -> Option<Name> {
    let parts: Vec<_> = path_of.prefix_match(prefix)?.collect();
    let parts: Vec<&str> = parts.iter().map(AsRef::as_ref).collect();
    let name = match parts[..] {
        ["entry", epoch, slot] => {
            let epoch = Epoch(u32::from_str_radix(epoch, 16).ok()?);
            Name::Entry(Key { epoch, slot: Slot(u64::from_str_radix(slot, 16).ok()?) })
        }
        ["head", slot] => Name::Head(Slot(u64::from_str_radix(slot, 16).ok()?)),
        _ => return None,
    };
    // Only the spelling that `path` writes is a name.
    (path(prefix, name) == *path_of).then_some(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn round_trip_in_order() {
        let prefix = Path::from("cluster/shard-7");
        let key = |epoch, slot| Name::Entry(Key { epoch: Epoch(epoch), slot: Slot(slot) });
        let names = [
            key(0, 0),
            key(0, 0x1f),
            key(0, 0x100),
            key(1, 2),
            key(0xffff_ffff, u64::MAX),
            Name::Head(Slot(9)),
            Name::Head(Slot(10)),
        ];
        let paths = names.map(|name| path(&prefix, name));
        assert_eq!(paths[1].as_ref(), "cluster/shard-7/entry/00000000/000000000000001f");
        assert!(paths.is_sorted());
        assert_eq!(paths.map(|path| name(&prefix, &path)), names.map(Some));
    }

    #[test]
    fn others_are_no_names() {
        let prefix = Path::from("p");
        for other in [
            "p/entry/1/2",
            "p/entry/00000001/000000000000000G",
            "p/entry/00000001/000000000000000A",
            "p/entry/00000001/+00000000000000a",
            "p/head/00000000000000001",
            "p/head",
            "p/entry/00000001/0000000000000001/x",
            "q/head/0000000000000001",
        ] {
            assert_eq!(name(&prefix, &Path::from(other)), None, "{other}");
        }
    }
}
