//! What calls leave behind: heap, process memory, descriptors, threads, child processes.

use std::time::{Duration, Instant};

use super::call::{Cancel, Job};
use super::finding::Finding;
use super::gauges::{has_children, heap_bytes};
use super::scene::Content;
use super::subject::{Subject, call};

/// Number of calls over which memory is measured.
const CALLS: usize = 1_000;
/// Number of calls before the first measurement: what is set up once is not a leak.
const WARM_UP: usize = 60;
/// Time after which the measurement ends, even with fewer calls.
const BUDGET: Duration = Duration::from_secs(60);
/// Growth of the heap over all calls that is not a leak. Leaking one allocation of the smallest
/// size per call exceeds it.
const HEAP_SLACK_BYTES: usize = 16 << 10;
/// Growth of the process memory that is not a leak: pages are allocated in batches.
const RESIDENT_SLACK_BYTES: usize = 24 << 20;

pub(super) fn memory(subject: &Subject<'_>) -> Finding {
    let (mut problems, mut remarks) = (Vec::new(), Vec::new());
    for spec in subject.analyses() {
        let jobs: Vec<Job<'_>> = [Content::Noise, Content::Flat(128)]
            .into_iter()
            .filter_map(|content| subject.small_job(spec, content))
            .collect();
        let Ok(mut instance) = subject.create() else { continue };
        // Every tenth call is cancelled at once: failures have to free their memory as well.
        let mut round = |number: usize| {
            let cancel = if number % 10 == 9 { Cancel::Before } else { Cancel::Never };
            if let Some(job) = jobs.get(number % jobs.len().max(1)) {
                // Other rules check the answer.
                drop(call(&mut instance, job, cancel));
            }
        };
        (0..WARM_UP).for_each(&mut round);
        let gauges = subject.gauges();
        let (heap, resident, begun) = (heap_bytes(), gauges.resident_bytes(), Instant::now());
        let calls = (0..CALLS).take_while(|number| {
            round(*number);
            begun.elapsed() < BUDGET
        });
        let calls = calls.count();
        let heap = heap_bytes().saturating_sub(heap);
        let resident = gauges.resident_bytes().saturating_sub(resident);
        if heap > HEAP_SLACK_BYTES {
            problems.push(format!("{}: {calls} calls left {heap} bytes of heap", spec.kind));
        } else if resident > RESIDENT_SLACK_BYTES {
            problems.push(format!(
                "{}: the process grew by {} KiB over {calls} calls",
                spec.kind,
                resident >> 10
            ));
        }
        let each = begun.elapsed().as_secs_f64() * 1e3 / calls.max(1) as f64;
        let mut remark = format!("{}: {heap} bytes over {calls} calls", spec.kind);
        if calls < CALLS {
            remark += &format!("; {CALLS} of {each:.0} ms did not fit into {} s", BUDGET.as_secs());
        }
        remarks.push(remark);
    }
    match subject.analyses() {
        [] => Finding::NotApplicable("it offers no analysis"),
        _ => Finding::of(problems, remarks.join("; ")),
    }
}

pub(super) fn leftovers(subject: &Subject<'_>) -> Finding {
    let mut problems = Vec::new();
    for spec in subject.analyses() {
        let Ok(mut instance) = subject.create() else { continue };
        let Some(job) = subject.small_job(spec, Content::Noise) else { continue };
        // A runtime may create threads and files at the first call; only what each call leaves
        // counts.
        drop(call(&mut instance, &job, Cancel::Never));
        let gauges = subject.gauges();
        let counts = || {
            let children = usize::from(has_children());
            [
                ("threads", gauges.threads()),
                ("descriptors", gauges.descriptors()),
                ("children", children),
            ]
        };
        let before = counts();
        for _ in 0..5 {
            drop(call(&mut instance, &job, Cancel::Never));
        }
        for ((what, before), (_, after)) in before.into_iter().zip(counts()) {
            if after > before {
                problems.push(format!("{}: five calls left {} {what}", spec.kind, after - before));
            }
        }
    }
    Finding::of(problems, "")
}
