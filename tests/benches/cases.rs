//! Measures the queue of cases on both stores: a page of 50 among 10 000 that wait, and 100
//! operators that claim at once.
//!
//! The folders that do not wait are fewer than in a large installation: the indexes of cases omit
//! them.

use std::collections::BTreeSet;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tempfile::TempDir;
use time::OffsetDateTime;
use vultus_core::{
    AnalysisState, Claim, DecisionRefusal, JsonText, Part, Reason, Resolution, UserId,
};
use vultus_store::contract::{World, at, group, medium, new_id};
use vultus_store::export::{
    AnalysisRecord, FolderRecord, GroupRecord, MediumRecord, Record, RunRecord,
};
use vultus_store::{CaseCursor, CaseFilter, Scope, Selection, Store, StoreError};
use vultus_store_mongo::MongoStore;
use vultus_store_sqlite::{Options, SqliteStore};
use vultus_tests::ReplicaSet;
use vultus_tests::measure::{Figure, bench, median};

/// Folders with a case that waits.
const WAITING: i64 = 10_000;
/// Folders whose analysis is settled, for each case that waits.
const SETTLED: i64 = 1;
/// Folders that are written with one command.
const AT_ONCE: i64 = 100;
const PAGE: u32 = 50;
const PAGE_BAR: Duration = Duration::from_millis(10);
const ROUNDS: usize = 200;
const OPERATORS: usize = 100;

fn main() -> ExitCode {
    bench("Cases", measure())
}

async fn measure() -> Vec<Figure> {
    let data = TempDir::new().expect("a folder for the data");
    let path = data.path().join("vultus.db");
    let sqlite = SqliteStore::open(&path, Options::default()).expect("the store opens");
    let uri = ReplicaSet::shared(1).uri(&format!("cases-{}", uuid::Uuid::now_v7()));
    let mongo = MongoStore::open(&uri).await.expect("the store opens");
    let mut figures = Vec::new();
    for (name, store) in
        [("SQLite", sqlite as Arc<dyn Store>), ("MongoDB", mongo as Arc<dyn Store>)]
    {
        let world = World::new(Arc::clone(&store)).await;
        for first in (0..WAITING).step_by(AT_ONCE as usize) {
            let seconds = first..first + AT_ONCE;
            let records = seconds.flat_map(|second| folders(&world, second)).collect();
            store.import(records).await.expect("importing works");
        }
        figures.extend(pages(name, &world).await);
        figures.push(claims(name, &world).await);
    }
    figures
}

/// A folder with a case that waits, and some whose analysis is settled.
fn folders(world: &World, second: i64) -> Vec<Record> {
    let waiting = (0, Resolution::OperatorRequired);
    let settled = (1..=SETTLED).map(|number| (number, Resolution::Success));
    let of = std::iter::once(waiting).chain(settled);
    of.map(|(_, resolution)| folder(world, second, resolution)).collect()
}

fn folder(world: &World, second: i64, resolution: Resolution) -> Record {
    let folder = world.folder(second);
    let medium = medium(folder.id, second);
    let new = group(folder.id, second, &["liveness"], &[medium.id]);
    let mut analysis = new.runs[0].analyses[0].clone();
    analysis.state = AnalysisState::Finished;
    analysis.resolution = Some(resolution);
    analysis.finished_at = Some(at(second));
    analysis.result = Part::Read(Some(JsonText::empty_object()));
    let code = if second % 100 == 0 { "RARE" } else { "USUAL" };
    let reason =
        Reason { code: code.to_owned(), message: String::new(), media_id: None, frame: None };
    analysis.reasons = vec![reason];
    let run = RunRecord {
        id: new.runs[0].id,
        pool: "built-in".to_owned(),
        done: true,
        fence: 1,
        retry_at: None,
        one_by_one: false,
        deaths: 0,
        turn_at: at(second),
    };
    Record::Folder(Box::new(FolderRecord {
        folder,
        media: vec![MediumRecord(medium)],
        groups: vec![GroupRecord(new.group)],
        runs: vec![run],
        analyses: vec![AnalysisRecord(analysis)],
        artifacts: Vec::new(),
    }))
}

async fn pages(name: &str, world: &World) -> Vec<Figure> {
    let any = CaseFilter::default;
    let of_company = Scope::Company(world.company.id);
    let rare = CaseFilter { reason_code: Some("RARE".to_owned()), ..any() };
    let none = CaseFilter { kind: Some("quality".to_owned()), ..any() };
    let free = CaseFilter { free_for: Some((new_id(), OffsetDateTime::now_utc())), ..any() };
    let middle = CaseCursor { waits_since: at(WAITING / 2), id: new_id() };
    let mut figures = Vec::new();
    for (what, scope, filter, after) in [
        ("first page", Scope::Everything, any(), None),
        ("page in the middle", Scope::Everything, any(), Some(middle)),
        ("first page of a company", of_company, any(), None),
        ("page with a rare reason", Scope::Everything, rare, None),
        ("page of a type that none has", of_company, none, None),
        ("page of what is free", of_company, free, None),
    ] {
        let mut times = Vec::with_capacity(ROUNDS);
        for _ in 0..ROUNDS {
            let begun = Instant::now();
            let listed = world.store.list_cases(scope, &filter, after, PAGE).await;
            let (cases, _) = listed.expect("listing works");
            let ids: Vec<_> = cases.iter().map(|case| case.analysis_id).collect();
            let read = world.store.analyses(scope, &ids, Selection::ENTITIES).await;
            assert_eq!(read.expect("reading works").len(), ids.len());
            times.push(begun.elapsed().as_secs_f64() * 1e3);
        }
        let p50 = median(&mut times);
        let within = p50 <= PAGE_BAR.as_secs_f64() * 1e3;
        let text = format!("{name}: {what} of {PAGE} among {WAITING} cases, p50");
        figures.push(Figure::against(&text, format!("{p50:.2} ms"), "≤ 10 ms", within));
    }
    figures
}

async fn claims(name: &str, world: &World) -> Figure {
    let now = OffsetDateTime::now_utc();
    let claim =
        move |by: UserId| Claim { by, since: now, until: now + time::Duration::minutes(10) };
    let filter = CaseFilter { free_for: Some((new_id(), now)), ..CaseFilter::default() };
    let begun = Instant::now();
    let claiming = (0..OPERATORS).map(|_| {
        let (world, filter) = (world.clone(), filter.clone());
        tokio::spawn(async move {
            let listed = world.store.list_cases(Scope::Everything, &filter, None, 200).await;
            for case in listed.expect("listing works").0 {
                let id = case.analysis_id;
                match world.store.claim_case(Scope::Everything, id, claim(new_id())).await {
                    Ok(case) => return case.analysis_id,
                    Err(StoreError::Decision(DecisionRefusal::Claimed)) => {}
                    Err(error) => panic!("{error:?}"),
                }
            }
            panic!("no case is left")
        })
    });
    let mut claimed = BTreeSet::new();
    for one in claiming.collect::<Vec<_>>() {
        claimed.insert(one.await.expect("none panics"));
    }
    let took = begun.elapsed().as_secs_f64() * 1e3;
    let different = claimed.len();
    let text =
        format!("{name}: {OPERATORS} operators claim the oldest case at once: different cases");
    let value = format!("{different} in {took:.0} ms");
    Figure::against(&text, value, "100", different == OPERATORS)
}
