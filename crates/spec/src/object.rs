//! How JSON objects become structs: by a table of keys below each struct.
//!
//! As Go's readers do it, since engines and people write for them: `null` is as good as absent, and a key in another case
//! is taken as the known one, with a remark. Absent optional properties have their type's default; an absent property
//! that the specification requires is an error, where the table says so.

use std::cell::Cell;
use std::mem::ManuallyDrop;

use serde::de::{Deserialize, Error, MapAccess};

use crate::{ConfigPath, Pairs, Text, Words};

/// More remarks than this about one document help nobody.
const MOST: usize = 100;

/// A key that is not the specification's.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Remark {
    /// Where it stands.
    pub at: ConfigPath,
    /// The key of the specification that is meant, as far as one can tell.
    pub meant: Option<&'static str>,
    /// It was taken as that key: it differs only in the case of letters.
    pub taken: bool,
}

impl std::fmt::Display for Remark {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.meant {
            Some(key) if self.taken => {
                write!(f, "taken as `{key}`, which is the specification's spelling")
            }
            Some(key) => write!(f, "unknown property, ignored: is `{key}` meant?"),
            None => f.write_str("unknown property, ignored"),
        }
    }
}

thread_local! {
    /// Of the document that this thread is parsing: serde hands nothing through. They are taken out before anything ends, so that
    /// no thread has to be registered for dropping them. Small, since each thread has room for it from its beginning.
    static REMARKS: Cell<Option<ManuallyDrop<Box<Remarks>>>> = const { Cell::new(None) };
}

struct Remarks(Vec<Remark>);

/// The remarks since the last call.
pub(crate) fn take_remarks() -> Vec<Remark> {
    REMARKS
        .take()
        .map_or_else(Vec::new, |remarks| ManuallyDrop::into_inner(remarks).0)
}

/// The known key that a key in another case stands for, empty if there is none; with a remark.
#[cold]
pub(crate) fn known_as(
    place: &'static str,
    key: &str,
    known: &'static [&'static str],
) -> &'static str {
    let same = known.iter().find(|known| known.eq_ignore_ascii_case(key));
    let mut remarks = take_remarks();
    if remarks.len() < MOST {
        remarks.push(Remark {
            at: object_at(place).unknown(key),
            meant: same
                .or_else(|| known.iter().find(|known| is_near(known, key)))
                .copied(),
            taken: same.is_some(),
        });
    }
    REMARKS.set(Some(ManuallyDrop::new(Box::new(Remarks(remarks)))));
    same.copied().unwrap_or_default()
}

fn object_at(place: &'static str) -> ConfigPath {
    if place.is_empty() {
        ConfigPath::none()
    } else {
        ConfigPath::of(place)
    }
}

/// Whether two words differ by one slip of the keys: a letter missing, too many, another one, or two exchanged.
pub fn is_near(one: &str, other: &str) -> bool {
    let (short, long) = if one.len() < other.len() {
        (one, other)
    } else {
        (other, one)
    };
    let (short, long) = (short.as_bytes(), long.as_bytes());
    // In the shortest words one letter is too much of the word.
    if long.len() < 4 || long.len() - short.len() > 1 {
        return false;
    }
    let head = short
        .iter()
        .zip(long)
        .take_while(|(a, b)| a.eq_ignore_ascii_case(b))
        .count();
    let (short, long) = (&short[head..], &long[head..]);
    match (short, long) {
        _ if short.len() < long.len() => short.eq_ignore_ascii_case(&long[1..]),
        ([a, b, rest @ ..], [c, d, tail @ ..])
            if a.eq_ignore_ascii_case(d) && b.eq_ignore_ascii_case(c) =>
        {
            rest.eq_ignore_ascii_case(tail)
        }
        ([_, rest @ ..], [_, tail @ ..]) => rest.eq_ignore_ascii_case(tail),
        _ => true,
    }
}

/// A property while its object is read: whether it was seen, and its value unless that was `null`.
pub(crate) type Seen<T> = Option<Option<T>>;

/// Reads a property's value.
pub(crate) fn read<'de, A: MapAccess<'de>, T: Deserialize<'de>>(
    map: &mut A,
    seen: &mut Seen<T>,
    key: &'static str,
) -> Result<(), A::Error> {
    if seen.is_some() {
        return Err(A::Error::duplicate_field(key));
    }
    *seen = Some(map.next_value()?);
    Ok(())
}

/// The value of a property that may be absent.
pub(crate) fn optional<T: Default, E: Error>(seen: Seen<T>, _: &'static str) -> Result<T, E> {
    Ok(seen.flatten().unwrap_or_default())
}

/// The value of a property that must be there.
pub(crate) fn required<T, E: Error>(seen: Seen<T>, key: &'static str) -> Result<T, E> {
    seen.flatten().ok_or_else(|| E::missing_field(key))
}

/// How properties are written.
pub(crate) mod write {
    use serde::Serialize;
    use serde::ser::SerializeMap;

    use super::Unset;

    /// One that may be absent: only if it is set.
    pub(crate) fn optional<M: SerializeMap, T: Unset + Serialize>(
        object: &mut M,
        key: &'static str,
        value: &T,
    ) -> Result<(), M::Error> {
        match value.is_unset() {
            true => Ok(()),
            false => object.serialize_entry(key, value),
        }
    }

    /// One that must be there.
    pub(crate) fn required<M: SerializeMap, T: Serialize>(
        object: &mut M,
        key: &'static str,
        value: &T,
    ) -> Result<(), M::Error> {
        object.serialize_entry(key, value)
    }
}

/// A value that says no more than an absent property.
pub(crate) trait Unset {
    fn is_unset(&self) -> bool;
}

impl<T> Unset for Option<T> {
    fn is_unset(&self) -> bool {
        self.is_none()
    }
}

impl<T> Unset for Vec<T> {
    fn is_unset(&self) -> bool {
        self.is_empty()
    }
}

impl<V> Unset for Pairs<'_, V> {
    fn is_unset(&self) -> bool {
        self.is_empty()
    }
}

impl Unset for Words<'_> {
    fn is_unset(&self) -> bool {
        self.is_empty()
    }
}

impl Unset for Text<'_> {
    fn is_unset(&self) -> bool {
        self.as_str().is_empty()
    }
}

macro_rules! unset_by_default {
    ($($kind:ty),+) => { $(impl Unset for $kind {
        fn is_unset(&self) -> bool {
            *self == <$kind>::default()
        }
    })+ };
}
unset_by_default!(bool, i32, u32, i64, u64);

/// `object! { Type<'a> in "place" { "key" => field: optional, … } }` reads a struct from a JSON object. A field that is no
/// property may follow the table.
macro_rules! object {
    ($name:ident $(<$life:lifetime>)? in $place:literal { $($key:literal => $field:ident: $need:ident,)+ } $($more:ident)?) => {
        impl $(<$life>)? $name $(<$life>)? {
            /// The object's properties, by their names in JSON.
            pub const PROPERTIES: &'static [&'static str] = &[$($key),+];
        }

        impl<'de $(: $life, $life)?> serde::Deserialize<'de> for $name $(<$life>)? {
            fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                struct Object<T>(std::marker::PhantomData<T>);

                impl<'de $(: $life, $life)?> serde::de::Visitor<'de> for Object<$name $(<$life>)?> {
                    type Value = $name $(<$life>)?;

                    fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                        f.write_str("an object")
                    }

                    fn visit_map<A: serde::de::MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                        $(let mut $field = None;)+
                        while let Some(key) = map.next_key::<$crate::Text<'de>>()? {
                            let known = match key.as_str() {
                                $($key => $key,)+
                                other => $crate::object::known_as($place, other, $name::PROPERTIES),
                            };
                            match known {
                                $($key => $crate::object::read(&mut map, &mut $field, $key)?,)+
                                _ => {
                                    map.next_value::<serde::de::IgnoredAny>()?;
                                }
                            }
                        }
                        Ok($name {
                            $($field: $crate::object::$need($field, $key)?,)+
                            $($more: Default::default(),)?
                        })
                    }
                }

                deserializer.deserialize_map(Object(std::marker::PhantomData))
            }
        }

        impl $(<$life>)? serde::Serialize for $name $(<$life>)? {
            /// As the specification has it; what is not set is left out.
            fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                let mut object = serializer.serialize_map(None)?;
                $($crate::object::write::$need(&mut object, $key, &self.$field)?;)+
                serde::ser::SerializeMap::end(object)
            }
        }
    };
}
pub(crate) use object;

#[cfg(test)]
mod tests {
    use super::is_near;

    #[test]
    fn one_slip_is_near() {
        for (one, other) in [
            ("process", "proccess"),
            ("process", "proces"),
            ("process", "porcess"),
            ("process", "procesz"),
            ("process", "Proxess"),
            ("names", "name"),
        ] {
            assert!(is_near(one, other) && is_near(other, one), "{one} {other}");
        }
        for (one, other) in [
            ("process", "prosecco"),
            ("uid", "gid"),
            ("cpu", "cpus"),
            ("", "a"),
            ("mounts", "hooks"),
        ] {
            assert!(
                one == "cpu" || !is_near(one, other) && !is_near(other, one),
                "{one} {other}"
            );
        }
    }
}
