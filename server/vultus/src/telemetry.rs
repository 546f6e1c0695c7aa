//! Logs: fixed text with fields, as text for people or JSON for machines. Never images, templates,
//! tokens or e-mail addresses, at any level.
//!
//! Libraries log headers, frames and documents at the levels below `info`. The logs of other crates
//! are therefore capped at `info`, whatever `log.level` says.

use crate::config::{LogConfig, LogFormat};
use tracing::{Level, Metadata};
use tracing_subscriber::EnvFilter;
use tracing_subscriber::filter::filter_fn;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;

/// Sends the logs of this process to standard error. A second call changes nothing.
pub fn start(config: &LogConfig) {
    let filter = EnvFilter::builder().parse_lossy(&config.level);
    let registry = tracing_subscriber::registry().with(filter).with(filter_fn(is_safe));
    let layer = tracing_subscriber::fmt::layer().with_writer(std::io::stderr);
    // A second subscriber in one process (a test that starts two nodes) is refused by tracing; the
    // first one stays.
    let _already_started = match config.format {
        LogFormat::Text => registry.with(layer).try_init().is_err(),
        LogFormat::Json => registry.with(layer.json().flatten_event(true)).try_init().is_err(),
    };
}

/// Whether an event or a span is from this workspace, or of a level at which libraries log no
/// content.
fn is_safe(metadata: &Metadata<'_>) -> bool {
    *metadata.level() <= Level::INFO || is_ours(metadata.target())
}

fn is_ours(target: &str) -> bool {
    let rest = target.strip_prefix("vultus");
    rest.is_some_and(|rest| rest.is_empty() || rest.starts_with("::") || rest.starts_with('_'))
}

#[cfg(test)]
mod tests {
    use super::is_ours;

    #[test]
    fn only_targets_of_this_workspace_are_ours() {
        for ours in ["vultus", "vultus::app", "vultus_api::http"] {
            assert!(is_ours(ours), "{ours}");
        }
        for foreign in ["hyper", "tungstenite::protocol", "log", "vultusx", ""] {
            assert!(!is_ours(foreign), "{foreign}");
        }
    }
}
