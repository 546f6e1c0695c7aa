//! The signals that end a node.

use std::io;
use tokio::signal::unix::{SignalKind, signal};

/// Completes when the process gets SIGTERM or Ctrl-C. Signals are caught from the call on, not only
/// from the first poll: a signal right after the node is ready must not kill it.
pub fn stop_signal() -> io::Result<impl Future<Output = ()>> {
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    Ok(async move {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
    })
}
