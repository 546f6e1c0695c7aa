//! Measures the SQLite store on this machine: one fsync, creating folders by one and by 16 tasks,
//! and a cycle from claim to result.
//!
//! `cargo run -p vultus-store-sqlite --example store_speed [FOLDER]`: the data are in a temporary
//! folder below FOLDER (default: the current folder).

use std::fs::File;
use std::io::{Result, Write};
use std::sync::Arc;
use std::time::{Duration, Instant};
use vultus_core::Resolution;
use vultus_store::contract::{World, at, verdict};
use vultus_store::{Selection, Store};
use vultus_store_sqlite::{Options, SqliteStore};

/// Number of folders in each measurement.
const FOLDERS: i64 = 2000;

fn fsync_p50(data: &std::path::Path) -> Result<Duration> {
    let mut file = File::create(data.join("fsync"))?;
    let mut times = Vec::new();
    for _ in 0..200 {
        file.write_all(&[1; 4096])?;
        let begun = Instant::now();
        file.sync_data()?;
        times.push(begun.elapsed());
    }
    times.sort();
    Ok(times[times.len() / 2])
}

async fn creates_per_second(world: &World, tasks: i64) -> f64 {
    let begun = Instant::now();
    let makers = (0..tasks).map(|_| {
        let world = world.clone();
        tokio::spawn(async move {
            for seconds in 0..FOLDERS / tasks {
                world.queued(seconds, &["liveness", "face_match"]).await;
            }
        })
    });
    futures::future::join_all(makers).await;
    (FOLDERS / tasks * tasks) as f64 / begun.elapsed().as_secs_f64()
}

#[tokio::main]
async fn main() -> Result<()> {
    let below = std::env::args_os().nth(1).unwrap_or_else(|| ".".into());
    let data = tempfile::tempdir_in(below)?;
    let mut out = std::io::stdout();
    writeln!(
        out,
        "fsync of 4 KiB, p50:              {:.2} ms",
        fsync_p50(data.path())?.as_secs_f64() * 1e3
    )?;
    let store: Arc<dyn Store> =
        SqliteStore::open(&data.path().join("vultus.db"), Options::default())
            .map_err(std::io::Error::other)?;
    let world = World::new(store).await;
    writeln!(
        out,
        "folders created by 1 task:        {:.0} /s",
        creates_per_second(&world, 1).await
    )?;
    writeln!(
        out,
        "folders created by 16 tasks:      {:.0} /s",
        creates_per_second(&world, 16).await
    )?;
    let begun = Instant::now();
    for _ in 0..200 {
        let run = world.claim(FOLDERS).await.expect("runs wait");
        for analysis in &run.analyses {
            world
                .store
                .enter_analysis(run.token, analysis.id, at(0))
                .await
                .map_err(std::io::Error::other)?;
            let mut result = verdict(Resolution::Success, run.media[0].id);
            if let vultus_store::AnalysisResult::Finished { artifacts, .. } = &mut result {
                artifacts.clear();
            }
            world
                .store
                .apply_result(run.token, analysis.id, &result, at(0))
                .await
                .map_err(std::io::Error::other)?;
        }
        world.store.release_run(run.token, None, at(0)).await.map_err(std::io::Error::other)?;
    }
    writeln!(
        out,
        "claim, 2 entries, 2 results, end: {:.2} ms",
        begun.elapsed().as_secs_f64() * 1e3 / 200.0
    )?;
    let begun = Instant::now();
    for _ in 0..100 {
        let listed = world
            .store
            .list_folders(world.scope(), &Default::default(), Default::default(), None, 50)
            .await;
        let folders = listed.map_err(std::io::Error::other)?.0;
        world.store.contents(folders, Selection::CONTENTS).await.map_err(std::io::Error::other)?;
    }
    writeln!(
        out,
        "page of 50 folders with contents: {:.2} ms",
        begun.elapsed().as_secs_f64() * 10.0
    )?;
    world.store.close().await.map_err(std::io::Error::other)
}
