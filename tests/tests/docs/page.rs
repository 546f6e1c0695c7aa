//! The pages: README.md and `docs/**` are tested in full; of the other Markdown files only the
//! links are.

use std::path::{Path, PathBuf};
use vultus_tests::workspace_root;

use crate::block::{Block, Rule, blocks};

/// Folders that hold nothing of the repository.
const NOT_OURS: [&str; 4] = [".git", "target", "data", "node_modules"];

/// A Markdown file.
#[derive(Debug)]
pub(crate) struct Page {
    /// Path from the root of the repository.
    pub(crate) path: String,
    pub(crate) text: String,
}

impl Page {
    /// Its blocks; every one is covered by a rule.
    pub(crate) fn blocks(&self) -> Vec<Block> {
        blocks(&self.text).unwrap_or_else(|error| panic!("{} {error}", self.path))
    }

    /// The blocks of some kinds.
    pub(crate) fn blocks_of(&self, wanted: &[Rule]) -> Vec<Block> {
        self.blocks().into_iter().filter(|block| wanted.contains(&block.rule)).collect()
    }

    /// Panics when the block shows another answer than the real one.
    pub(crate) fn check_answer(&self, block: &Block, real: &str) {
        if let Some(shown) = &block.answer
            && let Err(difference) = shown.compare(real)
        {
            panic!("{}: {difference}; the real answer is:\n{real}", self.place(block));
        }
    }

    /// Where a block is, for messages.
    pub(crate) fn place(&self, block: &Block) -> String {
        format!("{} line {}", self.path, block.line)
    }
}

/// All Markdown files of the repository, in order of their paths.
pub(crate) fn all() -> Vec<Page> {
    let root = workspace_root();
    let mut found = Vec::new();
    collect(&root, &mut found);
    found.sort();
    found
        .into_iter()
        .map(|file| Page {
            path: file.strip_prefix(&root).expect("it was found there").display().to_string(),
            text: std::fs::read_to_string(&file).expect("a Markdown file is text"),
        })
        .collect()
}

/// README.md and the pages below `docs/`.
pub(crate) fn tested() -> Vec<Page> {
    all()
        .into_iter()
        .filter(|page| page.path == "README.md" || page.path.starts_with("docs/"))
        .collect()
}

/// One of them.
pub(crate) fn named(path: &str) -> Page {
    let found = all().into_iter().find(|page| page.path == path);
    found.unwrap_or_else(|| panic!("there is no page {path}"))
}

fn collect(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(folder).expect("the folder can be read").flatten() {
        let (path, name) = (entry.path(), entry.file_name());
        if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
            if !NOT_OURS.iter().any(|other| name == *other) {
                collect(&path, found);
            }
        } else if path.extension().is_some_and(|extension| extension == "md") {
            found.push(path);
        }
    }
}
