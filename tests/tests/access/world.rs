//! Users of every role, a colleague, a user of another company, and their folders.

use serde_json::{Value, json};
use vultus_tests::{
    Client, Node, NodeOptions, analysis, id_photo, item, sample, selfie_photo, shot_set, still_clip,
};

/// The roles, in the order of the table of rights.
pub const ROLES: [&str; 6] =
    ["admin", "operator", "client", "client_service", "client_operator", "client_admin"];

/// Owner of a thing, relative to the caller.
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
    /// Link to the medium, made for its owner.
    pub link: String,
}

pub struct World {
    pub node: Node,
    /// One client per role, in the order of [`ROLES`].
    pub callers: Vec<Client>,
    pub colleague: Client,
    pub stranger: Client,
    /// The company of the callers that have one.
    pub company: String,
    /// The company of the stranger.
    pub other: String,
}

impl World {
    pub async fn new() -> Self {
        // Passive liveness alone then needs a person.
        let config = "require_challenge = true\n".to_owned();
        let node = Node::start_with(NodeOptions { config, ..NodeOptions::default() }).await;
        let mut callers = Vec::new();
        for role in ROLES {
            callers.push(
                node.client_as(&format!("{role}@example.org"), &role.replace('_', "-")).await,
            );
        }
        let colleague = node.client_as("colleague@example.org", "client").await;
        let stranger = node.client_of_company("Other", "stranger@example.org", "client").await;
        let (company, other) = (company_of(&colleague).await, company_of(&stranger).await);
        Self { node, callers, colleague, stranger, company, other }
    }

    /// The client that owns things of this kind, relative to the caller.
    pub fn owner(&self, caller: usize, whose: Whose) -> &Client {
        match whose {
            Whose::Own => &self.callers[caller],
            Whose::Colleagues => &self.colleague,
            Whose::Foreign => &self.stranger,
        }
    }

    /// The company of things, relative to the callers.
    pub fn company(&self, whose: Whose) -> &str {
        match whose {
            Whose::Own | Whose::Colleagues => &self.company,
            Whose::Foreign => &self.other,
        }
    }

    /// Adds the company to an input, for an owner that has none.
    pub fn of_company(&self, owner: &Client, mut input: Value) -> Value {
        if owner.token() == self.callers[0].token() {
            input["companyId"] = json!(self.company);
        }
        input
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
        let folder = owner.create(&media, self.of_company(owner, input)).await;
        let folder = owner.final_folder(folder["id"].as_str().unwrap()).await;
        let analysis = id(analysis(&folder, "liveness"));
        Things {
            medium: id(&folder["media"]["nodes"][0]),
            analysis,
            ..self.things(owner, &folder, name).await
        }
    }

    /// Creates a folder with one photo and no analysis.
    pub async fn plain(&self, owner: &Client, name: &str) -> Things {
        let input = self.of_company(owner, json!({"externalId": name}));
        let folder = owner.create(&[selfie_photo(sample("obama2.jpg"))], input).await;
        self.things(owner, &folder, name).await
    }

    async fn things(&self, owner: &Client, folder: &Value, name: &str) -> Things {
        let viewer = owner.data("{ viewer { user { id } } }", json!({})).await;
        let (folder, medium) = (id(folder), id(&folder["media"]["nodes"][0]));
        let link = "query($id: ID!) { node(id: $id) { ... on Media { url } } }";
        let link = owner.data(link, json!({"id": medium})).await;
        Things {
            folder,
            external_id: name.to_owned(),
            medium,
            analysis: String::new(),
            owner: id(&viewer["viewer"]["user"]),
            link: link["node"]["url"].as_str().unwrap().to_owned(),
        }
    }

    /// Creates a user for one test of a mutation.
    pub async fn victim(&self, whose: Whose) -> String {
        let email = format!("{}@example.org", uuid::Uuid::now_v7());
        let company = self.company(whose);
        let input = json!({"email": email, "role": "CLIENT", "companyId": company,
            "password": vultus_tests::PASSWORD});
        let create = "mutation($input: CreateUserInput!) {
            createUser(input: $input) { user { id } } }";
        let created = self.callers[0].data(create, json!({"input": input})).await;
        id(&created["createUser"]["user"])
    }

    /// Creates a company for one test of a mutation.
    pub async fn victim_company(&self) -> String {
        let create = "mutation { createCompany(input: {name: \"Victim\"}) { company { id } } }";
        let created = self.callers[0].data(create, json!({})).await;
        id(&created["createCompany"]["company"])
    }
}

pub async fn company_of(client: &Client) -> String {
    let viewer = client.data("{ viewer { user { company { id } } } }", json!({})).await;
    id(&viewer["viewer"]["user"]["company"])
}

fn id(value: &Value) -> String {
    value["id"].as_str().unwrap_or_else(|| panic!("{value:#} has no id")).to_owned()
}
