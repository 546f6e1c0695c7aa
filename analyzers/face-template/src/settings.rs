//! The operator's settings of this plugin.

use serde::Deserialize;
use vultus_plugin_api::{Config, Failure};
use vultus_vision::EmbeddingModel;

/// `[plugins.face-template]` of the configuration.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Settings {
    /// The embedding model: `sface` or `fr_feature`. Their templates are not comparable.
    pub(crate) model: EmbeddingModel,
    /// Number of frames of a track that are always embedded, at least 8. Of a longer set, an even
    /// subset is embedded, and every frame in which the face moved since the last embedded one. The
    /// default covers every frame of a set, because a frame that is not compared could show another
    /// person. Each frame less saves 15–21 ms.
    pub(crate) max_embedded: usize,
}

impl Default for Settings {
    fn default() -> Self {
        Self { model: EmbeddingModel::Sface, max_embedded: 24 }
    }
}

impl Settings {
    /// Reads and validates the settings. `INVALID_INPUT` for unknown keys and values out of range.
    pub(crate) fn read(config: &Config) -> Result<Self, Failure> {
        let settings: Self = config.read_settings("face-template")?;
        if settings.max_embedded < 8 {
            return Err(Failure::invalid_input("max_embedded of face-template must be at least 8"));
        }
        Ok(settings)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(json: &str) -> Result<Settings, Failure> {
        let settings = serde_json::from_str(json).unwrap();
        Settings::read(&Config { settings, ..Config::default() })
    }

    #[test]
    fn default_model_is_sface() {
        assert_eq!(read("{}").unwrap().model, EmbeddingModel::Sface);
        let chosen = read(r#"{"model":"fr_feature"}"#).unwrap();
        assert_eq!((chosen.model, chosen.max_embedded), (EmbeddingModel::FrFeature, 24));
    }

    #[test]
    fn unknown_settings_and_models_are_rejected() {
        assert!(read(r#"{"modell":"sface"}"#).is_err());
        assert!(read(r#"{"model":"arcface"}"#).is_err());
        assert!(read(r#"{"max_embedded":2}"#).is_err());
    }
}
