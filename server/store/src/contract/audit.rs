//! Rules of the audit log.

use super::fixtures::{World, at, group, key, medium, new_id};
use crate::audit::{
    Actor, AuditAction, AuditEntry, AuditFilter, AuditObject, Chain, ChainCheck, ChainHead,
    ChainOf, Facts, Fault, Hash, NewEntry, Origin,
};
use crate::export::Record;
use crate::records::*;
use crate::{Scope, Store, StoreError};
use futures::TryStreamExt;
use std::collections::HashSet;
use std::sync::Arc;
use vultus_core::{Folder, FolderId, JsonText, MediaId};

/// An entry about a folder.
fn entry(world: &World, chain: ChainOf, seconds: i64) -> NewEntry {
    NewEntry {
        id: new_id(),
        chain,
        at: at(seconds),
        actor: Actor::User(world.owner.id),
        origin: Some(Origin::of([192, 0, 2, 77].into())),
        action: AuditAction::FolderChanged,
        object: Some(AuditObject::Folder(new_id())),
        before: Facts::new().code("state", "OLD"),
        after: Facts::new().number("count", 3),
    }
}

fn own(world: &World) -> Chain {
    Chain::Company(world.company.id)
}

/// Records `count` entries of a chain, one after the other.
async fn recorded(world: &World, chain: Chain, count: i64) {
    for seconds in 0..count {
        let new = entry(world, ChainOf::Known(chain), seconds);
        world.store.record(&[new]).await.expect("recording works");
    }
}

/// Gives all waiting entries their places, in small steps.
async fn chain_all(store: &Arc<dyn Store>) {
    while store.chain_waiting(None, 7).await.expect("chaining works") > 0 {}
}

async fn chained(store: &Arc<dyn Store>, chain: Chain) -> Vec<AuditEntry> {
    let (mut entries, mut after) = (Vec::new(), 0);
    loop {
        let more = store.chained(chain, after, 5).await.expect("reading works");
        let Some((last, _)) = more.last().and_then(|entry| entry.place) else { return entries };
        after = last;
        entries.extend(more);
    }
}

/// Verifies entries as a chain that had these heads once.
fn verified(
    chain: Chain,
    entries: &[AuditEntry],
    heads: &[ChainHead],
) -> std::result::Result<ChainHead, Fault> {
    let mut check = ChainCheck::new(chain, heads.iter().copied());
    for entry in entries {
        check.accept(entry)?;
    }
    check.finish()
}

/// The entry of a change is written if the change is, and only then: not with a change that fails,
/// not with a repeated request, and not with one that finds everything done.
pub(crate) async fn entry_is_written_with_its_change_only(store: Arc<dyn Store>) {
    let world = World::new(store).await;
    let chain = ChainOf::Known(own(&world));
    let recording = |seconds| world.store.clone().recording(entry(&world, chain, seconds));
    let folder = Folder { external_id: Some("taken".to_owned()), ..world.folder(0) };
    let medium = medium(folder.id, 0);
    let new = group(folder.id, 0, &["a"], &[medium.id]);
    let analysis = new.group.analyses[0];
    let additions =
        FolderAdditions { media: vec![medium], group: Some(new), ..FolderAdditions::default() };
    let key = key(&world, "k", "fingerprint");
    let create = async |seconds, folder: &Folder, key: Option<&IdempotencyKey>| {
        recording(seconds).create_folder(folder, &additions, key).await
    };
    create(1, &folder, Some(&key)).await.expect("creating works");
    create(2, &folder, Some(&key)).await.expect("it is replayed");
    let other = Folder { id: new_id(), ..folder.clone() };
    create(3, &other, None).await.expect_err("the external id is taken");
    let cancelled = recording(4).cancel_analysis(world.scope(), analysis, at(4)).await;
    assert!(matches!(cancelled, Ok(Cancelled::Now(_))));
    let again = recording(5).cancel_analysis(world.scope(), analysis, at(5)).await;
    assert!(matches!(again, Ok(Cancelled::AlreadyFinal(_))));
    let missing = recording(6).erase_folder(world.scope(), new_id(), at(6)).await;
    assert!(matches!(missing, Err(StoreError::NotFound(_))));
    recording(7).erase_folder(world.scope(), folder.id, at(7)).await.expect("erasing works");
    chain_all(&world.store).await;
    let entries = chained(&world.store, own(&world)).await;
    let times: Vec<_> = entries.iter().map(|entry| entry.at).collect();
    assert_eq!(times, [at(1), at(4), at(7)]);
    let first = &entries[0];
    assert_eq!(first.actor, format!("user:{}", world.owner.id));
    assert_eq!(first.origin.as_deref(), Some("192.0.2.0/24"));
    assert_eq!(first.action, "FOLDER_CHANGED");
    assert_eq!(first.before.as_deref(), Some(r#"{"state":"OLD"}"#));
    assert_eq!(first.after.as_deref(), Some(r#"{"count":3}"#));
}

/// The store finds the company of an object, also of one that the change deletes; a change of a
/// missing object is NOT_FOUND as without an entry.
pub(crate) async fn chain_of_an_object_is_that_of_its_company(store: Arc<dyn Store>) {
    let world = World::new(store).await;
    let neighbour = world.neighbour().await;
    let (folder, new) = neighbour.queued(0, &["a"]).await;
    let (analysis, taken) = (new.group.analyses[0], new.runs[0].analyses[0].media[0].media_id);
    let recording = |chain, seconds| world.store.clone().recording(entry(&world, chain, seconds));
    let (by_folder, by_medium) = (ChainOf::Folder(folder.id), ChainOf::Medium(taken));
    let text = JsonText::empty_object();
    let everything = Scope::Everything;
    let (of_analysis, text) = (ChainOf::Analysis(analysis), Some(&text));
    let changed =
        recording(by_folder, 1).update_folder(everything, folder.id, text, None, at(1)).await;
    changed.expect("changing works");
    let cancelled = recording(of_analysis, 2).cancel_analysis(everything, analysis, at(2)).await;
    cancelled.expect("cancelling works");
    let deleted = recording(by_medium, 3).delete_medium(everything, taken, at(3)).await;
    deleted.expect("deleting works");
    let erased = recording(by_folder, 4).erase_folder(everything, folder.id, at(4)).await;
    erased.expect("erasing works");
    let missing: (MediaId, FolderId) = (new_id(), new_id());
    let (medium, folder) = missing;
    let gone = recording(ChainOf::Medium(medium), 5).delete_medium(everything, medium, at(5)).await;
    assert!(matches!(gone, Err(StoreError::NotFound("medium"))));
    let gone = recording(ChainOf::Folder(folder), 6).erase_folder(everything, folder, at(6)).await;
    assert!(matches!(gone, Err(StoreError::NotFound("folder"))));
    chain_all(&world.store).await;
    assert_eq!(chained(&world.store, own(&world)).await, []);
    let times: Vec<_> =
        chained(&world.store, own(&neighbour)).await.iter().map(|entry| entry.at).collect();
    assert_eq!(times, [at(1), at(2), at(3), at(4)]);
}

/// Concurrent writers of a company succeed, also while entries get their places from several
/// callers; the chain has every entry once and verifies.
pub(crate) async fn concurrent_writers_of_a_company_get_one_chain(store: Arc<dyn Store>) {
    const WRITERS: i64 = 16;
    const EACH: i64 = 5;
    let world = World::new(store).await;
    let writers = (0..WRITERS).map(|writer| {
        let world = &world;
        async move {
            for turn in 0..EACH {
                let folder = world.folder(turn);
                let of = entry(world, ChainOf::Known(own(world)), writer * EACH + turn);
                let created = world.store.clone().recording(of);
                created
                    .create_folder(&folder, &FolderAdditions::default(), None)
                    .await
                    .expect("creating works");
                world.store.chain_waiting(None, 100).await.expect("chaining works");
            }
        }
    });
    futures::future::join_all(writers).await;
    chain_all(&world.store).await;
    let entries = chained(&world.store, own(&world)).await;
    let times: HashSet<_> = entries.iter().map(|entry| entry.at).collect();
    assert_eq!((entries.len(), times.len()), (80, 80));
    let head = verified(own(&world), &entries, &[]).expect("the chain is sound");
    assert_eq!(head.number, 80);
    assert_eq!(world.store.chain_head(own(&world)).await.expect("reading works"), Some(head));
    assert_eq!(world.store.chain_heads().await.expect("reading works"), [head]);
}

/// Every change of an entry, a deletion, an exchange, a cut before a known head and a chain that
/// was computed anew are found.
pub(crate) async fn tampering_with_a_chain_is_found(store: Arc<dyn Store>) {
    let world = World::new(store).await;
    let chain = own(&world);
    recorded(&world, chain, 9).await;
    chain_all(&world.store).await;
    let sound = chained(&world.store, chain).await;
    let head = verified(chain, &sound, &[]).expect("the chain is sound");
    let changed = |change: &dyn Fn(&mut AuditEntry)| {
        let mut entries = sound.clone();
        change(&mut entries[4]);
        verified(chain, &entries, &[])
    };
    let changes: [&dyn Fn(&mut AuditEntry); 9] = [
        &|entry| entry.id = new_id(),
        &|entry| entry.at += time::Duration::microseconds(1),
        &|entry| entry.actor = "unknown".to_owned(),
        &|entry| entry.origin = None,
        &|entry| entry.action = "FOLDER_ERASED".to_owned(),
        &|entry| entry.object = None,
        &|entry| entry.before = None,
        &|entry| (entry.before, entry.after) = (entry.after.clone(), entry.before.clone()),
        &|entry| entry.place = entry.place.map(|(number, _)| (number, Hash([7; 32]))),
    ];
    for change in changes {
        assert_eq!(changed(change), Err(Fault::Changed { number: 5 }));
    }
    let mut deleted = sound.clone();
    deleted.remove(4);
    assert_eq!(verified(chain, &deleted, &[]), Err(Fault::Gap { expected: 5, found: 6 }));
    let mut exchanged = sound.clone();
    (exchanged[3].place, exchanged[4].place) = (sound[4].place, sound[3].place);
    exchanged.swap(3, 4);
    assert_eq!(verified(chain, &exchanged, &[]), Err(Fault::Changed { number: 4 }));
    assert_eq!(verified(chain, &sound[..7], &[]).map(|head| head.number), Ok(7));
    assert_eq!(verified(chain, &sound[..7], &[head]), Err(Fault::CutOff { last: 7, head: 9 }));
    let mut rewritten = sound;
    rewritten[4].actor = "unknown".to_owned();
    let mut before = ChainHead::empty(chain);
    for entry in &mut rewritten {
        before = before.append(entry);
        entry.place = Some((before.number, before.hash));
    }
    assert!(verified(chain, &rewritten, &[]).is_ok(), "its own hashes fit");
    assert_eq!(verified(chain, &rewritten, &[head]), Err(Fault::Rewritten { number: 9 }));
}

/// Filters select by chain, actor, action, object and time; pages neither repeat nor miss entries.
pub(crate) async fn audit_filters_select_exactly_what_matches(store: Arc<dyn Store>) {
    let world = World::new(store).await;
    let neighbour = world.neighbour().await;
    let object = AuditObject::Folder(new_id());
    for (seconds, chain) in
        [own(&world), Chain::Installation, own(&neighbour), own(&world)].into_iter().enumerate()
    {
        let mut new = entry(&world, ChainOf::Known(chain), i64::try_from(seconds).expect("few"));
        if seconds == 3 {
            (new.actor, new.action) = (Actor::CommandLine, AuditAction::FolderErased);
            new.object = Some(object);
        }
        world.store.record(&[new]).await.expect("recording works");
    }
    let listed = async |filter: AuditFilter| -> Vec<_> {
        let (mut times, mut before) = (Vec::new(), None);
        loop {
            let page = world.store.list_audit(&filter, before, 1).await;
            let (page, more) = page.expect("listing works");
            times.extend(page.iter().map(|entry| entry.at));
            assert_eq!(page.len(), usize::from(more || !page.is_empty()));
            match page.last() {
                Some(last) if more => before = Some(last.id),
                _ => return times,
            }
        }
    };
    let all = AuditFilter::default;
    assert!(listed(all()).await.is_empty(), "entries without a place are not listed");
    chain_all(&world.store).await;
    assert_eq!(listed(all()).await, [at(3), at(2), at(1), at(0)]);
    let of_chain = AuditFilter { chain: Some(own(&world)), ..all() };
    assert_eq!(listed(of_chain).await, [at(3), at(0)]);
    let actor = Some(Actor::CommandLine.to_string());
    assert_eq!(listed(AuditFilter { actor, ..all() }).await, [at(3)]);
    let actions = vec![AuditAction::FolderErased, AuditAction::LoggedIn];
    assert_eq!(listed(AuditFilter { actions, ..all() }).await, [at(3)]);
    let object = Some(object.to_string());
    assert_eq!(listed(AuditFilter { object, ..all() }).await, [at(3)]);
    let times = AuditFilter { from: Some(at(1)), before: Some(at(3)), ..all() };
    assert_eq!(listed(times).await, [at(2), at(1)]);
    let operator = Some(r#"{"$gt":""}"#.to_owned());
    assert!(listed(AuditFilter { actor: operator, ..all() }).await.is_empty());
}

/// Deleting a chain deletes its entries, also waiting ones, and its signed head; no other chain
/// changes.
pub(crate) async fn deleted_chain_leaves_the_others(store: Arc<dyn Store>) {
    let world = World::new(store).await;
    let neighbour = world.neighbour().await;
    for chain in [own(&world), own(&neighbour)] {
        recorded(&world, chain, 2).await;
        world.store.keep_signed_head(chain, "old").await.expect("keeping works");
        world.store.keep_signed_head(chain, "signed").await.expect("keeping works");
    }
    chain_all(&world.store).await;
    recorded(&world, own(&world), 1).await;
    world.store.delete_chain(world.company.id).await.expect("deleting works");
    chain_all(&world.store).await;
    assert_eq!(chained(&world.store, own(&world)).await, []);
    assert_eq!(chained(&world.store, own(&neighbour)).await.len(), 2);
    let heads = world.store.signed_heads().await.expect("reading works");
    assert_eq!(heads, [(own(&neighbour), "signed".to_owned())]);
}

/// Exported chains are imported unchanged, with waiting entries and signed heads, and verify.
pub(crate) async fn imported_chains_verify(store: Arc<dyn Store>) {
    let world = World::new(store).await;
    recorded(&world, own(&world), 3).await;
    chain_all(&world.store).await;
    recorded(&world, own(&world), 1).await;
    world.store.keep_signed_head(own(&world), "signed").await.expect("keeping works");
    let export = async || -> Vec<Record> {
        let records = world.store.export().await.expect("exporting works");
        let records: Vec<Record> = records.try_collect().await.expect("exporting works");
        let is_audit = |record: &Record| record.kind().starts_with("audit");
        records.into_iter().filter(is_audit).collect()
    };
    let records = export().await;
    assert_eq!(records.len(), 5);
    world.store.delete_chain(world.company.id).await.expect("deleting works");
    assert_eq!(export().await, []);
    world.store.import(records.clone()).await.expect("importing works");
    assert_eq!(export().await, records);
    chain_all(&world.store).await;
    let entries = chained(&world.store, own(&world)).await;
    assert_eq!(verified(own(&world), &entries, &[]).map(|head| head.number), Ok(4));
}
