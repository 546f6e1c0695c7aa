//! The operator's settings for this plugin.

use serde::Deserialize;
use vultus_plugin_api::{Config, Failure};
use vultus_vision::EmbeddingModel;

/// `[plugins.face-template]` of the configuration.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Settings {
    /// The embedding model: `sface` or `fr_feature`. Stored templates of one are useless to the
    /// other.
    pub(crate) model: EmbeddingModel,
    /// Frames of a track that are embedded whatever happens, at least 8. Of a longer set an even
    /// subset is taken, and every frame in which the face is not where it was at the last embedded
    /// one. The default is every frame of a set: a frame that is not
    /// compared could show another person. Fewer save 15–21 ms each.
    pub(crate) max_embedded: usize,
}

impl Default for Settings {
    fn default() -> Self {
        Self { model: EmbeddingModel::Sface, max_embedded: 24 }
    }
}

impl Settings {
    /// Reads and checks what the operator wrote.
    pub(crate) fn read(config: &Config) -> Result<Self, Failure> {
        let settings = serde_json::Value::Object(config.settings.clone());
        let settings: Self = serde_json::from_value(settings).map_err(|e| {
            Failure::invalid_input(format!("reading face-template's settings: {e}"))
        })?;
        if settings.max_embedded < 8 {
            return Err(Failure::invalid_input("face-template's max_embedded is less than 8"));
        }
        Ok(settings)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(json: &str) -> Result<Settings, Failure> {
        let settings = serde_json::from_str(json).unwrap();
        Settings::read(&Config { onnxruntime: None, weights_dir: None, threads: 1, settings })
    }

    #[test]
    fn sface_is_the_default_and_fr_feature_can_be_chosen() {
        assert_eq!(read("{}").unwrap().model, EmbeddingModel::Sface);
        let chosen = read(r#"{"model":"fr_feature"}"#).unwrap();
        assert_eq!((chosen.model, chosen.max_embedded), (EmbeddingModel::FrFeature, 24));
    }

    #[test]
    fn unknown_settings_and_models_are_refused() {
        assert!(read(r#"{"modell":"sface"}"#).is_err());
        assert!(read(r#"{"model":"arcface"}"#).is_err());
        assert!(read(r#"{"max_embedded":2}"#).is_err());
    }
}
