//! Links and the table of contents: a relative link leads to a file and a heading that exist, and
//! the book has every page.

use std::collections::BTreeSet;
use std::path::{Component, Path, PathBuf};
use vultus_tests::workspace_root;

use crate::page::{self, Page};

/// Targets of the links in a text, without those in code.
fn links(text: &str) -> Vec<String> {
    let mut found = Vec::new();
    for line in prose(text) {
        let line: String = line.split('`').step_by(2).collect::<Vec<_>>().join("``");
        let targets = line.split("](").skip(1).filter_map(|rest| rest.split(')').next());
        found.extend(targets.map(str::to_owned));
    }
    found
}

/// The lines outside of fenced blocks.
fn prose(text: &str) -> impl Iterator<Item = &str> {
    let mut in_block = false;
    text.lines().filter(move |line| {
        let fence = line.trim_start().starts_with("```");
        in_block ^= fence;
        !in_block && !fence
    })
}

/// The anchors of a page: its headings as code hosts and the book spell them.
fn anchors(text: &str) -> BTreeSet<String> {
    prose(text)
        .filter_map(|line| {
            line.trim_start_matches('#').strip_prefix(' ').filter(|_| line.starts_with('#'))
        })
        .map(anchor)
        .collect()
}

fn anchor(heading: &str) -> String {
    let kept = |c: &char| c.is_alphanumeric() || "-_ ".contains(*c);
    heading.trim().to_lowercase().chars().filter(kept).collect::<String>().replace(' ', "-")
}

/// `a/../b` is `b`.
fn normalize(path: &Path) -> PathBuf {
    let mut parts = PathBuf::new();
    for part in path.components() {
        match part {
            Component::ParentDir if parts.file_name().is_some() => drop(parts.pop()),
            other => parts.push(other),
        }
    }
    parts
}

/// The file that a relative link of a page leads to, from the root, with the anchor.
fn resolve(page: &Page, link: &str) -> (PathBuf, Option<String>) {
    let (file, anchor) = match link.split_once('#') {
        Some((file, anchor)) => (file, Some(anchor.to_owned())),
        None => (link, None),
    };
    let path = match file {
        "" => PathBuf::from(&page.path),
        file => normalize(&Path::new(&page.path).parent().unwrap_or(Path::new("")).join(file)),
    };
    (path, anchor)
}

/// Why a relative link is broken.
fn fault(page: &Page, link: &str) -> Option<String> {
    let (path, wanted) = resolve(page, link);
    let file = workspace_root().join(&path);
    if !file.exists() {
        return Some(format!("{}: `{link}` leads to no file", page.path));
    }
    let wanted = wanted?;
    let text = std::fs::read_to_string(&file).unwrap_or_default();
    (!anchors(&text).contains(&wanted))
        .then(|| format!("{}: `{link}` leads to no heading of {}", page.path, path.display()))
}

#[test]
fn every_relative_link_leads_to_a_file_and_a_heading() {
    let mut checked = 0;
    let mut faults = Vec::new();
    for page in page::all() {
        for link in links(&page.text).iter().filter(|link| !link.contains("://")) {
            checked += 1;
            faults.extend(fault(&page, link));
        }
    }
    assert!(checked > 100, "only {checked} links were found");
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}

#[test]
fn a_link_that_leads_nowhere_is_noticed() {
    let text = "# One\n[a](#one) [b](#two) [c](../Cargo.toml) [d](nowhere.md) `[e](f.md)`\n";
    let page = Page { path: "docs/page.md".to_owned(), text: text.to_owned() };
    let found = links(&page.text);
    assert_eq!(found, ["#one", "#two", "../Cargo.toml", "nowhere.md"]);
    // The page is not there, so that its headings are not either.
    let broken: Vec<&String> = found.iter().filter(|link| fault(&page, link).is_some()).collect();
    assert_eq!(broken, ["#one", "#two", "nowhere.md"]);
    assert_eq!(anchors(&page.text), BTreeSet::from(["one".to_owned()]));
    assert_eq!(anchor("GraphiQL, `faces/1` and TLS"), "graphiql-faces1-and-tls");
}

#[test]
fn the_table_of_contents_has_every_page_of_the_book() {
    let summary = page::named("docs/SUMMARY.md");
    let listed: Vec<PathBuf> =
        links(&summary.text).iter().map(|link| resolve(&summary, link).0).collect();
    let unique: BTreeSet<&PathBuf> = listed.iter().collect();
    assert_eq!(unique.len(), listed.len(), "a page is listed twice");
    for page in page::tested() {
        let path = PathBuf::from(&page.path);
        if path.starts_with("docs") && path.file_name().is_some_and(|name| name != "SUMMARY.md") {
            assert!(unique.contains(&path), "docs/SUMMARY.md does not list {}", page.path);
        }
    }
}
