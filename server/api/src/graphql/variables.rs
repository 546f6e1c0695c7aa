//! Variables of a request: only those that the operation declares are converted into values of the
//! library, along their types, and JSON inside them stays text.
//!
//! A value of the library costs hundreds of times the memory of its text. What no type of the
//! schema has a place for is therefore skipped: undeclared variables, unknown fields, and the
//! contents of an object or list in the place of a scalar. The schema then rejects the value.

use std::borrow::Cow;
use std::cell::Cell;
use std::collections::BTreeMap;
use std::fmt;

use async_graphql::parser::types::{Type, VariableDefinition};
use async_graphql::{Name, Positioned, Value, Variables};
use serde::de::{self, DeserializeSeed, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_json::Number;
use serde_json::value::RawValue;
use vultus_core::{Error, Result};

use super::input_shapes::{InputShapes, JSON, member, named};
use super::json::raw;
use super::request_limits::QueryLimits;

/// Converts the variables that `definitions` declare. `text` is the object with all variables.
/// Fails if one is missing that the operation requires, so that nothing of it is executed.
pub(super) fn declared(
    text: Option<&RawValue>,
    definitions: &[Positioned<VariableDefinition>],
    shapes: &InputShapes,
    limits: &QueryLimits,
) -> Result<Variables> {
    let variables = converted(text, definitions, shapes, limits)?;
    for VariableDefinition { name, var_type, default_value, .. } in
        definitions.iter().map(|definition| &definition.node)
    {
        let is_missing = matches!(variables.get(&name.node), None | Some(Value::Null));
        if is_missing && !var_type.node.nullable && default_value.is_none() {
            return Err(Error::invalid(format!("variables.{}", name.node), "is required"));
        }
    }
    Ok(variables)
}

fn converted(
    text: Option<&RawValue>,
    definitions: &[Positioned<VariableDefinition>],
    shapes: &InputShapes,
    limits: &QueryLimits,
) -> Result<Variables> {
    let Some(text) = text else { return Ok(Variables::default()) };
    if definitions.is_empty() {
        return Ok(Variables::default());
    }
    let mut types = BTreeMap::new();
    for definition in definitions {
        types.insert(definition.node.name.node.as_str(), &definition.node.var_type.node);
    }
    let (left, too_long) = (Cell::new(Some(limits.variable_values)), Cell::new(false));
    let context =
        Conversion { shapes, left: &left, name_bytes: limits.name_bytes, too_long: &too_long };
    let mut deserializer = serde_json::Deserializer::from_str(text.get());
    let converted = AllVariables { types, context }.deserialize(&mut deserializer);
    converted.map_err(|error| {
        if left.get().is_none() {
            return Error::LimitExceeded {
                argument: Some("variables".to_owned()),
                message: format!(
                    "the variables have more than {} values, without those inside JSON",
                    limits.variable_values
                ),
                reason: Some("QUERY_VARIABLE_VALUES".to_owned()),
            };
        }
        if too_long.get() {
            let message = format!("a name has more than {} bytes", limits.name_bytes);
            return Error::invalid("variables", message);
        }
        // The parser's texts may repeat the client's values.
        let message = format!("malformed at line {}, column {}", error.line(), error.column());
        Error::invalid("variables", message)
    })
}

/// Approximate memory of a value, and so of a copy of it, in bytes.
pub(super) fn size_in_memory(value: &Value) -> usize {
    const OF_A_VALUE: usize = 72;
    OF_A_VALUE
        + match value {
            Value::Null | Value::Boolean(_) | Value::Number(_) => 0,
            // Copies share the text.
            Value::Binary(_) => 0,
            Value::String(text) => text.len(),
            Value::Enum(name) => name.len(),
            Value::List(items) => items.iter().map(size_in_memory).sum(),
            Value::Object(fields) => {
                let of_field = |(name, field): (&Name, &Value)| name.len() + size_in_memory(field);
                fields.iter().map(of_field).sum()
            }
        }
}

/// Size of the JSON texts in a value, in bytes.
pub(super) fn json_bytes(value: &Value) -> usize {
    match value {
        Value::Binary(text) => text.len(),
        Value::List(items) => items.iter().map(json_bytes).sum(),
        Value::Object(fields) => fields.values().map(json_bytes).sum(),
        Value::Null | Value::Boolean(_) | Value::Number(_) | Value::String(_) | Value::Enum(_) => 0,
    }
}

#[derive(Clone, Copy)]
struct Conversion<'c> {
    shapes: &'c InputShapes,
    /// Number of values that may still be converted; `None`: the limit was exceeded.
    left: &'c Cell<Option<usize>>,
    /// Maximum length of a name: errors of the library repeat names.
    name_bytes: usize,
    too_long: &'c Cell<bool>,
}

impl Conversion<'_> {
    fn count<E: de::Error>(&self) -> std::result::Result<(), E> {
        self.left.set(self.left.get().and_then(|left| left.checked_sub(1)));
        if self.left.get().is_none() { Err(E::custom("too many values")) } else { Ok(()) }
    }

    fn name<E: de::Error>(&self, name: &str) -> std::result::Result<Name, E> {
        if name.len() > self.name_bytes {
            self.too_long.set(true);
            return Err(E::custom("a name is too long"));
        }
        Ok(Name::new(name))
    }
}

struct AllVariables<'c> {
    types: BTreeMap<&'c str, &'c Type>,
    context: Conversion<'c>,
}

impl<'de> DeserializeSeed<'de> for AllVariables<'_> {
    type Value = Variables;

    fn deserialize<D: Deserializer<'de>>(
        self,
        deserializer: D,
    ) -> std::result::Result<Variables, D::Error> {
        deserializer.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for AllVariables<'_> {
    type Value = Variables;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(
        self,
        mut given: A,
    ) -> std::result::Result<Variables, A::Error> {
        let mut variables = Variables::default();
        while let Some(name) = given.next_key::<Cow<'de, str>>()? {
            match self.types.get(name.as_ref()) {
                Some(of) => {
                    let value = given.next_value_seed(Typed { of, context: self.context })?;
                    variables.insert(Name::new(name), value);
                }
                None => drop(given.next_value::<IgnoredAny>()?),
            }
        }
        Ok(variables)
    }
}

/// A value of a type of the schema.
#[derive(Clone, Copy)]
struct Typed<'c> {
    of: &'c Type,
    context: Conversion<'c>,
}

impl<'de> DeserializeSeed<'de> for Typed<'_> {
    type Value = Value;

    fn deserialize<D: Deserializer<'de>>(
        self,
        deserializer: D,
    ) -> std::result::Result<Value, D::Error> {
        self.context.count()?;
        if named(self.of) == Some(JSON) {
            let text = <&RawValue as de::Deserialize>::deserialize(deserializer)?;
            return Ok(if text.get() == "null" { Value::Null } else { raw(text.get()) });
        }
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Typed<'_> {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a value")
    }

    fn visit_unit<E>(self) -> std::result::Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_bool<E>(self, value: bool) -> std::result::Result<Value, E> {
        Ok(Value::Boolean(value))
    }

    fn visit_i64<E>(self, value: i64) -> std::result::Result<Value, E> {
        Ok(Value::Number(value.into()))
    }

    fn visit_u64<E>(self, value: u64) -> std::result::Result<Value, E> {
        Ok(Value::Number(value.into()))
    }

    fn visit_f64<E>(self, value: f64) -> std::result::Result<Value, E> {
        Ok(Number::from_f64(value).map_or(Value::Null, Value::Number))
    }

    fn visit_str<E>(self, text: &str) -> std::result::Result<Value, E> {
        Ok(Value::String(text.to_owned()))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> std::result::Result<Value, A::Error> {
        let mut list = Vec::new();
        match member(self.of) {
            Some(of) => {
                while let Some(item) = items.next_element_seed(Typed { of, ..self })? {
                    list.push(item);
                }
            }
            None => while items.next_element::<IgnoredAny>()?.is_some() {},
        }
        Ok(Value::List(list))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut given: A) -> std::result::Result<Value, A::Error> {
        // A single value stands for a list of one.
        let mut of = self.of;
        while let Some(inner) = member(of) {
            of = inner;
        }
        let fields = named(of).and_then(|name| self.context.shapes.fields(name));
        let mut object = async_graphql::indexmap::IndexMap::new();
        while let Some(name) = given.next_key::<Cow<'de, str>>()? {
            let known = fields.and_then(|fields| fields.get(name.as_ref()));
            let value = match known {
                Some(of) => given.next_value_seed(Typed { of, ..self })?,
                None => {
                    given.next_value::<IgnoredAny>()?;
                    if fields.is_none() {
                        continue;
                    }
                    self.context.count()?;
                    Value::Null
                }
            };
            object.insert(self.context.name(&name)?, value);
        }
        Ok(Value::Object(object))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use async_graphql::parser::parse_query;
    use async_graphql::value;

    fn converted(definitions: &str, text: &str) -> Result<Value> {
        let document = parse_query(format!("query({definitions}) {{ a }}")).unwrap();
        let operation = document.operations.iter().next().unwrap().1;
        let shapes = InputShapes::of(&crate::graphql::sdl());
        let limits = QueryLimits { variable_values: 8, name_bytes: 16, ..QueryLimits::default() };
        let text = RawValue::from_string(text.to_owned()).unwrap();
        let definitions = &operation.node.variable_definitions;
        declared(Some(&text), definitions, &shapes, &limits).map(Variables::into_value)
    }

    #[test]
    fn undeclared_variables_and_unknown_fields_are_skipped() {
        let text = r#"{"a":[[[1]]],"i":{"folderId":"x","no":{"deep":[1,2]},"metadata":{"b":1.0}}}"#;
        let expected = value!({"i": {"folderId": "x", "no": null}});
        let Value::Object(mut expected) = expected else { panic!("not an object") };
        let Some(Value::Object(input)) = expected.get_mut("i") else { panic!("not an object") };
        input.insert(Name::new("metadata"), raw(r#"{"b":1.0}"#));
        let found = converted("$i: UpdateFolderInput!", text).unwrap();
        assert_eq!(found, Value::Object(expected));
    }

    #[test]
    fn missing_required_variables_are_refused() {
        let required = "$a: Int!, $b: Int! = 5, $c: Int";
        assert!(converted(required, r#"{"a":1}"#).is_ok());
        for text in ["{}", r#"{"a":null}"#, r#"{"b":1,"c":1}"#] {
            let refused = converted(required, text).unwrap_err();
            let Error::InvalidInput { argument, .. } = refused else { panic!("{refused}") };
            assert_eq!(argument.as_deref(), Some("variables.a"));
        }
    }

    #[test]
    fn contents_in_the_place_of_a_scalar_are_skipped() {
        let text = r#"{"s":[[1,[2]]],"t":{"a":{"b":1}},"l":[1,[2]]}"#;
        let found = converted("$s: String, $t: Int, $l: [Int!]", text).unwrap();
        assert_eq!(found, value!({"s": [], "t": {}, "l": [1, []]}));
    }

    #[test]
    fn json_stays_text_and_null_stays_null() {
        let found = converted("$j: JSON, $k: JSON", r#"{"j":{"a": 1e2},"k":null}"#).unwrap();
        let Value::Object(found) = found else { panic!("not an object") };
        assert_eq!(found["j"], raw(r#"{"a": 1e2}"#));
        assert_eq!(found["k"], Value::Null);
    }

    #[test]
    fn values_and_names_are_limited() {
        let list = |count: usize| format!("{{\"l\":[{}]}}", vec!["1"; count].join(","));
        assert!(converted("$l: [Int!]", &list(7)).is_ok());
        let refused = converted("$l: [Int!]", &list(8)).unwrap_err();
        assert!(matches!(refused, Error::LimitExceeded { .. }), "{refused}");
        let name = "n".repeat(17);
        let text = format!("{{\"i\":{{\"{name}\":1}}}}");
        let refused = converted("$i: UpdateFolderInput!", &text).unwrap_err();
        assert!(!refused.to_string().contains(&name));
    }

    #[test]
    fn errors_do_not_repeat_values() {
        let refused = converted("$l: [String!]", r#"["hunter2"]"#).unwrap_err();
        assert!(!refused.to_string().contains("hunter2"));
    }
}
