//! Before a plugin of a third party takes work, each of its analyses judges one small picture. What
//! it says of it does not matter; that it answers within its own rules and time does.

use std::os::fd::OwnedFd;
use std::sync::Arc;
use std::time::Duration;

use serde_json::{Map, Value};
use tokio::sync::mpsc;
use vultus_plugin_api::manifest::{AnalysisSpec, Slot, SlotKind};
use vultus_worker_protocol::{RunAnalysis, RunMedium, RunRequest, SlottedMedium, memfd};

use crate::pool::Pool;
use crate::run::{RunCancel, RunEnd, RunEvent};
use crate::worker_pools::FreeWorker;

/// A grey gradient of 64 × 64 pixels.
const PICTURE: &[u8] = include_bytes!("self_test.png");
/// Most time for one analysis.
const TIMEOUT_MS: u64 = 10_000;
/// Until a worker is free for it.
const PATIENCE: Duration = Duration::from_secs(30);
/// A plugin that fails so with a picture fails so with any, or breaks its own description.
const FATAL: [&str; 4] =
    ["ANALYZER_PANICKED", "BAD_RESULT", "DEADLINE_EXCEEDED", "ANALYZER_UNAVAILABLE"];

/// Tries every analysis of the pool's own plugins that takes pictures. An error says which failed
/// and how.
pub(crate) async fn run(pool: &Arc<Pool>) -> Result<(), String> {
    for plugin in pool.plugins() {
        for spec in &plugin.manifest.analyses {
            let failed =
                |detail: String| format!("its self-test of {} failed: {detail}", spec.kind);
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
    let media = media.map_err(|error| format!("no memory for its picture: {error}"))?;
    let no_worker = || "no worker takes it".to_owned();
    let permit = tokio::time::timeout(PATIENCE, pool.reserve_if_available())
        .await
        .map_err(|_| no_worker())?;
    let worker = FreeWorker::new(Arc::clone(pool), permit.map_err(|_| no_worker())?);
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

/// The analysis over as many pictures as it needs; none when it needs something else than pictures.
fn request(spec: &AnalysisSpec) -> Option<RunRequest> {
    let mut media = Vec::new();
    let mut slotted = Vec::new();
    for (place, slot) in spec.slots.iter().enumerate() {
        let takes_pictures = slot.kinds.contains(&SlotKind::Image);
        if slot.min > 0 && !takes_pictures {
            return None;
        }
        // One at least, where one may be.
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
