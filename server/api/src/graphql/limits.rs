//! What a GraphQL document may cost, judged on the text and the syntax tree before the schema sees
//! it.
//!
//! The library's own limits come too late for hostile documents: its visitors walk fragments once
//! per use, so that a chain of fragments that each use the next one twice takes exponential time
//! before any limit is compared. Here each fragment is measured once and its cost is multiplied.
//! The weight of the fields (pages count more than once) is checked afterwards by the schema, with
//! [`MAX_COMPLEXITY`].

use std::collections::HashMap;

use async_graphql::Pos;
use async_graphql::parser::parse_query;
use async_graphql::parser::types::{
    ExecutableDocument, OperationDefinition, OperationType, Selection, SelectionSet,
};
use vultus_core::{Error, Result};

/// Deepest nesting of fields.
pub const MAX_DEPTH: usize = 12;
/// Deepest nesting inside `__schema` and `__type`, where introspection is on: the usual query of
/// tools needs 13.
pub const MAX_INTROSPECTION_DEPTH: usize = 20;
/// Highest sum of the weights of all fields.
pub const MAX_COMPLEXITY: usize = 1_000;
/// Most aliases, counted at each use of a fragment.
pub const MAX_ALIASES: usize = 30;
/// Most fields at the root of an operation.
pub const MAX_ROOT_FIELDS: usize = 20;
/// Most tokens of a document.
pub const MAX_TOKENS: usize = 15_000;
/// Deepest nesting of brackets of any kind, which bounds the parser's recursion.
pub const MAX_NESTING: usize = 50;
/// Most selections (fields, spreads, inline fragments), counted at each use of a fragment.
pub const MAX_SELECTIONS: usize = 2_000;
/// Most sets within sets, through fragments: as deep as measuring recurses, with about 2 KiB of
/// stack for each.
const MAX_LEVELS: usize = 200;
/// Most operations in one document.
pub const MAX_OPERATIONS: usize = 10;
/// Most fragments in one document.
pub const MAX_FRAGMENTS: usize = 100;
/// Most directives on one field.
pub const MAX_DIRECTIVES: usize = 5;

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
}

impl CheckedDocument {
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
) -> Result<CheckedDocument> {
    check_tokens(query)?;
    let document = parse_query(query).map_err(|error| syntax_error(error.positions().next()))?;
    let mut measure = Measure { document: &document, introspection, fragments: HashMap::new() };
    let operations: Vec<_> = document.operations.iter().collect();
    if operations.len() > MAX_OPERATIONS {
        return Err(exceeded("QUERY_OPERATIONS", "operations", MAX_OPERATIONS));
    }
    if document.fragments.len() > MAX_FRAGMENTS {
        return Err(exceeded("QUERY_FRAGMENTS", "fragments", MAX_FRAGMENTS));
    }
    let mut total = Cost::default();
    let mut selected = None;
    for (name, operation) in &operations {
        let (cost, root_fields) = measure.operation(&operation.node)?;
        total.add(&cost);
        total.within_limits()?;
        let is_selected = match operation_name {
            Some(wanted) => name.is_some_and(|name| name.as_str() == wanted),
            None => operations.len() == 1,
        };
        if is_selected {
            selected = Some((operation.node.ty, root_fields));
        }
    }
    match selected {
        Some((kind, root_fields)) => Ok(CheckedDocument { document, kind, root_fields }),
        None => Err(Error::invalid(
            "operationName",
            "the document has no operation of this name, or several and none is named",
        )),
    }
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

fn exceeded(reason: &str, what: &str, limit: usize) -> Error {
    Error::LimitExceeded {
        argument: Some("query".to_owned()),
        message: format!("the query has more than {limit} {what}"),
        reason: Some(reason.to_owned()),
    }
}

/// Counts tokens and nesting, so that nothing recursive ever sees a hostile text.
fn check_tokens(query: &str) -> Result<()> {
    let bytes = query.as_bytes();
    let (mut at, mut tokens, mut nesting) = (0usize, 0usize, 0usize);
    while let Some(&byte) = bytes.get(at) {
        at = match byte {
            b' ' | b'\t' | b'\r' | b'\n' | b',' => {
                at += 1;
                continue;
            }
            b'#' => {
                at += bytes[at..]
                    .iter()
                    .position(|&b| b == b'\n' || b == b'\r')
                    .unwrap_or(bytes.len() - at);
                continue;
            }
            b'"' => end_of_string(bytes, at),
            b'{' | b'(' | b'[' => {
                nesting += 1;
                at + 1
            }
            b'}' | b')' | b']' => {
                nesting = nesting.saturating_sub(1);
                at + 1
            }
            _ if is_word(byte) => at + bytes[at..].iter().take_while(|&&b| is_word(b)).count(),
            _ => at + 1,
        };
        tokens += 1;
        if tokens > MAX_TOKENS {
            return Err(exceeded("QUERY_TOKENS", "tokens", MAX_TOKENS));
        }
        if nesting > MAX_NESTING {
            return Err(exceeded("QUERY_NESTING", "levels of brackets", MAX_NESTING));
        }
    }
    Ok(())
}

fn is_word(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'_' || byte >= 0x80
}

/// Index after the string that begins at `start`; the end of the text when it is not closed.
fn end_of_string(bytes: &[u8], start: usize) -> usize {
    let rest = &bytes[start..];
    if rest.starts_with(br#"""""#) {
        let mut at = 3;
        while at < rest.len() {
            if rest[at..].starts_with(br#"\""""#) {
                at += 4;
            } else if rest[at..].starts_with(br#"""""#) {
                return start + at + 3;
            } else {
                at += 1;
            }
        }
        return bytes.len();
    }
    let mut at = 1;
    while let Some(&byte) = rest.get(at) {
        match byte {
            b'\\' => at += 2,
            b'"' => return start + at + 1,
            b'\n' | b'\r' => return start + at,
            _ => at += 1,
        }
    }
    bytes.len()
}

/// What a selection set costs with all fragments written out.
#[derive(Debug, Clone, Copy, Default)]
struct Cost {
    selections: usize,
    aliases: usize,
    depth: usize,
    introspection_depth: usize,
}

impl Cost {
    fn add(&mut self, other: &Self) {
        self.selections = self.selections.saturating_add(other.selections);
        self.aliases = self.aliases.saturating_add(other.aliases);
        self.depth = self.depth.max(other.depth);
        self.introspection_depth = self.introspection_depth.max(other.introspection_depth);
    }

    fn within_limits(&self) -> Result<()> {
        if self.selections > MAX_SELECTIONS {
            return Err(exceeded("QUERY_SELECTIONS", "selections", MAX_SELECTIONS));
        }
        if self.aliases > MAX_ALIASES {
            return Err(exceeded("QUERY_ALIASES", "aliases", MAX_ALIASES));
        }
        if self.depth > MAX_DEPTH || self.introspection_depth > MAX_INTROSPECTION_DEPTH {
            return Err(exceeded("QUERY_DEPTH", "levels of fields", MAX_DEPTH));
        }
        Ok(())
    }
}

struct Measure<'d> {
    document: &'d ExecutableDocument,
    introspection: Introspection,
    /// `None`: being measured, so that a second visit is a cycle.
    fragments: HashMap<&'d str, Option<Cost>>,
}

impl<'d> Measure<'d> {
    fn operation(&mut self, operation: &'d OperationDefinition) -> Result<(Cost, Vec<String>)> {
        let cost = self.selection_set(&operation.selection_set.node, 1)?;
        cost.within_limits()?;
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
                // Only the field of this name is judged so; a fragment may be called `__schema` and
                // gains nothing by it.
                if is_introspection(field.node.name.node.as_str()) {
                    cost.introspection_depth = cost.introspection_depth.max(cost.depth) + 1;
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
        let cost = self.selection_set(&fragment.node.selection_set.node, level)?;
        self.fragments.insert(name, Some(cost));
        Ok(cost)
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
            if names.len() > MAX_ROOT_FIELDS {
                return Err(exceeded("QUERY_ROOT_FIELDS", "root fields", MAX_ROOT_FIELDS));
            }
        }
        Ok(())
    }
}

fn is_introspection(field: &str) -> bool {
    field == "__schema" || field == "__type"
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reason_of(query: &str) -> String {
        match check(query, None, Introspection::Refused) {
            Ok(_) => "accepted".to_owned(),
            Err(Error::LimitExceeded { reason, .. } | Error::InvalidInput { reason, .. }) => {
                reason.unwrap_or_default()
            }
            Err(other) => panic!("another error than a refusal: {other}"),
        }
    }

    fn nested(levels: usize) -> String {
        format!("{}{}", "{ a ".repeat(levels), "}".repeat(levels))
    }

    #[test]
    fn depth_of_12_passes_and_13_does_not() {
        assert_eq!(reason_of(&nested(12)), "accepted");
        assert_eq!(reason_of(&nested(13)), "QUERY_DEPTH");
    }

    #[test]
    fn depth_counts_through_fragments_and_a_fragment_named_schema_is_no_exemption() {
        let query =
            format!("query {{ a {{ ...__schema }} }} fragment __schema on Q {}", nested(12));
        assert_eq!(reason_of(&query), "QUERY_DEPTH");
    }

    #[test]
    fn thirty_aliases_pass_and_31_do_not_also_through_a_fragment_used_twice() {
        let aliases = |count: usize| (0..count).map(|n| format!("a{n}: b ")).collect::<String>();
        assert_eq!(reason_of(&format!("{{ x {{ {} }} }}", aliases(30))), "accepted");
        assert_eq!(reason_of(&format!("{{ x {{ {} }} }}", aliases(31))), "QUERY_ALIASES");
        let twice =
            format!("{{ x {{ ...f }} y {{ ...f }} }} fragment f on Q {{ {} }}", aliases(16));
        assert_eq!(reason_of(&twice), "QUERY_ALIASES");
    }

    #[test]
    fn root_fields_are_counted_through_fragments() {
        let fields = (0..21).map(|n| format!("f{n} ")).collect::<String>();
        assert_eq!(
            reason_of(&format!("{{ ...f }} fragment f on Q {{ {fields} }}")),
            "QUERY_ROOT_FIELDS"
        );
    }

    #[test]
    fn fragments_that_double_each_other_are_refused_without_being_written_out() {
        let mut query = "{ ...f0 }".to_owned();
        for n in 0..60 {
            query.push_str(&format!(" fragment f{n} on Q {{ ...f{} ...f{} }}", n + 1, n + 1));
        }
        query.push_str(" fragment f60 on Q { a }");
        assert_eq!(reason_of(&query), "QUERY_SELECTIONS");
    }

    #[test]
    fn a_fragment_that_uses_itself_is_refused() {
        assert_eq!(reason_of("{ ...a } fragment a on Q { ...b } fragment b on Q { ...a }"), "");
    }

    #[test]
    fn tokens_and_brackets_are_counted_before_parsing() {
        assert_eq!(reason_of(&format!("{{ {} }}", "a ".repeat(15_000))), "QUERY_TOKENS");
        assert_eq!(reason_of(&format!("{{ a(b: {}", "[".repeat(100_000))), "QUERY_NESTING");
        let in_a_string = format!(
            "{{ a(b: \"{}\", c: \"\"\"{}\"\"\") }} # {}",
            "[".repeat(99),
            "{".repeat(99),
            "(".repeat(99)
        );
        assert_eq!(reason_of(&in_a_string), "accepted");
    }

    #[test]
    fn a_syntax_error_names_the_place_and_echoes_nothing() {
        let error = check("{ secret_of_the_client( }", None, Introspection::Refused).unwrap_err();
        assert!(!error.to_string().contains("secret"), "{error}");
        assert!(error.to_string().contains("line 1"), "{error}");
    }

    #[test]
    fn introspection_is_refused_in_production_and_has_its_own_depth_in_development() {
        let query = format!("{{ __schema {} }}", nested(14));
        assert_eq!(reason_of(&query), "INTROSPECTION_OFF");
        assert!(check(&query, None, Introspection::Allowed).is_ok());
        assert!(check(&nested(14), None, Introspection::Allowed).is_err());
        assert_eq!(
            reason_of("{ ...f } fragment f on Q { __type(name: \"User\") { name } }"),
            "INTROSPECTION_OFF"
        );
    }

    #[test]
    fn root_fields_of_the_selected_operation_are_named_through_fragments() {
        let query = "mutation A { ...f } mutation B { logout } fragment f on M { x: login }";
        let checked = check(query, Some("A"), Introspection::Refused).unwrap();
        assert!(checked.asks_for("login") && !checked.asks_for("logout"));
        assert!(check(query, None, Introspection::Refused).is_err());
    }
}
