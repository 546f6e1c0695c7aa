//! The targets of the Makefile that pages name, and that `make help` lists.

use std::collections::BTreeSet;
use vultus_tests::workspace_root;

use crate::block::Rule;
use crate::page;

fn makefile() -> String {
    std::fs::read_to_string(workspace_root().join("Makefile")).expect("there is a Makefile")
}

fn targets() -> BTreeSet<String> {
    let text = makefile();
    let phony = text.lines().find_map(|line| line.strip_prefix(".PHONY: "));
    phony.expect("the Makefile lists its targets").split(' ').map(str::to_owned).collect()
}

/// The targets in a command line `make …`, without variables and comment. `…` is any target.
fn named(command: &str) -> Vec<&str> {
    let command = command.split('#').next().unwrap_or_default();
    let is_target = |word: &&str| !word.contains('=') && *word != "…";
    command.split_whitespace().skip(1).filter(is_target).collect()
}

#[test]
fn make_targets_of_the_pages_exist() {
    let targets = targets();
    for page in page::tested() {
        for block in page.blocks_of(&[Rule::Make]) {
            for line in block.text.lines() {
                let named = named(line);
                assert!(!named.is_empty(), "{}: `{line}` names no target", page.place(&block));
                for target in named {
                    assert!(targets.contains(target), "{}: no {target}", page.place(&block));
                }
            }
        }
    }
}

#[test]
fn make_targets_in_the_prose_of_all_pages_exist() {
    let targets = targets();
    let mut checked = 0;
    for page in page::all().iter().filter(|page| !page.path.starts_with("analyzers/")) {
        for code in page.text.split('`').skip(1).step_by(2) {
            for target in code.strip_prefix("make ").into_iter().flat_map(|_| named(code)) {
                checked += 1;
                assert!(targets.contains(target), "{}: `{code}`: no such target", page.path);
            }
        }
    }
    assert!(checked > 10, "only {checked} targets are named");
}

#[test]
fn help_lists_every_target() {
    let output = std::process::Command::new("make")
        .args(["--no-print-directory", "help"])
        .current_dir(workspace_root())
        .output()
        .expect("make is there");
    let text = String::from_utf8(output.stdout).expect("the output is text");
    let listed: BTreeSet<String> = text
        .lines()
        .filter_map(|line| line.strip_prefix("  make "))
        .filter_map(|line| line.split_whitespace().next())
        .map(str::to_owned)
        .collect();
    assert_eq!(listed, targets());
}
