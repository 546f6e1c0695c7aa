//! Strings that mean something to a database mean nothing here: operators, dotted keys, quotes and
//! NUL in every string, id and JSON value of the schema, on SQLite and on MongoDB.

use serde_json::{Map, Value, json};
use std::collections::BTreeMap;
use vultus_tests::{CREATE_FOLDER, Client, Cluster, ClusterOptions, Node, Upload, sample};

/// Strings with a meaning for MongoDB, SQLite or their drivers.
const EVIL: [&str; 7] =
    [r#"{"$gt":""}"#, "$where", "a.b.$[].c", "__proto__", "nul\u{0}byte", "' OR '1'='1", "%_*\\"];
const MISSING: &str = "0192d0c4-0000-7000-8000-000000000000";
const INTROSPECTION: &str = "{ __schema { types {
      kind name enumValues { name } inputFields { name defaultValue type { ...T } }
      fields { name args { name defaultValue type { ...T } } type { ...T } }
    } } }
    fragment T on __Type {
      kind name ofType { kind name ofType { kind name ofType { kind name } } }
    }";

/// The types of the schema by name, as introspection tells them.
struct Schema(BTreeMap<String, Value>);

/// An argument or input field whose value is a string in some form, by the names on the way to it.
type Path = Vec<String>;

impl Schema {
    async fn of(client: &Client) -> Self {
        let answer = client.data(INTROSPECTION, json!({})).await;
        let types = answer["__schema"]["types"].as_array().unwrap().iter();
        Self(types.map(|each| (each["name"].as_str().unwrap().to_owned(), each.clone())).collect())
    }

    fn named<'s>(&'s self, of: &'s Value) -> &'s Value {
        if of["ofType"].is_object() {
            self.named(&of["ofType"])
        } else {
            &self.0[text(&of["name"])]
        }
    }

    /// All strings below an argument or input field.
    fn strings(&self, input: &Value) -> Vec<Path> {
        let name = text(&input["name"]).to_owned();
        let of = self.named(&input["type"]);
        match text(&of["kind"]) {
            "INPUT_OBJECT" => {
                let fields = of["inputFields"].as_array().unwrap().iter();
                let below = fields.flat_map(|field| self.strings(field));
                below.map(|path| [vec![name.clone()], path].concat()).collect()
            }
            "SCALAR" if ["String", "ID", "JSON", "DateTime"].contains(&text(&of["name"])) => {
                vec![vec![name]]
            }
            _ => Vec::new(),
        }
    }

    /// A value of a type: what is required, and `evil` at the end of `path`.
    fn value(&self, of: &Value, name: &str, path: &[String], evil: &str) -> Value {
        if text(&of["kind"]) == "NON_NULL" {
            return self.value(&of["ofType"], name, path, evil);
        }
        if text(&of["kind"]) == "LIST" {
            return json!([self.value(&of["ofType"], name, path, evil)]);
        }
        let of = &self.0[text(&of["name"])];
        match (text(&of["kind"]), text(&of["name"])) {
            ("INPUT_OBJECT", _) => self.object(of, path, evil),
            ("ENUM", _) => of["enumValues"].as_array().unwrap().last().unwrap()["name"].clone(),
            (_, "JSON") if path.is_empty() => json!({}),
            (_, "JSON") => json!({evil: {evil: [evil]}, "$set": {"a.b": evil}}),
            (_, "Upload") => Value::Null,
            (_, "Int") => json!(1),
            (_, "Float") => json!(0.5),
            (_, "Boolean") => json!(true),
            (_, "ID") if path.is_empty() => json!(MISSING),
            _ if path.is_empty() => json!(format!("plain {name}")),
            _ => json!(evil),
        }
    }

    fn object(&self, of: &Value, path: &[String], evil: &str) -> Value {
        let mut object = Map::new();
        for field in of["inputFields"].as_array().unwrap() {
            let name = text(&field["name"]);
            let is_required =
                field["type"]["kind"] == "NON_NULL" && field["defaultValue"].is_null();
            let rest = path.split_first().filter(|(first, _)| *first == name);
            if rest.is_none() && !is_required {
                continue;
            }
            // The last name of a path stays, so that the value knows that it is meant.
            let rest: &[String] = match rest {
                Some((_, [])) => path,
                Some((_, rest)) => rest,
                None => &[],
            };
            object.insert(name.to_owned(), self.value(&field["type"], name, rest, evil));
        }
        Value::Object(object)
    }
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap()
}

/// A type as it is written in a query.
fn written(of: &Value) -> String {
    match text(&of["kind"]) {
        "NON_NULL" => format!("{}!", written(&of["ofType"])),
        "LIST" => format!("[{}]", written(&of["ofType"])),
        _ => text(&of["name"]).to_owned(),
    }
}

/// Replaces the ids of required arguments by those of an existing folder.
fn with_folder(value: &mut Value, folder: &Value, evil: &str) {
    if let Some(id) = value.get_mut("input").and_then(|input| input.get_mut("folderId"))
        && *id != evil
    {
        *id = folder.clone();
    }
}

/// Sends the evil string at one place of one field. Nothing but the caller's mistake is told, and
/// no folder is found by it.
async fn try_string(
    schema: &Schema,
    client: &Client,
    (root, field, path, evil): (&str, &Value, &Path, &str),
    (known, folder): (&Value, &Value),
) {
    let name = text(&field["name"]);
    let (mut declared, mut passed, mut variables) = (Vec::new(), Vec::new(), Map::new());
    for argument in field["args"].as_array().unwrap() {
        let of = text(&argument["name"]);
        let is_required =
            argument["type"]["kind"] == "NON_NULL" && argument["defaultValue"].is_null();
        let rest: &[String] = match path.as_slice() {
            [first] if first == of => path,
            [first, rest @ ..] if first == of => rest,
            _ => &[],
        };
        if rest.is_empty() && !is_required {
            continue;
        }
        declared.push(format!("${of}: {}", written(&argument["type"])));
        passed.push(format!("{of}: ${of}"));
        variables.insert(of.to_owned(), schema.value(&argument["type"], of, rest, evil));
    }
    let selected = match text(&schema.named(&field["type"])["kind"]) {
        "SCALAR" | "ENUM" => "",
        _ if name == "folders" => "{ nodes { id } }",
        _ => "{ __typename }",
    };
    let (declared, passed) = (declared.join(", "), passed.join(", "));
    let query = format!("{root}({declared}) {{ {name}({passed}) {selected} }}");
    let mut variables = Value::Object(variables);
    with_folder(&mut variables, folder, evil);
    let has_file = variables["input"]["media"][0].get("file").is_some();
    let answer = if has_file {
        let file = Upload::medium(0, evil, sample("biden.jpg"));
        client.upload(&query, variables, vec![file]).await
    } else {
        client.query(&query, variables).await
    };
    let place = format!("{name} {path:?} {evil:?}");
    let code = &answer["errors"][0]["extensions"]["code"];
    assert!(code != "INTERNAL", "{place}: {answer:#}");
    // Tries of passwords can be braked.
    let is_braked = ["login", "changePassword"].contains(&name);
    assert!(code != "UNAVAILABLE" || is_braked, "{place}: {answer:#}");
    assert!(!answer.to_string().contains(text(known)), "{place} finds a folder: {answer:#}");
    if name == "folderByExternalId" {
        assert!(answer["data"][name].is_null(), "{place}: {answer:#}");
    }
}

/// What is stored with such strings is read as it was written, and found by exactly them.
async fn strings_come_back(client: &Client) {
    for (number, evil) in EVIL.into_iter().enumerate() {
        let metadata = json!({evil: evil, "of": {"$set": {evil: [evil]}, "a.b": number}});
        let input =
            json!({"input": {"externalId": format!("{number}{evil}"), "metadata": metadata}});
        let created = client.query(CREATE_FOLDER, input).await;
        if created["errors"][0]["extensions"]["code"] == "INVALID_INPUT" {
            continue;
        }
        let id = &created["data"]["createFolder"]["folder"]["id"];
        let query = "query($id: String!, $key: String!) {
            folderByExternalId(externalId: $id) { id metadata }
            folders(first: 9, filter: {metadataEquals: [{key: $key, value: $key}]}) {
              nodes { id }
            } }";
        let found = client.data(query, json!({"id": format!("{number}{evil}"), "key": evil})).await;
        assert_eq!(
            found["folderByExternalId"],
            json!({"id": id, "metadata": metadata}),
            "{evil:?}"
        );
        let nodes = found["folders"]["nodes"].as_array().unwrap();
        assert!(nodes.contains(&json!({"id": id})), "{evil:?}: {nodes:?}");
    }
}

/// Names of companies and users are read as they were written, and found by exactly them.
async fn names_come_back(administrator: &Client) {
    for (number, evil) in EVIL.into_iter().enumerate() {
        let create = "mutation($name: String!, $email: String!) {
            createCompany(input: {name: $name}) { company { id name } }
            createUser(input: {name: $name, email: $email, role: OPERATOR}) { user { id name } } }";
        let input = json!({"name": evil, "email": format!("{number}@example.org")});
        let created = administrator.query(create, input).await;
        if created["errors"][0]["extensions"]["code"] == "INVALID_INPUT" {
            continue;
        }
        let find = "query($text: String!) {
            companies(search: $text) { nodes { id name } }
            users(filter: {search: $text}) { nodes { id name } } }";
        let found = administrator.data(find, json!({"text": evil})).await;
        let company = &created["data"]["createCompany"]["company"];
        assert_eq!(found["companies"]["nodes"], json!([company]), "{evil:?}");
        let user = &created["data"]["createUser"]["user"];
        assert_eq!(found["users"]["nodes"], json!([user]), "{evil:?}");
        assert_eq!(user["name"], json!(evil));
    }
}

/// `administrator` administers the installation.
async fn no_string_is_an_operator(administrator: &Client) {
    let create = "mutation($password: String!) { createUser(input: {
        email: \"lead@example.org\", role: CLIENT_ADMIN, password: $password}) { user { id } } }";
    administrator.data(create, json!({"password": vultus_tests::PASSWORD})).await;
    let client = Client::new(administrator.url());
    let client = &client.login("lead@example.org", vultus_tests::PASSWORD).await;
    let schema = Schema::of(client).await;
    let create = async |input: Value| {
        let created = client.data(CREATE_FOLDER, json!({"input": input})).await;
        created["createFolder"]["folder"]["id"].clone()
    };
    let known = create(json!({"externalId": "known", "metadata": {"plain key": "plain value"}}));
    let (known, folder) = (known.await, create(json!({})).await);
    let mut tried = 0;
    for (root, of) in [("query", "Query"), ("mutation", "Mutation")] {
        for field in schema.0[of]["fields"].as_array().unwrap() {
            let arguments = field["args"].as_array().unwrap();
            for path in arguments.iter().flat_map(|argument| schema.strings(argument)) {
                for evil in EVIL {
                    let place = (root, field, &path, evil);
                    try_string(&schema, client, place, (&known, &folder)).await;
                    tried += 1;
                }
            }
        }
    }
    assert!(tried > 200, "{tried} strings were found");
    strings_come_back(client).await;
    names_come_back(administrator).await;
    let read = "query($id: ID!) { folder(id: $id) { externalId metadata revision } }";
    let unchanged = client.data(read, json!({"id": known})).await["folder"].clone();
    let expected =
        json!({"externalId": "known", "metadata": {"plain key": "plain value"}, "revision": 1});
    assert_eq!(unchanged, expected);
    let with_key = client.clone().with_header("idempotency-key", EVIL[0]);
    with_key.data(CREATE_FOLDER, json!({"input": {"externalId": "by key"}})).await;
    let other = client.clone().with_header("idempotency-key", "$where");
    other.data(CREATE_FOLDER, json!({"input": {"externalId": "by another key"}})).await;
}

#[tokio::test]
async fn no_string_is_an_operator_on_sqlite() {
    let node = Node::start().await;
    no_string_is_an_operator(&node.client().await).await;
}

#[tokio::test]
async fn no_string_is_an_operator_on_mongodb() {
    let options = ClusterOptions { members: 1, roles: vec!["api"], ..ClusterOptions::default() };
    let cluster = Cluster::start(options).await;
    no_string_is_an_operator(&cluster.client(0).await).await;
}
