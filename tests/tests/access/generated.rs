//! Requests that are generated from the schema: every root field with arguments that are valid as
//! far as their types say.

use serde_json::{Value, json};
use std::collections::BTreeMap;
use vultus_tests::Client;

const INTROSPECTION: &str = "{ __schema {
      queryType { name } mutationType { name } subscriptionType { name }
      types { kind name enumValues { name } inputFields { ...A }
        fields { name args { ...A } type { ...T ofType { ...T } } } }
    } }
    fragment A on __InputValue { name defaultValue
      type { ...T ofType { ...T ofType { ...T ofType { ...T } } } } }
    fragment T on __Type { kind name }";

/// A root field.
#[derive(Debug, Clone)]
pub struct Root {
    /// `query`, `mutation` or `subscription`.
    pub operation: &'static str,
    pub name: String,
    arguments: Vec<Value>,
}

/// The root fields, and the types of their arguments.
pub struct Roots {
    pub fields: Vec<Root>,
    types: BTreeMap<String, Value>,
}

impl Roots {
    pub async fn of(client: &Client) -> Self {
        let schema = client.data(INTROSPECTION, json!({})).await["__schema"].clone();
        let types: BTreeMap<String, Value> = schema["types"]
            .as_array()
            .unwrap()
            .iter()
            .map(|each| (each["name"].as_str().unwrap().to_owned(), each.clone()))
            .collect();
        let mut fields = Vec::new();
        for operation in ["query", "mutation", "subscription"] {
            let root = schema[format!("{operation}Type")]["name"].as_str().unwrap();
            for field in types[root]["fields"].as_array().unwrap() {
                fields.push(Root {
                    operation,
                    name: field["name"].as_str().unwrap().to_owned(),
                    arguments: field["args"].as_array().unwrap().clone(),
                });
            }
        }
        Self { fields, types }
    }

    /// The field with the least valid arguments. Each id in them is `id`.
    pub fn request(&self, root: &Root, id: &str) -> String {
        let required: Vec<String> = root
            .arguments
            .iter()
            .filter(|argument| is_required(argument) || self.leads_to_id(argument))
            .map(|argument| {
                format!("{}: {}", argument["name"].as_str().unwrap(), self.value(argument, id))
            })
            .collect();
        let arguments =
            if required.is_empty() { String::new() } else { format!("({})", required.join(", ")) };
        format!("{} {{ {}{arguments} {{ __typename }} }}", root.operation, root.name)
    }

    /// Whether the arguments of a field name an object by its id.
    pub fn names_an_object(&self, root: &Root) -> bool {
        root.arguments.iter().any(|argument| self.leads_to_id(argument))
    }

    fn leads_to_id(&self, argument: &Value) -> bool {
        let of = self.named(argument);
        of["name"] == "ID"
            || of["inputFields"]
                .as_array()
                .into_iter()
                .flatten()
                .any(|field| self.named(field)["name"] == "ID" && !is_list(field))
    }

    /// The named type inside lists and non-nulls.
    fn named(&self, argument: &Value) -> &Value {
        let mut of = &argument["type"];
        while of["ofType"].is_object() {
            of = &of["ofType"];
        }
        &self.types[of["name"].as_str().unwrap()]
    }

    fn value(&self, argument: &Value, id: &str) -> String {
        if is_list(argument) {
            return "[]".to_owned();
        }
        let of = self.named(argument);
        match (of["kind"].as_str().unwrap(), of["name"].as_str().unwrap()) {
            ("SCALAR", "ID") => format!("\"{id}\""),
            ("SCALAR", "Int") => "1".to_owned(),
            ("SCALAR", "Float") => "1.0".to_owned(),
            ("SCALAR", "Boolean") => "true".to_owned(),
            ("SCALAR", "JSON") => "{}".to_owned(),
            ("SCALAR", "DateTime") => "\"2026-01-01T00:00:00Z\"".to_owned(),
            ("SCALAR", _) => "\"name@example.org\"".to_owned(),
            // The last one: of roles it is one that belongs to a company.
            ("ENUM", _) => {
                let values = of["enumValues"].as_array().unwrap();
                values.last().unwrap()["name"].as_str().unwrap().to_owned()
            }
            ("INPUT_OBJECT", _) => {
                let fields = of["inputFields"].as_array().unwrap().iter();
                let fields = fields.filter(|field| is_required(field) || self.is_id(field));
                let fields = fields.map(|field| {
                    format!("{}: {}", field["name"].as_str().unwrap(), self.value(field, id))
                });
                format!("{{{}}}", fields.collect::<Vec<_>>().join(", "))
            }
            other => panic!("no value of {other:?}"),
        }
    }

    fn is_id(&self, field: &Value) -> bool {
        self.named(field)["name"] == "ID" && !is_list(field)
    }
}

fn is_required(argument: &Value) -> bool {
    argument["type"]["kind"] == "NON_NULL" && argument["defaultValue"].is_null()
}

fn is_list(argument: &Value) -> bool {
    let of = &argument["type"];
    of["kind"] == "LIST" || of["ofType"]["kind"] == "LIST"
}
