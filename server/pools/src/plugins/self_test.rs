//! Self-test: before a third-party plugin takes work, each of its analyses judges a small picture.
//! The verdict does not matter; the plugin must answer in time and as its manifest says.

use std::os::fd::OwnedFd;
use std::sync::Arc;
use std::time::Duration;

use serde_json::{Map, Value};
use tokio::sync::mpsc;
use vultus_plugin_api::manifest::{AnalysisSpec, Slot, SlotKind};
use vultus_worker_protocol::{RunAnalysis, RunMedium, RunRequest, SlottedMedium, memfd};

use crate::free_worker::FreeWorker;
use crate::pool::{Pool, QUEUE};
use crate::run::{RunCancel, RunEnd, RunEvent};

/// A grey gradient of 64 × 64 pixels.
const PICTURE: &[u8] = include_bytes!("self_test.png");
/// Time limit of one analysis.
const TIMEOUT_MS: u64 = 10_000;
/// Maximum time to wait for a free worker.
const WORKER_WAIT: Duration = Duration::from_secs(30);
/// Failures that reject the plugin: it would fail with any picture, or violates its manifest.
const FATAL: [&str; 4] =
    ["ANALYZER_PANICKED", "BAD_RESULT", "DEADLINE_EXCEEDED", "ANALYZER_UNAVAILABLE"];

/// Tests every analysis of the pool's plugins that takes pictures. An error says which one failed
/// and how.
pub(crate) async fn run(pool: &Arc<Pool>) -> Result<(), String> {
    for plugin in pool.plugins() {
        for spec in &plugin.manifest.analyses {
            let failed =
                |detail: String| format!("the self-test of {} failed: {detail}", spec.kind);
            let Some(request) = request(spec) else { continue };
            judge(pool, request).await.map_err(failed)?;
        }
    }
    pool.statistics.forget();
    Ok(())
}

async fn judge(pool: &Arc<Pool>, request: RunRequest) -> Result<(), String> {
    let media = request
        .media
        .iter()
        .map(|_| memfd::sealed("self-test", PICTURE))
        .collect::<Result<Vec<OwnedFd>, _>>();
    let media = media.map_err(|error| format!("copying the test picture failed: {error}"))?;
    let no_worker = || "no worker was free".to_owned();
    let reserved = tokio::time::timeout(WORKER_WAIT, pool.reserve_if_available(None))
        .await
        .map_err(|_| no_worker())?;
    let (lane, permit) = reserved.map_err(|_| no_worker())?;
    let worker = FreeWorker::new(Arc::clone(pool), lane, permit, QUEUE);
    let (sender, mut events) = mpsc::channel(16);
    let cancel = RunCancel::new();
    let listening = async {
        let mut failure = None;
        while let Some(event) = events.recv().await {
            if let RunEvent::Judged(judged) = event {
                failure = judged.result.err();
            }
        }
        failure
    };
    let (end, failure) = tokio::join!(worker.run(request, media, sender, &cancel), listening);
    match (end, failure) {
        (RunEnd::WorkerDied(death), _) => Err(format!("the worker died ({})", death.detail)),
        (_, Some(failure)) if FATAL.contains(&failure.code.as_str()) => {
            Err(format!("{} ({})", failure.code, failure.detail))
        }
        (RunEnd::Done(_) | RunEnd::WorkerStopped, _) => Ok(()),
        (RunEnd::Unavailable { .. }, _) => Err(no_worker()),
    }
}

/// A request of the analysis with as many pictures as it needs; none if it needs other media.
fn request(spec: &AnalysisSpec) -> Option<RunRequest> {
    let mut media = Vec::new();
    let mut slotted = Vec::new();
    for (place, slot) in spec.slots.iter().enumerate() {
        let takes_pictures = slot.kinds.contains(&SlotKind::Image);
        if slot.min > 0 && !takes_pictures {
            return None;
        }
        // The first slot gets at least one picture if it takes pictures.
        let count = slot.min.max(u32::from(place == 0 && takes_pictures));
        for _ in 0..count {
            slotted.push(SlottedMedium {
                index: u32::try_from(media.len()).ok()?,
                slot: slot.name.clone(),
                named: true,
            });
            media.push(RunMedium {
                id: "self-test".to_owned(),
                byte_size: PICTURE.len() as u64,
                tags: tags(slot),
                frame: None,
            });
        }
    }
    let analysis = RunAnalysis {
        id: "self-test".to_owned(),
        kind: spec.kind.clone(),
        params: defaults(&spec.params_schema),
        media: slotted,
        timeout_ms: spec.timeout_ms.min(TIMEOUT_MS),
    };
    Some(RunRequest { run: "self-test".to_owned(), media, analyses: vec![analysis] })
}

fn tags(slot: &Slot) -> Vec<String> {
    slot.all_tags.iter().chain(slot.any_tags.first()).cloned().collect()
}

fn defaults(schema: &Value) -> Value {
    let properties = schema["properties"].as_object().into_iter().flatten();
    let given = properties
        .filter_map(|(name, property)| Some((name.clone(), property.get("default")?.clone())));
    Value::Object(given.collect::<Map<_, _>>())
}
