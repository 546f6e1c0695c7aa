//! Limits of documents, one rule each.

use super::*;

fn checked(
    query: &str,
    operation_name: Option<&str>,
    introspection: Introspection,
) -> Result<CheckedDocument> {
    check(query, operation_name, introspection, &QueryLimits::default())
}

fn reason_of(query: &str) -> String {
    match check(query, None, Introspection::Refused, &QueryLimits::default()) {
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
    let query = format!("query {{ a {{ ...__schema }} }} fragment __schema on Q {}", nested(12));
    assert_eq!(reason_of(&query), "QUERY_DEPTH");
}

#[test]
fn thirty_aliases_pass_and_31_do_not_also_through_a_fragment_used_twice() {
    let aliases = |count: usize| (0..count).map(|n| format!("a{n}: b ")).collect::<String>();
    assert_eq!(reason_of(&format!("{{ x {{ {} }} }}", aliases(30))), "accepted");
    assert_eq!(reason_of(&format!("{{ x {{ {} }} }}", aliases(31))), "QUERY_ALIASES");
    let twice = format!("{{ x {{ ...f }} y {{ ...f }} }} fragment f on Q {{ {} }}", aliases(16));
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
    let error = checked("{ secret_of_the_client( }", None, Introspection::Refused).unwrap_err();
    assert!(!error.to_string().contains("secret"), "{error}");
    assert!(error.to_string().contains("line 1"), "{error}");
}

#[test]
fn introspection_is_refused_in_production_and_has_its_own_depth_in_development() {
    let query = format!("{{ __schema {} }}", nested(14));
    assert_eq!(reason_of(&query), "INTROSPECTION_OFF");
    assert!(checked(&query, None, Introspection::Allowed).is_ok());
    assert!(checked(&nested(14), None, Introspection::Allowed).is_err());
    assert_eq!(
        reason_of("{ ...f } fragment f on Q { __type(name: \"User\") { name } }"),
        "INTROSPECTION_OFF"
    );
}

#[test]
fn root_fields_of_the_selected_operation_are_named_through_fragments() {
    let query = "mutation A { ...f } mutation B { logout } fragment f on M { x: login }";
    let document = checked(query, Some("A"), Introspection::Refused).unwrap();
    assert!(document.asks_for("login") && !document.asks_for("logout"));
    assert!(checked(query, None, Introspection::Refused).is_err());
}
