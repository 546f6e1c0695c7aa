//! Reads the schema by introspection, and builds queries for every field of it.

use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use vultus_tests::Client;

const INTROSPECTION: &str = "{ __schema { types { kind name possibleTypes { name } fields {
      name args { name defaultValue type { kind } }
      type { ...T ofType { ...T ofType { ...T ofType { ...T } } } }
    } } } }
    fragment T on __Type { kind name }";

/// A field of a type.
#[derive(Debug, Clone)]
pub struct Field {
    pub name: String,
    /// The named type inside lists and non-nulls.
    pub of: String,
    pub is_page: bool,
    needs_arguments: bool,
}

/// The types of the schema that have fields.
#[derive(Debug)]
pub struct Schema {
    pub types: BTreeMap<String, Vec<Field>>,
    possible: BTreeMap<String, Vec<String>>,
}

/// A step of the path from a root field to a type.
#[derive(Debug, Clone)]
enum Step {
    Field(Field),
    Fragment(String),
}

/// A selection that asks for all fields of one type, below a root field.
#[derive(Debug, Clone)]
pub struct Selection {
    pub of: String,
    /// The root type and field.
    pub root: (&'static str, String),
    /// Selection set of the root field.
    pub text: String,
}

impl Schema {
    pub async fn of(client: &Client) -> Self {
        let answer = client.data(INTROSPECTION, json!({})).await;
        let (mut types, mut possible) = (BTreeMap::new(), BTreeMap::new());
        for each in answer["__schema"]["types"].as_array().unwrap() {
            let name = each["name"].as_str().unwrap().to_owned();
            if name.starts_with("__") {
                continue;
            }
            if let Some(fields) = each["fields"].as_array() {
                types.insert(name.clone(), fields.iter().map(field).collect());
            }
            let names = each["possibleTypes"].as_array().into_iter().flatten();
            let names: Vec<String> =
                names.map(|of| of["name"].as_str().unwrap().to_owned()).collect();
            if !names.is_empty() {
                possible.insert(name, names);
            }
        }
        Self { types, possible }
    }

    /// All fields, as `Type.field`.
    pub fn fields(&self) -> BTreeSet<String> {
        self.types
            .iter()
            .flat_map(|(of, fields)| fields.iter().map(move |field| format!("{of}.{}", field.name)))
            .collect()
    }

    /// For each type, the shortest path to it from these root fields. Earlier root fields win.
    pub fn selections(&self, roots: &[(&'static str, &str)]) -> Vec<Selection> {
        let mut found: BTreeMap<String, Selection> = BTreeMap::new();
        for &(root, name) in roots {
            let field = self.types[root]
                .iter()
                .find(|field| field.name == name)
                .unwrap_or_else(|| panic!("no {root}.{name}"));
            let mut queue = VecDeque::from([(field.of.clone(), Vec::new())]);
            while let Some((of, path)) = queue.pop_front() {
                if found.contains_key(&of) || !self.types.contains_key(&of) {
                    continue;
                }
                let text = nested(&path, &self.all_of(&of));
                found.insert(
                    of.clone(),
                    Selection { of: of.clone(), root: (root, name.to_owned()), text },
                );
                for next in &self.types[&of] {
                    queue.push_back((
                        next.of.clone(),
                        [&path[..], &[Step::Field(next.clone())]].concat(),
                    ));
                }
                for concrete in self.possible.get(&of).into_iter().flatten() {
                    queue.push_back((
                        concrete.clone(),
                        [&path[..], &[Step::Fragment(concrete.clone())]].concat(),
                    ));
                }
            }
        }
        found.into_values().collect()
    }

    /// Selects every field of a type, and `__typename` of fields that have fields.
    fn all_of(&self, of: &str) -> String {
        let select = |field: &Field| match self.types.contains_key(&field.of) {
            true => format!("{} {{ __typename }}", with_page(field)),
            false => field.name.clone(),
        };
        let fields = self.types[of].iter().filter(|field| !field.needs_arguments);
        fields.map(select).collect::<Vec<_>>().join(" ")
    }

    /// The fields that a selection of a type asks for.
    pub fn asked(&self, of: &str) -> BTreeSet<String> {
        let fields = self.types[of].iter().filter(|field| !field.needs_arguments);
        fields.map(|field| format!("{of}.{}", field.name)).collect()
    }
}

fn field(definition: &Value) -> Field {
    let mut of = &definition["type"];
    while of["ofType"].is_object() {
        of = &of["ofType"];
    }
    let arguments = definition["args"].as_array().unwrap();
    Field {
        name: definition["name"].as_str().unwrap().to_owned(),
        of: of["name"].as_str().unwrap().to_owned(),
        is_page: arguments.iter().any(|argument| argument["name"] == "first"),
        needs_arguments: arguments
            .iter()
            .any(|a| a["type"]["kind"] == "NON_NULL" && a["defaultValue"].is_null()),
    }
}

/// A field with the smallest page, so that nested pages stay within the limits of a request.
fn with_page(field: &Field) -> String {
    if field.is_page { format!("{}(first: 5)", field.name) } else { field.name.clone() }
}

fn nested(path: &[Step], inner: &str) -> String {
    path.iter().rev().fold(inner.to_owned(), |inner, step| match step {
        Step::Field(field) => format!("{} {{ {inner} }}", with_page(field)),
        Step::Fragment(of) => format!("... on {of} {{ {inner} }}"),
    })
}
