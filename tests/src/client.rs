//! GraphQL client over HTTP: queries, and uploads as in the GraphQL multipart request
//! specification.

use crate::socket::Socket;
use serde_json::{Map, Value, json};
use std::net::IpAddr;
use std::time::Duration;

/// A file of a request.
#[derive(Debug, Clone)]
pub struct Upload {
    /// Path of the variable that the file replaces, such as `variables.input.media.0.file`.
    pub path: String,
    /// File name that the client declares.
    pub name: String,
    /// Content type that the client declares.
    pub content_type: String,
    /// Content.
    pub bytes: Vec<u8>,
}

impl Upload {
    /// A file for medium `index` of `input.media`.
    pub fn medium(index: usize, name: &str, bytes: Vec<u8>) -> Self {
        Self {
            path: format!("variables.input.media.{index}.file"),
            name: name.to_owned(),
            content_type: "application/octet-stream".to_owned(),
            bytes,
        }
    }
}

/// A client, logged in or not.
#[derive(Debug, Clone)]
pub struct Client {
    url: String,
    http: reqwest::Client,
    token: Option<String>,
    headers: Vec<(String, String)>,
}

/// Uses no connection again that was idle for longer than this: the node may have closed it while
/// the test made its media.
const IDLE: Duration = Duration::from_secs(5);

fn client() -> reqwest::ClientBuilder {
    reqwest::Client::builder().pool_idle_timeout(IDLE)
}

fn made(builder: reqwest::ClientBuilder) -> reqwest::Client {
    builder.build().expect("a client can be made")
}

impl Client {
    /// A client without a token.
    pub fn new(url: &str) -> Self {
        Self { url: url.to_owned(), http: made(client()), token: None, headers: Vec::new() }
    }

    /// A client without a token whose connections come from another address of this machine, such
    /// as 127.0.0.2.
    pub fn from_address(url: &str, address: IpAddr) -> Self {
        Self { http: made(client().local_address(address)), ..Self::new(url) }
    }

    /// Sets the access token.
    #[must_use]
    pub fn with_token(mut self, token: &str) -> Self {
        self.token = Some(token.to_owned());
        self
    }

    /// Adds a header to every request.
    #[must_use]
    pub fn with_header(mut self, name: &str, value: &str) -> Self {
        self.headers.push((name.to_owned(), value.to_owned()));
        self
    }

    /// The access token of a client that is logged in.
    pub fn token(&self) -> &str {
        self.token.as_deref().expect("the client is logged in")
    }

    /// The server's address.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// Logs in and keeps the access token.
    pub async fn login(self, email: &str, password: &str) -> Self {
        let data = self
            .data(
                "mutation($input: LoginInput!) { login(input: $input) { accessToken } }",
                json!({"input": {"email": email, "password": password}}),
            )
            .await;
        let token = data["login"]["accessToken"].as_str().expect("login gives a token").to_owned();
        self.with_token(&token)
    }

    fn post(&self) -> reqwest::RequestBuilder {
        let mut request =
            self.http.post(format!("{}/graphql", self.url)).header("x-requested-with", "tests");
        if let Some(token) = &self.token {
            request = request.bearer_auth(token);
        }
        for (name, value) in &self.headers {
            request = request.header(name, value);
        }
        request
    }

    /// Sends a query. Returns the whole answer: data and errors.
    pub async fn query(&self, query: &str, variables: Value) -> Value {
        self.try_query(query, variables).await.expect("the server answers with JSON")
    }

    /// Sends a query to a server that may be down.
    pub async fn try_query(&self, query: &str, variables: Value) -> reqwest::Result<Value> {
        self.post()
            .json(&json!({"query": query, "variables": variables}))
            .send()
            .await?
            .json()
            .await
    }

    /// The text of the answer to any JSON body, such as a batch.
    pub async fn post_text(&self, body: &Value) -> String {
        let answer = self.post().json(body).send().await.expect("the server answers");
        answer.text().await.expect("the answer arrives whole")
    }

    /// Sends any JSON body to a server that may refuse it.
    pub async fn try_post(&self, body: &Value) -> reqwest::Result<String> {
        self.post().json(body).send().await?.text().await
    }

    /// Sends GET to a server that may be down.
    pub async fn try_get(&self, path: &str) -> reqwest::Result<reqwest::Response> {
        self.http.get(format!("{}{path}", self.url)).send().await
    }

    /// Sends a query that must succeed, and returns its data.
    pub async fn data(&self, query: &str, variables: Value) -> Value {
        data_of(self.query(query, variables).await)
    }

    /// Sends a query that must fail. Returns the first error's extensions and its `message`.
    pub async fn error(&self, query: &str, variables: Value) -> Value {
        error_of(self.query(query, variables).await)
    }

    /// Sends a request with files. Returns the whole answer.
    pub async fn upload(&self, query: &str, variables: Value, files: Vec<Upload>) -> Value {
        self.try_upload(query, variables, files).await.expect("the server answers with JSON")
    }

    /// Sends a request with files to a server that may be down.
    pub async fn try_upload(
        &self,
        query: &str,
        mut variables: Value,
        files: Vec<Upload>,
    ) -> reqwest::Result<Value> {
        let mut map = Map::new();
        for (index, file) in files.iter().enumerate() {
            map.insert(index.to_string(), json!([file.path]));
            put_null(&mut variables, file.path.trim_start_matches("variables."));
        }
        let operations = json!({"query": query, "variables": variables}).to_string();
        let mut form = reqwest::multipart::Form::new()
            .text("operations", operations)
            .text("map", Value::Object(map).to_string());
        for (index, file) in files.into_iter().enumerate() {
            let part = reqwest::multipart::Part::bytes(file.bytes)
                .file_name(file.name)
                .mime_str(&file.content_type)
                .expect("a MIME type");
            form = form.part(index.to_string(), part);
        }
        self.post().multipart(form).send().await?.json().await
    }

    /// Sends a request with files that must succeed, and returns its data.
    pub async fn upload_data(&self, query: &str, variables: Value, files: Vec<Upload>) -> Value {
        data_of(self.upload(query, variables, files).await)
    }

    /// Sends a request with files that must fail, and returns the error as [`Client::error`] does.
    pub async fn upload_error(&self, query: &str, variables: Value, files: Vec<Upload>) -> Value {
        error_of(self.upload(query, variables, files).await)
    }

    /// Opens a websocket and waits for `connection_ack`.
    pub async fn socket(&self) -> Socket {
        Socket::open(&self.url, self.token.as_deref()).await
    }

    /// A websocket that has been acknowledged, and whose system keeps little of what is not read.
    pub async fn reluctant_socket(&self) -> Socket {
        Socket::open_with_small_buffer(&self.url, self.token.as_deref()).await
    }

    /// As [`Client::reluctant_socket`], of a server that may refuse it.
    pub async fn try_reluctant_socket(&self) -> Result<Socket, u16> {
        Socket::try_open_with_small_buffer(&self.url, self.token.as_deref()).await
    }

    /// Sends GET without the token. `url` may be a path of this server.
    pub async fn get(&self, url: &str) -> reqwest::Response {
        let url = if url.starts_with('/') { format!("{}{url}", self.url) } else { url.to_owned() };
        self.http.get(url).send().await.expect("the server answers")
    }
}

fn put_null(value: &mut Value, path: &str) {
    let (head, rest) = path.split_once('.').unwrap_or((path, ""));
    let next = match head.parse::<usize>() {
        Ok(index) => &mut value[index],
        Err(_) => &mut value[head],
    };
    if rest.is_empty() {
        *next = Value::Null;
    } else {
        put_null(next, rest);
    }
}

fn data_of(answer: Value) -> Value {
    assert!(answer.get("errors").is_none(), "the request failed: {answer:#}");
    answer["data"].clone()
}

fn error_of(answer: Value) -> Value {
    let error = &answer["errors"][0];
    assert!(error.is_object(), "the request succeeded, but must fail: {answer:#}");
    let mut extensions = error["extensions"].clone();
    if !extensions.is_object() {
        extensions = json!({});
    }
    extensions["message"] = error["message"].clone();
    extensions
}
