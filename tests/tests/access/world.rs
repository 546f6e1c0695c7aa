//! Users of every role, and folders of theirs, of a colleague and of another company.

use serde_json::{Value, json};
use vultus_tests::{
    Client, Node, analysis, id_photo, item, sample, selfie_photo, shot_set, still_clip,
};

pub const ROLES: [&str; 5] = ["admin", "operator", "client", "client_admin", "client_operator"];

/// Whose a folder is, seen from a caller.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Whose {
    Own,
    Colleagues,
    Foreign,
}

/// How far a role reaches with a field.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reach {
    /// Not at all: FORBIDDEN.
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

/// Ids in a folder.
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
    /// By role, in the order of [`ROLES`].
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

    /// A client whose folders are `whose` to the caller.
    pub fn owner(&self, caller: usize, whose: Whose) -> &Client {
        match whose {
            Whose::Own => &self.callers[caller],
            Whose::Colleagues => &self.colleague,
            Whose::Foreign => &self.stranger,
        }
    }

    /// A folder with a medium of each kind and an analysis of each type, all judged.
    pub async fn full(&self, owner: &Client, name: &str) -> Things {
        let photo = sample("obama2.jpg");
        let media = [
            selfie_photo(photo.clone()),
            id_photo(sample("obama.jpg")),
            item("clip", &["x_clip"], still_clip(self.node.scratch(), "obama2.jpg", 1.0)),
            item("shots", &["x_shots"], shot_set(&[photo.clone(), photo])),
        ];
        let asked = json!({"externalId": name, "analyses": [{"type": "liveness"}, {"type": "face_match"}], "waitMs": 30_000});
        let folder = owner.create(&media, asked).await;
        let folder = owner.final_folder(folder["id"].as_str().unwrap()).await;
        let id = |value: &Value| value["id"].as_str().unwrap().to_owned();
        let analysis = id(analysis(&folder, "liveness"));
        Things {
            medium: id(&folder["media"]["nodes"][0]),
            analysis,
            ..self.things(owner, &folder, name).await
        }
    }

    /// A folder with one photo and no analysis.
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
