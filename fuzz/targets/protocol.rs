//! Messages between the node and its workers, in both directions.
#![no_main]

use std::io::Write;
use std::os::unix::net::UnixStream;

use vultus_worker_protocol::channel::Channel;
use vultus_worker_protocol::{FromWorker, ToWorker};

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    // What fits the socket's buffer is written without a reader.
    let bytes = &bytes[..bytes.len().min(64 << 10)];
    let (Ok((mut one, other)), Ok((mut back, answer))) = (UnixStream::pair(), UnixStream::pair())
    else {
        return;
    };
    if one.write_all(bytes).and_then(|()| back.write_all(bytes)).is_err() {
        return;
    }
    drop((one, back));
    let mut channel = Channel::from_descriptor(other.into());
    while channel.receive::<FromWorker>().is_ok() {}
    let mut channel = Channel::from_descriptor(answer.into());
    while channel.receive::<ToWorker>().is_ok() {}
});
