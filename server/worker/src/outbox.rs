//! Sends messages to the node. An error means that the node is gone, so the worker ends.

use std::fs::File;
use std::io::Write;
use std::os::fd::{AsFd, OwnedFd};
use std::path::Path;

use rustix::fs::{Mode, OFlags};
use vultus_worker_protocol::FromWorker;
use vultus_worker_protocol::channel::{Channel, ChannelError};
use vultus_worker_protocol::memfd;

/// Sends messages to the node.
#[derive(Debug)]
pub(crate) struct Outbox {
    channel: Channel,
    /// The temporary folder, which holds attachments.
    scratch: Option<&'static Path>,
}

impl Outbox {
    pub(crate) fn new(channel: Channel) -> Self {
        Self { channel, scratch: None }
    }

    /// Keeps attachments in files of this folder from now on: its limit bounds their memory.
    pub(crate) fn attach_in(&mut self, scratch: Option<&'static Path>) {
        self.scratch = scratch;
    }

    /// Bytes that are attached to a message.
    pub(crate) fn attachment(
        &self,
        name: &'static str,
        bytes: &[u8],
    ) -> Result<OwnedFd, ChannelError> {
        match self.scratch {
            Some(scratch) => in_file(scratch, bytes).map_err(|source| ChannelError::Socket {
                doing: "writing bytes for the node into the temporary folder",
                source,
            }),
            None => seal(name, bytes),
        }
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

/// Bytes in a file that has no name.
fn in_file(folder: &Path, bytes: &[u8]) -> std::io::Result<OwnedFd> {
    let flags = OFlags::TMPFILE | OFlags::RDWR | OFlags::EXCL | OFlags::CLOEXEC;
    let mut file = File::from(rustix::fs::open(folder, flags, Mode::RUSR | Mode::WUSR)?);
    file.write_all(bytes)?;
    Ok(file.into())
}

/// Seals bytes that are attached to a message.
pub(crate) fn seal(name: &'static str, bytes: &[u8]) -> Result<OwnedFd, ChannelError> {
    memfd::sealed(name, bytes)
        .map_err(|source| ChannelError::Socket { doing: "sealing bytes for the node", source })
}
