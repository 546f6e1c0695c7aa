//! Limits of documents, one rule each.

use super::*;

fn checked(
    query: &str,
    operation_name: Option<&str>,
    introspection: Introspection,
) -> Result<CheckedDocument> {
    check(query, operation_name, introspection, &QueryLimits::default())
        .map_err(|refused| refused.error)
}

fn reason_of(query: &str) -> String {
    match checked(query, None, Introspection::Refused) {
        Ok(_) => "accepted".to_owned(),
        Err(Error::LimitExceeded { reason, .. } | Error::InvalidInput { reason, .. }) => {
            reason.unwrap_or_default()
        }
        Err(other) => panic!("not a refusal: {other}"),
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
fn depth_counts_through_fragments_of_any_name() {
    let query = format!("query {{ a {{ ...__schema }} }} fragment __schema on Q {}", nested(12));
    assert_eq!(reason_of(&query), "QUERY_DEPTH");
}

#[test]
fn thirty_aliases_pass_and_31_do_not() {
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
fn fragments_that_double_each_other_are_not_expanded() {
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
fn integers_that_the_parser_would_round_are_refused() {
    let of = |number: &str| reason_of(&format!("{{ a(b: {{c: [{number}]}}) }}"));
    for number in ["18446744073709551616", "-9223372036854775809", "123456789012345678901"] {
        assert_eq!(of(number), "INTEGER_TOO_LARGE", "{number}");
    }
    for number in [
        "18446744073709551615",
        "-9223372036854775808",
        "123456789012345678901.5",
        "0.123456789012345678901",
        "123456789012345678901e3",
        "\"123456789012345678901\"",
    ] {
        assert_eq!(of(number), "accepted", "{number}");
    }
}

#[test]
fn a_syntax_error_names_its_position_without_query_text() {
    let error = checked("{ secret_of_the_client( }", None, Introspection::Refused).unwrap_err();
    assert!(!error.to_string().contains("secret"), "{error}");
    assert!(error.to_string().contains("line 1"), "{error}");
}

#[test]
fn introspection_is_off_in_production_and_has_a_depth_limit() {
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
fn root_fields_are_those_of_the_selected_operation() {
    let query = "mutation A { ...f } mutation B { logout } fragment f on M { x: login }";
    let document = checked(query, Some("A"), Introspection::Refused).unwrap();
    assert!(document.asks_for("login") && !document.asks_for("logout"));
    assert!(checked(query, None, Introspection::Refused).is_err());
}

#[test]
fn a_fragment_that_no_operation_uses_is_refused() {
    assert_eq!(reason_of("{ a } fragment f on Q { a }"), "UNUSED_FRAGMENT");
    assert_eq!(reason_of("{ ...f } fragment f on Q { ...g } fragment g on Q { a }"), "accepted");
}

#[test]
fn selections_are_counted_in_unused_fragments() {
    let query = format!("{{ a }} fragment f on Q {{ {} }}", "a ".repeat(2_000));
    assert_eq!(reason_of(&query), "QUERY_SELECTIONS");
}

#[test]
fn nested_sets_are_compared_with_a_budget() {
    let nested = |sets: usize| {
        let fields = "a(b: 1) ".repeat(1_000);
        format!("{{ x {{ {} {fields} {} }} }}", "...{".repeat(sets), "}".repeat(sets))
    };
    assert_eq!(reason_of(&nested(3)), "accepted");
    assert_eq!(reason_of(&nested(10)), "QUERY_VALIDATION");
}

#[test]
fn arguments_multiply_the_comparisons_of_a_field() {
    let arguments: String = (0..500).map(|n| format!("a{n}: 1 ")).collect();
    let query = format!("{{ x {{ f({arguments}) {} }} }}", "f ".repeat(100));
    assert_eq!(reason_of(&query), "QUERY_VALIDATION");
}

#[test]
fn nested_literal_values_are_counted() {
    let query = |count: usize| format!("{{ a(b: [[{}]]) }}", "1 ".repeat(count));
    assert_eq!(reason_of(&query(4_998)), "accepted");
    assert_eq!(reason_of(&query(4_999)), "QUERY_LITERALS");
}

#[test]
fn directives_are_counted_at_one_place_and_in_all() {
    assert_eq!(reason_of("query @a @a @a @a @a { a }"), "accepted");
    assert_eq!(reason_of("query @a @a @a @a @a @a { a }"), "QUERY_DIRECTIVES");
    let fields = "a @a @a @a @a @a ";
    assert_eq!(reason_of(&format!("{{ x {{ {} }} }}", fields.repeat(40))), "accepted");
    assert_eq!(reason_of(&format!("{{ x {{ {} }} }}", fields.repeat(41))), "QUERY_DIRECTIVES");
}

#[test]
fn introspection_that_nests_lists_is_refused() {
    let nested = |levels: usize| {
        let inner = format!("{}name{}", "fields{type{".repeat(levels), "}}".repeat(levels));
        format!("{{__schema{{types{{{inner}}}}}}}")
    };
    assert!(checked(&nested(2), None, Introspection::Allowed).is_ok());
    assert!(checked(&nested(3), None, Introspection::Allowed).is_err());
}
