//! `make soak`: the memory of a node during mixed work: uploads, analyses, checks, reads, sockets,
//! deletions, logins. MIXED_SECONDS changes the two hours. The slope is that of a line through the
//! second half of the time.

use serde_json::json;
use std::process::ExitCode;
use std::time::{Duration, Instant};
use tokio::task::JoinSet;
use vultus_tests::measure::{Figure, bench, resident_memory};
use vultus_tests::{
    Client, DELETE_FOLDER, Node, NodeOptions, Upload, id_photo, sample, selfie_photo,
};

/// Time of the measurement, unless MIXED_SECONDS says otherwise.
const SECONDS: u64 = 2 * 3600;
/// Clients, each with a user of a company.
const CLIENTS: usize = 3;
/// Pause between two readings of the memory.
const INTERVAL: Duration = Duration::from_secs(5);
/// Maximum slope, in MiB per hour.
const SLOPE_BAR: f64 = 1.0;

fn main() -> ExitCode {
    bench("Memory during mixed work", measure())
}

async fn measure() -> Vec<Figure> {
    let seconds = std::env::var("MIXED_SECONDS").ok().and_then(|text| text.parse().ok());
    let time = Duration::from_secs(seconds.unwrap_or(SECONDS));
    let config = "log.level = \"warn\"\ntokens.access_seconds = 86400\n".to_owned();
    let node = Node::start_with(NodeOptions { config, ..NodeOptions::default() }).await;
    let mut work = JoinSet::new();
    for number in 0..CLIENTS {
        let (company, email) = (format!("Company {number}"), format!("{number}@example.org"));
        let client = node.client_of_company(&company, &email, "client-admin").await;
        work.spawn(rounds(client, email, node.anonymous()));
    }
    let (begun, mut readings) = (Instant::now(), Vec::new());
    while begun.elapsed() < time {
        tokio::time::sleep(INTERVAL).await;
        let memory = resident_memory(node.pid()) as f64 / f64::from(1 << 20);
        readings.push((begun.elapsed().as_secs_f64() / 3600.0, memory));
        assert!(work.try_join_next().is_none(), "a client failed");
    }
    work.shutdown().await;
    let half = &readings[readings.len() / 2..];
    let (slope, first) = (slope(half), half.first().map_or(f64::NAN, |reading| reading.1));
    let highest = readings.iter().map(|reading| reading.1).fold(0.0, f64::max);
    vec![
        Figure::plain("duration", format!("{:.0} min", time.as_secs_f64() / 60.0)),
        Figure::plain("memory at half time / highest", format!("{first:.1} / {highest:.1} MiB")),
        Figure::against(
            "slope in the second half",
            format!("{slope:+.2} MiB/h"),
            "<= 1 MiB/h",
            slope <= SLOPE_BAR,
        ),
    ]
}

/// Slope of the least-squares line.
fn slope(points: &[(f64, f64)]) -> f64 {
    let count = points.len() as f64;
    let mean = |of: fn(&(f64, f64)) -> f64| points.iter().map(of).sum::<f64>() / count;
    let (x, y) = (mean(|point| point.0), mean(|point| point.1));
    let covariance: f64 = points.iter().map(|point| (point.0 - x) * (point.1 - y)).sum();
    covariance / points.iter().map(|point| (point.0 - x).powi(2)).sum::<f64>()
}

/// What one client does, again and again.
async fn rounds(client: Client, email: String, anonymous: Client) {
    let photos = [selfie_photo(sample("obama2.jpg")), id_photo(sample("obama.jpg"))];
    let update = "mutation($input: UpdateFolderInput!) {
        updateFolder(input: $input) { folder { revision } } }";
    let check = "mutation($input: CheckInput!) { check(input: $input) { resolution } }";
    let login = "mutation($input: LoginInput!) { login(input: $input) { accessToken } }";
    let list = "{ folders(first: 20) { nodes { id state metadata media(first: 5) { nodes { id
        url } } analyses(first: 5) { nodes { type reasons { code } } } } } }";
    loop {
        let folder = client.folder_with(&photos, &["face_match", "quality"]).await;
        let id = folder["id"].clone();
        let mut socket = client.socket().await;
        let watch = "subscription($id: ID!) { folder(id: $id) { revision metadata } }";
        socket.subscribe("1", watch, json!({"id": id})).await;
        socket.next().await;
        for number in 0..5 {
            let metadata = json!({"number": number, "text": "x".repeat(20_000)});
            let input = json!({"input": {"folderId": id, "metadata": metadata}});
            client.data(update, input).await;
            socket.next().await;
            client.data(list, json!({})).await;
        }
        drop(socket);
        let media = json!([{"key": "s", "file": null, "tags": ["photo_selfie"]}]);
        let input = json!({"input": {"media": media, "analyses": [{"type": "quality"}]}});
        let file = Upload::medium(0, "s.jpg", sample("obama2.jpg"));
        client.upload(check, input, vec![file]).await;
        let credentials = json!({"email": email, "password": vultus_tests::PASSWORD});
        anonymous.query(login, json!({"input": credentials})).await;
        client.query("{ folders(first: 1) { nodes { nothing } } }", json!({})).await;
        client.refused(&[selfie_photo(b"no picture".to_vec())], json!({})).await;
        client.data(DELETE_FOLDER, json!({"input": {"folderId": id}})).await;
    }
}
