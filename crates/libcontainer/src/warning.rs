//! What is worth saying, and stops nothing.

use std::fmt;
use std::sync::Arc;

/// Something about a container that is worth knowing, although what was asked for was done.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Warning {
    /// The container's id.
    pub container: String,
    /// The config field that it is about, such as `linux.resources.memory.kernel`; may be empty.
    pub config: String,
    /// What there is to say.
    pub text: String,
}

impl fmt::Display for Warning {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if !self.config.is_empty() {
            write!(f, "{}: ", self.config)?;
        }
        f.write_str(&self.text)
    }
}

/// Who gets them.
#[derive(Clone, Default)]
pub(crate) struct Warnings(Option<Arc<dyn Fn(Warning) + Send + Sync>>);

impl Warnings {
    pub(crate) fn to(taker: impl Fn(Warning) + Send + Sync + 'static) -> Warnings {
        Warnings(Some(Arc::new(taker)))
    }

    /// About a container as a whole.
    pub(crate) fn warn(&self, container: &str, text: impl fmt::Display) {
        self.warn_at(container, &"", text);
    }

    /// About a config field.
    pub(crate) fn warn_at(
        &self,
        container: &str,
        config: &dyn fmt::Display,
        text: impl fmt::Display,
    ) {
        if let Some(take) = &self.0 {
            take(Warning {
                container: container.to_owned(),
                config: config.to_string(),
                text: text.to_string(),
            });
        }
    }
}

impl fmt::Debug for Warnings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.0.is_some() { "taken" } else { "dropped" })
    }
}
