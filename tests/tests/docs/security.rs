//! `docs/reference/security-tests.md` against the tests: each row of its table names tests that
//! exist, or programs of the longer tiers.

use std::collections::BTreeMap;
use std::path::Path;
use vultus_tests::workspace_root;

const PAGE: &str = "docs/reference/security-tests.md";
/// The tiers: the command that runs a proof.
const TIERS: [&str; 4] = ["make test", "make soak", "make bench", "make hostile"];

/// A row: what is withstood, the proofs, the tier.
struct Row<'t> {
    item: &'t str,
    proofs: Vec<&'t str>,
    tier: &'t str,
}

fn rows(text: &str) -> Vec<Row<'_>> {
    let mut rows = Vec::new();
    for line in text.lines().filter(|line| line.starts_with("| ") && !line.contains("---")) {
        let cells: Vec<&str> = line.trim_matches('|').split(" | ").map(str::trim).collect();
        let &[item, proofs, tier] = cells.as_slice() else { continue };
        if item != "what" {
            let proofs = proofs.split('`').skip(1).step_by(2).collect();
            rows.push(Row { item, proofs, tier: tier.trim_matches('`') });
        }
    }
    rows
}

/// Whether a source has a test, or a rule of the store's contract suite, of this name.
fn has_test(path: &str, source: &str, name: &str) -> bool {
    let function = format!("fn {name}(");
    if path.contains("/contract/") {
        return source.contains(&format!("pub(crate) async {function}"));
    }
    let marks = ["#[test]", "#[tokio::test"];
    marks.iter().flat_map(|mark| source.split(mark).skip(1)).any(|after| {
        after.lines().find(|line| line.contains("fn ")).is_some_and(|line| line.contains(&function))
    })
}

fn problems(text: &str) -> Vec<String> {
    let mut sources: BTreeMap<String, String> = BTreeMap::new();
    let mut problems = Vec::new();
    for Row { item, proofs, tier } in rows(text) {
        if proofs.is_empty() {
            problems.push(format!("{item:?} names no proof"));
        }
        if !TIERS.contains(&tier) {
            problems.push(format!("{item:?} has the tier {tier:?}"));
        }
        for proof in proofs {
            let (path, name) = match proof.split_once("::") {
                Some((path, name)) => (path, Some(name)),
                None => (proof, None),
            };
            let source = sources.entry(path.to_owned()).or_insert_with(|| {
                let file: &Path = path.as_ref();
                std::fs::read_to_string(workspace_root().join(file)).unwrap_or_default()
            });
            if source.is_empty() || name.is_some_and(|name| !has_test(path, source, name)) {
                problems.push(format!("{item:?} names {proof}, which does not exist"));
            }
        }
    }
    problems
}

#[test]
fn every_named_proof_exists() {
    let text = std::fs::read_to_string(workspace_root().join(PAGE)).expect("the page exists");
    assert!(rows(&text).len() >= 60, "the page has lost rows");
    assert_eq!(problems(&text), Vec::<String>::new());
}

#[test]
fn missing_proofs_and_tiers_are_reported() {
    let row = |proofs: &str, tier: &str| format!("| it | {proofs} | {tier} |\n");
    let own = "`tests/tests/docs/security.rs::every_named_proof_exists`";
    let rule = "`server/store/src/contract/turns.rs::excepted_company_keeps_its_runs`";
    assert_eq!(problems(&row(&format!("{own}, {rule}"), "`make test`")), [""; 0]);
    assert_eq!(problems(&row("`tests/benches/soak.rs`", "`make soak`")), [""; 0]);
    assert_eq!(problems(&row("none", "`make test`")), ["\"it\" names no proof"]);
    assert_eq!(problems(&row(own, "never")), ["\"it\" has the tier \"never\""]);
    for absent in ["tests/tests/docs/security.rs::no_such", "tests/tests/none.rs::a", "none.rs"] {
        let found = problems(&row(&format!("`{absent}`"), "`make test`"));
        assert_eq!(found, [format!("\"it\" names {absent}, which does not exist")]);
    }
    // A function that is not a test does not count.
    let helper = problems(&row("`tests/tests/docs/security.rs::problems`", "`make test`"));
    assert_eq!(helper.len(), 1);
}
