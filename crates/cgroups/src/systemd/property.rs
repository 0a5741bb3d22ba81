//! Typed properties of units.

/// One property as `StartTransientUnit` and `SetUnitProperties` take it.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Property {
    pub(crate) name: String,
    pub(crate) value: Value,
    /// The same for v1 hosts, where systemd knows other names.
    pub(crate) v1: Option<Box<Property>>,
}

/// The types that properties of scopes have.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Value {
    Number(u64),
    Text(String),
    Bytes(Vec<u8>),
    /// Pairs of texts, `a(ss)`: device rules.
    Pairs(Vec<(String, String)>),
    /// Pairs of text and number, `a(st)`: limits by device.
    Limits(Vec<(String, u64)>),
}

impl Property {
    pub(crate) fn new(name: impl Into<String>, value: Value) -> Property {
        Property {
            name: name.into(),
            value,
            v1: None,
        }
    }

    pub(crate) fn number(name: &str, value: u64) -> Property {
        Property::new(name, Value::Number(value))
    }

    pub(crate) fn bytes(name: &str, value: Vec<u8>) -> Property {
        Property::new(name, Value::Bytes(value))
    }

    /// One for v2 hosts, and its counterpart for v1.
    pub(crate) fn either(v2: Property, v1: Property) -> Property {
        Property {
            v1: Some(Box::new(v1)),
            ..v2
        }
    }
}
