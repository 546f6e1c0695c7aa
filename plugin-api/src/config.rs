//! The configuration of an instance.

/// Configuration of an instance: paths, and the operator's settings for this plugin.
///
/// ```
/// use vultus_plugin_api::{Config, Failure};
///
/// fn model_path(config: &Config) -> Result<std::path::PathBuf, Failure> {
///     let folder = config.weights_dir.as_ref();
///     let folder = folder.ok_or_else(|| Failure::unavailable("weights_dir is not configured"))?;
///     Ok(std::path::Path::new(folder).join("smile.onnx"))
/// }
/// assert!(model_path(&Config::default()).is_err());
/// ```
#[derive(Debug, Clone, serde::Deserialize, serde::Serialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// Absolute path of the ONNX Runtime shared library, if the operator configured one.
    pub onnxruntime: Option<String>,
    /// Absolute path of the folder that holds the weight files named in the manifest.
    pub weights_dir: Option<String>,
    /// Threads that one inference may use (at least 1).
    #[serde(default = "one")]
    pub threads: u32,
    /// The operator's settings for this plugin: any JSON object, checked by the plugin itself.
    #[serde(default)]
    pub settings: serde_json::Map<String, serde_json::Value>,
}

fn one() -> u32 {
    1
}

impl Default for Config {
    /// No models, one thread, no settings.
    fn default() -> Self {
        Self {
            onnxruntime: None,
            weights_dir: None,
            threads: one(),
            settings: serde_json::Map::new(),
        }
    }
}
