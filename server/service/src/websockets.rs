//! Open websockets: their number, in fair shares, and their sessions.

use crate::session_watch::{SessionWatch, WatchedSession};
use crate::types::Authenticated;
use std::time::Duration;
use vultus_core::fair::{FairPermit, FairPermits, Shares, Tenant};
use vultus_core::{Error, Result};

/// Time after which a client should retry when too many websockets are open.
const RETRY_AFTER: Duration = Duration::from_secs(5);

/// The part that counts and watches websockets.
pub(crate) struct Websockets {
    pub(crate) sessions: SessionWatch,
    pub(crate) permits: FairPermits<Tenant>,
    pub(crate) shares: Shares,
}

/// An open websocket, until it is dropped.
pub struct OpenWebsocket {
    session: WatchedSession,
    _permit: FairPermit<Tenant>,
}

impl OpenWebsocket {
    /// Its session.
    pub fn session(&self) -> &WatchedSession {
        &self.session
    }
}

impl Websockets {
    pub(crate) fn open(&self, of: &Authenticated) -> Result<OpenWebsocket> {
        let permit = self.permits.try_acquire_for((&of.principal).into(), self.shares);
        let permit = permit.map_err(|_| Error::Unavailable {
            message: "too many websockets are open, or too many of yours; try again".to_owned(),
            retry_after: RETRY_AFTER,
        })?;
        let session = self.sessions.watch(of);
        let session = session.ok_or_else(|| Error::broken("a token has no session"))?;
        Ok(OpenWebsocket { session, _permit: permit })
    }
}
