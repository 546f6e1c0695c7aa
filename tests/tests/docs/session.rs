//! The commands of the pages: each page is one session of bash, in order, beside a server that all
//! pages share but those that add companies. A page that uses `$TOKEN` and does not get one runs
//! after the login of the page that does.

use serde_json::json;
use std::collections::BTreeMap;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Command, Stdio};
use vultus_tests::{Node, executable, workspace_root};

use crate::block::{Block, Rule};
use crate::page::{self, Page};

/// No session takes longer.
const DEADLINE_SECONDS: &str = "600";
/// Before the output of each block of a session: a character that no output has.
const MARK: char = '\u{1e}';

/// The one block that logs in.
fn login() -> String {
    let mut found = Vec::new();
    for page in page::tested() {
        let session = page.blocks_of(&[Rule::Session]);
        found.extend(session.into_iter().filter(|block| gets_token(&block.text)));
    }
    let [login] = &found[..] else { panic!("{} blocks of the pages log in", found.len()) };
    login.text.clone()
}

fn gets_token(text: &str) -> bool {
    text.contains("\nTOKEN=")
}

/// A part of a session's script that starts a server in a folder of its session and logs in to it.
fn serve_in_session(block: &Block, login: &str) -> String {
    let start = block.text.trim_end();
    format!(
        "export VULTUS_DATA_DIR=\"$TMPDIR/second\" VULTUS_LISTEN=127.0.0.1:0\n\
         unset VULTUS_CONFIG\n\
         {start} >\"$TMPDIR/second.log\" 2>/dev/null &\n\
         trap 'kill $!; wait' EXIT\n\
         for _ in $(seq 600); do\n\
           grep -q '^Vultus is ready at ' \"$TMPDIR/second.log\" && break\n\
           kill -0 $!; sleep 0.1\n\
         done\n\
         said() {{ sed -n \"s|$1|\\\\1|p\" \"$TMPDIR/second.log\"; }}\n\
         SERVER=$(said '^Vultus is ready at \\(.*\\)/$')\n\
         EMAIL=$(said '^First administrator: \\([^ ]*\\) .*')\n\
         PASSWORD=$(said '.*password: \\([^ ]*\\) .*')\n{login}"
    )
}

/// The script of a page: its blocks, each after a mark with its line.
fn script(blocks: &[Block], login: &str) -> String {
    let mut script = "set -euo pipefail\n".to_owned();
    let text: String = blocks.iter().map(|block| block.text.as_str()).collect();
    if text.contains("$TOKEN") && !gets_token(&text) {
        script.push_str(login);
    }
    for block in blocks {
        let text = match block.rule {
            Rule::ServePlugins => serve_in_session(block, login),
            _ => block.text.clone(),
        };
        script.push_str(&format!("printf '{MARK}{}\\n'\n{text}", block.line));
    }
    script
}

/// A command in the root of the repository that finds the executables of this build and the models,
/// and no other part of the build.
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
    // The crates that this workspace was built from are there: a project of a session needs no
    // others, and no network.
    let homes =
        ["HOME", "CARGO_HOME"].iter().filter_map(|name| Some((name, std::env::var_os(name)?)));
    // A test never installs or updates a toolchain.
    command.envs(homes).env("CARGO_NET_OFFLINE", "true").env("RUSTUP_AUTO_INSTALL", "0");
    command
}

/// Runs the session of a page and compares its answers.
fn run(node: &Node, page: &Page, blocks: &[Block], login: &str) {
    let scratch = node.scratch().join(page.path.replace('/', "-"));
    std::fs::create_dir(&scratch).expect("each page has a folder");
    let file = scratch.join("session.sh");
    std::fs::write(&file, script(blocks, login)).expect("the script is written");
    let (email, password) = node.administrator();
    let output = command("timeout")
        .args([DEADLINE_SECONDS, "bash"])
        .arg(&file)
        .env("SERVER", &node.url)
        .env("EMAIL", email)
        .env("PASSWORD", password)
        .env("VULTUS_CONFIG", node.config_file())
        .env("TMPDIR", &scratch)
        .stdin(Stdio::null())
        .output()
        .expect("bash is there");
    let text = String::from_utf8(output.stdout).expect("the output is text");
    let answers: BTreeMap<usize, &str> = text
        .split(MARK)
        .filter_map(|part| part.split_once('\n'))
        .filter_map(|(line, answer)| Some((line.parse().ok()?, answer)))
        .collect();
    assert!(
        output.status.success(),
        "{} line {:?} ended with {}:\n{}",
        page.path,
        answers.last_key_value(),
        output.status,
        String::from_utf8_lossy(&output.stderr)
    );
    for block in blocks {
        page.check_answer(block, answers[&block.line]);
    }
}

#[tokio::test]
async fn commands_of_the_pages_run_and_answer_as_shown() {
    let (node, login) = (Node::start().await, login());
    let mut sessions = 0;
    for page in page::tested() {
        let blocks = page.blocks_of(&[Rule::Session, Rule::ServePlugins]);
        if blocks.is_empty() {
            continue;
        }
        sessions += 1;
        // On the other pages one company is active, which need not be named.
        match blocks.iter().any(|block| block.text.contains("vultus company add")) {
            true => run(&Node::start().await, &page, &blocks, &login),
            false => run(&node, &page, &blocks, &login),
        }
    }
    assert!(sessions > 5, "only {sessions} pages have commands");
}

#[tokio::test]
async fn queries_of_the_pages_are_answered_as_shown() {
    let node = Node::start().await;
    let client = node.client().await;
    let mut queries = 0;
    for page in page::tested() {
        for block in page.blocks_of(&[Rule::Query]) {
            queries += 1;
            let answer = client.query(&block.text, json!({})).await;
            assert!(answer.get("errors").is_none(), "{}: {answer:#}", page.place(&block));
            page.check_answer(&block, &answer.to_string());
        }
    }
    assert!(queries > 0, "the pages have queries");
}

#[test]
fn from_a_new_plugin_to_its_verdict_are_at_most_ten_commands() {
    let page = page::named("docs/guides/write-an-analyzer.md");
    let session = page.blocks_of(&[Rule::Session, Rule::ServePlugins]);
    let named = |text: &str| session.iter().position(|block| block.text.contains(text));
    let first = named("vultus plugin new").expect("a block makes a plugin");
    let last = session.iter().rposition(|block| block.text.contains("well_lit"));
    let [made, served, asked] = &session[first..=last.expect("a block asks for its analysis")]
    else {
        panic!("{} goes from a new plugin to its verdict in three blocks", page.path);
    };
    assert_eq!(served.rule, Rule::ServePlugins);
    let rest_is_indented = asked.text.lines().skip(1).all(|line| line.starts_with(' '));
    assert!(asked.text.starts_with("curl ") && rest_is_indented, "one command");
    // A line is a command there; to them come the start of the server, the login, and the request.
    let commands = made.text.lines().count() + 3;
    assert!(commands <= 10, "{commands} commands");
}

#[tokio::test]
async fn servers_of_the_pages_start_and_print_what_is_shown() {
    let mut servers = 0;
    for page in page::tested() {
        for block in page.blocks_of(&[Rule::Serve]) {
            servers += 1;
            serve(&page, &block).await;
        }
    }
    assert!(servers > 0, "the pages start a server");
}

/// Starts the server of a block, waits until it is ready, and stops it.
async fn serve(page: &Page, block: &Block) {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let mut child = command("timeout")
        .args([DEADLINE_SECONDS, "bash", "-c", &format!("exec {}", block.text)])
        .env("VULTUS_DATA_DIR", folder.path().join("data"))
        .env("VULTUS_LISTEN", "127.0.0.1:0")
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .expect("bash is there");
    let mut said = String::new();
    let mut ready = false;
    for line in BufReader::new(child.stdout.take().expect("it is piped")).lines() {
        let Ok(line) = line else { break };
        said.push_str(&format!("{line}\n"));
        if let Some(url) = line.strip_prefix("Vultus is ready at ") {
            let answer = reqwest::get(format!("{url}readyz")).await;
            ready = answer.is_ok_and(|answer| answer.status().is_success());
            break;
        }
    }
    let _ = rustix::process::kill_process(
        rustix::process::Pid::from_child(&child),
        rustix::process::Signal::TERM,
    );
    child.wait().expect("it was started");
    assert!(ready, "{}: the server is not ready: {said}", page.place(block));
    page.check_answer(block, &said);
}

#[test]
fn configurations_of_the_pages_are_valid() {
    let mut checked = 0;
    for page in page::tested() {
        for block in page.blocks_of(&[Rule::Configuration]) {
            checked += 1;
            let file = tempfile::NamedTempFile::new().expect("a temporary file");
            std::fs::write(file.path(), &block.text).expect("it can be written");
            let output = command("vultus")
                .arg("--config")
                .arg(file.path())
                .args(["config", "check"])
                .output()
                .expect("vultus is there");
            let errors = String::from_utf8_lossy(&output.stderr);
            assert!(output.status.success(), "{}: {errors}", page.place(&block));
        }
    }
    assert!(checked > 0, "the pages show configurations");
}
