//! Bounds the work and the errors of validation, which grow faster than the document: the library's
//! overlap rule walks every selection set anew with the fragments it uses, and reports one error
//! for each pair of fields that conflict.
//!
//! This makes the same walk with a budget and without comparing anything. Call it only for
//! documents without cycles of fragments.

use std::collections::{HashMap, HashSet};

use async_graphql::parser::types::{ExecutableDocument, Field, Selection, SelectionSet};
use vultus_core::Result;

use super::refusal::exceeded;
use crate::graphql::request_limits::QueryLimits;

/// Refuses a document whose validation takes more steps than the limit. `variable_uses` are
/// compared with the definitions of each operation.
pub(super) fn check(
    document: &ExecutableDocument,
    variable_uses: usize,
    limits: &QueryLimits,
) -> Result<()> {
    let mut steps = Steps { document, left: limits.validation_steps, limit: limits };
    let operations = document.operations.iter().count();
    steps.take(variable_uses.saturating_mul(operations))?;
    for (_, operation) in document.operations.iter() {
        steps.every_set(&operation.node.selection_set.node)?;
    }
    for fragment in document.fragments.values() {
        steps.every_set(&fragment.node.selection_set.node)?;
    }
    Ok(())
}

struct Steps<'d> {
    document: &'d ExecutableDocument,
    left: usize,
    limit: &'d QueryLimits,
}

/// The visited parts of one selection set: the first field of each output name with its number of
/// arguments, and the fragments.
#[derive(Default)]
struct Met<'d> {
    outputs: HashMap<(Option<&'d str>, &'d str), usize>,
    fragments: HashSet<&'d str>,
}

impl<'d> Steps<'d> {
    fn take(&mut self, steps: usize) -> Result<()> {
        match self.left.checked_sub(steps) {
            Some(left) => self.left = left,
            None => {
                let limit = self.limit.validation_steps;
                return Err(exceeded("QUERY_VALIDATION", "comparisons to validate it", limit));
            }
        }
        Ok(())
    }

    /// Walks `set` and each set below it, without following fragments.
    fn every_set(&mut self, set: &'d SelectionSet) -> Result<()> {
        self.overlaps(None, set, &mut Met::default())?;
        for item in &set.items {
            match &item.node {
                Selection::Field(field) => self.every_set(&field.node.selection_set.node)?,
                Selection::InlineFragment(inline) => {
                    self.every_set(&inline.node.selection_set.node)?;
                }
                Selection::FragmentSpread(_) => {}
            }
        }
        Ok(())
    }

    fn overlaps(
        &mut self,
        on_type: Option<&'d str>,
        set: &'d SelectionSet,
        met: &mut Met<'d>,
    ) -> Result<()> {
        for item in &set.items {
            self.take(1)?;
            match &item.node {
                Selection::Field(field) => self.field(on_type, &field.node, met)?,
                Selection::InlineFragment(inline) => {
                    let condition = inline.node.type_condition.as_ref();
                    let on_type = condition.map(|condition| condition.node.on.node.as_str());
                    self.overlaps(on_type, &inline.node.selection_set.node, met)?;
                }
                Selection::FragmentSpread(spread) => {
                    let name = spread.node.fragment_name.node.as_str();
                    if let Some(fragment) = self.document.fragments.get(name)
                        && met.fragments.insert(name)
                    {
                        let on_type = fragment.node.type_condition.node.on.node.as_str();
                        self.overlaps(Some(on_type), &fragment.node.selection_set.node, met)?;
                    }
                }
            }
        }
        Ok(())
    }

    /// The arguments of a repeated field are compared with those of the first one.
    fn field(
        &mut self,
        on_type: Option<&'d str>,
        field: &'d Field,
        met: &mut Met<'d>,
    ) -> Result<()> {
        let output = (on_type, field.response_key().node.as_str());
        let arguments = field.arguments.len();
        match met.outputs.get(&output) {
            Some(&of_first) => self.take(of_first.saturating_mul(arguments.max(1))),
            None => {
                met.outputs.insert(output, arguments);
                Ok(())
            }
        }
    }
}
