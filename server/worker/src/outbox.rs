//! Sends messages to the node. An error means that the node is gone, so the worker ends.

use std::os::fd::{AsFd, OwnedFd};

use vultus_worker_protocol::FromWorker;
use vultus_worker_protocol::channel::{Channel, ChannelError};
use vultus_worker_protocol::memfd;

/// Sends messages to the node.
#[derive(Debug)]
pub(crate) struct Outbox {
    channel: Channel,
}

impl Outbox {
    pub(crate) fn new(channel: Channel) -> Self {
        Self { channel }
    }

    /// Sends a message with descriptors, of which the node receives copies.
    pub(crate) fn send(
        &mut self,
        message: &FromWorker,
        descriptors: &[OwnedFd],
    ) -> Result<(), ChannelError> {
        let borrowed: Vec<_> = descriptors.iter().map(AsFd::as_fd).collect();
        self.channel.send(message, &borrowed)
    }
}

/// Seals bytes that are attached to a message.
pub(crate) fn seal(name: &'static str, bytes: &[u8]) -> Result<OwnedFd, ChannelError> {
    memfd::sealed(name, bytes)
        .map_err(|source| ChannelError::Socket { doing: "sealing bytes for the node", source })
}
