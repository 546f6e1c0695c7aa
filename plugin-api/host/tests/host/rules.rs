//! `ABI.md` against the tests: its rules are numbered without a gap, each names a test, and each
//! named test exists.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

fn repository() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

/// The source file of a test's module, the part before `::`.
fn source(module: &str) -> Option<PathBuf> {
    let folder = match module {
        "contract" | "boundary" | "layout" => "plugin-api/tests",
        "opening" | "faulty" | "features" | "example_c" => "plugin-api/host/tests/host",
        "conformance" | "sandbox" => "server/worker/tests",
        "isolation" => "tests/tests",
        _ => return None,
    };
    Some(repository().join(folder).join(format!("{module}.rs")))
}

/// The rules with their numbers.
fn rules(text: &str) -> Vec<(u32, String)> {
    let mut rules: Vec<(u32, String)> = Vec::new();
    for line in text.lines() {
        let number =
            line.split_once(". ").and_then(|(number, rest)| Some((number.parse().ok()?, rest)));
        match (number, rules.last_mut()) {
            (Some((number, rest)), _) => rules.push((number, rest.to_owned())),
            (None, Some((_, rule))) if line.starts_with("   ") => {
                rule.push(' ');
                rule.push_str(line.trim());
            }
            (None, _) => {}
        }
    }
    rules
}

/// The tests that a rule names, as `module::name` between backquotes.
fn tests_of(rule: &str) -> Vec<(&str, &str)> {
    rule.split('`').skip(1).step_by(2).filter_map(|quoted| quoted.split_once("::")).collect()
}

/// The problems of a list of rules, one sentence each.
fn problems(text: &str) -> Vec<String> {
    let mut sources: BTreeMap<String, Option<String>> = BTreeMap::new();
    let mut problems = Vec::new();
    for (place, (number, rule)) in (1..).zip(rules(text)) {
        if number != place {
            problems.push(format!("rule {number} is at position {place}"));
        }
        let tests = tests_of(&rule);
        if tests.is_empty() {
            problems.push(format!("rule {number} names no test"));
        }
        for (module, test) in tests {
            let text = sources
                .entry(module.to_owned())
                .or_insert_with(|| std::fs::read_to_string(source(module)?).ok());
            let wanted = format!("fn {test}()");
            let found = text.as_ref().is_some_and(|text| {
                let marks = ["#[test]", "#[tokio::test]"];
                marks.iter().flat_map(|mark| text.split(mark).skip(1)).any(|after| {
                    after
                        .lines()
                        .find(|line| line.contains("fn "))
                        .is_some_and(|line| line.contains(&wanted))
                })
            });
            if !found {
                problems.push(format!("rule {number} names {module}::{test}, which is not a test"));
            }
        }
    }
    problems
}

#[test]
fn every_rule_of_the_abi_names_a_test_that_exists() {
    let text = std::fs::read_to_string(repository().join("plugin-api/ABI.md")).unwrap();
    assert!(rules(&text).len() >= 55, "ABI.md has lost its rules");
    assert_eq!(problems(&text), [""; 0]);
}

#[test]
fn untested_and_misnumbered_rules_are_reported() {
    let good =
        "1. It MUST.\n   (`opening::a_wrong_header_is_refused_before_any_function_is_called`)\n";
    assert_eq!(problems(good), [""; 0]);
    assert_eq!(problems("1. It MUST.\n"), ["rule 1 names no test"]);
    assert_eq!(
        problems("1. It (`opening::no_such`) MUST.\n"),
        ["rule 1 names opening::no_such, which is not a test"]
    );
    // A function that is not a test does not count.
    assert_eq!(
        problems("1. It (`opening::refused`) MUST.\n"),
        ["rule 1 names opening::refused, which is not a test"]
    );
    assert_eq!(
        problems(&format!("{good}{}", good.replace("1.", "3."))),
        ["rule 3 is at position 2"]
    );
}

#[test]
fn plugin_api_has_no_workspace_dependency_and_is_publishable() {
    let manifest = std::fs::read_to_string(repository().join("plugin-api/Cargo.toml")).unwrap();
    let (_, dependencies) = manifest.split_once("[dependencies]").unwrap();
    assert!(
        !dependencies.lines().any(|line| line.starts_with("vultus") || line.contains("path =")),
        "{manifest}"
    );
    assert!(!manifest.contains("publish"), "it can be published");
}
