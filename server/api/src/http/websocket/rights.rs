//! The rights of one socket: those of its opening, as long as nobody changes them. Each operation
//! asks before it begins, and before each of its results is sent.

use std::sync::Arc;

use vultus_core::{Error, Principal};
use vultus_service::{OpenWebsocket, Services, Standing};

use super::protocol::Closing;

#[derive(Clone)]
pub(super) struct Rights(Arc<Inner>);

struct Inner {
    services: Services,
    socket: OpenWebsocket,
    token: String,
}

impl Rights {
    pub(super) fn new(services: Services, socket: OpenWebsocket, token: String) -> Self {
        Self(Arc::new(Inner { services, socket, token }))
    }

    /// The principal at the opening.
    pub(super) fn principal(&self) -> Principal {
        self.0.socket.session().principal()
    }

    /// Completes when the rights are no longer those of the opening.
    pub(super) async fn changed(&self) {
        self.0.socket.session().changed().await;
    }

    /// Whether the rights are still those of the opening, as of less than a second ago.
    pub(super) async fn check(&self) -> Result<(), Closing> {
        match self.0.socket.session().standing() {
            Standing::Unchanged => Ok(()),
            Standing::Changed => Err(Closing::FORBIDDEN),
            Standing::Unknown => match self.0.services.authenticate(&self.0.token).await {
                Ok(now) if now.principal == self.principal() => Ok(()),
                Ok(_) => Err(Closing::FORBIDDEN),
                Err(error) => Err(closing_of(&error)),
            },
        }
    }
}

/// The close code for a token that could not be verified.
pub(super) fn closing_of(error: &Error) -> Closing {
    match error {
        Error::Unavailable { .. } => Closing::TRY_AGAIN,
        _ => Closing::FORBIDDEN,
    }
}
