//! Measures what a flood of logins from 40 addresses does to memory and to others, and whether
//! names that exist can be told from others by the time of the answer.

use serde_json::json;
use std::net::{IpAddr, Ipv4Addr};
use std::process::ExitCode;
use std::time::{Duration, Instant};
use tokio::task::JoinSet;
use vultus_tests::measure::{Figure, bench, median, peak_memory, quantile, resident_memory};
use vultus_tests::{Client, Node, NodeOptions};

/// Addresses of strangers, each with some clients.
const ADDRESSES: u8 = 40;
const CLIENTS_EACH: usize = 4;
/// Duration of the flood.
const FLOOD: Duration = Duration::from_secs(30);
/// Rounds of one login with a name that exists and one with another name.
const ROUNDS: usize = 300;
/// Memory that the flood may add, in MiB.
const MEMORY_BAR: f64 = 128.0;
/// Maximum difference of the medians, in percent.
const TIME_BAR: f64 = 5.0;

const LOGIN: &str = "mutation($input: LoginInput!) { login(input: $input) { accessToken } }";

fn main() -> ExitCode {
    bench("Logins", measure())
}

async fn measure() -> Vec<Figure> {
    let config = "log.level = \"warn\"\n".to_owned();
    let node = Node::start_with(NodeOptions { config, ..NodeOptions::default() }).await;
    node.client().await;
    let mut figures = times(&node).await;
    figures.extend(flood(&node).await);
    figures
}

async fn login(client: &Client, email: &str, password: &str) -> (f64, bool) {
    let begun = Instant::now();
    let input = json!({"input": {"email": email, "password": password}});
    let answer = client.try_query(LOGIN, input).await;
    let is_judged =
        answer.is_ok_and(|answer| answer["errors"][0]["extensions"]["code"] != "UNAVAILABLE");
    (begun.elapsed().as_secs_f64() * 1e3, is_judged)
}

/// An address of this machine.
fn address(block: u8, number: usize) -> IpAddr {
    let [high, low] = u16::try_from(number).expect("a small number").to_be_bytes();
    IpAddr::V4(Ipv4Addr::new(127, block, high, low.max(2)))
}

/// Wrong passwords for a name that exists and for names that do not, in turns, each from an address
/// that has not failed before.
async fn times(node: &Node) -> Vec<Figure> {
    for number in 0..ROUNDS / 8 {
        let name = format!("user{number}@example.org");
        let add = ["user", "add", "--email", &name, "--role", "client", "--password-stdin"];
        node.command(&add, vultus_tests::PASSWORD);
    }
    let mut taken: [Vec<f64>; 2] = Default::default();
    for round in 0..ROUNDS {
        let client = Client::from_address(&node.url, address(1, round));
        let known = format!("user{}@example.org", round % (ROUNDS / 8));
        let unknown = format!("none{round}@example.org");
        // The first request opens the connection.
        let _ = client.try_query("{ __typename }", json!({})).await;
        let order = if round % 2 == 0 { [0, 1] } else { [1, 0] };
        for at in order {
            let (ms, is_judged) = login(&client, [&known, &unknown][at], "a wrong password").await;
            if is_judged {
                taken[at].push(ms);
            }
        }
    }
    let [known, unknown] = taken.each_mut().map(|times| median(times));
    let difference = 100.0 * (known / unknown - 1.0);
    let spread = taken.each_mut().map(|times| quantile(times, 0.9));
    vec![
        Figure::plain(
            "wrong password, p50 of known / unknown names",
            format!("{known:.2} / {unknown:.2} ms"),
        ),
        Figure::plain("the same, p90", format!("{:.2} / {:.2} ms", spread[0], spread[1])),
        Figure::against(
            "difference of the medians",
            format!("{difference:+.1} %"),
            "<= 5 %",
            difference.abs() <= TIME_BAR,
        ),
    ]
}

async fn flood(node: &Node) -> Vec<Figure> {
    let (email, password) = node.administrator();
    let before = resident_memory(node.pid());
    let mut strangers = JoinSet::new();
    for number in 0..usize::from(ADDRESSES) * CLIENTS_EACH {
        let client = Client::from_address(&node.url, address(2, 2 + number / CLIENTS_EACH));
        strangers.spawn(async move {
            for attempt in 0_u64.. {
                login(&client, &format!("{number}-{attempt}@example.org"), "wrong").await;
            }
        });
    }
    let (begun, mut own, mut refused) = (Instant::now(), Vec::new(), 0);
    while begun.elapsed() < FLOOD {
        let (ms, is_judged) = login(&node.anonymous(), email, password).await;
        own.push(ms);
        refused += usize::from(!is_judged);
    }
    strangers.shutdown().await;
    let grown = peak_memory(node.pid()).saturating_sub(before) as f64 / f64::from(1 << 20);
    vec![
        Figure::against(
            "40 addresses flood: memory added, peak (MiB)",
            format!("{grown:.0}"),
            "<= 128",
            grown <= MEMORY_BAR,
        ),
        Figure::plain(
            "a user at a known address logs in meanwhile, p50 / max",
            format!("{:.0} / {:.0} ms", median(&mut own), quantile(&mut own, 1.0)),
        ),
        Figure::against(
            "of these logins refused (the queue is full)",
            format!("{refused} of {}", own.len()),
            "<= 5 %",
            refused * 20 <= own.len(),
        ),
    ]
}
