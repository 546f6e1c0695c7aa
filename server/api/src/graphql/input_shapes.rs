//! The shapes of the schema's input types, as far as variables need them: which fields an input
//! object has, and where JSON is.

use std::collections::HashMap;

use async_graphql::parser::parse_schema;
use async_graphql::parser::types::{BaseType, Type, TypeKind, TypeSystemDefinition};

/// Name of the scalar whose values stay text.
pub(super) const JSON: &str = "JSON";

/// The input objects of the schema, by name.
#[derive(Debug, Default)]
pub(super) struct InputShapes(HashMap<String, HashMap<String, Type>>);

impl InputShapes {
    /// Reads the schema in SDL.
    pub(super) fn of(sdl: &str) -> Self {
        // Our own export, which a test parses.
        let definitions = parse_schema(sdl).map(|schema| schema.definitions).unwrap_or_default();
        let mut shapes = HashMap::new();
        for definition in definitions {
            let TypeSystemDefinition::Type(definition) = definition else { continue };
            let TypeKind::InputObject(object) = definition.node.kind else { continue };
            let fields = object
                .fields
                .into_iter()
                .map(|field| (field.node.name.node.to_string(), field.node.ty.node));
            shapes.insert(definition.node.name.node.to_string(), fields.collect());
        }
        Self(shapes)
    }

    /// The fields of an input object; `None` for scalars, enums and unknown types.
    pub(super) fn fields(&self, name: &str) -> Option<&HashMap<String, Type>> {
        self.0.get(name)
    }
}

/// The name of a type, unless it is a list.
pub(super) fn named(of: &Type) -> Option<&str> {
    match &of.base {
        BaseType::Named(name) => Some(name.as_str()),
        BaseType::List(_) => None,
    }
}

/// The type of the members of a list.
pub(super) fn member(of: &Type) -> Option<&Type> {
    match &of.base {
        BaseType::Named(_) => None,
        BaseType::List(member) => Some(member),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shapes_are_those_of_the_schema() {
        let shapes = InputShapes::of(&crate::graphql::sdl());
        let folder = shapes.fields("CreateFolderInput").unwrap();
        assert_eq!(named(&folder["metadata"]), Some(JSON));
        let medium = named(member(&folder["media"]).unwrap()).unwrap();
        assert_eq!(named(&shapes.fields(medium).unwrap()["metadata"]), Some(JSON));
        assert!(shapes.fields("Folder").is_none() && shapes.fields(JSON).is_none());
    }
}
