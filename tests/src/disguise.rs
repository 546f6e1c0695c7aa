//! Proxy in front of a MongoDB server that replaces bytes in the server's answers, such as its
//! version. Replacements keep the length.

use crate::ReplicaSet;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

/// Bytes of an answer, and their replacement.
type Change = (Vec<u8>, Vec<u8>);

/// Proxy of the first member of a set. It ends with the async runtime of the test.
#[derive(Debug)]
pub struct Disguise {
    port: u16,
    uri: String,
}

impl Disguise {
    /// Starts the proxy. Each change is a pair of byte strings of equal length: found, replacement.
    pub async fn put_on(set: &ReplicaSet, changes: &[(&[u8], &[u8])]) -> Self {
        let uri = set.uri("");
        let address = uri
            .trim_start_matches("mongodb://")
            .split('/')
            .next()
            .expect("the URI has a host")
            .to_owned();
        let (_, real) = address.rsplit_once(':').expect("the host has a port");
        let listener = loop {
            let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port is free");
            if listener.local_addr().expect("the listener is bound").port().to_string().len()
                == real.len()
            {
                break listener;
            }
        };
        let port = listener.local_addr().expect("the listener is bound").port();
        let mut all: Vec<Change> =
            changes.iter().map(|(from, to)| (from.to_vec(), to.to_vec())).collect();
        // The driver connects to the addresses that the replica set reports.
        all.push((address.clone().into_bytes(), format!("127.0.0.1:{port}").into_bytes()));
        assert!(
            all.iter().all(|(from, to)| from.len() == to.len()),
            "a replacement has the length of what it replaces"
        );
        let disguised = uri.replace(real, &port.to_string());
        tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                tokio::spawn(pass_on(client, address.clone(), all.clone()));
            }
        });
        Self { port, uri: disguised }
    }

    /// URI of a database behind the proxy.
    pub fn uri(&self, database: &str) -> String {
        self.uri.replace(&format!("{}/", self.port), &format!("{}/{database}", self.port))
    }
}

async fn pass_on(client: TcpStream, server: String, changes: Vec<Change>) {
    let Ok(server) = TcpStream::connect(server).await else { return };
    let (mut from_client, mut to_client) = client.into_split();
    let (mut from_server, mut to_server) = server.into_split();
    let questions =
        tokio::spawn(async move { tokio::io::copy(&mut from_client, &mut to_server).await });
    let answers = async {
        loop {
            // A message of the wire protocol starts with its length.
            let length = from_server.read_i32_le().await?;
            let mut message = vec![0; usize::try_from(length).unwrap_or_default()];
            message[..4].copy_from_slice(&length.to_le_bytes());
            from_server.read_exact(&mut message[4..]).await?;
            for (from, to) in &changes {
                while let Some(at) = message.windows(from.len()).position(|window| window == from) {
                    message[at..at + to.len()].copy_from_slice(to);
                }
            }
            to_client.write_all(&message).await?;
        }
    };
    // An error ends the connection, which the client notices.
    let _: std::io::Result<()> = answers.await;
    questions.abort();
}
