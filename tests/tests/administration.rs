//! Companies and users as administrators change them: bad input, the analyses that a user may
//! start, and how soon changes take effect, on SQLite and on both nodes of a cluster.

use serde_json::{Value, json};
use std::time::{Duration, Instant};
use vultus_tests::{
    Client, Cluster, ClusterOptions, Node, PASSWORD, REQUEST_ANALYSES, Socket, sample,
    selfie_photo, wait_until,
};

/// What is sent this long after a change must not be answered as before. The rule is one second; a
/// loaded machine gets another.
const BOUND: Duration = Duration::from_secs(2);

fn mutation(name: &str) -> String {
    let kind = format!("{}{}Input", name[..1].to_uppercase(), &name[1..]);
    format!("mutation($input: {kind}!) {{ {name}(input: $input) {{ __typename }} }}")
}

/// The error of a mutation: code, argument and reason.
async fn refused(client: &Client, name: &str, input: Value) -> [Value; 3] {
    let error = client.error(&mutation(name), json!({"input": input})).await;
    ["code", "argument", "reason"].map(|key| error[key].clone())
}

async fn done(client: &Client, name: &str, input: Value) {
    client.data(&mutation(name), json!({"input": input})).await;
}

async fn create_company(client: &Client, name: &str) -> Value {
    let create = "mutation($name: String!) {
        createCompany(input: {name: $name}) { company { id } } }";
    let created = client.data(create, json!({"name": name})).await;
    created["createCompany"]["company"]["id"].clone()
}

async fn create_user(client: &Client, mut input: Value) -> Value {
    input["password"] = json!(PASSWORD);
    let create = "mutation($input: CreateUserInput!) { createUser(input: $input) { user { id } } }";
    let created = client.data(create, json!({"input": input})).await;
    created["createUser"]["user"]["id"].clone()
}

#[tokio::test]
async fn bad_input_is_refused_with_its_argument() {
    let node = Node::start().await;
    let client = node.client().await;
    let none = Value::Null;
    let invalid = |argument: &str| [json!("INVALID_INPUT"), json!(argument), none.clone()];
    for name in ["", "  ", "a\u{7}b", "a\u{202e}b", &"x".repeat(201)] {
        let input = json!({"name": name});
        assert_eq!(refused(&client, "createCompany", input).await, invalid("input.name"), "{name}");
    }
    let company = create_company(&client, "Other").await;
    let with = |changed: Value| {
        let mut input = json!({"email": "new@example.org", "role": "CLIENT", "companyId": company});
        for (key, value) in changed.as_object().unwrap() {
            input[key] = value.clone();
        }
        input
    };
    let missing = json!("0192d0c4-0000-7000-8000-000000000000");
    let required = [json!("INVALID_INPUT"), json!("input.companyId"), json!("COMPANY_REQUIRED")];
    for (changed, expected) in [
        (json!({"email": "new"}), invalid("input.email")),
        (json!({"name": "a\nb"}), invalid("input.name")),
        (
            json!({"password": "short"}),
            [json!("INVALID_INPUT"), json!("input.password"), json!("PASSWORD_TOO_SHORT")],
        ),
        (json!({"mayStart": ["no type"]}), invalid("input.mayStart")),
        (json!({"role": "ADMIN"}), invalid("input.companyId")),
        (
            json!({"companyId": missing}),
            [json!("NOT_FOUND"), json!("input.companyId"), none.clone()],
        ),
        (json!({"companyId": null}), required.clone()),
        (
            json!({"email": "Admin@localhost"}),
            [json!("CONFLICT"), json!("input.email"), none.clone()],
        ),
    ] {
        assert_eq!(
            refused(&client, "createUser", with(changed.clone())).await,
            expected,
            "{changed}"
        );
    }
    assert_eq!(refused(&client, "createFolder", json!({})).await, required);
    assert_eq!(refused(&client, "createChallenge", json!({})).await, required);
    let user = create_user(&client, with(json!({}))).await;
    done(&client, "suspendCompany", json!({"companyId": company})).await;
    let suspended = [json!("INVALID_INPUT"), json!("input.companyId"), json!("COMPANY_SUSPENDED")];
    let second = with(json!({"email": "second@example.org"}));
    assert_eq!(refused(&client, "createUser", second).await, suspended);
    let input = json!({"companyId": company});
    assert_eq!(refused(&client, "createFolder", input.clone()).await, suspended);
    let login = json!({"email": "new@example.org", "password": PASSWORD});
    assert_eq!(refused(&node.anonymous(), "login", login.clone()).await[0], "FORBIDDEN");
    done(&client, "createFolder", json!({})).await;
    done(&client, "resumeCompany", input).await;
    done(&client, "disableUser", json!({"userId": user})).await;
    assert_eq!(refused(&node.anonymous(), "login", login.clone()).await[0], "FORBIDDEN");
    done(&client, "enableUser", json!({"userId": user})).await;
    done(&node.anonymous(), "login", login).await;
    let search = "{ users(filter: {search: \"a\\u0007\"}) { nodes { id } } }";
    assert_eq!(client.error(search, json!({})).await["argument"], "filter.search");
}

#[tokio::test]
async fn last_administrator_is_not_removed() {
    let node = Node::start().await;
    let client = node.client().await;
    let viewer = client.data("{ viewer { user { id } } }", json!({})).await;
    let own = viewer["viewer"]["user"]["id"].clone();
    let company = client.data("{ companies { nodes { id } } }", json!({})).await;
    let company = company["companies"]["nodes"][0]["id"].clone();
    let conflict = [json!("CONFLICT"), json!("input.userId"), Value::Null];
    let demoted = json!({"userId": own, "role": "CLIENT", "companyId": company});
    for (name, input) in [
        ("changeUserRole", demoted.clone()),
        ("disableUser", json!({"userId": own})),
        ("deleteUser", json!({"userId": own})),
    ] {
        assert_eq!(refused(&client, name, input).await, conflict, "{name}");
    }
    create_user(&client, json!({"email": "second@example.org", "role": "ADMIN"})).await;
    let without = json!({"userId": own, "role": "CLIENT"});
    let required = [json!("INVALID_INPUT"), json!("input.companyId"), json!("COMPANY_REQUIRED")];
    assert_eq!(refused(&client, "changeUserRole", without).await, required);
    done(&client, "changeUserRole", demoted).await;
    wait_until("the new role to take effect", || async {
        let role = client.data("{ viewer { user { role } permissions { action } } }", json!({}));
        let may_delete = role.await.to_string().contains("DELETE");
        (!may_delete).then_some(())
    })
    .await;
}

#[tokio::test]
async fn user_starts_permitted_types_only() {
    let node = Node::start().await;
    let administrator = node.client().await;
    let input = json!({"email": "q@example.org", "role": "CLIENT_ADMIN", "mayStart": ["quality"]});
    create_user(&administrator, input).await;
    let client = node.anonymous().login("q@example.org", PASSWORD).await;
    let photo = [selfie_photo(sample("obama2.jpg"))];
    let folder = client.folder_with(&photo, &["quality"]).await;
    assert_eq!(folder["analyses"]["nodes"][0]["state"], "FINISHED", "{folder:#}");
    let liveness = json!([{"type": "liveness"}]);
    let error = client.refused(&photo, json!({"analyses": liveness})).await;
    assert_eq!(error["code"], "FORBIDDEN", "{error:#}");
    let input = json!({"input": {"folderId": folder["id"], "analyses": liveness}});
    assert_eq!(client.error(REQUEST_ANALYSES, input).await["code"], "FORBIDDEN");
    let input = json!({"media": [], "analyses": liveness});
    assert_eq!(refused(&client, "check", input).await[0], "FORBIDDEN");
    // It grants what it may start itself.
    let user =
        |types: Value| json!({"email": "x@example.org", "role": "CLIENT", "mayStart": types});
    for types in [Value::Null, json!(["quality", "liveness"])] {
        assert_eq!(refused(&client, "createUser", user(types)).await[0], "FORBIDDEN");
    }
    create_user(&client, user(json!(["quality"]))).await;
}

/// What a user has open: a websocket, and a link to a medium.
struct Open {
    client: Client,
    link: String,
    socket: Socket,
}

impl Open {
    async fn by(client: Client) -> Self {
        let folder = client.create(&[selfie_photo(sample("obama2.jpg"))], json!({})).await;
        let query = "query($id: ID!) { node(id: $id) { ... on Media { url } } }";
        let media = client.data(query, json!({"id": folder["media"]["nodes"][0]["id"]})).await;
        let link = media["node"]["url"].as_str().unwrap().to_owned();
        assert_eq!(client.get(&link).await.status(), 200);
        let mut socket = client.socket().await;
        let watch = "subscription($id: ID!) { folder(id: $id) { state } }";
        socket.subscribe("w", watch, json!({"id": folder["id"]})).await;
        assert_eq!(socket.next().await["type"], "next");
        Self { client, link, socket }
    }

    /// Requests, the link and the websocket end within the bound.
    async fn ends(mut self, changed: Instant) {
        let mut last = Duration::ZERO;
        wait_until("requests to be refused", || async {
            let answer = self.client.query("{ viewer { user { id } } }", json!({})).await;
            answer["errors"].is_array().then_some(())
        })
        .await;
        last = last.max(changed.elapsed());
        wait_until("the link to be refused", || async {
            (self.client.get(&self.link).await.status() == 403).then_some(())
        })
        .await;
        last = last.max(changed.elapsed());
        let code = loop {
            if let Err(code) = self.socket.next_or_close().await {
                break code;
            }
        };
        assert_eq!(code, 4403);
        assert!(last.max(changed.elapsed()) <= BOUND, "{last:?} after the change");
    }
}

/// Suspends a company at one address and disables a user there; both take effect for clients at
/// another address.
async fn changes_take_effect(administrator: &Client, url: &str) {
    let company = create_company(administrator, "Other").await;
    let mut users = Vec::new();
    for email in ["one@example.org", "two@example.org"] {
        let input = json!({"email": email, "role": "CLIENT", "companyId": company});
        users.push(create_user(administrator, input).await);
    }
    let open = async |email: &str| Open::by(Client::new(url).login(email, PASSWORD).await).await;
    let (one, two) = (open("one@example.org").await, open("two@example.org").await);
    done(administrator, "disableUser", json!({"userId": users[0]})).await;
    one.ends(Instant::now()).await;
    assert_eq!(two.client.get(&two.link).await.status(), 200, "the other user is not disabled");
    done(administrator, "suspendCompany", json!({"companyId": company})).await;
    two.ends(Instant::now()).await;
    done(administrator, "resumeCompany", json!({"companyId": company})).await;
    let two = wait_until("the company to be active", || async {
        let client = Client::new(url);
        let login = json!({"input": {"email": "two@example.org", "password": PASSWORD}});
        let answer = client.query(&mutation("login"), login).await;
        answer["errors"].is_null().then_some(client)
    })
    .await;
    let two = Open::by(two.login("two@example.org", PASSWORD).await).await;
    done(administrator, "deleteUser", json!({"userId": users[1]})).await;
    two.ends(Instant::now()).await;
}

#[tokio::test]
async fn suspension_ends_requests_links_and_sockets() {
    let node = Node::start().await;
    changes_take_effect(&node.client().await, &node.url).await;
}

#[tokio::test]
async fn suspension_takes_effect_on_the_other_node() {
    let roles = vec!["api", "api"];
    let options = ClusterOptions { members: 1, roles, ..ClusterOptions::default() };
    let cluster = Cluster::start(options).await;
    changes_take_effect(&cluster.client(0).await, &cluster.nodes[1].url).await;
}
