//! Logs: fixed text with fields, as text for people or JSON for machines. Never images, templates,
//! tokens or e-mail addresses.

use crate::config::{LogConfig, LogFormat};
use tracing_subscriber::EnvFilter;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;

/// Sends the logs of this process to standard error. A second call changes nothing.
pub fn start(config: &LogConfig) {
    let filter = EnvFilter::builder().parse_lossy(&config.level);
    let registry = tracing_subscriber::registry().with(filter);
    let layer = tracing_subscriber::fmt::layer().with_writer(std::io::stderr);
    // A second subscriber in one process (a test that starts two nodes) is refused by tracing; the
    // first one stays.
    let _already_started = match config.format {
        LogFormat::Text => registry.with(layer).try_init().is_err(),
        LogFormat::Json => registry.with(layer.json().flatten_event(true)).try_init().is_err(),
    };
}
