//! Framing over a socketpair: `[length: u32 little-endian][descriptors: u32 little-endian][JSON]`,
//! with the descriptors attached to the first byte (SCM_RIGHTS). Blocking: each end is used by a
//! dedicated thread.
//!
//! Both ends limit what they read. Descriptors that were not announced, or that arrive after the
//! first byte, are closed.

use std::io::{self, IoSlice, IoSliceMut, Read, Write};
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::time::Duration;

use rustix::net::{
    RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, ReturnFlags, SendAncillaryBuffer,
    SendAncillaryMessage, SendFlags,
};
use serde::Serialize;
use serde::de::DeserializeOwned;
use vultus_core::json::{JsonExcess, check_size};

/// Maximum size of the JSON of one message, in bytes.
pub const MAX_JSON_BYTES: usize = 8 * 1024 * 1024;

/// Maximum number of JSON values of one message. A parsed value takes up to 600 times the memory of
/// its text.
pub const MAX_JSON_VALUES: usize = 100_000;

/// Maximum nesting of the JSON of one message.
const MAX_JSON_DEPTH: usize = 100;

/// Maximum number of descriptors attached to one message.
pub const MAX_DESCRIPTORS: usize = 64;

const HEADER_BYTES: usize = 8;

/// Why a message could not be sent or received. After any of these errors the channel is unusable.
#[derive(Debug, thiserror::Error)]
pub enum ChannelError {
    /// The other end closed the channel.
    #[error("the other end closed the channel")]
    Closed,
    /// A message with more JSON than [`MAX_JSON_BYTES`].
    #[error("a message of {bytes} bytes exceeds the limit of {MAX_JSON_BYTES}")]
    TooLong {
        /// The announced length.
        bytes: usize,
    },
    /// A message with too many or too deeply nested values.
    #[error("the JSON of a message {0}")]
    TooManyValues(#[from] JsonExcess),
    /// A message with more descriptors than [`MAX_DESCRIPTORS`].
    #[error("a message with {count} descriptors exceeds the limit of {MAX_DESCRIPTORS}")]
    TooManyDescriptors {
        /// The announced number.
        count: usize,
    },
    /// The number of descriptors differs from the announced one.
    #[error("{announced} descriptors were announced, {received} were received")]
    DescriptorsDiffer {
        /// The number in the header.
        announced: usize,
        /// The number received.
        received: usize,
    },
    /// The JSON is not a valid message.
    #[error("the JSON is not a message of the protocol")]
    NotAMessage(#[source] serde_json::Error),
    /// The socket failed.
    #[error("{doing} failed")]
    Socket {
        /// The operation.
        doing: &'static str,
        /// Error of the operating system.
        #[source]
        source: io::Error,
    },
}

/// One end of a channel.
#[derive(Debug)]
pub struct Channel {
    socket: UnixStream,
}

impl Channel {
    /// Two connected ends, both closed on exec.
    pub fn pair() -> io::Result<(Self, Self)> {
        let (one, other) = UnixStream::pair()?;
        Ok((Self { socket: one }, Self { socket: other }))
    }

    /// The end for an inherited descriptor.
    pub fn from_descriptor(descriptor: OwnedFd) -> Self {
        Self { socket: UnixStream::from(descriptor) }
    }

    /// The descriptor, to pass it to a child process.
    pub fn into_descriptor(self) -> OwnedFd {
        OwnedFd::from(self.socket)
    }

    /// A second handle on the same end, so that one thread sends while another receives.
    pub fn try_clone(&self) -> io::Result<Self> {
        Ok(Self { socket: self.socket.try_clone()? })
    }

    /// Sets the time after which sending fails if the other end does not read.
    pub fn set_send_timeout(&self, timeout: Duration) -> io::Result<()> {
        self.socket.set_write_timeout(Some(timeout))
    }

    /// Shuts down both directions for all handles; the other end reads the end of the stream.
    pub fn close(&self) {
        // The other end may have closed it already; then nothing is left to do.
        let _ = self.socket.shutdown(std::net::Shutdown::Both);
    }

    /// Sends one message with descriptors, of which the other end receives copies.
    pub fn send<T: Serialize>(
        &mut self,
        message: &T,
        descriptors: &[BorrowedFd<'_>],
    ) -> Result<(), ChannelError> {
        if descriptors.len() > MAX_DESCRIPTORS {
            return Err(ChannelError::TooManyDescriptors { count: descriptors.len() });
        }
        let mut frame = vec![0; HEADER_BYTES];
        serde_json::to_writer(&mut frame, message).map_err(ChannelError::NotAMessage)?;
        let length = frame.len() - HEADER_BYTES;
        if length > MAX_JSON_BYTES {
            return Err(ChannelError::TooLong { bytes: length });
        }
        frame[..4].copy_from_slice(&(length as u32).to_le_bytes());
        frame[4..HEADER_BYTES].copy_from_slice(&(descriptors.len() as u32).to_le_bytes());
        let sent = self.send_first(&frame, descriptors)?;
        self.socket
            .write_all(&frame[sent..])
            .map_err(|source| socket_error("sending a message", source))
    }

    fn send_first(
        &self,
        frame: &[u8],
        descriptors: &[BorrowedFd<'_>],
    ) -> Result<usize, ChannelError> {
        let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(MAX_DESCRIPTORS))];
        let mut control = SendAncillaryBuffer::new(&mut space);
        if !descriptors.is_empty() && !control.push(SendAncillaryMessage::ScmRights(descriptors)) {
            return Err(ChannelError::TooManyDescriptors { count: descriptors.len() });
        }
        rustix::io::retry_on_intr(|| {
            rustix::net::sendmsg(
                self.socket.as_fd(),
                &[IoSlice::new(frame)],
                &mut control,
                SendFlags::NOSIGNAL,
            )
        })
        .map_err(|errno| socket_error("sending a message", errno.into()))
    }

    /// Waits for one message with its descriptors. Descriptors are closed on exec.
    pub fn receive<T: DeserializeOwned>(&mut self) -> Result<(T, Vec<OwnedFd>), ChannelError> {
        let mut header = [0; HEADER_BYTES];
        let mut descriptors = Vec::new();
        let first = self.receive_first(&mut header, &mut descriptors)?;
        self.read_exactly(&mut header[first..])?;
        let length = u32::from_le_bytes([header[0], header[1], header[2], header[3]]) as usize;
        let announced = u32::from_le_bytes([header[4], header[5], header[6], header[7]]) as usize;
        if length > MAX_JSON_BYTES {
            return Err(ChannelError::TooLong { bytes: length });
        }
        if announced > MAX_DESCRIPTORS {
            return Err(ChannelError::TooManyDescriptors { count: announced });
        }
        if announced != descriptors.len() {
            return Err(ChannelError::DescriptorsDiffer { announced, received: descriptors.len() });
        }
        let mut json = vec![0; length];
        self.read_exactly(&mut json)?;
        check_size(&json, MAX_JSON_VALUES, MAX_JSON_DEPTH)?;
        let message = serde_json::from_slice(&json).map_err(ChannelError::NotAMessage)?;
        Ok((message, descriptors))
    }

    /// Reads the start of a header with the attached descriptors. Never reads past the header.
    fn receive_first(
        &self,
        header: &mut [u8],
        descriptors: &mut Vec<OwnedFd>,
    ) -> Result<usize, ChannelError> {
        let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(MAX_DESCRIPTORS))];
        let mut control = RecvAncillaryBuffer::new(&mut space);
        let received = rustix::io::retry_on_intr(|| {
            rustix::net::recvmsg(
                self.socket.as_fd(),
                &mut [IoSliceMut::new(header)],
                &mut control,
                RecvFlags::CMSG_CLOEXEC,
            )
        })
        .map_err(|errno| socket_error("receiving a message", errno.into()))?;
        for message in control.drain() {
            if let RecvAncillaryMessage::ScmRights(rights) = message {
                descriptors.extend(rights);
            }
        }
        if received.bytes == 0 {
            return Err(ChannelError::Closed);
        }
        if received.flags.contains(ReturnFlags::CTRUNC) {
            return Err(ChannelError::TooManyDescriptors { count: MAX_DESCRIPTORS + 1 });
        }
        Ok(received.bytes)
    }

    fn read_exactly(&mut self, bytes: &mut [u8]) -> Result<(), ChannelError> {
        self.socket.read_exact(bytes).map_err(|source| socket_error("receiving a message", source))
    }
}

fn socket_error(doing: &'static str, source: io::Error) -> ChannelError {
    match source.kind() {
        io::ErrorKind::UnexpectedEof
        | io::ErrorKind::BrokenPipe
        | io::ErrorKind::ConnectionReset => ChannelError::Closed,
        _ => ChannelError::Socket { doing, source },
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{FromWorker, ToWorker};
    use std::fs::File;
    use std::io::Seek;

    fn cancel(run: &str) -> ToWorker {
        ToWorker::Cancel { run: run.to_owned(), analysis: None }
    }

    #[test]
    fn messages_arrive_in_order_with_their_own_descriptors() {
        let (mut near, mut far) = Channel::pair().unwrap();
        let mut one = tempfile::tempfile().unwrap();
        one.write_all(b"one").unwrap();
        one.rewind().unwrap();
        near.send(&cancel("first"), &[one.as_fd()]).unwrap();
        near.send(&cancel("second"), &[]).unwrap();
        let (message, mut descriptors): (ToWorker, _) = far.receive().unwrap();
        assert!(matches!(message, ToWorker::Cancel { run, .. } if run == "first"));
        let mut text = String::new();
        File::from(descriptors.remove(0)).read_to_string(&mut text).unwrap();
        assert_eq!(text, "one");
        let (message, descriptors): (ToWorker, _) = far.receive().unwrap();
        assert!(
            matches!(message, ToWorker::Cancel { run, .. } if run == "second")
                && descriptors.is_empty()
        );
        drop(near);
        assert!(matches!(far.receive::<ToWorker>(), Err(ChannelError::Closed)));
    }

    #[test]
    fn message_longer_than_the_socket_buffer_arrives_whole() {
        let (mut near, mut far) = Channel::pair().unwrap();
        let text = "x".repeat(3_000_000);
        let sender = std::thread::spawn(move || near.send(&cancel(&text), &[]).unwrap());
        let (message, _): (ToWorker, _) = far.receive().unwrap();
        sender.join().unwrap();
        assert!(matches!(message, ToWorker::Cancel { run, .. } if run.len() == 3_000_000));
    }

    #[test]
    fn oversized_length_is_refused_before_reading() {
        let (mut near, mut far) = Channel::pair().unwrap();
        near.socket.write_all(&[0xff, 0xff, 0xff, 0x7f, 0, 0, 0, 0]).unwrap();
        assert!(matches!(
            far.receive::<FromWorker>(),
            Err(ChannelError::TooLong { bytes: 0x7fff_ffff })
        ));
    }

    #[test]
    fn message_with_too_many_values_is_refused_before_parsing() {
        let (mut near, mut far) = Channel::pair().unwrap();
        let sender = std::thread::spawn(move || {
            near.send(&vec![0; MAX_JSON_VALUES - 1], &[]).unwrap();
            near.send(&vec![0; MAX_JSON_VALUES], &[]).unwrap();
        });
        let fits = far.receive::<Vec<u8>>().unwrap().0.len();
        assert_eq!(fits, MAX_JSON_VALUES - 1);
        assert!(matches!(far.receive::<Vec<u8>>(), Err(ChannelError::TooManyValues(_))));
        sender.join().unwrap();
    }

    #[test]
    fn missing_descriptors_are_detected() {
        let (mut near, mut far) = Channel::pair().unwrap();
        near.socket.write_all(&[2, 0, 0, 0, 3, 0, 0, 0, b'{', b'}']).unwrap();
        let refused = far.receive::<FromWorker>();
        assert!(matches!(
            refused,
            Err(ChannelError::DescriptorsDiffer { announced: 3, received: 0 })
        ));
    }

    #[test]
    fn json_that_is_not_a_message_is_refused() {
        let (mut near, mut far) = Channel::pair().unwrap();
        near.send(&serde_json::json!({"message": "launch"}), &[]).unwrap();
        assert!(matches!(far.receive::<FromWorker>(), Err(ChannelError::NotAMessage(_))));
    }
}
