//! Callers that may do nothing, and objects that look as if they did not exist: for every root
//! field of the schema.

use crate::MISSING;
use crate::generated::{Root, Roots};
use crate::world::{ROLES, Things, World};
use serde_json::json;
use vultus_tests::{Client, Node, NodeOptions, wait_until};

/// Fields that need no token. With generated arguments they fail in another way.
const WITHOUT_TOKEN: [&str; 3] = ["login", "refresh", "resetPassword"];

/// The error code of a request, over a websocket if it is a subscription.
async fn code(client: &Client, roots: &Roots, root: &Root) -> String {
    let answer = client.query(&roots.request(root, MISSING), json!({})).await;
    let code = answer["errors"][0]["extensions"]["code"].as_str();
    code.unwrap_or_else(|| panic!("{} is answered: {answer:#}", root.name)).to_owned()
}

/// Without a valid token of a user that can act, no root field answers.
pub async fn no_field_answers_without_rights(world: &World, roots: &Roots) {
    let administrator = &world.callers[0];
    let set = async |what: &str| {
        let text = format!(
            "mutation($id: ID!) {{ {what}Company(input: {{companyId: $id}}) {{ company {{ id }} }} \
             }}"
        );
        administrator.data(&text, json!({"id": world.other})).await;
    };
    let user = json!({"id": world.victim(crate::world::Whose::Own).await});
    let email = "query($id: ID!) { user(id: $id) { email } }";
    let email = administrator.data(email, user.clone()).await["user"]["email"].clone();
    let disabled =
        world.node.anonymous().login(email.as_str().unwrap(), vultus_tests::PASSWORD).await;
    let disable = "mutation($id: ID!) { disableUser(input: {userId: $id}) { user { id } } }";
    administrator.data(disable, user).await;
    set("suspend").await;
    let forged = world.node.anonymous().with_token(&forged(administrator.token()));
    let refused = [world.node.anonymous(), forged, world.stranger.clone(), disabled];
    for client in &refused {
        wait_until("the token to be refused", || async {
            let answer = client.query("{ viewer { user { id } } }", json!({})).await;
            answer["errors"].is_array().then_some(())
        })
        .await;
        for root in &roots.fields {
            if root.operation == "subscription" {
                continue;
            }
            let code = code(client, roots, root).await;
            let is_open = WITHOUT_TOKEN.contains(&root.name.as_str());
            assert!(is_open || code == "UNAUTHENTICATED", "{} {code}", root.name);
        }
    }
    set("resume").await;
    wait_until("the company to be active", || async {
        let answer = world.stranger.query("{ viewer { user { id } } }", json!({})).await;
        answer["data"]["viewer"].is_object().then_some(())
    })
    .await;
}

/// The token with another signature.
fn forged(token: &str) -> String {
    let (signed, _) = token.rsplit_once('.').unwrap();
    format!("{signed}.{}", "A".repeat(43))
}

/// An expired token opens nothing.
pub async fn expired_token_opens_nothing(roots: &Roots) {
    let config = "tokens.access_seconds = 5\n".to_owned();
    let node = Node::start_with(NodeOptions { config, ..NodeOptions::default() }).await;
    let client = node.client().await;
    wait_until("the token to expire", || async {
        let answer = client.query("{ viewer { user { id } } }", json!({})).await;
        answer["errors"].is_array().then_some(())
    })
    .await;
    for root in roots.fields.iter().filter(|root| root.operation != "subscription") {
        let code = code(&client, roots, root).await;
        let is_open = WITHOUT_TOKEN.contains(&root.name.as_str());
        assert!(is_open || code == "UNAUTHENTICATED", "{} {code}", root.name);
    }
}

/// The ids of another company's objects are answered byte for byte like ids that do not exist, by
/// every root field that takes an id.
pub async fn foreign_ids_look_missing(world: &World, roots: &Roots, foreign: &Things) {
    let ids = [&foreign.folder, &foreign.medium, &foreign.analysis, &foreign.owner, &world.other];
    let named: Vec<&Root> =
        roots.fields.iter().filter(|root| roots.names_an_object(root)).collect();
    assert!(named.len() > 15, "the schema has fields that take ids");
    for (client, role) in world.callers.iter().zip(ROLES).skip(2) {
        for root in &named {
            let missing = told(client, roots, root, MISSING).await;
            for id in ids {
                let answer = told(client, roots, root, id).await;
                assert_eq!(answer, missing, "{role} {} {id}", root.name);
            }
        }
    }
    let unchanged = world.stranger.data("{ viewer { user { id } } }", json!({})).await;
    assert_eq!(unchanged["viewer"]["user"]["id"], json!(foreign.owner), "nothing was changed");
}

/// The text of the answer, without the id of the request.
async fn told(client: &Client, roots: &Roots, root: &Root, id: &str) -> String {
    let text = roots.request(root, id);
    if root.operation == "subscription" {
        let mut socket = client.socket().await;
        socket.subscribe("s", &text, json!({})).await;
        return without_request_id(&socket.next().await.to_string(), id);
    }
    without_request_id(&client.post_text(&json!({"query": text})).await, id)
}

/// The text without request ids, and with a placeholder for the id that was asked for.
fn without_request_id(answer: &str, id: &str) -> String {
    let mut parts = answer.split("\"requestId\":\"");
    let mut text = parts.next().unwrap().to_owned();
    for part in parts {
        text.push_str(part.split_once('"').unwrap().1);
    }
    text.replace(id, "<id>")
}

/// A link works with the present rights of the session that it was made in, and for its file only.
pub async fn links_open_one_file(world: &World, own: &Things, foreign: &Things) {
    let status = async |link: &str| world.node.anonymous().get(link).await.status().as_u16();
    assert_eq!((status(&own.link).await, status(&foreign.link).await), (200, 200));
    assert_eq!(status(&own.link.replace(&own.medium, &foreign.medium)).await, 403);
    let part = |link: &str| link.split("by=").nth(1).unwrap().split('&').next().unwrap().to_owned();
    assert_eq!(status(&own.link.replace(&part(&own.link), &part(&foreign.link))).await, 403);
    assert_eq!(status(&own.link.replace("expires=", "expires=9")).await, 403);
}
