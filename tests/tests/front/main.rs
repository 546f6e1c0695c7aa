//! What strangers and clients can do to others at the edge of a node: connections, uploads, logins,
//! websockets whose rights change, clocks that jump.

mod clock;
mod connections;
mod credentials;
mod errors;
mod logins;
mod requests;
mod rights;
mod sessions;
mod storage;
mod uploads;

use std::net::{IpAddr, Ipv4Addr};
use std::time::Duration;
use tokio::io::AsyncReadExt;
use tokio::net::{TcpSocket, TcpStream};
use vultus_tests::Node;

/// An address of this machine that is not that of the honest clients.
const STRANGER: IpAddr = IpAddr::V4(Ipv4Addr::new(127, 0, 0, 2));

/// Opens a connection from an address of this machine.
async fn connect(node: &Node, from: IpAddr) -> TcpStream {
    let socket = TcpSocket::new_v4().expect("a socket can be made");
    socket.bind((from, 0).into()).expect("the address is local");
    let address = node.url.strip_prefix("http://").expect("a plain address");
    socket.connect(address.parse().expect("an address")).await.expect("the node listens")
}

/// Reads until the node closes the connection; returns what it sent.
async fn until_closed(stream: &mut TcpStream) -> String {
    let mut text = Vec::new();
    let read = tokio::time::timeout(vultus_tests::DEADLINE, stream.read_to_end(&mut text)).await;
    // A reset counts as closed.
    let _ = read.expect("the node closes the connection");
    String::from_utf8_lossy(&text).into_owned()
}

/// Reads what the node answers to a request that it refuses, or until it closes the connection.
async fn until_closed_or_answered(stream: &mut TcpStream) -> String {
    let mut answer = vec![0; 4096];
    let read = tokio::time::timeout(vultus_tests::DEADLINE, stream.read(&mut answer)).await;
    let read = read.expect("the node answers").unwrap_or(0);
    String::from_utf8_lossy(&answer[..read]).into_owned()
}

/// Whether nothing arrives on the connection for this long, and it stays open.
async fn stays_open(stream: &mut TcpStream, time: Duration) -> bool {
    let mut byte = [0];
    tokio::time::timeout(time, stream.read(&mut byte)).await.is_err()
}
