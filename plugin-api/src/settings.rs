//! The operator's settings of a plugin as a type.

use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::{Config, Failure};

/// The settings of a plugin that has none: any setting is an error.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NoSettings {}

impl Config {
    /// Reads the settings into `T`. `INVALID_INPUT`, naming `plugin`, if they do not match `T`.
    ///
    /// ```
    /// use vultus_plugin_api::{Config, NoSettings};
    ///
    /// assert!(Config::default().read_settings::<NoSettings>("brightness").is_ok());
    /// ```
    pub fn read_settings<T: DeserializeOwned>(&self, plugin: &str) -> Result<T, Failure> {
        serde_json::from_value(Value::Object(self.settings.clone())).map_err(|error| {
            Failure::invalid_input(format!("reading the settings of {plugin}: {error}"))
        })
    }
}
