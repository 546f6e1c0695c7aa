//! Limits of a GraphQL document, checked on its text and syntax tree before the schema processes
//! it.
//!
//! The library's limits come too late for hostile documents: its visitors walk fragments once per
//! use, so that a chain of fragments that each use the next one twice takes exponential time before
//! any limit applies. Here each fragment is measured once and its cost is multiplied. Unused
//! fragments are counted and refused too, since the schema validates them. The schema checks the
//! weight of the fields (pages count more than once) afterwards.

mod cost;
mod overlap;
mod refusal;
mod size;
mod tokens;

use std::collections::HashMap;

use async_graphql::parser::parse_query;
use async_graphql::parser::types::{
    ExecutableDocument, OperationDefinition, OperationType, Selection, SelectionSet,
    VariableDefinition,
};
use async_graphql::{Pos, Positioned};
use vultus_core::{Error, Result};

use super::needs::Needs;
use super::refused::RefusedRequest;
use super::request_limits::QueryLimits;
use cost::Cost;
use refusal::exceeded;

/// Maximum nesting of selection sets, through fragments. It bounds the recursion of measuring,
/// which takes about 2 KiB of stack per level.
const MAX_LEVELS: usize = 200;

/// Whether introspection is on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Introspection {
    /// On: development.
    Allowed,
    /// Off: production.
    Refused,
}

/// A document within the limits.
#[derive(Debug)]
pub struct CheckedDocument {
    /// The syntax tree.
    pub document: ExecutableDocument,
    /// Kind of the requested operation.
    pub kind: OperationType,
    /// Names of its root fields, with fragments resolved and repetitions kept.
    pub root_fields: Vec<String>,
    /// What its fields need of folders.
    pub needs: Needs,
    /// Number of uses of variables, counted at each use of a fragment.
    pub(super) variable_uses: usize,
}

impl CheckedDocument {
    /// The variables that the requested operation defines.
    pub(super) fn definitions(&self, operation: Option<&str>) -> &[Positioned<VariableDefinition>] {
        let mut operations = self.document.operations.iter();
        let found = match operation {
            Some(wanted) => {
                operations.find(|(name, _)| name.is_some_and(|name| name.as_str() == wanted))
            }
            None => operations.next(),
        };
        found.map_or(&[], |(_, operation)| operation.node.variable_definitions.as_slice())
    }

    /// Whether `name` is a root field.
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
) -> Result<CheckedDocument, RefusedRequest> {
    tokens::check(query, limits)?;
    let document = parse_query(query).map_err(|error| syntax_error(error.positions().next()))?;
    let needs = size::check(&document, limits)?;
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
            "the document has no operation of this name, or has several and the request names none",
        )
        .into());
    };
    let variable_uses = total.variable_uses;
    Ok(CheckedDocument { document, kind, root_fields, needs, variable_uses })
}

fn syntax_error(position: Option<Pos>) -> RefusedRequest {
    let message = match position {
        Some(pos) => format!("syntax error at line {}, column {}", pos.line, pos.column),
        None => "syntax error".to_owned(),
    };
    let error = Error::InvalidInput {
        argument: Some("query".to_owned()),
        message,
        reason: Some("SYNTAX".to_owned()),
    };
    RefusedRequest { error, position }
}

struct Measure<'d> {
    document: &'d ExecutableDocument,
    introspection: Introspection,
    limits: &'d QueryLimits,
    /// `None` while the fragment is measured: a second visit is a cycle.
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

    /// `level` is the number of enclosing sets, through fragments too, which bounds the recursion.
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
                // By the name of the field: a fragment named `__schema` gains nothing.
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

    /// Only used fragments were measured. The schema refuses unused ones too, but only after
    /// validating them.
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

    /// Call only when the costs are within the limits, so that expanding the fragments is cheap.
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
