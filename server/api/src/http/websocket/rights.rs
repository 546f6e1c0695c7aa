//! The rights of one socket: those of its opening, until they are changed. Each operation
//! asks before it begins, and before each of its results is sent.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::{Instant, sleep};
use vultus_core::{Error, Principal};
use vultus_service::{OpenWebsocket, Services, Standing};

use super::protocol::Closing;

/// Time for the store to answer before the socket is closed.
const PATIENCE: Duration = Duration::from_secs(12);
/// Pause between two questions.
const PAUSE: Duration = Duration::from_millis(300);

#[derive(Clone)]
pub(in crate::http) struct Rights(Arc<Inner>);

struct Inner {
    services: Services,
    socket: OpenWebsocket,
    token: String,
}

impl Rights {
    pub(in crate::http) fn new(services: Services, socket: OpenWebsocket, token: String) -> Self {
        Self(Arc::new(Inner { services, socket, token }))
    }

    /// The principal at the opening.
    pub(in crate::http) fn principal(&self) -> &Principal {
        self.0.socket.session().principal()
    }

    /// Completes when the rights are no longer those of the opening.
    pub(in crate::http) async fn changed(&self) {
        self.0.socket.session().changed().await;
    }

    /// Whether the rights are still those of the opening, as of less than a second ago. Waits while
    /// the store does not answer: nothing could be read or changed either.
    pub(in crate::http) async fn check(&self) -> Result<(), Closing> {
        let begun = Instant::now();
        loop {
            match self.0.socket.session().standing() {
                Standing::Unchanged => return Ok(()),
                Standing::Changed => return Err(Closing::FORBIDDEN),
                Standing::Unknown => {}
            }
            match self.0.services.authenticate(&self.0.token).await {
                Ok(now) if now.principal == *self.principal() => return Ok(()),
                Ok(_) => return Err(Closing::FORBIDDEN),
                Err(Error::Unavailable { .. }) if begun.elapsed() < PATIENCE => sleep(PAUSE).await,
                Err(error) => return Err(closing_of(&error)),
            }
        }
    }
}

/// The close code for a token that could not be verified.
pub(super) fn closing_of(error: &Error) -> Closing {
    match error {
        Error::Unavailable { .. } => Closing::TRY_AGAIN,
        Error::Internal { .. } => Closing::INTERNAL,
        _ => Closing::FORBIDDEN,
    }
}
