//! Client of the graphql-transport-ws protocol.

use crate::process::DEADLINE;
use futures::{SinkExt, StreamExt};
use serde_json::{Value, json};
use tokio::net::TcpStream;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::tungstenite::handshake::client::Request;
use tokio_tungstenite::tungstenite::{Error as WsError, Message};
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream};

/// An open websocket.
#[derive(Debug)]
pub struct Socket(WebSocketStream<MaybeTlsStream<TcpStream>>);

impl Socket {
    /// Opens a websocket without sending `connection_init`.
    pub async fn raw(url: &str) -> Self {
        let (stream, _) = tokio_tungstenite::connect_async(request(url))
            .await
            .expect("the server accepts the websocket");
        Self(stream)
    }

    /// Opens a socket whose system keeps little of what the client does not read.
    async fn raw_with_small_buffer(url: &str) -> Result<Self, WsError> {
        let host = url.strip_prefix("http://").expect("a plain address");
        let connection = tokio::net::TcpSocket::new_v4().expect("a connection can be made");
        connection.set_recv_buffer_size(16 << 10).expect("the size can be set");
        let address = host.parse().expect("an address with a port");
        let connection = connection.connect(address).await?;
        let connection = MaybeTlsStream::Plain(connection);
        let (stream, _) = tokio_tungstenite::client_async(request(url), connection).await?;
        Ok(Self(stream))
    }

    /// As [`Socket::open_with_small_buffer`]; an error is the close code.
    pub(crate) async fn try_open_with_small_buffer(
        url: &str,
        token: Option<&str>,
    ) -> Result<Self, u16> {
        let mut socket = Self::raw_with_small_buffer(url).await.map_err(|_| 1006_u16)?;
        let payload =
            token.map_or(json!({}), |token| json!({"Authorization": format!("Bearer {token}")}));
        let init = json!({"type": "connection_init", "payload": payload}).to_string();
        socket.0.send(Message::text(init)).await.map_err(|_| 1006_u16)?;
        socket.next_or_close().await?;
        Ok(socket)
    }

    pub(crate) async fn open(url: &str, token: Option<&str>) -> Self {
        Self::raw(url).await.begun(token).await
    }

    pub(crate) async fn open_with_small_buffer(url: &str, token: Option<&str>) -> Self {
        let socket = Self::raw_with_small_buffer(url).await;
        socket.expect("the server accepts the websocket").begun(token).await
    }

    async fn begun(self, token: Option<&str>) -> Self {
        let mut socket = self;
        let payload =
            token.map_or(json!({}), |token| json!({"Authorization": format!("Bearer {token}")}));
        socket.send(json!({"type": "connection_init", "payload": payload})).await;
        assert_eq!(socket.next().await["type"], "connection_ack");
        socket
    }

    /// Sends a message.
    pub async fn send(&mut self, message: Value) {
        self.0.send(Message::text(message.to_string())).await.expect("the socket is open");
    }

    /// Starts a subscription with this id.
    pub async fn subscribe(&mut self, id: &str, query: &str, variables: Value) {
        let payload = json!({"query": query, "variables": variables});
        self.send(json!({"id": id, "type": "subscribe", "payload": payload})).await;
    }

    /// Starts an operation on a socket that may be closed already.
    pub async fn try_subscribe(
        &mut self,
        id: &str,
        query: &str,
        variables: Value,
    ) -> Result<(), WsError> {
        let payload = json!({"query": query, "variables": variables});
        let message = json!({"id": id, "type": "subscribe", "payload": payload});
        self.0.send(Message::text(message.to_string())).await
    }

    /// The next message except pings. Panics if the server closes or sends nothing in time.
    pub async fn next(&mut self) -> Value {
        match self.next_or_close().await {
            Ok(message) => message,
            Err(code) => panic!("the server closed the websocket with {code}"),
        }
    }

    /// The next message except pings, or the close code.
    pub async fn next_or_close(&mut self) -> Result<Value, u16> {
        loop {
            let message =
                tokio::time::timeout(DEADLINE, self.0.next()).await.expect("a message in time");
            match message {
                Some(Ok(Message::Text(text))) => {
                    let value: Value = serde_json::from_str(&text).expect("a message is JSON");
                    if value["type"] == "ping" {
                        self.send(json!({"type": "pong"})).await;
                    } else {
                        return Ok(value);
                    }
                }
                Some(Ok(Message::Close(frame))) => {
                    return Err(frame.map_or(1005, |frame| frame.code.into()));
                }
                Some(Ok(_)) => {}
                Some(Err(_)) | None => return Err(1006),
            }
        }
    }
}

fn request(url: &str) -> Request {
    let address = format!("{}/graphql", url.replacen("http", "ws", 1));
    let mut request = address.into_client_request().expect("a websocket address");
    request
        .headers_mut()
        .insert("sec-websocket-protocol", "graphql-transport-ws".parse().expect("a header value"));
    request
}
