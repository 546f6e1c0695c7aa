//! The fenced blocks of a page, and the rule by which each of them is tested.

use crate::answer::Answer;

/// Begins the paragraph before a block that cannot be run, which readers see too; the reason and
/// `.*` follow.
const NOT_RUN: &str = "*Not run by the tests: ";

/// A fenced block, with the answer that follows it.
#[derive(Debug)]
pub(crate) struct Block {
    /// Line of the fence, from 1.
    pub(crate) line: usize,
    pub(crate) rule: Rule,
    pub(crate) text: String,
    pub(crate) answer: Option<Answer>,
}

/// What is done with a block.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Rule {
    Make,
    Serve,
    ServePlugins,
    Session,
    Query,
    Configuration,
    /// Nothing, for this reason.
    NotRun(String),
}

impl Rule {
    fn of(language: &str, body: &[&str]) -> Option<Self> {
        let serves_plugins =
            |line: &str| line.starts_with("VULTUS_PLUGINS_DIR=") && line.ends_with(" vultus serve");
        match language {
            "sh" if body.iter().all(|line| line.starts_with("make ")) => Some(Self::Make),
            "sh" if *body == ["vultus serve"] => Some(Self::Serve),
            "sh" if matches!(body, [line] if serves_plugins(line)) => Some(Self::ServePlugins),
            "sh" if !body
                .iter()
                .any(|line| line.starts_with("make ") || line.contains("vultus serve")) =>
            {
                Some(Self::Session)
            }
            "graphql" => Some(Self::Query),
            "toml" => Some(Self::Configuration),
            _ => None,
        }
    }

    fn can_answer(&self) -> bool {
        matches!(self, Self::Serve | Self::Session | Self::Query)
    }
}

/// All blocks of a page; an error for the first that no rule covers.
pub(crate) fn blocks(text: &str) -> Result<Vec<Block>, String> {
    let mut found: Vec<Block> = Vec::new();
    let mut lines = text.lines().enumerate();
    let mut not_run = None;
    while let Some((at, line)) = lines.next() {
        let Some((indent, language)) = line.split_once("```") else {
            if !line.trim().is_empty() {
                not_run = reason_not_to_run(line);
            }
            continue;
        };
        if !indent.trim().is_empty() {
            continue;
        }
        let body: Vec<&str> = lines
            .by_ref()
            .map(|(_, line)| line.strip_prefix(indent).unwrap_or(line))
            .take_while(|line| *line != "```")
            .collect();
        let (line, text) = (at + 1, body.join("\n") + "\n");
        if let Some(reason) = not_run.take() {
            found.push(Block { line, rule: Rule::NotRun(reason), text, answer: None });
            continue;
        }
        if let "json" | "text" = language {
            attach(answer(language, text, line)?, &mut found, line)?;
            continue;
        }
        let rule = Rule::of(language, &body)
            .ok_or_else(|| format!("line {line}: no rule covers this block of `{language}`"))?;
        found.push(Block { line, rule, text, answer: None });
    }
    Ok(found)
}

fn reason_not_to_run(line: &str) -> Option<String> {
    Some(line.trim().strip_prefix(NOT_RUN)?.strip_suffix(".*")?.to_owned())
}

fn answer(language: &str, text: String, line: usize) -> Result<Answer, String> {
    match language {
        "json" => serde_json::from_str(&text)
            .map(Answer::Json)
            .map_err(|error| format!("line {line}: {error}")),
        _ => Ok(Answer::Text(text)),
    }
}

/// Gives the answer to the last block, which must wait for one.
fn attach(answer: Answer, found: &mut [Block], line: usize) -> Result<(), String> {
    let asked = found.last_mut().filter(|block| block.answer.is_none() && block.rule.can_answer());
    asked.ok_or_else(|| format!("line {line}: an answer to nothing"))?.answer = Some(answer);
    Ok(())
}

#[test]
fn a_block_that_no_rule_covers_is_noticed() {
    for uncovered in [
        "```\nls\n```",
        "```console\n$ ls\n```",
        "```json\n{}\n```",
        "```sh\nls\nmake test\n```",
        "1. Step\n\n   ```console\n   $ ls\n   ```",
        "*Not run by the tests: once.*\n\n```js\n1\n```\n\n```js\n2\n```",
    ] {
        assert!(blocks(uncovered).is_err(), "{uncovered}");
    }
}

#[test]
fn a_block_in_a_list_loses_its_indent() {
    let found = blocks("1. Step\n\n   ```sh\n   ls <<END\n     a\n   END\n   ```\n").unwrap();
    assert_eq!(found[0].text, "ls <<END\n  a\nEND\n");
}
