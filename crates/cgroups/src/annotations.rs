//! Properties of systemd's units that annotations ask for.

use spec::{ConfigPath, Words};

use crate::systemd::parse_property;
use crate::{SettingError, Settings};

const PREFIX: &str = "org.systemd.property.";

impl Settings {
    /// Adds the unit properties that `org.systemd.property.NAME` annotations ask for. Values are in GVariant's text
    /// form (`'text'`, `true`, `uint64 5`, `['a', 'b']`); times may be given in seconds under the name of the unit file
    /// (`TimeoutStopSec`). They matter only with the systemd driver.
    ///
    /// # Errors
    /// A name or a value that is not of that form.
    pub fn annotate(&mut self, annotations: &Words<'_>) -> Result<(), SettingError> {
        for (key, value) in annotations.iter() {
            let Some(name) = key.strip_prefix(PREFIX) else {
                continue;
            };
            let property = parse_property(name, value).map_err(|why| SettingError {
                at: ConfigPath::of("annotations").key(key),
                why,
            })?;
            self.properties.retain(|known| known.name != property.name);
            self.properties.push(property);
        }
        Ok(())
    }
}
