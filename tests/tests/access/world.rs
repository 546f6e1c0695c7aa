//! Users of every role, a colleague, a user of another company, and their folders.

use serde_json::{Value, json};
use vultus_tests::{
    Client, Node, analysis, id_photo, item, sample, selfie_photo, shot_set, still_clip,
};

pub const ROLES: [&str; 5] = ["admin", "operator", "client", "client_admin", "client_operator"];

/// Owner of a folder, relative to the caller.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Whose {
    Own,
    Colleagues,
    Foreign,
}

/// Data that a role reaches with a field.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reach {
    /// The field answers FORBIDDEN.
    Nothing,
    Own,
    Company,
    Everything,
}

impl Reach {
    pub fn covers(self, whose: Whose) -> bool {
        match self {
            Self::Nothing => false,
            Self::Own => whose == Whose::Own,
            Self::Company => whose != Whose::Foreign,
            Self::Everything => true,
        }
    }
}

/// Ids of a folder and its contents.
#[derive(Debug, Clone)]
pub struct Things {
    pub folder: String,
    pub external_id: String,
    pub medium: String,
    pub analysis: String,
    pub owner: String,
}

pub struct World {
    pub node: Node,
    /// One client per role, in the order of [`ROLES`].
    pub callers: Vec<Client>,
    pub colleague: Client,
    pub stranger: Client,
}

impl World {
    pub async fn new() -> Self {
        let node = Node::start().await;
        let mut callers = Vec::new();
        for role in ROLES {
            callers.push(
                node.client_as(&format!("{role}@example.org"), &role.replace('_', "-")).await,
            );
        }
        let colleague = node.client_as("colleague@example.org", "client").await;
        let stranger = node.client_of_company("Other", "stranger@example.org", "client").await;
        Self { node, callers, colleague, stranger }
    }

    /// The client whose folders have this owner, relative to the caller.
    pub fn owner(&self, caller: usize, whose: Whose) -> &Client {
        match whose {
            Whose::Own => &self.callers[caller],
            Whose::Colleagues => &self.colleague,
            Whose::Foreign => &self.stranger,
        }
    }

    /// Creates a folder with a medium of each kind and two finished analyses.
    pub async fn full(&self, owner: &Client, name: &str) -> Things {
        let photo = sample("obama2.jpg");
        let media = [
            selfie_photo(photo.clone()),
            id_photo(sample("obama.jpg")),
            item("clip", &["x_clip"], still_clip(self.node.scratch(), "obama2.jpg", 1.0)),
            item("shots", &["x_shots"], shot_set(&[photo.clone(), photo])),
        ];
        let analyses = json!([{"type": "liveness"}, {"type": "face_match"}]);
        let input = json!({"externalId": name, "analyses": analyses, "waitMs": 30_000});
        let folder = owner.create(&media, input).await;
        let folder = owner.final_folder(folder["id"].as_str().unwrap()).await;
        let id = |value: &Value| value["id"].as_str().unwrap().to_owned();
        let analysis = id(analysis(&folder, "liveness"));
        Things {
            medium: id(&folder["media"]["nodes"][0]),
            analysis,
            ..self.things(owner, &folder, name).await
        }
    }

    /// Creates a folder with one photo and no analysis.
    pub async fn plain(&self, owner: &Client, name: &str) -> Things {
        let folder =
            owner.create(&[selfie_photo(sample("obama2.jpg"))], json!({"externalId": name})).await;
        self.things(owner, &folder, name).await
    }

    async fn things(&self, owner: &Client, folder: &Value, name: &str) -> Things {
        let viewer = owner.data("{ viewer { user { id } } }", json!({})).await;
        let id = |value: &Value| value["id"].as_str().unwrap().to_owned();
        Things {
            folder: id(folder),
            external_id: name.to_owned(),
            medium: id(&folder["media"]["nodes"][0]),
            analysis: String::new(),
            owner: id(&viewer["viewer"]["user"]),
        }
    }
}
