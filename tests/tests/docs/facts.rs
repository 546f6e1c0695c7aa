//! What the pages say twice, and must say alike: the tables of reasons, the picture of a verdict,
//! the list of blocks that are not run, and how long README.md may be.

use std::collections::BTreeSet;
use vultus_tests::workspace_root;

use crate::block::Rule;
use crate::page;

/// Longest README, in lines.
const README_LINES: usize = 150;
/// Longest line of its prose.
const README_COLUMNS: usize = 120;

fn source(path: &str) -> String {
    std::fs::read_to_string(workspace_root().join(path))
        .unwrap_or_else(|error| panic!("{path}: {error}"))
}

/// Code and verdict of each row `| CODE | when | VERDICT |` of the tables in a text.
fn reasons<'a>(lines: impl Iterator<Item = &'a str>) -> BTreeSet<(String, String)> {
    let mut found = BTreeSet::new();
    for line in lines {
        let cells: Vec<&str> = line.trim().trim_matches('|').split(" | ").map(str::trim).collect();
        if let [code, _, verdict] = cells[..]
            && let Some(code) = code.strip_prefix('`').and_then(|code| code.strip_suffix('`'))
        {
            found.insert((code.to_owned(), verdict.to_owned()));
        }
    }
    found
}

#[test]
fn the_tables_of_reasons_are_those_of_the_analyzers() {
    let page = source("docs/reference/reasons.md");
    for analyzer in ["liveness", "face-match", "gestures", "quality", "document-text"] {
        let policy = source(&format!("analyzers/{analyzer}/src/policy.rs"));
        let decided = reasons(policy.lines().filter_map(|line| line.strip_prefix("//! ")));
        assert!(!decided.is_empty(), "{analyzer} has a table of reasons");
        let (_, section) = page
            .split_once(&format!("<!-- analyzers/{analyzer}/src/policy.rs -->"))
            .unwrap_or_else(|| panic!("no section is that of {analyzer}"));
        let section = section.split("\n## ").next().unwrap_or_default();
        assert_eq!(reasons(section.lines()), decided, "{analyzer}");
    }
}

#[test]
fn the_scores_of_the_picture_are_in_the_tested_answers() {
    let picture = source("docs/verdict.svg");
    let answers: String =
        ["README.md", "docs/guides/command-line.md"].iter().map(|path| source(path)).collect();
    let scores: BTreeSet<&str> = picture
        .split(|c: char| c != '.' && !c.is_ascii_digit())
        .filter(|word| word.len() == 5 && word.starts_with("0."))
        .collect();
    assert_eq!(scores.len(), 3, "liveness of the selfie, and two similarities: {scores:?}");
    for score in scores {
        assert!(answers.contains(score), "no answer shows {score}");
    }
}

#[test]
fn blocks_that_are_not_run_are_listed_with_their_reasons() {
    let mut found = Vec::new();
    for page in page::tested() {
        for block in page.blocks() {
            if let Rule::NotRun(reason) = block.rule {
                found.push(format!("| [{0}](../../{0}) | {reason} |", page.path));
            }
        }
    }
    let list = source("docs/reference/tested-examples.md");
    let (_, list) = list.split_once("## Not run\n").expect("the page has the list");
    let listed: Vec<&str> = list.lines().filter(|line| line.starts_with("| [")).collect();
    assert_eq!(listed, found);
}

#[test]
fn readme_is_short_and_narrow() {
    let text = source("README.md");
    assert!(text.lines().count() <= README_LINES, "README.md has {} lines", text.lines().count());
    let mut in_block = false;
    for (at, line) in text.lines().enumerate() {
        in_block ^= line.starts_with("```");
        let is_prose = !in_block && !line.starts_with('|');
        let width = line.chars().count();
        assert!(!is_prose || width <= README_COLUMNS, "README.md line {}: {width}", at + 1);
    }
}
