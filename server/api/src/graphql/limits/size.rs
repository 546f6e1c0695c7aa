//! Counts the parts of a document, each once: all operations and all fragments, used or not, since
//! validation walks all of them.
//!
//! The recursion is bounded by the nesting of brackets, which is limited before parsing.

use async_graphql::Positioned;
use async_graphql::parser::types::{
    Directive, ExecutableDocument, OperationDefinition, Selection, SelectionSet,
};
use async_graphql_value::Value;
use vultus_core::Result;

use super::refusal::exceeded;
use crate::graphql::needs::Needs;
use crate::graphql::request_limits::QueryLimits;

/// Refuses a document that exceeds a limit. Returns what its fields need of folders.
pub(super) fn check(document: &ExecutableDocument, limits: &QueryLimits) -> Result<Needs> {
    let (needs, selections, directives) = (Needs::default(), 0, 0);
    let mut size =
        DocumentSize { limits, needs, selections, directives, variables: 0, literals: 0 };
    let operations = document.operations.iter().count();
    count(operations, limits.operations, "QUERY_OPERATIONS", "operations")?;
    count(document.fragments.len(), limits.fragments, "QUERY_FRAGMENTS", "fragments")?;
    for (_, operation) in document.operations.iter() {
        size.operation(&operation.node)?;
    }
    for fragment in document.fragments.values() {
        size.directives(&fragment.node.directives)?;
        size.selection_set(&fragment.node.selection_set.node)?;
    }
    Ok(size.needs)
}

fn count(found: usize, limit: usize, reason: &str, what: &str) -> Result<()> {
    if found > limit { Err(exceeded(reason, what, limit)) } else { Ok(()) }
}

struct DocumentSize<'l> {
    limits: &'l QueryLimits,
    needs: Needs,
    selections: usize,
    directives: usize,
    variables: usize,
    literals: usize,
}

impl DocumentSize<'_> {
    fn operation(&mut self, operation: &OperationDefinition) -> Result<()> {
        self.variables += operation.variable_definitions.len();
        count(self.variables, self.limits.variables, "QUERY_VARIABLES", "variable definitions")?;
        for definition in &operation.variable_definitions {
            self.directives(&definition.node.directives)?;
            if let Some(default) = &definition.node.default_value {
                self.literal(&default.node.clone().into_value())?;
            }
        }
        self.directives(&operation.directives)?;
        self.selection_set(&operation.selection_set.node)
    }

    fn selection_set(&mut self, set: &SelectionSet) -> Result<()> {
        self.selections += set.items.len();
        count(self.selections, self.limits.selections, "QUERY_SELECTIONS", "selections")?;
        for item in &set.items {
            self.directives(item.node.directives())?;
            match &item.node {
                Selection::Field(field) => {
                    self.needs.add(field.node.name.node.as_str());
                    for (_, value) in &field.node.arguments {
                        self.literal(&value.node)?;
                    }
                    self.selection_set(&field.node.selection_set.node)?;
                }
                Selection::InlineFragment(inline) => {
                    self.selection_set(&inline.node.selection_set.node)?;
                }
                Selection::FragmentSpread(_) => {}
            }
        }
        Ok(())
    }

    fn directives(&mut self, directives: &[Positioned<Directive>]) -> Result<()> {
        let limit = self.limits.directives_per_place;
        count(directives.len(), limit, "QUERY_DIRECTIVES", "directives at one place")?;
        self.directives += directives.len();
        count(self.directives, self.limits.directives, "QUERY_DIRECTIVES", "directives")?;
        for directive in directives {
            for (_, value) in &directive.node.arguments {
                self.literal(&value.node)?;
            }
        }
        Ok(())
    }

    fn literal(&mut self, value: &Value) -> Result<()> {
        self.literals += 1;
        count(self.literals, self.limits.literals, "QUERY_LITERALS", "literal values")?;
        match value {
            Value::List(items) => items.iter().try_for_each(|item| self.literal(item)),
            Value::Object(fields) => fields.values().try_for_each(|field| self.literal(field)),
            Value::Variable(_)
            | Value::Null
            | Value::Number(_)
            | Value::String(_)
            | Value::Boolean(_)
            | Value::Binary(_)
            | Value::Enum(_) => Ok(()),
        }
    }
}
