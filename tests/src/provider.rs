//! Starts the identity provider of the tests: `oidc-provider`, which is certified, on Node.js.

use crate::place::workspace_root;
use serde_json::{Value, json};
use std::io::{BufRead, BufReader};
use std::process::{Child, ChildStdout, Command, Stdio};

/// A running identity provider. Dropping it ends it.
#[derive(Debug)]
pub struct IdentityProvider {
    child: Option<Child>,
    /// Open until its end, since it writes more than its address.
    stdout: Option<BufReader<ChildStdout>>,
    options: Value,
    /// Its issuer, `http://127.0.0.1:PORT`.
    pub url: String,
}

/// Client of people's logins.
pub const LOGIN_CLIENT: &str = "vultus";
/// Client of a machine.
pub const MACHINE_CLIENT: &str = "robot";
/// Audience of access tokens.
pub const AUDIENCE: &str = "urn:vultus";

impl IdentityProvider {
    /// Starts a provider for people with these claims by their subjects, and a machine with these.
    pub fn start(accounts: Value, machine: Value) -> Self {
        let login = json!({
            "client_id": LOGIN_CLIENT,
            "application_type": "native",
            "token_endpoint_auth_method": "none",
            "redirect_uris": ["http://127.0.0.1/session/oidc/local/callback"],
        });
        let robot = json!({
            "client_id": MACHINE_CLIENT,
            "client_secret": "the secret of the robot",
            "grant_types": ["client_credentials"],
            "redirect_uris": [],
            "response_types": [],
        });
        Self::start_with(json!({
            "port": 0,
            "clients": [login, robot],
            "accounts": accounts,
            "machines": {MACHINE_CLIENT: machine},
        }))
    }

    /// Starts a provider with these options; `tests/oidc-provider/provider.mjs` explains them.
    pub fn start_with(options: Value) -> Self {
        let mut provider = Self { child: None, stdout: None, options, url: String::new() };
        provider.launch();
        provider
    }

    fn launch(&mut self) {
        let root = workspace_root();
        let modules = root.join("target/tools/oidc-provider");
        assert!(
            modules.join("node_modules/oidc-provider/package.json").exists(),
            "the package oidc-provider is missing: run `make setup`"
        );
        let mut child = Command::new("node")
            .arg(root.join("tests/oidc-provider/provider.mjs"))
            .arg(modules)
            .arg(self.options.to_string())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .expect("Node.js is installed by `make setup`");
        let mut line = String::new();
        let mut stdout = BufReader::new(child.stdout.take().expect("stdout is piped"));
        stdout.read_line(&mut line).expect("the provider tells its address");
        self.stdout = Some(stdout);
        line.trim().clone_into(&mut self.url);
        self.child = Some(child);
        assert!(self.url.starts_with("http://"), "the provider did not start");
    }

    /// Ends it: its pages answer no more.
    pub fn stop(&mut self) {
        if let Some(mut child) = self.child.take() {
            let _ = child.kill();
            let _ = child.wait();
        }
    }

    /// Starts it again at the same address, with new keys. `changes` replace some of its options.
    pub fn restart(&mut self, changes: Value) {
        self.stop();
        let port = self.url.rsplit(':').next().expect("the address has a port");
        self.options["port"] = json!(port.parse::<u16>().expect("a port is a number"));
        for (name, value) in changes.as_object().expect("changes are an object") {
            self.options[name] = value.clone();
        }
        self.launch();
    }

    /// An access token of the machine for an audience.
    pub async fn machine_token(&self, audience: &str) -> String {
        let body = format!("grant_type=client_credentials&scope=vultus&resource={audience}");
        let answer = reqwest::Client::new()
            .post(format!("{}/token", self.url))
            .basic_auth(MACHINE_CLIENT, Some("the+secret+of+the+robot"))
            .header("content-type", "application/x-www-form-urlencoded")
            .body(body)
            .send()
            .await
            .expect("the provider answers");
        let answer: Value = answer.json().await.expect("the provider answers with JSON");
        answer["access_token"].as_str().expect("the provider issues a token").to_owned()
    }

    /// Chooses the account that logs in from now on.
    pub async fn choose_account(&self, id: &str) {
        self.read(&format!("/test/account?id={id}")).await;
    }

    /// How often its keys were read.
    pub async fn key_reads(&self) -> u32 {
        self.read("/test/key-reads").await.parse().expect("a number")
    }

    async fn read(&self, path: &str) -> String {
        let answer = reqwest::get(format!("{}{path}", self.url)).await;
        answer.expect("the provider answers").text().await.expect("the answer is text")
    }
}

impl Drop for IdentityProvider {
    fn drop(&mut self) {
        self.stop();
    }
}
