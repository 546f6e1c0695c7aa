//! What a GraphQL document may cost, judged on the text and the syntax tree before the schema sees
//! it.
//!
//! The library's own limits come too late for hostile documents: its visitors walk fragments once
//! per use, so that a chain of fragments that each use the next one twice takes exponential time
//! before any limit is compared. Here each fragment is measured once and its cost is multiplied.
//! The schema validates fragments that no operation uses as well, so that they are counted too, and
//! then refused. The weight of the fields (pages count more than once) is checked afterwards by the
//! schema.

mod cost;
mod overlap;
mod size;
mod tokens;

use std::collections::HashMap;

use async_graphql::Pos;
use async_graphql::parser::parse_query;
use async_graphql::parser::types::{
    ExecutableDocument, OperationDefinition, OperationType, Selection, SelectionSet,
};
use serde_json::{Map, Value as Json};
use vultus_core::{Error, Result};

use super::request_limits::QueryLimits;
use cost::{Cost, size_in_memory};

/// Most sets within sets, through fragments: as deep as measuring recurses, with about 2 KiB of
/// stack for each.
const MAX_LEVELS: usize = 200;

/// Whether clients may ask what the schema is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Introspection {
    /// They may: development.
    Allowed,
    /// They may not: production.
    Refused,
}

/// A document within the limits.
#[derive(Debug)]
pub struct CheckedDocument {
    /// The syntax tree.
    pub document: ExecutableDocument,
    /// Kind of the operation that is asked for.
    pub kind: OperationType,
    /// Names of the fields at its root, fragments resolved, each as often as it is there.
    pub root_fields: Vec<String>,
    /// How often it uses variables, counted at each use of a fragment.
    variable_uses: usize,
}

impl CheckedDocument {
    /// Refuses variables that are too large for the number of their uses: each use is a copy.
    pub fn check_variables(
        &self,
        variables: Option<&Map<String, Json>>,
        limits: &QueryLimits,
    ) -> Result<()> {
        let values = variables.into_iter().flat_map(Map::values);
        let largest = values.map(size_in_memory).max().unwrap_or_default();
        if largest.saturating_mul(self.variable_uses) <= limits.variable_bytes {
            return Ok(());
        }
        Err(Error::LimitExceeded {
            argument: Some("variables".to_owned()),
            message: "the variables are too large for the number of their uses".to_owned(),
            reason: Some("QUERY_VARIABLE_BYTES".to_owned()),
        })
    }

    /// Whether `name` is among the fields at the root.
    pub fn asks_for(&self, name: &str) -> bool {
        self.root_fields.iter().any(|field| field == name)
    }
}

/// Parses `query` and refuses it when it exceeds a limit. Messages never contain text of the query.
pub fn check(
    query: &str,
    operation_name: Option<&str>,
    introspection: Introspection,
    limits: &QueryLimits,
) -> Result<CheckedDocument> {
    tokens::check(query, limits)?;
    let document = parse_query(query).map_err(|error| syntax_error(error.positions().next()))?;
    size::check(&document, limits)?;
    let fragments = HashMap::new();
    let mut measure = Measure { document: &document, introspection, limits, fragments };
    let mut total = Cost::default();
    let mut selected = None;
    let operations = document.operations.iter().count();
    for (name, operation) in document.operations.iter() {
        let (cost, root_fields) = measure.operation(&operation.node)?;
        total.add(&cost);
        total.within(limits)?;
        let is_selected = match operation_name {
            Some(wanted) => name.is_some_and(|name| name.as_str() == wanted),
            None => operations == 1,
        };
        if is_selected {
            selected = Some((operation.node.ty, root_fields));
        }
    }
    measure.all_fragments_are_used()?;
    overlap::check(&document, total.variable_uses, limits)?;
    let Some((kind, root_fields)) = selected else {
        return Err(Error::invalid(
            "operationName",
            "the document has no operation of this name, or several and none is named",
        ));
    };
    Ok(CheckedDocument { document, kind, root_fields, variable_uses: total.variable_uses })
}

fn syntax_error(position: Option<Pos>) -> Error {
    let message = match position {
        Some(pos) => format!("syntax error at line {}, column {}", pos.line, pos.column),
        None => "syntax error".to_owned(),
    };
    Error::InvalidInput {
        argument: Some("query".to_owned()),
        message,
        reason: Some("SYNTAX".to_owned()),
    }
}

/// A document is refused: it has more than `limit` of something.
fn exceeded(reason: &str, what: &str, limit: usize) -> Error {
    Error::LimitExceeded {
        argument: Some("query".to_owned()),
        message: format!("the query has more than {limit} {what}"),
        reason: Some(reason.to_owned()),
    }
}

struct Measure<'d> {
    document: &'d ExecutableDocument,
    introspection: Introspection,
    limits: &'d QueryLimits,
    /// `None`: being measured, so that a second visit is a cycle.
    fragments: HashMap<&'d str, Option<Cost>>,
}

impl<'d> Measure<'d> {
    fn operation(&mut self, operation: &'d OperationDefinition) -> Result<(Cost, Vec<String>)> {
        let mut cost = self.selection_set(&operation.selection_set.node, 1)?;
        cost.add_directives(&operation.directives);
        cost.within(self.limits)?;
        let mut root_fields = Vec::new();
        self.root_fields(&operation.selection_set.node, &mut root_fields)?;
        if self.introspection == Introspection::Refused
            && root_fields.iter().any(|name| is_introspection(name))
        {
            return Err(Error::InvalidInput {
                argument: Some("query".to_owned()),
                message: "introspection is off on this server".to_owned(),
                reason: Some("INTROSPECTION_OFF".to_owned()),
            });
        }
        Ok((cost, root_fields))
    }

    /// `level` counts the sets that lie around this one, through fragments too: measuring must not
    /// use up the stack itself.
    fn selection_set(&mut self, set: &'d SelectionSet, level: usize) -> Result<Cost> {
        if level > MAX_LEVELS {
            return Err(exceeded("QUERY_DEPTH", "levels of nesting", MAX_LEVELS));
        }
        let mut total = Cost::default();
        for item in &set.items {
            total.add(&self.selection(&item.node, level)?);
        }
        Ok(total)
    }

    fn selection(&mut self, selection: &'d Selection, level: usize) -> Result<Cost> {
        let mut cost = match selection {
            Selection::Field(field) => {
                let mut cost = self.selection_set(&field.node.selection_set.node, level + 1)?;
                cost.aliases = cost.aliases.saturating_add(usize::from(field.node.alias.is_some()));
                cost.add_arguments(field.node.arguments.iter().map(|(_, value)| &value.node));
                let name = field.node.name.node.as_str();
                cost.multiply_values(name);
                // Only the field of this name is judged so; a fragment may be called `__schema` and
                // gains nothing by it.
                if is_introspection(name) {
                    cost.introspection_depth = cost.introspection_depth.max(cost.depth) + 1;
                    cost.introspection_values =
                        cost.introspection_values.saturating_add(cost.values);
                    cost.depth = 1;
                } else {
                    cost.depth += 1;
                }
                cost
            }
            Selection::InlineFragment(inline) => {
                self.selection_set(&inline.node.selection_set.node, level + 1)?
            }
            Selection::FragmentSpread(spread) => {
                self.fragment(spread.node.fragment_name.node.as_str(), level + 1)?
            }
        };
        cost.selections = cost.selections.saturating_add(1);
        cost.add_directives(selection.directives());
        Ok(cost)
    }

    fn fragment(&mut self, name: &'d str, level: usize) -> Result<Cost> {
        match self.fragments.get(name) {
            Some(Some(cost)) => return Ok(*cost),
            Some(None) => return Err(Error::invalid("query", "a fragment uses itself")),
            None => {}
        }
        let Some(fragment) = self.document.fragments.get(name) else {
            return Err(Error::invalid("query", "a fragment is used that is not defined"));
        };
        self.fragments.insert(name, None);
        let mut cost = self.selection_set(&fragment.node.selection_set.node, level)?;
        cost.add_directives(&fragment.node.directives);
        self.fragments.insert(name, Some(cost));
        Ok(cost)
    }

    /// Only what operations use was measured. The schema refuses unused fragments too, but only
    /// after it has validated them.
    fn all_fragments_are_used(&self) -> Result<()> {
        if self.fragments.len() == self.document.fragments.len() {
            return Ok(());
        }
        Err(Error::InvalidInput {
            argument: Some("query".to_owned()),
            message: "the document defines a fragment that no operation uses".to_owned(),
            reason: Some("UNUSED_FRAGMENT".to_owned()),
        })
    }

    /// Called after the costs are known to be within the limits, so that writing out the fragments
    /// is cheap.
    fn root_fields(&self, set: &SelectionSet, names: &mut Vec<String>) -> Result<()> {
        for item in &set.items {
            match &item.node {
                Selection::Field(field) => names.push(field.node.name.node.to_string()),
                Selection::InlineFragment(inline) => {
                    self.root_fields(&inline.node.selection_set.node, names)?
                }
                Selection::FragmentSpread(spread) => {
                    if let Some(fragment) =
                        self.document.fragments.get(&spread.node.fragment_name.node)
                    {
                        self.root_fields(&fragment.node.selection_set.node, names)?;
                    }
                }
            }
            let limit = self.limits.root_fields;
            if names.len() > limit {
                return Err(exceeded("QUERY_ROOT_FIELDS", "root fields", limit));
            }
        }
        Ok(())
    }
}

fn is_introspection(field: &str) -> bool {
    field == "__schema" || field == "__type"
}

#[cfg(test)]
mod tests;
