//! The README: every fenced block of it is run or checked, and the answers that it shows are the
//! real ones.
//!
//! | block | what is done with it |
//! | --- | --- |
//! | `sh`, only `make …` | the Makefile has such targets |
//! | `sh`, only `vultus serve` | a server is started so, and stopped |
//! | `sh`, only `vultus serve` with plugins | started in the session, with the variables of the login set to it; the login is repeated |
//! | `sh`, else | all of them are one session of bash, in order, beside a running server |
//! | `graphql` | sent to the server; the answer must have no errors |
//! | `toml` | checked by `vultus config check` |
//! | `json`, `text` | what the block before it must answer |
//!
//! A block of any other kind fails. In answers, words in angle brackets stand for values that
//! differ each time, a line `…` stands for any lines, and numbers may differ by [`TOLERANCE`], as
//! they do between processors.

use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use vultus_tests::{Node, executable, workspace_root};

/// Most by which a score may differ from the one shown.
const TOLERANCE: f64 = 0.002;
/// No session takes longer.
const DEADLINE_SECONDS: &str = "600";
/// Before the output of each block of the session: a character that no output has.
const MARK: char = '\u{1e}';

/// A fenced block, with the answer that follows it.
#[derive(Debug)]
struct Block {
    line: usize,
    rule: Rule,
    text: String,
    answer: Option<Answer>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Rule {
    Make,
    Serve,
    ServePlugins,
    Session,
    Query,
    Configuration,
}

#[derive(Debug)]
enum Answer {
    Json(Value),
    Text(String),
}

fn readme() -> String {
    std::fs::read_to_string(workspace_root().join("README.md"))
        .expect("the repository has a README.md")
}

/// All blocks; an error for the first that no rule covers.
fn blocks(text: &str) -> Result<Vec<Block>, String> {
    let mut found: Vec<Block> = Vec::new();
    let mut lines = text.lines().enumerate();
    while let Some((at, line)) = lines.next() {
        let Some(language) = line.strip_prefix("```") else { continue };
        let body: Vec<&str> =
            lines.by_ref().map(|(_, line)| line).take_while(|line| *line != "```").collect();
        let (line, text) = (at + 1, body.join("\n") + "\n");
        if let "json" | "text" = language {
            let answer = match language {
                "json" => Answer::Json(
                    serde_json::from_str(&text).map_err(|error| format!("line {line}: {error}"))?,
                ),
                _ => Answer::Text(text),
            };
            let asked =
                found.last_mut().filter(|block| block.answer.is_none() && block.rule.can_answer());
            asked.ok_or_else(|| format!("line {line}: an answer to nothing"))?.answer =
                Some(answer);
            continue;
        }
        let rule = Rule::of(language, &body)
            .ok_or_else(|| format!("line {line}: no rule covers this block of `{language}`"))?;
        found.push(Block { line, rule, text, answer: None });
    }
    Ok(found)
}

impl Rule {
    fn of(language: &str, body: &[&str]) -> Option<Self> {
        match language {
            "sh" if body.iter().all(|line| line.starts_with("make ")) => Some(Self::Make),
            "sh" if *body == ["vultus serve"] => Some(Self::Serve),
            "sh" if matches!(body, [line] if line.starts_with("VULTUS_PLUGINS_DIR=") && line.ends_with(" vultus serve")) => {
                Some(Self::ServePlugins)
            }
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

    fn can_answer(self) -> bool {
        matches!(self, Self::Serve | Self::Session | Self::Query)
    }
}

/// The blocks of some kinds; there must be some of each.
fn blocks_of<const N: usize>(rules: [Rule; N]) -> Vec<Block> {
    let all = blocks(&readme()).unwrap_or_else(|error| panic!("README.md {error}"));
    let found: Vec<Block> = all.into_iter().filter(|block| rules.contains(&block.rule)).collect();
    for rule in rules {
        assert!(
            found.iter().any(|block| block.rule == rule),
            "README.md has no block of the kind {rule:?}"
        );
    }
    found
}

/// The block of the session that logs in.
fn login(session: &[Block]) -> &Block {
    let found = session.iter().find(|block| block.text.contains("\nTOKEN="));
    found.expect("a block of README.md logs in")
}

/// A part of the session's script that starts a server in its own folder and logs in to it.
fn serve_in_session(block: &Block, login: &Block) -> String {
    let start = block.text.trim_end();
    format!(
        "export VULTUS_DATA_DIR=\"$TMPDIR/second\" VULTUS_LISTEN=127.0.0.1:0\nunset VULTUS_CONFIG\n\
         {start} >\"$TMPDIR/second.log\" 2>/dev/null &\n\
         trap 'kill $!; wait' EXIT\n\
         for _ in $(seq 600); do grep -q '^Vultus is ready at ' \"$TMPDIR/second.log\" && break; kill -0 $!; sleep 0.1; done\n\
         SERVER=$(sed -n 's|^Vultus is ready at \\(.*\\)/$|\\1|p' \"$TMPDIR/second.log\")\n\
         EMAIL=$(sed -n 's/^First administrator: \\([^ ]*\\) .*/\\1/p' \"$TMPDIR/second.log\")\n\
         PASSWORD=$(sed -n 's/.*password: \\([^ ]*\\) .*/\\1/p' \"$TMPDIR/second.log\")\n{}",
        login.text
    )
}

/// Whether an answer is the one shown; says where it is not.
fn compare(shown: &Answer, real: &str) -> Result<(), String> {
    match shown {
        Answer::Text(shown) => {
            let (shown, real): (Vec<&str>, Vec<&str>) =
                (shown.trim().lines().collect(), real.trim().lines().collect());
            if same_lines(&shown, &real) { Ok(()) } else { Err("the text differs".to_owned()) }
        }
        Answer::Json(shown) => {
            let real = serde_json::from_str(real)
                .map_err(|error| format!("the answer is not JSON: {error}"))?;
            same_json(shown, &real, "$")
        }
    }
}

fn same_lines(shown: &[&str], real: &[&str]) -> bool {
    match (shown.split_first(), real.split_first()) {
        (None, None) => true,
        (Some((&"…", rest)), _) => {
            (0..=real.len()).any(|skipped| same_lines(rest, &real[skipped..]))
        }
        (Some((first, rest)), Some((real_first, real_rest))) => {
            same_words(first, real_first) && same_lines(rest, real_rest)
        }
        _ => false,
    }
}

fn same_words(shown: &str, real: &str) -> bool {
    let (shown, real): (Vec<&str>, Vec<&str>) =
        (shown.split_whitespace().collect(), real.split_whitespace().collect());
    shown.len() == real.len() && shown.iter().zip(&real).all(|(shown, real)| same_word(shown, real))
}

/// `<name>` may stand in the middle of a word.
fn same_word(shown: &str, real: &str) -> bool {
    if let Some((before, rest)) = shown.split_once('<')
        && let Some((_, after)) = rest.split_once('>')
    {
        return real.len() > before.len() + after.len()
            && real.starts_with(before)
            && real.ends_with(after);
    }
    shown == real
        || matches!((shown.parse(), real.parse()), (Ok(shown), Ok(real)) if same_number(shown, real))
}

fn same_number(shown: f64, real: f64) -> bool {
    (shown - real).abs() <= TOLERANCE
}

fn same_json(shown: &Value, real: &Value, path: &str) -> Result<(), String> {
    let same = match (shown, real) {
        (Value::Object(shown), Value::Object(real)) => {
            for (key, value) in shown {
                same_json(value, real.get(key).unwrap_or(&Value::Null), &format!("{path}.{key}"))?;
            }
            shown.len() == real.len() && shown.keys().all(|key| real.contains_key(key))
        }
        (Value::Array(shown), Value::Array(real)) => {
            for (at, (shown, real)) in shown.iter().zip(real).enumerate() {
                same_json(shown, real, &format!("{path}[{at}]"))?;
            }
            shown.len() == real.len()
        }
        (Value::Number(shown), Value::Number(real)) if shown.is_f64() || real.is_f64() => {
            shown.as_f64().zip(real.as_f64()).is_some_and(|(shown, real)| same_number(shown, real))
        }
        (Value::String(shown), Value::String(real)) => same_word(shown, real),
        _ => shown == real,
    };
    if same { Ok(()) } else { Err(format!("{path}: shown {shown}, real {real}")) }
}

fn check_answer(block: &Block, real: &str) {
    if let Some(shown) = &block.answer
        && let Err(difference) = compare(shown, real)
    {
        panic!("README.md line {}: {difference}; the real answer is:\n{real}", block.line);
    }
}

/// A command in the root of the repository that finds the executables of this build and the models,
/// and nothing else of ours.
fn command(program: &str) -> Command {
    let vultus = executable("vultus");
    let folder = vultus.parent().expect("an executable lies in a folder");
    let mut path = vec![folder.to_owned()];
    // The toolchain that built this test, past any program that would choose or install another
    // one.
    path.extend(
        std::env::var_os("CARGO").and_then(|cargo| Some(Path::new(&cargo).parent()?.to_owned())),
    );
    path.extend(std::env::split_paths(&std::env::var_os("PATH").expect("PATH is set")));
    let mut command = Command::new(program);
    command.current_dir(workspace_root()).env_clear();
    command.env("PATH", std::env::join_paths(path).expect("folders of a PATH can be joined"));
    command.env("VULTUS_MODELS_DIR", workspace_root().join("models"));
    // The crates that this workspace was built from are there: a project of the session needs no
    // others, and no network.
    let homes =
        ["HOME", "CARGO_HOME"].iter().filter_map(|name| Some((name, std::env::var_os(name)?)));
    // A test never installs or updates a toolchain.
    command.envs(homes).env("CARGO_NET_OFFLINE", "true").env("RUSTUP_AUTO_INSTALL", "0");
    command
}

#[tokio::test]
async fn the_queries_of_the_readme_are_answered_as_it_shows() {
    let node = Node::start().await;
    let client = node.client().await;
    for block in blocks_of([Rule::Query]) {
        let answer = client.query(&block.text, json!({})).await;
        assert!(answer.get("errors").is_none(), "README.md line {}: {answer:#}", block.line);
        check_answer(&block, &answer.to_string());
    }
}

#[tokio::test]
async fn the_commands_of_the_readme_work_when_pasted_and_answer_as_it_shows() {
    let node = Node::start().await;
    let session = blocks_of([Rule::Session, Rule::ServePlugins]);
    let mut script = "set -euo pipefail\n".to_owned();
    for block in &session {
        let text = match block.rule {
            Rule::ServePlugins => serve_in_session(block, login(&session)),
            _ => block.text.clone(),
        };
        script.push_str(&format!("printf '{MARK}{}\\n'\n{text}", block.line));
    }
    let file = node.scratch().join("session.sh");
    std::fs::write(&file, script).unwrap();
    let (email, password) = node.administrator();
    let output = command("timeout")
        .args([DEADLINE_SECONDS, "bash"])
        .arg(&file)
        .env("SERVER", &node.url)
        .env("EMAIL", email)
        .env("PASSWORD", password)
        .env("VULTUS_CONFIG", node.config_file())
        .env("TMPDIR", node.scratch())
        .stdin(Stdio::null())
        .output()
        .unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    let answers: BTreeMap<usize, &str> = text
        .split(MARK)
        .filter_map(|part| part.split_once('\n'))
        .map(|(line, answer)| (line.parse().expect("a mark is a line number"), answer))
        .collect();
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(
        output.status.success(),
        "README.md line {:?} ended with {}:\n{errors}",
        answers.last_key_value(),
        output.status
    );
    for block in &session {
        check_answer(block, answers[&block.line]);
    }
}

#[test]
fn from_a_new_plugin_to_its_verdict_in_the_api_there_are_at_most_ten_commands() {
    let session = blocks_of([Rule::Session, Rule::ServePlugins]);
    let first = session
        .iter()
        .position(|block| block.text.contains("vultus plugin new"))
        .expect("a block makes a plugin");
    let last = session
        .iter()
        .rposition(|block| block.text.contains("well_lit"))
        .expect("a block asks for its analysis");
    let [made, served, asked] = &session[first..=last] else {
        panic!("README.md goes from a new plugin to its verdict in three blocks");
    };
    assert_eq!(served.rule, Rule::ServePlugins);
    assert!(
        asked.text.starts_with("curl ")
            && asked.text.lines().skip(1).all(|line| line.starts_with(' ')),
        "one command"
    );
    // A line is a command there; to them come the start of the server, the login, and the request.
    let commands = made.text.lines().count() + 3;
    assert!(commands <= 10, "{commands} commands");
}

#[tokio::test]
async fn the_server_of_the_readme_starts_says_what_it_shows_and_answers() {
    for block in blocks_of([Rule::Serve]) {
        let folder = tempfile::tempdir().unwrap();
        let mut child = command("timeout")
            .args([DEADLINE_SECONDS, "bash", "-c", &format!("exec {}", block.text)])
            .env("VULTUS_DATA_DIR", folder.path().join("data"))
            .env("VULTUS_LISTEN", "127.0.0.1:0")
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let mut said = String::new();
        for line in BufReader::new(child.stdout.take().unwrap()).lines().map_while(Result::ok) {
            said.push_str(&format!("{line}\n"));
            if let Some(url) = line.strip_prefix("Vultus is ready at ") {
                let answer = reqwest::get(format!("{url}readyz"))
                    .await
                    .expect("the server answers where it says");
                assert!(
                    answer.status().is_success(),
                    "README.md line {}: {}",
                    block.line,
                    answer.status()
                );
                break;
            }
        }
        let _ = rustix::process::kill_process(
            rustix::process::Pid::from_child(&child),
            rustix::process::Signal::TERM,
        );
        child.wait().unwrap();
        assert!(
            said.contains("Vultus is ready at "),
            "README.md line {}: the server did not start: {said}",
            block.line
        );
        check_answer(&block, &said);
    }
}

#[test]
fn the_make_targets_of_the_readme_exist() {
    let makefile = std::fs::read_to_string(workspace_root().join("Makefile")).unwrap();
    let targets: Vec<&str> = makefile
        .lines()
        .find_map(|line| line.strip_prefix(".PHONY: "))
        .unwrap()
        .split(' ')
        .collect();
    for block in blocks_of([Rule::Make]) {
        for line in block.text.lines() {
            let command = line.split('#').next().unwrap_or_default();
            let named: Vec<&str> =
                command.split_whitespace().skip(1).filter(|word| !word.contains('=')).collect();
            assert!(!named.is_empty(), "README.md line {}: `{line}` names no target", block.line);
            for target in named {
                assert!(
                    targets.contains(&target),
                    "README.md line {}: no target {target}",
                    block.line
                );
            }
        }
    }
}

#[test]
fn the_configurations_of_the_readme_are_valid() {
    for block in blocks_of([Rule::Configuration]) {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), &block.text).unwrap();
        let output = command("vultus")
            .arg("--config")
            .arg(file.path())
            .args(["config", "check"])
            .output()
            .unwrap();
        assert!(
            output.status.success(),
            "README.md line {}: {}",
            block.line,
            String::from_utf8_lossy(&output.stderr)
        );
    }
}

#[test]
fn the_links_of_the_readme_lead_to_files() {
    let text = readme();
    let targets: Vec<&str> =
        text.split("](").skip(1).filter_map(|rest| rest.split(')').next()).collect();
    let paths: Vec<PathBuf> = targets
        .iter()
        .filter(|t| !t.contains("://") && !t.starts_with('#'))
        .map(PathBuf::from)
        .collect();
    assert!(!paths.is_empty());
    for path in paths {
        let file = Path::new(path.to_str().unwrap().split('#').next().unwrap()).to_owned();
        assert!(
            workspace_root().join(&file).exists(),
            "README.md links to {}, which is not there",
            file.display()
        );
    }
}

#[test]
fn a_block_without_a_rule_and_an_answer_that_differs_are_noticed() {
    for uncovered in
        ["```\nls\n```", "```console\n$ ls\n```", "```json\n{}\n```", "```sh\nls\nmake test\n```"]
    {
        assert!(blocks(uncovered).is_err(), "{uncovered}");
    }
    let shown = Answer::Json(json!({"id": "<id>", "score": 0.069, "reasons": []}));
    assert_eq!(compare(&shown, r#"{"id": "01a2", "score": 0.0693, "reasons": []}"#), Ok(()));
    for wrong in [
        r#"{"id": "01a2", "score": 0.079, "reasons": []}"#,
        r#"{"id": "", "score": 0.069, "reasons": []}"#,
        r#"{"id": "01a2", "score": 0.069, "reasons": [1]}"#,
        r#"{"id": "01a2", "score": 0.069, "reasons": [], "more": 1}"#,
        r#"{"id": "01a2", "score": 0.069}"#,
        "verdict",
    ] {
        assert!(compare(&shown, wrong).is_err(), "{wrong}");
    }
    let shown = Answer::Text("…\nverdict: SUCCESS at <address>/\n".to_owned());
    assert_eq!(compare(&shown, "one\ntwo\nverdict:  SUCCESS at http://h/\n"), Ok(()));
    for wrong in [
        "verdict: DECLINED at http://h/",
        "verdict: SUCCESS at http://h/\nmore",
        "verdict: SUCCESS at http://h",
    ] {
        assert!(compare(&shown, wrong).is_err(), "{wrong}");
    }
}
