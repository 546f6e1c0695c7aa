//! Cost of a selection set with all fragments expanded.

use async_graphql::Positioned;
use async_graphql::parser::types::Directive;
use async_graphql_value::Value;
use vultus_core::Result;

use super::refusal::exceeded;
use crate::graphql::request_limits::QueryLimits;

/// Cost of a selection set with all fragments expanded.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Cost {
    pub(super) selections: usize,
    pub(super) aliases: usize,
    pub(super) depth: usize,
    pub(super) introspection_depth: usize,
    /// Values that `__schema` and `__type` select here.
    pub(super) introspection_values: usize,
    /// Values selected here if this is inside `__schema`.
    pub(super) values: usize,
    pub(super) variable_uses: usize,
}

impl Cost {
    pub(super) fn add(&mut self, other: &Self) {
        self.selections = self.selections.saturating_add(other.selections);
        self.aliases = self.aliases.saturating_add(other.aliases);
        self.depth = self.depth.max(other.depth);
        self.introspection_depth = self.introspection_depth.max(other.introspection_depth);
        self.introspection_values =
            self.introspection_values.saturating_add(other.introspection_values);
        self.values = self.values.saturating_add(other.values);
        self.variable_uses = self.variable_uses.saturating_add(other.variable_uses);
    }

    /// Counts the variables of the arguments of directives.
    pub(super) fn add_directives(&mut self, directives: &[Positioned<Directive>]) {
        for directive in directives {
            self.add_arguments(directive.node.arguments.iter().map(|(_, value)| &value.node));
        }
    }

    /// Counts the variables of arguments.
    pub(super) fn add_arguments<'v>(&mut self, values: impl Iterator<Item = &'v Value>) {
        let uses: usize = values.map(variable_uses).sum();
        self.variable_uses = self.variable_uses.saturating_add(uses);
    }

    /// Multiplies the values below by the members of `field`, in case this is inside `__schema`.
    pub(super) fn multiply_values(&mut self, field: &str) {
        let members = introspected_members(field);
        self.values = self.values.saturating_add(1).saturating_mul(members);
    }

    pub(super) fn within(&self, limits: &QueryLimits) -> Result<()> {
        if self.selections > limits.selections {
            return Err(exceeded("QUERY_SELECTIONS", "selections", limits.selections));
        }
        if self.aliases > limits.aliases {
            return Err(exceeded("QUERY_ALIASES", "aliases", limits.aliases));
        }
        if self.depth > limits.depth {
            return Err(exceeded("QUERY_DEPTH", "levels of fields", limits.depth));
        }
        if self.introspection_depth > limits.introspection_depth {
            let limit = limits.introspection_depth;
            return Err(exceeded("QUERY_DEPTH", "levels of introspection", limit));
        }
        if self.introspection_values > limits.introspection_values {
            let limit = limits.introspection_values;
            return Err(exceeded("QUERY_INTROSPECTION", "values of introspection", limit));
        }
        Ok(())
    }
}

/// Estimated number of members of an introspection list; 1 for other fields.
fn introspected_members(field: &str) -> usize {
    match field {
        "types" => 100,
        "fields" => 20,
        "inputFields" | "enumValues" | "possibleTypes" => 10,
        "args" | "interfaces" | "directives" | "locations" => 4,
        _ => 1,
    }
}

/// Number of variables in a value of an argument.
fn variable_uses(value: &Value) -> usize {
    match value {
        Value::Variable(_) => 1,
        Value::List(items) => items.iter().map(variable_uses).sum(),
        Value::Object(fields) => fields.values().map(variable_uses).sum(),
        Value::Null
        | Value::Number(_)
        | Value::String(_)
        | Value::Boolean(_)
        | Value::Binary(_)
        | Value::Enum(_) => 0,
    }
}
